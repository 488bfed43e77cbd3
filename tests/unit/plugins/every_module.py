# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task that works for every module, what modules there are, and values that could break out."""

from __future__ import annotations

import importlib
import os
import typing as t
from dataclasses import dataclass, field

import pytest
from ansible_collections.hwaccel.virt.tests.unit.plugins import (
    config_runs,
    libvirt_runs,
    license_runs,
    package_runs,
    vfio_runs,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import MODULES

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

    Options = dict[str, t.Any]


# Found again wherever a value was written to.
MARK = "canary"
HOSTILE = {
    "line feed": f"a\n{MARK}=1",
    "line feed at the end": f"{MARK}\n",
    "carriage return": f"a\r{MARK}=1",
    "both": f"a\r\n[{MARK}]\r\nb=1",
    "NUL": f"a\0{MARK}",
    "tab": f"a\t{MARK}",
    "escape sequence": f"\x1b]0;{MARK}\x07",
    "line separator": f"a\u2028{MARK}=1",
    "next line": f"a\x85{MARK}=1",
    "right to left": f"\u202e{MARK}",
    "double quote": f'{MARK}", RUN+="/bin/{MARK}',
    "single quote": f"{MARK}' ; : '",
    "specifier": f"{MARK}%n%i%%",
    "variable": f"{MARK}${{IFS}}$kernel",
    "command": f"$(touch {MARK})",
    "backquotes": f"`touch {MARK}`",
    "backslash": f"{MARK}\\",
    "comment": f"# {MARK}",
    "comment behind": f"a # {MARK}",
    "section": f"[{MARK}]",
    "CDATA": f"]]><{MARK}/>",
    "entity": f"&{MARK};",
    "option": f"--{MARK}",
    "folders": f"../../../../{MARK}",
    "semicolon": f"a; {MARK}",
    "template": f"{{{{ '{MARK}' }}}}",
    "long": MARK * 2000,
    # Python converts up to 4300 of them, and Ansible fails with more for a number of its own.
    "digits": "9" * 5000,
    "many digits": "9" * 4000,
    "empty": "",
    "blanks": "   ",
}


@dataclass(frozen=True)
class Base:
    """A task that works.

    Args:
        prepare: lays what it needs.
        options: those that it cannot do without.
        beside: what an option needs beside it, None for what it excludes.
    """

    prepare: Callable[[Machine], object]
    options: Mapping[str, t.Any]
    beside: Mapping[str, Options] = field(default_factory=dict)

    def given(self, option: str) -> Options:
        """Return the options of a task that has another one."""
        told = {**self.options, **self.beside.get(option, {})}
        return {name: value for name, value in told.items() if value is not None}


def _add_grub(machine: Machine) -> None:
    machine.write("etc/os-release", "ID=debian\n")
    machine.write("usr/sbin/update-grub", "")
    machine.write("usr/sbin/grub-mkconfig", "#!/bin/sh\n. default/grub.d\n")
    machine.write("sys/firmware/acpi/tables/DMAR", b"")
    machine.write("etc/default/grub", 'GRUB_CMDLINE_LINUX=""\n')


def _add_card(machine: Machine) -> None:
    machine.add_vfio()
    machine.add_pf("4xxx", vfs=4)
    machine.add_services()


def _add_functions(machine: Machine) -> None:
    vfio_runs.add_host(machine)
    _add_card(machine)


def _add_vfs(machine: Machine) -> None:
    machine.add_iommu()
    _add_card(machine)


def _add_licensing(machine: Machine) -> None:
    machine.write(license_runs.PATH, license_runs.ORIGINAL)
    machine.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    machine.write("etc/group", "root:x:0:\n")


def _add_archive(machine: Machine) -> None:
    machine.write(f"{package_runs.SOURCE}/configure", "#!/bin/sh\n").chmod(0o755)
    machine.write(f"{package_runs.SOURCE}/versionfile", "PACKAGE_VERSION_MAJOR_NUMBER=4\n")


BASES = {
    "accelerator_info": Base(_add_vfs, {}),
    "gridd_license": Base(_add_licensing, {"settings": {"Debug": "1"}}),
    "gridd_license_info": Base(_add_licensing, {}),
    "iommu_kernel_arg": Base(_add_grub, {}),
    "libvirt_accelerators": Base(
        _add_vfs, {"guests": [{"name": "vm1", "xml": libvirt_runs.xml("vm1")}]}
    ),
    "qat_config": Base(
        lambda machine: machine.write(config_runs.PF_FILE, config_runs.sample()),
        {"path": config_runs.PF_FILE, "general": {"ProcDebug": "1"}},
        {"devices": {"path": None}},
    ),
    "qat_mps": Base(lambda machine: machine.add_pf(), {"state": "saved"}),
    "qat_mps_watcher": Base(lambda machine: machine.add_pf(), {}),
    "qat_package": Base(
        _add_archive,
        {"source": package_runs.SOURCE},
        {
            "signing_key": {"signing_certificate": "/root/cert"},
            "signing_certificate": {"signing_key": "/root/key"},
        },
    ),
    "qat_software_info": Base(_add_vfs, {}),
    "qat_sriov": Base(_add_vfs, {}),
    "qatlib_service": Base(_add_vfs, {"devices": ["gen4"]}),
    "vfio_passthrough": Base(_add_functions, {"devices": ["4xxx"]}),
}


def spec_of(module: str) -> Options:
    """Return the options of a module as it gives them to Ansible."""
    loaded, found = importlib.import_module(f"{MODULES}.{module}"), {}
    runner = "run_info_module" if hasattr(loaded, "run_info_module") else "run_module"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaded, runner, lambda spec, *_more, **_rest: found.update(spec))
        loaded.main()
    return {"root": {"type": "path"}, **found}


def modules() -> list[str]:
    folder = os.path.dirname(str(importlib.import_module(f"{MODULES}.qat_sriov").__file__))
    return sorted(name[:-3] for name in os.listdir(folder) if name.endswith(".py"))
