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

from .buses import ROOT_PORT, bus_groups, find_places, former_places
from .devices import is_host_function, place_of
from .guests import source_of
from .wishes import PF, VF
from .xml import Element

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._pci.address import PciAddress
    from .guests import Guest
    from .state import State
    from .wishes import GuestWish

# Devices that libvirt adds to a definition by itself.
_ADDED = frozenset(
    {
        "audio",
        "console",
        "controller",
        "emulator",
        "input",
        "memballoon",
        "panic",
        "watchdog",
    }
)
# What libvirt adds for another device where none is given.
_ADDED_FOR = {"console": "serial", "graphics": "video"}
_UNITS = {"b": 1, "bytes": 1, "k": 2**10, "KiB": 2**10, "M": 2**20, "MiB": 2**20}
_UNITS.update({"G": 2**30, "GiB": 2**30, "T": 2**40, "TiB": 2**40})
# libvirt keeps sizes in 64 bits; Python refuses to make an int of a text that is very long.
_LONGEST_SIZE = 20
# What machine types without a version stand for, which libvirt puts in their place.
_ALIASES = {"q35": "pc-q35-", "pc": "pc-i440fx-"}
# What libvirt never adds by itself to what has it not.
_NEVER_ADDED = frozenset({"feature", "link", "readonly", "shareable"})
_NEVER_SAID = frozenset({("vcpu", "current")})
# Where the order of what is alike counts.
_ORDERED = frozenset({"os"})


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
    pairs, left = _pairs(domain, old)
    if not _are_alike(old, domain):
        # The buses of another machine are other ones.
        pairs, left = [(device, None) for device, _before in pairs], []
    devices = [_as_before(device, before) for device, before in pairs]
    known = {_key(device) for device in devices}
    # What libvirt added keeps its place too: else what is new pushes it to another bus.
    devices += [
        device
        for device in left
        if device.tag in _ADDED and _is_placed(device) and _key(device) not in known
    ]
    groups = list(bus_groups(addresses, state)) if _may_share(wish, domain) else []
    former = former_places(guest, addresses) if _are_alike(old, domain) else {}
    places = find_places(former, groups, devices)
    functions = [
        _host_device(at, places.of.get(at), managed=is_managed(at, state, guest))
        for at in addresses
    ]
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
    """Return a description with the UUID and the version of the machine that the guest has."""
    if old is None:
        return domain
    uuid, children = old.find("uuid"), list(domain.children)
    if uuid is not None and domain.find("uuid") is None:
        children.insert(1, uuid)
    return replace(domain, children=tuple(_with_machine(child, old) for child in children))


def _with_machine(child: Element, old: Element) -> Element:
    """Return the element C(os) with the old machine where its kind is wanted in any version."""
    kind, found = child.find("type"), _machine(old)
    wanted = (kind.get("machine") or "") if kind is not None else ""
    if child.tag != "os" or not _is_version(found, wanted):
        return child
    parts = (
        replace(each, attributes={**each.attributes, "machine": found})
        if each.tag == "type"
        else each
        for each in child.children
    )
    return replace(child, children=tuple(parts))


def _are_alike(old: Element | None, domain: Element) -> bool:
    """Tell whether a guest stays a machine of the same kind, with the same buses."""
    machines = [_machine(each) for each in (old, domain) if each is not None]
    return len(machines) > 1 and ("q35" in machines[0]) == ("q35" in machines[1])


def _machine(domain: Element) -> str:
    kind = domain.find("os", "type")
    return (kind.get("machine") or "") if kind is not None else ""


def _pairs(
    domain: Element, old: Element | None
) -> tuple[list[tuple[Element, Element | None]], list[Element]]:
    """Return every device with what it is in the old definition, and what is left of that."""
    left, pairs = list(_devices(old)), []
    for device in _devices(domain):
        before = next((each for each in left if covers(each, device)), None)
        if before is not None:
            left.remove(before)
        pairs.append((device, before))
    return [(device, before or _same_nic(device, left)) for device, before in pairs], left


def _same_nic(device: Element, left: list[Element]) -> Element | None:
    """Return the next interface of the old definition: a guest knows it by its MAC address."""
    nics = (each for each in left if each.tag == "interface")
    before = next(nics, None) if device.tag == "interface" else None
    if before is not None:
        left.remove(before)
    return before


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
    return is_bus or any(place_of(place) is not None for place in device.all("address"))


def _key(device: Element) -> tuple[str, str | None, str | None]:
    return device.tag, device.get("type"), device.get("index")


