# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual functions of QAT PFs: how many there are now, and again after every boot."""

from __future__ import annotations

import errno
import typing as t
from dataclasses import dataclass, replace

from .._iommu.groups import read_iommu
from .._iommu.problems import iommu_problems
from .._pci.function import read_functions
from .._plan import AttributeWrite, Change, FileChange, Plan
from .._undo import UndoRecord
from .._vfio.holders import is_vfio_driver
from .guard import check
from .observe import Pf, blocked_error, read_pfs
from .problems import problems_of
from .rules import rule_path
from .selectors import select_pfs
from .wanted import Target, Wanted, entry_of, remembered, reverted, target_of

if t.TYPE_CHECKING:
    from .._errors import Problem
    from .._host import Host
    from .._pci.address import PciAddress

_COUNT, _AUTOPROBE = "sriov_numvfs", "sriov_drivers_autoprobe"
# Making 125 VFs was seen to take 65 s (sriov-network-operator #1015).
_WRITE_SECONDS, _WRITE_SECONDS_PER_VF = 30.0, 1.0

_MAKE_HINTS = {
    errno.EINVAL: "in-tree drivers of Linux 6.12 to 6.15 make no VFs without a working IOMMU",
    errno.ENOMEM: "the firmware left no room for the VFs' memory: turn on Above 4G Decoding in the "
    "firmware setup, or add pci=realloc to the kernel command line",
    errno.ENOENT: "the PF is gone, or its driver makes no VFs",
}
_REMOVE_HINTS = {
    errno.EINVAL: "in-tree drivers before Linux 6.12 do not take VFs away: unbind the PF from its "
    "driver and bind it again, with the udev rule out of the way (persistent: false)",
}


@dataclass(frozen=True)
class PfState:
    """A PF with the rule that stands for it."""

    pf: Pf
    rule: bytes | None


@dataclass(frozen=True)
class State:
    """Everything that the decision needs."""

    pfs: tuple[PfState, ...]
    skipped: tuple[Pf, ...]
    undo: UndoRecord
    problems: tuple[Problem, ...]


class QatSriov:
    """The work of the module qat_sriov."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.wanted = Wanted.parse(options)

    def observe(self, host: Host) -> State:
        """Read the selected PFs, their VFs and who holds them."""
        functions = read_functions(host)
        selection = select_pfs(
            self.wanted.selectors,
            functions,
            missing_ok=self.wanted.missing_ok,
        )
        pfs = read_pfs(host, selection.pfs, functions)
        skipped = tuple(
            pf
            for pf in pfs
            if is_vfio_driver(pf.function.driver) and pf.address not in selection.by_name
        )
        chosen = tuple(pf for pf in pfs if pf not in skipped)
        return State(
            pfs=tuple(PfState(pf, host.read_bytes(rule_path(pf.address))) for pf in chosen),
            skipped=skipped,
            undo=UndoRecord.read(host),
            problems=tuple(_problems(host, chosen)),
        )

    def plan(self, state: State) -> Plan:
        """Decide for every PF before any is changed."""
        targets = self._targets(state)
        for found in state.pfs:
            check(self.wanted, found.pf, targets[found.pf.address])
        undo = state.undo
        changes: list[Change] = []
        for found in state.pfs:
            target = targets[found.pf.address]
            steps = _changes(found, target)
            changes += steps
            if not self.wanted.present:
                undo = reverted(undo, found.pf)
            elif steps:
                undo = remembered(undo, found.pf, found.rule, target)
        devices, record = Plan(tuple(changes)), Plan(undo.change())
        if self.wanted.present:
            # What was found is on disk before the first device changes.
            return record.and_then(devices)
        return replace(devices, warnings=_absent_warnings(state, devices)).and_then(record)

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to."""
        targets = self._targets(state)
        return replace(
            state,
            pfs=tuple(_predicted(found.pf, targets[found.pf.address]) for found in state.pfs),
        )

    def unmet(self, before: State, after: State) -> str | None:
        """Compare what is there now with what was wanted."""
        targets = self._targets(before)
        missing = (_unmet(found, targets[found.pf.address]) for found in after.pfs)
        return next((text for text in missing if text is not None), None)

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        targets = self._targets(before)
        found = [*(state.pf for state in after.pfs), *after.skipped]
        return {
            "devices": [
                _device(pf, targets.get(pf.address))
                for pf in sorted(found, key=lambda pf: pf.address)
            ],
            "problems": [problem.as_result() for problem in after.problems],
        }

    def _targets(self, state: State) -> dict[PciAddress, Target]:
        return {
            found.pf.address: target_of(self.wanted, found.pf, found.rule, state.undo)
            for found in state.pfs
        }


