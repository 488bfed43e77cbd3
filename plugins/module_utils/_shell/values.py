# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a shell variable may be: texts with parts that nobody can know without running something."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, replace

from .._errors import HwaccelError

# Four times what any kernel takes. A file may double a value in each of its lines.
LONGEST = 1 << 14
# And of parts that cannot be known, each of which is handled by itself whenever the value is used.
_MOST_UNKNOWN = 256


class Dialect(enum.Enum):
    """The shell behind /bin/sh; bash runs in its POSIX mode there."""

    DASH = "dash"
    BASH = "bash"


class ShellError(HwaccelError):
    """A file stops the shell, or does what cannot be followed without running it."""

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}, line {line}: {message}")
        self.file = file
        self.line = line


@dataclass(frozen=True)
class Unknown:
    """A part of a value that cannot be known without running something.

    Args:
        line: where it stands, from 1.
        what: the source text, such as C($(cat /etc/args)).
    """

    file: str
    line: int
    what: str


Part = t.Union[str, Unknown]

# Parts in order: no two strings side by side, no empty string.
Text = tuple[Part, ...]


def make_text(parts: t.Iterable[Part]) -> Text:
    """Put parts together."""
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return tuple(merged)


def bounded(text: Text, unknown: Unknown) -> Text:
    """Return a text, or one that is unknown in the place of one that is too long."""
    known = [part for part in text if isinstance(part, str)]
    if sum(map(len, known)) > LONGEST:
        return (replace(unknown, what=f"a value of more than {LONGEST} characters"),)
    if len(text) - len(known) > _MOST_UNKNOWN:
        return (replace(unknown, what=f"a value of more than {_MOST_UNKNOWN} unknown parts"),)
    return text


def known_text(text: Text) -> str | None:
    """Return a text as a string, None when a part of it is unknown."""
    if any(isinstance(part, Unknown) for part in text):
        return None
    return "".join(part for part in text if isinstance(part, str))


@dataclass(frozen=True)
class Value:
    """What a variable may be: one text for each way through the conditionals, never none."""

    alternatives: tuple[Text, ...]

    @property
    def known(self) -> str | None:
        """The value, None when it may be several or has an unknown part."""
        return known_text(self.alternatives[0]) if len(self.alternatives) == 1 else None

    @property
    def possible(self) -> tuple[str, ...] | None:
        """All that it may be, None when any of it has an unknown part."""
        known = [known_text(text) for text in self.alternatives]
        strings = tuple(text for text in known if text is not None)
        return strings if len(strings) == len(known) else None

    @property
    def unknown(self) -> Unknown | None:
        """The first unknown part, for a message."""
        for text in self.alternatives:
            for part in text:
                if isinstance(part, Unknown):
                    return part
        return None


def make_value(texts: t.Iterable[Text]) -> Value:
    """Make a value of what was found on each way, each text once."""
    return Value(tuple(dict.fromkeys(texts)))


@dataclass(frozen=True)
class Assignment:
    """An assignment that may be run in the shell that sources the files.

    Args:
        line: where it starts, from 1.
        start: character offset in its file of the value, right of C(=) or C(+=).
        end: where the value ends.
        value: what the variable is after it.
        keeps: whether the former value of the same variable goes into it (C($X), C(+=)).
        conditional: whether it stands where it may not be run, such as a branch.
        static: whether the value has neither expansions nor substitutions.
        appends: whether it is written with C(+=).
    """

    name: str
    file: str
    line: int
    start: int
    end: int
    value: Value
    keeps: bool
    conditional: bool
    static: bool
    appends: bool
