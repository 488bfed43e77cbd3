# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files of QAT devices, and tasks of qat_config, for tests of them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner, Result

MODULE = "qat_config"
UNDO = "/var/lib/hwaccel/undo.json"
PREFIXES = sorted({row.config_prefix for row in FAMILIES.values() if row.config_prefix})
PF_FILE, VF_FILE = "/etc/c6xx_dev0.conf", "/etc/c6xxvf_dev0.conf"

_GENERAL = """\
# Device {prefix}, of the lab in the cellar.
################################################
[GENERAL]
ServicesEnabled = {services}

# How the instances below are written
ConfigVersion = 2

CyNumConcurrentSymRequests = 512
CyNumConcurrentAsymRequests = 64
DcNumConcurrentRequests = 512
"""
_KERNEL = """\

##############################################
# What the kernel has
##############################################
[KERNEL]
NumberCyInstances = 0
NumberDcInstances = 0
"""
_USER = """\

##############################################
# What processes have
##############################################
[SSL]
NumberCyInstances = 1
NumberDcInstances = 0
NumProcesses = 1
LimitDevAccess = 0

# The one that the web server has
Cy0Name = "SSL0"
Cy0IsPolled = 1
# Which core
Cy0CoreAffinity = 0
"""
_OF_PREFIX = {
    "dh895xcc": "cyHmacAuthMode = 1\nSRIOV_Enabled = 0   # PF alone\nProcDebug=1\n",
    "c4xxx": "NumCyAccelUnits = 2\nNumDcAccelUnits = 4\nNumInlineAccelUnits = 0\nstatsMisc = 1\n",
    "4xxx": "SVMEnabled = 0\nATEnabled = 0\nPmIdleSupport = 1\n",
}
_FIRMWARE = "ServicesProfile = DEFAULT\nDcIntermediateBufferSizeInKB = 64\nstatsGeneral = 1\n"


def sample(prefix: str = "c6xx", *, services: str | None = None, user: bool = True) -> str:
    """Return a file as an installer could have put it for a type of device."""
    usual = "sym;asym" if prefix.startswith("4xxx") else "cy;dc"
    text = _GENERAL.format(prefix=prefix, services=services or usual)
    return text + _OF_PREFIX.get(prefix, _FIRMWARE) + _KERNEL + (_USER if user else "")


@dataclass
class ConfigTasks:
    """Runs tasks of the module on a tree, each in check mode first and once more after."""

    machine: Machine
    run_module: ModuleRunner
    running: RunningHost | None = None

    def __call__(self, **options: t.Any) -> Result:
        """Do a task after a check run that tells the same, and once more without any change."""
        before = self.machine.files()
        check = self.run(check=True, **options)
        assert self.machine.files() == before
        real = self.run(**options)
        assert "failed" not in real, real["msg"]
        assert _told(real) == _told(check)
        after = self.machine.files()
        again = self.run(**options)
        assert (again["changed"], again["diff"]) == (False, [])
        assert self.machine.files() == after
        assert again["files"] == real["files"]
        assert real["changed"] == bool(real["diff"])
        return real

    def run(self, *, check: bool = False, **options: t.Any) -> Result:
        """Run the module once."""
        return self.run_module(MODULE, options, check=check, running=self.running)

    def refusal(self, **options: t.Any) -> str:
        """Return why a task is refused: alike in check mode, and with nothing changed."""
        before = self.machine.files()
        told = []
        for check in (True, False):
            result = self.run(check=check, **options)
            assert result.get("failed"), result
            told.append(str(result["msg"]))
            assert self.machine.files() == before
        assert told[0] == told[1]
        return told[0]


class QatHost(RunningHost):
    """A running host with the vendor's tool and its service.

    Attributes:
        status: what the tool tells, None where it fails.
        started: microseconds since the boot when the service was started, None for not.
    """

    def __init__(self, machine: Machine) -> None:
        """Have the tool, and no service."""
        super().__init__(machine)
        self.status: str | None = None
        self.started: int | None = None
        machine.write("usr/local/bin/adf_ctl", "")

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play the tool and systemctl."""
        assert seconds > 0
        self.commands.append(tuple(command))
        if list(command) == ["/usr/local/bin/adf_ctl", "status"]:
            if self.status is None:
                raise HostError("adf_ctl: no driver")
            return self.status
        assert command[:3] == ["systemctl", "show", "qat_service.service"]
        if self.started is None:
            return "ActiveState=inactive\nActiveEnterTimestampMonotonic=0\n"
        return f"ActiveState=active\nActiveEnterTimestampMonotonic={self.started}\n"


def status(*devices: tuple[str, int, str]) -> str:
    """Return what the tool tells of devices: type, number and address."""
    head = "Checking status of all devices.\nThere is QAT acceleration device(s) in the system:\n"
    lines = (
        f" qat_dev{at} - type: {kind},  inst_id: {number},  node_id: 0,  bsf: {address},  "
        "#accel: 5 #engines: 10 state: up\n"
        for at, (kind, number, address) in enumerate(devices)
    )
    return head + "".join(lines)


def _told(result: Result) -> Result:
    return {key: value for key, value in result.items() if key != "invocation"}
