# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processor, the kernel and the services of a host, from files alone."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._boot.cmdline import CommandLine
from .._iommu.vendors import cpu_vendor, first_cpu
from .._pci.drivers import kernel_release
from .._pci.lockdown import LOCKED, read_lockdown
from .._systemd import read_service

if t.TYPE_CHECKING:
    from .._host import Host
    from .._systemd import Service

_VIRTUALIZATION_FLAGS = ("vmx", "svm")
_EFI_SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_SIGNATURES = "/sys/module/module/parameters/sig_enforce"
# What the services are called where; the first that is in use counts, else the first installed.
_SERVICES = {
    "qat": ("qat.service", "qat_service.service"),
    "libvirt": ("libvirtd.service", "virtqemud.service"),
    "nvidia-gridd": ("nvidia-gridd.service",),
}


@dataclass(frozen=True)
class Cpu:
    """The processor: C(virtualization) is C(vmx) or C(svm), None when neither flag is shown."""

    vendor: str | None
    model: str | None
    virtualization: str | None


@dataclass(frozen=True)
class Kernel:
    """The running kernel; lockdown and Secure Boot are None where the kernel does not tell.

    Args:
        signed_modules: whether it loads none but signed modules.
    """

    release: str
    command_line: str
    lockdown: str | None
    secure_boot: bool | None
    signed_modules: bool = False

    @property
    def is_locked(self) -> bool:
        """Whether root may not change the running kernel, or let devices do so."""
        return self.lockdown in LOCKED

    @property
    def arguments(self) -> list[str]:
        """What it was started with, each argument without quotes."""
        return CommandLine.parse(self.command_line).plain

    @property
    def version(self) -> tuple[int, ...]:
        """The numbers that the release starts with."""
        found = re.match(r"[0-9]+(?:\.[0-9]+)*", self.release)
        return tuple(int(part) for part in found[0].split(".")) if found else ()


def read_cpu(host: Host) -> Cpu:
    """Read the first processor of C(/proc/cpuinfo); Arm shows neither vendor nor flags."""
    told = first_cpu(host)
    flags = told.get("flags", "").split()
    return Cpu(
        vendor=cpu_vendor(told),
        model=told.get("model name"),
        virtualization=next((flag for flag in _VIRTUALIZATION_FLAGS if flag in flags), None),
    )


def read_kernel(host: Host) -> Kernel:
    """Read release, command line, lockdown, Secure Boot and who may load modules."""
    lockdown = read_lockdown(host)
    secure_boot = host.read_bytes(_EFI_SECURE_BOOT)
    return Kernel(
        release=kernel_release(host),
        command_line=host.attribute("/proc/cmdline") or "",
        lockdown=lockdown,
        # Four bytes of attributes come before an EFI variable's value.
        secure_boot=None if not secure_boot else secure_boot[4:] == b"\x01",
        signed_modules=lockdown in LOCKED or host.attribute(_SIGNATURES) == "Y",
    )


def read_services(host: Host) -> dict[str, Service]:
    """Read the services that matter for accelerators."""
    return {name: read_service(host, units) for name, units in _SERVICES.items()}
