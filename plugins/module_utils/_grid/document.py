# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(gridd.conf) as a document: lines of C(key=value), edited one by one.

Everything that is not a value asked for stays as it is: comments, also those behind a value,
order, white space, quotes, line endings, bytes that are no UTF-8, and a final newline that is
missing. Whether the daemon tells case apart is not documented. So a key in another case counts as
the same when it is set or commented out, after which it stands once and as drivers spell it, and
it does not count as set when the file is read.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .keys import KNOWN, spelled

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_BLANK = r"[^\S\r]*"
# What is before the key, the key, and what is between it and its value.
_KEY = re.compile(rf"(?P<lead>{_BLANK})(?P<key>{_NAME})(?P<between>{_BLANK}={_BLANK})", re.ASCII)
_COMMENTED = re.compile(
    rf"(?P<lead>{_BLANK})#[#\s]*?(?P<key>{_NAME})(?P<between>{_BLANK}={_BLANK})", re.ASCII
)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_NOTE = re.compile(r"(?:^|[^\S\r])#")
_QUOTES = "\"'"
_RETURN = "\r"


def unquoted(raw: str) -> str:
    """Return a value without the quotes that it may have."""
    return raw[1:-1] if _QUOTED.fullmatch(raw) else raw


def is_key(text: str) -> bool:
    """Tell whether a text can be a key."""
    return re.fullmatch(_NAME, text, re.ASCII) is not None


def is_value(raw: str) -> bool:
    """Tell whether a value is read back as it is written."""
    return raw.isprintable() and _parse(f"x={raw}") == Pair("", "x", "=", raw, "")


@dataclass(frozen=True)
class Pair:
    """The parts of a line that sets a key, which together are the line."""

    lead: str
    key: str
    between: str
    raw: str
    after: str

    def __str__(self) -> str:
        return f"{self.lead}{self.key}{self.between}{self.raw}{self.after}"

    @property
    def value(self) -> str:
        """The value without quotes."""
        return unquoted(self.raw)

    def with_value(self, key: str, raw: str) -> Pair:
        """Return the line with a value; one in quotes stays so."""
        if self.key == key and self.value == unquoted(raw):
            return self
        quote = self.raw[:1] if _QUOTED.fullmatch(self.raw) else ""
        if quote and unquoted(raw) == raw and quote not in raw:
            raw = f"{quote}{raw}{quote}"
        after = f" {self.after}" if self.after.startswith("#") else self.after
        return Pair(self.lead, key, self.between, raw, after)


def _parse(text: str, head: re.Pattern[str] = _KEY) -> Pair | None:
    found = head.match(text)
    if found is None:
        return None
    rest = text[found.end() :]
    body = rest.rstrip(_RETURN)
    note = _NOTE.search(body)
    quoted = _QUOTED.match(body)
    if quoted is not None:
        behind = body[quoted.end() :]
        if not behind.strip() or behind.lstrip().startswith("#"):
            note = None
            body = quoted[0]
    if note is not None:
        body = body[: note.start()]
    raw = body.rstrip()
    return Pair(found["lead"], found["key"], found["between"], raw, rest[len(raw) :])


def _parse_commented(text: str) -> Pair | None:
    """Return a default that is commented out: prose that has a key in it is none."""
    pair = _parse(text, _COMMENTED)
    if pair is None or (len(pair.value.split()) > 1 and pair.value == pair.raw):
        return None
    return pair


def _made_of(old: str, new: str) -> bool:
    """Tell whether a line is what another one becomes with its key and value."""
    before, after = _parse(old), _parse(new)
    if before is None or after is None:
        return False
    return str(before.with_value(after.key, after.raw)) == new


