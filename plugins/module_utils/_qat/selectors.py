# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Device selectors: how a task names the functions it means."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InputError, RefusedError
from .._pci.address import PciAddress, PciId
from .devices import FAMILIES, GENERATIONS, QatFamily, pf_family

if t.TYPE_CHECKING:
    from .._pci.function import PciFunction

_WORDS = ("all", "qat")
ACCEPTED = (
    "a PCI address, vendor:device, "
    f"one of {', '.join((*_WORDS, *GENERATIONS, *FAMILIES))}, or a mapping of address and id"
)


@dataclass(frozen=True)
class Selector:
    """One entry of a C(devices) list: an address, an id, both, or a word."""

    text: str
    address: PciAddress | None = None
    id: PciId | None = None
    word: str | None = None

    @classmethod
    def parse(cls, entry: object) -> Selector:
        """Parse an entry.

        Raises:
            InputError: when it is none of the accepted forms.
        """
        if isinstance(entry, dict):
            return cls._parse_mapping(entry)
        text = str(entry).strip()
        if PciAddress.looks_like(text):
            return cls(text, address=PciAddress.parse(text))
        if PciId.looks_like(text):
            return cls(text, id=PciId.parse(text))
        word = text.lower()
        if word in _WORDS or word in FAMILIES or word in GENERATIONS:
            return cls(text, word=word)
        raise InputError("devices", entry, ACCEPTED)

    @classmethod
    def _parse_mapping(cls, entry: dict[str, t.Any]) -> Selector:
        if set(entry) != {"address", "id"}:
            raise InputError("devices", entry, ACCEPTED)
        address = PciAddress.parse(str(entry["address"]), option="devices.address")
        return cls(
            str(address), address=address, id=PciId.parse(str(entry["id"]), option="devices.id")
        )

    def matches(self, function: PciFunction, family: QatFamily) -> bool:
        """Tell whether a QAT PF is meant."""
        return self.covers(family) if self.word else self.names(function)

    def names(self, function: PciFunction) -> bool:
        """Tell whether address or id mean a function; both mean whatever sits at the address."""
        if self.address is not None:
            return function.address == self.address
        return function.id == self.id

    def covers(self, family: QatFamily) -> bool:
        """Tell whether the word means a family."""
        return self.word in (*_WORDS, family.name, family.generation_word)


@dataclass(frozen=True)
class Selection:
    """The PFs that selectors mean; those in C(by_name) were named by address or id.

    Args:
        gone: those that are meant and not there any more.
    """

    pfs: tuple[PciFunction, ...]
    by_name: frozenset[PciAddress]
    gone: tuple[PciFunction, ...] = ()


def parse_selectors(entries: t.Sequence[object]) -> tuple[Selector, ...]:
    """Parse a C(devices) list, before anything is read from a device."""
    if not entries:
        raise InputError("devices", entries, f"at least one of: {ACCEPTED}")
    return tuple(Selector.parse(entry) for entry in entries)


def select_pfs(
    selectors: t.Sequence[Selector],
    functions: t.Mapping[PciAddress, PciFunction],
    *,
    missing_ok: bool,
    gone: t.Sequence[PciFunction] = (),
    elsewhere_ok: bool = False,
) -> Selection:
    """Return the QAT PFs that the selectors mean, sorted by address.

    Args:
        gone: PFs that are not there any more; what means one of them is no mistake, and an address
            that does means no other device.
        elsewhere_ok: whether an address may have another device by now, which is not meant then.

    Raises:
        RefusedError: when an entry matches nothing, no QAT PF or another device.
    """
    pfs = {
        address: family
        for address, function in functions.items()
        if (family := pf_family(function))
    }
    chosen: set[PciAddress] = set()
    by_name: set[PciAddress] = set()
    lost: set[PciFunction] = set()
    for selector in selectors:
        meant = [each for each in gone if _means_gone(selector, each)]
        lost.update(meant)
        if meant and selector.address:
            continue
        found = {at for at, family in pfs.items() if selector.matches(functions[at], family)}
        if elsewhere_ok and selector.address:
            found = {at for at in found if selector.id in (None, functions[at].id)}
        elif not (found or meant):
            _check_absent(selector, functions, missing_ok=missing_ok)
        for address in found if selector.id else ():
            check_id(selector, functions[address])
        chosen |= found
        by_name |= set() if selector.word else found
    return Selection(
        pfs=tuple(functions[address] for address in sorted(chosen)),
        by_name=frozenset(by_name),
        gone=tuple(each for each in gone if each in lost),
    )


def means_place(selector: Selector, gone: PciFunction) -> bool:
    """Tell whether an address means a function that is gone; an id beside it has to be its own."""
    return selector.address == gone.address and selector.id in (None, gone.id)


def _means_gone(selector: Selector, gone: PciFunction) -> bool:
    """Tell whether a PF that is gone is meant."""
    if selector.address is not None:
        return means_place(selector, gone)
    family = pf_family(gone)
    return family is not None and selector.matches(gone, family)


def _check_absent(
    selector: Selector,
    functions: t.Mapping[PciAddress, PciFunction],
    *,
    missing_ok: bool,
) -> None:
    """Explain why an entry matches no QAT PF."""
    there = functions.get(selector.address) if selector.address else None
    if there is not None:
        check_id(selector, there)
        kind = f"a VF of {there.pf}" if there.pf else "no QAT PF of the device table"
        message = f"{there.address}: {there.id} is {kind}; name a QAT PF in option devices"
        raise RefusedError(message)
    if missing_ok:
        return
    if selector.word in _WORDS:
        what = "no QAT PF on this host: see lspci -nn, and whether the firmware hides the device"
    elif selector.address:
        what = "no PCI function at this address"
    else:
        what = "no QAT PF on this host matches"
    message = f"option devices: {selector.text}: {what}; set missing_ok: true where that is fine"
    raise RefusedError(message)


def check_id(selector: Selector, there: PciFunction) -> None:
    if selector.id is not None and there.id != selector.id:
        message = (
            f"{there.address}: {there.id} sits at this address, not {selector.id}; "
            "addresses move when cards are added: correct option devices"
        )
        raise RefusedError(message)
