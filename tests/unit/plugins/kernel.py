# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel of a machine in a folder, and its udev: they play what is written.

Sources: Linux C(drivers/pci/iov.c), C(drivers/pci/pci-driver.c), C(drivers/base/bus.c),
C(drivers/base/dd.c), C(drivers/vfio/pci/vfio_pci.c), C(drivers/vfio/pci/vfio_pci_core.c),
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

from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import QatFamily
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SYSFS_DEVICES, SYSFS_DRIVERS = "/sys/bus/pci/devices", "/sys/bus/pci/drivers"
PROBE = "/sys/bus/pci/drivers_probe"
RULES = "etc/udev/rules.d"

_PAIR = re.compile(r'([A-Z]+)(?:\{([^}]*)\})?(==|!=|=)"([^"]*)"')
_PROBE_NAME = "[subsystem/pci]drivers_probe"
_FIRST_WITH_DECOMP = 6
# Drivers that may have a function whose group is in the hands of a guest (driver_managed_dma),
# with the module that has each.
_PARKING = {"vfio-pci": "vfio_pci", "qat_vfio_pci": "qat_vfio_pci", "pci-stub": "pci_stub"}
_DENYLIST = {each for row in FAMILIES.values() if row.denylisted for each in (row.pf_id, row.vf_id)}
_OPTION = "disable_denylist"
_OPTION_FOLDERS = ("etc/modprobe.d", "usr/lib/modprobe.d")


@dataclass
class _Event:
    """What udev was told, and the attributes that it has read since."""

    action: str
    address: str
    read: dict[str, str | None] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


