# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with qatlib's service and the udev that gives its nodes away, and tasks on it."""

from __future__ import annotations

import fnmatch
import re
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF, RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner, Result

MODULE = "qatlib_service"
DROP_IN = "/etc/systemd/system/qat.service.d/hwaccel.conf"
RULES = "/etc/udev/rules.d/81-hwaccel-qatlib.rules"
MASK = "/etc/udev/rules.d/99-qat-vfio.rules"
LIMITS = "/etc/security/limits.d/90-hwaccel-qatlib.conf"
ENVIRONMENT = "/etc/sysconfig/qat"
UNDO = "/var/lib/hwaccel/undo.json"
GID = 996
OTHER_GID = 107
RELOADS = [["systemctl", "daemon-reload"], ["udevadm", "control", "--reload"]]
UNIT_TEXT = "[Service]\nEnvironment=POLICY=0\nEnvironmentFile=-/etc/sysconfig/qat\n"

_BOOT = 1000
_PAIR = re.compile(r'([A-Z]+)(==|=)"([^"]*)"')
_SHOW = ("systemctl", "show", "qat.service")


def add_qatlib(machine: Machine, *, group: bool = True, unit: bool = True) -> None:
    """Have what the package brings."""
    if group:
        machine.write("etc/group", f"root:x:0:\nlibvirt:x:{OTHER_GID}:\nqat:x:{GID}:one,two\n")
    if unit:
        machine.write("usr/lib/systemd/system/qat.service", UNIT_TEXT)


def add_pf(
    machine: Machine,
    family: str = "4xxx",
    address: str = PF,
    *,
    vfs: int = 16,
    **options: t.Any,
) -> list[str]:
    """Have a PF that qatlib can use, with VFs."""
    machine.add_pf(family, address, vfs=vfs, **options)
    machine.add_services(address)
    return machine.vfs(address)


class QatlibHost(RunningHost):
    """A running host whose udev gives the nodes of VFIO groups away as rules say.

    Attributes:
        groups: number of the group by node; root's where none is told.
        modes: what was done to the mode of nodes.
        started: when the service was started, None for not.
        last_rule: the group that another rule gives all nodes after ours, None without.
    """

    def __init__(self, machine: Machine) -> None:
        """Boot without a service."""
        super().__init__(machine)
        machine.write("proc/stat", f"cpu 1 2\nbtime {_BOOT}\n")
        self.groups: dict[str, int] = {}
        self.modes: list[tuple[str, str]] = []
        self.started: float | None = None
        self.last_rule: int | None = None
        self._rules: list[tuple[list[tuple[str, str, str]], int | None]] = []

    def node(self, vf: str) -> str:
        """Return the node of a VF's group."""
        return f"/dev/vfio/{self.machine.group(vf)}"

    def open_to(self, vf: str) -> int:
        """Return the number of the group that may open a VF."""
        return self.groups.get(self.node(vf), 0)

    def bind(self, *vfs: str, gid: int | None = None) -> None:
        """Put VFs on VFIO, where a group is told with a node that belongs to it."""
        for vf in vfs:
            self.machine.bind(vf, "vfio-pci")
            self.machine.write(self.node(vf), "")
            if gid is not None:
                self.groups[self.node(vf)] = gid
            else:
                self._apply_rules(self.node(vf))

    def start(self, *, later: float = 60.0) -> None:
        """Start the service, some seconds from now."""
        self.started = time.time() + later

    def group_of(self, path: str) -> int | None:
        """Return what udev and others have made of a node."""
        return self.groups.get(path, 0) if self.exists(path) else None

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play systemctl, udevadm, chgrp and chmod."""
        assert seconds > 0
        if command[0] in self.failing:
            raise HostError(f"{command[0]} failed")
        if tuple(command[:3]) == _SHOW:
            if self.started is None:
                return "ActiveState=inactive\nActiveEnterTimestampMonotonic=0\n"
            since = int((self.started - _BOOT) * 1_000_000)
            return f"ActiveState=active\nActiveEnterTimestampMonotonic={since}\n"
        self.commands.append(tuple(command))
        if command[0] == "udevadm":
            self._play_udev(*command[1:])
        elif command[0] == "chgrp":
            assert command[1] == "root"
            self.groups[command[2]] = 0
        elif command[0] == "chmod":
            self.modes.append((command[1], command[2]))
        else:
            assert list(command) == RELOADS[0]
        return ""

    def _play_udev(self, what: str, *arguments: str) -> None:
        if what == "control":
            assert arguments == ("--reload",)
            self._rules = [_parsed(line, self._gids()) for line in self._lines()]
            return
        assert what == "trigger"
        action, settle, *devices = arguments
        assert (action, settle) == ("--action=change", "--settle")
        for device in devices:
            assert device.startswith("/sys/class/vfio/")
            self._apply_rules(f"/dev/vfio/{device.rpartition('/')[2]}")

    def _lines(self) -> list[str]:
        text = self.recording.read_text(RULES) or ""
        return [line for line in text.splitlines() if not line.startswith("#")]

    def _gids(self) -> dict[str, int]:
        """Names are looked up when rules are read, as udevadm's --resolve-names=early has it."""
        lines = (self.recording.read_text("/etc/group") or "").splitlines()
        return {line.split(":")[0]: int(line.split(":")[2]) for line in lines}

    def _apply_rules(self, node: str) -> None:
        name = node.rpartition("/")[2]
        for pairs, gid in self._rules:
            if gid is not None and all(self._matches(name, *pair) for pair in pairs):
                self.groups[node] = gid
        if self.last_rule is not None:
            self.groups[node] = self.last_rule

    def _matches(self, name: str, key: str, operator: str, value: str) -> bool:
        if operator == "=":
            return True
        if key == "SUBSYSTEM":
            return value == "vfio"
        if key == "KERNEL":
            # Alternatives and patterns are for names alone.
            return any(fnmatch.fnmatchcase(name, each) for each in value.split("|"))
        assert key == "TEST"
        return self.recording.exists(value.replace("%k", name))


