# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""udev's own reading of rules files, for comparison: systemd C(src/udev/udev-rules.c).

Only what decides which keys a file has: lines, continuations, comments, keys, operators, quotes.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = re.compile(r"[^\s=+\-:!{,]+")
_OPERATORS = ("==", "!=", "+=", "-=", ":=", "=")
# A pattern of fnmatch, or two of them.
GLOB = frozenset("*?[|")
SUBSTITUTION = frozenset("$%")


class RuleError(Exception):
    """udev would not take the line, and so ignore all of it."""


class Pair(t.NamedTuple):
    """A key of a rule: C(ATTR{vendor}), operator and value."""

    key: str
    operator: str
    value: str


def read_rules(text: str) -> list[list[Pair]]:
    """Return the keys of each rule."""
    return [list(_pairs(line)) for line in _lines(text)]


def _lines(text: str) -> Iterator[str]:
    joined = ""
    for line in text.split("\n"):
        bare = line.lstrip(" \t\r")
        if not joined and (not bare or bare.startswith("#")):
            continue
        if bare.endswith("\\"):
            joined += bare[:-1]
            continue
        if joined + bare:
            yield joined + bare
        joined = ""
    if joined:
        yield joined


def _pairs(line: str) -> Iterator[Pair]:
    at = 0
    while True:
        while at < len(line) and line[at] in " \t\r\n,":
            at += 1
        if at == len(line) or line[at] == "#":
            return
        key = _KEY.match(line, at)
        if key is None:
            raise RuleError(line)
        at, name = key.end(), key.group()
        if line[at : at + 1] == "{":
            end = line.find("}", at)
            if end < 0:
                raise RuleError(line)
            name, at = name + line[at : end + 1], end + 1
        at = _after_blanks(line, at)
        operator = next((each for each in _OPERATORS if line.startswith(each, at)), None)
        if operator is None:
            raise RuleError(line)
        value, at = _value(line, _after_blanks(line, at + len(operator)))
        yield Pair(name, operator, value)


def _after_blanks(line: str, at: int) -> int:
    while at < len(line) and line[at] in " \t":
        at += 1
    return at


def _value(line: str, at: int) -> tuple[str, int]:
    if line[at : at + 1] != '"':
        raise RuleError(line)
    value, at = "", at + 1
    while line[at : at + 1] != '"':
        if at >= len(line):
            raise RuleError(line)
        if line.startswith('\\"', at):
            at += 1
        value, at = value + line[at], at + 1
    return value, at + 1