class Kernel:
    """What Linux does when its attributes are written; QAT drivers are those in its tree.

    Attributes:
        refuses_zero: PF drivers that answer EINVAL when VFs are to go, as before Linux 6.12.
        events: what was told to udev and is not yet worked off, as action and address.
        by_udev: what its rules wrote, as path and value, whether the kernel took it or not.
        natives: driver and module of functions that are no QAT devices, by address.
        has_denylist: whether vfio-pci has a denylist, with the parameter that turns it off.
        modules_first: whether modules-load.d is worked off before udev at boot, or after it.
    """

    def __init__(self, machine: Machine) -> None:
        """Rule a machine."""
        self.machine = machine
        self.refuses_zero: set[str] = set()
        self.events: list[tuple[str, str]] = []
        self.by_udev: list[tuple[str, str]] = []
        self.natives: dict[str, tuple[str, str]] = {}
        self.has_denylist = True
        self.modules_first = True
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
        elif name == "bind" and driver == self._wanted_driver(address) and self._may_probe(address):
            if bound is not None:
                raise OSError(errno.EBUSY, path)
            number = self._refusal(address, driver)
            if number:
                raise OSError(number, path)
            self._attach(address, driver)
        else:
            raise OSError(errno.ENODEV, path)

    def _may_probe(self, address: str) -> bool:
        """Tell whether a VF may have a driver (C(pci_device_can_probe))."""
        autoprobe = self.machine.at(f"{SYSFS_DEVICES}/{address}/physfn/sriov_drivers_autoprobe")
        overridden = self._override(address) is not None
        return overridden or not autoprobe.exists() or autoprobe.read_text() == "1\n"

    def _refusal(self, address: str, driver: str) -> int:
        """Return with which error the probe of a driver ends, 0 where it takes the function."""
        if driver in _PARKING and driver != "pci-stub":
            return self._vfio_refusal(address, driver)
        return errno.EBUSY if driver not in _PARKING and self._is_open(address) else 0

    def _vfio_refusal(self, address: str, driver: str) -> int:
        pf = self.machine.link_name(f"{SYSFS_DEVICES[1:]}/{address}/physfn")
        if driver == "vfio-pci":
            parameter = self.machine.at(f"sys/module/vfio_pci/parameters/{_OPTION}")
            if parameter.exists() and parameter.read_text() == "N\n" and self._denied(address):
                return errno.EINVAL
        elif pf is None or self._is_out_of_tree(str(self.machine.driver(pf))):
            return errno.ENODEV
        if not self.machine.at(f"{SYSFS_DEVICES}/{address}/iommu_group").exists():
            return errno.EINVAL
        return errno.EBUSY if self.machine.vfs(address) else 0

    def _denied(self, address: str) -> bool:
        words = [
            self.machine.read(f"{SYSFS_DEVICES}/{address}/{name}") for name in ("vendor", "device")
        ]
        return PciId(*(int(word, 16) for word in words)) in _DENYLIST

    def _is_open(self, address: str) -> bool:
        """Tell whether somebody has the VFIO group of a function open."""
        folder = self.machine.at(f"{SYSFS_DEVICES}/{address}/iommu_group")
        handles = self.machine.root.glob("proc/[0-9]*/fd/*")
        return folder.exists() and any(
            str(handle.readlink()) == f"/dev/vfio/{folder.name}" for handle in handles
        )

    def is_registered(self, driver: str | None) -> bool:
        """Tell whether a driver is loaded or built in."""
        return driver is not None and self.machine.at(f"{SYSFS_DRIVERS}/{driver}").is_dir()

    def probe(self, address: str) -> None:
        """Let a function find its driver; with autoprobe off, a VF with an override only."""
        folder = self.machine.at(f"{SYSFS_DEVICES}/{address}")
        if not folder.is_dir():
            raise OSError(errno.ENODEV, PROBE)
        driver = self._wanted_driver(address)
        free = self.machine.driver(address) is None and self.is_registered(driver)
        if free and self._may_probe(address) and not self._refusal(address, str(driver)):
            self._attach(address, str(driver))

    def _override(self, address: str) -> str | None:
        text = self.machine.read(f"{SYSFS_DEVICES}/{address}/driver_override").strip()
        return None if text == "(null)" else text

    def _wanted_driver(self, address: str) -> str | None:
        return self._override(address) or self._native_driver(address)[0]

    def _native_driver(self, address: str) -> tuple[str | None, str | None]:
        """Return the driver of a function by its id, with the module that has it."""
        if not self.machine.is_qat(address):
            return self.natives.get(address, (None, None))
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
        is_vfio = "vfio" in str(self.machine.driver(address))
        assert not (is_vfio and self._is_open(address)), f"the kernel waits for {address}"
        own = self.machine.at(f"{SYSFS_DEVICES}/{address}/qat")
        if address in self.machine.pfs:
            self.machine.remove_vfs(address)
        if own.exists():
            self._unbound[address] = (own / "auto_reset").exists()
            shutil.rmtree(own)
        self.machine.bind(address, None)

    def load(self, module: str, *options: str) -> bool:
        """Load a module, whose functions find their driver then; tell whether there is one."""
        if not self.machine.has_module(module):
            return False
        for name, driver in self._drivers():
            if name == module.replace("-", "_") and not self.is_registered(driver):
                self.machine.add_driver(driver, name)
                if driver == "vfio-pci":
                    self._set_up_vfio_pci((*options, *self._configured()))
        for address in self._addresses():
            self.probe(address)
        return True

    def _drivers(self) -> list[tuple[str, str]]:
        """Return the drivers there can be, each after its module."""
        found = [(module, driver) for driver, module in _PARKING.items()]
        found += [(module, driver) for driver, module in self.natives.values()]
        for row in self._rows():
            if row.module and row.driver:
                found.append((row.module, row.driver))
            if row.vf_module and row.vf_driver:
                found.append((row.vf_module, row.vf_driver))
        return found

    def _addresses(self) -> list[str]:
        return sorted(path.name for path in self.machine.at(SYSFS_DEVICES).iterdir())

    def _set_up_vfio_pci(self, options: tuple[str, ...]) -> None:
        for name, value in (("initstate", "live"), ("refcnt", "0")):
            self.machine.write(f"sys/module/vfio_pci/{name}", f"{value}\n")
        if self.has_denylist:
            value = "Y" if f"{_OPTION}=1" in options else "N"
            self.machine.write(f"sys/module/vfio_pci/parameters/{_OPTION}", f"{value}\n")

    def _configured(self) -> list[str]:
        """Return the options that modprobe gives vfio-pci."""
        words = [word.partition(".") for word in self.machine.read("proc/cmdline").split()]
        found = [option for name, _dot, option in words if name in ("vfio-pci", "vfio_pci")]
        for folder in _OPTION_FOLDERS:
            for file in sorted(self.machine.at(folder).glob("*.conf")):
                for line in file.read_text().splitlines():
                    if line.replace("_", "-", 1).startswith("options vfio-pci "):
                        found += line.split()[2:]
        return found

    def load_for(self, alias: str) -> bool:
        """Load the modules for a function, as C(modprobe pci:...) does."""
        table = self.machine.at(f"{self.machine.modules}/modules.alias")
        lines = [line.split() for line in table.read_text().splitlines()] if table.exists() else []
        fitting = [words[2] for words in lines if fnmatch.fnmatchcase(alias, words[1])]
        return bool(fitting) and all(map(self.load, fitting))

    def unload(self, module: str) -> bool:
        """Unload vfio-pci, if nobody has a function of it open; those that stand on it lose it."""
        if module not in _PARKING or not self.is_registered(module):
            return False
        standing = [each for each in self._addresses() if self.machine.driver(each) == module]
        if any(map(self._is_open, standing)):
            return False
        assert not standing, f"{module} was taken from {standing}"
        self.machine.remove_driver(module, _PARKING[module])
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
                self._apply_rules(file.read_text(encoding="latin-1").splitlines(), event)
            module = self._native_driver(address)[1]
            if action == "add" and module:
                self.load(module)

    def trigger(self) -> None:
        """Replay the events of every function, as udevadm trigger does, and work them off."""
        self.events += [("add", address) for address in self._addresses()]
        self.settle()

    def _apply_rules(self, lines: list[str], event: _Event) -> None:
        """Work off a file; a jump leads to a label further on."""
        label: str | None = None
        for line in lines:
            pairs = [] if line.startswith("#") else _PAIR.findall(line)
            if label is None:
                label = self._apply_rule(pairs, event)
            elif ("LABEL", "", "=", label) in pairs:
                label = None
        assert label is None, f"no label {label}"

    def _apply_rule(self, pairs: list[tuple[str, str, str, str]], event: _Event) -> str | None:
        """Match and write from left to right; a write is done at once, and may fail.

        Return the label to jump to.
        """
        for key, name, operator, value in pairs:
            if operator != "=":
                if not self._matches(key, name, value, event, wanted=operator == "=="):
                    return None
            elif key == "GOTO":
                return value
            elif key == "ENV":
                event.environment[name] = value
            elif key == "ATTR":
                self._assign(name, value, event)
            else:
                assert key == "LABEL", f"this udev knows no {key}"
        return None

    def _assign(self, name: str, value: str, event: _Event) -> None:
        path = PROBE if name == _PROBE_NAME else self._path(event.address, name)
        event.read.pop(name, None)
        text = value.replace("$kernel", event.address)
        text = re.sub(r"\$env\{(\w+)\}", lambda found: event.environment[found[1]], text)
        self.by_udev.append((path, text))
        with contextlib.suppress(OSError):
            self.write(path, text)

    def _matches(self, key: str, name: str, value: str, event: _Event, *, wanted: bool) -> bool:
        """Tell whether a match holds; an attribute that is not there matches nothing at all."""
        if key == "TEST":
            return self.machine.at(value).exists() == wanted
        there = {
            "ACTION": event.action,
            "SUBSYSTEM": "pci",
            "KERNEL": event.address,
            "DRIVER": self._driver_once(event) if key == "DRIVER" else None,
            "ENV": event.environment.get(name, ""),
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

    def _driver_once(self, event: _Event) -> str:
        """Read the driver as udev does: once in an event (C(sd_device_get_driver))."""
        found = event.read.setdefault(" driver", self.machine.driver(event.address))
        return found or ""

    @staticmethod
    def _path(address: str, name: str) -> str:
        return f"{SYSFS_DEVICES}/{address}/{name}"

    def boot(self) -> None:
        """Start anew: what only memory held is gone; udev hears of every function."""
        shutil.rmtree(self.machine.at("run/hwaccel"), ignore_errors=True)
        shutil.rmtree(self.machine.at("run/libvirt"), ignore_errors=True)
        for folder in self.machine.root.glob("proc/[0-9]*"):
            shutil.rmtree(folder)
        for pf in self.machine.pfs:
            self._boot_pf(pf)
        for address in self._addresses():
            self._write_override(address, f"{SYSFS_DEVICES}/{address}/driver_override", "")
            if self.machine.driver(address) in _PARKING or address in self.natives:
                self.machine.bind(address, None)
        for module, driver in self._drivers():
            own = driver in _PARKING or module in {name for _driver, name in self.natives.values()}
            if own and self.machine.has_module(module) and self.is_registered(driver):
                self.machine.remove_driver(driver, module)
        self.events = []
        for address in self._addresses():
            self.probe(address)
        self.events = []
        if self.modules_first:
            self._load_listed()
        self.trigger()
        if not self.modules_first:
            self._load_listed()

    def _boot_pf(self, pf: str) -> None:
        self.machine.remove_vfs(pf)
        folder = self.machine.at(f"{SYSFS_DEVICES}/{pf}")
        if (folder / "sriov_drivers_autoprobe").exists():
            (folder / "sriov_drivers_autoprobe").write_text("1\n")
        if (folder / "qat").exists():
            self.machine.add_services(pf, resets=(folder / "qat/auto_reset").exists())
        row = self.machine.family(pf)
        if self.machine.has_module(row.vf_module) and self.is_registered(row.vf_driver):
            self.machine.remove_driver(str(row.vf_driver), None)

    def _load_listed(self) -> None:
        """Load what modules-load.d names."""
        for file in sorted(self.machine.at("etc/modules-load.d").glob("*.conf")):
            for line in file.read_text().splitlines():
                if line and not line.startswith("#"):
                    self.load(line)
