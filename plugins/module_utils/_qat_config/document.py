# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(/etc/<device>_dev<N>.conf) as a document: sections of keys, edited line by line.

Everything that is not a value asked for stays as it is: comments, also those behind a value,
order, white space, line endings, and a final newline that is missing.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HEADER = re.compile(r"\s*\[([^\]]*)\]")
# Indentation, key and value, both with the blanks behind them, and a comment. Each character has
# one way to be read, so that time grows with the length of a line.
_PAIR = re.compile(
    r"\s*(?P<key>[^\s=#\[][^=#]*)=[^\S\r]*"
    r"(?:(?P<quoted>\"[^\"\r]*\")[^\S\r]*|(?P<plain>[^\s#\"][^#\r]*)|)"
    r"(?:#[^\r]*)?\r?"
)
# The instances of a section, such as C(Cy0Name): kind, number and what is set.
INSTANCE = re.compile(r"(Cy|Dc)([0-9]+)([A-Za-z_].*)", re.ASCII)
_RETURN = "\r"


def unquoted(raw: str) -> str:
    """Return a value without the quotes that it may have."""
    is_quoted = len(raw) > 1 and raw.startswith('"') and raw.endswith('"')
    return raw[1:-1] if is_quoted else raw


class _Pair(t.NamedTuple):
    """What is before the value of a line, with the key in it, the value, and what follows it."""

    before: str
    key: str
    value: str
    after: str

    @classmethod
    def parse(cls, text: str) -> _Pair | None:
        """Parse a line, None for one that sets no key."""
        found = _PAIR.fullmatch(text)
        if found is None:
            return None
        value = found["quoted"] or _without_blanks(found["plain"] or "")
        starts = [found.start(name) for name in ("quoted", "plain") if found[name] is not None]
        start = starts[0] if starts else _before_comment(text, found.end("key"))
        return cls(text[:start], _without_blanks(found["key"]), value, text[start + len(value) :])


def _without_blanks(text: str) -> str:
    """Return a text without the blanks at its end; a carriage return is none of them."""
    ends = len(text)
    while ends and text[ends - 1].isspace() and text[ends - 1] != _RETURN:
        ends -= 1
    return text[:ends]


def _before_comment(text: str, equals: int) -> int:
    """Return where the value is to stand in a line without one: behind the blanks after C(=)."""
    at = equals + 1
    while at < len(text) and text[at].isspace() and text[at] != _RETURN:
        at += 1
    return at


@dataclass(frozen=True)
class _Line:
    """A line without its newline; C(key) and C(value) are None for what is no pair."""

    text: str
    section: str | None
    is_header: bool = False
    key: str | None = None
    value: str | None = None

    @property
    def is_blank(self) -> bool:
        return not self.text.strip()


