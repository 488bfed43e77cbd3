# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts that shell commands are made of, as the parser leaves them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .values import Unknown


@dataclass(frozen=True)
class Literal:
    """Characters that stand for themselves; unquoted ones may be a pattern."""

    text: str
    quoted: bool


@dataclass(frozen=True)
class Parameter:
    """An expansion of a variable.

    Args:
        operator: what follows the name in braces, empty for none, C(length) for C(${#X}).
        operand: the word after the operator.
        unknown: what stands for it where its value cannot be told.
    """

    name: str
    operator: str
    operand: Word | None
    quoted: bool
    unknown: Unknown


@dataclass(frozen=True)
class Opaque:
    """What only a running shell can expand.

    Args:
        sets: the variables that expanding it may assign.
        runs: whether a command is run, so that an assignment of it may fail.
        fails: why the shell stops here, where it does.
    """

    unknown: Unknown
    quoted: bool
    sets: tuple[str, ...] = ()
    runs: bool = False
    fails: str | None = None


WordPart = t.Union[Literal, Parameter, Opaque]


@dataclass(frozen=True)
class Word:
    """A word and where it stands: character offsets in the text of its file, lines from 1."""

    parts: tuple[WordPart, ...]
    start: int
    end: int
    line: int

    @property
    def plain(self) -> str | None:
        """The word as written, None when it has quotes or expansions."""
        if all(isinstance(part, Literal) and not part.quoted for part in self.parts):
            return "".join(part.text for part in self.parts if isinstance(part, Literal))
        return None

    @property
    def static(self) -> bool:
        """Whether it has neither expansions nor substitutions."""
        return all(isinstance(part, Literal) for part in self.parts)

    def walk(self) -> Iterator[WordPart]:
        """Yield the parts, and those of the words inside of them."""
        for part in self.parts:
            yield part
            if isinstance(part, Parameter) and part.operand:
                yield from part.operand.walk()


@dataclass(frozen=True)
class Assign:
    """An assignment, as a command or as what export and its like are given.

    Args:
        form: C(value) for C(NAME=word), C(default) for C(${NAME:=word}), C(whole) where the word
            is not written as an assignment but expands to one.
    """

    name: str
    appends: bool
    word: Word
    file: str
    line: int
    form: str = "value"


@dataclass
class HereDocument:
    """A here-document; what expanding its body may assign is known once that was read."""

    delimiter: str
    expands: bool
    strips_tabs: bool
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Redirect:
    """A redirection; one that opens a file may fail."""

    target: Word
    opens: bool
    document: HereDocument | None


@dataclass(frozen=True)
class Simple:
    """Assignments, or a command with its words."""

    file: str
    line: int
    source: str
    assigns: tuple[Assign, ...]
    words: tuple[Word | Assign, ...]


@dataclass(frozen=True)
class Block:
    """Commands one after the other."""

    commands: tuple[Command, ...]


@dataclass(frozen=True)
class AndOr:
    """C(left && right) or C(left || right)."""

    left: Command
    right: Command
    on_success: bool


@dataclass(frozen=True)
class Not:
    """C(! command)."""

    command: Command


@dataclass(frozen=True)
class Isolated:
    """What runs in processes of its own and so changes no variable; in the background or not."""

    background: bool


@dataclass(frozen=True)
class Arithmetic:
    """C((( .. ))) of bash, and the variables that it may assign."""

    unknown: Unknown
    sets: tuple[str, ...]


@dataclass(frozen=True)
class DoubleBracket:
    """C([[ .. ]]) of bash."""

    file: str
    line: int
    words: tuple[Word, ...]


@dataclass(frozen=True)
class If:
    """C(if); C(elif) is another one in C(otherwise)."""

    condition: Command
    then: Command
    otherwise: Command


@dataclass(frozen=True)
class Loop:
    """C(for), C(while) or C(until).

    Args:
        name: the variable of C(for).
        words: what it runs over.
        condition: of C(while) and, the other way round, of C(until).
        unknown: what stands for a variable that the body changes.
    """

    name: str | None
    words: tuple[Word, ...]
    condition: Command | None
    body: Command
    unknown: Unknown


@dataclass(frozen=True)
class Case:
    """C(case word in): patterns with what is run for them."""

    word: Word
    clauses: tuple[tuple[tuple[Word, ...], Command], ...]


@dataclass(frozen=True)
class Function:
    """The definition of a function."""

    file: str
    line: int
    name: str
    body: Command


@dataclass(frozen=True)
class Redirected:
    """A command with redirections."""

    command: Command
    redirects: tuple[Redirect, ...]


Command = t.Union[
    Simple,
    Block,
    AndOr,
    Not,
    Isolated,
    Arithmetic,
    DoubleBracket,
    If,
    Loop,
    Case,
    Function,
    Redirected,
]
