# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VFs that found no memory or no bus numbers, with the remedy."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.gather import gather
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.room import room_problems
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.resources import VfRoom
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import OTHER, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

NONE = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
UNSET = "0x0000000000000000 0x000000000003ffff 0x0000000020140204\n"
BRIDGE = PciAddress.parse("0000:00:01.0")


@pytest.mark.parametrize(
    ("room", "what", "why", "remedy"),
    [
        (VfRoom((0, 2), 16, 16, 1, BRIDGE), "VF BAR 0, 2", "not enough MMIO", "Above 4G Decoding"),
        (VfRoom((0,), 16, 16, 255, None), "no memory for its VFs", "ENOMEM", "pci=realloc"),
        (VfRoom((), 16, 8, 1, BRIDGE), "8 of 16 VFs", f"through bridge {BRIDGE}", "assign-busses"),
        (VfRoom((), 16, 0, 0xFF, None), "0 of 16 VFs", "to its root bus", "ARI forwarding"),
    ],
)
def test_texts(room: VfRoom, what: str, why: str, remedy: str) -> None:
    (problem,) = room_problems("here", "sriov", room)
    assert problem.check == "sriov"
    assert problem.what.startswith("here: ")
    assert what in problem.what
    assert why in problem.why
    assert remedy in problem.remedy
    assert "None" not in " ".join(problem.as_result().values())


@pytest.mark.parametrize("room", [None, VfRoom((), 16, 16, 1, BRIDGE)])
def test_enough_room_is_no_problem(room: VfRoom | None) -> None:
    assert room_problems("here", "sriov", room) == []


def test_only_pfs_that_this_collection_makes_vfs_of_count_as_sriov(machine: Machine) -> None:
    machine.add_iommu()
    machine.add_pf()
    nic = machine.add_function("0000:04:00.0", OTHER, class_code=0x020000, group=4)
    machine.write(f"{machine.device(nic)}/sriov_totalvfs", "64\n")
    for address in (PF, nic):
        machine.write(f"{machine.device(address)}/resource", NONE * 7 + UNSET + NONE * 5)
    found = gather(machine.host)
    assert [(problem["check"], problem["what"]) for problem in found["problems"]] == [
        ("sriov", f"{PF} (c62x): no memory for its VFs (VF BAR 0)"),
        ("resources", f"{nic}: no memory for its VFs (VF BAR 0)"),
    ]
    assert [device["fitting_vfs"] for device in found["devices"]] == [0, 0]
