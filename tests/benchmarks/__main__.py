# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure every figure, or some of them, and write docs/benchmarks.md: `make bench`."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml
from ansible import release
from ansible_collections.hwaccel.virt.tests.benchmarks import (
    binding,
    fleet,
    growth,
    payload,
    peers,
    results,
    role,
    start,
    store,
    unchanged,
)
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import MeasureError, Outcome
from ansible_collections.hwaccel.virt.tests.benchmarks.machine import machine, play
from ansible_collections.hwaccel.virt.tests.benchmarks.page import figures_of, page
from ansible_collections.hwaccel.virt.tests.benchmarks.plot import plot

CHECKOUT = Path(__file__).resolve().parents[2]

# What needs no emulated host comes first. How often each is repeated unless told otherwise.
LOCAL: dict[str, t.Callable[[int], Outcome]] = {
    "payload": payload.measure,
    "start": start.measure,
    "growth": growth.measure,
    "fleet": fleet.measure,
}
EMULATED: dict[str, t.Callable[[int], Outcome]] = {
    "unchanged": unchanged.measure,
    "binding": binding.measure,
    "peers": peers.measure,
    "role": role.measure,
}
BENCHMARKS = {**LOCAL, **EMULATED}
ROUNDS = {"payload": 1, "start": 9, "growth": 5, "fleet": 3, "role": 5, "peers": 5}
MANY_ROUNDS = 7


def line_of(*command: str) -> str:
    """Return the first line that a command prints."""
    done = subprocess.run(command, check=True, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[0]


def versions(*, emulated: bool) -> dict[str, str]:
    """Return what is measured, and on what."""
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
    cpus = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    models = [line.split(": ", 1)[1] for line in cpus if line.startswith("model name")]
    commit = line_of("git", "rev-parse", "--short", "HEAD")
    found = {
        "collection": f"{galaxy['version']}, commit {commit}",
        "controller": f"{len(models)} x {(models or ['?'])[0]}, Linux {platform.release()}",
        "load of the controller": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
        "ansible-core": f"{release.__version__} on Python {platform.python_version()}",
    }
    if emulated:
        found["QEMU"] = line_of("qemu-system-x86_64", "--version")
        found["emulated host"] = results.output(play("versions", {}), "Ask for versions")
    return found


def write(folder: Path, entries: dict[str, store.Entry]) -> None:
    """Write what was found, the plot and the page."""
    folder.mkdir(parents=True, exist_ok=True)
    ordered = {name: entries[name] for name in BENCHMARKS if name in entries}
    store.save(folder / "benchmarks.json", ordered)
    (folder / "benchmarks.svg").write_text(plot(figures_of(ordered)), encoding="utf-8")
    (folder / "benchmarks.md").write_text(page(ordered), encoding="utf-8")


def measure(name: str, rounds: int | None, folder: Path) -> None:
    """Measure one benchmark and write it beside those that were measured before."""
    sys.stderr.write(f"bench: {name}\n")
    found = versions(emulated=name in EMULATED)
    outcome = BENCHMARKS[name](rounds or ROUNDS.get(name, MANY_ROUNDS))
    date = dt.datetime.now(dt.timezone.utc).date().isoformat()
    entry = store.Entry(outcome, date, found)
    write(folder, {**store.load(folder / "benchmarks.json"), name: entry})
    for figure in outcome.figures:
        sys.stderr.write(f"bench: {figure.name}, {figure.at}: {figure.ratio.median:.2f}\n")


def attempt(names: t.Iterable[str], rounds: int | None, folder: Path) -> list[str]:
    """Measure several, and return those that failed: what was measured before stays on the page."""
    failed = []
    for name in names:
        try:
            measure(name, rounds, folder)
        except MeasureError as error:
            sys.stderr.write(f"bench: {name} failed: {error}\n")
            failed.append(name)
    return failed


def main() -> None:
    """Measure what needs no machine, then the rest on one, which goes whatever happens."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--only", default=",".join(BENCHMARKS), help=f"names, of: {', '.join(BENCHMARKS)}"
    )
    parser.add_argument("--rounds", type=int, help="pairs of each figure; each has a default")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / "docs", help="of the page")
    parser.add_argument("--keep", action="store_true", help="let the machine run on")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    options = parser.parse_args()
    if options.page:
        write(options.folder, store.load(options.folder / "benchmarks.json"))
        return
    wanted = options.only.split(",")
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    failed = attempt([name for name in LOCAL if name in wanted], options.rounds, options.folder)
    emulated = [name for name in EMULATED if name in wanted]
    if emulated:
        try:
            machine("present")
            failed += attempt(emulated, options.rounds, options.folder)
        finally:
            if not options.keep:
                machine("absent")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
