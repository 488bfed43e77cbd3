# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where on the buses of a guest its functions are.

A function stays where its guest knows it. The VFs of one PF that share a bus are the functions of
the one slot that a root port has, so eight at most, and come and go together.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .devices import place_of
from .xml import Element

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .._pci.address import PciAddress
    from .guests import Guest
    from .state import State

ROOT_PORT: t.Final = "pcie-root-port"
_FUNCTIONS_OF_SLOT = 8
_BUSES = range(1, 256)


@dataclass(frozen=True)
class Places:
    """PCI addresses in the guest, by function of the host, and the root ports that they need."""

    of: Mapping[PciAddress, Element]
    ports: tuple[Element, ...] = ()


def former_places(
    guest: Guest | None, addresses: Iterable[PciAddress]
) -> dict[PciAddress, Element]:
    """Return where a guest knows its functions, first of all at its next start."""
    known = {**guest.now, **guest.next} if guest else {}
    # One that is plugged in, and not defined, may have the place of one that is.
    by_right = sorted(addresses, key=lambda at: guest is None or at not in guest.next)
    found: dict[tuple[int, int, int] | None, tuple[PciAddress, Element]] = {}
    for address in by_right:
        place = known[address].find("address") if address in known else None
        if place is not None:
            found.setdefault(place_of(place), (address, place))
    return dict(found.values())


def bus_groups(addresses: Iterable[PciAddress], state: State) -> Iterator[list[PciAddress]]:
    """Yield the VFs that belong on one bus: those of one PF, eight at most."""
    by_pf: dict[PciAddress, list[PciAddress]] = {}
    for address in addresses:
        function = state.functions.get(address)
        if function is not None and function.pf is not None:
            by_pf.setdefault(function.pf, []).append(address)
    for vfs in by_pf.values():
        for start in range(0, len(vfs), _FUNCTIONS_OF_SLOT):
            yield vfs[start : start + _FUNCTIONS_OF_SLOT]


def find_places(
    former: Mapping[PciAddress, Element],
    groups: Iterable[Sequence[PciAddress]],
    devices: Iterable[Element],
) -> Places:
    """Return where functions go; one that is free to go anywhere is left to libvirt.

    Args:
        former: where they are.
        groups: what is to share a bus.
        devices: what else the guest has.
    """
    devices = list(devices)
    taken = {place_of(said) for device in devices for said in device.all("address")} - {None}
    found = {at: place for at, place in former.items() if place_of(place) not in taken}
    standing = taken | {place_of(place) for place in found.values()}
    found = {at: place for at, place in found.items() if _first(place) in standing}
    apart = [group for group in groups if len(group) > 1 and not _share(group, found)]
    for address in (each for group in apart for each in group):
        found.pop(address, None)
    buses = {device.get("index"): device for device in devices if device.tag == "controller"}
    used = {place[0] for place in (*taken, *map(place_of, found.values())) if place}
    free = (bus for bus in _BUSES if bus not in used and _is_port(buses.get(str(bus))))
    ports = []
    for group, bus in zip(apart, free):
        if str(bus) not in buses:
            said = {"type": "pci", "index": str(bus), "model": ROOT_PORT}
            ports.append(Element("controller", said))
        found.update((address, _place(bus, function)) for function, address in enumerate(group))
    return Places(found, tuple(ports))


def _is_port(controller: Element | None) -> bool:
    """Tell whether what makes a bus is a root port; one that is not there yet will be."""
    return controller is None or controller.get("model") == ROOT_PORT


def _share(group: Iterable[PciAddress], places: Mapping[PciAddress, Element]) -> bool:
    """Tell whether the functions of a group are on one bus already."""
    known = [place_of(places[at]) if at in places else None for at in group]
    return None not in known and len({place[0] for place in known if place}) == 1


def _place(bus: int, function: int) -> Element:
    said = {
        "type": "pci",
        "domain": "0x0000",
        "bus": f"0x{bus:02x}",
        "slot": "0x00",
        "function": f"0x{function:x}",
    }
    return Element("address", said if function else {**said, "multifunction": "on"})


def _first(said: Element) -> tuple[int, int, int] | None:
    """Return where the first function of a slot is: a guest looks for others only behind it."""
    place = place_of(said)
    return (place[0], place[1], 0) if place else None
