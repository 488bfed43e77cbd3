# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a host has no working IOMMU, or one that guests cannot use, and what to do about it."""

from __future__ import annotations

import typing as t

from .._errors import Problem
from .switches import TRUE, switched_off, turned_on

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .groups import Iommu

_FIRMWARE_SETTINGS = {
    "intel": "VT-d (Intel Virtualization Technology for Directed I/O)",
    "amd": "IOMMU (AMD-Vi, often below NBIO or AMD CBS)",
    "arm": "SMMU",
}
_MODULE = "module iommu_kernel_arg"
_UNSAFE_OPTIONS = ("vfio_iommu_type1.allow_unsafe_interrupts", "iommufd.allow_unsafe_interrupts")


def firmware_setting(vendor: str | None) -> str:
    """Return the name under which firmware offers the IOMMU of a vendor."""
    return _FIRMWARE_SETTINGS.get(vendor or "", "VT-d, AMD-Vi or SMMU")


def iommu_problems(
    iommu: Iommu,
    *,
    cpu_vendor: str | None,
    arguments: Sequence[str],
) -> list[Problem]:
    """Return what is wrong with the IOMMU.

    Args:
        cpu_vendor: only a hint where the firmware announces nothing.
        arguments: of the running kernel, each without quotes.
    """
    if iommu.active:
        return _remapping_problems(iommu, arguments)
    what = "no working IOMMU: functions cannot be handed to guests"
    if iommu.announced is None and not iommu.units:
        why = "the firmware announces none (no ACPI table DMAR, IVRS or IORT)"
        remedy = f"turn on {firmware_setting(cpu_vendor)} in the firmware setup, then boot again"
        return [Problem("iommu", what, why, remedy)]
    off = switched_off(arguments, iommu.vendor)
    if off:
        why = f"the kernel was started with {' '.join(off)}"
        remedy = f"take {' '.join(off)} off the kernel command line ({_MODULE}), then boot again"
        return [Problem("iommu", what, why, remedy)]
    source = iommu.announced or ", ".join(iommu.units)
    why = f"an IOMMU is there ({source}), but the kernel did not turn it on"
    if iommu.announced == "intel" and turned_on(arguments):
        remedy = (
            f"see the kernel log for DMAR; turn {firmware_setting('intel')} off and on again in "
            "the firmware setup, and update the firmware"
        )
    elif iommu.announced == "intel":
        remedy = (
            f"add intel_iommu=on iommu=pt to the kernel command line ({_MODULE}), then boot again"
        )
    else:
        remedy = "see the kernel log for AMD-Vi or SMMU; the kernel may be built without its driver"
    return [Problem("iommu", what, why, remedy)]


def _remapping_problems(iommu: Iommu, arguments: Sequence[str]) -> list[Problem]:
    """Tell of interrupts that are not remapped.

    A function binds to vfio-pci all the same; its guest does not start (C(EPERM), Linux
    C(drivers/vfio/vfio_iommu_type1.c) and C(drivers/iommu/iommufd/device.c)).
    """
    unsafe = iommu.unsafe_interrupts or any(map(_allows_unsafe, arguments))
    if iommu.interrupt_remapping is not False or unsafe:
        return []
    options = [token for token in arguments if _keeps_remapping_off(token)]
    if options:
        why = f"the kernel was started with {' '.join(options)}"
        remedy = f"take {' '.join(options)} off the kernel command line, then boot again"
    else:
        why = "/proc/interrupts names no remapped chip (IR-IO-APIC, IR-PCI-MSI)"
        remedy = (
            "turn on interrupt remapping, sometimes below x2APIC, in the firmware setup and update "
            "the firmware; hardware without it needs vfio_iommu_type1.allow_unsafe_interrupts=1 on "
            "the kernel command line, which lets a guest send interrupts to the host"
        )
    what = "interrupts are not remapped: VFIO refuses to give functions to guests"
    return [Problem("iommu", what, why, remedy)]


def _keeps_remapping_off(token: str) -> bool:
    """Tell whether an argument turns interrupt remapping off (C(intremap=) takes a list)."""
    name, _equals, value = token.partition("=")
    return name == "nointremap" or (name == "intremap" and "off" in value.split(","))


def _allows_unsafe(token: str) -> bool:
    """Tell whether an argument lets VFIO, once it is loaded, do without interrupt remapping."""
    name, _equals, value = token.partition("=")
    return name.replace("-", "_") in _UNSAFE_OPTIONS and value.lower() in TRUE
