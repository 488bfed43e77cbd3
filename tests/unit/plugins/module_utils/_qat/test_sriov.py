# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The job of qat_sriov on a machine whose kernel plays what is written."""

from __future__ import annotations

import errno
import json
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError, NotTakenError
from ansible_collections.hwaccel.virt.plugins.module_utils._module import _perform, _rehearse
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import SriovRule, rule_path
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.sriov import QatSriov
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

DEFAULTS: dict[str, t.Any] = {
    "devices": ["all"],
    "state": "present",
    "num_vfs": "max",
    "autoprobe": False,
    "persistent": True,
    "coerced_ok": True,
    "force": False,
    "missing_ok": False,
}
RULE_PATH = rule_path(PciAddress.parse(PF))
COUNT = f"/sys/bus/pci/devices/{PF}/sriov_numvfs"
AUTOPROBE = f"/sys/bus/pci/devices/{PF}/sriov_drivers_autoprobe"
Result = dict[str, t.Any]


def perform(host: RunningHost, **options: object) -> Result:
    return _perform(QatSriov({**DEFAULTS, **options}), host)


def rehearse(machine: Machine, **options: object) -> Result:
    """Return what a check run tells."""
    return _rehearse(QatSriov({**DEFAULTS, **options}), machine.host, write_files=False)


def without_the_kernels_own(result: Result) -> Result:
    """Return a result with what only the kernel assigns to a new function set to null."""
    copy = t.cast("Result", json.loads(json.dumps(result)))
    copy.pop("pending_writes", None)
    copy.pop("pending_commands", None)
    for device in copy["devices"]:
        for vf in device["vfs"]:
            vf.update(driver=None, iommu_group=None, holder=None)
    return copy


def rule(number: int = 16, *, autoprobe: bool | None = False) -> bytes:
    address = PciAddress.parse(PF)
    return SriovRule(address, C62X.pf_id, str(C62X.driver), number, autoprobe).render()


# -- making and removing ---------------------------------------------------------------------


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
    assert running.written == [(COUNT, "0"), (AUTOPROBE, "0")]
    assert not machine.at(RULE_PATH).exists()
    assert result["devices"][0]["vfs"] == []
    assert not perform(running, num_vfs=0)["changed"]


