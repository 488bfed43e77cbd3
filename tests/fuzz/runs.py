# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of targets: what is handed to libFuzzer, and what it says."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hwaccel.virt.tests.fuzz.inputs import read_input
from ansible_collections.hwaccel.virt.tests.fuzz.target import encode

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ansible_collections.hwaccel.virt.tests.fuzz.target import Target

_CHILD = "ansible_collections.hwaccel.virt.tests.fuzz.child"
_CHECKOUT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).resolve().parent / "corpus"
BUILD = _CHECKOUT / ".build" / "fuzz"
_SEED = 1
_MEMORY_MEGABYTES = 1024
# One input; the longest that is legal takes a hundredth of it.
_INPUT_SECONDS = 20
# The most of a short run: on a slow machine it ends before its number of executions.
_SHORT_SECONDS = 4
# For its start, and for what is hurried last.
_BEYOND_SECONDS = 120
_NUMBERS = {
    "executions": re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE),
    "coverage": re.compile(r"\bcov: (\d+)"),
}
_SHOWN_LINES = 25


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Args:
        coverage: branches that were reached, as libFuzzer counts them.
        findings: inputs for which the property does not hold.
        log: what was said, where it ended badly.
    """

    target: Target
    executions: int
    coverage: int
    seconds: float
    findings: tuple[Path, ...]
    log: str

    @property
    def ok(self) -> bool:
        """Whether nothing was found, and the run came to its end."""
        return not self.findings and not self.log


def has_atheris() -> bool:
    """Tell whether this Python has what reaches for coverage."""
    return importlib.util.find_spec("atheris") is not None


def corpus_of(target: Target) -> list[Path]:
    """Return the tracked inputs of a target."""
    folder = CORPUS / target.name
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def findings_of(target: Target) -> Path:
    """Return the folder of inputs that a target fails with."""
    return BUILD / "findings" / target.name


def dictionary(words: Iterable[str]) -> str:
    """Return words as libFuzzer reads them."""
    return "".join(
        '"' + "".join(f"\\x{byte:02X}" for byte in encode(word)) + '"\n' for word in words
    )


def options(target: Target, folder: Path, seconds: int | None) -> list[str]:
    """Return the options of libFuzzer; without seconds a run is the same every time."""
    bounds = [f"-max_total_time={seconds}"]
    if seconds is None:
        bounds = [f"-runs={target.runs}", f"-max_total_time={_SHORT_SECONDS}", f"-seed={_SEED}"]
    return [
        *bounds,
        f"-timeout={_INPUT_SECONDS}",
        f"-rss_limit_mb={_MEMORY_MEGABYTES}",
        f"-max_len={target.longest}",
        "-len_control=0",
        "-reload=0",
        "-print_final_stats=1",
        f"-artifact_prefix={findings_of(target)}/",
        *([f"-dict={folder / 'dictionary'}"] if target.words else []),
        # New inputs go into the first folder.
        str(folder / "corpus"),
        str(folder / "tracked"),
    ]


class Run:
    """A target that runs."""

    def __init__(self, target: Target, seconds: int | None) -> None:
        """Start it; what earlier runs of given seconds have learnt is kept, and gone on from."""
        self._target = target
        self._folder = BUILD / ("long" if seconds else "short") / target.name
        if seconds is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        for name in ("corpus", "tracked"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        for path in corpus_of(target):
            (self._folder / "tracked" / path.name).write_bytes(read_input(path))
        findings = findings_of(target)
        findings.mkdir(parents=True, exist_ok=True)
        self._before = set(findings.iterdir())
        (self._folder / "dictionary").write_text(dictionary(target.words), encoding="ascii")
        self._start = time.monotonic()
        self._bound = (seconds or _SHORT_SECONDS) + _BEYOND_SECONDS
        file = target.check.__module__.rpartition(".")[2]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", _CHILD, file, target.name, str(self._bound)),
                    *options(target, self._folder, seconds),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )

    @property
    def done(self) -> bool:
        """Whether it has ended; one that goes on behind its bound is ended."""
        if self._process.poll() is None and time.monotonic() - self._start > self._bound:
            self._process.kill()
            self._process.wait()
        return self._process.poll() is not None

    def result(self) -> Result:
        """Return what came of it."""
        said = (self._folder / "log").read_text(encoding="utf-8", errors="replace")
        numbers = {name: each.findall(said) for name, each in _NUMBERS.items()}
        return Result(
            target=self._target,
            executions=int((numbers["executions"] or ["0"])[-1]),
            coverage=int((numbers["coverage"] or ["0"])[-1]),
            seconds=time.monotonic() - self._start,
            findings=tuple(sorted(set(findings_of(self._target).iterdir()) - self._before)),
            log=_shown(said) if self._process.returncode else "",
        )


def _shown(said: str) -> str:
    """Return the part of a log that tells what is wrong."""
    lines = [line for line in said.splitlines() if not line.startswith(("#", "INFO:", "stat::"))]
    return "\n".join(lines[-_SHOWN_LINES:])


def run_all(targets: Iterable[Target], seconds: int | None, jobs: int) -> Iterable[Result]:
    """Run targets, some at a time, and yield what came of each."""
    waiting, running = list(targets), list[Run]()
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(Run(waiting.pop(0), seconds))
        ended = [run for run in running if run.done]
        running = [run for run in running if run not in ended]
        yield from (run.result() for run in ended)
        time.sleep(0 if ended else 0.05)


def table(results: Sequence[Result]) -> str:
    """Return results as a table of text."""
    rows = [("target", "executions", "coverage", "seconds", "findings")]
    rows += [
        (
            each.target.name,
            str(each.executions),
            str(each.coverage),
            f"{each.seconds:.0f}",
            str(len(each.findings)) if each.ok or each.findings else "ended badly",
        )
        for each in results
    ]
    total = sum(each.executions for each in results)
    rows.append(("all", str(total), "", "", str(sum(len(each.findings) for each in results))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join([row[0].ljust(widths[0]), *(map(str.rjust, row[1:], widths[1:]))]) for row in rows
    )
    return "\n".join(lines)
