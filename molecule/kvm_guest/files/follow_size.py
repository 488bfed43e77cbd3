# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a command that has a PF reset, and tells what becomes of its Max Payload Size.

Arguments: address, seconds to look on after the command has ended, command; where the size is wrong
by then, it looks on for as long as a watcher takes at most. Writes JSON: C(size), in bytes, before
and at the end; C(wrong), for how many seconds at a time it was another than before; and C(log),
what the watcher said meanwhile.
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
LONGEST_SECONDS = 4.0


def follow(device: Path, seconds: float, command: list[str]) -> dict[str, list[float | None]]:
    """Return what was seen."""
    before = size = payload_size(device)
    wrong, since = [], None
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    now = time.monotonic()
    end = None
    while end is None or now < end or (since is not None and now < since + LONGEST_SECONDS):
        time.sleep(STEP_SECONDS)
        now, size = time.monotonic(), payload_size(device)
        if size != before and since is None:
            since = now
        elif size == before and since is not None:
            wrong.append(round(now - since, 2))
            since = None
        if end is None and process.poll() is not None:
            end = now + seconds
    if since is not None:
        wrong.append(round(now - since, 2))
    if process.returncode:
        sys.exit(f"{command} failed")
    return {"size": [before, size], "wrong": wrong}


if __name__ == "__main__":
    address, seconds, *command = sys.argv[1:]
    began = time.time()
    seen = follow(DEVICES / address, float(seconds), command)
    unit = ["journalctl", "--unit=hwaccel-mps-watcher", "--output=cat", f"--since=@{began:.6f}"]
    log = subprocess.run(unit, check=True, capture_output=True, text=True).stdout.splitlines()
    json.dump({**seen, "log": log}, sys.stdout)