def test_what_is_right_already_is_left_alone(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(vfs=16, autoprobe=False)
    machine.write(RULE_PATH, rule())
    before = machine.files()
    result = perform(running)
    assert (result["changed"], result["diff"]) == (False, [])
    assert machine.files() == before


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


# -- check mode ------------------------------------------------------------------------------


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
    before = machine.files()
    check = rehearse(machine, **options)
    assert machine.files() == before
    real = perform(running, **options)
    assert without_the_kernels_own(check) == without_the_kernels_own(real)
    assert [(write["path"], write["value"]) for write in check["pending_writes"]] == running.written
    assert not rehearse(machine, **{**options, "state": "present"})["diff"] or options == {
        "state": "absent"
    }


def test_what_the_kernel_assigns_is_null_in_a_check_run(machine: Machine) -> None:
    machine.add_pf()
    (device,) = rehearse(machine)["devices"]
    for vf in device["vfs"]:
        assert vf["address"]
        assert (vf["driver"], vf["iommu_group"], vf["holder"]) == (None, None, None)


# -- back ------------------------------------------------------------------------------------


FOUND_RULE = b'# mine \xff\r\nKERNEL=="x"'


@pytest.mark.parametrize(
    ("pf", "options", "found_rule"),
    [
        ({}, {}, None),
        ({}, {"autoprobe": True}, FOUND_RULE),
        ({"autoprobe": False}, {"persistent": False}, FOUND_RULE),
        ({"autoprobe": None}, {}, None),
        ({"vfs": 16, "vf_driver": C62X.vf_driver}, {"num_vfs": 0}, FOUND_RULE),
        ({"vfs": 16, "autoprobe": False}, {}, FOUND_RULE),
        ({"family": "4xxx", "out_of_tree": True, "vfs": 5, "autoprobe": False}, {}, None),
    ],
)
def test_present_then_absent_leaves_what_was_found(
    machine: Machine,
    running: RunningHost,
    pf: dict[str, t.Any],
    options: dict[str, t.Any],
    found_rule: bytes | None,
) -> None:
    machine.add_pf(**pf)
    if found_rule is not None:
        machine.write(RULE_PATH, found_rule)
    for driver in (C62X.vf_driver, "4xxxvf"):
        machine.add_driver(str(driver))

    def there() -> dict[str, object]:
        # Groups of new VFs get new numbers, as in a real kernel. The record may stay.
        other = ("iommu", UNDO_PATH.lstrip("/"))
        files = machine.files().items()
        return {path: what for path, what in files if not any(part in path for part in other)}

    before = there()
    perform(running, force=True, **options)
    assert there() != before
    # A second task in between does not become what was found.
    perform(running, force=True, num_vfs=0)
    result = perform(running, force=True, state="absent")
    assert there() == before
    assert result["warnings"] == []
    again = perform(running, force=True, state="absent")
    assert (again["changed"], again["diff"], again["warnings"]) == (False, [], [])
    assert there() == before


def test_absent_twice_keeps_to_the_defaults(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    perform(running)
    perform(running, state="absent")
    result = perform(running, state="absent")
    assert (result["changed"], result["warnings"]) == (False, [])


def test_nothing_is_kept_of_a_pf_that_nobody_had_touched(
    machine: Machine, running: RunningHost
) -> None:
    machine.add_pf()
    perform(running)
    perform(running, state="absent")
    assert not machine.at(UNDO_PATH).exists()


def test_what_an_operator_does_after_absent_is_left_alone(
    machine: Machine, running: RunningHost
) -> None:
    machine.add_pf(vfs=16, autoprobe=False)
    perform(running)
    perform(running, state="absent")
    machine.play(COUNT, "0")
    machine.write(RULE_PATH, FOUND_RULE)
    written = list(running.written)
    result = perform(running, state="absent")
    assert (result["changed"], result["warnings"]) == (False, [])
    assert running.written == written
    assert machine.at(RULE_PATH).read_bytes() == FOUND_RULE


def test_a_task_after_absent_finds_anew(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", vfs=5, out_of_tree=True, autoprobe=False)
    perform(running)
    perform(running, state="absent")
    machine.play(COUNT, "0")
    machine.play(COUNT, "3")
    perform(running)
    perform(running, state="absent")
    assert len(machine.vfs()) == 3


def test_what_was_found_first_is_never_replaced(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", vfs=5, out_of_tree=True, autoprobe=False)
    for number in (7, 9, 0):
        perform(running, num_vfs=number)
    record = json.loads(machine.read(UNDO_PATH))["modules"]["qat_sriov"][PF]
    assert (record["found"]["num_vfs"], record["set"]["num_vfs"]) == (5, 0)


def test_absent_without_a_record(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(vfs=16, autoprobe=False)
    machine.write(RULE_PATH, rule())
    result = perform(running, state="absent")
    (warning,) = result["warnings"]
    assert f"{PF}: no record of what was there before" in warning
    assert running.written == [(COUNT, "0"), (AUTOPROBE, "1")]
    assert not machine.at(RULE_PATH).exists()


def test_the_record_of_another_device_does_not_count(
    machine: Machine, running: RunningHost
) -> None:
    machine.add_pf(vfs=16)
    record = {
        "found": {"id": "8086:0000", "num_vfs": 16, "autoprobe": True, "rule": "other"},
        "set": {},
    }
    document = {"version": 1, "modules": {"qat_sriov": {PF: record}}}
    machine.write(UNDO_PATH, json.dumps(document))
    perform(running, num_vfs=0)
    found = json.loads(machine.read(UNDO_PATH))["modules"]["qat_sriov"][PF]["found"]
    assert (found["id"], found["num_vfs"], found["rule"]) == (str(C62X.pf_id), 16, None)


def test_a_record_of_a_kernel_without_autoprobe(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(autoprobe=None)
    perform(running)
    # The next kernel has the attribute.
    machine.write(AUTOPROBE, "1\n")
    perform(running, state="absent", force=True)
    assert machine.vfs() == []
    assert machine.read(AUTOPROBE) == "1\n"


def test_the_record_is_there_before_a_device_changes(
    machine: Machine, running: RunningHost
) -> None:
    machine.add_pf()
    running.answers[AUTOPROBE, "0"] = errno.EIO
    with pytest.raises(HostError):
        perform(running)
    # Nothing was changed, so there is nothing to go back to.
    assert not machine.at(UNDO_PATH).exists()
    running.answers = {(COUNT, "16"): errno.EIO}
    with pytest.raises(HostError, match=f"Already done and left as it is: {PF}"):
        perform(running)
    record = json.loads(machine.read(UNDO_PATH))["modules"]["qat_sriov"][PF]
    assert record["found"] == {
        "id": str(C62X.pf_id),
        "num_vfs": 0,
        "autoprobe": True,
        "rule": None,
    }
    assert record["set"]["num_vfs"] == 16
    running.answers = {}
    perform(running, state="absent")
    assert machine.read(AUTOPROBE) == "1\n"


# -- what the kernel answers -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EINVAL, "without a working IOMMU"),
        (errno.ENOMEM, "Above 4G Decoding"),
        (errno.ENOENT, "its driver makes no VFs"),
        (errno.EBUSY, "crypto users"),
        (errno.EPERM, "lockdown"),
    ],
)
def test_making_fails(machine: Machine, running: RunningHost, number: int, remedy: str) -> None:
    machine.add_pf()
    running.answers[COUNT, "16"] = number
    with pytest.raises(HostError, match=remedy) as caught:
        perform(running)
    assert caught.value.number == number
    assert COUNT in str(caught.value)
    assert not machine.at(RULE_PATH).exists()


def test_an_old_driver_that_does_not_take_vfs_away(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(vfs=16)
    running.answers[COUNT, "0"] = errno.EINVAL
    with pytest.raises(HostError, match=r"before Linux 6\.12"):
        perform(running, num_vfs=0)
    assert len(machine.vfs()) == 16
    assert not machine.at(UNDO_PATH).exists()


def test_a_failure_at_the_second_pf_puts_the_rule_of_the_first_back(
    machine: Machine, running: RunningHost
) -> None:
    machine.add_pf()
    machine.add_pf(address="0000:02:00.0", group=2)
    running.answers[COUNT.replace(PF, "0000:02:00.0"), "16"] = errno.ENOMEM
    with pytest.raises(HostError) as caught:
        perform(running)
    assert f"{PF} sriov_numvfs=16" in str(caught.value)
    assert not machine.at(RULE_PATH).exists()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (COUNT, "sriov_numvfs was set to 16, reads 0, and 0 VFs are there"),
        (AUTOPROBE, "sriov_drivers_autoprobe was set to 0 and did not change"),
    ],
)
def test_a_write_that_the_kernel_did_not_take(
    machine: Machine, running: RunningHost, path: str, told: str
) -> None:
    machine.add_pf()
    running.deaf.add(path)
    with pytest.raises(NotTakenError, match=told) as caught:
        perform(running)
    assert PF in str(caught.value)


def test_a_count_without_the_vfs(
    machine: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.add_pf()
    monkeypatch.setattr(machine, "make_vfs", lambda *_, **__: machine.write(COUNT, "16"))
    with pytest.raises(NotTakenError, match="reads 16, and 0 VFs are there"):
        perform(running)


def test_a_rule_that_something_else_changes(
    machine: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.add_pf()
    write = running.write_file

    def meddle(path: str, content: bytes, mode: int) -> None:
        write(path, content + b"# mine\n" if path == RULE_PATH else content, mode)

    monkeypatch.setattr(running, "write_file", meddle)
    with pytest.raises(NotTakenError, match="something else changes it"):
        perform(running)


def test_a_pf_that_blocks_meanwhile(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    job = QatSriov(DEFAULTS)
    before = job.observe(running)
    running.blocked.add(COUNT)
    assert f"{PF}: blocked" in str(job.unmet(before, job.observe(running)))


def test_a_pf_without_a_group_explains_the_iommu(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(group=None)
    machine.write("proc/cmdline", "ro intel_iommu=off\n")
    machine.add_iommu(units=())
    (problem,) = perform(running)["problems"]
    assert "intel_iommu=off" in problem["why"]
