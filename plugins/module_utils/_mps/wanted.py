# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks of payload sizes, and which functions it means."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InputError, RefusedError
from .._qat.devices import pf_family
from .._qat.selectors import check_id, parse_selectors
from .payload import SIZES

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .._qat.selectors import Selector

AUTO: t.Final = "auto"
_EVERY_WORDS = ("all", "qat")


@dataclass(frozen=True)
class Wanted:
    """What the task asks for, parsed.

    Args:
        saves: whether the sizes are recorded, rather than set.
        mps: bytes, None for what was saved, or else what the path allows.
    """

    selectors: tuple[Selector, ...]
    saves: bool
    mps: int | None
    missing_ok: bool

    @classmethod
    def parse(cls, options: dict[str, t.Any]) -> Wanted:
        """Parse module options.

        Raises:
            InputError: naming the option that cannot be right.
        """
        saves, mps = options["state"] == "saved", options["mps"]
        if saves and mps != AUTO:
            accepted = f"{AUTO} with state: saved, which records what is there, or state: restored"
            raise InputError("mps", mps, accepted)
        return cls(
            selectors=parse_selectors(options["devices"]),
            saves=saves,
            mps=None if mps == AUTO else parse_size(mps),
            missing_ok=options["missing_ok"],
        )


def parse_size(text: str) -> int:
    """Parse a payload size.

    Raises:
        InputError: when it is none of those that there are.
    """
    sizes = {str(size): size for size in SIZES}
    if text not in sizes:
        raise InputError("mps", text, f"{AUTO}, {', '.join(sizes)}")
    return sizes[text]


@dataclass(frozen=True)
class Chosen:
    """The functions that selectors mean; those in C(by_name) were named by address or id."""

    functions: tuple[PciFunction, ...]
    by_name: frozenset[PciAddress]


def choose(wanted: Wanted, functions: Mapping[PciAddress, PciFunction]) -> Chosen:
    """Return the functions that are meant, sorted by address.

    Raises:
        RefusedError: when an entry matches nothing or another device.
    """
    chosen: set[PciAddress] = set()
    by_name: set[PciAddress] = set()
    for selector in wanted.selectors:
        found = {at for at, function in functions.items() if _means(selector, function)}
        if not found and not wanted.missing_ok:
            raise RefusedError(_absence(selector, functions))
        for address in found:
            check_id(selector, functions[address])
        chosen |= found
        by_name |= set() if selector.word else found
    return Chosen(tuple(functions[address] for address in sorted(chosen)), frozenset(by_name))


def _means(selector: Selector, function: PciFunction) -> bool:
    """Tell whether a selector means a function: words and ids mean PFs."""
    if selector.address is not None:
        return selector.names(function)
    if selector.id is not None:
        return selector.names(function) and function.pf is None
    family = pf_family(function)
    if family is None or function.pf is not None:
        return False
    return family.loses_payload_size if selector.word in _EVERY_WORDS else selector.covers(family)


def _absence(selector: Selector, functions: Mapping[PciAddress, PciFunction]) -> str:
    """Tell why an entry matches nothing."""
    if selector.word in _EVERY_WORDS:
        what = (
            "no QAT PF of generation 1 on this host; later ones keep their size: name them by "
            "family or address where they are meant"
        )
    elif selector.word:
        what = "no QAT PF on this host matches"
    elif selector.address:
        what = "no PCI function at this address"
    elif any(function.id == selector.id for function in functions.values()):
        what = "only VFs have this id, and in them Max Payload Size is reserved: name their PF"
    else:
        what = "no PCI function has this id"
    return f"option devices: {selector.text}: {what}; set missing_ok: true where that is fine"
