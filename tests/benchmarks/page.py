# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page docs/benchmarks.md."""

from __future__ import annotations

import typing as t

from ansible_collections.hwaccel.virt.tests.benchmarks.figures import figures, milliseconds

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.benchmarks.figures import Figure, Measured
    from ansible_collections.hwaccel.virt.tests.benchmarks.spread import Spread

INTRODUCTION = """\
# Benchmarks

Written by `make bench` on {date}.

Everything ran on the emulated host: QEMU emulates its processor in software (TCG), and its devices
are no accelerators. Seconds there say nothing about a real host. So each figure is a ratio of two
things that were measured in turn in one run, pair by pair, and stands here by its median and, in
brackets, the quartiles.
"""

WAYS = """\
- *unchanged*: a task over all VFs of the host with nothing to do, and a task of
  `ansible.builtin.ping` right before it, on the same SSH connection with pipelining; from the start
  of the task to its result, as the controller sees it.
- *module*: the process on the host for what Ansible sends for a task of `vfio_passthrough` over VFs
  without driver, start of the interpreter and imports included. It makes the binding persistent, as
  `driverctl` does and the shell loop does not.
- *driverctl*: `driverctl set-override` for one VF after the other.
- *shell*: a loop of `sh` that writes `driver_override` and `drivers_probe`.
- *ping*: the process for a task of `ansible.builtin.ping`: what an empty module costs.
- *refused*: that of `vfio_passthrough` with an option that it refuses, so that it ends after its
  start and its imports.
- *python*: the interpreter alone.
"""


def bracketed(value: Spread, digits: int) -> str:
    """Return median and quartiles as text."""
    return f"{value.median:.{digits}f} ({value.low:.{digits}f} to {value.high:.{digits}f})"


def table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def verdict(figure: Figure) -> str:
    """Return whether the goal is met, nothing where there is none."""
    if figure.goal is None:
        return ""
    return f"{figure.goal:g}: {'met' if figure.ratio.median <= figure.goal else 'missed'}"


def page(measured: t.Sequence[Measured], versions: dict[str, str], date: str) -> str:
    """Return the whole page."""
    found = [figure for one in measured for figure in figures(one)]
    order = list(dict.fromkeys(figure.name for figure in found))
    found.sort(key=lambda figure: (order.index(figure.name), figure.vfs))
    times = {one.vfs: milliseconds(one) for one in measured}
    names = list(dict.fromkeys(name for one in times.values() for name in one))
    parts = [
        INTRODUCTION.format(date=date),
        table(
            ["figure", "VFs", "ratio", "goal, at most", "pairs"],
            [
                [f.name, str(f.vfs), bracketed(f.ratio, 2), verdict(f), str(f.ratio.pairs)]
                for f in found
            ],
        ),
        WAYS,
        "## Orders of magnitude\n",
        "Milliseconds under software emulation, other work on the machine included:\n",
        table(
            ["", *(f"{vfs} VFs" for vfs in times)],
            [
                [name, *(bracketed(one[name], 0) if name in one else "" for one in times.values())]
                for name in names
            ],
        ),
        "## Measured on\n",
        table(["", ""], versions.items()),
    ]
    return "\n".join(parts)
