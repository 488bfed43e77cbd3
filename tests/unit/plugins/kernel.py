# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel of a machine in a folder, and its udev: they play what is written.

Sources: Linux C(drivers/pci/iov.c), C(drivers/pci/pci-driver.c), C(drivers/base/bus.c),
C(Documentation/ABI/testing/sysfs-driver-qat); udev(7).
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import re
import shutil
import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import QatFamily
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SYSFS_DEVICES, SYSFS_DRIVERS = "/sys/bus/pci/devices", "/sys/bus/pci/drivers"
PROBE = "/sys/bus/pci/drivers_probe"
RULES = "etc/udev/rules.d"

_PAIR = re.compile(r'([A-Z]+)(?:\{([^}]*)\})?(==|!=|=)"([^"]*)"')
_PROBE_NAME = "[subsystem/pci]drivers_probe"
_FIRST_WITH_DECOMP = 6


@dataclass
class _Event:
    """What udev was told, and the attributes that it has read since."""

    action: str
    address: str
    read: dict[str, str | None] = field(default_factory=dict)


class Kernel:
    """What Linux does when its attributes are written; QAT drivers are those in its tree.

    Attributes:
        refuses_zero: PF drivers that answer EINVAL when VFs are to go, as before Linux 6.12.
        events: what was told to udev and is not yet worked off, as action and address.
        by_udev: what its rules wrote, as path and value, whether the kernel took it or not.
    """

    def __init__(self, machine: Machine) -> None:
        """Rule a machine."""
        self.machine = machine
        self.refuses_zero: set[str] = set()
        self.events: list[tuple[str, str]] = []
        self.by_udev: list[tuple[str, str]] = []
        self._unbound: dict[str, bool] = {}

    def write(self, path: str, value: str) -> None:
        """Do what the kernel does when one of its attributes is written.

        Raises:
            OSError: as the kernel answers.
        """
        if path == PROBE:
            self.probe(value)
            return
        folder, thing, name = path.removeprefix("/sys/bus/pci/").split("/", 2)
        if name == "driver/unbind":
            folder, thing, name = "drivers", str(self.machine.driver(thing)), "unbind"
        if folder == "drivers":
            self._write_driver(path, thing, name, value)
            return
        writers = {
            "sriov_numvfs": self._write_count,
            "sriov_drivers_autoprobe": self._write_plainly,
            "driver_override": self._write_override,
            "qat/state": self._write_state,
            "qat/cfg_services": self._write_services,
            "qat/auto_reset": self._write_plainly,
        }
        if name not in writers or not self.machine.at(path).exists():
            raise OSError(errno.ENOENT, path)
        writers[name](thing, path, value)

    # -- attributes of a function ----------------------------------------------------------

    def _write_plainly(self, _address: str, path: str, value: str) -> None:
        self.machine.write(path, f"{value}\n")

    def _write_override(self, _address: str, path: str, value: str) -> None:
        self.machine.write(path, f"{value.strip() or '(null)'}\n")

    def _write_count(self, pf: str, path: str, value: str) -> None:
        row, there, number = self.machine.family(pf), len(self.machine.vfs(pf)), int(value)
        total = int(self.machine.read(f"{SYSFS_DEVICES}/{pf}/sriov_totalvfs"))
        if number > total:
            raise OSError(errno.ERANGE, path)
        if number == there:
            return
        driver = self.machine.driver(pf)
        if driver is None:
            raise OSError(errno.ENOENT, path)
        if number == 0 and driver in self.refuses_zero:
            raise OSError(errno.EINVAL, path)
        if number and there:
            raise OSError(errno.EBUSY, path)
        self.machine.remove_vfs(pf)
        obeys = row.has_services and self._is_out_of_tree(driver)
        for vf in self.machine.make_vfs(pf, number if obeys or not number else total):
            self.events.append(("add", vf))
            self.probe(vf)

    def _is_out_of_tree(self, driver: str) -> bool:
        taint = self.machine.at(f"{SYSFS_DRIVERS}/{driver}/module/taint")
        return taint.exists() and "O" in taint.read_text()

    def _write_state(self, pf: str, path: str, value: str) -> None:
        """Destroy the VFs on the way down; on the way up they are not made again."""
        if value not in ("up", "down"):
            raise OSError(errno.EINVAL, path)
        if value == "down":
            self.machine.remove_vfs(pf)
        self.machine.write(path, f"{value}\n")

    def _write_services(self, pf: str, path: str, value: str) -> None:
        newest = self.machine.family(pf).generation >= _FIRST_WITH_DECOMP
        known = {"sym", "asym", "dc"} | ({"decomp"} if newest else set())
        words = value.split(";")
        fits = set(words) <= known and len(set(words)) == len(words) < len(known)
        if not (fits or value == "dcc") or self.machine.read(self._path(pf, "qat/state")) == "up\n":
            raise OSError(errno.EINVAL, path)
        self.machine.write(path, f"{value}\n")

    # -- drivers ---------------------------------------------------------------------------

    def _write_driver(self, path: str, driver: str, name: str, address: str) -> None:
        if name not in ("bind", "unbind") or not self.is_registered(driver):
            raise OSError(errno.ENOENT, path)
        bound = self.machine.driver(address)
        if name == "unbind" and bound == driver:
            self._detach(address)
        elif name == "bind" and bound is None and driver == self._wanted_driver(address):
            self._attach(address, driver)
        else:
            raise OSError(errno.ENODEV, path)

    def is_registered(self, driver: str | None) -> bool:
        """Tell whether a driver is loaded or built in."""
        return driver is not None and self.machine.at(f"{SYSFS_DRIVERS}/{driver}").is_dir()

    def probe(self, address: str) -> None:
        """Let a function find its driver; with autoprobe off, a VF with an override only."""
        folder = self.machine.at(f"{SYSFS_DEVICES}/{address}")
        if not folder.is_dir():
            raise OSError(errno.ENODEV, PROBE)
        driver = self._wanted_driver(address)
        if self.machine.driver(address) is None and self.is_registered(driver):
            autoprobe = folder / "physfn/sriov_drivers_autoprobe"
            overridden = self._override(address) is not None
            if overridden or not autoprobe.exists() or autoprobe.read_text() == "1\n":
                self._attach(address, str(driver))

    def _override(self, address: str) -> str | None:
        text = self.machine.read(f"{SYSFS_DEVICES}/{address}/driver_override").strip()
        return None if text == "(null)" else text

    def _wanted_driver(self, address: str) -> str | None:
        return self._override(address) or self._native_driver(address)[0]

    def _native_driver(self, address: str) -> tuple[str | None, str | None]:
        """Return the driver of a QAT function by its id, with the module that has it."""
        row = self.machine.family(address)
        is_pf = (self.machine.at(f"{SYSFS_DEVICES}/{address}") / "sriov_totalvfs").exists()
        return (row.driver, row.module) if is_pf else (row.vf_driver, row.vf_module)

    def _attach(self, address: str, driver: str) -> None:
        self.machine.bind(address, driver)
        if address in self._unbound:
            self.machine.add_services(address, resets=self._unbound.pop(address))
        self.events.append(("bind", address))

    def _detach(self, address: str) -> None:
        """Take a driver off; that of a PF takes its VFs and its own attributes along."""
        own = self.machine.at(f"{SYSFS_DEVICES}/{address}/qat")
        if address in self.machine.pfs:
            self.machine.remove_vfs(address)
        if own.exists():
            self._unbound[address] = (own / "auto_reset").exists()
            shutil.rmtree(own)
        self.machine.bind(address, None)

    def load(self, module: str) -> bool:
        """Load a module of QAT functions, which find their driver then; tell whether there is."""
        if not self.machine.has_module(module):
            return False
        for row in self._rows():
            for name, driver in ((row.module, row.driver), (row.vf_module, row.vf_driver)):
                if name == module and driver and not self.is_registered(driver):
                    self.machine.add_driver(driver, module)
        for pf in self.machine.pfs:
            for address in (pf, *self.machine.vfs(pf)):
                self.probe(address)
        return True

    def _rows(self) -> list[QatFamily]:
        return [self.machine.family(pf) for pf in self.machine.pfs]

    # -- udev ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let udev work off what it was told, by the rules that stand now."""
        while self.events:
            action, address = self.events.pop(0)
            if not self.machine.at(f"{SYSFS_DEVICES}/{address}").is_dir():
                continue
            event = _Event(action, address)
            for file in sorted(self.machine.at(RULES).glob("*.rules")):
                for line in file.read_text(encoding="latin-1").splitlines():
                    self._apply_rule(_PAIR.findall(line), event)
            module = self._native_driver(address)[1]
            if action == "add" and module:
                self.load(module)

    def trigger(self) -> None:
        """Replay the events of every PF, as udevadm trigger does, and work them off."""
        self.events += [("add", pf) for pf in self.machine.pfs]
        self.settle()

    def _apply_rule(self, pairs: list[tuple[str, str, str, str]], event: _Event) -> None:
        """Match and write from left to right; a write is done at once, and may fail."""
        for key, name, operator, value in pairs:
            if operator == "=":
                path = PROBE if name == _PROBE_NAME else self._path(event.address, name)
                event.read.pop(name, None)
                text = value.replace("$kernel", event.address)
                self.by_udev.append((path, text))
                with contextlib.suppress(OSError):
                    self.write(path, text)
            elif not self._matches(key, name, value, event, wanted=operator == "=="):
                return

    def _matches(self, key: str, name: str, value: str, event: _Event, *, wanted: bool) -> bool:
        """Tell whether a match holds; an attribute that is not there matches nothing at all."""
        if key == "TEST":
            return self.machine.at(value).exists() == wanted
        there = {
            "ACTION": event.action,
            "SUBSYSTEM": "pci",
            "KERNEL": event.address,
            "DRIVER": self.machine.driver(event.address) or "",
            "ATTR": self._read_once(event, name) if key == "ATTR" else None,
        }[key]
        if there is None:
            return False
        found = any(fnmatch.fnmatchcase(there, pattern) for pattern in value.split("|"))
        return found == wanted

    def _read_once(self, event: _Event, name: str) -> str | None:
        """Read an attribute as udev does: once in an event, and again only when it wrote it."""
        if name not in event.read:
            attribute = self.machine.at(self._path(event.address, name))
            event.read[name] = attribute.read_text().strip() if attribute.is_file() else None
        return event.read[name]

    @staticmethod
    def _path(address: str, name: str) -> str:
        return f"{SYSFS_DEVICES}/{address}/{name}"

    def boot(self) -> None:
        """Start anew: what only memory held is gone; udev hears of every PF with its driver."""
        shutil.rmtree(self.machine.at("run/hwaccel"), ignore_errors=True)
        for pf in self.machine.pfs:
            self.machine.remove_vfs(pf)
            folder = self.machine.at(f"{SYSFS_DEVICES}/{pf}")
            if (folder / "sriov_drivers_autoprobe").exists():
                (folder / "sriov_drivers_autoprobe").write_text("1\n")
            if (folder / "qat").exists():
                self.machine.add_services(pf, resets=(folder / "qat/auto_reset").exists())
            row = self.machine.family(pf)
            if self.machine.has_module(row.vf_module) and self.is_registered(row.vf_driver):
                shutil.rmtree(self.machine.at(f"{SYSFS_DRIVERS}/{row.vf_driver}"))
        self.events = []
        self.trigger()
