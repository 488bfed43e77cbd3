# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a module's processor time and memory grow with the functions of a host."""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.tests.benchmarks import payload, trees
from ansible_collections.hwaccel.virt.tests.benchmarks.clock import Cost, spend
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import (
    Figure,
    MeasureError,
    Order,
    Outcome,
)
from ansible_collections.hwaccel.virt.tests.benchmarks.spread import ratios, spread

SIZES = (16, 128, 1024)
MODULES = ("vfio_passthrough", "qat_sriov", "accelerator_info", "libvirt_accelerators")
GOALS = {1024: 3.0}
MEMORY: t.Final = Path("/dev/shm")
Costs = dict[tuple[str, int], list[Cost]]


class Task(t.NamedTuple):
    """What Ansible sends for a task over the functions of a tree, and where its result goes."""

    sent: Path
    told: Path

    def run(self) -> Cost:
        """Run it in a process of its own."""
        return spend([sys.executable], self.told, stdin=self.sent)

    def result(self) -> dict[str, t.Any]:
        """Return what it has told."""
        text = self.told.read_text(encoding="utf-8")
        return t.cast("dict[str, t.Any]", json.loads(text[text.index("{") :]))


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Make a folder in memory where there is one: a tree has some ten thousand files."""
    return tempfile.TemporaryDirectory(
        prefix="hwaccel-bench-", dir=MEMORY if MEMORY.is_dir() else None
    )


def lay(
    folder: Path, sizes: t.Iterable[int], modules: t.Iterable[str]
) -> dict[tuple[str, int], Task]:
    """Make the trees and the tasks, with everything in place, so that there is nothing to do."""
    tasks: dict[tuple[str, int], Task] = {}
    sent: list[payload.Sent] = []
    for size in sizes:
        root = folder / f"host-{size}"
        root.mkdir()
        vfs = trees.build(root, size)
        for module in modules:
            task = Task(folder / f"{module}-{size}.py", folder / f"{module}-{size}.json")
            options = trees.options(module, root, vfs)
            sent.append((payload.COLLECTION + module, options, task.sent))
            tasks[module, size] = task
    payload.build(sent)
    for task in tasks.values():
        task.run()
    for (module, size), task in tasks.items():
        task.run()
        result = task.result()
        if result.get("changed") or result.get("failed"):
            raise MeasureError(f"{module} at {size}: {result.get('msg') or 'changed twice'}")
    return tasks


def compare(costs: Costs) -> Outcome:
    """Return how the costs have grown, from the smallest host on."""
    figures, orders = [], []
    sizes = sorted({size for _module, size in costs})
    for module, size in itertools.product(dict.fromkeys(module for module, _size in costs), sizes):
        found, first = costs[module, size], costs[module, sizes[0]]
        at = f"{size} functions"
        orders += [
            Order(f"{module}, CPU ms", at, spread([1000 * cost.seconds for cost in found])),
            Order(f"{module}, peak MiB", at, spread([cost.peak / 1024 for cost in found])),
        ]
        if size == sizes[0]:
            continue
        time = ratios((cost.seconds, base.seconds) for cost, base in zip(found, first))
        memory = ratios((cost.peak, base.peak) for cost, base in zip(found, first))
        figures += [
            Figure(f"CPU time of {module} / {sizes[0]} functions", at, time, GOALS.get(size)),
            Figure(f"peak memory of {module} / {sizes[0]} functions", at, memory),
        ]
    return Outcome(figures, orders)


def measure(rounds: int) -> Outcome:
    """Run every module on every host in each round, in the opposite order in every other one."""
    with scratch() as name:
        tasks = [*lay(Path(name), SIZES, MODULES).items()]
        costs: Costs = {key: [] for key, _task in tasks}
        for number in range(rounds):
            for key, task in tasks[:: -1 if number % 2 else 1]:
                costs[key].append(task.run())
    return compare(costs)
