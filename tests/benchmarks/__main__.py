# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure on the emulated host and write docs/benchmarks.md: `make bench`."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml
from ansible import release
from ansible_collections.hwaccel.virt.tests.benchmarks import results
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import Measured
from ansible_collections.hwaccel.virt.tests.benchmarks.page import page

CHECKOUT = Path(__file__).resolve().parents[2]
PLAYBOOKS = Path(__file__).resolve().parent / "playbooks"
RAW = CHECKOUT / ".build" / "bench"
# How many of the PFs of machine.yml are in use, by the number of their VFs.
PF_COUNTS = {8: 1, 32: 2}
MODULES = ("vfio_passthrough", "qat_sriov")


def inventory() -> Path:
    """Return the inventory of the machine, where the role writes it by default."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "hwaccel.virt" / "machines" / "bench" / "inventory.yml"


def machine(state: str) -> None:
    """Make or remove the machine, with its output as it comes."""
    command = ["ansible-playbook", str(PLAYBOOKS / "machine.yml"), "-e", f"bench_state={state}"]
    subprocess.run(command, check=True)


def play(name: str, variables: dict[str, t.Any], *, keep: bool = False) -> results.Run:
    """Run a playbook on the machine and return what the callback tells."""
    sys.stderr.write(f"bench: {name} {json.dumps(variables)}\n")
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    if keep:
        environment["ANSIBLE_KEEP_REMOTE_FILES"] = "1"
    command = ["ansible-playbook", "-i", str(inventory()), "-e", json.dumps(variables)]
    done = subprocess.run(
        [*command, str(PLAYBOOKS / f"{name}.yml")],
        check=False,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        run: results.Run = json.loads(done.stdout)
    except ValueError:
        sys.exit(f"{name}: {done.stdout}")
    if done.returncode != 0:
        sys.exit("\n".join([f"{name} failed", *results.failures(run)]))
    return run


def line_of(*command: str) -> str:
    """Return the first line that a command prints."""
    done = subprocess.run(command, check=True, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[0]


def versions() -> dict[str, str]:
    """Return what was measured, and on what."""
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
    cpus = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    models = [line.split(": ", 1)[1] for line in cpus if line.startswith("model name")]
    commit = line_of("git", "rev-parse", "--short", "HEAD")
    return {
        "collection": f"{galaxy['version']}, commit {commit}",
        "controller": f"{len(models)} x {models[0]}, Linux {platform.release()}",
        "load of the controller": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
        "ansible-core": f"{release.__version__} on Python {platform.python_version()}",
        "QEMU": line_of("qemu-system-x86_64", "--version"),
        "emulated host": results.output(play("versions", {}), "Ask for versions"),
    }


def measure(vfs: int, rounds: int, modules: t.Sequence[str]) -> Measured:
    """Measure with one number of VFs, and keep what was measured."""
    variables = {
        "bench_pf_count": PF_COUNTS[vfs],
        "bench_rounds": rounds + results.WARM_UP,
        "bench_modules": modules,
    }
    unchanged = results.against_ping(play("unchanged", variables))
    measured = Measured(vfs, unchanged, results.on_host(play("binding", variables, keep=True)))
    RAW.mkdir(parents=True, exist_ok=True)
    (RAW / f"{vfs}.json").write_text(json.dumps(measured._asdict()), encoding="utf-8")
    return measured


def main() -> None:
    """Make the machine, measure, write the page, and remove the machine whatever happens."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="pairs of each figure")
    parser.add_argument("--modules", nargs="+", choices=MODULES, default=MODULES)
    parser.add_argument("--page", type=Path, default=CHECKOUT / "docs" / "benchmarks.md")
    parser.add_argument("--keep", action="store_true", help="let the machine run on")
    options = parser.parse_args()
    try:
        machine("present")
        measured = [measure(vfs, options.rounds, options.modules) for vfs in PF_COUNTS]
        date = dt.datetime.now(dt.timezone.utc).date().isoformat()
        options.page.write_text(page(measured, versions(), date), encoding="utf-8")
    finally:
        if not options.keep:
            machine("absent")


if __name__ == "__main__":
    main()
