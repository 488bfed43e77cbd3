# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which functions of a host a task means for guests: VFs by family, anything by address or id."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InputError, RefusedError
from .._qat.devices import vf_family
from .._qat.selectors import ACCEPTED, Selector, check_id, means_place, parse_selectors

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .._pci.address import PciAddress
    from .._pci.function import PciFunction

_EVERYTHING = "all"


@dataclass(frozen=True)
class Chosen:
    """The functions that selectors mean; those in C(by_address) were named one by one."""

    functions: tuple[PciFunction, ...]
    by_address: frozenset[PciAddress]


def parse_devices(entries: Sequence[object]) -> tuple[Selector, ...]:
    """Parse a C(devices) list.

    Raises:
        InputError: when an entry cannot be right; C(all) would be every function of the host.
    """
    selectors = parse_selectors(entries)
    if any(selector.word == _EVERYTHING for selector in selectors):
        accepted = f"functions one by one, or by what they are ({ACCEPTED}); qat is every QAT VF"
        raise InputError("devices", _EVERYTHING, accepted)
    return selectors


def choose(
    selectors: Sequence[Selector],
    functions: Mapping[PciAddress, PciFunction],
    *,
    missing_ok: bool,
    gone: Collection[PciFunction] = (),
    elsewhere_ok: bool = False,
) -> Chosen:
    """Return the functions that are meant, sorted by address.

    Args:
        gone: functions that are not there any more; what means one of them is no mistake, and an
            address that does means no other function.
        elsewhere_ok: whether an address may have another function by now, which is not meant then.

    Raises:
        RefusedError: when an entry matches nothing, a bridge or another device.
    """
    chosen: set[PciAddress] = set()
    by_address: set[PciAddress] = set()
    for selector in selectors:
        found = _found(selector, functions)
        if any(means_place(selector, each) for each in gone):
            found = set()
        elif elsewhere_ok and selector.address:
            found = {at for at in found if _can_be_meant(selector, functions[at])}
        known = missing_ok or any(matches(selector, each) for each in gone)
        if not found and not known:
            raise RefusedError(_absence(selector))
        for address in found:
            check_id(selector, functions[address])
            if functions[address].is_bridge:
                message = (
                    f"option devices: {address} is a PCI bridge: VFIO takes none, and it need not "
                    "be given to a guest for what is behind it"
                )
                raise RefusedError(message)
        chosen |= found
        by_address |= found if selector.address else set()
    return Chosen(tuple(functions[address] for address in sorted(chosen)), frozenset(by_address))


def _found(selector: Selector, functions: Mapping[PciAddress, PciFunction]) -> set[PciAddress]:
    """Return what a selector means; an address is not looked for."""
    if selector.address is not None:
        return {selector.address} & functions.keys()
    return {at for at, function in functions.items() if matches(selector, function)}


def matches(selector: Selector, function: PciFunction) -> bool:
    """Tell whether a selector means a function: words mean VFs."""
    if selector.word is None:
        return selector.names(function)
    family = vf_family(function)
    return family is not None and selector.covers(family)


def _can_be_meant(selector: Selector, there: PciFunction) -> bool:
    return selector.id in (None, there.id) and not there.is_bridge


def _absence(selector: Selector) -> str:
    """Tell why an entry matches nothing."""
    if selector.word:
        what = (
            "no VFs of QAT devices are there: make them first (module qat_sriov); a PF is given "
            "to a guest by its address"
        )
    elif selector.address:
        what = "no PCI function at this address"
    else:
        what = "no PCI function has this id"
    return f"option devices: {selector.text}: {what}; set missing_ok: true where that is fine"
