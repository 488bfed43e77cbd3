# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was assigned, in order, on all ways through the conditionals."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from .tree import Opaque, Parameter
from .values import Assignment, make_value

if t.TYPE_CHECKING:
    from .tree import Assign
    from .values import Text

# Operators after which a value is used without going into the result.
_TESTS = frozenset({"+", ":+", "length"})


@dataclass
class _Entry:
    assign: Assign
    conditional: bool = False
    texts: list[Text] = field(default_factory=list)

    def assignment(self) -> Assignment:
        assign = self.assign
        return Assignment(
            name=assign.name,
            file=assign.file,
            line=assign.line,
            start=assign.word.start,
            end=assign.word.end,
            value=make_value(self.texts),
            keeps=assign.form == "default" or assign.appends or _keeps(assign),
            conditional=self.conditional,
            static=assign.word.static and assign.form == "value",
            appends=assign.appends,
        )


class Journal:
    """Takes down assignments; those of one command on several ways are one."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: dict[tuple[int, str, int, str], _Entry] = {}
        self._step = 0

    def step(self) -> None:
        """Begin another command."""
        self._step += 1

    def note(self, assign: Assign, text: Text, *, maybe: bool) -> None:
        """Take down an assignment on one way, or on one more."""
        key = (self._step, assign.file, assign.word.start, assign.name)
        entry = self._entries.setdefault(key, _Entry(assign))
        entry.texts.append(text)
        entry.conditional = entry.conditional or maybe

    def mark(self) -> int:
        """Return a mark to go back to."""
        return len(self._entries)

    def forget(self, mark: int) -> None:
        """Forget what was taken down after a mark."""
        while len(self._entries) > mark:
            self._entries.popitem()

    def assignments(self) -> tuple[Assignment, ...]:
        """Return everything in order."""
        return tuple(entry.assignment() for entry in self._entries.values())


def _keeps(assign: Assign) -> bool:
    """Tell whether the former value of the variable goes into the new one."""
    name = re.escape(assign.name)
    for part in assign.word.walk():
        if isinstance(part, Parameter):
            if part.name == assign.name and part.operator not in _TESTS:
                return True
        elif isinstance(part, Opaque):
            source = part.unknown.what
            before = r"(?<![A-Za-z0-9_])" if source.startswith("$((") else r"\$\{?!?"
            if re.search(rf"{before}{name}(?![A-Za-z0-9_])", source):
                return True
    return False