@dataclass(frozen=True)
class GriddDocument:
    """A configuration file of the daemon.

    Args:
        lines: its lines without newlines; the last one is empty when the file ends with one.
    """

    lines: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> GriddDocument:
        """Parse a file; every text is one, and C(str) gives it back."""
        return cls(tuple(text.split("\n")))

    def __str__(self) -> str:
        return "\n".join(self.lines)

    # -- reading ---------------------------------------------------------------------------

    def effective(self, others: Collection[str] = ()) -> dict[str, str]:
        """Return the keys that count with their values, in order and without quotes.

        Of a key that stands more than once the last line counts.

        Args:
            others: keys that count too, besides those that drivers are known to read.
        """
        return {pair.key: pair.value for pair in self._counting(others).values()}

    def ignored(self, others: Collection[str] = ()) -> list[str]:
        """Return the lines that are neither blank nor comments, and that do not count."""
        counting = self._counting(others)
        return [
            text.rstrip(_RETURN)
            for place, text in enumerate(self.lines)
            if text.strip() and not text.lstrip().startswith("#") and place not in counting
        ]

    def raw(self, key: str) -> str | None:
        """Return a value as it is written, the last one where a key stands twice."""
        found = [pair.raw for _place, pair in self._pairs() if pair.key.lower() == key.lower()]
        return found[-1] if found else None

    def keys(self) -> tuple[str, ...]:
        """Return every key that is set, known or not, each one once and in order."""
        found = (spelled(pair.key) or pair.key for _place, pair in self._pairs())
        return tuple(dict.fromkeys(found))

    def _counting(self, others: Collection[str]) -> Mapping[int, Pair]:
        """Return the lines that count by their place."""
        last: dict[str, tuple[int, Pair]] = {}
        for place, pair in self._pairs():
            if pair.key in KNOWN or pair.key in others:
                last.pop(pair.key, None)
                last[pair.key] = place, pair
        return dict(last.values())

    def _pairs(self) -> Iterator[tuple[int, Pair]]:
        for place, text in enumerate(self.lines):
            pair = _parse(text)
            if pair is not None:
                yield place, pair

    def _places(self, key: str) -> list[int]:
        return [place for place, pair in self._pairs() if pair.key.lower() == key.lower()]

    def default(self, key: str) -> tuple[int, Pair] | None:
        """Return the number and the parts of the first line that has a key commented out."""
        for place, text in enumerate(self.lines):
            pair = _parse_commented(text)
            if pair is not None and pair.key.lower() == key.lower():
                return place, pair
        return None

    # -- editing ---------------------------------------------------------------------------

    def set(self, key: str, raw: str) -> GriddDocument:
        """Return the document with a key, which stands once.

        It stands where it stood first, else in place of its commented default, so that the
        description stays above it, else at the end.
        """
        places = self._places(key)
        lines = list(self.lines)
        if places:
            first, *others = places
            pair = _parse(lines[first])
            if pair is not None:
                lines[first] = str(pair.with_value(key, raw))
            return GriddDocument(tuple(lines)).without_lines(others)
        default = self.default(key)
        if default is not None:
            place, pair = default
            lines[place] = str(pair.with_value(key, raw))
            return GriddDocument(tuple(lines))
        return self._with_last(f"{key}={raw}")

    def comment_out(self, key: str) -> GriddDocument:
        """Return the document with every line that sets a key commented out."""
        places = {place: pair for place, pair in self._pairs() if pair.key.lower() == key.lower()}
        return GriddDocument(
            tuple(
                f"{places[place].lead}#{text[len(places[place].lead) :]}"
                if place in places
                else text
                for place, text in enumerate(self.lines)
            )
        )

    def put_back(self, key: str, found: GriddDocument) -> GriddDocument:
        """Return the document with a key as another one has it: set, commented out or absent."""
        raw, places = found.raw(key), self._places(key)
        if raw is not None:
            old = found.lines[found._places(key)[-1]]
            if places and _made_of(old, self.lines[places[0]]):
                lines = list(self.lines)
                lines[places[0]] = old
                return GriddDocument(tuple(lines)).without_lines(places[1:])
            return self.set(key, raw)
        default = found.default(key)
        if not places or default is None:
            return _ended_as(self.without_lines(places), found)
        first, *others = places
        lines = list(self.lines)
        lines[first] = found.lines[default[0]]
        return GriddDocument(tuple(lines)).without_lines(others)

    def without_lines(self, places: Iterable[int]) -> GriddDocument:
        """Return the document without some lines, by their numbers from 0."""
        gone = set(places)
        kept = [text for place, text in enumerate(self.lines) if place not in gone]
        if len(self.lines) - 1 in gone and kept:
            # The last line had no newline: none is to be after what is last now.
            kept[-1] = kept[-1].removesuffix(_RETURN)
        return GriddDocument(tuple(kept) or ("",))

    def _with_last(self, text: str) -> GriddDocument:
        """Add a line with the line ending that the file has, also where its last one has none."""
        if self.lines == ("",):
            return GriddDocument((text, ""))
        ending = _RETURN if len(self.lines) > 1 and self.lines[0].endswith(_RETURN) else ""
        if self.lines[-1] == "":
            return GriddDocument((*self.lines[:-1], text + ending, ""))
        return GriddDocument((*self.lines[:-1], self.lines[-1] + ending, text))


def _ended_as(document: GriddDocument, found: GriddDocument) -> GriddDocument:
    """Return a document with the return that its last line, without a newline, had there."""
    *lines, last = document.lines
    if f"{last}{_RETURN}" != found.lines[-1]:
        return document
    return GriddDocument((*lines, found.lines[-1]))
