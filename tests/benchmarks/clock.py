# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a process costs: processor time, its children's included, and memory at its peak."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.tests.benchmarks.figures import MeasureError

if t.TYPE_CHECKING:
    from collections.abc import Sequence

LAUNCH = Path(__file__).resolve().parent / "launch.py"


class Cost(t.NamedTuple):
    """Seconds of the processor, and KiB of memory."""

    seconds: float
    peak: int


def spend(
    command: Sequence[str],
    output: Path,
    *,
    stdin: Path | None = None,
    environment: dict[str, str] | None = None,
) -> Cost:
    """Run a command, with what it prints in a file, and return what it cost.

    Raises:
        MeasureError: when it fails.
    """
    note = output.with_name(f"{output.name}.cost")
    with Path(stdin or os.devnull).open("rb") as source, output.open("wb") as sink:
        subprocess.run(
            [sys.executable, "-I", "-S", str(LAUNCH), str(note), *command],
            check=True,
            stdin=source,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
    seconds, peak, code = note.read_text(encoding="ascii").split()
    if code != "0":
        told = output.read_text(encoding="utf-8", errors="replace")[-4000:]
        raise MeasureError(f"{command[0]} ended with {code}: {told}")
    return Cost(float(seconds), int(peak))
