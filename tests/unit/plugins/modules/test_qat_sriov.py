# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qat_sriov as Ansible calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, OTHER, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.sriov_runs import (
    AUTOPROBE,
    CFG_SERVICES,
    COUNT,
    RULE_PATH,
    STATE,
    as_in_check_mode,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

# -- another root ----------------------------------------------------------------------------


def test_a_tree(machine: Machine, run_module: ModuleRunner) -> None:
    machine.add_pf()
    recording = {path: what for path, what in machine.files().items() if path[:3] == "sys"}
    before = machine.files()
    check = run_module("qat_sriov", check=True)
    assert machine.files() == before
    real = run_module("qat_sriov")
    assert check == real
    assert real["changed"]
    assert real["pending_writes"] == [
        {"path": AUTOPROBE, "value": "0"},
        {"path": COUNT, "value": "16"},
    ]
    assert real["pending_commands"] == []
    assert [entry["before_header"] for entry in real["diff"]] == ["devices", "(no file)"]
    # Files are written, devices are a recording.
    after = machine.files()
    assert {path: what for path, what in after.items() if path[:3] == "sys"} == recording
    assert sorted(set(after) - set(before)) == sorted(
        [RULE_PATH.lstrip("/"), UNDO_PATH.lstrip("/")]
    )


def test_once_the_pending_writes_are_done_nothing_is_left(
    machine: Machine, run_module: ModuleRunner
) -> None:
    machine.add_pf()
    machine.play_all(run_module("qat_sriov")["pending_writes"])
    again = run_module("qat_sriov")
    assert not again["changed"]
    assert again["diff"] == []
    assert again["pending_writes"] == []
    assert again["devices"][0]["num_vfs"] == len(again["devices"][0]["vfs"]) == 16


def test_a_tree_and_back(machine: Machine, run_module: ModuleRunner) -> None:
    machine.add_pf(vfs=16)
    before = machine.files()
    run_module("qat_sriov")
    result = run_module("qat_sriov", {"state": "absent"})
    assert result["changed"]
    assert result["warnings"] == []
    # VFs were there before: the record says that they are back.
    after = machine.files()
    after.pop(UNDO_PATH.lstrip("/"))
    assert after == before


def test_a_root_that_is_none(run_module: ModuleRunner, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "empty", tmp_path / "gone"):
        message = run_module.failure("qat_sriov", {"root": str(root)})
        assert f"option root: {str(root)!r} is not accepted" in message


# -- the running machine ---------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"num_vfs": 4}, {"num_vfs": "0"}, {"persistent": False}])
def test_a_check_run_is_the_real_run(
    machine: Machine,
    running: RunningHost,
    run_module: ModuleRunner,
    options: dict[str, t.Any],
) -> None:
    machine.add_pf(vfs=0 if options != {"num_vfs": "0"} else 16)
    before = machine.files()
    check = run_module("qat_sriov", options, check=True, running=running)
    assert machine.files() == before
    assert running.written == []
    real = run_module("qat_sriov", options, running=running)
    assert as_in_check_mode(real, check) == check
    assert real["changed"]
    assert "pending_writes" not in real
    again = run_module("qat_sriov", options, running=running)
    assert (again["changed"], again["diff"]) == (False, [])
    assert again["devices"] == real["devices"]


@pytest.mark.parametrize("reordered", [False, True])
def test_services_and_back(
    machine: Machine, running: RunningHost, run_module: ModuleRunner, *, reordered: bool
) -> None:
    machine.add_pf("4xxx", out_of_tree=True, vfs=4, autoprobe=False)
    machine.add_services()
    words = ["asym", "dc"] if reordered else ["dc", "asym"]
    options = {"num_vfs": 4, "services": words, "auto_reset": True}
    for step, services in ((options, ["asym", "dc"]), ({"state": "absent"}, ["sym", "asym"])):
        before = machine.files()
        check = run_module("qat_sriov", step, check=True, running=running)
        assert machine.files() == before
        real = run_module("qat_sriov", step, running=running)
        assert as_in_check_mode(real, check) == check
        assert (real["changed"], real["warnings"]) == (True, [])
        assert real["devices"][0]["services"] == services
        assert not run_module("qat_sriov", step, running=running)["changed"]
    assert running.written.count((CFG_SERVICES, "asym;dc")) == 1


def test_vfs_of_the_host_and_back(
    machine: Machine, running: RunningHost, run_module: ModuleRunner
) -> None:
    machine.add_module(C62X.module, C62X.vf_module)
    machine.add_pf(vfs=16, autoprobe=False)
    for step in ({"host_vfs": 2}, {"state": "absent", "force": True}):
        check = run_module("qat_sriov", step, check=True, running=running)
        real = run_module("qat_sriov", step, running=running)
        assert as_in_check_mode(real, check) == check
        assert (real["changed"], real["warnings"]) == (True, [])
        assert not run_module("qat_sriov", step, running=running)["changed"]
        kept = [vf["driver"] for vf in real["devices"][0]["vfs"] if vf["reserved"]]
        assert kept == ([C62X.vf_driver] * 2 if "host_vfs" in step else [])


def test_a_tree_with_services_and_vfs_of_the_host(
    machine: Machine, run_module: ModuleRunner
) -> None:
    machine.add_module(C62X.module, C62X.vf_module)
    machine.add_pf()
    machine.add_pf("4xxx", "0000:02:00.0", group=2)
    machine.add_services("0000:02:00.0")
    path = CFG_SERVICES.replace(PF, "0000:02:00.0")
    result = run_module("qat_sriov", {"devices": ["gen4"], "services": ["dc"], "num_vfs": 0})
    assert {"path": path, "value": "dc"} in result["pending_writes"]
    assert result["pending_writes"][0]["path"] == STATE.replace(PF, "0000:02:00.0")
    result = run_module("qat_sriov", {"devices": ["c62x"], "host_vfs": 1})
    assert result["pending_commands"] == [["modprobe", C62X.vf_module]]
    assert result["pending_writes"][-1] == {
        "path": f"/sys/bus/pci/drivers/{C62X.vf_driver}/bind",
        "value": "0000:01:01.0",
    }
    assert result["devices"][0]["vfs"][0]["reserved"]


