# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done about the payload size of each device, and what never is, with the reason."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import RefusedError
from .._pci.lockdown import UNLOCK
from .._vfio.holders import is_vfio_driver

if t.TYPE_CHECKING:
    from .state import Device, State
    from .wanted import Wanted


@dataclass(frozen=True)
class Decision:
    """What is to be done about one device.

    Args:
        mps: the size that is written to it, None for nothing.
        saved: the size that is recorded of it, None for nothing.
        warning: what an operator should know, None for nothing.
        skipped: whether it is left alone, as a guest's.
    """

    mps: int | None = None
    saved: int | None = None
    warning: str | None = None
    skipped: bool = False


def decide(wanted: Wanted, state: State) -> tuple[Decision, ...]:
    """Decide for every device, in their order, before anything is changed.

    Raises:
        RefusedError: naming the device, the cause and the remedy.
    """
    return tuple(_decide(wanted, state, device) for device in state.devices)


def is_skipped(device: Device) -> bool:
    """Tell whether a word means a device that is a guest's: these are named one by one."""
    return is_vfio_driver(device.function.driver) and not device.by_name


def _decide(wanted: Wanted, state: State, device: Device) -> Decision:
    if is_skipped(device):
        return Decision(skipped=True)
    _check_kind(device)
    if wanted.saves:
        return _save(device)
    decision = _restore(wanted, device)
    if decision.mps is not None and state.is_locked:
        raise RefusedError(
            f"{device.address}: its Max Payload Size is {_told(device)} and should be "
            f"{decision.mps}, but the kernel is locked down ({state.lockdown}): it refuses writes "
            f"to configuration space (man kernel_lockdown.7), those of setpci too; {UNLOCK}"
        )
    return decision


def _check_kind(device: Device) -> None:
    """Refuse functions that have no payload size of their own."""
    function, payload = device.function, device.payload
    if device.is_vf:
        pf = f"name its PF, {function.pf}," if function.pf else "name its PF, on the host,"
        what = f"{function.id} is a VF, in which Max Payload Size is reserved; {pf}"
    elif function.is_bridge:
        what = f"{function.id} is a PCI bridge, whose size the kernel sets; name endpoints"
    elif not payload.readable:
        raise RefusedError(
            f"{device.address}: its configuration space cannot be read ({payload.path}): the "
            "device is gone, asleep or in reset, or this is a recording without its capabilities; "
            "run again once lspci -vv shows them"
        )
    elif payload.offset is None:
        what = "no PCI Express capability in its configuration space; name PCI Express endpoints"
    elif not payload.is_endpoint:
        what = f"{function.id} is a PCI Express port, no endpoint; name endpoints"
    else:
        return
    raise RefusedError(f"{device.address}: {what} in option devices")


def _save(device: Device) -> Decision:
    payload, saved, current = device.payload, device.saved, device.payload.current
    if device.is_held:
        raise RefusedError(
            f"{device.address}: held by {device.holder}, which may have reset it: what it has now "
            "is not worth saving. Save before a guest starts; state: restored works meanwhile"
        )
    if current is None:
        raise RefusedError(
            f"{device.address}: its Max Payload Size is {_told(device)}, which is no size to save; "
            "have its driver bound, or the machine booted anew, and see lspci -vv"
        )
    allowed = saved if payload.ceiling is None else payload.ceiling
    if allowed is None or current >= allowed:
        return Decision(saved=current)
    told = f"{device.address}: its Max Payload Size is {current}, as after a reset"
    if payload.ceiling is not None:
        told += f", where {payload.ceiling} are possible ({payload.limit})"
    if saved is None:
        what = "nothing is saved; mps: auto gives it what the bridge above it has"
    else:
        what = f"the saved {saved} stays"
    return Decision(warning=f"{told}: {what}")


def _restore(wanted: Wanted, device: Device) -> Decision:
    payload, warning = device.payload, None
    target = _auto(device) if wanted.mps is None else wanted.mps
    if payload.ceiling is None or target is None:
        return _restore_unknown(wanted, device, target)
    if target > payload.ceiling:
        if wanted.mps is not None:
            raise RefusedError(
                f"option mps: {target} is above the {payload.ceiling} that {device.address} may "
                f"have: {payload.limit}; use auto, or {payload.ceiling} at most"
            )
        if device.saved is not None:
            warning = (
                f"{device.address}: a Max Payload Size of {device.saved} was saved, and it may "
                f"have {payload.ceiling} at most: {payload.limit}; so {payload.ceiling} it is"
            )
        target = payload.ceiling
    return Decision(mps=None if payload.current == target else target, warning=warning)


def _auto(device: Device) -> int | None:
    """Return the size that a device should have, None where nothing tells."""
    if device.saved is not None:
        return device.saved
    payload = device.payload
    return payload.supported if payload.bridge is None else payload.upstream


def _restore_unknown(wanted: Wanted, device: Device, target: int | None) -> Decision:
    """Decide where it cannot be told what a device may have: nothing is ever written then."""
    if target is not None and device.payload.current == target:
        return Decision()
    told = (
        f"{device.address}: its Max Payload Size is {_told(device)}, and what it may have cannot "
        f"be told: {device.payload.limit}"
    )
    if wanted.mps is None and device.saved is None and not device.by_name:
        return Decision(warning=f"{told}; it is left as it is")
    raise RefusedError(
        f"{told}; see lspci -vv, and take it out of option devices where that stays so"
    )


def _told(device: Device) -> str:
    return str(device.payload.current or "at a reserved encoding")
