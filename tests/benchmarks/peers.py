# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way of the nearest peers: a task of the shell for each device that writes into sysfs."""

from __future__ import annotations

from ansible_collections.hwaccel.virt.tests.benchmarks import results
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import Figure, Order, Outcome
from ansible_collections.hwaccel.virt.tests.benchmarks.machine import PF_COUNTS, play
from ansible_collections.hwaccel.virt.tests.benchmarks.spread import ratios, spread

VFS = 8
MOST_ROUNDS = 5
OURS, THEIRS = "Bind by the module", "Bind by a task for each VF"


def compare(ours: list[float], theirs: list[float]) -> Outcome:
    """Return the ratio of the seconds, round by round."""
    at = f"{VFS} VFs"
    return Outcome(
        [
            Figure(
                "binding, our task / a task of the shell for each VF", at, ratios(zip(ours, theirs))
            )
        ],
        [
            Order("binding, our task, ms", at, spread([1000 * each for each in ours])),
            Order("binding, a task for each VF, ms", at, spread([1000 * each for each in theirs])),
        ],
    )


def measure(rounds: int) -> Outcome:
    """Bind and give back in turn, as the controller sees it."""
    variables = {
        "bench_pf_count": PF_COUNTS[VFS],
        "bench_rounds": min(rounds, MOST_ROUNDS) + results.WARM_UP,
    }
    run = play("peers", variables)
    ours, theirs = (results.durations(run, name)[results.WARM_UP :] for name in (OURS, THEIRS))
    return compare(ours, theirs)
