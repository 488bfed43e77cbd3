# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time several ways to bind VFs to vfio-pci, in turn: runs on the emulated host, as root.

on_host.py ROUNDS FOLDER ADDRESS...

FOLDER holds what Ansible has sent for tasks: ping and, where they were run, those of the module:
present, absent and refused. Prints one JSON list with an entry a round: seconds by the name of the
way.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import typing as t
from pathlib import Path

PYTHON = "/usr/bin/python3"
DRIVER = "vfio-pci"
DEVICES = Path("/sys/bus/pci/devices")
SETTLE = ["udevadm", "settle"]

LOOP = """for vf
do
    echo vfio-pci >"/sys/bus/pci/devices/$vf/driver_override"
    echo "$vf" >/sys/bus/pci/drivers_probe
done"""
UNDO_LOOP = """for vf
do
    echo "$vf" >/sys/bus/pci/drivers/vfio-pci/unbind
    echo >"/sys/bus/pci/devices/$vf/driver_override"
done"""
DRIVERCTL = 'for vf; do driverctl set-override "$vf" vfio-pci; done'
# With a probe it fails on a VF that no other driver takes, and keeps what it has saved.
UNDO_DRIVERCTL = 'for vf; do driverctl --noprobe unset-override "$vf"; done'


class Way(t.NamedTuple):
    """A command to time, with what it reads, and the one that takes back what it did."""

    command: list[str]
    stdin: Path | None = None
    undo: list[str] | None = None
    undo_stdin: Path | None = None
    code: int = 0


def in_shell(loop: str, addresses: list[str]) -> list[str]:
    """Return the command that runs a loop over the addresses."""
    return ["/bin/sh", "-ec", loop, "sh", *addresses]


def sent(folder: Path, task: str) -> Path:
    """Return the file that Ansible has left for a task, the last one of several runs."""
    found = folder.glob(f"{task}/*/AnsiballZ_*.py")
    return max(found, key=lambda path: path.stat().st_mtime)


def ways(folder: Path, addresses: list[str]) -> dict[str, Way]:
    """Return all ways by name; those of the module where Ansible has brought it."""
    found = {
        "python": Way([PYTHON, "-c", "pass"]),
        "shell": Way(in_shell(LOOP, addresses), undo=in_shell(UNDO_LOOP, addresses)),
        "driverctl": Way(in_shell(DRIVERCTL, addresses), undo=in_shell(UNDO_DRIVERCTL, addresses)),
        # As with pipelining: what was sent comes through the standard input.
        "ping": Way([PYTHON], sent(folder, "ping")),
    }
    if (folder / "present").is_dir():
        found["refused"] = Way([PYTHON], sent(folder, "refused"), code=1)
        found["module"] = Way([PYTHON], sent(folder, "present"), [PYTHON], sent(folder, "absent"))
    return found


def bound(addresses: list[str]) -> list[str]:
    """Return the addresses that stand on the driver."""
    links = {address: DEVICES / address / "driver" for address in addresses}
    return [vf for vf, link in links.items() if link.exists() and link.resolve().name == DRIVER]


def run(command: list[str], stdin: Path | None, code: int) -> float:
    """Run a command and return its seconds, from its start to its end."""
    with Path(stdin or "/dev/null").open("rb") as file:
        start = time.perf_counter()
        done = subprocess.run(
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        seconds = time.perf_counter() - start
    if done.returncode != code:
        sys.exit(f"{command[:3]} ended with {done.returncode}: {done.stdout.decode()}")
    return seconds


def measure(name: str, way: Way, addresses: list[str]) -> float:
    """Time one way on VFs without driver, and leave them like that."""
    if bound(addresses):
        sys.exit(f"before {name}: bound are {bound(addresses)}")
    seconds = run(way.command, way.stdin, way.code)
    if bound(addresses) != (addresses if way.undo else []):
        sys.exit(f"after {name}: bound are {bound(addresses)}")
    if way.undo:
        run(way.undo, way.undo_stdin, 0)
    # What udev does about it is not to fall into the time of the next one.
    run(SETTLE, None, 0)
    return seconds


def main() -> None:
    """Go through all ways in each round, in the opposite order in every other one."""
    rounds, folder, *addresses = sys.argv[1:]
    run(["modprobe", DRIVER], None, 0)
    found = list(ways(Path(folder), addresses).items())
    seconds = []
    for number in range(int(rounds)):
        order = found[:: -1 if number % 2 else 1]
        seconds.append({name: measure(name, way, addresses) for name, way in order})
    sys.stdout.write(json.dumps(seconds))


if __name__ == "__main__":
    main()