def _predicted(pf: Pf, target: Target) -> PfState:
    if target.num_vfs != pf.num_vfs:
        pf = replace(pf, num_vfs=target.num_vfs, vfs=pf.expected_vfs(target.num_vfs))
    if target.autoprobe is not None:
        pf = replace(pf, autoprobe=target.autoprobe)
    return PfState(pf, target.rule)


def _unmet(found: PfState, target: Target) -> str | None:
    pf = found.pf
    if pf.num_vfs is None:
        return str(blocked_error(pf))
    if target.num_vfs != pf.num_vfs or len(pf.vfs) != pf.num_vfs:
        return (
            f"{pf.address}: {_COUNT} was set to {target.num_vfs}, reads {pf.num_vfs}, and "
            f"{len(pf.vfs)} VFs are there; the kernel log tells what {pf.function.driver} did"
        )
    if target.autoprobe not in (None, pf.autoprobe):
        return f"{pf.address}: {_AUTOPROBE} was set to {target.autoprobe:d} and did not change"
    if target.rule != found.rule:
        return f"{rule_path(pf.address)}: not as it was written; something else changes it"
    return None


def _absent_warnings(state: State, plan: Plan) -> tuple[str, ...]:
    if not plan:
        return ()
    return tuple(
        f"{found.pf.address}: no record of what was there before; VFs, autoprobe and rule go back "
        "to the kernel's defaults"
        for found in state.pfs
        if entry_of(found.pf, state.undo) is None
    )


def _device(pf: Pf, target: Target | None) -> dict[str, t.Any]:
    function = pf.function
    return {
        "address": str(pf.address),
        "id": str(function.id),
        "family": pf.family.name,
        "generation": pf.family.generation,
        "driver": function.driver,
        "numa_node": function.numa_node,
        "total_vfs": pf.total_vfs,
        "num_vfs": pf.num_vfs,
        "requested": None if target is None else target.requested,
        "coerced": target is not None and target.coerced,
        "services": None,
        "qat_state": None,
        "skipped": target is None,
        "vfs": [vf.as_result() for vf in pf.vfs],
    }


def _changes(found: PfState, target: Target) -> list[Change]:
    """Return the steps of one PF in order: old VFs gone, autoprobe, new VFs, rule."""
    pf = found.pf
    steps: list[Change] = []
    remake = target.num_vfs != pf.num_vfs
    if remake and pf.num_vfs:
        steps.append(_write_count(pf, 0, _REMOVE_HINTS))
    if target.autoprobe is not None and target.autoprobe != pf.autoprobe:
        steps.append(_write_autoprobe(pf, target))
    if remake and target.num_vfs:
        steps.append(_write_count(pf, target.num_vfs, _MAKE_HINTS))
    if target.rule != found.rule:
        steps.append(FileChange(rule_path(pf.address), found.rule, target.rule))
    return steps


def _write_autoprobe(pf: Pf, target: Target) -> AttributeWrite:
    return AttributeWrite(
        device=str(pf.address),
        path=pf.attribute(_AUTOPROBE),
        value=f"{target.autoprobe:d}",
        before=f"{pf.autoprobe:d}",
    )


def _write_count(pf: Pf, number: int, hints: dict[int, str]) -> AttributeWrite:
    return AttributeWrite(
        device=str(pf.address),
        path=pf.attribute(_COUNT),
        value=str(number),
        before=str(pf.num_vfs),
        seconds=_WRITE_SECONDS + _WRITE_SECONDS_PER_VF * pf.total_vfs,
        hints=hints,
    )


def _problems(host: Host, pfs: tuple[Pf, ...]) -> list[Problem]:
    release = host.attribute("/proc/sys/kernel/osrelease") or ""
    problems = problems_of(host, release, pfs)
    if any(pf.function.iommu_group is None for pf in pfs):
        command_line = host.attribute("/proc/cmdline") or ""
        problems += iommu_problems(read_iommu(host), cpu_vendor=None, command_line=command_line)
    return problems
