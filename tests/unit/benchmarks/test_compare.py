# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each benchmark divides by what."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.benchmarks import (
    binding,
    fleet,
    growth,
    payload,
    peers,
    role,
    start,
    unchanged,
)
from ansible_collections.hwaccel.virt.tests.benchmarks.clock import Cost

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.benchmarks.figures import Outcome

ROUND = {"module": 2.0, "ping": 1.0, "refused": 1.5, "driverctl": 4.0, "shell": 1.0, "python": 0.1}


def medians(outcome: Outcome) -> dict[tuple[str, str], float]:
    return {(figure.name, figure.at): figure.ratio.median for figure in outcome.figures}


def goals(outcome: Outcome) -> dict[tuple[str, str], float]:
    found = ((figure, figure.goal) for figure in outcome.figures)
    return {(figure.name, figure.at): goal for figure, goal in found if goal is not None}


def orders(outcome: Outcome) -> dict[tuple[str, str], float]:
    return {(order.name, order.at): order.value.median for order in outcome.orders}


def test_binding() -> None:
    outcome = binding.compare({8: [ROUND] * 4, 32: [{"ping": 1.0, "driverctl": 8.0}]})
    assert medians(outcome) == {
        ("binding by the module / driverctl", "8 VFs"): 0.5,
        ("binding by the module / shell loop", "8 VFs"): 2,
        ("the same without what an empty module costs / driverctl", "8 VFs"): 0.25,
        ("the same without what an empty module costs / shell loop", "8 VFs"): 1,
        ("the same without start, imports and options / driverctl", "8 VFs"): 0.125,
        ("the same without start, imports and options / shell loop", "8 VFs"): 0.5,
        ("an empty module (ping) / driverctl", "8 VFs"): 0.25,
        ("an empty module (ping) / shell loop", "8 VFs"): 1,
        # What was not measured has no figure.
        ("an empty module (ping) / driverctl", "32 VFs"): 0.125,
    }
    assert goals(outcome) == {
        ("binding by the module / driverctl", "8 VFs"): 0.25,
        ("binding by the module / shell loop", "8 VFs"): 1.5,
    }
    assert orders(outcome)["on the host: driverctl, ms", "32 VFs"] == 8000


def test_unchanged() -> None:
    pairs = {"vfio_passthrough": [(1.2, 1.0)] * 3, "qat_sriov": [(4.0, 2.0)]}
    outcome = unchanged.compare({8: pairs, 32: {"vfio_passthrough": [(3.0, 1.0)]}})
    assert medians(outcome) == {
        ("unchanged vfio_passthrough / ping", "8 VFs"): 1.2,
        ("unchanged qat_sriov / ping", "8 VFs"): 2,
        ("unchanged vfio_passthrough / ping", "32 VFs"): 3,
    }
    assert sorted(goals(outcome).values()) == [1.25, 1.5]
    assert orders(outcome)["task ping, ms", "8 VFs"] == 1000


def test_role() -> None:
    outcome = role.compare(12, [(6.0, 5.0), (13.0, 10.0)])
    assert [figure.ratio.median for figure in outcome.figures] == [1.25, 12]
    assert [figure.goal for figure in outcome.figures] == [1.3, 15]
    (play,) = role.pings(12)
    assert len(play["tasks"]) == 12


def test_peers() -> None:
    assert list(medians(peers.compare([1.0, 2.0], [4.0, 8.0])).values()) == [0.25]


def test_payload() -> None:
    outcome = payload.compare({"qat_sriov": 3072}, 2048)
    assert medians(outcome) == {("payload of qat_sriov / file", "1 task"): 1.5}
    assert list(goals(outcome).values()) == [1.3]
    assert orders(outcome) == {
        ("payload of file, KiB", "1 task"): 2,
        ("payload of qat_sriov, KiB", "1 task"): 3,
    }


def test_growth_is_from_the_smallest_host_on() -> None:
    costs = {("m", size): [Cost(size / 16, 1024 * size)] for size in (16, 128, 1024)}
    outcome = growth.compare(costs)
    assert medians(outcome) == {
        ("CPU time of m / 16 functions", "128 functions"): 8,
        ("peak memory of m / 16 functions", "128 functions"): 8,
        ("CPU time of m / 16 functions", "1024 functions"): 64,
        ("peak memory of m / 16 functions", "1024 functions"): 64,
    }
    assert goals(outcome) == {("CPU time of m / 16 functions", "1024 functions"): 3}
    assert orders(outcome)["m, peak MiB", "16 functions"] == 16


def test_fleet_is_by_host() -> None:
    outcome = fleet.compare({1: [2.0], 10: [10.0], 100: [110.0]})
    assert medians(outcome) == {
        ("controller CPU per host / 10 hosts", "1 hosts"): 2,
        ("controller CPU per host / 10 hosts", "100 hosts"): 1.1,
    }
    assert list(goals(outcome).values()) == [1.2]
    assert orders(outcome)["controller CPU per host, ms", "100 hosts"] == 1100


def test_start() -> None:
    parts = {"ansible": 0.2, "collection": 0.4, "dataclasses": 0.1, "expressions": 0.0}
    found = start.Profile(
        1.0, 0.5, 1.0, parts, {"ansible": 100, "collection": 80, "dataclasses": 43}
    )
    outcome = start.compare([found, found._replace(whole=2.0, all=2.0, ping=1.0)])
    at = "16 functions"
    assert medians(outcome) == {
        ("an empty module (ping) / vfio_passthrough", at): 0.5,
        ("compiling Ansible's own part, 100 times / vfio_passthrough", at): pytest.approx(0.15),
        ("compiling the collection's part, 80 times / vfio_passthrough", at): pytest.approx(0.3),
        ("making dataclasses, 43 times / vfio_passthrough", at): pytest.approx(0.075),
        ("compiling regular expressions / vfio_passthrough", at): 0,
    }
    assert goals(outcome) == {}
    assert orders(outcome) == {("vfio_passthrough in all, CPU ms", at): 1500}
