# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a PF from making its VFs though SR-IOV is on: memory and bus numbers."""

from __future__ import annotations

import typing as t

from .._errors import Problem

if t.TYPE_CHECKING:
    from .._pci.resources import VfRoom


def room_problems(where: str, check: str, room: VfRoom | None) -> list[Problem]:
    """Return why VFs of a PF do not fit.

    Args:
        where: the PF, as it is told.
        check: C(sriov) for devices that this collection makes VFs of, C(resources) for others.
    """
    if room is None or room.fitting == room.total:
        return []
    return [_memory(where, check, room) if room.unplaced_bars else _numbers(where, check, room)]


def _memory(where: str, check: str, room: VfRoom) -> Problem:
    bars = ", ".join(map(str, room.unplaced_bars))
    return Problem(
        check,
        f"{where}: no memory for its VFs (VF BAR {bars})",
        "neither firmware nor kernel found address space for them: making VFs fails with ENOMEM "
        "(kernel log: not enough MMIO resources for SR-IOV)",
        "turn on Above 4G Decoding and SR-IOV in the firmware setup (some offer the size of MMIO "
        "or PCI resource padding instead), or add pci=realloc to the kernel command line; then "
        "boot again",
    )


def _numbers(where: str, check: str, room: VfRoom) -> Problem:
    through = f"through bridge {room.bridge}" if room.bridge else "to its root bus"
    return Problem(
        check,
        f"{where}: bus numbers for {room.fitting} of {room.total} VFs",
        f"bus {room.last_bus:02x} is the last one that leads {through}: making more VFs fails with "
        "ENOMEM (kernel log: can't enable VFs, bus out of range)",
        "turn on ARI forwarding and SR-IOV in the firmware setup, use another slot, or add "
        "pci=assign-busses to the kernel command line (x86); then boot again",
    )
