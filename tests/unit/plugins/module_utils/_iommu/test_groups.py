# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IOMMU groups and units as sysfs shows them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._iommu.groups import (
    read_groups,
    read_iommu,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import OTHER, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine


def test_groups_are_sorted_by_number_with_their_functions(machine: Machine) -> None:
    for group, address in ((10, "0000:05:00.0"), (2, "0000:04:00.0"), (2, "0000:03:00.0")):
        machine.add_function(address, OTHER, group=group)
    groups = read_groups(machine.host, read_iommu(machine.host))
    assert [(group.number, group.kind, [str(at) for at in group.devices]) for group in groups] == [
        (2, "DMA-FQ", ["0000:03:00.0", "0000:04:00.0"]),
        (10, "DMA-FQ", ["0000:05:00.0"]),
    ]


def test_a_group_without_a_pci_device(machine: Machine) -> None:
    machine.write("sys/kernel/iommu_groups/0/devices/arm-smmu.1.auto/uevent", "")
    (group,) = read_groups(machine.host, read_iommu(machine.host))
    assert (group.number, group.kind, group.devices) == (0, None, ())


@pytest.mark.parametrize(
    ("table", "unit", "vendor"),
    [
        ("DMAR", "dmar0", "intel"),
        ("IVRS", "ivhd0", "amd"),
        ("IORT", "smmu3.0x0000000009050000", "arm"),
    ],
)
def test_vendors(machine: Machine, table: str, unit: str, vendor: str) -> None:
    machine.add_iommu(table=table, units=[unit])
    machine.add_function(PF, OTHER, group=1)
    iommu = read_iommu(machine.host)
    assert (iommu.announced, iommu.running, iommu.vendor) == (vendor, vendor, vendor)
    assert iommu.units == (unit,)
    assert iommu.active


def test_announced_and_not_turned_on(machine: Machine) -> None:
    machine.add_iommu(units=())
    iommu = read_iommu(machine.host)
    assert (iommu.announced, iommu.running, iommu.vendor) == ("intel", None, "intel")
    assert not iommu.active


def test_a_unit_whose_name_tells_no_vendor_counts(machine: Machine) -> None:
    machine.add_iommu(table=None, units=["virtio-iommu0"])
    machine.add_function(PF, OTHER, group=1)
    iommu = read_iommu(machine.host)
    assert iommu.active
    assert iommu.vendor is None


def test_groups_without_units_are_not_active(machine: Machine) -> None:
    # VFIO makes such groups where it is told to do without an IOMMU.
    machine.add_function(PF, OTHER, group=1)
    assert not read_iommu(machine.host).active


def test_units_without_groups_are_not_active(machine: Machine) -> None:
    machine.add_iommu()
    assert not read_iommu(machine.host).active


@pytest.mark.parametrize(
    ("interrupts", "remapped"),
    [
        (None, None),
        ("  0:  42  GICv3  30 Level  arch_timer\n", None),
        ("  1:  9  IO-APIC  1-edge  i8042\n 24: 0 PCI-MSI 0-edge\n", False),
        ("  1:  9  IR-IO-APIC  1-edge  i8042\n", True),
        # Linux 6.12 names the function. The fault interrupt of the unit itself is never remapped.
        (" 24: 0 DMAR-MSI 0-edge dmar0\n 25: 0 IR-PCI-MSIX-0000:00:10.0 0-edge aerdrv\n", True),
        ("  0: 134 IO-APIC 2-edge timer\n 25: 0 PCI-MSIX-0000:00:10.0 0-edge aerdrv\n", False),
        # A device's own name is no chip.
        ("  1:  9  IO-APIC  1-edge  IR-receiver\n", False),
        (" 40: 0 ITS-PCI-MSI-0000:00:10.0 0-edge aerdrv\n", None),
    ],
)
def test_interrupt_remapping(
    machine: Machine, interrupts: str | None, *, remapped: bool | None
) -> None:
    if interrupts is not None:
        machine.write("proc/interrupts", interrupts)
    assert read_iommu(machine.host).interrupt_remapping is remapped


@pytest.mark.parametrize(
    ("parameter", "value", "unsafe"),
    [
        ("vfio_iommu_type1", "N\n", False),
        ("vfio_iommu_type1", "Y\n", True),
        ("iommufd", "Y\n", True),
        ("other", "Y\n", False),
    ],
)
def test_unsafe_interrupts(machine: Machine, parameter: str, value: str, *, unsafe: bool) -> None:
    machine.write(f"sys/module/{parameter}/parameters/allow_unsafe_interrupts", value)
    assert read_iommu(machine.host).unsafe_interrupts is unsafe
