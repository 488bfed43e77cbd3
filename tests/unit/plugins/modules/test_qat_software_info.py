# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qat_software_info as Ansible calls it."""

from __future__ import annotations

import importlib
import typing as t

import pytest
import yaml
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF, RELEASE
from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import MODULES

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

MODULE = "qat_software_info"


def test_the_examples_run(machine: Machine, run_module: ModuleRunner) -> None:
    machine.add_function(PF, FAMILIES["4xxx"].vf_id, group=2)
    module = importlib.import_module(f"{MODULES}.{MODULE}")
    for task in yaml.safe_load(module.EXAMPLES):
        if f"hwaccel.virt.{MODULE}" in task:
            told = run_module(MODULE, task[f"hwaccel.virt.{MODULE}"])
            assert told["method"] == "qatlib"


@pytest.mark.parametrize("check", [False, True])
def test_what_a_host_needs(machine: Machine, run_module: ModuleRunner, *, check: bool) -> None:
    machine.add_pf("4xxx", vfs=4)
    before = machine.files()
    told = run_module(MODULE, check=check)
    assert machine.files() == before
    told.pop("invocation", None)
    assert told == {
        "changed": False,
        "method": "qatlib",
        "why": f"{PF} (PF of 4xxx) is of generation 4",
        "kernel": RELEASE,
        "devices": [
            {
                "address": PF,
                "id": "8086:4940",
                "family": "4xxx",
                "generation": 4,
                "kind": "pf",
                "driver": "4xxx",
                "module": "qat_4xxx",
                "has_driver": True,
                "in_tree": True,
                "firmware_missing": [],
            }
        ],
        "families": ["4xxx"],
        "config_kinds": ["pf"],
        "firmware_missing": [],
        "payload_pfs": [],
        "warnings": [],
    }


def test_an_archive_is_at_hand(machine: Machine, run_module: ModuleRunner) -> None:
    machine.add_pf("c62x")
    assert run_module(MODULE)["method"] == "driver"
    told = run_module(MODULE, {"archive": True})
    assert (told["method"], told["payload_pfs"]) == ("package", [PF])
    assert "qatlib does not support" in run_module.failure(MODULE, {"method": "qatlib"})


def test_a_guest(machine: Machine, run_module: ModuleRunner) -> None:
    assert run_module(MODULE)["method"] == "none"
    assert "this guest has no QAT device" in run_module.failure(MODULE, {"side": "guest"})
    machine.add_function(PF, FAMILIES["4xxx"].vf_id, group=2)
    told = run_module(MODULE, {"side": "guest"})
    assert (told["method"], told["config_kinds"]) == ("qatlib", ["vf"])


@pytest.mark.parametrize("option", ["method", "side"])
def test_what_cannot_be_right(run_module: ModuleRunner, option: str) -> None:
    told = run_module.failure(MODULE, {option: "none"})
    assert f"value of {option} must be one of" in told
