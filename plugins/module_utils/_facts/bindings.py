# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which functions our rules bind at boot, compared with what is bound."""

from __future__ import annotations

import typing as t

from .._errors import Problem
from .._vfio.holders import is_vfio_driver

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .._vfio.boot_rules import Rule

_REMEDY = "run vfio_passthrough, with state: present for what guests are to have, absent for others"


def binding_problems(
    rules: Iterable[Rule], functions: Mapping[PciAddress, PciFunction]
) -> Iterator[Problem]:
    """Yield what our rules would bind and what is not bound so."""
    for rule in rules:
        there = functions.get(rule.address)
        if there is None or there.id != rule.id:
            found = f"found {there.id}" if there else "found nothing"
            why = f"{rule.path} names a function that is not at this address"
            yield _problem(rule, f"configured for {rule.id}, {found}", why)
        elif not is_vfio_driver(there.driver):
            found = there.driver or "none"
            why = f"{rule.path} and the function differ"
            yield _problem(rule, f"driver {found}, {rule.driver} configured", why)


def binding_result(rule: Rule) -> dict[str, t.Any]:
    """Return a rule as modules return it."""
    return {
        "address": str(rule.address),
        "id": str(rule.id),
        "driver": rule.driver,
        "path": rule.path,
    }


def _problem(rule: Rule, what: str, why: str) -> Problem:
    return Problem("configured", f"{rule.address}: {what}", why, _REMEDY)
