# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PFs that were moved or pulled: their rule and record go, and no device is touched."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, GEN4, OTHER, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.sriov_runs import (
    RULE_PATH,
    Result,
    check_then_perform,
    perform,
    record,
    refusal,
    rule,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

MOVED = "0000:02:00.0"
NAMED: t.Final = {
    "address": PF,
    "mapping": {"address": PF, "id": str(C62X.pf_id)},
    "family": "c62x",
    "generation": "gen1",
    "id": str(C62X.pf_id),
    "all": "all",
}


@pytest.fixture
def pulled(machine: Machine, running: RunningHost) -> Machine:
    """Return a machine whose PF a task has set up, and which has lost it since."""
    machine.add_pf()
    perform(running)
    machine.remove_vfs(PF)
    machine.remove(PF)
    running.written.clear()
    running.commands.clear()
    return machine


def left(machine: Machine) -> tuple[bool, bool]:
    """Tell whether rule and record are there."""
    return machine.at(RULE_PATH).exists(), machine.at(UNDO_PATH).exists()


def take_back(machine: Machine, running: RunningHost, *devices: object) -> Result:
    """Take something back, by which no device may change."""
    result = check_then_perform(machine, running, devices=list(devices), state="absent")
    assert (running.written, running.commands) == ([], [])
    assert result["gone"] == [PF]
    return result


@pytest.mark.parametrize("name", NAMED)
def test_a_pf_that_was_pulled(pulled: Machine, running: RunningHost, name: str) -> None:
    result = take_back(pulled, running, NAMED[name])
    assert result["changed"]
    assert [entry["before_header"] for entry in result["diff"]] == [RULE_PATH]
    assert (result["devices"], result["warnings"]) == ([], [])
    assert left(pulled) == (False, False)


@pytest.mark.parametrize("name", NAMED)
def test_nobody_remembers_it(pulled: Machine, running: RunningHost, name: str) -> None:
    pulled.at(UNDO_PATH).unlink()
    assert take_back(pulled, running, NAMED[name])["changed"]
    assert left(pulled) == (False, False)


@pytest.mark.parametrize("name", NAMED)
def test_a_record_without_a_rule(pulled: Machine, running: RunningHost, name: str) -> None:
    pulled.at(RULE_PATH).unlink()
    assert not take_back(pulled, running, NAMED[name])["changed"]
    assert left(pulled) == (False, False)


@pytest.mark.parametrize("entry", ["0000:03:00.0", "4xxx", {"address": PF, "id": str(GEN4.pf_id)}])
def test_what_means_another_one_leaves_it(
    pulled: Machine, running: RunningHost, entry: object
) -> None:
    assert "set missing_ok: true" in refusal(pulled.host, devices=[entry], state="absent")
    result = perform(running, devices=[entry], state="absent", missing_ok=True)
    assert (result["gone"], left(pulled)) == ([], (True, True))


@pytest.mark.parametrize("name", ["address", "mapping", "all"])
def test_another_device_has_the_address(pulled: Machine, running: RunningHost, name: str) -> None:
    pulled.add_function(PF, OTHER, driver="igb")
    assert take_back(pulled, running, NAMED[name])["changed"]
    assert left(pulled) == (False, False)
    # Once more, where nothing of ours is about it any more.
    options = {"devices": [NAMED[name]], "missing_ok": True}
    again = check_then_perform(pulled, running, **options, state="absent")
    assert (again["changed"], again["devices"], again["gone"]) == (False, [], [])
    assert pulled.driver(PF) == "igb"


@pytest.mark.parametrize(
    ("name", "told"), [("address", "is no QAT PF"), ("mapping", "sits at this address, not")]
)
def test_a_device_that_was_never_ours_is_named(
    machine: Machine, running: RunningHost, name: str, told: str
) -> None:
    machine.add_function(PF, OTHER, driver="igb")
    assert told in refusal(machine.host, devices=[NAMED[name]], state="absent")
    assert told in refusal(machine.host, devices=[NAMED[name]], missing_ok=True)
    result = perform(running, devices=[NAMED[name]], state="absent", missing_ok=True)
    assert (result["changed"], result["devices"], result["gone"]) == (False, [], [])


