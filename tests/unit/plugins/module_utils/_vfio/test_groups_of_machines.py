# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IOMMU groups of real machines: who shares one with a function that a guest is to get."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.guard import check
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.observe import observe
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.target import targets_of
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.wanted import Wanted

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.state import State
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

RECORDS = sorted((Path(__file__).parent / "machines").glob("*.yml"))
BRIDGES = ("0604", "0607", "0609")
HOST_BRIDGE = "0600"
_SHARES = re.compile(r"(\S+) shares IOMMU group \d+ with (\S+)")
Record = dict[str, t.Any]


def load(path: Path) -> Record:
    return t.cast("Record", yaml.safe_load(path.read_text(encoding="utf-8")))


CASES = [
    pytest.param(record, case, id=f"{path.stem}-{'-'.join(case['devices'])}")
    for path in RECORDS
    for record in [load(path)]
    for case in record["cases"]
]


def driver_of(record: Record, function: Record) -> str | None:
    """Return the driver that a record tells; where it tells none, one of the host."""
    kind = function["class"][2:6]
    if record["drivers_known"]:
        return t.cast("str | None", function["driver"])
    if kind in BRIDGES:
        return "pcieport"
    return None if kind == HOST_BRIDGE else "driver-of-the-host"


def lay(machine: Machine, record: Record) -> None:
    """Make the tree of a machine, on which nothing but its groups is in the way."""
    machine.add_iommu()
    machine.add_module("vfio-pci")
    for function in record["functions"]:
        machine.add_function(
            function["address"],
            PciId.parse(function["id"]),
            class_code=int(function["class"], 16),
            driver=driver_of(record, function),
            group=function["group"],
        )
    for group, names in record.get("platform_devices", {}).items():
        for name in names:
            folder = f"sys/devices/platform/{name}"
            machine.link(f"{folder}/driver", "sys/bus/platform/drivers/driver-of-the-host")
            machine.link(f"sys/kernel/iommu_groups/{group}/devices/{name}", folder)


def wanted(case: Record, *, siblings: str = "fail") -> Wanted:
    return Wanted.parse(
        {
            "devices": case["devices"],
            "state": "present",
            "driver": "vfio-pci",
            "siblings": siblings,
            "allow_denylisted": True,
            "persistent": True,
            # What a host uses its functions for is another matter.
            "force": True,
            "missing_ok": False,
        }
    )


def refusal(state: State, asked: Wanted) -> str:
    try:
        check(asked, state, targets_of(asked, state))
    except RefusedError as error:
        return str(error)
    return ""


def in_a_group(record: Record, case: Record) -> bool:
    groups = {function["address"]: function["group"] for function in record["functions"]}
    return all(groups[address] is not None for address in case["devices"])


def test_there_are_machines() -> None:
    assert len(RECORDS) >= 8
    assert len(CASES) >= 20


@pytest.mark.parametrize(("record", "case"), CASES)
def test_siblings_are_named_and_no_others(machine: Machine, record: Record, case: Record) -> None:
    lay(machine, record)
    asked = wanted(case)
    told = refusal(observe(machine.host, asked), asked)
    assert sorted({sibling for _device, sibling in _SHARES.findall(told)}) == case["siblings"]
    assert {device for device, _sibling in _SHARES.findall(told)} <= {*case["devices"]}
    # Whoever has no siblings gets what was asked, unless there is no group at all.
    if not case["siblings"]:
        assert ("in no IOMMU group" in told) == (not in_a_group(record, case))
        assert bool(told) == (not in_a_group(record, case))


@pytest.mark.parametrize(("record", "case"), CASES)
def test_siblings_go_along_and_no_others(machine: Machine, record: Record, case: Record) -> None:
    lay(machine, record)
    asked = wanted(case, siblings="bind")
    state = observe(machine.host, asked)
    along = [str(device.address) for device in state.devices if device.companion_of]
    assert along == case["siblings"]
    assert sorted(str(device.address) for device in state.devices) == sorted(
        [*case["devices"], *case["siblings"]]
    )
    # The group is a guest's then, and bridges stay with the host.
    told = refusal(state, asked)
    assert bool(told) == (not in_a_group(record, case))


@pytest.mark.parametrize(("record", "case"), CASES)
def test_who_was_given_away_is_no_sibling(machine: Machine, record: Record, case: Record) -> None:
    lay(machine, record)
    for number, address in enumerate(case["siblings"]):
        machine.bind(address, [None, "vfio-pci", "mlx5_vfio_pci", "pci-stub"][number % 4])
    asked = wanted(case)
    told = refusal(observe(machine.host, asked), asked)
    assert bool(told) == (not in_a_group(record, case))


@pytest.mark.parametrize(("record", "case"), CASES)
def test_the_result_has_the_whole_group(machine: Machine, record: Record, case: Record) -> None:
    lay(machine, record)
    state = observe(machine.host, wanted(case))
    for device in state.devices:
        number = device.function.iommu_group
        expected = {
            function["address"]
            for function in record["functions"]
            if number is not None and function["group"] == number
        }
        assert {str(each.address) for each in state.around.group(device.function)} == expected
