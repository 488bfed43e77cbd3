# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module qatlib_service as Ansible calls it."""

from __future__ import annotations

import importlib
import json
import os
import typing as t

import pytest
import yaml
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF, RunningHost
from ansible_collections.hwaccel.virt.tests.unit.plugins.qatlib_runs import (
    DROP_IN,
    ENVIRONMENT,
    GID,
    LIMITS,
    MASK,
    MODULE,
    OTHER_GID,
    RELOADS,
    RULES,
    UNDO,
    QatlibHost,
    QatlibTasks,
    add_pf,
    add_qatlib,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import MODULES

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

SECOND, THIRD = "0000:03:00.0", "0000:05:00.0"
LATER = sorted(name for name, row in FAMILIES.items() if row.has_services)
WORDS = ["all", "qat", "gen1", "family"]
EARLIER = sorted(name for name, row in FAMILIES.items() if not row.has_services)


@pytest.fixture
def tasks(machine: Machine, run_module: ModuleRunner) -> QatlibTasks:
    """Tasks on a tree."""
    return QatlibTasks(machine, run_module)


@pytest.fixture
def host(machine: Machine) -> QatlibHost:
    return QatlibHost(machine)


@pytest.fixture
def live(machine: Machine, run_module: ModuleRunner, host: QatlibHost) -> QatlibTasks:
    """Tasks on a running host with qatlib."""
    add_qatlib(machine)
    return QatlibTasks(machine, run_module, host)


def test_the_examples_run(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    module = importlib.import_module(f"{MODULES}.{MODULE}")
    told = [task.get(f"hwaccel.virt.{MODULE}") for task in yaml.safe_load(module.EXAMPLES)]
    results = [tasks(**options) for options in told if options]
    assert [result["changed"] for result in results] == [True, True]
    assert [len(result["vfs"]) for result in results] == [4, 0]


# -- what is written -------------------------------------------------------------------------


@pytest.mark.parametrize("family", LATER)
def test_some_vfs_of_every_family_and_the_way_back(tasks: QatlibTasks, family: str) -> None:
    vfs = add_pf(tasks.machine, family)
    add_qatlib(tasks.machine)
    before = tasks.machine.files()
    result = tasks(devices=["all"], vfs="4", policy=2)
    assert result["vfs"] == vfs[:4]
    (device,) = result["devices"]
    assert device == {
        "address": PF,
        "id": str(FAMILIES[family].pf_id),
        "family": family,
        "vfs": [{"address": vf, "ready": False} for vf in vfs[:4]],
        "skipped": False,
    }
    assert result["files"] == [LIMITS, DROP_IN, RULES, MASK]
    assert (result["unit"], result["environment_file"]) == ("qat.service", ENVIRONMENT)
    assert (result["policy"], result["restart_required"]) == ("2", True)
    assert result["pending_commands"] == RELOADS
    assert (result["pending_writes"], result["warnings"], result["given_back"]) == ([], [], [])
    assert tasks.machine.read(LIMITS).splitlines()[1:] == ["@qat - memlock 500000"]
    assert tasks.machine.read(ENVIRONMENT) == "POLICY=2\n"
    headers = [entry["after_header"] for entry in result["diff"]]
    assert headers == [DROP_IN, RULES, MASK, LIMITS, ENVIRONMENT]
    result = tasks(state="absent")
    assert tasks.machine.files() == before
    assert (result["files"], result["vfs"], result["policy"]) == ([], [], None)
    assert result["given_back"] == vfs[:4]
    assert result["restart_required"] is False
    assert result["pending_commands"] == RELOADS
    assert result["warnings"] == []


def test_the_service_makes_no_vfs_and_does_not_run_as_root(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    tasks(devices=["all"])
    lines = tasks.machine.read(DROP_IN).splitlines()
    assert lines.index("ExecStartPre=") < lines.index("ExecStartPre=-udevadm settle --timeout=60")
    assert {"DynamicUser=yes", "User=qatmgr", "Group=qat"} < set(lines)
    assert "qat_init" not in tasks.machine.read(DROP_IN)


def test_all_vfs_are_for_guests(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    result = tasks()
    assert (result["files"], result["vfs"], result["devices"]) == ([DROP_IN, MASK], [], [])
    assert result["pending_commands"] == RELOADS


def test_vfs_that_are_not_made_yet(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine, vfs=0)
    result = tasks(devices=[PF], vfs="2")
    assert result["vfs"] == ["0000:01:01.0", "0000:01:01.1"]
    tasks.machine.make_vfs(PF, 16)
    assert tasks.machine.vfs()[:2] == result["vfs"]
    assert tasks(devices=[PF], vfs="2")["changed"] is False


def test_fewer_and_other_vfs(tasks: QatlibTasks) -> None:
    one, other = add_pf(tasks.machine), add_pf(tasks.machine, "420xx", SECOND)
    tasks(devices=["gen4", "gen5"])
    result = tasks(devices=["gen5"], vfs=" 3 ")
    assert result["vfs"] == other[:3]
    assert result["given_back"] == sorted(one + other[3:])
    result = tasks()
    assert (result["vfs"], result["given_back"], result["files"]) == (
        [],
        other[:3],
        [DROP_IN, MASK],
    )


@pytest.mark.parametrize(
    ("memlock", "line"),
    [("Unlimited", "@qat - memlock unlimited"), ("064000", "@qat - memlock 64000"), ("0", None)],
)
def test_the_limit(tasks: QatlibTasks, memlock: str, line: str | None) -> None:
    add_pf(tasks.machine)
    result = tasks(devices=["qat"], memlock=memlock)
    assert (LIMITS in result["files"]) == (line is not None)
    if line is not None:
        assert tasks.machine.read(LIMITS).splitlines()[1:] == [line]


def test_services_in_the_environment_have_no_effect(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    tasks.machine.write(ENVIRONMENT, "ServicesEnabled=sym;asym\n")
    (warning,) = tasks(devices=["all"])["warnings"]
    assert warning.startswith(f"{ENVIRONMENT}: ServicesEnabled=sym;asym has no effect")
    assert tasks(state="absent")["warnings"] == []


def test_a_rule_of_the_package_that_gives_all_away_is_masked(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    assert MASK in tasks(devices=["all"])["files"]
    assert "stands in for the rule of qatlib" in tasks.machine.read(MASK)
    tasks(state="absent")
    assert not tasks.machine.host.exists(MASK)


def test_an_operators_own_mask_stays(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    tasks.machine.write(MASK, "# mine\n")
    assert MASK not in tasks(devices=["all"])["files"]
    tasks(state="absent")
    assert tasks.machine.read(MASK) == "# mine\n"


# -- which PFs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "word"),
    [*((family, "address") for family in EARLIER), *(("c62x", word) for word in WORDS)],
)
def test_earlier_generations_are_refused(tasks: QatlibTasks, family: str, word: str) -> None:
    tasks.machine.add_pf(family, vfs=4)
    entry = {"family": family, "address": PF}.get(word, word)
    told = tasks.refusal(devices=[entry])
    assert f"{PF}: qatlib does not support {family} (generation " in told
    assert "it is for generation 4 and later" in told


@pytest.mark.parametrize("word", ["all", "qat", "gen1"])
def test_words_that_mean_nothing_here_may_be_fine(tasks: QatlibTasks, word: str) -> None:
    tasks.machine.add_pf("c62x", vfs=4)
    result = tasks(devices=[word], missing_ok=True)
    assert (result["devices"], result["files"]) == ([], [DROP_IN, MASK])
    assert "qatlib does not support" in tasks.refusal(devices=["c62x"], missing_ok=True)


def test_words_mean_what_qatlib_can_use(tasks: QatlibTasks) -> None:
    tasks.machine.add_pf("c62x", vfs=4)
    vfs = [*add_pf(tasks.machine, "402xx", SECOND), *add_pf(tasks.machine, "6xxx", THIRD)]
    assert tasks(devices=["all"])["vfs"] == vfs
    assert "option devices: gen1: " in tasks.refusal(devices=["all", "gen1"])
    assert tasks.refusal(devices=["all", "c62x"]).startswith(f"{PF}: qatlib does not support c62x")
    assert "no QAT PF on this host matches" in tasks.refusal(devices=["all", "4xxx"])
    assert tasks(devices=["all", "4xxx", "gen1"], missing_ok=True)["changed"] is False


def test_whole_cards_of_guests(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine, driver="vfio-pci", vfs=0)
    vfs = add_pf(tasks.machine, address=SECOND)
    result = tasks(devices=["gen4"], vfs="1")
    assert [(each["address"], each["skipped"]) for each in result["devices"]] == [
        (PF, True),
        (SECOND, False),
    ]
    assert result["devices"][0]["vfs"] == []
    assert result["vfs"] == vfs[:1]
    told = tasks.refusal(devices=[PF])
    assert told.startswith(f"{PF} is on vfio-pci, so that a guest has the whole card")


def test_a_pf_without_vfs(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine, vfs=0, total=None)
    assert tasks.refusal(devices=["all"]).startswith(f"{PF}: no SR-IOV capability")
    tasks.machine.write(f"{tasks.machine.device(PF)}/sriov_totalvfs", "0\n")
    assert tasks.refusal(devices=[PF]).startswith(f"{PF}: no SR-IOV capability")


def test_more_vfs_than_there_can_be(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    assert tasks.refusal(devices=["all"], vfs="17") == (
        f"option vfs: 17 is above the 16 VFs that {PF} can have (sriov_totalvfs); use all or 1 to "
        "16"
    )
    assert len(tasks(devices=["all"], vfs="16")["vfs"]) == 16


def test_vfs_whose_place_is_not_known(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine, vfs=0)
    tasks.machine.write(f"{tasks.machine.device(PF)}/config", b"\x86\x80\x40\x49")
    assert "where its VFs will be cannot be told" in tasks.refusal(devices=["all"], vfs="2")


@pytest.mark.parametrize("pid", [None, 77])
def test_what_a_guest_has_is_refused(tasks: QatlibTasks, pid: int | None) -> None:
    vfs = add_pf(tasks.machine)
    tasks.machine.add_domain("one", vfs[2], pid=pid)
    told = tasks.refusal(devices=["all"])
    assert told.startswith(f"{vfs[2]} belongs to domain one")
    assert tasks(devices=["all"], vfs="2")["vfs"] == vfs[:2]


def test_a_group_with_a_vf_of_a_guest(tasks: QatlibTasks) -> None:
    vfs = add_pf(tasks.machine)
    (tasks.machine.at(tasks.machine.device(vfs[2])) / "iommu_group").unlink()
    group = tasks.machine.group(vfs[1])
    tasks.machine.link(
        f"{tasks.machine.at(tasks.machine.device(vfs[2])).relative_to(tasks.machine.root)}"
        "/iommu_group",
        f"sys/kernel/iommu_groups/{group}",
    )
    told = tasks.refusal(devices=["all"], vfs="2")
    assert told.startswith(f"{vfs[1]}: {vfs[2]} is in its IOMMU group and is not chosen")
    assert tasks(devices=["all"], vfs="3")["vfs"] == vfs[:3]


def test_a_policy_that_the_vfs_cannot_meet(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    told = tasks.refusal(devices=["all"], vfs="2", policy=3)
    assert told.startswith("option policy: 3 is not accepted, use at most 2, the number of VFs")
    tasks(devices=["all"], vfs="2", policy=2)
    tasks(devices=["all"], vfs="2", policy=0)
    # Without VFs there is nothing that it could be too much for.
    tasks(policy=3)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"devices": ["c6xx"]}, "option devices: 'c6xx' is not accepted"),
        ({"devices": ["0000:09:00.0"]}, "0000:09:00.0: no PCI function at this address"),
        ({"devices": [{"address": PF, "id": "8086:37c8"}]}, f"{PF}: 8086:4940 sits at this"),
        ({"vfs": "0"}, "option vfs: '0' is not accepted, use all or a whole number from 1 on"),
        ({"vfs": "-1"}, "option vfs: '-1' is not accepted"),
        ({"vfs": "²"}, "option vfs: '²' is not accepted"),
        ({"vfs": "9" * 5000}, "is not accepted"),
        ({"policy": 513}, "option policy: 513 is not accepted, use a whole number from 0 to 512"),
        ({"policy": -1}, "option policy: -1 is not accepted"),
        ({"memlock": "1G"}, "option memlock: '1G' is not accepted, use a number of KiB, unlimited"),
        ({"memlock": "-1"}, "option memlock: '-1' is not accepted"),
        ({"state": "away"}, "value of state must be one of: present, absent"),
    ],
)
def test_what_cannot_be_right(tasks: QatlibTasks, options: dict[str, t.Any], told: str) -> None:
    add_pf(tasks.machine)
    assert told in tasks.refusal(**options)


# -- the policy ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"# only this",
        b"A=1\n",
        b"A=1",
        b"A=1\r\nB=2\r\n",
        b"A=1\r\nB=2",
        b"A=\xff\r",
        b'POLICY=1\nA=1\n  POLICY = "0" \r\n# end',
        b"#POLICY=3\nPOLICY=2",
    ],
)
def test_the_settings_come_back_to_the_byte(tasks: QatlibTasks, before: bytes) -> None:
    add_pf(tasks.machine)
    tasks.machine.write(ENVIRONMENT, before)
    result = tasks(devices=["all"], policy=2)
    assert result["policy"] == "2"
    # A later task that leaves it alone changes nothing of that.
    assert tasks(devices=["all"])["policy"] == "2"
    assert tasks(devices=["all"], policy=3)["policy"] == "3"
    tasks(state="absent")
    assert tasks.machine.at(ENVIRONMENT).read_bytes() == before


def test_what_others_have_set_since_stays(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    tasks.machine.write(ENVIRONMENT, "POLICY=1\n")
    tasks(devices=["all"], policy=2)
    tasks.machine.write(ENVIRONMENT, "POLICY=5\n# mine\n")
    tasks(state="absent")
    assert tasks.machine.read(ENVIRONMENT) == "POLICY=5\n# mine\n"
    # What was found before the first task counts, whatever was set between two.
    tasks(devices=["all"], policy=2)
    tasks.machine.write(ENVIRONMENT, "POLICY=6\n# mine\n")
    tasks(devices=["all"], policy=3)
    tasks(state="absent")
    assert tasks.machine.read(ENVIRONMENT) == "POLICY=5\n# mine\n"


def test_a_file_of_ours_that_others_write_too_stays(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    tasks(devices=["all"], policy=2)
    tasks.machine.write(ENVIRONMENT, "POLICY=2\nVFIO_DRIVER=vfio-pci\n")
    tasks(state="absent")
    assert tasks.machine.read(ENVIRONMENT) == "VFIO_DRIVER=vfio-pci\n"


def test_no_policy_was_ever_set(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    tasks.machine.write(ENVIRONMENT, "POLICY=1\n")
    tasks(devices=["all"])
    tasks(state="absent")
    assert tasks.machine.read(ENVIRONMENT) == "POLICY=1\n"


# -- the way back ----------------------------------------------------------------------------


def test_without_a_record(tasks: QatlibTasks) -> None:
    vfs = add_pf(tasks.machine)
    tasks(devices=["all"], vfs="1", policy=1)
    tasks.machine.at(UNDO).unlink()
    result = tasks(state="absent")
    assert result["warnings"] == [
        f"{UNDO}: no record of qatlib_service; its own files go, nothing else changes"
    ]
    assert (result["files"], result["given_back"]) == ([], vfs[:1])
    assert tasks.machine.read(ENVIRONMENT) == "POLICY=1\n"
    result = tasks(state="absent")
    assert (result["changed"], result["warnings"]) == (False, [])


def bind_with_record(tasks: QatlibTasks, *vfs: str) -> None:
    """Have VFs on VFIO as a task of vfio_passthrough has them."""
    tasks.machine.add_vfio()
    told = {"devices": list(vfs), "persistent": False}
    tasks.run_module("vfio_passthrough", told, running=RunningHost(tasks.machine))


def test_vfs_of_all_runs_before_are_given_back(tasks: QatlibTasks) -> None:
    vfs = add_pf(tasks.machine)
    tasks(devices=["all"], vfs="4")
    bind_with_record(tasks, *vfs[:3])
    assert tasks(devices=["all"], vfs="1")["given_back"] == vfs[1:4]
    # Only what the last run had chosen: what went before stays where it is.
    assert tasks()["given_back"] == vfs[:1]
    tasks.machine.add_domain("one", vfs[1])
    # The fourth is on no VFIO driver, and the second is a guest's by now.
    assert tasks(state="absent")["given_back"] == [vfs[0], vfs[2]]
    assert tasks(state="absent")["given_back"] == []


def test_another_card_where_a_vf_was_is_not_given_back(tasks: QatlibTasks) -> None:
    vfs = add_pf(tasks.machine)
    tasks(devices=["all"], vfs="2")
    bind_with_record(tasks, *vfs[:2])
    tasks()
    tasks.machine.write(f"{tasks.machine.device(vfs[0])}/device", "0x1521\n")
    assert tasks(state="absent")["given_back"] == vfs[1:2]


def test_whether_something_stands(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    assert tasks(state="absent")["standing"] is False
    assert tasks(devices=["all"])["standing"] is False
    assert tasks(devices=["all"])["standing"] is True
    assert tasks.run(state="absent", check=True)["standing"] is True
    tasks.machine.at(UNDO).unlink()
    assert tasks(state="absent")["standing"] is True
    # A task that was cut off before its files leaves a record alone.
    tasks(devices=["all"])
    for path in (LIMITS, DROP_IN, RULES, MASK):
        tasks.machine.at(path).unlink()
    assert tasks(state="absent")["standing"] is True
    assert tasks(state="absent")["standing"] is False


def test_a_card_that_is_gone_can_be_taken_back(tasks: QatlibTasks) -> None:
    add_pf(tasks.machine)
    before = tasks.machine.files()
    tasks(devices=[PF])
    tasks(devices=["0000:09:00.0"], state="absent")
    assert tasks.machine.files() == before


@pytest.mark.parametrize(
    "entry",
    [
        {"found": {"policy": None}, "set": {"policy": None}},
        {"found": {"line": 1, "file": True}, "set": {"policy": None}},
        {"found": {"line": None, "file": True}, "set": {"policy": 2}},
        {"found": {"line": None, "file": True}, "set": {"policy": None, "vfs": "all"}},
    ],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_record_of_others(tasks: QatlibTasks, entry: dict[str, t.Any], state: str) -> None:
    document = {"version": 1, "modules": {"qatlib_service": {"qat.service": entry}}}
    tasks.machine.write(UNDO, json.dumps(document))
    assert "not as this release writes it" in tasks.refusal(state=state)


# -- a running host --------------------------------------------------------------------------


def test_nodes_are_given_and_taken(live: QatlibTasks, host: QatlibHost) -> None:
    vfs = add_pf(live.machine, vfs=6)
    host.bind(*vfs[:5])
    # What qat_init had given before, and what a guest's process has.
    host.bind(vfs[2], vfs[0], gid=GID)
    host.bind(vfs[3], gid=OTHER_GID)
    before = live.machine.files()
    result = live(devices=["all"], vfs="2")
    assert [host.open_to(vf) for vf in vfs] == [GID, GID, 0, OTHER_GID, 0, 0]
    assert [vf["ready"] for vf in result["devices"][0]["vfs"]] == [True, True]
    node, taken = host.node(vfs[1]), host.node(vfs[2])
    assert [list(command) for command in host.commands] == [
        *RELOADS,
        ["udevadm", "trigger", "--action=change", "--settle", f"/sys/class/vfio/{node[10:]}"],
        ["chgrp", "root", taken],
        ["chmod", "g-rw", taken],
    ]
    effects = [entry for entry in result["diff"] if entry["after_header"] in (node, taken)]
    assert [(entry["before"], entry["after"]) for entry in effects] == [
        ("group: root\n", "group: qat\n"),
        ("group: qat\n", "group: root\n"),
    ]
    assert result["restart_required"] is True
    host.commands.clear()
    live(state="absent")
    assert [host.open_to(vf) for vf in vfs] == [0, 0, 0, OTHER_GID, 0, 0]
    assert host.modes[-2:] == [("g-rw", host.node(vf)) for vf in vfs[:2]]
    assert live.machine.files() == before
    # Its package may give them to all again, which is none of our business any more.
    host.bind(*vfs, gid=GID)
    assert live(state="absent")["changed"] is False


def test_a_vf_for_each_line_of_the_rules(live: QatlibTasks, host: QatlibHost) -> None:
    vfs = add_pf(live.machine)
    live(devices=["all"], vfs="3")
    assert len(live.machine.read(RULES).splitlines()) == 4
    assert "|" not in live.machine.read(RULES)
    # As at boot, when the nodes come after the rules.
    host.bind(*vfs)
    assert [host.open_to(vf) for vf in vfs] == [GID] * 3 + [0] * 13
    assert live(devices=["all"], vfs="3")["changed"] is False


def test_another_card_at_the_address_is_not_given_away(live: QatlibTasks, host: QatlibHost) -> None:
    vfs = add_pf(live.machine)
    live(devices=["all"], vfs="3")
    live.machine.at(f"{live.machine.device(PF)}/qat/state").unlink()
    live.machine.at(f"{live.machine.device(PF)}/qat/cfg_services").unlink()
    live.machine.at(f"{live.machine.device(PF)}/qat/auto_reset").unlink()
    live.machine.at(f"{live.machine.device(PF)}/qat").rmdir()
    host.bind(*vfs)
    assert {host.open_to(vf) for vf in vfs} == {0}


def test_before_the_package_is_there(
    machine: Machine, run_module: ModuleRunner, host: QatlibHost
) -> None:
    vfs = add_pf(machine)
    host.bind(*vfs)
    live = QatlibTasks(machine, run_module, host)
    result = live(devices=["all"], vfs="1")
    assert result["files"] == [LIMITS, DROP_IN, RULES, MASK]
    assert result["service"] == {"installed": False, "enabled": False, "running": False}
    assert result["devices"][0]["vfs"] == [{"address": vfs[0], "ready": False}]
    assert [list(command) for command in host.commands] == RELOADS
    assert host.groups == {}
    # udev knows the group only once it has read the rules again.
    add_qatlib(machine)
    result = live(devices=["all"], vfs="1")
    assert result["changed"]
    assert host.open_to(vfs[0]) == GID


def test_restart_is_required_until_it_was_done(live: QatlibTasks, host: QatlibHost) -> None:
    vfs = add_pf(live.machine)
    host.bind(*vfs)
    host.start(later=-60)
    assert live(devices=["all"])["restart_required"] is True
    # Whoever was to restart it did not.
    assert live(devices=["all"])["restart_required"] is True
    host.start()
    assert live(devices=["all"])["restart_required"] is False
    # The limit is for sessions of users, not for the service.
    assert live(devices=["all"], memlock="0")["restart_required"] is False
    assert live(devices=["all"], vfs="1")["restart_required"] is True
    now = live.machine.at(RULES).stat().st_mtime
    for path in (DROP_IN, RULES, MASK):
        os.utime(live.machine.at(path), (now - 60, now - 60))
    host.started = now - 50
    assert live(devices=["all"], vfs="1")["restart_required"] is False
    live.machine.write(ENVIRONMENT, "POLICY=1\n")
    os.utime(live.machine.at(ENVIRONMENT), (now - 40, now - 40))
    assert live(devices=["all"], vfs="1")["restart_required"] is True
    # A file from the future is one of a clock that was set back: no start could be new enough.
    os.utime(live.machine.at(ENVIRONMENT), (now + 60, now + 60))
    assert live(devices=["all"], vfs="1")["restart_required"] is False
    os.utime(live.machine.at(ENVIRONMENT), (now - 40, now - 40))
    host.started = None
    assert live(devices=["all"], vfs="1")["restart_required"] is False


def test_a_node_alone_needs_a_restart(live: QatlibTasks, host: QatlibHost) -> None:
    vfs = add_pf(live.machine)
    live(devices=["all"], vfs="1")
    host.start()
    host.bind(*vfs)
    assert live(devices=["all"], vfs="1")["restart_required"] is False
    host.groups[host.node(vfs[0])] = 0
    result = live(devices=["all"], vfs="1")
    assert (result["changed"], result["restart_required"]) == (True, True)


def test_a_rule_of_others_that_comes_last(live: QatlibTasks, host: QatlibHost) -> None:
    vfs = add_pf(live.machine)
    host.bind(*vfs)
    host.last_rule = OTHER_GID
    result = live.run(devices=["all"], vfs="1")
    assert result["failed"]
    node = host.node(vfs[0])
    assert result["msg"] == (
        f"{vfs[0]}: {node} has group {OTHER_GID}, not {GID}: another udev rule sets it after "
        f"{RULES}; see udevadm test /sys/class/vfio/{node[10:]}"
    )
    assert result["vfs"] == vfs[:1]


@pytest.mark.parametrize("command", ["systemctl", "udevadm"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_files_come_back_where_a_command_fails(
    live: QatlibTasks, host: QatlibHost, command: str, state: str
) -> None:
    vfs = add_pf(live.machine)
    host.bind(*vfs)
    if state == "absent":
        live(devices=["all"], policy=1)
    before = live.machine.files()
    host.failing = {command}
    result = live.run(devices=["all"], policy=1, state=state)
    assert result["failed"]
    assert live.machine.files() == before


def test_without_an_iommu_there_are_no_nodes(live: QatlibTasks) -> None:
    vfs = add_pf(live.machine)
    live.machine.bind(vfs[0], "vfio-pci")
    live.machine.at(f"{live.machine.device(vfs[0])}").joinpath("iommu_group").unlink()
    assert live(devices=["all"], vfs="1")["devices"][0]["vfs"][0]["ready"] is False


def test_the_service_as_it_is(live: QatlibTasks) -> None:
    assert live()["service"] == {"installed": True, "enabled": False, "running": False}
    live.machine.add_service("qat.service", enabled=True, running=True)
    assert live()["service"] == {"installed": True, "enabled": True, "running": True}
