# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module accelerator_info as Ansible calls it."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import CHECKS
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.health import Health
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import SriovRule
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.boot_rules import (
    RULES,
    Rule,
    render_rules,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

MODULES = "ansible_collections.hwaccel.virt.plugins.modules"


def test_it_never_changes_anything(machine: Machine, run_module: ModuleRunner) -> None:
    machine.add_pf(vfs=2)
    before = machine.files()
    for check in (True, False):
        result = run_module("accelerator_info", check=check)
        assert not result["changed"]
        assert "diff" not in result
        assert [device["kind"] for device in result["devices"]] == ["qat_pf", "qat_vf", "qat_vf"]
    assert machine.files() == before


def test_a_blocked_pf_does_not_end_it(
    machine: Machine, running: RunningHost, run_module: ModuleRunner
) -> None:
    machine.add_pf()
    running.blocked.add(f"/sys/bus/pci/devices/{PF}/sriov_numvfs")
    result = run_module("accelerator_info", running=running)
    assert result["devices"][0]["blocked"]
    assert any("blocked" in problem["what"] for problem in result["problems"])


def test_who_is_not_root_sees_less_and_is_told_so(
    machine: Machine, running: RunningHost, run_module: ModuleRunner
) -> None:
    machine.add_pf()
    running.privileged = False
    result = run_module("accelerator_info", running=running)
    assert len(result["devices"]) == 1
    assert result["warnings"] == [
        "not run as root: holders are not seen, configuration space is cut off",
    ]


def test_a_root_that_is_none(run_module: ModuleRunner, tmp_path: Path) -> None:
    message = run_module.failure("accelerator_info", {"root": str(tmp_path / "gone")})
    assert "the root folder of a Linux system, with /etc or /sys below" in message


def documented(name: str) -> dict[str, t.Any]:
    module = importlib.import_module(f"{MODULES}.{name}")
    return t.cast("dict[str, t.Any]", yaml.safe_load(module.RETURN))


@pytest.mark.parametrize("name", ["accelerator_info", "qat_sriov"])
def test_what_is_returned_is_what_is_documented(
    machine: Machine, run_module: ModuleRunner, name: str
) -> None:
    machine.add_pf(vfs=1, driver=None)
    machine.add_iommu()
    rule = SriovRule(PciAddress.parse(PF), C62X.pf_id, "c6xx", 16, None)
    machine.write(rule.path, rule.render())
    binding = Rule(PciAddress.parse(PF), C62X.pf_id, "vfio-pci")
    machine.write(RULES, render_rules([binding], early=False) or b"")
    undo: dict[str, object] = {"qat_sriov": {PF: {"found": {}, "set": {}}}}
    machine.write(UNDO_PATH, json.dumps({"version": 1, "modules": undo}))
    result = run_module(name, {"num_vfs": 0} if name == "qat_sriov" else {})
    returned = documented(name)
    common = {"changed", "diff", "invocation", "warnings"}
    assert set(result) - common == set(returned)
    for key, text in returned.items():
        fields = set(text.get("contains", {}))
        value = result[key]
        if not fields:
            continue
        entries = value if isinstance(value, list) else [value]
        assert entries, key
        for entry in entries:
            assert set(entry) == fields, key


def test_what_a_health_has_is_what_is_documented() -> None:
    fields = documented("accelerator_info")["devices"]["contains"]["health"]["contains"]
    assert set(fields) == {field.name for field in dataclasses.fields(Health)}


def test_every_check_is_documented() -> None:
    told = documented("accelerator_info")["problems"]["contains"]["check"]["description"]
    assert re.findall(r"V\(([a-z]+)\)", told) == list(CHECKS)


def test_preflight_may_require_every_check() -> None:
    specs = Path(__file__).resolve().parents[4] / "roles/preflight/meta/argument_specs.yml"
    options = yaml.safe_load(specs.read_text())["argument_specs"]["main"]["options"]
    assert options["preflight_require"]["choices"] == list(CHECKS)
