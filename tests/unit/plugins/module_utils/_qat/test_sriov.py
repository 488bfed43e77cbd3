# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The job of qat_sriov on a machine whose kernel plays what is written."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.sriov_runs import (
    AUTOPROBE,
    COUNT,
    RULE_PATH,
    check_then_perform,
    job,
    perform,
    rehearse,
    rule,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost


# -- making and removing ----------------------------------------------------------------------


def test_all_vfs_are_made(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    result = perform(running)
    assert running.written == [(AUTOPROBE, "0"), (COUNT, "16")]
    assert result["changed"]
    (device,) = result["devices"]
    assert len(device.pop("vfs")) == len(machine.vfs()) == 16
    assert device == {
        "address": PF,
        "id": str(C62X.pf_id),
        "family": "c62x",
        "generation": 1.7,
        "driver": "c6xx",
        "numa_node": 0,
        "total_vfs": 16,
        "num_vfs": 16,
        "requested": 16,
        "coerced": False,
        "services": None,
        "qat_state": None,
        "auto_reset": None,
        "skipped": False,
    }
    assert machine.at(RULE_PATH).read_bytes() == rule()
    assert not perform(running)["changed"]
    assert len(running.written) == 2


def test_fewer_than_the_driver_makes(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    (device,) = perform(running, num_vfs=4)["devices"]
    assert running.written[-1] == (COUNT, "16")
    assert (device["requested"], device["num_vfs"], device["coerced"]) == (4, 16, True)
    again = perform(running, num_vfs=4)
    assert not again["changed"]
    assert again["devices"][0]["coerced"]


def test_the_number_that_is_there_stays(machine: Machine, running: RunningHost) -> None:
    # A driver made it that is no longer loaded; the one that is would make all.
    machine.add_pf("4xxx", vfs=5, autoprobe=False)
    (device,) = perform(running, num_vfs=5)["devices"]
    assert running.written == []
    assert (device["num_vfs"], device["coerced"]) == (5, False)


def test_another_number_where_the_driver_takes_it(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", vfs=4, out_of_tree=True)
    (device,) = perform(running, num_vfs=8)["devices"]
    assert running.written == [(COUNT, "0"), (AUTOPROBE, "0"), (COUNT, "8")]
    assert (device["num_vfs"], device["coerced"], len(device["vfs"])) == (8, False, 8)


def test_none(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(vfs=16)
    machine.write(RULE_PATH, rule())
    result = perform(running, num_vfs=0)
    assert running.written == [(COUNT, "0")]
    assert not machine.at(RULE_PATH).exists()
    assert result["devices"][0]["vfs"] == []
    assert not perform(running, num_vfs=0)["changed"]


def test_what_is_right_already_is_left_alone(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(vfs=16, autoprobe=False)
    machine.write(RULE_PATH, rule())
    before = machine.files()
    for _again in range(2):
        result = check_then_perform(machine, running)
        assert (result["changed"], result["diff"]) == (False, [])
        # What was found is written down all the same: the way back has to leave it.
        files = machine.files()
        assert files.pop(UNDO_PATH.lstrip("/")) != b""
        assert files == before


def test_the_rule_alone_is_missing(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(vfs=16, autoprobe=False)
    machine.hold(machine.vfs()[0])
    result = perform(running)
    assert running.written == []
    assert [entry["after_header"] for entry in result["diff"]] == [RULE_PATH]


def test_not_persistent(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    perform(running)
    result = perform(running, persistent=False)
    assert result["changed"]
    assert not machine.at(RULE_PATH).exists()
    assert len(machine.vfs()) == 16
    assert not perform(running, persistent=False)["changed"]


def test_vfs_with_their_own_driver(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(autoprobe=False)
    machine.add_driver(str(C62X.vf_driver), C62X.vf_module)
    (device,) = perform(running, autoprobe=True)["devices"]
    assert running.written == [(AUTOPROBE, "1"), (COUNT, "16")]
    assert {vf["driver"] for vf in device["vfs"]} == {C62X.vf_driver}
    assert machine.at(RULE_PATH).read_bytes() == rule(autoprobe=True)


def test_a_kernel_without_autoprobe(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(autoprobe=None)
    perform(running)
    assert running.written == [(COUNT, "16")]
    assert machine.at(RULE_PATH).read_bytes() == rule(autoprobe=None)
    perform(running, state="absent", force=True)
    assert running.written == [(COUNT, "16"), (COUNT, "0")]


def test_several_pfs_sorted_by_address(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", "0000:81:00.0", group=3)
    machine.add_pf(address="10000:01:00.0", group=4)
    machine.add_pf(driver="vfio-pci")
    result = perform(running)
    told = [
        (device["address"], device["skipped"], device["num_vfs"]) for device in result["devices"]
    ]
    assert told == [(PF, True, 0), ("0000:81:00.0", False, 16), ("10000:01:00.0", False, 16)]
    assert result["devices"][0]["requested"] is None


def test_no_devices_where_that_is_fine(running: RunningHost) -> None:
    result = perform(running, missing_ok=True)
    assert (result["changed"], result["devices"], result["problems"]) == (False, [], [])


# -- check mode -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pf", "options"),
    [
        ({}, {}),
        ({}, {"num_vfs": 4}),
        ({}, {"num_vfs": 0}),
        ({}, {"persistent": False}),
        ({}, {"autoprobe": True}),
        ({"vfs": 16}, {"num_vfs": 0}),
        ({"vfs": 16}, {"state": "absent"}),
        ({"vfs": 16, "autoprobe": False}, {}),
        ({"autoprobe": None}, {}),
        ({"family": "4xxx"}, {"num_vfs": 3}),
        ({"family": "4xxx", "out_of_tree": True}, {"num_vfs": 3}),
        ({"family": "4xxx", "out_of_tree": True, "vfs": 5}, {"num_vfs": 3}),
        ({"family": "4xxx", "out_of_tree": True, "vfs": 5}, {"num_vfs": 5}),
        ({"driver": None}, {"num_vfs": 0}),
        ({"total": None}, {"num_vfs": 0}),
    ],
)
def test_a_check_run_tells_what_the_real_one_does(
    machine: Machine, running: RunningHost, pf: dict[str, t.Any], options: dict[str, t.Any]
) -> None:
    machine.add_pf(**pf)
    check_then_perform(machine, running, **options)
    again = check_then_perform(machine, running, **options)
    assert (again["changed"], again["diff"]) == (False, [])


def test_what_the_kernel_assigns_is_null_in_a_check_run(machine: Machine) -> None:
    machine.add_pf()
    (device,) = rehearse(machine)["devices"]
    for vf in device["vfs"]:
        assert vf["address"]
        assert (vf["driver"], vf["iommu_group"], vf["holder"]) == (None, None, None)


@pytest.mark.parametrize("pid", [None, 42])
def test_a_domain_that_waits_for_a_vf_is_foreseen(
    machine: Machine, running: RunningHost, pid: int | None
) -> None:
    machine.add_pf()
    machine.add_domain("guest", "0000:01:01.2", pid=pid)
    (device,) = check_then_perform(machine, running)["devices"]
    holders = {vf["address"]: vf["holder"] for vf in device["vfs"] if vf["holder"]}
    assert holders == {"0000:01:01.2": {"kind": "domain", "name": "guest", "pid": pid}}


def test_a_pf_that_goes_or_comes_meanwhile(machine: Machine, running: RunningHost) -> None:
    second = machine.add_pf("c62x", "0000:03:00.0")
    work = job()
    one = work.observe(running)
    machine.add_pf()
    both = work.observe(running)
    assert work.unmet(both, one) == f"{PF}: gone since the task began"
    assert str(work.unmet(one, both)).startswith(f"{second}: sriov_numvfs was set to 16, reads 0")
