# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role qat_host with qatlib, its modules on a machine in a folder.

What is not ours, such as packages and services, is only noted.
"""

from __future__ import annotations

import shutil
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UndoRecord
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF, Machine, RunningHost
from ansible_collections.hwaccel.virt.tests.unit.plugins.qatlib_runs import (
    QatlibHost,
    add_qatlib,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner
from ansible_collections.hwaccel.virt.tests.unit.plugins.vfio_runs import VFIO, move_to_group

if t.TYPE_CHECKING:
    from collections.abc import Sequence

Variables = dict[str, t.Any]

ROLE = Path(__file__).resolve().parents[3] / "roles/qat_host"
OURS, OTHERS = "hwaccel.virt.", "ansible.builtin."
OMIT = "omit this option"
SOFTWARE = {"changed": False, "method": "qatlib", "firmware_missing": []}


class HostOfRole(QatlibHost):
    """A host with qatlib on which drivers are loaded too."""

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play what either of the two plays."""
        if command[0] == "modprobe" or tuple(command[:2]) == ("udevadm", "settle"):
            return RunningHost.run(self, command, seconds=seconds)
        return super().run(command, seconds=seconds)


def load(path: str) -> t.Any:
    return DataLoader().load_from_file(str(ROLE / path), trusted_as_template=True)


@dataclass
class Role:
    """Runs the role's tasks.

    Attributes:
        told: module and options of each task that was run, in order.
        variables: what the inventory says.
    """

    machine: Machine
    run_module: ModuleRunner
    host: HostOfRole
    told: list[tuple[str, Variables]] = field(default_factory=list)
    variables: Variables = field(default_factory=dict)
    check: bool = False

    def __call__(self, state: str, *, check: bool = False, **variables: t.Any) -> str | None:
        """Run the role, and return why it ended, None where it ended well."""
        self.check = check
        self.told.clear()
        self.variables = {
            **load("defaults/main.yml"),
            **load("vars/main.yml"),
            **variables,
            "qat_host_state": state,
            "ansible_check_mode": check,
            "ansible_facts": {"os_family": "Debian", "pkg_mgr": "apt"},
            "omit": OMIT,
        }
        return self._play(f"{state}.yml")

    @property
    def names(self) -> list[str]:
        """The modules of ours that were run."""
        return [name.removeprefix(OURS) for name, _options in self.told if name.startswith(OURS)]

    def _play(self, path: str) -> str | None:
        for task in load(f"tasks/{path}"):
            if not self._is_due(task.get("when", [])):
                self._register(task, {"changed": False, "skipped": True})
                continue
            tasks = task.get(f"{OTHERS}import_tasks")
            told = self._play(tasks) if tasks else self._run(task)
            if told is not None:
                return told
        return None

    def _is_due(self, conditions: str | list[str]) -> bool:
        listed = [conditions] if isinstance(conditions, str) else conditions
        return all(self._rendered(trust_as_template(f"{{{{ {each} }}}}")) for each in listed)

    def _rendered(self, value: t.Any, **more: t.Any) -> t.Any:
        return Templar(DataLoader(), {**self.variables, **more}).template(value)

    def _register(self, task: Variables, result: Variables) -> None:
        if "register" in task:
            self.variables[task["register"]] = result

    def _run(self, task: Variables) -> str | None:
        (name,) = (key for key in task if key.startswith((OURS, OTHERS)))
        if "loop" not in task:
            result = self._module(name, task, {})
            self._register(task, result)
            return result.get("msg") if result.get("failed") else None
        variable = task.get("loop_control", {}).get("loop_var", "item")
        results = [
            self._module(name, task, {variable: each}) for each in self._rendered(task["loop"])
        ]
        changed = any(each["changed"] for each in results)
        self._register(task, {"changed": changed, "results": results})
        return next((each["msg"] for each in results if each.get("failed")), None)

    def _module(self, name: str, task: Variables, more: Variables) -> Variables:
        given = self._rendered(task[name], **more)
        options = {key: value for key, value in given.items() if value != OMIT}
        self.told.append((name, options))
        if name == f"{OURS}qat_software_info":
            return SOFTWARE
        if name.startswith(OTHERS):
            return {"changed": False}
        result = self.run_module(
            name.removeprefix(OURS),
            options,
            check=self.check or task.get("check_mode", False),
            running=self.host,
        )
        for vf in self.machine.vfs():
            if self.machine.driver(vf) == VFIO:
                self.machine.write(self.host.node(vf), "")
        changed = result.get("changed", False) and task.get("changed_when", True)
        return {**result, "changed": changed}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine with a PF, and no VFs yet."""
    made = Machine(tmp_path / "root")
    made.add_iommu()
    for folder in ("modules-load.d", "modprobe.d", "systemd/system/multi-user.target.wants"):
        made.at(f"etc/{folder}").mkdir(parents=True)
    add_qatlib(made)
    made.add_pf("4xxx", autoprobe=False)
    made.add_services(PF)
    made.add_vfio()
    made.add_module("qat_4xxx")
    return made


@pytest.fixture
def role(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Role:
    runner = ModuleRunner(machine, monkeypatch, capsys)
    return Role(machine, runner, HostOfRole(machine))


def left(machine: Machine) -> list[str]:
    """Return what the collection has left: files, what stands by its record, and VFs."""
    own = [path.name for path in machine.at("etc").rglob("*hwaccel*")]
    standing = [" ".join(each) for each in UndoRecord.read(machine.host).standing()]
    return own + standing + machine.vfs()


def test_there_and_back(machine: Machine, role: Role) -> None:
    assert role("present", qat_host_qatlib_devices=["gen4"], qat_host_qatlib_vfs="2") is None
    drivers = [machine.driver(vf) for vf in machine.vfs()]
    assert drivers == [VFIO] * 2 + [None] * 14
    assert role("present", qat_host_qatlib_devices=["gen4"], qat_host_qatlib_vfs="2") is None
    before = machine.files()
    assert role("absent", check=True) is None
    assert machine.files() == before
    assert role("absent") is None
    assert left(machine) == []
    stops = [options for name, options in role.told if name == f"{OTHERS}systemd_service"]
    assert stops == [{"name": "qat.service", "state": "stopped", "enabled": False}]
    assert role("absent") is None
    assert role.names == ["qatlib_service", "qat_sriov"]
    assert not [name for name, _options in role.told if name.startswith(OTHERS)]


def share_one_group(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all VFs that are made from now on in one IOMMU group, as without ACS."""
    make = machine.make_vfs

    def made(pf: str, number: int, **options: t.Any) -> list[str]:
        first, *others = make(pf, number, **options)
        for vf in others:
            move_to_group(machine, vf, machine.group(first))
        return [first, *others]

    monkeypatch.setattr(machine, "make_vfs", made)


