# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a host's kernel command line, and what is remembered of it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._plan import Command
from .._undo import UndoRecord
from .record import BootRecord, read_record, with_record

if t.TYPE_CHECKING:
    from .._iommu.groups import Iommu
    from .._plan import FileChange
    from .cmdline import CommandLine
    from .loader import Loader, Steps
    from .wanted import Wanted


@dataclass(frozen=True)
class State:
    """Everything that the decision needs.

    Args:
        running: what the running kernel was started with, None for a tree that does not run.
        boot: the kernel's id of this boot.
        live: whether it is the running machine.
        stamps: when the files of the boot loader were last changed, by path.
    """

    wanted: Wanted
    iommu: Iommu
    running: CommandLine | None
    boot: str | None
    loader: Loader
    undo: UndoRecord
    live: bool
    stamps: dict[str, str]
    warnings: tuple[str, ...]

    @property
    def record(self) -> BootRecord | None:
        """What is remembered of the boot loader."""
        return read_record(self.undo, self.loader.name)


def to_take_back(state: State) -> BootRecord:
    """Return what to take back; without a record, what the module would have set."""
    record = state.record
    if record is None:
        return state.loader.assumed(state.wanted)
    if not record.standing:
        return BootRecord(standing=False)
    return replace(record, due=record.due and state.live)


def boot_of(state: State) -> str | None:
    """Return the boot during which these arguments were first configured, else this one.

    It stays though somebody takes them out again: at each boot that would be a loop. A run that
    was cut off, as by a loss of power, has configured nothing that a boot since could have had.
    """
    record = state.record
    if record is None or not record.standing or record.boot is None or record.due:
        return state.boot
    return record.boot if {*state.wanted.arguments} <= {*record.asked} else state.boot


def due_and_done(
    state: State,
    steps: Steps,
    record: BootRecord,
) -> tuple[tuple[FileChange, ...], tuple[FileChange, ...]]:
    """Return the changes of the record before and after all has been done.

    For a tree that does not run, a tool is due until a run on the machine itself.
    """
    due = any(state.live or isinstance(change, Command) for change in steps.changes)
    before = with_record(state.undo, state.loader.name, replace(record, due=due))
    first = before.change()
    if not due or not state.live:
        return first, ()
    content = first[0].after if first else state.undo.content
    done = with_record(before, state.loader.name, replace(record, due=False))
    return first, UndoRecord(content, done.modules).change()