def _parsed(
    line: str,
    gids: dict[str, int],
) -> tuple[list[tuple[str, str, str]], int | None]:
    pairs = _PAIR.findall(line)
    assert ", ".join(f'{key}{operator}"{value}"' for key, operator, value in pairs) == line
    assert [pair for pair in pairs if pair[0] == "MODE"] == [("MODE", "=", "0660")]
    (group,) = (value for key, _operator, value in pairs if key == "GROUP")
    return pairs, gids.get(group)


@dataclass
class QatlibTasks:
    """Runs tasks of the module, each in check mode first and once more after."""

    machine: Machine
    run_module: ModuleRunner
    running: QatlibHost | None = None

    def __call__(self, **options: t.Any) -> Result:
        """Do a task after a check run that tells the same, and once more without any change."""
        before = self._seen()
        check = self.run(check=True, **options)
        assert self._seen() == before
        real = self.run(**options)
        assert "failed" not in real, real["msg"]
        assert _told(real) == _told(check)
        after = self._seen()
        again = self.run(**options)
        assert (again["changed"], again["diff"]) == (False, [])
        assert self._seen() == after
        for key in ("files", "vfs", "devices", "policy"):
            assert again[key] == real[key]
        assert real["changed"] == bool(real["diff"])
        return real

    def run(self, *, check: bool = False, **options: t.Any) -> Result:
        """Run the module once."""
        return self.run_module(MODULE, options, check=check, running=self.running)

    def refusal(self, **options: t.Any) -> str:
        """Return why a task is refused: alike in check mode, and with nothing changed."""
        before = self._seen()
        told = []
        for check in (True, False):
            result = self.run(check=check, **options)
            assert result.get("failed"), result
            told.append(str(result["msg"]))
            assert self._seen() == before
        assert told[0] == told[1]
        return told[0]

    def _seen(self) -> tuple[object, ...]:
        live = self.running
        files = self.machine.files()
        return (files, dict(live.groups), list(live.commands)) if live else (files,)


def _told(result: Result) -> Result:
    return {key: value for key, value in result.items() if key != "invocation"}
