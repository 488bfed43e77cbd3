# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files in which several lines of text make one command line together."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._errors import RefusedError
from .cmdline import CommandLine
from .linefile import LineFile

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .wanted import Wanted


@dataclass(frozen=True)
class JoinedFile(LineFile):
    """A file with one command line, which may stand in several lines of text."""

    @property
    def line(self) -> CommandLine:
        """The command line that the kernel gets."""
        return self.effective(self.lines())

    def effective(self, lines: Sequence[CommandLine]) -> CommandLine:
        """Return the command line that the lines of text make."""
        return CommandLine.parse(" ".join(map(str, lines)))

    def settled(self, wanted: Wanted) -> bytes | None:
        """Return the content with what all lines together lack, in the last one with something.

        Raises:
            RefusedError: where something that is not in the file works against it.
        """
        lines = self.lines()
        made = self._settled(lines, wanted)
        return self.content if made == lines else self.with_lines(made)

    def _settled(
        self,
        lines: tuple[CommandLine, ...],
        wanted: Wanted,
    ) -> tuple[CommandLine, ...]:
        if wanted.off(self.effective(lines)):
            nothing = replace(wanted, arguments=())
            lines = tuple(nothing.settled(line) for line in lines)
        if wanted.missing(self.effective(lines)):
            lines = tuple(line.without(wanted.replaced) for line in lines)
        lacking = wanted.missing(self.effective(lines))
        spoken = [place for place, line in enumerate(lines) if str(line).strip()]
        last = spoken[-1] if spoken else 0
        lines = (*lines[:last], lines[last].with_arguments(lacking), *lines[last + 1 :])
        if not wanted.met(self.effective(lines)):
            raise RefusedError(self._against())
        return lines

    def _against(self) -> str:
        return f"{self.path}: its lines cannot be given what is wanted; see: {self.line}"


def up_to_end(lines: Sequence[CommandLine]) -> Iterator[CommandLine]:
    """Yield lines up to the one with C(--): what comes after it is not for the kernel."""
    for line in lines:
        yield line
        if line.ended:
            return
