# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all boot loaders have in common: entries, files that keep command lines, a tool."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._plan import Change, Command, Foretold
from .linefile import Delta, delta_of, done_to, taken_back
from .record import BootRecord, to_go_on_from

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .cmdline import CommandLine
    from .linefile import LineFile
    from .wanted import Wanted

TAKEN_BACK = "what was written for it is taken back; run it by hand to see more"


def no_tool(delta: Delta) -> tuple[Command, ...]:
    """Run nothing: the files are all there is."""
    del delta
    return ()


@dataclass(frozen=True)
class Entry:
    """One boot entry.

    Args:
        id: what the boot loader calls it.
        path: the file that has its command line; None where only the loader's tool tells.
    """

    id: str
    path: str | None
    line: CommandLine


@dataclass(frozen=True)
class Overriding:
    """A place in a file that would win over the wanted arguments, and what is done about it."""

    file: str
    line: int
    action: str


@dataclass(frozen=True)
class Steps:
    """What is to be done to a boot loader.

    Args:
        changes: in the order in which they are made.
        rewritten: files that the tool writes anew.
        record: what is to be remembered of it.
    """

    changes: tuple[Change, ...]
    rewritten: tuple[str, ...]
    overridden_by: tuple[Overriding, ...]
    record: BootRecord


@dataclass(frozen=True)
class Loader:
    """A boot loader as it stands on a host.

    Args:
        name: as the option C(bootloader) has it.
        reason: what on the host tells that it is this one.
        entries: what it boots.
        files: what we write.
        tool_files: what its tool writes, and we read.
        tool: the commands that take a change into effect: given what is to be added to the
            entries and taken out of them, or nothing where a file of ours has changed.
        output: the file that the tool makes of others, None without one.
    """

    name: str
    reason: str
    entries: tuple[Entry, ...]
    files: tuple[LineFile, ...] = ()
    tool_files: tuple[LineFile, ...] = ()
    tool: Callable[[Delta], tuple[Command, ...]] = no_tool
    output: str | None = None

    def present(self, wanted: Wanted, record: BootRecord | None) -> Steps:
        """Decide what every entry, and what new kernels inherit from, is to get."""
        new = to_go_on_from(record)
        changes: list[Change] = []
        for file in self.files:
            made = file.settled(wanted)
            changes += file.change_to(made)
            new = _remembered(new, file, made)
        told = [line for file in self.tool_files for line in _foretold(file, wanted)]
        for file in self.tool_files:
            new = _remembered(new, file, file.settled(wanted))
        lacking = self._delta(wanted)
        commands = self.run(lacking, new, changed=bool(changes))
        return Steps(
            changes=(*changes, *told, *commands),
            rewritten=self._rewritten(commands),
            overridden_by=(),
            record=replace(new, delta=new.delta.and_also(lacking)),
        )

    def absent(self, record: BootRecord) -> Steps:
        """Decide how to take back what was done."""
        inherited = self.inherited(record)
        changes = [
            change
            for file in self.files
            for change in file.change_to(taken_back(file, record.files.get(file.path), inherited))
        ]
        back = self._way_back(record)
        restored: list[Change] = []
        for file in self.tool_files:
            content = taken_back(file, record.files.get(file.path), inherited)
            restored += file.change_to(content)
            back = back.and_also(delta_of(file, replace(file, content=content)))
        commands = self.run(back, record, changed=bool(changes))
        return Steps(
            changes=(*changes, *commands, *restored),
            rewritten=self._rewritten(commands),
            overridden_by=(),
            record=replace(record, standing=False),
        )

    def run(self, delta: Delta, record: BootRecord, *, changed: bool) -> tuple[Command, ...]:
        """Return what the tool has to do: also what an earlier run did not get to."""
        if not (changed or delta or record.due):
            return ()
        return tuple(replace(command, written=self._by_tool) for command in self.tool(delta))

    def assumed(self, wanted: Wanted) -> BootRecord:
        """Return what to take back where nothing is remembered: what would have been set."""
        return BootRecord(delta=Delta(added=wanted.arguments))

    def entries_with(self, wanted: Wanted) -> tuple[Entry, ...]:
        """Return the entries as they are after C(present)."""
        return tuple(replace(entry, line=wanted.settled(entry.line)) for entry in self.entries)

    def entries_without(self, record: BootRecord) -> tuple[Entry, ...]:
        """Return the entries as they are after C(absent)."""
        return tuple(
            replace(entry, line=self._done_to(entry, record).taken_back(entry.line))
            for entry in self.entries
        )

    def _done_to(self, entry: Entry, record: BootRecord) -> Delta:
        """Return what was done to an entry: by its own file, where that is remembered."""
        for file in (*self.files, *self.tool_files):
            known = record.files.get(file.path)
            if file.path == entry.path and known is not None and known.found is not None:
                return done_to(file, known)
        return self.inherited(record)

    @property
    def written(self) -> tuple[str, ...]:
        """The paths of the files that are written, by us or by the tool."""
        return tuple(file.path for file in (*self.files, *self.tool_files))

    def inherited(self, record: BootRecord) -> Delta:
        """Return what was done to entries that came later: what was done to what they come from."""
        entries = {entry.path for entry in self.entries}
        for file in self.files:
            known = record.files.get(file.path)
            if file.path not in entries and known is not None and known.found is not None:
                return done_to(file, known)
        # What was taken out of one entry was in no other for that.
        own = any(path in entries for path in self.written)
        return Delta(added=record.delta.added) if own else record.delta

    def _delta(self, wanted: Wanted) -> Delta:
        delta = Delta()
        for entry in self.entries:
            delta = delta.and_also(Delta.between(entry.line, wanted.settled(entry.line)))
        for file in self.tool_files:
            delta = delta.and_also(delta_of(file, replace(file, content=file.settled(wanted))))
        return delta

    def _way_back(self, record: BootRecord) -> Delta:
        """Return what the entries still have of what was added, and lack of what was taken out."""
        delta = Delta()
        for entry, without in zip(self.entries, self.entries_without(record)):
            delta = delta.and_also(Delta.between(entry.line, without.line))
        return delta

    def _rewritten(self, commands: Iterable[Command]) -> tuple[str, ...]:
        return self._by_tool if commands else ()

    @property
    def _by_tool(self) -> tuple[str, ...]:
        made = () if self.output is None else (self.output,)
        return (*(file.path for file in self.tool_files), *made)


def _foretold(file: LineFile, wanted: Wanted) -> tuple[Foretold, ...]:
    made = file.settled(wanted)
    return () if made == file.content else (Foretold(file.path, file.content, made),)


def _remembered(record: BootRecord, file: LineFile, made: bytes | None) -> BootRecord:
    """Return the record with what is made of a file now.

    What others changed since we last wrote it belongs to what is brought back.
    """
    earlier = record.files.get(file.path)
    found = file.content
    if earlier is None and found is None and made is None:
        return record
    if earlier is not None:
        found = taken_back(file, earlier, Delta(added=record.delta.added))
    # A file that we made starts from what others say by now: all of it would seem to be ours.
    source = file.content if found is None else found
    delta = delta_of(replace(file, content=source), replace(file, content=made))
    return replace(record.with_file(file.path, found, made), delta=record.delta.and_also(delta))
