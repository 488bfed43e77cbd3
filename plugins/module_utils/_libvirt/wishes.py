# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task wants guests to have."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import InputError, is_number
from .._pci.address import PciAddress, PciId
from .._qat.devices import FAMILIES
from .devices import is_host_function, place_of
from .xml import Element

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._pci.function import PciFunction

VF, PF = "vf", "pf"
# What libvirt takes, and what is a name of a file and of a unit without escapes.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+:@-]{0,199}", re.ASCII)
_BY_FAMILY = frozenset({"family", "kind", "count", "numa_node", "same_numa_node"})
_BY_ADDRESS = frozenset({"address", "id"})
_ACCEPTED = "a mapping with family, or one with address"
_ENTRY = "guests[].accelerators[]"


@dataclass(frozen=True)
class Wish:
    """One entry of a guest's accelerators: some functions of a family, or the one at an address.

    Args:
        kind: C(vf) or C(pf), for a family.
        numa_node: where they have to be, None for anywhere.
        same_numa_node: whether all of them have to be at the same node, whichever.
        id: what has to sit at the address, None for whatever does.
    """

    family: str | None = None
    kind: str = VF
    count: int = 1
    numa_node: int | None = None
    same_numa_node: bool = False
    address: PciAddress | None = None
    id: PciId | None = None

    @classmethod
    def parse(cls, entry: object) -> Wish:
        """Parse an entry.

        Raises:
            InputError: naming what cannot be right.
        """
        if not isinstance(entry, dict):
            raise InputError(_ENTRY, entry, _ACCEPTED)
        given = {key: value for key, value in entry.items() if value is not None}
        keys = frozenset(given)
        if "address" in keys and keys <= _BY_ADDRESS:
            where = PciAddress.parse(str(given["address"]), option=f"{_ENTRY}.address")
            what = given.get("id")
            return cls(
                address=where,
                id=None if what is None else PciId.parse(str(what), option=f"{_ENTRY}.id"),
            )
        if "family" not in keys or not keys <= _BY_FAMILY:
            raise InputError(_ENTRY, entry, f"{_ACCEPTED}; keys of the first: {_told(_BY_FAMILY)}")
        return cls._parse_family(given)

    @classmethod
    def _parse_family(cls, given: dict[str, t.Any]) -> Wish:
        family, kind = str(given["family"]).lower(), str(given.get("kind", VF)).lower()
        if family not in FAMILIES:
            raise InputError(f"{_ENTRY}.family", given["family"], f"one of {_told(FAMILIES)}")
        if kind not in (VF, PF):
            raise InputError(f"{_ENTRY}.kind", given["kind"], f"one of {VF}, {PF}")
        same = given.get("same_numa_node", False)
        if not isinstance(same, bool):
            raise InputError(f"{_ENTRY}.same_numa_node", same, "true or false")
        return cls(
            family=family,
            kind=kind,
            count=_number(given, "count", default=1, lowest=1) or 1,
            numa_node=_number(given, "numa_node", default=None, lowest=0),
            same_numa_node=same,
        )

    def __str__(self) -> str:
        if self.address is not None:
            return str(self.address)
        where = f" at NUMA node {self.numa_node}" if self.numa_node is not None else ""
        return f"{self.count} {self.kind.upper()} of {self.family}{where}"


def _told(words: t.Iterable[str]) -> str:
    return ", ".join(sorted(words))


def _number(
    given: Mapping[str, t.Any], key: str, *, default: int | None, lowest: int
) -> int | None:
    value = given.get(key, default)
    if value is None:
        return None
    text = str(value)
    if isinstance(value, (bool, float)) or not is_number(text):
        raise InputError(f"{_ENTRY}.{key}", value, f"a whole number from {lowest} on")
    if int(text) < lowest:
        raise InputError(f"{_ENTRY}.{key}", value, f"a whole number from {lowest} on")
    return int(text)


@dataclass(frozen=True)
class GuestWish:
    """What one guest is to have.

    Args:
        definition: its description without functions of the host; None for the one it has.
        shared_bus: whether the VFs of one PF are to be on one bus of the guest.
    """

    name: str
    wishes: tuple[Wish, ...]
    definition: Element | None = None
    shared_bus: bool = False

    @classmethod
    def parse(cls, entry: Mapping[str, t.Any]) -> GuestWish:
        """Parse an entry of the option C(guests)."""
        name = entry["name"]
        if not _NAME.fullmatch(name):
            accepted = "letters, digits and _.+:@-, the first a letter or digit, 200 at most"
            raise InputError("guests[].name", name, accepted)
        wishes = tuple(Wish.parse(each) for each in entry["accelerators"] or ())
        return cls(name, wishes, _definition(name, entry["xml"]), entry["shared_bus"])

    @property
    def addresses(self) -> list[PciAddress]:
        """The addresses that it names."""
        return [wish.address for wish in self.wishes if wish.address is not None]


def _definition(name: str, text: str | None) -> Element | None:
    if text is None:
        return None
    accepted = f"a libvirt domain with name {name} and devices, without host devices of type pci"
    try:
        domain = Element.parse(text)
    except ValueError as error:
        raise InputError("guests[].xml", f"{name}: {error}", accepted) from error
    called = domain.find("name")
    if domain.tag != "domain" or called is None or called.text != name:
        raise InputError("guests[].xml", f"{name}: {domain.tag}", accepted)
    devices = domain.find("devices")
    if devices is None or any(is_host_function(each) for each in devices.children):
        raise InputError("guests[].xml", name, accepted)
    for said in (each for device in devices.children for each in device.all("address")):
        try:
            place_of(said)
        except ValueError as error:
            raise InputError("guests[].xml", f"{name}: {said}".strip(), accepted) from error
    return domain


@dataclass(frozen=True)
class Wanted:
    """What the task asks for, parsed.

    Args:
        max_functions: how many a guest may have.
        allow_hot_remove: whether a running guest may be asked to let go of a function.
        accept_mps_loss: whether a PF may be given whose payload size cannot be put back.
    """

    guests: tuple[GuestWish, ...]
    max_functions: int
    allow_hot_remove: bool
    accept_mps_loss: bool

    @classmethod
    def parse(cls, options: Mapping[str, t.Any]) -> Wanted:
        """Parse module options.

        Raises:
            InputError: naming the option that cannot be right.
        """
        guests = tuple(GuestWish.parse(entry) for entry in options["guests"])
        most = options["max_functions"]
        if most < 1:
            raise InputError("max_functions", most, "a number from 1 on")
        names = [guest.name for guest in guests]
        for name in names:
            if names.count(name) > 1:
                raise InputError("guests[].name", name, "each guest once")
        for address, owners in _wished(guests).items():
            if len(owners) > 1:
                told = f"{address} for {' and for '.join(owners)}"
                raise InputError(f"{_ENTRY}.address", told, "each function for one guest, once")
        return cls(guests, most, options["allow_hot_remove"], options["accept_mps_loss"])


def _wished(guests: tuple[GuestWish, ...]) -> dict[PciAddress, list[str]]:
    owners: dict[PciAddress, list[str]] = {}
    for guest in guests:
        for address in guest.addresses:
            owners.setdefault(address, []).append(guest.name)
    return owners


def fits(wish: Wish, function: PciFunction) -> bool:
    """Tell whether a function is what a wish names, wherever it is free or not."""
    if wish.address is not None:
        return function.address == wish.address
    family = FAMILIES[str(wish.family)]
    wanted = family.pf_id if wish.kind == PF else family.vf_id
    near = wish.numa_node is None or wish.numa_node == function.numa_node
    return function.id == wanted and near
