# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What words expand to on one way through the files."""

from __future__ import annotations

import re
import typing as t

from .tree import Literal, Opaque, Parameter
from .values import ShellError, Unknown, known_text, make_text

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .state import World
    from .tree import Word, WordPart
    from .values import Part, Text

_GLOB = re.compile(r"[*?\\]|\[.*\]", re.DOTALL)
_WHITE = re.compile(r"[ \t\n]+")
_BRACE_LIST = re.compile(r"\{.*(,|\.\.)", re.DOTALL)


class Piece(t.NamedTuple):
    """A part of an expanded word; C(splits) where blanks in it separate words."""

    value: Part
    quoted: bool
    splits: bool


class Shell(t.Protocol):
    """What is told of assignments."""

    bash: bool

    def assign(self, world: World, name: str, text: Text, unknown: Unknown) -> None:
        """Assign a variable."""

    def note_default(self, parameter: Parameter, word: Word, text: Text) -> None:
        """Note that C(${X:=word}) assigned a variable."""


class Expander:
    """Expands words in one state, which C(${X:=word}) changes."""

    def __init__(self, shell: Shell, world: World) -> None:
        """Expand in a state."""
        self._shell = shell
        self._world = world

    def text(self, word: Word) -> Text:
        """Expand a word where it stays one: the value of an assignment, the word of a case."""
        return make_text(piece.value for piece in self.pieces(word))

    def pieces(self, word: Word) -> list[Piece]:
        """Expand a word and keep which parts are quoted."""
        return [piece for part in word.parts for piece in self._part(part)]

    def fields(self, word: Word) -> tuple[Text, ...] | None:
        """Expand a word into words, None when their number cannot be told."""
        if self.has_braces(word):
            self.touch(word)
            return None
        pieces = self.pieces(word)
        if any(piece.splits for piece in pieces) and "IFS" in self._world.variables:
            return None
        return split_pieces(pieces)

    def has_braces(self, word: Word) -> bool:
        """Tell whether bash may make several words of one, as of C({a,b}) and C({1..3})."""
        bare = "".join(
            part.text if isinstance(part, Literal) and not part.quoted else " "
            for part in word.parts
        )
        return self._shell.bash and _BRACE_LIST.search(bare) is not None

    def touch(self, word: Word) -> None:
        """Make unknown what expanding a word may assign, where it may not be expanded at all."""
        for part in word.walk():
            if isinstance(part, Opaque):
                self._touch_names(part.sets, part.unknown)
            elif isinstance(part, Parameter) and part.operator in {"=", ":="}:
                self._touch_names((part.name,), part.unknown)

    def _touch_names(self, names: tuple[str, ...], unknown: Unknown) -> None:
        for name in names:
            self._shell.assign(self._world, name, (unknown,), unknown)

    def _part(self, part: WordPart) -> Iterator[Piece]:
        if isinstance(part, Literal):
            yield Piece(part.text, part.quoted, splits=False)
        elif isinstance(part, Opaque):
            if part.fails:
                raise ShellError(part.unknown.file, part.unknown.line, part.fails)
            self._touch_names(part.sets, part.unknown)
            yield Piece(part.unknown, part.quoted, splits=not part.quoted)
        else:
            yield from self._parameter(part)

    def _parameter(self, part: Parameter) -> Iterator[Piece]:
        value = self._world.lookup(part.name, part.unknown)
        if part.operator == "length":
            yield self._piece(part, _length(value, part.unknown))
        elif part.operand is None or part.operator.startswith(("%", "#")):
            yield from self._trimmed(part, value)
        else:
            yield from self._conditional(part, part.operand, value)

    @staticmethod
    def _piece(part: Parameter, value: Part) -> Piece:
        return Piece(value, part.quoted, splits=not part.quoted)

    def _whole(self, part: Parameter, value: Text | None) -> Iterator[Piece]:
        for item in value or ("",):
            yield self._piece(part, item)

    def _conditional(self, part: Parameter, operand: Word, value: Text | None) -> Iterator[Piece]:
        """Expand C(${X:-word}) and its like."""
        given = _is_given(value, colon=part.operator.startswith(":"))
        action = part.operator[-1]
        if given is None:
            self.touch(operand)
            if action == "=":
                self._touch_names((part.name,), part.unknown)
            yield self._piece(part, part.unknown)
        elif action == "+":
            yield from self._operand(part, operand) if given else self._whole(part, None)
        elif given:
            yield from self._whole(part, value)
        elif action == "-":
            yield from self._operand(part, operand)
        elif action == "=":
            yield from self._assigned(part, operand)
        else:
            unknown = part.unknown
            raise ShellError(unknown.file, unknown.line, f"{unknown.what} stops update-grub")

    def _operand(self, part: Parameter, operand: Word) -> Iterator[Piece]:
        yield self._piece(part, "")
        for piece in self.pieces(operand):
            yield Piece(piece.value, piece.quoted or part.quoted, not (piece.quoted or part.quoted))

    def _assigned(self, part: Parameter, operand: Word) -> Iterator[Piece]:
        text = self.text(operand)
        self._shell.assign(self._world, part.name, text, part.unknown)
        self._shell.note_default(part, operand, text)
        yield from self._whole(part, text)

    def _trimmed(self, part: Parameter, value: Text | None) -> Iterator[Piece]:
        """Expand C($X), or C(${X%end}) and C(${X#start}) where they are literal."""
        if part.operand is None:
            yield from self._whole(part, value)
            return
        string = known_text(value or ())
        pieces = self.pieces(part.operand)
        literal = known_text(make_text(piece.value for piece in pieces))
        pattern = any(not piece.quoted and _GLOB.search(str(piece.value)) for piece in pieces)
        if string is None or literal is None or pattern:
            yield self._piece(part, part.unknown)
        elif part.operator.startswith("%"):
            cut = len(string) - len(literal) if string.endswith(literal) else len(string)
            yield self._piece(part, string[:cut])
        else:
            yield self._piece(part, string.removeprefix(literal))


