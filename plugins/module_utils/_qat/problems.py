# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a QAT PF from giving VFs, and what to do about it."""

from __future__ import annotations

import typing as t

from .._errors import Problem
from .._pci.drivers import module_available
from .._pci.function import PROBE
from .services import DOWN, STATE, UP

if t.TYPE_CHECKING:
    from .._host import Host
    from .observe import Pf


def pf_problems(pf: Pf, *, module_available: bool) -> list[Problem]:
    """Return what is wrong with one PF.

    Args:
        module_available: whether the running kernel has the module of its driver.
    """
    problems = []
    where = f"{pf.address} ({pf.family.name})"
    if pf.blocked:
        problems.append(
            Problem(
                "sriov",
                f"{where}: blocked",
                f"{pf.unanswered} does not answer: a process that takes VFs away waits in the "
                "kernel for a guest to let go of one",
                "detach the VF from its guest or stop the guest; no signal ends the process",
            ),
        )
    if pf.function.driver is None:
        problems.append(_without_driver(pf, where, module_available=module_available))
    if pf.service_state is not None and pf.service_state.state == DOWN:
        problems.append(
            Problem(
                "configured",
                f"{where}: down",
                f"{STATE} reads {DOWN}: the device does no work, and has no VFs",
                f"run qat_sriov with services or num_vfs, or: echo {UP} > {pf.attribute(STATE)}",
            ),
        )
    if pf.total_vfs == 0:
        problems.append(
            Problem(
                "sriov",
                f"{where}: no SR-IOV",
                "the device shows no SR-IOV capability, or one with no VFs",
                "turn on SR-IOV in the firmware setup, then boot again; in a guest that got the "
                "whole card this is normal",
            ),
        )
    return problems


def _without_driver(pf: Pf, where: str, *, module_available: bool) -> Problem:
    family = pf.family
    if family.driver is None or family.module is None:
        return Problem(
            "driver",
            f"{where}: no driver",
            "no driver of this device is known to this release",
            "install the vendor's driver for it",
        )
    if pf.driver_known:
        return Problem(
            "driver",
            f"{where}: probe failed",
            f"driver {family.driver} is loaded and did not take the device",
            f"see the kernel log for {pf.address}; firmware of the package firmware-misc-nonfree "
            "or linux-firmware is the usual cause, then: "
            f"echo {pf.address} > {PROBE}",
        )
    if module_available:
        return Problem(
            "driver",
            f"{where}: driver missing",
            f"module {family.module} is there and not loaded",
            f"load it (modprobe {family.module}) and see that no modprobe.d file blacklists it",
        )
    since = f"in Linux since {family.in_tree_since}" if family.in_tree_since else "not in Linux"
    return Problem(
        "driver",
        f"{where}: driver missing",
        f"this kernel has no module {family.module} ({since}; distributions may not build it)",
        "boot a kernel that has it, or install the vendor's out-of-tree package",
    )


def missing_module_available(host: Host, release: str, pf: Pf) -> bool:
    """Tell whether the module of a PF's driver is there, where that driver is missing."""
    missing = pf.function.driver is None and not pf.driver_known
    return missing and module_available(host, release, pf.family.module)


def problems_of(host: Host, release: str, pfs: t.Iterable[Pf]) -> list[Problem]:
    """Return what is wrong with some PFs; the module lists are read only when one needs them."""
    return [
        problem
        for pf in pfs
        for problem in pf_problems(
            pf,
            module_available=missing_module_available(host, release, pf),
        )
    ]
