# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done about qatlib's service, decided from what was seen."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Command, Effect, FileChange
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.service import QatlibService
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.state import Node, State
from ansible_collections.hwaccel.virt.tests.unit.plugins.qatlib_runs import (
    DROP_IN,
    ENVIRONMENT,
    GID,
    MASK,
    OTHER_GID,
    RULES,
    UNDO,
    QatlibHost,
    add_pf,
    add_qatlib,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Plan
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

VFS = [PciAddress.parse(f"0000:01:01.{number}") for number in range(4)]
RELOAD = ("udevadm", "control", "--reload")


def job(**options: t.Any) -> QatlibService:
    plain = {"devices": ["all"], "vfs": "2", "policy": None, "memlock": "0", "state": "present"}
    return QatlibService({**plain, "missing_ok": False, **options})


@pytest.fixture
def host(machine: Machine) -> QatlibHost:
    add_qatlib(machine)
    add_pf(machine)
    return QatlibHost(machine)


@pytest.fixture
def settled(host: QatlibHost) -> State:
    """Return what is seen once the first two VFs are the host's, without nodes."""
    work = job()
    work.plan(work.observe(host)).apply(host)
    host.commands.clear()
    return work.observe(host)


def with_groups(state: State, *gids: int | None) -> State:
    """Return the state with nodes that belong to groups."""
    nodes = {vf: Node(f"/dev/vfio/{20 + at}", gid) for at, (vf, gid) in enumerate(zip(VFS, gids))}
    return replace(state, nodes=nodes)


def commands(plan: Plan) -> list[tuple[str, ...]]:
    return [change.arguments for change in plan.changes if isinstance(change, Command)]


def files(plan: Plan) -> list[str]:
    return [change.path for change in plan.changes if isinstance(change, FileChange)]


def test_nothing_is_to_do(settled: State) -> None:
    plan = job().plan(with_groups(settled, GID, GID, 0, OTHER_GID))
    assert not plan
    assert (plan.changes, plan.warnings, plan.closing) == ((), (), ())


def test_what_was_found_is_written_down_first(host: QatlibHost) -> None:
    work = job(policy=1)
    state = work.observe(host)
    assert files(work.plan(state)) == [UNDO, DROP_IN, RULES, MASK, ENVIRONMENT]
    # And kept until all of it is taken back.
    work.plan(state).apply(host)
    work = job(state="absent")
    plan = work.plan(work.observe(host))
    # The rules alone tell which nodes we gave away, and go last.
    assert files(plan) == [DROP_IN, MASK, ENVIRONMENT, RULES]
    assert [change.path for change in plan.closing] == [UNDO]


def test_nodes_get_their_groups(settled: State) -> None:
    plan = job().plan(with_groups(settled, 0, OTHER_GID, GID, 0))
    trigger = ("udevadm", "trigger", "--action=change", "--settle")
    assert commands(plan) == [
        RELOAD,
        (*trigger, "/sys/class/vfio/20", "/sys/class/vfio/21"),
        ("chgrp", "root", "/dev/vfio/22"),
        ("chmod", "g-rw", "/dev/vfio/22"),
    ]
    effects = [change for change in plan.changes if isinstance(change, Effect)]
    assert [effect.what for effect in effects] == [f"/dev/vfio/{20 + at}" for at in range(3)]


def test_nodes_that_only_go_back_need_no_udev(settled: State) -> None:
    plan = job().plan(with_groups(settled, GID, GID, GID, 0))
    assert commands(plan) == [("chgrp", "root", "/dev/vfio/22"), ("chmod", "g-rw", "/dev/vfio/22")]


def test_vfs_of_one_group_have_one_node(settled: State) -> None:
    state = with_groups(settled, 0, 0)
    node = state.nodes[VFS[0]]
    plan = job().plan(replace(state, nodes=dict.fromkeys(VFS[:2], node)))
    assert commands(plan)[1][4:] == (node.device,)
    assert len([change for change in plan.changes if isinstance(change, Effect)]) == 1


def test_without_the_group_no_node_is_touched(settled: State) -> None:
    work, state = job(), replace(with_groups(settled, 0, GID, GID, 0), gid=None)
    assert not work.plan(state)
    report = work.report(state, work.predict(state))
    assert [vf["ready"] for vf in report["devices"][0]["vfs"]] == [False, False]


def test_the_way_back_takes_what_was_given(settled: State) -> None:
    state = with_groups(settled, GID, 0, GID, OTHER_GID)
    work = job(state="absent", devices=[])
    assert commands(work.plan(state)) == [
        ("systemctl", "daemon-reload"),
        ("chgrp", "root", "/dev/vfio/20"),
        ("chmod", "g-rw", "/dev/vfio/20"),
        RELOAD,
    ]
    after = work.predict(state)
    assert [node.gid for node in after.nodes.values()] == [0, 0, GID, OTHER_GID]


def test_what_is_foretold_is_all_that_is_wanted(host: QatlibHost) -> None:
    work = job(policy=2)
    before = with_groups(work.observe(host), 0, 0, GID, 0)
    after = work.predict(before)
    assert work.unmet(before, after) is None
    assert not work.plan(replace(after, undo=before.undo))
    assert [node.gid for node in after.nodes.values()] == [GID, GID, 0, 0]
    report = work.report(before, after)
    assert (report["policy"], report["restart_required"]) == ("2", True)


def test_what_was_not_taken(host: QatlibHost) -> None:
    work = job(policy=2)
    before = with_groups(work.observe(host), 0, 0)
    after = work.predict(before)
    there = replace(after, settings=after.settings.with_environment(b"POLICY=3\n"))
    told = work.unmet(before, there)
    assert told == f"{ENVIRONMENT}: not as written: something else writes there"
    told = work.unmet(before, with_groups(after, GID, 0))
    assert told is not None
    assert told.startswith(f"{VFS[1]}: /dev/vfio/21 has group 0, not {GID}: another udev rule")
    # A node that is gone meanwhile is no fault of the rules.
    assert work.unmet(before, replace(after, nodes={})) is None


def test_a_restart_for_what_is_read_at_the_start(settled: State) -> None:
    work = job()
    assert work.report(settled, settled)["restart_required"] is False
    other = replace(settled, settings=settled.settings.with_environment(b"POLICY=1\n"))
    assert work.report(settled, other)["restart_required"] is True
    older = replace(settled, start=replace(settled.start, since=1.0), modified=9.0)
    assert work.report(older, older)["restart_required"] is True
    given = with_groups(settled, 0)
    assert work.report(given, work.predict(given))["restart_required"] is True
    back = job(state="absent")
    assert back.report(older, back.predict(older))["restart_required"] is False
