# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the callback ansible.posix.json tells of a run of a playbook."""

from __future__ import annotations

import datetime as dt
import json
import typing as t

PING = "Ping before "
TASK = "Unchanged "
WARM_UP = 2

Run = dict[str, t.Any]


def tasks_of(run: Run) -> t.Iterator[dict[str, t.Any]]:
    """Yield the tasks of a run in order."""
    for play in run["plays"]:
        yield from play["tasks"]


def failures(run: Run) -> list[str]:
    """Return what went wrong, by task and host."""
    return [
        f"{task['task']['name']}: {host}: {result.get('stderr') or result.get('msg')}"
        for task in tasks_of(run)
        for host, result in task["hosts"].items()
        if result.get("failed") or result.get("unreachable")
    ]


def seconds(task: dict[str, t.Any]) -> float:
    """Return how long the controller was busy with a task, from its start to its result."""
    duration = task["task"]["duration"]
    start, end = (
        dt.datetime.fromisoformat(duration[name].rstrip("Z")) for name in ("start", "end")
    )
    return (end - start).total_seconds()


def durations(run: Run, name: str) -> list[float]:
    """Return the seconds of each task of that name, in order."""
    return [seconds(task) for task in tasks_of(run) if task["task"]["name"] == name]


def _results(run: Run) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    for task in tasks_of(run):
        for result in task["hosts"].values():
            yield task["task"]["name"], result


def tasks_run(run: Run) -> int:
    """Return how many tasks ran on the one host: those that were not skipped."""
    return sum(not result.get("skipped") for _name, result in _results(run))


def changes(run: Run) -> list[str]:
    """Return the names of the tasks that have changed something."""
    return [name for name, result in _results(run) if result.get("changed")]


def against_ping(run: Run) -> dict[str, list[tuple[float, float]]]:
    """Return by name of the module the seconds of each task and of the ping right before it."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    last: tuple[str, float] | None = None
    for task in tasks_of(run):
        name: str = task["task"]["name"]
        module = name[len(TASK) :]
        if last is not None and (name, last[0]) == (TASK + module, PING + module):
            pairs.setdefault(module, []).append((seconds(task), last[1]))
        last = (name, seconds(task)) if name.startswith(PING) else None
    return {name: found[WARM_UP:] for name, found in pairs.items()}


def output(run: Run, name: str) -> str:
    """Return what the command of the task of that name printed, on the one host."""
    (result,) = (
        result
        for task in tasks_of(run)
        if task["task"]["name"] == name
        for result in task["hosts"].values()
    )
    return str(result["stdout"])


def on_host(run: Run) -> list[dict[str, float]]:
    """Return the seconds of each way to bind, round by round."""
    rounds: list[dict[str, float]] = json.loads(output(run, "Bind and give back, again and again"))
    return rounds[WARM_UP:]
