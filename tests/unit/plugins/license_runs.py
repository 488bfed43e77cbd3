# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The daemon's files, and tasks of gridd_license, for tests of them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner, Result

MODULE = "gridd_license"
PATH = "/etc/nvidia/gridd.conf"
TEMPLATE = "/etc/nvidia/gridd.conf.template"
UNDO = "/var/lib/hwaccel/undo.json"
TOKENS = "/etc/nvidia/ClientConfigToken"
TOKEN = b"eyJhbGciOiJSUzI1NiJ9." + b"QUJD" * 60 + b"." + b"c2ln" * 20

# As in the vendor's GRID Licensing User Guide (DU-07757-001 v4.9), 2.3 and 3.4; its layout counts.
GUIDE = """\
# /etc/nvidia/gridd.conf - Configuration file for NVIDIA Grid Daemon

# This is a template for the configuration file for NVIDIA Grid Daemon.
# For details on the file format, please refer to the nvidia-gridd(1)
# man page.

# Description: Set License Server Address
# Data type: string
# Format:  "<address>"
{address}

# Description: Set License Server port number
# Data type: integer
# Format:  <port>, default is 7070
{port}

# Description: Set Feature to be enabled
# Data type: integer
# Possible values:
#    1 => for GRID vGPU
#    2 => for GRID Virtual Workstation
{feature}

# Description: Parameter to enable or disable Grid Licensing tab in nvidia-settings
# Data type: boolean
# Possible values: TRUE or FALSE, default is TRUE
#EnableUI=TRUE

# Description: Set license borrow period in minutes
# Data type: integer
# Possible values: 10 to 10080 mins(7 days), default is 10080
#LicenseInterval=10080
"""
ORIGINAL = GUIDE.format(address="ServerAddress=", port="#ServerPort=7070", feature="#FeatureType=1")


@dataclass
class LicenseTasks:
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
        for key in ("effective_settings", "ignored", "tokens", "token_folder"):
            assert again[key] == real[key]
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

    def write(self, text: str | bytes, path: str = PATH) -> None:
        """Have a file as an operator could."""
        content = text if isinstance(text, bytes) else text.encode()
        self.machine.write(path.lstrip("/"), content)

    def read(self, path: str = PATH) -> str:
        """Return a file to the byte."""
        return self.machine.at(path).read_bytes().decode("utf-8", "surrogateescape")


class LicensedHost(RunningHost):
    """A running guest with the daemon.

    Attributes:
        started: microseconds since the boot when the daemon was started, None for not.
    """

    def __init__(self, machine: Machine) -> None:
        """Have no daemon that runs."""
        super().__init__(machine)
        self.started: int | None = None
        machine.write("proc/stat", "cpu 1\nbtime 1000000\n")

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play systemctl."""
        assert seconds > 0
        assert command[:3] == ["systemctl", "show", "nvidia-gridd.service"]
        if self.started is None:
            return "ActiveState=inactive\nActiveEnterTimestampMonotonic=0\n"
        return f"ActiveState=active\nActiveEnterTimestampMonotonic={self.started}\n"


def _told(result: Result) -> Result:
    return {key: value for key, value in result.items() if key != "invocation"}
