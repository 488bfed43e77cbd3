# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page docs/benchmarks.md."""

from __future__ import annotations

import typing as t

from ansible_collections.hwaccel.virt.tests.benchmarks.texts import REASONS, WAYS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ansible_collections.hwaccel.virt.tests.benchmarks.figures import Figure
    from ansible_collections.hwaccel.virt.tests.benchmarks.spread import Spread
    from ansible_collections.hwaccel.virt.tests.benchmarks.store import Entry

INTRODUCTION = """\
# Benchmarks

Written by `make bench`; one benchmark alone is repeated by `scripts/in-venv scripts/bench --only
NAME`.

Seconds on a shared machine, or on a host whose processor QEMU emulates in software (TCG), say
nothing about a real one. So each figure is a ratio of two things that were measured in turn in one
run, pair by pair, and stands here by its median and, in brackets, the quartiles. A goal is the most
that the median may be.

![Figures as shares of their goals](benchmarks.svg)
"""
ALL_MET = "Every goal that was measured is met.\n"


def bracketed(value: Spread, digits: int) -> str:
    """Return median and quartiles as text; one value has none."""
    if value.pairs == 1:
        return f"{value.median:.{digits}f}"
    return f"{value.median:.{digits}f} ({value.low:.{digits}f} to {value.high:.{digits}f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def verdict(figure: Figure) -> str:
    """Return whether the goal is met, nothing where there is none."""
    if figure.goal is None:
        return ""
    return f"{figure.goal:g}: {'met' if figure.met else 'missed'}"


def figures_of(entries: dict[str, Entry]) -> list[Figure]:
    """Return all figures, those with one name together."""
    found = [figure for entry in entries.values() for figure in entry.outcome.figures]
    order = list(dict.fromkeys(figure.name for figure in found))
    return sorted(found, key=lambda figure: order.index(figure.name))


def page(entries: dict[str, Entry]) -> str:
    """Return the whole page."""
    missed = [
        name
        for name, entry in entries.items()
        if not all(figure.met for figure in entry.outcome.figures)
    ]
    rows = [
        [
            figure.name,
            figure.at,
            bracketed(figure.ratio, 2),
            verdict(figure),
            str(figure.ratio.pairs),
        ]
        for figure in figures_of(entries)
    ]
    parts = [
        INTRODUCTION,
        table(["figure", "at", "ratio", "goal, at most", "pairs"], rows),
        "## What is missed, and why\n",
        *([REASONS.get(name, f"*{name}*: not explained yet.\n") for name in missed] or [ALL_MET]),
        "## How each is measured\n",
        "".join(WAYS[name] for name in entries),
        "## Orders of magnitude\n",
        "Other work on the machine included.\n",
        _orders(entries),
        "## Measured on\n",
        *(_measured_on(name, entry) for name, entry in entries.items()),
    ]
    return "\n".join(parts)


def _orders(entries: dict[str, Entry]) -> str:
    orders = [order for entry in entries.values() for order in entry.outcome.orders]
    rows = [[order.name, order.at, bracketed(order.value, 0)] for order in orders]
    return table(["", "at", "median and quartiles"], rows)


def _measured_on(name: str, entry: Entry) -> str:
    return table([f"*{name}*", entry.date], entry.measured_on.items())