@dataclass(frozen=True)
class Document:
    """A configuration file.

    Args:
        lines: its lines without newlines; the last one is empty when the file ends with one.
    """

    lines: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Document:
        """Parse a file; every text is one, and C(str) gives it back."""
        return cls(tuple(text.split("\n")))

    def __str__(self) -> str:
        return "\n".join(self.lines)

    # -- reading ---------------------------------------------------------------------------

    def sections(self) -> tuple[str, ...]:
        """Return the names of the sections in order; one that stands twice counts once."""
        found = (line.section for line in self._parsed() if line.is_header)
        return tuple(dict.fromkeys(name for name in found if name is not None))

    def raw(self, section: str, key: str) -> str | None:
        """Return a value as it is written, the first one where a key stands twice."""
        return next((value for name, value in self._pairs(section) if name == key), None)

    def value(self, section: str, key: str) -> str | None:
        """Return a value without quotes, None where there is no such key."""
        raw = self.raw(section, key)
        return None if raw is None else unquoted(raw)

    def values(self, section: str) -> dict[str, str]:
        """Return the keys of a section in order, with their values."""
        found: dict[str, str] = {}
        for key, raw in self._pairs(section):
            found.setdefault(key, unquoted(raw))
        return found

    def _pairs(self, section: str) -> Iterator[tuple[str, str]]:
        for line in self._parsed():
            if line.section == section and line.key is not None and line.value is not None:
                yield line.key, line.value

    def _parsed(self) -> Iterator[_Line]:
        section = None
        for text in self.lines:
            header = _HEADER.match(text)
            if header is not None:
                section = header[1].strip()
                yield _Line(text, section, is_header=True)
                continue
            pair = _Pair.parse(text)
            if pair is None:
                yield _Line(text, section)
            else:
                yield _Line(text, section, key=pair.key, value=pair.value)

    # -- editing ---------------------------------------------------------------------------

    def with_value(self, section: str, key: str, raw: str) -> Document:
        """Return the document with a value; a section that is not there is added at the end.

        A value that is there is replaced where it stands, and keeps its quotes. A key that stands
        more than once ends up once.
        """
        places = self._places(section, key)
        found = [unquoted(value) for name, value in self._pairs(section) if name == key]
        if not places:
            return self.with_section(section).with_new_value(section, key, raw)
        if all(value == unquoted(raw) for value in found):
            return self
        first, *others = places
        lines = list(self.lines)
        lines[first] = _with_raw(lines[first], raw)
        return Document(tuple(lines)).without_lines(others)

    def with_section(self, name: str) -> Document:
        """Return the document with a section, added at the end below an empty line."""
        if name in self.sections():
            return self
        ends = len(self.lines) - 1 if self.lines[-1] == "" else len(self.lines)
        # An empty line even below another one: it goes with the section again.
        return self._with_lines(ends, [*([""] if ends else []), f"[{name}]"])

    def without_value(self, section: str, key: str) -> Document:
        """Return the document without a key."""
        return self.without_lines(self._places(section, key))

    def without_section(self, name: str) -> Document:
        """Return the document without a section; comments in it stay."""
        gone = []
        parsed = list(self._parsed())
        for place, line in enumerate(parsed):
            if line.section != name:
                continue
            if line.is_header and place and parsed[place - 1].is_blank:
                gone.append(place - 1)
            if line.is_header or line.key is not None:
                gone.append(place)
        return self.without_lines(gone)

    def _places(self, section: str, key: str) -> list[int]:
        return [
            place
            for place, line in enumerate(self._parsed())
            if line.section == section and line.key == key
        ]

    def without_lines(self, places: Iterable[int]) -> Document:
        """Return the document without some lines, by their numbers from 0."""
        gone = set(places)
        if not gone:
            return self
        kept = [text for place, text in enumerate(self.lines) if place not in gone]
        if len(self.lines) - 1 in gone and kept:
            # The last line had no newline: none is to be after what is last now.
            kept[-1] = kept[-1].removesuffix(_RETURN)
        return Document(tuple(kept) or ("",))

    def with_new_value(self, section: str, key: str, raw: str) -> Document:
        """Add a key to a section that is there, behind those of its kind or behind all of them."""
        last = last_alike = header = None
        for place, line in enumerate(self._parsed()):
            if line.section != section:
                continue
            if line.is_header:
                header = place if header is None else header
            elif line.key is not None:
                last = place
                last_alike = place if _is_alike(line.key, key) else last_alike
        at = next(place for place in (last_alike, last, header) if place is not None)
        above = self.lines[at]
        indent = above[: len(above) - len(above.lstrip())]
        return self._with_lines(at + 1, [f"{indent}{key} = {raw}"])

    def _with_lines(self, at: int, texts: list[str]) -> Document:
        """Insert lines with the line ending that the file has."""
        ending = _RETURN if self.lines[0].endswith(_RETURN) else ""
        lines = list(self.lines)
        new = [text + ending for text in texts]
        if at == len(lines):
            lines[-1] = lines[-1].removesuffix(_RETURN) + ending
            new[-1] = texts[-1]
        lines[at:at] = new
        return Document(tuple(lines))


def _is_alike(key: str, new: str) -> bool:
    """Tell whether two keys are of instances of the same kind."""
    found, other = INSTANCE.fullmatch(key), INSTANCE.fullmatch(new)
    return found is not None and other is not None and found[1] == other[1]


def _with_raw(text: str, raw: str) -> str:
    """Return a line with another value."""
    pair = _Pair.parse(text)
    if pair is None:
        return text
    if unquoted(pair.value) != pair.value and unquoted(raw) == raw:
        raw = f'"{raw}"'
    before, after = pair.before, pair.after
    if not pair.value:
        before += "" if before.endswith(" ") else " "
        after = f" {after}" if after.startswith("#") else after
    return f"{before}{raw}{after}"
