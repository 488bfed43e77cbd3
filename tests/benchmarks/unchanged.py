# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task with nothing to do, and a ping."""

from __future__ import annotations

from ansible_collections.hwaccel.virt.tests.benchmarks import results
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import Figure, Order, Outcome
from ansible_collections.hwaccel.virt.tests.benchmarks.machine import PF_COUNTS, play
from ansible_collections.hwaccel.virt.tests.benchmarks.spread import ratios, spread

MODULES = ("vfio_passthrough", "qat_sriov")
GOALS = {("vfio_passthrough", 8): 1.25, ("vfio_passthrough", 32): 1.5}
Pairs = list[tuple[float, float]]


def compare(found: dict[int, dict[str, Pairs]]) -> Outcome:
    """Return the ratios.

    Args:
        found: by number of VFs and module, the seconds of a task and of the ping before it.
    """
    figures, orders = [], []
    for vfs, modules in found.items():
        at = f"{vfs} VFs"
        pings = [ping for pairs in modules.values() for _task, ping in pairs]
        orders.append(Order("task ping, ms", at, spread([1000 * ping for ping in pings])))
        for module, pairs in modules.items():
            name, goal = f"unchanged {module} / ping", GOALS.get((module, vfs))
            figures.append(Figure(name, at, ratios(pairs), goal))
            seconds = [1000 * task for task, _ping in pairs]
            orders.append(Order(f"task {module}, unchanged, ms", at, spread(seconds)))
    return Outcome(figures, orders)


def measure(rounds: int) -> Outcome:
    """Run pairs of tasks on the machine, with each number of VFs."""
    return compare(
        {
            vfs: results.against_ping(
                play(
                    "unchanged",
                    {
                        "bench_pf_count": count,
                        "bench_rounds": rounds + results.WARM_UP,
                        "bench_modules": MODULES,
                    },
                )
            )
            for vfs, count in PF_COUNTS.items()
        }
    )