def is_managed(address: PciAddress, state: State, guest: Guest | None) -> bool:
    """Tell whether libvirt binds a function: what it bound for a running guest it gives back."""
    device = guest.now.get(address) if guest else None
    return device.get("managed") == "yes" if device else address not in state.bound


def host_device(address: PciAddress, state: State) -> Element:
    """Return the host device by which a function is plugged into a running guest."""
    return _host_device(address, None, managed=is_managed(address, state, None))


def _host_device(address: PciAddress, place: Element | None, *, managed: bool) -> Element:
    said = {"mode": "subsystem", "type": "pci", "managed": "yes" if managed else "no"}
    return Element("hostdev", said, (source_of(address), *((place,) if place else ())))


def _may_share(wish: GuestWish, domain: Element) -> bool:
    """Tell whether a bus is shared; that of machines without PCI Express is shared anyway."""
    return wish.shared_bus and "q35" in _machine(domain)


def covers(actual: Element, wanted: Element) -> bool:
    """Tell whether all that is wanted of an element is there."""
    if actual.tag != wanted.tag or not _same_text(actual, wanted):
        return False
    if not all(_same(actual, name, value) for name, value in wanted.attributes.items()):
        return False
    if any(
        (actual.tag, name) in _NEVER_SAID for name in {*actual.attributes} - {*wanted.attributes}
    ):
        return False
    left = list(actual.children)
    for child in wanted.children:
        place = next((n for n, each in enumerate(left) if covers(each, child)), None)
        if place is None:
            return False
        passed = [] if actual.tag in _ORDERED else left[:place]
        passed += [each for each in left[:place] if each.tag != child.tag and each not in passed]
        left = [*passed, *left[place + 1 :]]
    if any(child.tag in _NEVER_ADDED for child in left):
        return False
    return actual.tag != "devices" or _counts(actual, wanted) == _counts(wanted, wanted)


def _same_text(actual: Element, wanted: Element) -> bool:
    there, size = _size(actual), _size(wanted)
    if there is not None and size is not None:
        # The same number may be of another unit.
        return there == size
    if not wanted.text or actual.text == wanted.text:
        return True
    return wanted.tag == "uuid" and actual.text.lower() == wanted.text.lower()


def _size(element: Element) -> int | None:
    """Return how many bytes of memory an element says, None where it says none."""
    unit, text = _UNITS.get(element.get("unit") or "KiB"), element.text
    known = element.tag in {"memory", "currentMemory"} and text.isdecimal()
    return int(text) * unit if known and unit and len(text) <= _LONGEST_SIZE else None


def _same(actual: Element, name: str, wanted: str) -> bool:
    """Tell whether an attribute says what is wanted, as libvirt writes it."""
    found = actual.get(name)
    if found is None or found == wanted:
        return found == wanted
    if name == "machine":
        return _is_version(found, wanted)
    if actual.tag == "address" and actual.get("type") == "pci":
        return _number(found) == _number(wanted)
    if name == "unit":
        units = (found, wanted)
        return all(_size(Element(actual.tag, {name: each}, (), "1")) for each in units)
    return actual.tag == "mac" and found.lower() == wanted.lower()


def _is_version(machine: str, alias: str) -> bool:
    return alias in _ALIASES and machine.startswith(_ALIASES[alias])


def _number(text: str) -> int | str:
    try:
        return int(text, 0)
    except ValueError:
        return text


def _counts(devices: Element, wanted: Element) -> Counter[str]:
    """Count the devices of each kind that libvirt would not add to what is wanted."""
    given = {device.tag for device in wanted.children}
    added = {more for less, more in _ADDED_FOR.items() if less in given and more not in given}
    return Counter(each.tag for each in devices.children if each.tag not in _ADDED | added)


def free_ports(domain: Element) -> int | None:
    """Return how many functions can be plugged into a running guest, None where it is no PCIe."""
    devices = _devices(domain)
    ports = {device.get("index") for device in devices if device.get("model") == ROOT_PORT}
    if not ports:
        return None
    places = [place_of(said) for device in devices for said in device.all("address")]
    used = {place[0] for place in places if place}
    return sum(int(index or "0") not in used for index in ports)


def kind_of(state: State, address: PciAddress) -> str | None:
    """Return C(vf) or C(pf), None for a function that is neither."""
    function = state.functions.get(address)
    if function is None:
        return None
    if function.pf is not None:
        return VF
    return PF if function.total_vfs is not None else None
