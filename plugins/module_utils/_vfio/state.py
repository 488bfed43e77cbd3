# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The functions that a task is about, and what on their host decides what can be done with them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from functools import cached_property

from .._qat.devices import is_denylisted, vf_family
from .holders import is_vfio_driver

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._errors import Problem
    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .._undo import UndoRecord
    from .binding import Binding
    from .boot_rules import Rule
    from .denylist import VfioPci
    from .holders import Holder, Holders
    from .initramfs import Initramfs
    from .record import Remembered
    from .uses import Use

# Drivers beside VFIO's that may have a function whose group a guest has (driver_managed_dma).
_GROUP_DRIVERS = ("pci-stub",)


@dataclass(frozen=True)
class Device:
    """One function that a task is about.

    Args:
        binding: its driver and its override.
        best: the VFIO driver that it is to get, whatever it has now.
        holder: who holds it.
        companion_of: the named functions for whose group it was taken along; none when named.
        reset_methods: how the kernel can reset it, best first.
        unanswered: whether the kernel does not answer what its override is.
        uses: what the host uses it for.
        known: what is remembered of it.
        native: the driver of the host that would take it, as far as it can be told.
        autoprobe: whether the kernel looks for a driver by itself; a VF can have that off.
        early: whether a driver of the initramfs would have it before our rules are read.
        loads: what to load for a driver of the host, where none is loaded.
        lost: whether the driver that it had before is not there any more.
    """

    function: PciFunction
    binding: Binding
    best: str
    holder: Holder | None
    companion_of: tuple[str, ...] = ()
    reset_methods: tuple[str, ...] = ()
    unanswered: bool = False
    uses: tuple[Use, ...] = ()
    known: Remembered | None = None
    native: str | None = None
    autoprobe: bool = True
    early: bool = False
    loads: str | None = None
    lost: bool = False

    @property
    def address(self) -> PciAddress:
        """Its PCI address."""
        return self.function.address

    @property
    def denylisted(self) -> bool:
        """Whether vfio-pci refuses it unless told otherwise."""
        return is_denylisted(self.function)

    @property
    def reserved(self) -> bool:
        """Whether it is a VF that the host keeps for itself (qat_sriov, option host_vfs)."""
        family = vf_family(self.function)
        native = family.vf_driver if family else None
        return native is not None and self.binding.override == native


@dataclass(frozen=True)
class Surroundings:
    """What is on the host beside the functions of a task.

    Args:
        functions: every PCI function.
        vfio_pci: None where no function is to stand on it.
        unloaded: VFIO drivers that are wanted and not known to the kernel yet.
        missing: those among them that the kernel does not have at all.
        problems: why the IOMMU gives nothing to guests.
        rules: what is bound again at boot.
        files: what stands in the files of these rules now, by path.
        foreign: drivers that driverctl sets at boot.
        others: by group, what is in it that is no PCI function and has a driver.
        wants: where the link leads by which the boot wants our unit.
        initramfs_due: whether an earlier run was killed before it had the initramfs made.
    """

    functions: Mapping[PciAddress, PciFunction]
    holders: Holders
    vfio_pci: VfioPci | None
    unloaded: tuple[str, ...]
    missing: tuple[str, ...]
    problems: tuple[Problem, ...]
    rules: tuple[Rule, ...]
    files: Mapping[str, bytes | None]
    undo: UndoRecord
    initramfs: Initramfs | None
    foreign: Mapping[PciAddress, str]
    others: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    wants: str | None = None
    initramfs_due: bool = False

    @cached_property
    def _groups(self) -> dict[int, list[PciFunction]]:
        return by_group(self.functions.values())

    def group(self, function: PciFunction) -> list[PciFunction]:
        """Return the functions of a function's IOMMU group, with itself and bridges, sorted."""
        number = function.iommu_group
        return [] if number is None else self._groups.get(number, [])


@dataclass(frozen=True)
class State:
    """Everything that the decision needs.

    Args:
        skipped: VFs that the host keeps, meant by a family or an id.
        orphans: functions that are not there any more, with rules or records of ours.
    """

    devices: tuple[Device, ...]
    skipped: tuple[Device, ...]
    around: Surroundings
    orphans: tuple[PciFunction, ...] = ()


def by_group(functions: Iterable[PciFunction]) -> dict[int, list[PciFunction]]:
    """Return functions by the number of their IOMMU group, in the order that they come in."""
    found: dict[int, list[PciFunction]] = {}
    for function in functions:
        if function.iommu_group is not None:
            found.setdefault(function.iommu_group, []).append(function)
    return found


def blocks_group(function: PciFunction) -> bool:
    """Tell whether a guest cannot have others of the group while the function has its driver."""
    driver = function.driver
    harmless = driver is None or is_vfio_driver(driver) or driver in _GROUP_DRIVERS
    return not (harmless or function.is_bridge)
