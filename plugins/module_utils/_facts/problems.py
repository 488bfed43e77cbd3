# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps any accelerator from guests, and what its firmware seems to be set to."""

from __future__ import annotations

import typing as t

from .._errors import Problem
from .._iommu.problems import firmware_setting, iommu_problems

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._errors import HostError
    from .._iommu.groups import Iommu
    from .._qat.observe import Pf
    from .platform import Cpu, Kernel

# SR-IOV may not work before it: Intel 330689-008, section 1.3.2.
_OLDEST_KERNEL = (2, 6, 38)
_CPU_SETTINGS = {"intel": "Intel Virtualization Technology (VT-x)", "amd": "SVM Mode"}


def host_problems(cpu: Cpu, kernel: Kernel, iommu: Iommu) -> list[Problem]:
    """Return what is wrong with processor, kernel and IOMMU."""
    problems = []
    if cpu.virtualization is None and cpu.vendor in _CPU_SETTINGS:
        problems.append(
            Problem(
                "virtualization",
                "no hardware virtualization: guests would run in software emulation",
                "the processor shows neither the vmx nor the svm flag in /proc/cpuinfo",
                f"turn on {_CPU_SETTINGS[cpu.vendor]} in the firmware setup; on a virtual machine, "
                "nested virtualization in its hypervisor",
            ),
        )
    if kernel.version and kernel.version < _OLDEST_KERNEL:
        oldest = ".".join(map(str, _OLDEST_KERNEL))
        problems.append(
            Problem(
                "kernel",
                f"kernel too old: {kernel.release}",
                f"SR-IOV needs Linux {oldest} or later",
                "install a newer kernel and boot it",
            ),
        )
    return problems + iommu_problems(iommu, cpu_vendor=cpu.vendor, arguments=kernel.arguments)


def unread_problems(errors: Iterable[HostError]) -> list[Problem]:
    """Tell what of devices could not be read, once each."""
    return [
        Problem(
            "driver",
            f"a file of a device cannot be read: {told}",
            "the device, its driver or the kernel did not answer: it may be in reset, asleep or "
            "broken; what this file tells is left out here",
            "see the kernel log for the device, and run again; where it stays so, reset it or boot "
            "the host",
        )
        for told in dict.fromkeys(map(str, errors))
    ]


def firmware_hints(cpu: Cpu, iommu: Iommu, pfs: Sequence[Pf]) -> list[dict[str, t.Any]]:
    """Infer firmware settings: name, C(enabled) or None when it cannot be told, and evidence."""
    hints: list[dict[str, t.Any]] = [
        {
            "setting": _CPU_SETTINGS.get(cpu.vendor or "", "hardware virtualization"),
            "enabled": True if cpu.virtualization else None if cpu.vendor == "arm" else False,
            "evidence": f"flag {cpu.virtualization}"
            if cpu.virtualization
            else "no flag vmx or svm",
        },
        {
            "setting": firmware_setting(iommu.vendor or cpu.vendor),
            "enabled": bool(iommu.announced or iommu.units),
            "evidence": f"ACPI tables announce: {iommu.announced or 'no IOMMU'}",
        },
    ]
    if pfs:
        without = [str(pf.address) for pf in pfs if pf.total_vfs == 0]
        hints.append(
            {
                "setting": "SR-IOV",
                "enabled": not without,
                "evidence": f"no VFs offered by {', '.join(without)}"
                if without
                else "every QAT PF offers VFs",
            },
        )
    return hints
