# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run what Ansible sends for a task, and note where its time goes: profiled.py SENT NOTE.

NOTE gets JSON: seconds of the processor in all, and of that for compiling what Ansible itself
sends of its own, for compiling the collection, for the methods of dataclasses, and for regular
expressions, and how many of each there were. None of them contains another.
"""

from __future__ import annotations

import atexit
import collections
import dataclasses
import json
import re
import sys
import time
import typing as t
import zipimport

Timed = t.Callable[..., t.Any]

seconds: collections.defaultdict[str, float] = collections.defaultdict(float)
counts: collections.Counter[str] = collections.Counter()
running: list[str] = []


def timed(function: Timed, kind: t.Callable[..., str]) -> Timed:
    """Return a function that adds what a call takes to its kind, the outermost one alone."""

    def call(*args: t.Any, **options: t.Any) -> t.Any:
        if running:
            return function(*args, **options)
        name = kind(*args)
        running.append(name)
        begun = time.process_time()
        try:
            return function(*args, **options)
        finally:
            seconds[name] += time.process_time() - begun
            counts[name] += 1
            running.clear()

    return call


def whose(path: str, *_rest: object) -> str:
    """Return whose source a member of the archive is."""
    return "collection" if "/ansible_collections/" in path else "ansible"


def main() -> None:
    """Put clocks around what the start consists of, and run what is sent."""
    sent, note = sys.argv[1:]
    vars(zipimport)["_compile_source"] = timed(vars(zipimport)["_compile_source"], whose)
    vars(dataclasses)["_process_class"] = timed(
        vars(dataclasses)["_process_class"], lambda *_args: "dataclasses"
    )
    # From Python 3.11 on it has this name; before it is a module of its own.
    compiler = vars(re).get("_compiler") or vars(re)["sre_compile"]
    compiler.compile = timed(compiler.compile, lambda *_args: "expressions")

    def write() -> None:
        with open(note, "w", encoding="ascii") as file:
            found = {"all": time.process_time(), **seconds}
            json.dump({"seconds": found, "counts": counts}, file)

    atexit.register(write)
    with open(sent, encoding="utf-8") as file:
        source = file.read()
    exec(compile(source, sent, "exec"), {"__name__": "__main__", "__file__": sent})  # noqa: S102 (it is what Ansible sends)


if __name__ == "__main__":
    main()
