# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IOMMU groups and units, as sysfs shows them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._pci.address import PciAddress

if t.TYPE_CHECKING:
    from .._host import Host

_GROUPS = "/sys/kernel/iommu_groups"
_UNITS = "/sys/class/iommu"
_TABLES = "/sys/firmware/acpi/tables"
_INTERRUPTS = "/proc/interrupts"
# Who may attach a function to a guest though interrupts are not remapped.
_UNSAFE_INTERRUPTS = (
    "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
    "/sys/module/iommufd/parameters/allow_unsafe_interrupts",
)

_REMAPPED_CHIPS = ("IR-IO-APIC", "IR-PCI-MSI")

# ACPI tables that announce an IOMMU, and whose it is.
_TABLE_VENDORS = {"DMAR": "intel", "IVRS": "amd", "IORT": "arm"}
_UNIT_VENDORS = {"dmar": "intel", "ivhd": "amd", "smmu": "arm"}


@dataclass(frozen=True)
class IommuGroup:
    """A set of functions that the IOMMU cannot tell apart.

    Args:
        kind: type of its default domain: C(DMA), C(DMA-FQ) or C(identity).
        devices: its PCI functions; groups without any exist on Arm platforms.
    """

    number: int
    kind: str | None
    devices: tuple[PciAddress, ...]


@dataclass(frozen=True)
class Iommu:
    """What the firmware announces and what the kernel made of it.

    Args:
        announced: vendor by the ACPI table, None when no table is there.
        running: vendor by the units that the kernel drives, None when their names do not tell.
        units: names of the IOMMU units that the kernel drives.
        groups: numbers of the groups; what is in them is read where it is told.
        interrupt_remapping: None where it cannot be told.
        unsafe_interrupts: whether VFIO or iommufd was told to do without it.
    """

    announced: str | None
    running: str | None
    interrupt_remapping: bool | None
    units: tuple[str, ...]
    groups: tuple[int, ...]
    unsafe_interrupts: bool = False

    @property
    def active(self) -> bool:
        """Whether a unit is on and functions are in groups."""
        return bool(self.groups and self.units)

    @property
    def vendor(self) -> str | None:
        """The vendor: of the running unit, else by the firmware's table."""
        return self.running or self.announced


def read_iommu(host: Host) -> Iommu:
    """Observe the IOMMU of the host."""
    tables = host.names(_TABLES)
    announced = [vendor for table, vendor in _TABLE_VENDORS.items() if table in tables]
    units = host.names(_UNITS)
    running = [
        vendor
        for unit in units
        for prefix, vendor in _UNIT_VENDORS.items()
        if unit.startswith(prefix)
    ]
    return Iommu(
        announced=announced[0] if announced else None,
        running=running[0] if running else None,
        interrupt_remapping=_interrupt_remapping(host),
        units=tuple(units),
        groups=tuple(sorted(int(name) for name in host.names(_GROUPS) if name.isdecimal())),
        unsafe_interrupts=any(host.attribute(path) == "Y" for path in _UNSAFE_INTERRUPTS),
    )


def _interrupt_remapping(host: Host) -> bool | None:
    """Tell from the interrupt chips in use, which x86 names alike for Intel and AMD.

    C(IR-IO-APIC) and C(IR-PCI-MSI), since Linux 6.2 with the function (C(IR-PCI-MSIX-0000:...)),
    are remapped. Other platforms name no C(IO-APIC); there it belongs to the interrupt
    controller.
    """
    words = (host.read_text(_INTERRUPTS) or "").split()
    if any(word.startswith(_REMAPPED_CHIPS) for word in words):
        return True
    return False if any(word.startswith("IO-APIC") for word in words) else None


def read_groups(host: Host, iommu: Iommu) -> tuple[IommuGroup, ...]:
    """Return the groups with what is in them."""
    return tuple(_read_group(host, number) for number in iommu.groups)


def _read_group(host: Host, number: int) -> IommuGroup:
    names = host.names(f"{_GROUPS}/{number}/devices")
    devices = sorted(PciAddress.parse(name) for name in names if PciAddress.looks_like(name))
    kind = host.attribute(f"{_GROUPS}/{number}/type")
    return IommuGroup(number, kind, tuple(devices))
