# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Memory and bus numbers for VFs, as kernels show them in sysfs."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.config import ConfigSpace
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import (
    read_config,
    read_function,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.resources import (
    VfRoom,
    read_vf_room,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import (
    C62X,
    OTHER,
    PF,
    config_space,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

NONE = "0x0000000000000000 0x0000000000000000 0x0000000000000000"
# As Linux 6.12 showed an emulated C62x: 64-bit memory, not prefetchable.
PLACED = "0x00000000fe404000 0x00000000fe443fff 0x0000000000140204"
UNSET = "0x0000000000000000 0x000000000003ffff 0x0000000020140204"
NO_ADDRESS = "0x0000000000000000 0x000000000003ffff 0x0000000000140204"
SRIOV_AT = 0x140
BRIDGE = "0000:00:01.0"


def resource(*vf_bars: str, lines: int = 13) -> str:
    """Return the attribute: six BARs, the ROM, then the VF BARs."""
    own = ["0x00000000fe400000 0x00000000fe403fff 0x0000000000140204", *[NONE] * 6]
    return "".join(f"{line}\n" for line in [*own, *vf_bars, *[NONE] * 6][:lines])


def config(*registers: int, total: int = 16, first_offset: int = 8, stride: int = 1) -> bytes:
    data = bytearray(
        config_space(C62X.pf_id, total=total, first_offset=first_offset, stride=stride)
    )
    for number, register in enumerate(registers):
        at = SRIOV_AT + 0x24 + 4 * number
        data[at : at + 4] = register.to_bytes(4, "little")
    return bytes(data)


def add_bridge(machine: Machine, last_bus: int) -> None:
    """Give the bridge above functions a configuration space."""
    data = bytearray(64)
    data[0x0E], data[0x1A] = 1, last_bus
    folder = f"sys/devices/pci0000:00/{BRIDGE}"
    machine.write(f"{folder}/config", bytes(data))
    machine.link(machine.device(BRIDGE), folder)


def room(machine: Machine, address: str = PF) -> VfRoom | None:
    function = read_function(machine.host, PciAddress.parse(address))
    assert function is not None
    return read_vf_room(machine.host, function, read_config(machine.host, function.address))


def bars(machine: Machine, attribute: str, space: bytes = b"") -> tuple[int, ...]:
    machine.add_pf()
    machine.write(f"{machine.device(PF)}/resource", attribute)
    if space:
        machine.write(f"{machine.device(PF)}/config", space)
    found = room(machine)
    assert found is not None
    assert found.fitting == (0 if found.unplaced_bars else 16)
    return found.unplaced_bars


@pytest.mark.parametrize(
    ("attribute", "space", "unplaced"),
    [
        (resource(PLACED), config(0xFE404004), ()),
        (resource(PLACED, NONE, PLACED), config(0x4, 0, 0xC, 0), ()),
        # Kernels that keep the flags.
        (resource(UNSET), config(0x4), (0,)),
        (resource(NO_ADDRESS), config(0x4), (0,)),
        (resource(PLACED, NONE, UNSET), config(0x4, 0, 0x4), (2,)),
        # Linux 6.12 forgets the BAR that found no space: its register still has the type.
        (resource(NONE), config(0x4), (0,)),
        (resource(PLACED, NONE, NONE), config(0x4, 0, 0xC, 0x1), (2,)),
        # The upper half of an address is no BAR of its own.
        (resource(PLACED), config(0x4, 0x38), ()),
        (resource(NONE), config(), ()),
        (resource(NONE), config(*[0xFFFFFFFF] * 6), ()),
        # Who is not root sees 64 bytes of configuration space.
        (resource(PLACED), config(0x4)[:64], ()),
        (resource(UNSET), config(0x4)[:64], (0,)),
        # Kernels without SR-IOV, and recordings without the attribute, tell nothing.
        (resource(lines=7), config(0x4), ()),
        ("", config(0x4), ()),
        ("these are words\n" * 13, config(0x4), ()),
    ],
)
def test_vf_bars_without_memory(
    machine: Machine, attribute: str, space: bytes, unplaced: tuple[int, ...]
) -> None:
    assert bars(machine, attribute, space) == unplaced


@pytest.mark.parametrize(
    ("total", "first_offset", "stride", "last_bus", "numbered"),
    [
        # Eight behind the PF, one after the other: the 248 of its own bus.
        (16, 8, 1, 1, 16),
        (256, 8, 1, 1, 248),
        (256, 8, 1, 2, 256),
        # One bus further at once, as devices do that find no ARI above them.
        (8, 256, 1, 1, 0),
        (8, 256, 1, 2, 8),
        (64, 128, 2, 1, 64),
        (65, 128, 2, 1, 64),
        (1, 8, 0, 1, 1),
        # A capability that does not tell.
        (16, 0, 1, 1, 16),
        # A bridge without numbers of its own yet.
        (16, 8, 1, 0, 0),
    ],
)
def test_vfs_with_bus_numbers(
    machine: Machine, total: int, first_offset: int, stride: int, last_bus: int, numbered: int
) -> None:
    machine.add_pf(total=total)
    space = config(total=total, first_offset=first_offset, stride=stride)
    machine.write(f"{machine.device(PF)}/config", space)
    add_bridge(machine, last_bus)
    assert room(machine) == VfRoom((), total, numbered, last_bus, PciAddress.parse(BRIDGE))


def test_a_bridge_that_does_not_tell(machine: Machine) -> None:
    machine.add_pf(total=256)
    machine.write(f"{machine.device(PF)}/config", config(total=256))
    found = room(machine)
    assert found is not None
    assert (found.fitting, found.last_bus) == (256, 0xFF)


def test_vfs_that_are_there_fit(machine: Machine) -> None:
    machine.add_pf(vfs=16)
    add_bridge(machine, 0)
    found = room(machine)
    assert found is not None
    assert found.fitting == 16


def test_functions_without_vfs_need_no_room(machine: Machine) -> None:
    machine.add_pf(total=0)
    machine.add_function("0000:05:00.0", OTHER)
    assert room(machine) is None
    assert room(machine, "0000:05:00.0") is None


def test_a_space_that_ends_in_the_capability(machine: Machine) -> None:
    machine.add_pf()
    machine.write(f"{machine.device(PF)}/config", config(0x4)[: SRIOV_AT + 0x20])
    machine.write(f"{machine.device(PF)}/resource", resource(NONE))
    found = room(machine)
    assert found is not None
    assert found.unplaced_bars == ()
    assert ConfigSpace(b"").sriov() is None
