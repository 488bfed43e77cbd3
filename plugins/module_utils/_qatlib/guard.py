# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold before VFs are given to qatlib."""

from __future__ import annotations

import typing as t

from .._errors import InputError, RefusedError
from .._vfio.holders import is_vfio_driver
from .state import unsupported

if t.TYPE_CHECKING:
    from .state import OwnPf, State
    from .wanted import Wanted


def check(wanted: Wanted, state: State) -> None:
    """Check every PF before anything is changed.

    Raises:
        RefusedError: naming the PF or VF, and what to do.
        InputError: for a policy that the VFs cannot meet.
    """
    for pf in state.pfs:
        _check_pf(wanted, pf)
        for vf in pf.vfs or ():
            holder = state.holders.get(vf)
            if holder is not None:
                raise RefusedError(
                    f"{vf} belongs to {holder}: a VF is a guest's or qatlib's; take it out of the "
                    "guest, or name other PFs or fewer VFs (options devices and vfs)"
                )
            other = state.near.get(vf)
            if other is not None:
                raise RefusedError(
                    f"{vf}: {other} is in its IOMMU group and is not chosen: who may open the one "
                    "may open the other; choose both (options devices and vfs), or have the "
                    "firmware and kernel keep them apart (ACS)"
                )
    count = len(state.own_vfs)
    if wanted.policy and count and wanted.policy > count:
        raise InputError(
            "policy",
            wanted.policy,
            f"at most {count}, the number of VFs of the chosen PFs; with more, qatmgr does not "
            "start",
        )


def _check_pf(wanted: Wanted, pf: OwnPf) -> None:
    if not pf.family.has_services:
        raise RefusedError(unsupported(pf.address, pf.family))
    if is_vfio_driver(pf.function.driver):
        raise RefusedError(
            f"{pf.address} is on {pf.function.driver}, so that a guest has the whole card: it has "
            "no VFs for programs of the host"
        )
    total = pf.function.total_vfs
    if not total:
        raise RefusedError(
            f"{pf.address}: no SR-IOV capability, so there are no VFs for programs of the host; "
            "turn on SR-IOV in the firmware setup, or take the device out of option devices"
        )
    if wanted.vfs is not None and wanted.vfs > total:
        raise RefusedError(
            f"option vfs: {wanted.vfs} is above the {total} VFs that {pf.address} can have "
            f"(sriov_totalvfs); use all or 1 to {total}"
        )
    if pf.vfs is None:
        raise RefusedError(
            f"{pf.address}: where its VFs will be cannot be told from its SR-IOV capability: make "
            "them with qat_sriov first"
        )
