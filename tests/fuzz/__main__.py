# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fuzz targets: `make fuzz`, or one input of one target again."""

from __future__ import annotations

import argparse
import sys
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.tests.fuzz.inputs import read_input, write_input
from ansible_collections.hwaccel.virt.tests.fuzz.runs import (
    CORPUS,
    corpus_of,
    has_atheris,
    run_all,
    table,
)
from ansible_collections.hwaccel.virt.tests.fuzz.table import TARGETS

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.fuzz.target import Target

_AGAIN = "scripts/in-venv scripts/fuzz --input {path} {name}"


def main(arguments: list[str]) -> int:
    """Do what is asked for, and return the exit code: 1 where something was found."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all of them by default")
    parser.add_argument("--list", action="store_true", help="name targets and properties")
    parser.add_argument("--seconds", type=int, help="run each so long; else a number of times")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time (2)")
    parser.add_argument("--input", type=Path, metavar="FILE", help="check one input alone")
    parser.add_argument("--keep", metavar="NAME", help="track that input under a name")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]}: {', '.join(TARGETS)}")
    targets = [TARGETS[name] for name in asked.targets or TARGETS]
    if asked.list:
        for target in targets:
            _say(f"{target.name}: {target.about} ({len(corpus_of(target))} inputs tracked)")
        return 0
    if asked.input:
        _check(targets, asked.input, asked.keep)
        return 0
    if not has_atheris():
        _say("fuzz: atheris is not there for this Python; unit tests check the tracked inputs")
        return 0
    return _run(targets, asked.seconds, asked.jobs)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _check(targets: Sequence[Target], path: Path, name: str | None) -> None:
    """Check one input; what a target raises is the finding."""
    data = read_input(path)
    for target in targets:
        if name is not None:
            _say(str(write_input(CORPUS / target.name, name, data)))
        target.check(data)


def _run(targets: Sequence[Target], seconds: int | None, jobs: int) -> int:
    """Run targets, and tell what was found."""
    results = {}
    for result in run_all(targets, seconds, jobs):
        name = result.target.name
        results[name] = result
        if not result.ok:
            _say(f"\n{name}: {result.target.about}\n{result.log}")
        for path in result.findings:
            _say(f"again: {_AGAIN.format(path=path, name=name)}")
    ordered = [results[target.name] for target in targets]
    _say(table(ordered))
    return 0 if all(result.ok for result in ordered) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