@pytest.mark.parametrize("name", ["address", "mapping", "id"])
@pytest.mark.parametrize("driver", ["native", "vfio-pci"])
def test_another_pf_has_the_address(
    pulled: Machine, running: RunningHost, name: str, driver: str
) -> None:
    pulled.add_pf("4xxx", vfs=4, driver=driver, out_of_tree=True)
    assert take_back(pulled, running, NAMED[name])["warnings"] == []
    assert left(pulled) == (False, False)
    assert len(pulled.vfs()) == 4


def test_another_pf_that_is_meant_itself(pulled: Machine, running: RunningHost) -> None:
    pulled.add_pf("4xxx", vfs=4, out_of_tree=True)
    entry = {"address": PF, "id": str(GEN4.pf_id)}
    result = check_then_perform(pulled, running, devices=[entry], state="absent")
    assert (left(pulled), pulled.vfs(), result["gone"]) == ((False, False), [], [])
    assert "no record of what was there before" in str(result["warnings"])


def test_everything_with_another_pf_at_the_address(pulled: Machine, running: RunningHost) -> None:
    pulled.add_pf("4xxx", vfs=4, out_of_tree=True)
    result = check_then_perform(pulled, running, state="absent")
    assert (left(pulled), pulled.vfs()) == ((False, False), [])
    assert [entry["before_header"] for entry in result["diff"]] == ["devices", RULE_PATH]


def test_a_pf_that_was_moved(pulled: Machine, running: RunningHost) -> None:
    pulled.add_pf(address=MOVED, autoprobe=True)
    result = take_back(pulled, running, "all")
    # What has nothing to undo is not warned of.
    assert ([device["address"] for device in result["devices"]], result["warnings"]) == (
        [MOVED],
        [],
    )
    assert left(pulled) == (False, False)


def test_those_that_are_there_come_back_with_it(machine: Machine, running: RunningHost) -> None:
    for address in (PF, MOVED):
        machine.add_pf(address=address)
    perform(running)
    machine.remove_vfs(PF)
    machine.remove(PF)
    check_then_perform(machine, running, devices=[PF], state="absent")
    assert len(machine.vfs(MOVED)) == 16
    assert record(machine, MOVED)
    check_then_perform(machine, running, state="absent")
    assert machine.vfs(MOVED) == []
    assert left(machine) == (False, False)


def test_a_rule_from_before_us_comes_back(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    machine.write(RULE_PATH, "# An operator's.\n")
    perform(running)
    machine.remove_vfs(PF)
    machine.remove(PF)
    running.written.clear()
    running.commands.clear()
    assert take_back(machine, running, "all")["changed"]
    assert machine.read(RULE_PATH) == "# An operator's.\n"
    assert not machine.at(UNDO_PATH).exists()


def test_what_was_given_back_already_leaves_an_operators_rule(
    machine: Machine, running: RunningHost
) -> None:
    entry = {"found": {"id": str(C62X.pf_id), "rule": None}, "set": None}
    document = {"version": 1, "modules": {"qat_sriov": {PF: entry}}}
    machine.write(UNDO_PATH, json.dumps(document))
    machine.write(RULE_PATH, "# An operator's.\n")
    assert not take_back(machine, running, "all")["changed"]
    assert machine.read(RULE_PATH) == "# An operator's.\n"
    assert not machine.at(UNDO_PATH).exists()


def test_present_leaves_it(pulled: Machine, running: RunningHost) -> None:
    assert "no PCI function at this address" in refusal(pulled.host, devices=[PF])
    perform(running, missing_ok=True)
    assert left(pulled) == (True, True)
    assert pulled.at(RULE_PATH).read_bytes() == rule()


def test_a_family_that_this_release_does_not_know(machine: Machine, running: RunningHost) -> None:
    entry = {"found": {"id": "8086:0000", "rule": None}, "set": {}}
    document = {"version": 1, "modules": {"qat_sriov": {PF: entry}}}
    machine.write(UNDO_PATH, json.dumps(document))
    machine.add_pf(FAMILIES["c62x"].name, MOVED)
    check_then_perform(machine, running, state="absent")
    assert machine.at(UNDO_PATH).exists()
    take_back(machine, running, PF)
    assert not machine.at(UNDO_PATH).exists()
