# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual functions of QAT PFs: how many there are now, and again after every boot."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._boot.cmdline import running
from .._iommu.groups import read_iommu
from .._iommu.problems import iommu_problems
from .._pci.drivers import kernel_release, module_available
from .._pci.function import read_functions
from .._plan import Change, Plan
from .._undo import UndoRecord
from .._vfio.boot_rules import read_rules
from .._vfio.holders import is_vfio_driver
from .guard import check
from .observe import Pf, read_pfs
from .orphans import find_gone, read_orphans, without
from .outcome import PfState, predicted, unmet
from .problems import missing_module_available, pf_problems
from .record import entry_of, remembered, reverted
from .rules import marker_path, rule_path
from .selectors import select_pfs
from .services import service_result
from .steps import steps
from .wanted import Wanted, target_of

if t.TYPE_CHECKING:
    from .._errors import Problem
    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .._vfio.boot_rules import Rule
    from .orphans import Orphan
    from .target import Target


@dataclass(frozen=True)
class State:
    """Everything that the decision needs.

    Args:
        problems: those of the host, whatever becomes of its PFs.
        orphans: what is left of PFs that are not there any more.
        guest_rules: what is bound for guests at every boot, where the host is to keep VFs.
    """

    pfs: tuple[PfState, ...]
    skipped: tuple[Pf, ...]
    undo: UndoRecord
    problems: tuple[Problem, ...]
    orphans: tuple[Orphan, ...] = ()
    guest_rules: tuple[Rule, ...] = ()


class QatSriov:
    """The work of the module qat_sriov."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.wanted = Wanted.parse(options)
        self._gone: tuple[PciFunction, ...] = ()

    def observe(self, host: Host) -> State:
        """Read the selected PFs, their VFs and who holds them."""
        functions, undo = read_functions(host), UndoRecord.read(host)
        if not self.wanted.present:
            # Looking again, what the task has taken away itself is still no mistake to name.
            self._gone = self._gone or find_gone(host, functions, undo)
        selection = select_pfs(
            self.wanted.selectors,
            functions,
            missing_ok=self.wanted.missing_ok,
            gone=self._gone,
            elsewhere_ok=self.wanted.missing_ok and not self.wanted.present,
        )
        pfs = read_pfs(host, selection.pfs, functions)
        skipped = tuple(
            pf
            for pf in pfs
            if is_vfio_driver(pf.function.driver) and pf.address not in selection.by_name
        )
        chosen = tuple(pf for pf in pfs if pf not in skipped)
        release = kernel_release(host)
        return State(
            pfs=tuple(self._observe_pf(host, release, pf) for pf in chosen),
            skipped=skipped,
            undo=undo,
            problems=tuple(_host_problems(host, chosen)),
            orphans=read_orphans(host, selection.gone, {pf.address for pf in chosen}),
            guest_rules=read_rules(host) if self.wanted.host_vfs else (),
        )

    def _observe_pf(self, host: Host, release: str, pf: Pf) -> PfState:
        native = pf.vf_driver_known
        if self.wanted.host_vfs and not native:
            native = module_available(host, release, pf.family.vf_module)
        return PfState(
            pf=pf,
            rule=host.read_bytes(rule_path(pf.address)),
            marked=host.exists(marker_path(pf.address)),
            native_driver=native,
            module_available=missing_module_available(host, release, pf),
        )

    def plan(self, state: State) -> Plan:
        """Decide for every PF before any is changed."""
        targets = self._targets(state)
        for found in state.pfs:
            target = targets[found.pf.address]
            check(
                self.wanted,
                found.pf,
                target,
                native_driver=found.native_driver,
                guest_rules=state.guest_rules,
            )
        undo = state.undo
        changes: list[Change] = []
        for found in state.pfs:
            target = targets[found.pf.address]
            todo = steps(found.pf, found.rule, target, marked=found.marked)
            changes += todo
            if not self.wanted.present:
                undo = reverted(undo, found.pf)
            else:
                # Even where nothing is to do: what was there before us stays when we go.
                undo = remembered(undo, found.pf, found.rule, target)
        devices = Plan(tuple(changes))
        if self.wanted.present:
            # What was found is on disk before the first device changes.
            return Plan(undo.change()).and_then(devices)
        files = Plan(tuple(step for each in state.orphans for step in each.steps(state.undo)))
        return replace(
            devices.and_then(files),
            warnings=_absent_warnings(state, devices),
            closing=without(undo, state.orphans).change(),
        )

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to."""
        targets = self._targets(state)
        return replace(
            state,
            pfs=tuple(predicted(found, targets[found.pf.address]) for found in state.pfs),
        )

    def unmet(self, before: State, after: State) -> str | None:
        """Compare what is there now with what was wanted."""
        targets = self._targets(before)
        there = {found.pf.address: found for found in after.pfs}
        for address, target in targets.items():
            found = there.get(address)
            missing = unmet(found, target) if found else f"{address}: gone since the task began"
            if missing is not None:
                return missing
        return None

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        targets = self._targets(before)
        found = [*(state.pf for state in after.pfs), *after.skipped]
        return {
            "devices": [
                _device(pf, targets.get(pf.address))
                for pf in sorted(found, key=lambda pf: pf.address)
            ],
            "gone": [str(orphan.address) for orphan in before.orphans],
            "problems": [problem.as_result() for problem in _problems(after)],
        }

    def _targets(self, state: State) -> dict[PciAddress, Target]:
        return {
            found.pf.address: target_of(self.wanted, found.pf, found.rule, state.undo)
            for found in state.pfs
        }


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
        **service_result(pf.service_state),
        "skipped": target is None,
        "vfs": [vf.as_result() for vf in pf.vfs],
    }


def _problems(state: State) -> list[Problem]:
    """Return what is wrong with the PFs of a state, which may be a predicted one."""
    problems = [
        problem
        for found in state.pfs
        for problem in pf_problems(found.pf, module_available=found.module_available)
    ]
    return [*problems, *state.problems]


def _host_problems(host: Host, pfs: tuple[Pf, ...]) -> list[Problem]:
    if all(pf.function.iommu_group is not None for pf in pfs):
        return []
    return iommu_problems(read_iommu(host), cpu_vendor=None, arguments=running(host).plain)
