# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that keep command lines: how a line in them is set, and taken back, to the byte."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, replace

from .._plan import FileChange
from .cmdline import Argument, CommandLine

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .wanted import Wanted


# The first line of a file of our own, by which it is known again.
MARK = "# Managed by hwaccel.virt, module iommu_kernel_arg."


@dataclass(frozen=True)
class LineFile:
    """A file that keeps one command line or several; each kind of file has a class of its own.

    Args:
        path: as the managed system sees it.
        content: None when there is no such file.
    """

    path: str
    content: bytes | None

    @property
    def text(self) -> str:
        """The content, undecodable bytes kept."""
        return (self.content or b"").decode("utf-8", "surrogateescape")

    def lines(self) -> tuple[CommandLine, ...]:
        """Return the command lines, in the order of the file."""
        raise NotImplementedError

    def with_lines(self, lines: Sequence[CommandLine]) -> bytes:
        """Return the content with other command lines and every other byte as it is."""
        raise NotImplementedError

    def settled(self, wanted: Wanted) -> bytes | None:
        """Return the content with what its lines lack; None where no file is needed."""
        lines = [wanted.settled(line) for line in self.lines()]
        if lines == [*self.lines()] and self.content is not None:
            return self.content
        return self.with_lines(lines)

    def change_to(self, content: bytes | None) -> tuple[FileChange, ...]:
        """Return the change to another content; nothing when it is the same."""
        if content == self.content:
            return ()
        return (FileChange(self.path, self.content, content),)


@dataclass(frozen=True)
class FileRecord:
    """What a file was before us, None for no file, and what we made of it."""

    found: bytes | None
    made: bytes | None


@dataclass(frozen=True)
class Delta:
    """What was put into command lines and what was taken out.

    Args:
        beside: what stood beside what was taken out, of the same names.
    """

    added: tuple[Argument, ...] = ()
    removed: tuple[Argument, ...] = ()
    beside: tuple[Argument, ...] = ()

    @classmethod
    def between(cls, found: CommandLine, made: CommandLine) -> Delta:
        """Return what makes one line of the other; an argument counts as often as it is there."""
        before = Counter(argument.text for argument in found.arguments)
        after = Counter(argument.text for argument in made.arguments)
        removed = tuple(Argument(text) for text in (before - after).elements())
        names = {argument.name for argument in removed}
        return cls(
            tuple(Argument(text) for text in (after - before).elements()),
            removed,
            tuple(each for each in found.arguments if each.name in names and each not in removed),
        )

    def __bool__(self) -> bool:
        """Tell whether there is anything."""
        return bool(self.added or self.removed)

    def and_also(self, other: Delta) -> Delta:
        """Return what is in either, each once."""
        return Delta(
            tuple(dict.fromkeys([*self.added, *other.added])),
            tuple(dict.fromkeys([*self.removed, *other.removed])),
            tuple(dict.fromkeys([*self.beside, *other.beside])),
        )

    def taken_back(self, line: CommandLine) -> CommandLine:
        """Return a line without what was added and with what was taken out.

        Where another value of the same name stands by now, somebody has decided anew.
        """
        line = line.without(self.added)
        names = {argument.name for argument in line.arguments if argument not in self.beside}
        return line.with_arguments(each for each in self.removed if each.name not in names)


def delta_of(found: LineFile, made: LineFile) -> Delta:
    """Return what was done to the lines of a file, all of them together."""
    delta = Delta()
    for old, new in zip(found.lines(), made.lines()):
        delta = delta.and_also(Delta.between(old, new))
    return delta


def done_to(file: LineFile, known: FileRecord) -> Delta:
    """Return what was done to the lines of a file that is remembered."""
    found, made = (replace(file, content=each) for each in (known.found, known.made))
    return delta_of(found, made)


def taken_back(now: LineFile, remembered: FileRecord | None, general: Delta) -> bytes | None:
    """Return the content of a file without what we did to it; None for no file.

    Args:
        now: the file as it is.
        remembered: its content before us and as we left it, None where we did not write it.
        general: what was done to the lines of all files; new boot entries have inherited it.
    """
    if now.content is None:
        return None
    if remembered is not None and now.content == remembered.made:
        return remembered.found
    deltas = [general] * len(now.lines())
    if remembered is not None and remembered.found is not None:
        before = replace(now, content=remembered.found).lines()
        after = replace(now, content=remembered.made).lines()
        if len(before) == len(after) == len(deltas):
            deltas = [Delta.between(*pair) for pair in zip(before, after)]
    lines = [delta.taken_back(line) for delta, line in zip(deltas, now.lines())]
    return now.content if lines == [*now.lines()] else now.with_lines(lines)
