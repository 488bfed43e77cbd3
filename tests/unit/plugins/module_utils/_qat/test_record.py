# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back: what was found first is remembered, and state absent brings exactly that."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
import typing as t
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.services import join_services
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import (
    C62X,
    PF,
    Machine,
    RunningHost,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.sriov_runs import (
    AUTOPROBE,
    COUNT,
    RULE_PATH,
    check_then_perform,
    failure,
    perform,
    record,
    refusal,
    rule,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def there(machine: Machine) -> dict[str, object]:
    """Return all files but the record, which may stay."""
    # Groups of new VFs get new numbers, as in a real kernel.
    other = ("iommu", UNDO_PATH.lstrip("/"))
    files = machine.files().items()
    return {path: what for path, what in files if not any(part in path for part in other)}


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
    machine.add_driver(str(C62X.vf_driver), C62X.vf_module)

    before = there(machine)
    perform(running, force=True, **options)
    assert there(machine) != before
    # A second task in between does not become what was found.
    perform(running, force=True, num_vfs=0)
    result = perform(running, force=True, state="absent")
    assert there(machine) == before
    assert result["warnings"] == []
    again = perform(running, force=True, state="absent")
    assert (again["changed"], again["diff"], again["warnings"]) == (False, [], [])
    assert there(machine) == before


def test_absent_twice_keeps_to_the_defaults(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    perform(running)
    perform(running, state="absent")
    result = perform(running, state="absent")
    assert (result["changed"], result["warnings"]) == (False, [])


def test_absent_wants_a_driver_for_vfs_that_were_there(
    machine: Machine, running: RunningHost
) -> None:
    machine.add_pf(vfs=16)
    perform(running, num_vfs=0)
    machine.bind(PF, None)
    assert f"{PF}: no driver has the PF" in refusal(running, state="absent")


def test_a_record_of_another_release(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    perform(running)
    path = machine.at(UNDO_PATH)
    path.write_text(path.read_text().replace('"host_vfs"', '"kept"'))
    with pytest.raises(HostError, match=r"undo\.json: qat_sriov, .* move the file away"):
        perform(running, state="absent")


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
    entry = record(machine)
    assert (entry["found"]["num_vfs"], entry["set"]["num_vfs"]) == (5, 0)


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
    entry = {
        "found": {"id": "8086:0000", "num_vfs": 16, "autoprobe": True, "rule": "other"},
        "set": {},
    }
    document = {"version": 1, "modules": {"qat_sriov": {PF: entry}}}
    machine.write(UNDO_PATH, json.dumps(document))
    perform(running, num_vfs=0)
    found = record(machine)["found"]
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
    failure(running)
    # Nothing was changed, so there is nothing to go back to.
    assert not machine.at(UNDO_PATH).exists()
    running.answers = {(COUNT, "16"): errno.EIO}
    assert f"Already done and left as it is: {PF}" in failure(running)
    assert record(machine)["found"] == {
        "id": str(C62X.pf_id),
        "num_vfs": 0,
        "host_vfs": 0,
        "services": None,
        "auto_reset": None,
        "autoprobe": True,
        "rule": None,
        "overrides": {},
        "drivers": {},
        "vfs_changed": False,
    }
    assert record(machine)["set"]["num_vfs"] == 16
    running.answers = {}
    perform(running, state="absent")
    assert machine.read(AUTOPROBE) == "1\n"


@pytest.mark.parametrize("check_first", [False, True])
def test_what_a_task_found_right_stays_when_it_goes(
    machine: Machine, running: RunningHost, *, check_first: bool
) -> None:
    machine.add_pf("4xxx", out_of_tree=True, vfs=5, autoprobe=False)
    before = there(machine)
    do = partial(check_then_perform, machine) if check_first else perform
    for state in ("present", "present", "absent", "absent"):
        result = do(running, num_vfs=5, persistent=False, state=state)
        assert (result["changed"], result["diff"], result["warnings"]) == (False, [], [])
        assert machine.at(UNDO_PATH).exists()
    assert there(machine) == before
    assert running.written == []


def test_what_a_task_found_right_comes_back_after_others(
    machine: Machine, running: RunningHost
) -> None:
    machine.add_pf("4xxx", out_of_tree=True, vfs=5, autoprobe=False)
    before = there(machine)
    perform(running, num_vfs=5, persistent=False)
    perform(running, num_vfs=7)
    check_then_perform(machine, running, state="absent")
    assert there(machine) == before


def test_our_own_rule_is_not_taken_for_an_operators(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    perform(running)
    machine.at(UNDO_PATH).unlink()
    assert not check_then_perform(machine, running)["changed"]
    check_then_perform(machine, running, state="absent")
    assert (machine.vfs(), machine.read(AUTOPROBE)) == ([], "1\n")
    assert not machine.at(RULE_PATH).exists()


def test_our_own_rule_for_another_device_does_not_come_back(
    machine: Machine, running: RunningHost
) -> None:
    machine.add_pf("4xxx", out_of_tree=True, vfs=5, autoprobe=False)
    machine.write(RULE_PATH, rule())
    perform(running, num_vfs=3)
    check_then_perform(machine, running, state="absent")
    assert len(machine.vfs()) == 5
    assert not machine.at(RULE_PATH).exists()


# -- drivers and overrides of VFs ------------------------------------------------------------

NATIVE = str(C62X.vf_driver)
GUESTS = "vfio-pci"
GONE = {"num_vfs": 0, "force": True}


def reserve(machine: Machine, overrides: list[str | None]) -> None:
    """Let an operator set driver_override of the first VFs, None of one, and probe these."""
    for vf, driver in zip(machine.vfs(), overrides):
        if driver is not None:
            machine.bind(vf, None)
            machine.play(f"/sys/bus/pci/devices/{vf}/driver_override", driver)
            machine.play("/sys/bus/pci/drivers_probe", vf)


def bound(machine: Machine) -> list[tuple[str, str | None]]:
    return [(machine.override(vf), machine.driver(vf)) for vf in machine.vfs()]


def add_c62x(machine: Machine, *, autoprobe: bool, overrides: list[str | None]) -> None:
    """Give a machine a C62x with four VFs, which an operator's settings and autoprobe bound."""
    machine.add_module(C62X.module, C62X.vf_module)
    machine.add_driver(NATIVE, C62X.vf_module)
    machine.add_driver(GUESTS)
    vf_driver = NATIVE if autoprobe else None
    machine.add_pf(total=4, vfs=4, autoprobe=autoprobe, vf_driver=vf_driver)
    reserve(machine, overrides)


@pytest.mark.parametrize(
    "tasks",
    [
        pytest.param([GONE], id="made anew by absent"),
        pytest.param([GONE, {"autoprobe": False}], id="made anew before"),
        pytest.param([GONE, {}, {"persistent": False}], id="made anew long before"),
        pytest.param([GONE, {"autoprobe": True}], id="made anew before with drivers"),
        pytest.param([{"host_vfs": 4}, {"host_vfs": 0}], id="kept and given back"),
    ],
)
@pytest.mark.parametrize("overrides", [[], [None, GUESTS, NATIVE], [NATIVE, GUESTS]])
@pytest.mark.parametrize("autoprobe", [False, True])
def test_vfs_get_back_what_they_had(
    machine: Machine,
    running: RunningHost,
    overrides: list[str | None],
    tasks: list[dict[str, t.Any]],
    *,
    autoprobe: bool,
) -> None:
    add_c62x(machine, autoprobe=autoprobe, overrides=overrides)
    before = there(machine)
    for options in tasks:
        perform(running, **{**options, "force": True})
    check_then_perform(machine, running, state="absent", force=True)
    assert there(machine) == before
    assert not check_then_perform(machine, running, state="absent")["changed"]


def test_a_driver_that_comes_back_is_loaded(machine: Machine, running: RunningHost) -> None:
    add_c62x(machine, autoprobe=True, overrides=[None, GUESTS])
    before = bound(machine)
    perform(running, **GONE)
    # As after a boot at which nothing needed it; udev would load it a moment later.
    shutil.rmtree(machine.at(f"/sys/bus/pci/drivers/{NATIVE}"))
    running.prompt_udev = False
    check_then_perform(machine, running, state="absent", force=True)
    assert running.commands == [("modprobe", C62X.vf_module)]
    assert bound(machine) == before


def test_what_others_made_of_new_vfs_stays(machine: Machine, running: RunningHost) -> None:
    add_c62x(machine, autoprobe=False, overrides=[])
    perform(running, **GONE)
    perform(running)
    reserve(machine, [None, GUESTS, NATIVE])
    there_now = bound(machine)
    check_then_perform(machine, running, state="absent", force=True)
    assert bound(machine) == there_now


def test_a_vf_that_is_reserved_without_its_driver(machine: Machine, running: RunningHost) -> None:
    add_c62x(machine, autoprobe=False, overrides=[NATIVE])
    machine.play(f"/sys/bus/pci/drivers/{NATIVE}/unbind", machine.vfs()[0])
    before = bound(machine)
    for options in ({"host_vfs": 0}, {"host_vfs": 1}, {"state": "absent"}, {"state": "absent"}):
        check_then_perform(machine, running, force=True, **options)
    assert bound(machine) == before


# -- any tasks on any machine ----------------------------------------------------------------

PAIRS = st.lists(st.sampled_from(["sym", "asym", "dc"]), min_size=1, max_size=2, unique=True)
TASKS = st.fixed_dictionaries(
    {
        "num_vfs": st.sampled_from([0, 3, "max"]),
        "autoprobe": st.booleans(),
        "persistent": st.booleans(),
    },
)
GEN4_TASKS = st.tuples(
    TASKS,
    st.fixed_dictionaries({}, optional={"services": PAIRS, "auto_reset": st.booleans()}),
).map(lambda parts: {**parts[0], **parts[1]})
FOUND_RULES = st.sampled_from([None, FOUND_RULE])


def go_and_come_back(machine: Machine, tasks: list[dict[str, t.Any]]) -> None:
    """Do tasks, each after a check run and without a change at once after it; then go back."""
    running = RunningHost(machine)
    before = there(machine)
    for options in tasks:
        check_then_perform(machine, running, force=True, **options)
        again = check_then_perform(machine, running, force=True, **options)
        assert (again["changed"], again["diff"]) == (False, [])
    back = check_then_perform(machine, running, force=True, state="absent")
    assert there(machine) == before
    assert back["warnings"] == []
    again = check_then_perform(machine, running, force=True, state="absent")
    assert (again["changed"], again["diff"]) == (False, [])


OVERRIDES = st.lists(st.sampled_from([None, NATIVE, GUESTS]), max_size=4)


@settings(max_examples=20)
@given(
    number=st.sampled_from([0, 2, 5]),
    autoprobe=st.booleans(),
    services=PAIRS,
    resets=st.sampled_from([None, False, True]),
    found_rule=FOUND_RULES,
    tasks=st.lists(GEN4_TASKS, min_size=1, max_size=3),
)
def test_any_tasks_on_generation_4_and_back(
    number: int,
    services: list[str],
    found_rule: bytes | None,
    tasks: list[dict[str, t.Any]],
    *,
    autoprobe: bool,
    resets: bool | None,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder) / "root")
        machine.add_pf("4xxx", total=5, vfs=number, autoprobe=autoprobe, out_of_tree=True)
        machine.add_services(services=join_services(services), resets=resets)
        if found_rule is not None:
            machine.write(RULE_PATH, found_rule)
        if resets is None:
            tasks = [{**options, "auto_reset": None} for options in tasks]
        go_and_come_back(machine, tasks)


@settings(max_examples=60)
@given(
    number=st.sampled_from([0, 4]),
    autoprobe=st.booleans(),
    overrides=OVERRIDES,
    found_rule=FOUND_RULES,
    tasks=st.lists(st.tuples(TASKS, st.integers(0, 3)), min_size=1, max_size=3),
)
def test_any_tasks_on_a_c62x_and_back(
    number: int,
    overrides: list[str | None],
    found_rule: bytes | None,
    tasks: list[tuple[dict[str, t.Any], int]],
    *,
    autoprobe: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder) / "root")
        add_c62x(machine, autoprobe=autoprobe, overrides=overrides)
        if not number:
            machine.play(COUNT, "0")
        if found_rule is not None:
            machine.write(RULE_PATH, found_rule)
        done = [
            {**options, "host_vfs": min(host_vfs, 0 if options["num_vfs"] == 0 else 3)}
            for options, host_vfs in tasks
        ]
        go_and_come_back(machine, done)
