# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each function is to become, and what is to stand at boot."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._qat.devices import is_denylisted
from .binding import Binding
from .boot_rules import OPTIONS, Rule
from .denylist import OPTION
from .holders import is_vfio_driver
from .variants import VFIO_PCI

if t.TYPE_CHECKING:
    from .._pci.address import PciAddress
    from .state import Device, State
    from .wanted import Wanted


@dataclass(frozen=True)
class Target:
    """What a function is to have; its own binding where it is left alone.

    Args:
        waits: whether vfio-pci cannot be loaded anew without its denylist before the next boot.
    """

    binding: Binding
    waits: bool = False


def targets_of(wanted: Wanted, state: State) -> dict[PciAddress, Target]:
    """Return the target of every function."""
    if wanted.present:
        waits = needs_reboot(wanted, state)
        return {device.address: _taken(wanted, device, waits=waits) for device in state.devices}
    ruled = {rule.address for rule in state.around.rules}
    return {
        device.address: Target(_given_back(device, ruled=device.address in ruled))
        for device in state.devices
    }


def _taken(wanted: Wanted, device: Device, *, waits: bool) -> Target:
    held = device.holder is not None and device.holder.keeps_it_open
    # A guest that has it keeps it as it is, where another driver would only be better.
    kept = wanted.driver is None and held and is_vfio_driver(device.function.driver)
    if kept or device.function.driver == device.best:
        return Target(device.binding)
    if waits and is_denied(device):
        return Target(device.binding, waits=True)
    return Target(Binding(device.best, device.best))


def _given_back(device: Device, *, ruled: bool) -> Binding:
    """Return what a function had before us, which may be a VFIO driver; else the kernel chooses."""
    known, now = device.known, device.binding
    on_vfio = is_vfio_driver(now.driver or now.override)
    theirs = known is None and not ruled and not on_vfio
    if theirs or (known is not None and known.given_back):
        return now
    found = known.found if known else Binding(None, None)
    half_way = known is not None and _is_half_way(known.found, now)
    if not on_vfio and not half_way:
        # Somebody gave it back already, and perhaps left the override.
        return replace(now, override=found.override) if is_vfio_driver(now.override) else now
    if found.driver is not None and not device.lost:
        return found
    chosen = device.autoprobe or found.override is not None
    return Binding(found.override or device.native, found.override, chosen=chosen)


def _is_half_way(found: Binding, now: Binding) -> bool:
    """Tell whether a task was killed while it gave a function back.

    The override holds the former driver until that one has the function.
    """
    if now.driver is None:
        return now.override in (found.override, found.driver)
    return now.driver == now.override == found.driver != found.override


def is_denied(device: Device) -> bool:
    """Tell whether a function is to stand on vfio-pci, whose denylist names it."""
    return device.denylisted and device.best == VFIO_PCI


def denied(wanted: Wanted, state: State) -> list[Device]:
    """Return the functions that vfio-pci refuses as it is now, or would be loaded."""
    vfio_pci = state.around.vfio_pci
    if not wanted.present or vfio_pci is None or not vfio_pci.denies:
        return []
    return [
        device
        for device in state.devices
        if is_denied(device) and device.function.driver != device.best
    ]


def needs_reboot(wanted: Wanted, state: State) -> bool:
    """Tell whether vfio-pci only gives up its denylist at the next boot."""
    vfio_pci = state.around.vfio_pci
    if vfio_pci is None or not denied(wanted, state):
        return False
    return vfio_pci.loaded and (vfio_pci.used or vfio_pci.built_in)


def rules_after(wanted: Wanted, state: State) -> tuple[Rule, ...]:
    """Return the rules that are to stand, those of other functions as they are."""
    own = {device.address for device in state.devices}
    own |= {orphan.address for orphan in state.orphans}
    others = [rule for rule in state.around.rules if rule.address not in own]
    if wanted.present and wanted.persistent:
        others += [
            Rule(device.address, device.function.id, device.best, early=device.early)
            for device in state.devices
        ]
    return tuple(sorted(others, key=lambda rule: rule.address))


def keeps_denylist_off(wanted: Wanted, state: State) -> bool:
    """Tell whether our option for vfio-pci is to stand, now or still."""
    stands = OPTION.encode() in (state.around.files.get(OPTIONS) or b"")
    own = {device.address: device for device in state.devices}
    for rule in rules_after(wanted, state):
        device = own.get(rule.address)
        function = state.around.functions.get(rule.address)
        if rule.driver != VFIO_PCI:
            continue
        if device is not None and is_denied(device) and (stands or wanted.allow_denylisted):
            return True
        if device is None and stands and (function is None or is_denylisted(function)):
            return True
    return False
