# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a command that has a PF reset, and tells what becomes of its Max Payload Size.

Arguments: address, seconds to look on after the command has ended, command. Writes JSON:
C(changes), each new size in bytes with the seconds since the command was started, the first one
before it; and C(log), what the watcher said meanwhile. It ends when the first size has come back.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import typing as t

from look import DEVICES, payload_size

if t.TYPE_CHECKING:
    from pathlib import Path

STEP_SECONDS = 0.02


def follow(device: Path, seconds: float, command: list[str]) -> list[tuple[int | None, float]]:
    """Return the sizes that were seen, each with the time."""
    changes = [(payload_size(device), 0.0)]
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    end = None
    while end is None or time.monotonic() < end:
        size = payload_size(device)
        if size != changes[-1][0]:
            changes.append((size, round(time.monotonic() - start, 2)))
        if end is None and process.poll() is not None:
            end = time.monotonic() + seconds
        if end is not None and len(changes) > 1 and size == changes[0][0]:
            break
        time.sleep(STEP_SECONDS)
    if process.returncode:
        sys.exit(f"{command} failed")
    return changes


if __name__ == "__main__":
    address, seconds, *command = sys.argv[1:]
    began = time.time()
    changes = follow(DEVICES / address, float(seconds), command)
    unit = ["journalctl", "--unit=hwaccel-mps-watcher", "--output=cat", f"--since=@{began:.6f}"]
    log = subprocess.run(unit, check=True, capture_output=True, text=True).stdout.splitlines()
    json.dump({"changes": changes, "log": log}, sys.stdout)
