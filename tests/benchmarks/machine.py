# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulated host of the benchmarks, and playbooks on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.tests.benchmarks import results
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import MeasureError

PLAYBOOKS = Path(__file__).resolve().parent / "playbooks"
# How many of the PFs of machine.yml are in use, by the number of their VFs.
PF_COUNTS = {8: 1, 32: 2}


def inventory() -> Path:
    """Return the inventory of the machine, where the role writes it by default."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "hwaccel.virt" / "machines" / "bench" / "inventory.yml"


def machine(state: str) -> None:
    """Make or remove the machine, with its output as it comes."""
    command = ["ansible-playbook", str(PLAYBOOKS / "machine.yml"), "-e", f"bench_state={state}"]
    subprocess.run(command, check=True)


def command_of(playbook: str, variables: dict[str, t.Any]) -> list[str]:
    """Return the command that runs a playbook on the machine: a file, or one of a collection."""
    return ["ansible-playbook", "-i", str(inventory()), "-e", json.dumps(variables), playbook]


def run(playbook: str, variables: dict[str, t.Any], *, keep: bool = False) -> results.Run:
    """Run a playbook on the machine and return what the callback tells.

    Args:
        keep: whether what Ansible sends stays on the machine.

    Raises:
        MeasureError: with what has failed.
    """
    sys.stderr.write(f"bench: {playbook} {json.dumps(variables)}\n")
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    if keep:
        environment["ANSIBLE_KEEP_REMOTE_FILES"] = "1"
    done = subprocess.run(
        command_of(playbook, variables),
        check=False,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        told: results.Run = json.loads(done.stdout)
    except ValueError:
        raise MeasureError(f"{playbook}: {done.stdout[-4000:]}") from None
    if done.returncode != 0:
        raise MeasureError("\n".join([f"{playbook} failed", *results.failures(told)]))
    return told


def play(name: str, variables: dict[str, t.Any], *, keep: bool = False) -> results.Run:
    """Run one of the playbooks of the benchmarks."""
    return run(str(PLAYBOOKS / f"{name}.yml"), variables, keep=keep)
