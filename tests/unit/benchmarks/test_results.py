# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read out of a run of a playbook."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.benchmarks import results


def task(name: str, end: str = "2026-01-02T00:00:01Z", **result: t.Any) -> dict[str, t.Any]:
    duration = {"start": "2026-01-02T00:00:00.500000Z", "end": end}
    return {"task": {"name": name, "duration": duration}, "hosts": {"bench": result}}


def run(*tasks: dict[str, t.Any]) -> results.Run:
    return {"plays": [{"tasks": [one]} for one in tasks]}


@pytest.mark.parametrize(
    ("end", "expected"), [("2026-01-02T00:00:01Z", 0.5), ("2026-01-02T00:01:00.750000Z", 60.25)]
)
def test_seconds_of_a_task(end: str, expected: float) -> None:
    assert results.seconds(task("a", end)) == expected


def test_each_task_goes_with_the_ping_right_before_it() -> None:
    tasks = [task("Make the VFs")]
    for second in range(1, 6):
        tasks += [
            task("Ping before a", f"2026-01-02T00:00:{second:02}.500000Z"),
            task("Unchanged a", f"2026-01-02T00:00:{second * 10:02}.500000Z"),
            task("Ping before b"),
            task("Something else"),
            task("Unchanged b"),
        ]
    assert results.against_ping(run(*tasks)) == {"a": [(30, 3), (40, 4), (50, 5)]}


def test_rounds_on_the_host_without_the_first_ones() -> None:
    rounds = [{"shell": float(number)} for number in range(4)]
    printed = task("Bind and give back, again and again", stdout=json.dumps(rounds))
    assert results.on_host(run(task("Other", stdout="x"), printed)) == rounds[2:]


def test_failures_are_named() -> None:
    told = results.failures(
        run(
            task("One", changed=True),
            task("Two", failed=True, msg="non-zero return code", stderr="no such device"),
            task("Three", unreachable=True, msg="timed out"),
        )
    )
    assert told == ["Two: bench: no such device", "Three: bench: timed out"]


def test_tasks_that_ran_and_what_they_changed() -> None:
    told = run(
        task("Gather", changed=False),
        task("Include"),
        task("Not here", skipped=True),
        task("Change", changed=True),
    )
    assert results.tasks_run(told) == 3
    assert results.changes(told) == ["Change"]


def test_durations_of_all_tasks_of_a_name() -> None:
    told = run(task("a"), task("b"), task("a", "2026-01-02T00:00:02.500000Z"))
    assert results.durations(told, "a") == [0.5, 2]
