# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of simple commands: assignments, words and redirections."""

from __future__ import annotations

import re
import typing as t

from .tree import Assign, HereDocument, Literal, Redirect, Redirected, Simple, Word
from .words import META

if t.TYPE_CHECKING:
    from .cursor import Cursor
    from .tree import Command
    from .words import Words

_REDIRECT = re.compile(r"([0-9]*)(<<-|<<|<&|<>|>>|>&|>\||<|>)")
_REDIRECT_BASH = re.compile(r"(&>>|&>)|([0-9]*)(<<<|<<-|<<|<&|<>|>>|>&|>\||<(?!\()|>(?!\())")
_NAMED_DESCRIPTOR = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}[<>]")
_ASSIGN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(=)")
_ASSIGN_BASH = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?=)")
_ELEMENT_BASH = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\[[^\]\n]*\]\+?=")
_DECLARERS = frozenset({"export", "readonly", "local"})
_DECLARERS_BASH = _DECLARERS | {"declare", "typeset"}


class Simples:
    """Reads simple commands; the body of a function is read by the parser that it is given."""

    def __init__(
        self, cursor: Cursor, words: Words, function: t.Callable[[int, str], Command]
    ) -> None:
        """Share the place with a parser."""
        self._cursor = cursor
        self._words = words
        self._function = function
        self._declarers = _DECLARERS_BASH if cursor.bash else _DECLARERS

    def read(self) -> Command:
        """Read a simple command, or the definition of a function."""
        cursor = self._cursor
        start = cursor.at
        assigns: list[Assign] = []
        words: list[Word | Assign] = []
        redirects: list[Redirect] = []
        while char := cursor.peek():
            if redirect := self._redirect():
                redirects.append(redirect)
            elif char == "(" and len(words) == 1 and not assigns and not redirects:
                return self._defined(start, words[0])
            elif char in META and not cursor.text.startswith(("<(", ">("), cursor.at):
                break
            else:
                self._simple_word(assigns, words)
            cursor.blanks()
        if not (assigns or words or redirects) or cursor.peek() == "(":
            raise self._words.unexpected()
        source = cursor.text[start : cursor.at].rstrip()
        line = cursor.line(start)
        simple = Simple(cursor.file, line, source, tuple(assigns), tuple(words))
        return self.redirected(simple, redirects)

    def _defined(self, start: int, word: Word | Assign) -> Command:
        """Read C(name() command) after the name."""
        cursor = self._cursor
        cursor.accept("(")
        cursor.blanks()
        if not cursor.accept(")") or isinstance(word, Assign) or word.plain is None:
            raise self._words.unexpected()
        return self._function(start, word.plain)

    def _simple_word(self, assigns: list[Assign], words: list[Word | Assign]) -> None:
        assign = self._assign() if not words or self._declares(words[0]) else None
        if assign is None:
            words.append(self._checked_word())
        elif words:
            words.append(assign)
        else:
            assigns.append(assign)

    def _declares(self, word: Word | Assign) -> bool:
        return not isinstance(word, Assign) and word.plain in self._declarers

    def _checked_word(self) -> Word:
        """Read a word that is no assignment as far as can be seen."""
        cursor = self._cursor
        if cursor.bash and cursor.match(_NAMED_DESCRIPTOR):
            raise cursor.error("a redirection that assigns a variable is not followed")
        word = self._words.filled()
        first = word.parts[0]
        if (
            isinstance(first, Literal)
            and not first.quoted
            and _ASSIGN_BASH.match(first.text)
            and "\\\n" in cursor.text[word.start : word.end]
            and not _ASSIGN_BASH.match(cursor.text, word.start)
        ):
            raise cursor.error("a name over several lines is not followed", word.start)
        return word

    def _assign(self) -> Assign | None:
        cursor = self._cursor
        if cursor.bash and (element := cursor.match(_ELEMENT_BASH)):
            raise cursor.error(f"an element of the array {element[1]} is not followed")
        match = cursor.match(_ASSIGN_BASH if cursor.bash else _ASSIGN)
        if match is None:
            return None
        line = cursor.line()
        cursor.at = match.end()
        if cursor.bash and cursor.peek() == "(":
            word = self._words.array()
        else:
            word = self._words.word(value=True)
        return Assign(match[1], match[2] == "+=", word, cursor.file, line)

    def redirects(self) -> list[Redirect]:
        """Read the redirections after a compound command."""
        self._cursor.blanks()
        redirects: list[Redirect] = []
        while redirect := self._redirect():
            redirects.append(redirect)
            self._cursor.blanks()
        return redirects

    def _redirect(self) -> Redirect | None:
        cursor = self._cursor
        match = cursor.match(_REDIRECT_BASH if cursor.bash else _REDIRECT)
        if match is None:
            return None
        cursor.at = match.end()
        operator = match.group().lstrip("0123456789")
        cursor.blanks()
        word = self._words.filled()
        if operator in {"<<", "<<-"}:
            return Redirect(word, opens=False, document=self._document(operator, word))
        opens = operator not in {"<<<", "<&", ">&"} or (
            operator == ">&" and not (word.plain or "").strip("-").isdigit()
        )
        return Redirect(word, opens and word.plain != "/dev/null", None)

    def _document(self, operator: str, word: Word) -> HereDocument:
        if not word.static:
            raise self._cursor.error("the end of a here-document has to be literal", word.start)
        delimiter = "".join(part.text for part in word.parts if isinstance(part, Literal))
        document = HereDocument(delimiter, word.plain is not None, operator == "<<-")
        self._cursor.documents.append(document)
        return document

    @staticmethod
    def redirected(command: Command, redirects: list[Redirect]) -> Command:
        """Put redirections around a command."""
        return Redirected(command, tuple(redirects)) if redirects else command
