# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qat_mps_watcher as a task: installed, found as it is, replaced, and taken away again."""

from __future__ import annotations

import json
import sys
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.archive import build_archive
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.unit import (
    PROGRAM,
    UNIT,
    UNIT_PATH,
    WANTS,
    render_unit,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner, Result

RELOAD = ("systemctl", "daemon-reload")
LOOK = (sys.executable, "-I", "-c", "import libvirt")
FILES = sorted([PROGRAM, UNIT_PATH, WANTS])
UNDO = "var/lib/hwaccel/undo.json"


class Tasks:
    """Tasks of the module on a running host."""

    def __init__(self, run_module: ModuleRunner, running: RunningHost) -> None:
        """Have what the module runs."""
        self.machine = running.machine
        self.running = running
        self._run = run_module
        self.machine.write("usr/bin/systemctl", "")
        self.machine.write(f"usr/bin/{sys.executable}", "")

    def __call__(self, state: str = "present", *, check: bool = False) -> Result:
        """Run one; a dry run before it has to tell the same, and to change nothing."""
        before = self.machine.files()
        told = self._run("qat_mps_watcher", {"state": state}, check=True, running=self.running)
        assert self.machine.files() == before
        if check:
            return told
        self.running.commands.clear()
        done = self._run("qat_mps_watcher", {"state": state}, running=self.running)
        assert done == told
        return done

    @property
    def commands(self) -> list[tuple[str, ...]]:
        """What was run, without the looks."""
        return [
            command
            for command in self.running.commands
            if command != LOOK and command[:2] != ("systemctl", "show")
        ]


@pytest.fixture
def task(run_module: ModuleRunner, running: RunningHost) -> Tasks:
    return Tasks(run_module, running)


def test_installed(task: Tasks) -> None:
    done = task()
    assert done["changed"]
    assert done["restart_required"]
    assert (done["unit"], done["program"]) == (UNIT, PROGRAM)
    assert (done["files"], done["interpreter"]) == (FILES, sys.executable)
    assert task.machine.at(PROGRAM).read_bytes() == build_archive()
    assert task.machine.at(UNIT_PATH).read_bytes() == render_unit(sys.executable)
    assert task.machine.link_name(WANTS.lstrip("/")) == UNIT
    assert task.commands == [RELOAD]


def test_the_diff_can_be_read(task: Tasks) -> None:
    program, unit, link = task(check=True)["diff"]
    assert (program["before_header"], program["after_header"]) == ("(no file)", PROGRAM)
    assert program["after"].splitlines()[-1].endswith(" hwaccel_virt/_vfio/holders.py")
    assert "ExecStart=" in unit["after"]
    assert link["after"] == f"{UNIT_PATH}\n"
    task()
    # One file of the program changed: the diff shows which.
    old = build_archive().replace(b"A look that is due.", b"A look that was due")
    task.machine.at(PROGRAM).write_bytes(old)
    [program] = task(check=True)["diff"]
    before, after = program["before"].splitlines(), program["after"].splitlines()
    assert len(before) in (1, len(after))
    assert before != after


def test_a_second_run_changes_nothing(task: Tasks) -> None:
    task()
    before = task.machine.files()
    done = task()
    assert not done["changed"]
    assert not done["restart_required"]
    assert (done["diff"], done["files"]) == ([], FILES)
    assert task.machine.files() == before
    assert task.commands == []


def test_another_program_needs_a_restart_alone(task: Tasks) -> None:
    task()
    task.machine.write(PROGRAM, b"an older one")
    done = task()
    assert done["changed"]
    assert done["restart_required"]
    assert task.commands == []


def test_another_unit_is_reloaded(task: Tasks) -> None:
    task()
    task.machine.write(UNIT_PATH, render_unit("/opt/python3"))
    done = task()
    assert done["restart_required"]
    assert task.commands == [RELOAD]
    assert task("absent")["files"] == []


def test_a_lost_link_needs_no_restart(task: Tasks) -> None:
    task()
    (task.machine.root / WANTS.lstrip("/")).unlink()
    done = task()
    assert done["changed"]
    assert not done["restart_required"]


def test_taken_away(task: Tasks) -> None:
    before = task.machine.files()
    task()
    done = task("absent")
    assert done["changed"]
    assert not done["restart_required"]
    assert (done["files"], done["warnings"]) == ([], [])
    assert task.commands == [("systemctl", "stop", UNIT), RELOAD]
    assert task.machine.files() == before
    again = task("absent")
    assert (again["changed"], again["warnings"], task.commands) == (False, [], [])


def test_an_operators_own_unit_comes_back(task: Tasks) -> None:
    own = b"[Unit]\nDescription=of an operator, with a stray byte: \xff\n"
    task.machine.write(UNIT_PATH, own)
    before = task.machine.files()
    task()
    task()
    done = task("absent")
    assert done["files"] == [UNIT_PATH]
    assert task.machine.files() == before


def test_without_a_record_it_is_removed_with_a_warning(task: Tasks) -> None:
    task()
    task.machine.at(UNDO).unlink()
    done = task("absent")
    assert done["files"] == []
    [warning] = done["warnings"]
    assert UNIT in warning


def test_a_record_that_is_not_ours(task: Tasks, run_module: ModuleRunner) -> None:
    task()
    document = json.loads(task.machine.read(UNDO))
    document["modules"]["qat_mps_watcher"][UNIT]["found"]["unit"] = 7
    task.machine.write(UNDO, json.dumps(document))
    told = run_module.failure("qat_mps_watcher", {"state": "absent"}, running=task.running)
    assert "is not as this module writes it" in told


def test_an_interpreter_without_bindings_is_refused(task: Tasks, run_module: ModuleRunner) -> None:
    task.running.failing.add(sys.executable)
    before = task.machine.files()
    for check in (True, False):
        told = run_module.failure("qat_mps_watcher", {}, check=check, running=task.running)
        assert sys.executable in told
        assert "python3-libvirt" in told
    assert task.machine.files() == before
    assert task("absent")["changed"] is False


def test_a_failure_half_way_takes_the_files_back(task: Tasks, run_module: ModuleRunner) -> None:
    task.running.failing.add("systemctl")
    before = task.machine.files()
    assert "daemon-reload" in run_module.failure("qat_mps_watcher", {}, running=task.running)
    assert task.machine.files() == before


def test_what_is_not_taken_is_told(
    task: Tasks, run_module: ModuleRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task.running, "write_link", lambda _path, _target: None)
    told = run_module.failure("qat_mps_watcher", {}, running=task.running)
    assert told.startswith(f"{WANTS}: not as written")


def test_in_a_tree(machine: Machine, run_module: ModuleRunner) -> None:
    done = run_module("qat_mps_watcher", {})
    assert done["changed"]
    assert (done["pending_commands"], done["pending_writes"]) == ([list(RELOAD)], [])
    assert machine.at(PROGRAM).read_bytes() == build_archive()
    again = run_module("qat_mps_watcher", {})
    assert (again["changed"], again["pending_commands"]) == (False, [])
    gone = run_module("qat_mps_watcher", {"state": "absent"})
    assert (gone["files"], gone["pending_commands"]) == ([], [list(RELOAD)])
    assert not machine.at(PROGRAM).exists()
