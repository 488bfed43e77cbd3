# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command and note what it has cost: launch.py NOTE COMMAND...

The kernel counts to a process's peak what its parent had when it forked, so the parent is a small
one. NOTE gets seconds of the processor, KiB at the peak and the exit code.
"""

from __future__ import annotations

import os
import subprocess
import sys


def main() -> None:
    """Wait for the one child, which has standard input and output as they are."""
    note, *command = sys.argv[1:]
    process = subprocess.Popen(command)
    _pid, status, usage = os.wait4(process.pid, 0)
    code = process.returncode = os.waitstatus_to_exitcode(status)
    with open(note, "w", encoding="ascii") as file:
        file.write(f"{usage.ru_utime + usage.ru_stime} {usage.ru_maxrss} {code}")


if __name__ == "__main__":
    main()
