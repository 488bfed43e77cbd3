# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""scripts/beside, which runs lanes of targets of make."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BESIDE = str(ROOT / "scripts" / "beside")
TARGETS = """\
.PHONY: slow quick bad later waits
slow:
\t@sleep 1; echo slow ends
quick:
\t@echo quick ends
bad:
\t@false
later:
\t@echo later ends
waits:
\t@echo $$$$ > process; exec sleep 60
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    (tmp_path / "Makefile").write_text(TARGETS, encoding="utf-8")
    return tmp_path


def beside(folder: Path, *lanes: str) -> subprocess.CompletedProcess[str]:
    """Run lanes to their end."""
    return subprocess.run(
        [BESIDE, *lanes],
        cwd=folder,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


def test_lanes_are_shown_in_their_order(folder: Path) -> None:
    done = beside(folder, "slow", "quick later")
    assert done.returncode == 0
    ends = [line for line in done.stdout.splitlines() if line.endswith(" ends")]
    assert ends == ["slow ends", "quick ends", "later ends"]


def test_a_failure_ends_its_lane_and_is_told_when_all_have_ended(folder: Path) -> None:
    done = beside(folder, "bad later", "slow")
    assert done.returncode != 0
    assert "slow ends" in done.stdout
    assert "later ends" not in done.stdout


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_what_runs_ends_with_it(folder: Path, ended_by: signal.Signals) -> None:
    # A shell starts what it does not wait for with interrupts ignored, these tests among it.
    command = ["env", f"--default-signal={ended_by.name[3:]}", BESIDE, "waits"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as running:
        process = folder / "process"
        until = time.monotonic() + 30
        while not (process.exists() and process.read_text(encoding="utf-8").strip()):
            assert time.monotonic() < until
            time.sleep(0.05)
        running.send_signal(ended_by)
        assert running.wait(timeout=30) != 0
    started = int(process.read_text(encoding="utf-8"))
    until = time.monotonic() + 30
    while Path("/proc", str(started)).exists():
        assert time.monotonic() < until, os.listdir(folder)
        time.sleep(0.05)
