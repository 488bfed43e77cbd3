# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host costs the controller, in fleets of several sizes."""

from __future__ import annotations

import json
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.tests.benchmarks import trees
from ansible_collections.hwaccel.virt.tests.benchmarks.clock import spend
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import (
    Figure,
    MeasureError,
    Order,
    Outcome,
)
from ansible_collections.hwaccel.virt.tests.benchmarks.growth import scratch
from ansible_collections.hwaccel.virt.tests.benchmarks.spread import ratios, spread

SIZES = (1, 10, 100)
FORKS = 10
FUNCTIONS = 16
MODULES = ("accelerator_info", "vfio_passthrough")
# By the size, what is compared with ten hosts, and the goal: flat within a fifth.
GOALS: dict[int, float | None] = {1: None, 100: 1.2}
PLAYBOOK = Path(__file__).resolve().parent / "playbooks" / "fleet.yml"

# Runs what a task sends, and notes what that has cost: it is not the controller's.
INTERPRETER = """\
#!/bin/bash
{python} "$@"
code=$?
times >>"{folder}/$$"
exit $code
"""


def minutes(text: str) -> float:
    """Return the seconds of what the shell's C(times) says, such as C(1m2.345s)."""
    whole, seconds = text.removesuffix("s").split("m")
    return 60 * int(whole) + float(seconds)


def of_modules(folder: Path) -> float:
    """Return the seconds of all that the interpreter was started for, and forget them.

    Each second line that C(times) prints is that of the shell's children.
    """
    seconds = 0.0
    for path in folder.iterdir():
        lines = path.read_text(encoding="ascii").splitlines()
        seconds += sum(minutes(word) for line in lines[1::2] for word in line.split())
        path.unlink()
    return seconds


def inventory(hosts: int, interpreter: Path) -> dict[str, t.Any]:
    """Return an inventory of hosts that are all this machine."""
    names = {f"host{number:03}": None for number in range(hosts)}
    connection = {"ansible_connection": "local", "ansible_python_interpreter": str(interpreter)}
    return {"all": {"hosts": names, "vars": connection}}


def compare(costs: dict[int, list[float]]) -> Outcome:
    """Return what a host costs, by the size of the fleet: the costs are those of whole fleets."""
    each = {size: [cost / size for cost in found] for size, found in costs.items()}
    name = "controller CPU per host / 10 hosts"
    return Outcome(
        [
            Figure(name, f"{size} hosts", ratios(zip(each[size], each[10])), goal)
            for size, goal in GOALS.items()
        ],
        [
            Order("controller CPU per host, ms", f"{size} hosts", spread([1000 * x for x in found]))
            for size, found in each.items()
        ],
    )


def measure(rounds: int) -> Outcome:
    """Run the same playbook on each fleet in each round."""
    # Where there is memory for files, programs may not be run from it.
    with scratch() as name, tempfile.TemporaryDirectory() as programs:
        folder = Path(name)
        root, noted, told = folder / "host", folder / "times", folder / "told"
        root.mkdir()
        noted.mkdir()
        vfs = trees.build(root, FUNCTIONS)
        interpreter = Path(programs) / "python"
        interpreter.write_text(INTERPRETER.format(python=sys.executable, folder=noted))
        interpreter.chmod(0o755)
        options = {f"fleet_{module}": trees.options(module, root, vfs) for module in MODULES}
        environment = {"ANSIBLE_FORKS": str(FORKS), "ANSIBLE_STDOUT_CALLBACK": "minimal"}
        costs: dict[int, list[float]] = {size: [] for size in SIZES}
        for size in SIZES:
            text = json.dumps(inventory(size, interpreter))
            (folder / f"{size}.json").write_text(text, encoding="utf-8")

        def run(size: int) -> float:
            command = ["ansible-playbook", "-i", str(folder / f"{size}.json")]
            command += ["-e", json.dumps(options), str(PLAYBOOK)]
            return spend(command, told, environment=environment).seconds - of_modules(noted)

        run(1)
        for number in range(rounds):
            for size in SIZES[:: -1 if number % 2 else 1]:
                costs[size].append(run(size))
                if "CHANGED" in told.read_text(encoding="utf-8"):
                    raise MeasureError(f"{size} hosts: something was changed")
    return compare(costs)
