# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading shell words: quotes, expansions and what has to be skipped over.

POSIX.1-2017, Shell Command Language, 2.2 (Quoting), 2.3 (Token Recognition) and 2.6 (Word
Expansions); where dash and bash differ, as they do.
"""

from __future__ import annotations

import re
import typing as t

from .cursor import NAME, assigned_by
from .tree import Literal, Opaque, Parameter, Word

if t.TYPE_CHECKING:
    from .cursor import Cursor
    from .tree import WordPart
    from .values import ShellError, Unknown

META = " \t\n;&|<>()"
RAW_WORD = re.compile(r"[^ \t\n;&|<>()]+")
_NAME_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_SPECIAL = frozenset("@*#?-$!0123456789")
_OPERATOR = re.compile(r":[-=+?]|[-=+?]|%%?|##?")
_TRIMS = ("%", "#")
_BACKSLASH_IN_QUOTES = frozenset('$`"\\')


class Words:
    """Reads words; commands inside of them are read by the parser that it is given."""

    def __init__(self, cursor: Cursor, skip_commands: t.Callable[[], None]) -> None:
        """Share the place with a parser."""
        self._cursor = cursor
        self._skip_commands = skip_commands

    def word(self, *, value: bool = False) -> Word:
        """Read a word, which may be empty; a value is what stands right of C(=)."""
        cursor = self._cursor
        cursor.peek()
        start = cursor.at
        return self._ended(start, self._bare(META, tildes=":" if value else " "))

    def filled(self) -> Word:
        """Read a word that has to be there."""
        word = self.word()
        if word.start == word.end:
            raise self.unexpected()
        return word

    def unexpected(self) -> ShellError:
        """Make the error of what comes next."""
        cursor = self._cursor
        match = cursor.match(RAW_WORD)
        what = match.group() if match else cursor.peek()
        told = repr(what) if what.strip() else "the end of the line" if what else "the end"
        return cursor.error(f"syntax error: {told} is not expected here")

    def bracket_word(self) -> Word:
        """Read a word of C([[ .. ]]), where blanks alone end one."""
        self._cursor.peek()
        return self._ended(self._cursor.at, self._bare(" \t\n"))

    def _ended(self, start: int, parts: list[WordPart]) -> Word:
        """Make the word; a line break that is continued after it does not belong to it."""
        cursor = self._cursor
        end = cursor.at
        while end > start and cursor.text.startswith("\\\n", end - 2):
            end -= 2
        return Word(tuple(parts), start, end, cursor.line(start))

    def array(self) -> Word:
        """Read the parentheses of C(X=(a b)) in bash as an unknown value."""
        cursor = self._cursor
        start = cursor.at
        cursor.accept("(")
        cursor.newlines()
        sets: list[str] = []
        while not cursor.accept(")"):
            word = self.word()
            if word.start == word.end:
                raise cursor.error("the array that begins here does not end", start)
            sets += assigned_by(cursor.text[word.start : word.end])
            cursor.newlines()
        part = Opaque(cursor.unknown(start), quoted=True, sets=tuple(sets), runs=True)
        return Word((part,), start, cursor.at, cursor.line(start))

    def _bare(self, ends: str, tildes: str = "") -> list[WordPart]:
        """Read parts outside of double quotes, up to one of the characters."""
        cursor = self._cursor
        parts: list[WordPart] = []
        begins = bool(tildes)
        while char := cursor.peek():
            if char in ends and not self._process_next():
                break
            if char == "~" and begins:
                parts.append(self._tilde())
            elif char == '"':
                parts += self._double()
            else:
                parts.append(self._bare_part(char))
            begins = char in tildes
        return _merged(parts)

    def _bare_part(self, char: str) -> WordPart:
        cursor = self._cursor
        if char == "'":
            return self._single()
        if char == "$":
            return self._dollar(quoted=False)
        if char == "`":
            return self._backticks(quoted=False)
        if self._process_next():
            return self._process()
        cursor.at += 1
        if char == "\\" and cursor.at < len(cursor.text):
            cursor.at += 1
            return Literal(cursor.text[cursor.at - 1], quoted=True)
        return Literal(char, quoted=False)

    def _tilde(self) -> Opaque:
        start = self._cursor.at
        while (char := self._cursor.peek()) and char not in META and char not in "/:'\"\\$`}":
            self._cursor.at += 1
        return Opaque(self._cursor.unknown(start), quoted=True)

    def _single(self) -> Literal:
        cursor = self._cursor
        start = cursor.at
        end = cursor.text.find("'", start + 1)
        if end < 0:
            raise cursor.error("the single quote that begins here does not end", start)
        cursor.at = end + 1
        return Literal(cursor.text[start + 1 : end], quoted=True)

    def _double(self) -> list[WordPart]:
        """Read a string in double quotes; an empty one is there too."""
        cursor = self._cursor
        start = cursor.at
        cursor.at += 1
        parts = [Literal("", quoted=True), *self._quoted('"')]
        if not cursor.accept('"'):
            raise cursor.error("the double quote that begins here does not end", start)
        return parts

    def _quoted(self, end: str) -> list[WordPart]:
        """Read parts inside of double quotes, up to a quote or to the brace of an expansion."""
        cursor = self._cursor
        parts: list[WordPart] = []
        while (char := cursor.peek()) and char != end:
            if char == "$":
                parts.append(self._quoted_dollar(end))
            elif char == "`":
                parts.append(self._backticks(quoted=True))
            elif char == '"':
                parts += self._nested_double()
            else:
                cursor.at += 1
                following = cursor.text[cursor.at : cursor.at + 1]
                if char == "\\" and following and (following in _BACKSLASH_IN_QUOTES | {end}):
                    char = following
                    cursor.at += 1
                parts.append(Literal(char, quoted=True))
        return _merged(parts)

    def _nested_double(self) -> list[WordPart]:
        """Read double quotes within a quoted expansion."""
        cursor = self._cursor
        start = cursor.at
        parts = self._double()
        # Outside of quotes again for bash, inside still for dash.
        if cursor.bash and "\\" in cursor.text[start : cursor.at]:
            raise cursor.error(
                "a backslash in quotes within a quoted expansion is not followed", start
            )
        return parts

    def _quoted_dollar(self, end: str) -> WordPart:
        cursor = self._cursor
        if cursor.bash and end == "}" and cursor.text[cursor.at + 1 : cursor.at + 2] in {"'", '"'}:
            raise cursor.error("a quote after $ inside of a quoted ${ } is not followed")
        return self._dollar(quoted=True)

    def _dollar(self, *, quoted: bool) -> WordPart:
        cursor = self._cursor
        start = cursor.at
        cursor.at += 1
        char = cursor.peek()
        if char == "(":
            return self._substitution(start, quoted=quoted)
        if char == "{":
            return self._braces(start, quoted=quoted)
        if char in _NAME_START:
            name = self._name()
            return Parameter(name, "", None, quoted, cursor.unknown(start))
        if char in _SPECIAL:
            cursor.at += 1
            # "$@" may be several words, or none.
            return Opaque(cursor.unknown(start), quoted=quoted and char != "@")
        if cursor.bash and char and char in ("[" if quoted else "'\"["):
            return self._dollar_of_bash(start, char)
        return Literal("$", quoted=quoted)

    def _dollar_of_bash(self, start: int, char: str) -> WordPart:
        cursor = self._cursor
        if char == "[":
            raise cursor.error("$[ is not followed, write $((", start)
        if char == '"':
            self._double()
            # What is translated depends on the catalogs of the host.
            unknown = cursor.unknown(start)
            return Opaque(unknown, quoted=True, sets=assigned_by(unknown.what), runs=True)
        cursor.at += 1
        first = cursor.at
        escapes = False
        while (char := cursor.text[cursor.at : cursor.at + 1]) and char != "'":
            escapes = escapes or char == "\\"
            cursor.at += 2 if char == "\\" else 1
        if not char:
            raise cursor.error("the quote that begins here does not end", start)
        cursor.at += 1
        if escapes:
            return Opaque(cursor.unknown(start), quoted=True)
        return Literal(cursor.text[first : cursor.at - 1], quoted=True)

    def _name(self) -> str:
        cursor = self._cursor
        name = ""
        while (char := cursor.peek()) and NAME.fullmatch(name + char):
            name += char
            cursor.at += 1
        return name

    def _substitution(self, start: int, *, quoted: bool) -> Opaque:
        """Read C($(..)) or C($((..)))."""
        cursor = self._cursor
        cursor.accept("(")
        first = cursor.at
        if cursor.accept("("):
            if self.arithmetic():
                unknown = cursor.unknown(start)
                return Opaque(unknown, quoted=quoted, sets=assigned_by(unknown.what))
            if not cursor.bash:
                raise cursor.error("$(( is not closed by ))", start)
            cursor.at = first
        self.commands(start)
        return Opaque(cursor.unknown(start), quoted=quoted, runs=True)

    def commands(self, start: int) -> None:
        """Skip commands and the closing parenthesis."""
        cursor = self._cursor
        waiting, cursor.documents = cursor.documents, []
        self._skip_commands()
        if cursor.documents:
            raise cursor.error("a here-document begins but its line ends with )")
        cursor.documents = waiting
        if not cursor.accept(")"):
            raise cursor.error("the parenthesis that begins here does not end", start)

    def arithmetic(self) -> bool:
        """Skip to the C(())) of an arithmetic expression; false when it turns out to be none."""
        depth = 0
        cursor = self._cursor
        while char := cursor.peek():
            if char in "$`":
                self._bare_part(char)
                continue
            if char in "'\"":
                raise cursor.error(f"{char} in an arithmetic expression is not followed")
            cursor.at += 1
            depth += (char == "(") - (char == ")")
            if depth < 0:
                return cursor.accept(")")
        return False

    def _backticks(self, *, quoted: bool) -> Opaque:
        """Skip to the first backtick without a backslash; quotes do not hide one."""
        cursor = self._cursor
        start = cursor.at
        cursor.at += 1
        while (char := cursor.text[cursor.at : cursor.at + 1]) and char != "`":
            cursor.at += 2 if char == "\\" else 1
        if not char:
            raise cursor.error("the backtick that begins here does not end", start)
        cursor.at += 1
        return Opaque(cursor.unknown(start), quoted=quoted, runs=True)

    def _process_next(self) -> bool:
        """Tell whether bash's C(<(..)) is next; it may stand within a word."""
        cursor = self._cursor
        return cursor.bash and cursor.text[cursor.at : cursor.at + 2] in {"<(", ">("}

    def _process(self) -> Opaque:
        start = self._cursor.at
        self._cursor.at += 2
        self.commands(start)
        return Opaque(self._cursor.unknown(start), quoted=True)

    def _braces(self, start: int, *, quoted: bool) -> WordPart:
        """Read C(${..})."""
        cursor = self._cursor
        cursor.accept("{")
        length = self._length(start, quoted=quoted)
        if length:
            return length
        name = self._name()
        special = "" if name else self._special()
        operator = cursor.match(_OPERATOR)
        if cursor.peek() != "}" and not (operator and (name or special)):
            return self._bad_braces(start, quoted=quoted)
        operand = None
        if operator:
            cursor.at = operator.end()
            operand = self._operand(operator.group(), start, quoted=quoted)
        if not cursor.accept("}"):
            raise cursor.error("the ${ that begins here does not end", start)
        unknown = cursor.unknown(start)
        if special:
            sets = assigned_by(unknown.what)
            return Opaque(unknown, quoted=quoted and special != "@", sets=sets)
        if not name:
            return self._failing(unknown, quoted=quoted)
        return Parameter(name, operator.group() if operator else "", operand, quoted, unknown)

    def _length(self, start: int, *, quoted: bool) -> Parameter | None:
        cursor = self._cursor
        match = cursor.match(re.compile(r"#([A-Za-z_][A-Za-z0-9_]*)\}"))
        if not match:
            return None
        cursor.at = match.end()
        return Parameter(match[1], "length", None, quoted, cursor.unknown(start))

    def _special(self) -> str:
        cursor = self._cursor
        char = cursor.peek()
        if char not in _SPECIAL or not char:
            return ""
        cursor.at += 1
        while char.isdigit() and cursor.peek() and cursor.peek() in "0123456789":
            cursor.at += 1
        return char

    def _operand(self, operator: str, start: int, *, quoted: bool) -> Word:
        """Read the word after an operator; single quotes quote it only where it is no text."""
        cursor = self._cursor
        first = cursor.at
        if quoted and not operator.startswith(_TRIMS):
            parts = self._quoted("}")
        else:
            parts = self._bare("}", tildes=" :")
        if not cursor.peek():
            raise cursor.error("the ${ that begins here does not end", start)
        return Word(tuple(parts), first, cursor.at, cursor.line(first))

    def _bad_braces(self, start: int, *, quoted: bool) -> Opaque:
        """Read an expansion that dash refuses and bash may know."""
        cursor = self._cursor
        self._bare("}")
        if not cursor.accept("}"):
            raise cursor.error("the ${ that begins here does not end", start)
        unknown = cursor.unknown(start)
        if cursor.bash:
            return Opaque(unknown, quoted=False, sets=_sets_of_bad(unknown.what))
        return self._failing(unknown, quoted=quoted)

    @staticmethod
    def _failing(unknown: Unknown, *, quoted: bool) -> Opaque:
        fails = f"{unknown.what} is a bad substitution, and update-grub stops there"
        return Opaque(unknown, quoted=quoted, fails=fails)


def _sets_of_bad(source: str) -> tuple[str, ...]:
    """Return what may be assigned: ``${X:Y=1}`` and ``${X[Y=1]}`` are arithmetic, too."""
    return tuple(dict.fromkeys(NAME.findall(source))) if "=" in source else assigned_by(source)


def _merged(parts: list[WordPart]) -> list[WordPart]:
    """Put literals of one kind together."""
    merged: list[WordPart] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, Literal) and isinstance(last, Literal) and part.quoted == last.quoted:
            merged[-1] = Literal(last.text + part.text, part.quoted)
        else:
            merged.append(part)
    return merged
