# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The job of qat_sriov, run below the module: planned, tried in check mode, and done."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError, RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._module import _perform, _rehearse
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import (
    SriovRule,
    marker_path,
    rule_path,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.sriov import QatSriov
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, PF, SRIOV_OPTIONS

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
    from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Plan
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

ADDRESS = PciAddress.parse(PF)
RULE_PATH, MARKER = rule_path(ADDRESS), marker_path(ADDRESS)
COUNT = f"/sys/bus/pci/devices/{PF}/sriov_numvfs"
AUTOPROBE = f"/sys/bus/pci/devices/{PF}/sriov_drivers_autoprobe"
STATE = f"/sys/bus/pci/devices/{PF}/qat/state"
CFG_SERVICES = f"/sys/bus/pci/devices/{PF}/qat/cfg_services"
AUTO_RESET = f"/sys/bus/pci/devices/{PF}/qat/auto_reset"
Result = dict[str, t.Any]


def job(**options: object) -> QatSriov:
    """Return the job of a task with some options."""
    return QatSriov({**SRIOV_OPTIONS, **options})


def plan(host: Host, **options: object) -> Plan:
    """Return what a task would do."""
    work = job(**options)
    return work.plan(work.observe(host))


def refusal(host: Host, **options: object) -> str:
    """Return why a task is refused."""
    with pytest.raises(RefusedError) as caught:
        plan(host, **options)
    return str(caught.value)


def perform(host: RunningHost, **options: object) -> Result:
    """Do a task."""
    return _perform(job(**options), host)


def failure(host: RunningHost, **options: object) -> str:
    """Do a task at which the kernel or the host fails, and return what is told."""
    with pytest.raises(HostError) as caught:
        perform(host, **options)
    return str(caught.value)


def rehearse(machine: Machine, **options: object) -> Result:
    """Return what a check run tells."""
    return _rehearse(job(**options), machine.host, write_files=False)


def as_in_check_mode(real: Result, check: Result) -> Result:
    """Return a result without what the kernel alone assigned to the VFs that were made.

    A VF that was made is one without a group in check mode: its driver may be null there, and
    with it the holder that this driver is.
    """
    copy = t.cast("Result", json.loads(json.dumps(real)))
    for key in ("pending_writes", "pending_commands", "invocation"):
        copy.pop(key, None)
        if key in check:
            copy[key] = check[key]
    for device, predicted in zip(copy["devices"], check["devices"]):
        for vf, expected in zip(device["vfs"], predicted["vfs"]):
            if expected["iommu_group"] is None:
                vf["iommu_group"] = None
                if expected["driver"] is None:
                    own = (vf["holder"] or {}).get("kind") == "driver"
                    vf.update(driver=None, holder=None if own else vf["holder"])
    return copy


def check_then_perform(machine: Machine, running: RunningHost, **options: object) -> Result:
    """Do a task after a check run of it, which has to change nothing and tell the same."""
    before, done = machine.files(), len(running.written)
    check = rehearse(machine, **options)
    assert machine.files() == before
    real = perform(running, **options)
    assert as_in_check_mode(real, check) == check
    pending = [(write["path"], write["value"]) for write in check["pending_writes"]]
    assert pending == running.written[done:]
    return real


def rule(number: int = 16, *, autoprobe: bool | None = False) -> bytes:
    """Return the rule of a C62x."""
    return SriovRule(ADDRESS, C62X.pf_id, str(C62X.driver), number, autoprobe).render()


def record(machine: Machine, pf: str = PF) -> dict[str, t.Any]:
    """Return what the undo record has of a PF."""
    document = json.loads(machine.read("var/lib/hwaccel/undo.json"))
    return t.cast("dict[str, t.Any]", document["modules"]["qat_sriov"][pf])