def test_absent_without_a_record_warns(
    machine: Machine, running: RunningHost, run_module: ModuleRunner
) -> None:
    machine.add_pf(vfs=16)
    check = run_module("qat_sriov", {"state": "absent"}, check=True, running=running)
    result = run_module("qat_sriov", {"state": "absent"}, running=running)
    assert as_in_check_mode(result, check) == check
    assert check["warnings"] == result["warnings"]
    assert PF in str(result["warnings"])
    assert machine.vfs() == []


def test_who_is_not_root_is_told_so(
    machine: Machine, running: RunningHost, run_module: ModuleRunner
) -> None:
    machine.add_pf()
    running.privileged = False
    for check in (True, False):
        message = run_module.failure("qat_sriov", check=check, running=running)
        assert "become: true" in message
    assert running.written == []


def test_a_write_that_was_not_taken(
    machine: Machine, running: RunningHost, run_module: ModuleRunner
) -> None:
    machine.add_pf()
    running.deaf.add(COUNT)
    message = run_module.failure("qat_sriov", running=running)
    assert f"{PF}: sriov_numvfs was set to 16, reads 0" in message


# -- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devices": ["c63x"]}, "option devices: 'c63x' is not accepted, use a PCI address"),
        ({"devices": []}, "at least one of"),
        ({"num_vfs": 17}, f"option num_vfs: 17 is above the 16 VFs that {PF} can have"),
        ({"num_vfs": -1}, "option num_vfs: -1 is not accepted, use max or a whole number"),
        ({"num_vfs": "many"}, "option num_vfs: 'many' is not accepted"),
        ({"devices": ["0a:00.0"]}, "no PCI function at this address"),
        ({"devices": ["02:00.0"]}, f"0000:02:00.0: {OTHER} is no QAT PF of the device table"),
        ({"devices": [{"address": PF, "id": str(OTHER)}]}, f"{C62X.pf_id} sits at this address"),
        ({"devices": ["4xxx"]}, "option devices: 4xxx: no QAT PF on this host matches"),
        ({"num_vfs": 4, "coerced_ok": False}, "always makes all 16"),
        ({"state": "gone"}, "value of state must be one of: present, absent"),
        ({"services": ["nothing"]}, "option services: ['nothing'] is not accepted"),
        ({"services": []}, "option services: [] is not accepted, use one to 3 of sym, asym, dc"),
        ({"services": ["dc", "dcc"]}, "dcc alone"),
        ({"services": ["dc", "dc"]}, "each once"),
        ({"services": ["dc"]}, "c62x has no choice of services"),
        ({"auto_reset": True}, "option auto_reset: no qat/auto_reset: c62x is of generation 1.7"),
        ({"host_vfs": -1}, "option host_vfs: -1 is not accepted"),
        ({"host_vfs": 3, "num_vfs": 2}, "option host_vfs: 3 is not accepted"),
        ({"host_vfs": 2}, "no native driver for VFs"),
        ({"vfs": 2}, "Unsupported parameters"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_bad_input_changes_nothing(
    machine: Machine,
    run_module: ModuleRunner,
    options: dict[str, t.Any],
    message: str,
    *,
    check: bool,
) -> None:
    machine.add_pf()
    machine.add_function("0000:02:00.0", OTHER)
    before = machine.files()
    assert message in run_module.failure("qat_sriov", options, check=check)
    assert machine.files() == before


def test_no_qat_at_all(machine: Machine, run_module: ModuleRunner) -> None:
    machine.add_function(PF, OTHER)
    assert "no QAT PF on this host: see lspci -nn" in run_module.failure("qat_sriov")
    result = run_module("qat_sriov", {"missing_ok": True})
    assert (result["changed"], result["devices"]) == (False, [])


def test_a_held_vf(machine: Machine, running: RunningHost, run_module: ModuleRunner) -> None:
    machine.add_pf(vfs=16)
    machine.hold(machine.vfs()[2], pid=42)
    before = machine.files()
    for check in (True, False):
        options = {"num_vfs": 0, "force": True}
        message = run_module.failure("qat_sriov", options, check=check, running=running)
        assert f"VF {machine.vfs()[2]} is held by process qemu-system-x86 (pid 42)" in message
    assert machine.files() == before
    assert running.written == []


# -- by Ansible itself -----------------------------------------------------------------------


def test_by_ansible(machine: Machine, tmp_path: Path) -> None:
    machine.add_pf()
    collections = next(
        parent for parent in Path(__file__).parents if (parent / "galaxy.yml").exists()
    )
    place = tmp_path / "collections/ansible_collections/hwaccel"
    place.mkdir(parents=True)
    (place / "virt").symlink_to(collections)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible")),
            "localhost",
            "--connection=local",
            "--check",
            "--module-name=hwaccel.virt.qat_sriov",
            "--args",
            json.dumps({"root": str(machine.root), "devices": ["c62x"]}),
        ],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    head, _unused, body = done.stdout.partition("{")
    assert head.startswith("localhost | CHANGED")
    result = json.loads("{" + body)
    assert result["pending_writes"][-1] == {"path": COUNT, "value": "16"}
    assert not machine.at(RULE_PATH).exists()
