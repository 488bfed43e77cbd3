# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module tells of a run: files, copies of them, what runs and what waits for a boot."""

from __future__ import annotations

import time
import typing as t

from .._plan import FileChange, Foretold
from .record import BootRecord

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .cmdline import Argument, CommandLine
    from .loader import Steps
    from .state import State

_SWITCHES = ("intel_iommu", "amd_iommu", "iommu")


def not_running(state: State, only: Sequence[str] | None = None) -> list[str]:
    """Return what is wanted and not in effect in the running kernel."""
    if state.running is None:
        return []
    missing = [argument.text for argument in state.wanted.missing(state.running)]
    return [text for text in missing if only is None or text in only]


def reboot_required(state: State, *, present: bool) -> bool:
    """Tell whether what is configured differs from what the running kernel was given."""
    if state.running is None:
        return False
    if present:
        return not state.wanted.met(state.running)
    record = state.record or BootRecord()
    names = {argument.name for argument in (*state.wanted.arguments, *record.delta.added)}
    names |= {*_SWITCHES, *(argument.name for argument in record.delta.removed)}
    now = _of_names(state.running, names)
    entries = [_of_names(entry.line, names) for entry in state.loader.entries]
    return bool(entries) and now not in entries


def files(state: State, steps: Steps) -> list[str]:
    """Return the paths of the files that change, sorted.

    In a tree that does not run, what its tools would write stays as it is.
    """
    if state.live:
        return sorted({*(change.path for change in _changed(steps)), *steps.rewritten})
    return sorted(change.path for change in _changed(steps) if isinstance(change, FileChange))


def backups(state: State, steps: Steps, *, wanted: bool) -> tuple[FileChange, ...]:
    """Return copies of the files that change, named by the time when each was last changed."""
    found = {change.path: change.before for change in _changed(steps)} if wanted else {}
    return tuple(
        FileChange(f"{path}.{state.stamps[path]}~", None, before, mode=0o600, shown=False)
        for path, before in found.items()
        if before is not None and path in state.stamps
    )


def stamp(seconds: float | None) -> str:
    """Return a time, in seconds since 1970, as the name of a copy has it."""
    return time.strftime("%Y-%m-%d@%H:%M:%S", time.gmtime(seconds or 0))


def arguments_of(line: CommandLine | None) -> tuple[Argument, ...]:
    """Return what a kernel was started with, nothing where none runs."""
    return () if line is None else line.arguments


def _changed(steps: Steps) -> list[FileChange | Foretold]:
    """Return what becomes of files; one that is put right behind a tool may stay as it is."""
    return [
        change
        for change in steps.changes
        if isinstance(change, (FileChange, Foretold)) and change.before != change.after
    ]


def _of_names(line: CommandLine, names: set[str]) -> list[tuple[str, str | None]]:
    return [(each.name, each.value) for each in line.arguments if each.name in names]
