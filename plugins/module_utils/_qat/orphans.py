# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PFs that were moved or pulled: what is left of them is a rule and a record, and no device."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._pci.gone import gone_functions
from .._plan import FileChange
from .record import forget_place, former_rule, remembered_places
from .rules import read_rules, rule_path

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .._undo import UndoRecord


@dataclass(frozen=True)
class Orphan:
    """A place whose PF is gone.

    Args:
        rule: the udev rules that stand for it, None without.
    """

    address: PciAddress
    rule: bytes | None

    def steps(self, undo: UndoRecord) -> list[FileChange]:
        """Return what is to do: the rules go back to what was there before us."""
        former = former_rule(undo, self.address, self.rule)
        if former == self.rule:
            return []
        return [FileChange(rule_path(self.address), self.rule, former)]


def find_gone(
    host: Host, functions: Mapping[PciAddress, PciFunction], undo: UndoRecord
) -> tuple[PciFunction, ...]:
    """Return the PFs that rules or records of ours are about, and that are not there any more."""
    ruled = ((rule.address, rule.id) for rule in read_rules(host))
    return gone_functions(functions, [*remembered_places(undo), *ruled])


def read_orphans(
    host: Host, gone: Iterable[PciFunction], there: Collection[PciAddress]
) -> tuple[Orphan, ...]:
    """Read what is left of PFs.

    Args:
        there: where PFs are that the task is about, with which rule and record go too.
    """
    places = dict.fromkeys(each.address for each in gone)
    return tuple(
        Orphan(address, host.read_bytes(rule_path(address)))
        for address in places
        if address not in there
    )


def without(undo: UndoRecord, orphans: Iterable[Orphan]) -> UndoRecord:
    """Return the undo record without what it has of PFs that are gone."""
    for orphan in orphans:
        undo = forget_place(undo, orphan.address)
    return undo
