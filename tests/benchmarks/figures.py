# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The figures of the page, with their goals."""

from __future__ import annotations

import typing as t

from ansible_collections.hwaccel.virt.tests.benchmarks.spread import Spread, ratios, spread


class Measured(t.NamedTuple):
    """What was measured with one number of VFs."""

    vfs: int
    # By module: the seconds of a task and of the ping before it.
    unchanged: dict[str, list[tuple[float, float]]]
    # One entry a round: seconds on the host by the name of the way.
    binding: list[dict[str, float]]


class Figure(t.NamedTuple):
    """A ratio, and the most that it may be."""

    name: str
    vfs: int
    ratio: Spread
    goal: float | None


# What is divided by what: way, what it has in common with every module, and the other way.
BINDING = (
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
    ("unchanged vfio_passthrough / ping", 8): 1.25,
    ("unchanged vfio_passthrough / ping", 32): 1.5,
    ("binding by the module / driverctl", 8): 0.25,
    ("binding by the module / shell loop", 8): 1.5,
}


def figures(measured: Measured) -> list[Figure]:
    """Return every figure that the measurement allows, in the order of the page."""
    named = {
        f"unchanged {module} / ping": ratios(pairs) for module, pairs in measured.unchanged.items()
    }
    for name, way, common, other in BINDING:
        pairs = [
            (seconds[way] - seconds.get(common, 0.0), seconds[other])
            for seconds in measured.binding
            if {way, other} | ({common} if common else set()) <= set(seconds)
        ]
        if pairs:
            named[name] = ratios(pairs)
    return [
        Figure(name, measured.vfs, ratio, GOALS.get((name, measured.vfs)))
        for name, ratio in named.items()
    ]


def milliseconds(measured: Measured) -> dict[str, Spread]:
    """Return how long each thing took, for the order of magnitude only."""
    values: dict[str, list[float]] = {}
    for module, pairs in measured.unchanged.items():
        values.setdefault("task ping", []).extend(1000 * ping for _task, ping in pairs)
        values[f"task {module}, unchanged"] = [1000 * task for task, _ping in pairs]
    for seconds in measured.binding:
        for way, duration in seconds.items():
            values.setdefault(f"on the host: {way}", []).append(1000 * duration)
    return {name: spread(found) for name, found in values.items()}
