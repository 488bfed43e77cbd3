# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest's definition with its functions, and whether libvirt's is that one.

libvirt adds much to what it is given: identities, PCI addresses and controllers, defaults. So a
definition is compared as a part of libvirt's: whatever is wanted has to be there, and devices of
the kinds that libvirt never adds by itself have to be no more.
"""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import replace

from .buses import ROOT_PORT, bus_groups, bus_of, find_places, former_places
from .guests import source_of
from .wishes import PF, VF, is_host_function
from .xml import Element

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .._pci.address import PciAddress
    from .guests import Guest
    from .state import State
    from .wishes import GuestWish

# Devices that libvirt adds to a definition by itself.
_ADDED = frozenset(
    {"audio", "console", "controller", "emulator", "input", "memballoon", "panic", "watchdog"}
)


def define(
    wish: GuestWish, guest: Guest | None, addresses: Sequence[PciAddress], state: State
) -> Element:
    """Return the whole definition of a guest, with what is kept of the one it has."""
    old = (guest.defined or guest.live) if guest else None
    base = (
        wish.definition
        if wish.definition is not None
        else with_functions(old or Element("domain"), ())
    )
    domain = _with_identity(base, old)
    devices = [_as_before(device, before) for device, before in _pairs(domain, old)]
    known = {_key(device) for device in devices}
    # What libvirt added keeps its place too: else what is new pushes it to another bus.
    devices += [
        device
        for device in _devices(old)
        if device.tag in _ADDED and _is_placed(device) and _key(device) not in known
    ]
    groups = list(bus_groups(addresses, state)) if _may_share(wish, domain) else []
    places = find_places(former_places(guest, addresses), groups, devices)
    functions = [host_device(address, state, places.of.get(address)) for address in addresses]
    whole = replace(_list(domain), children=(*devices, *places.ports, *functions))
    return _with_devices(domain, whole)


def with_functions(domain: Element, functions: Iterable[Element]) -> Element:
    """Return a description with these functions of the host in place of all that it has."""
    kept = tuple(device for device in _devices(domain) if not is_host_function(device))
    return _with_devices(domain, replace(_list(domain), children=(*kept, *functions)))


def _list(domain: Element) -> Element:
    return domain.find("devices") or Element("devices")


def _devices(domain: Element | None) -> tuple[Element, ...]:
    return _list(domain).children if domain else ()


def _with_devices(domain: Element, devices: Element) -> Element:
    children = tuple(devices if child.tag == "devices" else child for child in domain.children)
    return replace(domain, children=children)


def _with_identity(domain: Element, old: Element | None) -> Element:
    """Return a description with the UUID that the guest has: libvirt knows it by that."""
    uuid = old.find("uuid") if old else None
    if uuid is None or domain.find("uuid"):
        return domain
    name, *rest = domain.children
    return replace(domain, children=(name, uuid, *rest))


def _pairs(domain: Element, old: Element | None) -> Iterator[tuple[Element, Element | None]]:
    """Yield every device with the one that it is in the old definition."""
    left = list(_devices(old))
    for device in _devices(domain):
        before = next((each for each in left if covers(each, device)), None)
        if before is not None:
            left.remove(before)
        yield device, before


def _as_before(device: Element, before: Element | None) -> Element:
    """Return a device where its guest knows it: at its PCI address, with its MAC address."""
    if before is None:
        return device
    tags = ("mac", "address", *(("model", "target") if device.tag == "controller" else ()))
    found = (before.find(tag) for tag in tags if device.find(tag) is None)
    kept = [each for each in found if each is not None]
    return device.having(*kept)


def _is_placed(device: Element) -> bool:
    """Tell whether a device has a place among the PCI buses, or makes one of them."""
    is_bus = (device.tag, device.get("type")) == ("controller", "pci")
    return is_bus or any(bus_of(place) is not None for place in device.all("address"))


def _key(device: Element) -> tuple[str, str | None, str | None]:
    return device.tag, device.get("type"), device.get("index")


def host_device(address: PciAddress, state: State, place: Element | None = None) -> Element:
    """Return the host device of a function; libvirt binds what vfio_passthrough does not."""
    managed = "no" if address in state.bound else "yes"
    said = {"mode": "subsystem", "type": "pci", "managed": managed}
    return Element("hostdev", said, (source_of(address), *((place,) if place else ())))


def _may_share(wish: GuestWish, domain: Element) -> bool:
    """Tell whether a bus is shared; that of machines without PCI Express is shared anyway."""
    kind = domain.find("os", "type")
    return wish.shared_bus and kind is not None and "q35" in (kind.get("machine") or "")


def covers(actual: Element, wanted: Element) -> bool:
    """Tell whether all that is wanted of an element is there."""
    if actual.tag != wanted.tag or (wanted.text and actual.text != wanted.text):
        return False
    said = (_same(name, actual.get(name), value) for name, value in wanted.attributes.items())
    if not all(said):
        return False
    left = list(actual.children)
    for child in wanted.children:
        found = next((each for each in left if covers(each, child)), None)
        if found is None:
            return False
        left.remove(found)
    return actual.tag != "devices" or _counts(actual.children) == _counts(wanted.children)


def _same(name: str, actual: str | None, wanted: str) -> bool:
    # q35 is an alias, for which libvirt puts the newest version of it that QEMU has.
    versioned = name == "machine" and (actual or "").startswith(f"pc-{wanted}-")
    return actual == wanted or versioned


def _counts(devices: Iterable[Element]) -> Counter[str]:
    return Counter(device.tag for device in devices if device.tag not in _ADDED)


def free_ports(domain: Element) -> int | None:
    """Return how many functions can be plugged into a running guest, None where it is no PCIe."""
    devices = _devices(domain)
    ports = {device.get("index") for device in devices if device.get("model") == ROOT_PORT}
    if not ports:
        return None
    used = {bus_of(place) for device in devices for place in device.all("address")}
    return sum(int(index or "0") not in used for index in ports)


def kind_of(state: State, address: PciAddress) -> str | None:
    """Return C(vf) or C(pf), None for a function that is neither."""
    function = state.functions.get(address)
    if function is None:
        return None
    if function.pf is not None:
        return VF
    return PF if function.total_vfs is not None else None