def _length(value: Text | None, unknown: Unknown) -> Part:
    string = known_text(value or ())
    # dash counts bytes, bash the characters of the locale.
    return str(len(string)) if string is not None and string.isascii() else unknown


def _is_given(value: Text | None, *, colon: bool) -> bool | None:
    """Tell whether a variable counts as set; with a colon an empty one does not."""
    if value is None:
        return False
    if any(isinstance(part, str) for part in value):
        return True
    # What cannot be known may stand for a variable that is not set.
    return None if value else not colon


def split_pieces(pieces: t.Iterable[Piece]) -> tuple[Text, ...] | None:
    """Split an expanded word into words, None when a name of a file or an unknown part is in it."""
    pieces = list(pieces)
    bare = [piece.value for piece in pieces if not piece.quoted]
    if any(isinstance(value, Unknown) for value in bare) or _GLOB.search("".join(map(str, bare))):
        return None
    fields: list[list[Part]] = []
    open_field = False
    for value, quoted, splits in pieces:
        if isinstance(value, Unknown) or not splits:
            parts: list[Part] = [value] if quoted or value else []
        else:
            parts = list(_WHITE.split(value)) if value else []
        for index, item in enumerate(parts):
            if index:
                open_field = False
            if item == "" and not quoted:
                continue
            if not open_field:
                fields.append([])
                open_field = True
            fields[-1].append(item)
    return tuple(make_text(parts) for parts in fields)


def match_pattern(text: Text, pieces: t.Sequence[Piece]) -> bool | None:
    """Match a text against the pattern of a case, None when it cannot be told."""
    string = known_text(text)
    if all(piece.value == "*" and not piece.quoted for piece in pieces):
        return True
    if string is None or any(isinstance(piece.value, Unknown) for piece in pieces):
        return None
    expression = ""
    for value, quoted, _splits in pieces:
        if quoted:
            expression += re.escape(str(value))
            continue
        # Backslashes that come out of variables, and what a range means in a locale.
        if re.search(r"[\[\\]", str(value)) or ("?" in str(value) and not string.isascii()):
            return None
        escaped = re.escape(str(value))
        expression += escaped.replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, string, re.DOTALL) is not None
