# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is never done to QAT PFs, and why: refusals before anything is changed."""

from __future__ import annotations

import typing as t

from .._errors import BlockedError, RefusedError
from .._vfio.holders import NOT_WHILE_OPEN, is_vfio_driver
from .observe import blocked_message
from .services import AUTO_RESET, CFG_SERVICES, check_services

if t.TYPE_CHECKING:
    from collections.abc import Collection

    from .._vfio.boot_rules import Rule
    from .observe import Pf, Vf
    from .target import Target
    from .wanted import Wanted


def check(
    wanted: Wanted,
    pf: Pf,
    target: Target,
    *,
    native_driver: bool,
    guest_rules: Collection[Rule] = (),
) -> None:
    """Refuse what cannot be or would harm.

    Args:
        native_driver: whether this host has the native driver of the VFs.
        guest_rules: what is bound for guests at every boot.

    Raises:
        RefusedError: naming the device, the cause and the remedy.
        BlockedError: when the kernel does not answer.
    """
    if is_vfio_driver(pf.function.driver):
        holder = f", held by {pf.holder}" if pf.holder else ""
        message = (
            f"{pf.address}: the whole card stands on {pf.function.driver}{holder}; give it "
            f"back to {pf.family.driver or 'the host'} first, for example by virsh nodedev-reattach"
        )
        raise RefusedError(message)
    if pf.blocked:
        message = f"{blocked_message(pf)}. Nothing was changed"
        raise BlockedError(message)
    if wanted.present:
        _check_services(wanted, pf)
        _check_number(wanted, pf, target)
        _check_host_vfs(wanted, pf, target, native_driver=native_driver)
        _check_unclaimed(wanted, pf, target, guest_rules)
    _check_driver(pf, target)
    _check_free(wanted, pf, target)


def _check_driver(pf: Pf, target: Target) -> None:
    if target.num_vfs and pf.function.driver is None:
        message = (
            f"{pf.address}: no driver has the PF, so it makes no VFs; load "
            f"{pf.family.module or 'its driver'} and see the kernel log (module accelerator_info "
            "tells the cause)"
        )
        raise RefusedError(message)


def _check_services(wanted: Wanted, pf: Pf) -> None:
    """Refuse services, or a reset by itself, that a PF cannot have."""
    where = f"{pf.address} ({pf.family.name})"
    there = pf.service_state
    if wanted.services is not None:
        check_services(where, pf.family, wanted.services)
        if there is None or there.services is None:
            raise RefusedError(_without_attribute(pf, "services", CFG_SERVICES, "6.0"))
    if wanted.auto_reset is not None and (there is None or there.auto_reset is None):
        raise RefusedError(_without_attribute(pf, "auto_reset", AUTO_RESET, "6.9"))


def _without_attribute(pf: Pf, option: str, attribute: str, since: str) -> str:
    if not pf.family.has_services:
        cause = f"{pf.family.name} is of generation {pf.family.generation}, which has none"
        remedy = "leave these PFs out of option devices, for example by devices: [gen4]"
    elif pf.function.driver is None:
        cause = "no driver has the PF"
        remedy = f"load {pf.family.module} and see the kernel log"
    else:
        cause = f"driver {pf.function.driver} of this kernel does not offer it"
        remedy = f"Linux {since} or later has it in its own driver; else leave the option out"
    return f"{pf.address}: option {option}: no {attribute}: {cause}; {remedy}"


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
    if target.coerced and not wanted.coerced_ok:
        message = (
            f"{pf.address}: asked for {target.requested} VFs, driver {pf.function.driver} always "
            f"makes all {target.num_vfs}; use num_vfs: {target.num_vfs}, max or coerced_ok: true"
        )
        raise RefusedError(message)


def _check_host_vfs(wanted: Wanted, pf: Pf, target: Target, *, native_driver: bool) -> None:
    """Refuse to keep VFs for the host that are not there or have no driver here."""
    if not target.host_vfs:
        return
    if target.host_vfs > target.num_vfs:
        message = (
            f"option host_vfs: {target.host_vfs} is above the {target.num_vfs} VFs that "
            f"{pf.address} is to have; use 0 to {target.num_vfs}"
        )
        raise RefusedError(message)
    if not native_driver:
        message = (
            f"option host_vfs: {wanted.host_vfs}: this host has no native driver for VFs of "
            f"{pf.address} ({pf.family.vf_driver or 'none is known'}, module "
            f"{pf.family.vf_module or 'unknown'}); Linux has one for generation 1 only, the "
            "vendor's package for later ones: install it, or use host_vfs: 0"
        )
        raise RefusedError(message)
    if any(vf.address is None for vf in target.vfs(pf)):
        message = (
            f"option host_vfs: {wanted.host_vfs}: where VFs of {pf.address} will be cannot be told "
            "from its SR-IOV capability; use host_vfs: 0"
        )
        raise RefusedError(message)


def _check_unclaimed(wanted: Wanted, pf: Pf, target: Target, guest_rules: Collection[Rule]) -> None:
    """Refuse to keep VFs for the host that guests get at every boot, and as soon as they are made.

    By then udev has them bound for guests, so that the host's driver cannot have them.
    """
    claims = {(rule.address, rule.id) for rule in guest_rules}
    kept = target.vfs(pf)[: target.host_vfs]
    claimed = [index for index, vf in enumerate(kept) if (vf.address, vf.id) in claims]
    if claimed:
        told = ", ".join(str(kept[index].address) for index in claimed)
        message = (
            f"option host_vfs: {wanted.host_vfs}: VFs of {pf.address} are bound for guests at "
            f"every boot: {told}; give them back first (module vfio_passthrough with state: absent "
            f"and these addresses), or leave them out by host_vfs: {claimed[0]}"
        )
        raise RefusedError(message)


def _check_free(wanted: Wanted, pf: Pf, target: Target) -> None:
    """Refuse to take VFs from who uses them; force overrides what is not open."""
    remakes = target.remakes(pf)
    waited_for = {vf.address: vf for vf in target.vfs(pf)[: target.host_vfs]}
    there = {vf.address: vf for vf in pf.vfs}
    taken = {**waited_for, **there}.values() if remakes else _moved(pf, target)
    held = [(vf, vf.holder) for vf in taken if vf.holder is not None]
    for vf, holder in held:
        if holder.keeps_it_open:
            message = (
                f"{pf.address}: VF {vf.address} is held by {holder}; {NOT_WHILE_OPEN}: detach it "
                "there first"
            )
            raise RefusedError(message)
    if held and not wanted.force:
        told = ", ".join(f"{vf.address} by {holder}" for vf, holder in held)
        gone = remakes and pf.num_vfs
        why = f"; taking {pf.num_vfs} VFs away would take these too" if gone else ""
        message = f"{pf.address}: VFs are in use: {told}{why}: free them, or use force: true"
        raise RefusedError(message)


def _moved(pf: Pf, target: Target) -> list[Vf]:
    """Return the VFs that get another driver, or lose theirs, without being made anew."""
    native = pf.family.vf_driver
    kept = [vf for vf in pf.vfs[: target.host_vfs] if vf.driver != native]
    given = [vf for vf in pf.vfs if vf.address in target.given_back]
    left = [vf for vf in given if vf.driver not in (None, target.given_back[vf.address].driver)]
    return kept + left
