# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes that bind VFs, on the host itself: ours, driverctl's and a shell's."""

from __future__ import annotations

from ansible_collections.hwaccel.virt.tests.benchmarks import results
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import Figure, Order, Outcome
from ansible_collections.hwaccel.virt.tests.benchmarks.machine import PF_COUNTS, play
from ansible_collections.hwaccel.virt.tests.benchmarks.spread import ratios, spread

# What is divided by what: way, what it has in common with every module, and the other way.
WAYS = (
    ("binding by the module / driverctl", "module", "", "driverctl"),
    ("binding by the module / shell loop", "module", "", "shell"),
    ("the same without what an empty module costs / driverctl", "module", "ping", "driverctl"),
    ("the same without what an empty module costs / shell loop", "module", "ping", "shell"),
    ("the same without start, imports and options / driverctl", "module", "refused", "driverctl"),
    ("the same without start, imports and options / shell loop", "module", "refused", "shell"),
    ("an empty module (ping) / driverctl", "ping", "", "driverctl"),
    ("an empty module (ping) / shell loop", "ping", "", "shell"),
)
GOALS = {
    ("binding by the module / driverctl", 8): 0.25,
    ("binding by the module / shell loop", 8): 1.5,
}
# Rounds by the number of VFs: driverctl takes long.
MOST_ROUNDS = {8: 12, 32: 4}


def compare(found: dict[int, list[dict[str, float]]]) -> Outcome:
    """Return every ratio that the measurement allows.

    Args:
        found: by number of VFs, for each round the seconds by the name of the way.
    """
    figures, orders = [], []
    for vfs, rounds in found.items():
        at = f"{vfs} VFs"
        for name, way, common, other in WAYS:
            pairs = [
                (seconds[way] - seconds.get(common, 0.0), seconds[other])
                for seconds in rounds
                if {way, other} | ({common} if common else set()) <= set(seconds)
            ]
            if pairs:
                figures.append(Figure(name, at, ratios(pairs), GOALS.get((name, vfs))))
        for way in dict.fromkeys(way for seconds in rounds for way in seconds):
            values = [1000 * seconds[way] for seconds in rounds if way in seconds]
            orders.append(Order(f"on the host: {way}, ms", at, spread(values)))
    return Outcome(figures, orders)


def measure(rounds: int) -> Outcome:
    """Bind and give back by every way, with each number of VFs."""
    return compare(
        {
            vfs: results.on_host(
                play(
                    "binding",
                    {
                        "bench_pf_count": count,
                        "bench_rounds": min(rounds, MOST_ROUNDS[vfs]) + results.WARM_UP,
                    },
                    keep=True,
                )
            )
            for vfs, count in PF_COUNTS.items()
        }
    )
