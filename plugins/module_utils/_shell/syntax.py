# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of shell files: POSIX.1-2017, Shell Command Language, 2.10, and bash's additions."""

from __future__ import annotations

import typing as t

from .cursor import NAME, Cursor, assigned_by
from .simple import Simples
from .tree import (
    AndOr,
    Arithmetic,
    Block,
    Case,
    DoubleBracket,
    Function,
    If,
    Isolated,
    Loop,
    Not,
)
from .words import RAW_WORD, Words

if t.TYPE_CHECKING:
    from .tree import Command, Word
    from .values import Dialect


_CLOSERS = frozenset({"then", "elif", "else", "fi", "do", "done", "esac", "}"})
_UNFOLLOWED_BASH = frozenset({"coproc", "select", "time"})


def parse(file: str, text: str, dialect: Dialect) -> Command:
    """Parse a file.

    Raises:
        ShellError: for a syntax error, and for what is not followed.
    """
    return Parser(Cursor(file, text, dialect)).file()


class Parser:
    """Reads commands; one method a rule of the grammar."""

    def __init__(self, cursor: Cursor) -> None:
        """Read from a place on."""
        self._cursor = cursor
        self._words = Words(cursor, self._skip_commands)
        self._simples = Simples(cursor, self._words, self._function)

    def file(self) -> Command:
        """Read everything."""
        cursor = self._cursor
        if "\0" in cursor.text:
            raise cursor.error("a NUL character is not followed", cursor.text.index("\0"))
        block = self._list()
        if cursor.peek():
            raise self._words.unexpected()
        return block

    def _skip_commands(self) -> None:
        self._list()

    def _keyword(self) -> str:
        """Return the word that comes next as it is written."""
        match = self._cursor.match(RAW_WORD)
        return match.group() if match else ""

    def _take(self, keyword: str) -> bool:
        if self._keyword() != keyword:
            return False
        self._cursor.at += len(keyword)
        return True

    def _expect(self, keyword: str) -> None:
        self._cursor.newlines()
        if not self._take(keyword):
            raise self._words.unexpected()

    def _list(self, *, required: bool = False) -> Block:
        """Read commands up to what ends a list."""
        cursor = self._cursor
        commands: list[Command] = []
        cursor.newlines()
        while not self._list_ends():
            commands.append(self._list_item())
            cursor.newlines()
        if required and not commands:
            raise self._words.unexpected()
        return Block(tuple(commands))

    def _list_ends(self) -> bool:
        cursor = self._cursor
        ends = cursor.peek() in {"", ")"} or cursor.text.startswith(";;", cursor.at)
        return ends or self._keyword() in _CLOSERS

    def _list_item(self) -> Command:
        cursor = self._cursor
        command = self._and_or()
        cursor.blanks()
        char = cursor.peek()
        if char == "&":
            cursor.at += 1
            return Isolated(background=True)
        if char == ";" and not cursor.text.startswith(";;", cursor.at):
            cursor.at += 1
        elif char != "\n" and not self._list_ends():
            raise self._words.unexpected()
        return command

    def _and_or(self) -> Command:
        cursor = self._cursor
        left = self._pipeline()
        cursor.blanks()
        while cursor.accept("&&") or cursor.accept("||"):
            on_success = cursor.text[cursor.at - 1] == "&"
            cursor.newlines()
            left = AndOr(left, self._pipeline(), on_success)
            cursor.blanks()
        return left

    def _pipeline(self) -> Command:
        cursor = self._cursor
        negated = self._take("!")
        cursor.blanks()
        command = self._command()
        cursor.blanks()
        while cursor.peek() == "|" and not cursor.text.startswith("||", cursor.at):
            cursor.at += 2 if cursor.bash and cursor.text.startswith("|&", cursor.at) else 1
            cursor.newlines()
            self._command()
            cursor.blanks()
            command = Isolated(background=False)
        return Not(command) if negated else command

    def _command(self) -> Command:
        """Read one command with its redirections."""
        cursor = self._cursor
        cursor.blanks()
        read = self._compound()
        if read is None:
            return self._simples.read()
        command = read()
        return self._simples.redirected(command, self._simples.redirects())

    def _compound(self) -> t.Callable[[], Command] | None:
        """Return what reads the compound command that comes next, None when there is none."""
        keyword = self._keyword()
        if self._cursor.peek() == "(":
            return self._parenthesis
        if keyword in _CLOSERS or keyword in {"!", "in"}:
            raise self._words.unexpected()
        readers = {
            "{": self._braces,
            "if": self._if,
            "while": self._while,
            "until": self._while,
            "for": self._for,
            "case": self._case,
        }
        if self._cursor.bash:
            readers.update({"[[": self._bracket, "function": self._named})
            if keyword in _UNFOLLOWED_BASH:
                raise self._cursor.error(f"{keyword} is not followed")
        return readers.get(keyword)

    def _parenthesis(self) -> Command:
        cursor = self._cursor
        start = cursor.at
        cursor.at += 1
        first = cursor.at
        if cursor.bash and cursor.accept("("):
            if self._words.arithmetic():
                unknown = cursor.unknown(start)
                return Arithmetic(unknown, assigned_by(unknown.what))
            cursor.at = first
        self._words.commands(start)
        return Isolated(background=False)

    def _braces(self) -> Command:
        start = self._cursor.at
        self._take("{")
        block = self._list(required=True)
        if not self._take("}"):
            raise self._cursor.error("the { that begins here does not end", start)
        return block

    def _if(self) -> Command:
        start = self._cursor.at
        self._cursor.at += len(self._keyword())
        condition = self._list(required=True)
        self._expect("then")
        then = self._list(required=True)
        otherwise: Command = Block(())
        if self._keyword() == "elif":
            return If(condition, then, self._if())
        if self._take("else"):
            otherwise = self._list(required=True)
        if not self._take("fi"):
            raise self._cursor.error("the if that begins here has no fi", start)
        return If(condition, then, otherwise)

    def _while(self) -> Command:
        start = self._cursor.at
        keyword = self._keyword()
        self._cursor.at += len(keyword)
        condition: Command = self._list(required=True)
        if keyword == "until":
            condition = Not(condition)
        body = self._loop_body(start)
        return Loop(None, (), condition, body, self._cursor.first_line(start))

    def _loop_body(self, start: int) -> Command:
        self._expect("do")
        body = self._list(required=True)
        if not self._take("done"):
            raise self._cursor.error("the loop that begins here has no done", start)
        return body

    def _for(self) -> Command:
        cursor = self._cursor
        start = cursor.at
        cursor.at += len(self._keyword())
        cursor.blanks()
        name = self._keyword()
        if not NAME.fullmatch(name):
            raise cursor.error(f"for {name or cursor.peek()!r} is not followed")
        cursor.at += len(name)
        cursor.newlines()
        words: tuple[Word, ...] = ()
        if self._take("in"):
            words = self._for_words()
        elif cursor.accept(";"):
            cursor.newlines()
        body = self._loop_body(start)
        return Loop(name, words, None, body, cursor.first_line(start))

    def _for_words(self) -> tuple[Word, ...]:
        cursor = self._cursor
        words: list[Word] = []
        cursor.blanks()
        while (char := cursor.peek()) and char not in "\n;":
            words.append(self._words.filled())
            cursor.blanks()
        cursor.accept(";")
        return tuple(words)

    def _case(self) -> Command:
        cursor = self._cursor
        start = cursor.at
        self._take("case")
        cursor.blanks()
        word = self._words.filled()
        self._expect("in")
        cursor.newlines()
        clauses: list[tuple[tuple[Word, ...], Command]] = []
        while not self._take("esac"):
            clauses.append(self._clause(start))
            cursor.newlines()
        return Case(word, tuple(clauses))

    def _clause(self, start: int) -> tuple[tuple[Word, ...], Command]:
        cursor = self._cursor
        if not cursor.peek():
            raise cursor.error("the case that begins here has no esac", start)
        cursor.accept("(")
        patterns: list[Word] = []
        while not patterns or cursor.accept("|"):
            cursor.blanks()
            patterns.append(self._words.filled())
            cursor.blanks()
        if not cursor.accept(")"):
            raise self._words.unexpected()
        body = self._list()
        if cursor.text.startswith(";;&", cursor.at):
            raise cursor.error("a case that falls through is not followed")
        if not cursor.accept(";;") and self._keyword() != "esac":
            raise self._words.unexpected()
        return tuple(patterns), body

    def _bracket(self) -> Command:
        cursor = self._cursor
        start = cursor.at
        self._take("[[")
        words: list[Word] = []
        cursor.newlines()
        while not self._take("]]"):
            if not cursor.peek():
                raise cursor.error("the [[ that begins here does not end", start)
            words.append(self._words.bracket_word())
            cursor.newlines()
        return DoubleBracket(cursor.file, cursor.line(start), tuple(words))

    def _named(self) -> Command:
        """Read bash's C(function name)."""
        cursor = self._cursor
        start = cursor.at
        self._take("function")
        cursor.blanks()
        name = self._words.filled().plain
        if name is None:
            raise self._words.unexpected()
        cursor.blanks()
        if cursor.accept("(") and not cursor.accept(")"):
            raise self._words.unexpected()
        return self._function(start, name)

    def _function(self, start: int, name: str) -> Command:
        cursor = self._cursor
        cursor.newlines()
        return Function(cursor.file, cursor.line(start), name, self._command())
