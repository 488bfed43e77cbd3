# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook for a whole host with nothing to do, and as many pings as the tasks it has run."""

from __future__ import annotations

import json
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.tests.benchmarks import results
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import (
    Figure,
    MeasureError,
    Order,
    Outcome,
)
from ansible_collections.hwaccel.virt.tests.benchmarks.machine import run
from ansible_collections.hwaccel.virt.tests.benchmarks.spread import Spread, ratios, spread

HOST = "bench"
PLAYBOOK = "hwaccel.virt.host"
AT = "second run"
GOAL, MOST_TASKS = 1.3, 15
MOST_ROUNDS = 5
VARIABLES: dict[str, t.Any] = {
    "target": HOST,
    # Software emulation cannot show the processor's virtualization flag.
    "preflight_require": ["kernel", "iommu", "driver", "sriov"],
    # Its image has no guests to run, and is not to load packages.
    "libvirt": False,
}


def pings(number: int) -> list[dict[str, t.Any]]:
    """Return a playbook of so many tasks."""
    tasks = [{"name": f"Ping {each}", "ansible.builtin.ping": {}} for each in range(number)]
    return [
        {
            "name": "Ping",
            "hosts": HOST,
            "gather_facts": False,
            "become": True,
            "tasks": tasks,
        }
    ]


def compare(tasks: int, pairs: list[tuple[float, float]]) -> Outcome:
    """Return the ratio of the seconds of whole runs, and the number of tasks."""
    return Outcome(
        [
            Figure(f"{PLAYBOOK} / as many pings", AT, ratios(pairs), GOAL),
            Figure(f"tasks that {PLAYBOOK} runs", AT, Spread(tasks, tasks, tasks, 1), MOST_TASKS),
        ],
        [
            Order(f"{PLAYBOOK}, ms", AT, spread([1000 * ours for ours, _pings in pairs])),
            Order(f"{tasks} pings, ms", AT, spread([1000 * pings for _ours, pings in pairs])),
        ],
    )


def seconds(playbook: str, variables: dict[str, t.Any]) -> float:
    """Return how long a playbook takes, the start of Ansible included."""
    start = time.perf_counter()
    run(playbook, variables)
    return time.perf_counter() - start


def measure(rounds: int) -> Outcome:
    """Bring the machine up, and then run both in turn."""
    run(PLAYBOOK, VARIABLES)
    second = run(PLAYBOOK, VARIABLES)
    changed = results.changes(second)
    if changed:
        raise MeasureError(f"{PLAYBOOK}: the second run has changed something: {changed}")
    tasks = results.tasks_run(second)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pings.json"
        path.write_text(json.dumps(pings(tasks)), encoding="utf-8")
        pairs = []
        for number in range(min(rounds, MOST_ROUNDS)):
            order = [(PLAYBOOK, VARIABLES), (str(path), {})][:: -1 if number % 2 else 1]
            taken = {name: seconds(name, variables) for name, variables in order}
            pairs.append((taken[PLAYBOOK], taken[str(path)]))
    return compare(tasks, pairs)
