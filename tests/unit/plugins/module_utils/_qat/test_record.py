# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back: what was found first is remembered, and state absent brings exactly that."""

from __future__ import annotations

import errno
import json
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.sriov_runs import (
    AUTOPROBE,
    COUNT,
    RULE_PATH,
    failure,
    perform,
    record,
    rule,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost


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
    }
    assert record(machine)["set"]["num_vfs"] == 16
    running.answers = {}
    perform(running, state="absent")
    assert machine.read(AUTOPROBE) == "1\n"