def test_vfs_that_share_a_group_are_refused_by_the_run_that_makes_them(
    machine: Machine, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_one_group(machine, monkeypatch)
    wanted: Variables = {"qat_host_qatlib_devices": ["gen4"], "qat_host_qatlib_vfs": "2"}
    # Before they are made nobody can tell.
    assert role("present", check=True, **wanted) is None
    told = role("present", **wanted) or ""
    assert "is in its IOMMU group and is not chosen" in told
    assert role.names[-2:] == ["qat_sriov", "qatlib_service"]
    assert {machine.driver(vf) for vf in machine.vfs()} == {None}
    assert role("present", check=True, **wanted) == told
    assert role("present", **wanted) == told
    # Programs of the host may have all of them, or none.
    assert role("present", qat_host_qatlib_devices=["gen4"]) is None
    assert {machine.driver(vf) for vf in machine.vfs()} == {VFIO}


def test_groups_are_looked_at_again_where_vfs_were_made(machine: Machine, role: Role) -> None:
    before = machine.files()
    wanted: Variables = {"qat_host_qatlib_devices": ["gen4"], "qat_host_qatlib_vfs": "2"}
    known, checked = ["qat_software_info", "qatlib_service", "qat_sriov"], ["qatlib_service"]
    assert role("present", check=True, **wanted) is None
    assert (role.names, machine.files()) == (known, before)
    assert role("present", **wanted) is None
    assert role.names == [*known, *checked, "vfio_passthrough"]
    assert role("present", **wanted) is None
    assert role.names == [*known, "vfio_passthrough"]
    # Without VFs for programs of the host there is nothing to look at.
    machine.remove_vfs(PF)
    assert role("present") is None
    assert role.names == known


def test_a_way_back_that_was_refused_is_finished_by_the_next(machine: Machine, role: Role) -> None:
    role("present", qat_host_qatlib_devices=["gen4"], qat_host_qatlib_vfs="2")
    vf = machine.vfs()[0]
    machine.open(role.host.node(vf), pid=999, name="nginx")
    assert f"{vf} is held by process nginx (pid 999)" in (role("absent") or "")
    shutil.rmtree(machine.at("proc/999"))
    assert role("absent") is None
    assert left(machine) == []


def test_a_guest_keeps_its_vfs_until_it_is_gone(machine: Machine, role: Role) -> None:
    """VFs that were qatlib's are given to a guest, which does not run."""
    role("present", qat_host_qatlib_devices=["gen4"], qat_host_qatlib_vfs="2")
    role("present")
    vf = machine.vfs()[1]
    machine.add_domain("one", vf)
    assert f"{vf} by domain one" in (role("absent") or "")
    assert machine.driver(vf) == VFIO
    shutil.rmtree(machine.at("etc/libvirt"))
    assert role("absent") is None
    assert left(machine) == []


@pytest.mark.parametrize(
    "then", [{"qat_host_qatlib_devices": ["gen4"], "qat_host_qatlib_vfs": "2"}, {}]
)
def test_fewer_vfs_later_all_go_back(machine: Machine, role: Role, then: Variables) -> None:
    role("present", qat_host_qatlib_devices=["gen4"], qat_host_qatlib_vfs="4")
    assert role("present", **then) is None
    assert role("absent") is None
    assert left(machine) == []
