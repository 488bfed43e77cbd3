# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many bytes Ansible sends for a task of each module."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.tests.benchmarks.figures import (
    Figure,
    MeasureError,
    Order,
    Outcome,
)
from ansible_collections.hwaccel.virt.tests.benchmarks.spread import Spread

MODULES = Path(__file__).resolve().parents[2] / "plugins" / "modules"
COLLECTION = "hwaccel.virt."
MEASURE = "ansible.builtin.file"
GOAL = 1.3
AT = "1 task"

SEND = Path(__file__).resolve().parent / "send.py"
# A module, its options, and the file for what is sent.
Sent = tuple[str, dict[str, t.Any], Path]


def build(tasks: t.Iterable[Sent]) -> None:
    """Write what Ansible sends to a host for each task, as it makes it itself.

    Raises:
        MeasureError: when it cannot.
    """
    asked = json.dumps([(module, options, str(path)) for module, options, path in tasks])
    done = subprocess.run(
        [sys.executable, "-I", str(SEND)],
        check=False,
        input=asked,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise MeasureError(f"{SEND.name}: {done.stderr[-4000:]}")


def compare(sizes: dict[str, int], measure: int) -> Outcome:
    """Return the sizes by that of the measure."""
    exact = {name: Spread(size, size, size, 1) for name, size in sizes.items()}
    return Outcome(
        [
            Figure(f"payload of {name} / file", AT, Spread(*(size / measure,) * 3, 1), GOAL)
            for name, size in sizes.items()
        ],
        [
            Order("payload of file, KiB", AT, Spread(*(measure / 1024,) * 3, 1)),
            *(
                Order(f"payload of {name}, KiB", AT, Spread(*(value.median / 1024,) * 3, 1))
                for name, value in exact.items()
            ),
        ],
    )


def measure(_rounds: int) -> Outcome:
    """Build the payload of every module; it is the same each time."""
    names = sorted(path.stem for path in MODULES.glob("[!_]*.py"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure = folder / "measure"
        build(
            [
                (MEASURE, {"path": "/etc", "state": "directory"}, measure),
                *((COLLECTION + name, {}, folder / name) for name in names),
            ]
        )
        sizes = {name: (folder / name).stat().st_size for name in names}
        return compare(sizes, measure.stat().st_size)
