# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the time of a task goes that has nothing to do."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.tests.benchmarks import growth, payload
from ansible_collections.hwaccel.virt.tests.benchmarks.clock import spend
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import Figure, Order, Outcome
from ansible_collections.hwaccel.virt.tests.benchmarks.spread import ratios, spread

PROFILED = Path(__file__).resolve().parent / "profiled.py"
MODULE = "vfio_passthrough"
FUNCTIONS = 16
AT = f"{FUNCTIONS} functions"
PARTS: t.Final = {
    "ansible": "compiling Ansible's own part",
    "collection": "compiling the collection's part",
    "dataclasses": "making dataclasses",
    "expressions": "compiling regular expressions",
}


class Profile(t.NamedTuple):
    """Seconds of the processor, and how many of each part there were.

    Args:
        whole: of the process, without clocks.
        ping: of that of ping.
        all: of the program with clocks, of which the parts are a part.
    """

    whole: float
    ping: float
    all: float
    parts: dict[str, float]
    counts: dict[str, int]


def profile(task: growth.Task, ping: growth.Task) -> Profile:
    """Run a task with clocks in it, and one of ping without."""
    note = task.told.with_name("profile.json")
    spend([sys.executable, str(PROFILED), str(task.sent), str(note)], task.told)
    found = json.loads(note.read_text(encoding="ascii"))
    parts = {part: found["seconds"].get(part, 0.0) for part in PARTS}
    whole, measure = task.run().seconds, ping.run().seconds
    return Profile(whole, measure, found["seconds"]["all"], parts, found["counts"])


def compare(profiles: list[Profile]) -> Outcome:
    """Return the share of each part in the whole."""
    first = profiles[0]
    names = {
        part: f"{text}, {first.counts[part]} times" if part in first.counts else text
        for part, text in PARTS.items()
    }
    return Outcome(
        [
            Figure(
                f"an empty module (ping) / {MODULE}",
                AT,
                ratios((p.ping, p.whole) for p in profiles),
            ),
            *(
                Figure(f"{text} / {MODULE}", AT, ratios((p.parts[part], p.all) for p in profiles))
                for part, text in names.items()
            ),
        ],
        [Order(f"{MODULE} in all, CPU ms", AT, spread([1000 * p.whole for p in profiles]))],
    )


def measure(rounds: int) -> Outcome:
    """Profile a task over a host's files where everything is in place."""
    with growth.scratch() as name:
        folder = Path(name)
        ping = growth.Task(folder / "ping.py", folder / "ping.json")
        payload.build([("ansible.builtin.ping", {}, ping.sent)])
        task = growth.lay(folder, (FUNCTIONS,), (MODULE,))[MODULE, FUNCTIONS]
        return compare([profile(task, ping) for _number in range(rounds)])
