# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which software makes QAT devices usable by programs: qatlib, the vendor's package, or a driver.

qatlib does not support what came before generation 4 (qatlib C(INSTALL)); devices after 4xxx
have their drivers in the kernel only (intel/quickassist, In-Tree release notes). The kernel's
modules and those of the vendor's package on one host can crash it (the same, QAT20-40475).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import RefusedError

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .state import Device, State

AUTO, QATLIB, PACKAGE, DRIVER, NONE = "auto", "qatlib", "package", "driver", "none"
METHODS: t.Final = (AUTO, QATLIB, PACKAGE, DRIVER)

_HOST_CHECKS = (
    "look on the host of this guest whether its definition has the function (virsh dumpxml, "
    "hostdev), whether it was started since, and what the module libvirt_accelerators says"
)


@dataclass(frozen=True)
class Choice:
    """The software of a host or guest, and why that."""

    method: str
    why: str


def choose(state: State, method: str, *, guest: bool, has_archive: bool) -> Choice:
    """Choose the software.

    Args:
        guest: whether the machine is a guest, which has to have a device.
        has_archive: whether an archive of the vendor's package is at hand.

    Raises:
        RefusedError: where what is asked for, or what the devices need, cannot be had.
    """
    if guest and not state.devices:
        raise RefusedError(f"this guest has no QAT device: {_HOST_CHECKS}")
    devices = [device for device in state.devices if guest or not device.is_for_guests]
    if not devices:
        why = "its PFs are all passed through whole" if state.devices else "it has no QAT device"
        return Choice(NONE, why)
    if method == AUTO:
        return _choose(state, devices, has_archive=has_archive)
    checks = {QATLIB: _check_qatlib, PACKAGE: _check_package, DRIVER: _check_driver}
    if method == PACKAGE and not has_archive:
        raise RefusedError(
            "the vendor's package was asked for, and no archive of it was given: "
            "set its path or URL, and its checksum"
        )
    checks[method](state, devices)
    return Choice(method, "it was asked for")


def _choose(state: State, devices: Sequence[Device], *, has_archive: bool) -> Choice:
    later = [device for device in devices if device.by_qatlib]
    earlier = [device for device in devices if not device.by_qatlib]
    if later and earlier and has_archive:
        raise RefusedError(
            f"{later[0]} takes qatlib and {earlier[0]} the vendor's package, and both at once can "
            "crash a host: choose qatlib, package or driver as the method"
        )
    if later:
        _check_qatlib(state, devices)
        return Choice(QATLIB, f"{later[0]} is of generation {later[0].family.generation}")
    if has_archive:
        _check_package(state, devices)
        return Choice(PACKAGE, f"qatlib does not support {earlier[0]}, and an archive was given")
    _check_driver(state, devices)
    return Choice(DRIVER, f"qatlib does not support {earlier[0]}, and no archive was given")


def _check_qatlib(state: State, devices: Sequence[Device]) -> None:
    """Check that there is a device for qatlib, and the kernel's driver for each such PF."""
    later = [device for device in devices if device.by_qatlib]
    if not later:
        raise RefusedError(
            f"qatlib does not support {devices[0]} (generation {devices[0].family.generation}): it "
            "is for generation 4 and later; choose the vendor's package, or the driver alone"
        )
    for device in later:
        if device.is_vf and device.function.iommu_group is None:
            raise RefusedError(
                f"{device} has no IOMMU group, which qatlib needs: give the guest a virtual IOMMU "
                "(kvm_guest_viommu), and keep its kernel from turning it off"
            )
        if not device.is_vf and not device.has_driver:
            raise RefusedError(_no_driver(state, device))


def _check_package(state: State, devices: Sequence[Device]) -> None:
    """Check that the vendor's package can have a driver for every device."""
    for device in devices:
        if device.family.config_prefix is None:
            raise RefusedError(
                f"the vendor's package has no driver for {device}: "
                f"kernel {state.release} has to have it (module {device.module})"
            )


def _check_driver(state: State, devices: Sequence[Device]) -> None:
    """Check that the kernel has a driver for every device."""
    for device in devices:
        if not device.has_driver:
            raise RefusedError(_no_driver(state, device))


def _no_driver(state: State, device: Device) -> str:
    family = device.family
    ways = []
    if family.in_tree_since is not None and not (device.is_vf and device.by_qatlib):
        ways.append(
            f"a kernel that has it (Linux {family.in_tree_since} and later can; those of Debian 12 "
            "and 13 are built without the drivers of generation 4)"
        )
    if family.config_prefix is not None:
        ways.append("the vendor's package (method package, with its archive)")
    if not device.is_vf:
        ways.append("the whole card for one guest (module vfio_passthrough, by address)")
    listed = "; ".join(ways) or "none that is known here"
    return (
        f"kernel {state.release} has no driver for {device}, module {device.module}. Ways: {listed}"
    )
