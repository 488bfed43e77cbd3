# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens a function as QEMU does, some time after a run of the collection has begun.

Arguments: address, milliseconds after the run has taken its lock, seconds to hold the function.
"""

from __future__ import annotations

import fcntl
import sys
import time
from pathlib import Path

from hold_vfio import open_group

LOCK = Path("/run/hwaccel.lock")
READY = Path("/run/between.ready")


def wait_for_a_run(seconds: float) -> None:
    """Wait until somebody has the lock."""
    by = time.monotonic() + seconds
    with LOCK.open("ab") as lock:
        READY.touch()
        while time.monotonic() < by:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            fcntl.flock(lock, fcntl.LOCK_UN)
            time.sleep(0.01)
    sys.exit(f"nobody took {LOCK} within {seconds:.0f} s")


if __name__ == "__main__":
    address, milliseconds, seconds = sys.argv[1:]
    wait_for_a_run(30)
    time.sleep(float(milliseconds) / 1000)
    open_group(Path("/sys/bus/pci/devices", address))
    time.sleep(float(seconds))
