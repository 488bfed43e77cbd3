# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module without root: what changes says so at once, what reads tells what it sees.

Where the tests run as root, each module is run by a child that has given up being root. It acts on
the machine that the tests run on, of which it changes nothing.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import sys
import typing as t
from contextlib import redirect_stderr, redirect_stdout

import pytest
from ansible.module_utils import basic
from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import MODULES

if t.TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

NOBODY = 65534
SECONDS = 60
CHANGING: dict[str, dict[str, t.Any]] = {
    "gridd_license": {"server_address": "license.example.com"},
    "iommu_kernel_arg": {},
    "libvirt_accelerators": {"guests": []},
    "qat_config": {"path": "/etc/c6xx_dev0.conf", "general": {"ProcDebug": 1}},
    "qat_mps": {"state": "saved", "missing_ok": True},
    "qat_mps_watcher": {},
    "qat_package": {"source": "/usr/local/src/qat"},
    "qat_sriov": {"missing_ok": True},
    "qatlib_service": {},
    "vfio_passthrough": {"devices": ["qat"], "missing_ok": True},
}
READING: dict[str, dict[str, t.Any]] = {
    "accelerator_info": {},
    "gridd_license_info": {"diagnose": False},
    "qat_software_info": {},
}


def _in_child(work: Callable[[], str]) -> str:
    """Return what a child says that is not root; one that does not end is killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(SECONDS)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(writer, work().encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, encoding="utf-8") as answers:
        answer = answers.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return answer


def _run(name: str, options: dict[str, t.Any], *, check: bool) -> tuple[dict[str, t.Any], str]:
    """Return the result of a module that is run without root, and what it wrote beside it."""
    # Imported by who may read it.
    module = importlib.import_module(f"{MODULES}.{name}")
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check}}

    def work() -> str:
        told: list[str] = []
        out, beside = io.StringIO(), io.StringIO()
        # Never undone: the child ends with it.
        patch = pytest.MonkeyPatch()
        patch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        patch.setattr(basic.AnsibleModule, "warn", lambda _self, text: told.append(text))
        with redirect_stdout(out), redirect_stderr(beside):
            try:
                module.main()
            except SystemExit:
                pass
            except BaseException as error:  # noqa: BLE001 (a traceback is what must not be)
                beside.write(repr(error))
        sys.stdout.flush()
        return json.dumps([out.getvalue(), beside.getvalue(), told])

    result, beside, warnings = json.loads(_in_child(work))
    return {**json.loads(result or "{}"), "warnings": warnings}, beside


def test_every_module_is_tried() -> None:
    folder = os.path.dirname(str(importlib.import_module(f"{MODULES}.qat_sriov").__file__))
    there = sorted(name[:-3] for name in os.listdir(folder) if name.endswith(".py"))
    assert there == sorted({**CHANGING, **READING})


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("name", CHANGING)
def test_what_changes_says_that_it_needs_root(name: str, *, check: bool) -> None:
    result, beside = _run(name, CHANGING[name], check=check)
    assert beside == ""
    assert result["failed"] is True
    assert "run the task with become: true" in result["msg"]


@pytest.mark.parametrize("name", READING)
def test_what_reads_tells_what_it_sees(name: str) -> None:
    result, beside = _run(name, READING[name], check=False)
    assert beside == ""
    assert not result.get("failed"), result["msg"]
    assert any("not run as root" in each for each in result["warnings"])
    assert result["changed"] is False
