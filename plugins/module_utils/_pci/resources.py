# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Memory and bus numbers for the VFs of a PF: what they need, and what the kernel found for them.

Linux C(drivers/pci/iov.c), C(sriov_enable): where a VF BAR has no memory it makes no VF at all
(C(not enough MMIO resources for SR-IOV), ENOMEM), and none where the last one's bus number lies
beyond what leads to the PF (C(can't enable %d VFs (bus %02x out of range of %pR))).
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .function import read_config
from .topology import last_bus_behind, upstream_bridge

if t.TYPE_CHECKING:
    from .._host import Host
    from .address import PciAddress
    from .config import ConfigSpace
    from .function import PciFunction

# Lines 7 to 12 of sysfs' resource are a PF's VF BARs (include/linux/pci.h, PCI_IOV_RESOURCES).
_FIRST_VF_BAR, _VF_BARS = 7, 6
_LINE = re.compile(r"(0x[0-9a-f]+) 0x[0-9a-f]+ (0x[0-9a-f]+)", re.ASCII)
# include/linux/ioport.h, IORESOURCE_UNSET: it has a size and no address.
_UNSET = 0x20000000
_VF_BAR_REGISTERS = 0x24
_IS_64_BIT = 0x4
_LAST_BUS = 0xFF
# What a device that is gone, asleep or broken reads.
_GONE = 0xFFFFFFFF


@dataclass(frozen=True)
class VfRoom:
    """The room that the VFs of a PF have.

    Args:
        unplaced_bars: numbers of the VF BARs that have no memory.
        total: how many VFs the PF can have.
        numbered: how many of them have bus numbers.
        last_bus: the highest bus number that leads to the PF.
        bridge: what it leads through, None on a root bus.
    """

    unplaced_bars: tuple[int, ...]
    total: int
    numbered: int
    last_bus: int
    bridge: PciAddress | None

    @property
    def fitting(self) -> int:
        """How many VFs can be made."""
        return 0 if self.unplaced_bars else self.numbered


def read_vf_room(host: Host, function: PciFunction, config: ConfigSpace) -> VfRoom | None:
    """Observe the room for VFs, None for a function that can have none."""
    total = function.total_vfs
    if not total:
        return None
    bridge = upstream_bridge(host, function)
    told = None if bridge is None else last_bus_behind(read_config(host, bridge))
    # The numbers of a root bus stand nowhere in sysfs.
    last_bus = _LAST_BUS if told is None else told
    return VfRoom(
        unplaced_bars=_unplaced(host.attribute(f"{function.path}/resource") or "", config),
        total=total,
        # Those that are there have numbers, whatever the capability says.
        numbered=max(_numbered(function, config, last_bus), len(function.vfs)),
        last_bus=last_bus,
        bridge=bridge,
    )


def _unplaced(resource: str, config: ConfigSpace) -> tuple[int, ...]:
    """Return the VF BARs without memory.

    The kernel marks one as unset, or forgets it (C(reset_resource) in C(setup-bus.c)), so that
    its line is zero and only the register still says that there is one. A 32-bit BAR that was
    forgotten shows nothing at all.
    """
    lines = resource.splitlines()[_FIRST_VF_BAR:][:_VF_BARS]
    shown = [
        (int(found[1], 16), int(found[2], 16)) for found in map(_LINE.fullmatch, lines) if found
    ]
    if len(shown) < _VF_BARS:
        return ()
    wanted = _wanted_bars(config)
    return tuple(
        number
        for number, (start, flags) in enumerate(shown)
        if (flags and (flags & _UNSET or not start)) or (number in wanted and not flags)
    )


def _wanted_bars(config: ConfigSpace) -> set[int]:
    """Return the VF BARs that the SR-IOV capability shows; a 64-bit one takes two registers."""
    capability = config.sriov()
    if capability is None:
        return set()
    start = capability.offset + _VF_BAR_REGISTERS
    registers = [config.data[start + 4 * number :][:4] for number in range(_VF_BARS)]
    found: set[int] = set()
    upper_half = False
    for number, register in enumerate(registers):
        low = int.from_bytes(register, "little")
        if upper_half or low == _GONE:
            upper_half = False
            continue
        if low:
            found.add(number)
        upper_half = low & 0x6 == _IS_64_BIT
    return found


def _numbered(function: PciFunction, config: ConfigSpace, last_bus: int) -> int:
    """Return how many VFs have a routing id on a bus that leads to the PF."""
    total = function.total_vfs or 0
    capability = config.sriov()
    if capability is None or capability.first_offset == 0:
        return total
    first = function.address.routing_id + capability.first_offset
    room = (last_bus << 8 | 0xFF) - first
    if room < 0:
        return 0
    return total if capability.stride == 0 else min(total, room // capability.stride + 1)
