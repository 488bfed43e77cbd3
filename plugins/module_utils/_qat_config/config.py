# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files of QAT devices: their keys and instances as data, and the way back."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._plan import FileChange, Plan, copy_of
from .checks import check, warnings
from .edit import edited, new_text, without
from .numbers import VF
from .record import TAKEN_BACK, FileRecord, read_record, with_record
from .state import observe
from .wanted import Wanted

if t.TYPE_CHECKING:
    from .._host import Host
    from .._undo import UndoRecord
    from .state import ConfigFile, State

# As the vendor's installer has them.
_MODE = 0o640


@dataclass(frozen=True)
class Step:
    """What becomes of one file.

    Args:
        after: the file as it is to be.
        record: what is remembered of it then, None for nothing.
        warning: what an operator should know of taking it back, None for nothing.
    """

    before: ConfigFile
    after: ConfigFile
    record: FileRecord | None
    warning: str | None = None

    @property
    def changes(self) -> bool:
        """Whether the file changes."""
        return self.after.text != self.before.text

    def change(self) -> FileChange:
        """Return the change of the file."""
        before, after = (_encoded(each.text) for each in (self.before, self.after))
        return FileChange(self.before.path, before, after, mode=_MODE)

    def copy(self) -> FileChange | None:
        """Return the copy of a file that changes, named by the time of its last change."""
        if not self.changes or self.before.text is None:
            return None
        return copy_of(self.before.path, _encoded(self.before.text), self.before.modified)


class DeviceConfig:
    """The work of the module qat_config."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.wanted = Wanted.parse(options)

    def observe(self, host: Host) -> State:
        """Read the files that are meant, their devices, the record, and the service's start."""
        return observe(host, self.wanted)

    def plan(self, state: State) -> Plan:
        """Decide for every file before any is changed."""
        steps = self._steps(state)
        undo = _recorded(state.undo, steps)
        changes = tuple(step.change() for step in steps if step.changes)
        plan = Plan(
            (*self._copies(steps), *changes),
            warnings=tuple(
                told
                for step in steps
                for told in (
                    *([step.warning] if step.warning else []),
                    *(warnings(step.after) if self.wanted.present else ()),
                )
            ),
        )
        if self.wanted.present:
            # What was found is on disk before the first file changes.
            return Plan(undo.change()).and_then(plan)
        return replace(plan, closing=undo.change())

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to."""
        return replace(state, files=tuple(step.after for step in self._steps(state)))

    def unmet(self, before: State, after: State) -> str | None:
        """Look whether the files are as they were written."""
        there = {file.path: file.text for file in after.files}
        for step in self._steps(before):
            if there.get(step.before.path) != step.after.text:
                return (
                    f"{step.before.path}: it was written, and is otherwise again: something else "
                    "writes it, such as the installer of the driver; run again once that is over"
                )
        return None

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        steps = self._steps(before)
        copies = [copy.path for copy in self._copies(steps)]
        backups = {"backup_file": copies[0], "backup_files": copies} if copies else {}
        return {
            "files": [file.as_result() for file in after.files],
            "skipped": [str(address) for address in after.skipped],
            "restart_required": any(step.changes for step in steps)
            or any(after.service.is_older_than(file.modified) for file in after.files),
            **backups,
        }

    def _steps(self, state: State) -> tuple[Step, ...]:
        step = self._configure if self.wanted.present else self._take_back
        return tuple(step(file, read_record(state.undo, file.path)) for file in state.files)

    def _configure(self, file: ConfigFile, known: FileRecord | None) -> Step:
        text = file.text
        if text is None:
            pf_services = next((each.services for each in file.related if file.kind == VF), None)
            text = new_text(self.wanted, file.path, file.target.generation, pf_services)
        after = replace(file, text=edited(self.wanted, text))
        check(after)
        found = file.text if known is None else known.taken_back(file.text)
        return Step(file, after, FileRecord(found, after.text))

    def _take_back(self, file: ConfigFile, known: FileRecord | None) -> Step:
        if known is not None:
            return Step(file, replace(file, text=known.taken_back(file.text)), TAKEN_BACK)
        text = None if file.text is None else without(self.wanted, file.text)
        after = replace(file, text=text)
        if text == file.text:
            return Step(file, after, None)
        warning = (
            f"{file.path}: no record of what was there before; what general and sections name is "
            "taken out"
        )
        return Step(file, after, None, warning)

    def _copies(self, steps: tuple[Step, ...]) -> tuple[FileChange, ...]:
        found = (step.copy() for step in steps if self.wanted.backup)
        return tuple(copy for copy in found if copy is not None)


def _recorded(undo: UndoRecord, steps: tuple[Step, ...]) -> UndoRecord:
    for step in steps:
        undo = with_record(undo, step.before.path, step.record)
    return undo


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")
