# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A place in the text of a shell file."""

from __future__ import annotations

import bisect
import re
import typing as t

from .values import Dialect, ShellError, Unknown

if t.TYPE_CHECKING:
    from .tree import HereDocument

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_DEFAULTS = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*):?=")


def assigned_by(source: str) -> tuple[str, ...]:
    """Return the variables that expanding a source text may assign, rather too many."""
    names = _DEFAULTS.findall(source)
    arithmetic = source.partition("((")[2]
    if re.search(r"=|\+\+|--", arithmetic):
        names += NAME.findall(arithmetic)
    return tuple(dict.fromkeys(names))


class Cursor:
    """A place in the text of a file."""

    def __init__(self, file: str, text: str, dialect: Dialect) -> None:
        """Start at the beginning."""
        self.file = file
        self.text = text
        self.bash = dialect is Dialect.BASH
        self.at = 0
        self.documents: list[HereDocument] = []
        self._newlines = [found.start() for found in re.finditer("\n", text)]

    def line(self, at: int | None = None) -> int:
        """Return the number of the line of an offset, from 1."""
        return bisect.bisect_left(self._newlines, self.at if at is None else at) + 1

    def error(self, message: str, at: int | None = None) -> ShellError:
        """Make the error of a place."""
        return ShellError(self.file, self.line(at), message)

    def unknown(self, start: int) -> Unknown:
        """Make the unknown part that the text from an offset on stands for."""
        return Unknown(self.file, self.line(start), self.text[start : self.at])

    def first_line(self, start: int) -> Unknown:
        """Make the unknown part that a command stands for, told by its first line."""
        return Unknown(self.file, self.line(start), self.text[start : self.at].partition("\n")[0])

    def peek(self) -> str:
        """Return the next character, empty at the end; a continued line goes on in the next."""
        while self.text.startswith("\\\n", self.at):
            self.at += 2
        return self.text[self.at : self.at + 1]

    def accept(self, literal: str) -> bool:
        """Skip a literal if it comes next."""
        self.peek()
        if not self.text.startswith(literal, self.at):
            return False
        self.at += len(literal)
        return True

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Match a pattern here, and do not skip it."""
        self.peek()
        return pattern.match(self.text, self.at)

    def blanks(self) -> None:
        """Skip blanks, and a comment up to the end of its line."""
        while (char := self.peek()) and char in " \t":
            self.at += 1
        if char == "#":
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end

    def newline(self) -> bool:
        """Skip the end of a line and the here-documents that begin after it."""
        if self.peek() != "\n":
            return False
        self.at += 1
        for document in self.documents:
            self._skip_document(document)
        self.documents.clear()
        return True

    def newlines(self) -> None:
        """Skip blanks, comments and ends of lines."""
        self.blanks()
        while self.newline():
            self.blanks()

    def _skip_document(self, document: HereDocument) -> None:
        start = self.at
        while self.at < len(self.text):
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at : end]
            self.at = min(end + 1, len(self.text))
            if document.strips_tabs:
                line = line.lstrip("\t")
            if line == document.delimiter:
                break
            if document.expands:
                self._skip_continued(line, document)
        document.sets = assigned_by(self.text[start : self.at]) if document.expands else ()

    def _skip_continued(self, line: str, document: HereDocument) -> None:
        """Skip the lines that go on from one that ends in a backslash: no delimiter is there."""
        while (len(line) - len(line.rstrip("\\"))) % 2 and self.at < len(self.text):
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = line[:-1] + self.text[self.at : end]
            self.at = min(end + 1, len(self.text))
        if line == document.delimiter:
            raise self.error("the end of a here-document is written over several lines")
