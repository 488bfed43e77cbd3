# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is never done to QAT PFs, and why: refusals before anything is changed."""

from __future__ import annotations

import typing as t

from .._errors import RefusedError
from .._vfio.holders import is_vfio_driver
from .observe import blocked_error

if t.TYPE_CHECKING:
    from .observe import Pf
    from .wanted import Target, Wanted


def check(wanted: Wanted, pf: Pf, target: Target) -> None:
    """Refuse what cannot be or would harm.

    Raises:
        RefusedError: naming the device, the cause and the remedy.
    """
    if is_vfio_driver(pf.function.driver):
        holder = f", held by {pf.holder}" if pf.holder else ""
        message = (
            f"{pf.address}: the whole card stands on {pf.function.driver}{holder}; give it "
            f"back to {pf.family.driver or 'the host'} first, for example by virsh nodedev-reattach"
        )
        raise RefusedError(message)
    if pf.blocked:
        raise blocked_error(pf)
    if wanted.present:
        _check_number(wanted, pf, target)
    if target.num_vfs != pf.num_vfs:
        _check_free(wanted, pf)


def _check_number(wanted: Wanted, pf: Pf, target: Target) -> None:
    if target.requested > pf.total_vfs:
        message = (
            f"option num_vfs: {target.requested} is above the {pf.total_vfs} VFs that "
            f"{pf.address} can have (sriov_totalvfs); use max or 0 to {pf.total_vfs}"
        )
        raise RefusedError(message)
    if pf.total_vfs == 0 and wanted.num_vfs is None:
        message = (
            f"{pf.address}: no SR-IOV capability, so there are no VFs to make; turn on SR-IOV "
            "in the firmware setup, or take the device out of option devices"
        )
        raise RefusedError(message)
    if target.num_vfs and pf.function.driver is None:
        message = (
            f"{pf.address}: no driver has the PF, so it makes no VFs; load "
            f"{pf.family.module or 'its driver'} and see the kernel log (module accelerator_info "
            "tells the cause)"
        )
        raise RefusedError(message)
    if target.coerced and not wanted.coerced_ok:
        message = (
            f"{pf.address}: asked for {target.requested} VFs, driver {pf.function.driver} always "
            f"makes all {target.num_vfs}; use num_vfs: {target.num_vfs}, max or coerced_ok: true"
        )
        raise RefusedError(message)


def _check_free(wanted: Wanted, pf: Pf) -> None:
    """Refuse to take away VFs that somebody uses; force overrides what is not open."""
    held = [(vf, vf.holder) for vf in pf.vfs if vf.holder is not None]
    for vf, holder in held:
        if holder.keeps_it_open:
            message = (
                f"{pf.address}: VF {vf.address} is held by {holder}; the kernel would block "
                "until it lets go, so not with force either: detach it there first"
            )
            raise RefusedError(message)
    if held and not wanted.force:
        told = ", ".join(f"{vf.address} by {holder}" for vf, holder in held)
        message = (
            f"{pf.address}: VFs are in use: {told}; taking {pf.num_vfs} VFs away would take "
            "these too: free them, or use force: true"
        )
        raise RefusedError(message)
