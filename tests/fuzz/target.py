# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a fuzz target is, and how inputs are taken apart."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host

# A line of its own between the parts of an input, so that inputs stay files that can be read.
SEPARATOR = b"\n%%\n"

_T = t.TypeVar("_T")


@dataclass(frozen=True)
class Target:
    """A property that has to hold for every input.

    Args:
        name: also that of its folder below C(corpus).
        about: the property, in one line.
        check: raises where it does not hold.
        runs: executions of C(make test).
        words: what the grammar is made of; inputs are put together of these too.
        longest: bytes of an input.
    """

    name: str
    about: str
    check: Callable[[bytes], None]
    runs: int
    words: tuple[str, ...] = ()
    longest: int = 1024


def decode(data: bytes) -> str:
    """Return bytes as the collection reads files."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Return text as the collection writes files."""
    return text.encode("utf-8", "surrogateescape")


def parts(data: bytes, count: int) -> list[str]:
    """Return so many parts of an input, empty ones for those that it lacks."""
    found = data.split(SEPARATOR, count - 1)
    return [decode(part) for part in found] + [""] * (count - len(found))


def has_returns(text: str) -> bool:
    """Tell whether every line that has an end has a carriage return before it."""
    lines = text.split("\n")[:-1]
    return bool(lines) and all(line.endswith("\r") for line in lines)


class Choices:
    """Choices that the bytes of an input make; behind its end the first is taken each time."""

    def __init__(self, data: bytes) -> None:
        """Begin at its start."""
        self._data = data
        self._at = 0

    @property
    def left(self) -> bool:
        """Whether there is more of the input."""
        return self._at < len(self._data)

    def number(self, most: int) -> int:
        """Return a number from 0 to this one."""
        size = max(1, (most.bit_length() + 7) // 8)
        chunk = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(chunk, "big") % (most + 1)

    def flag(self) -> bool:
        """Return a truth value."""
        return self.number(1) == 1

    def pick(self, values: Sequence[_T]) -> _T:
        """Return one of the values."""
        return values[self.number(len(values) - 1)]

    def some(self, make: Callable[[], _T], most: int) -> list[_T]:
        """Return so many of what is made, at most."""
        return [make() for _each in range(self.number(most))]

    def text(self, most: int) -> str:
        """Return so many bytes as text, at most."""
        size = self.number(most)
        chunk = self._data[self._at : self._at + size]
        self._at += size
        return decode(chunk)


class FileOf:
    """A host with one file, for what asks a host for nothing else."""

    def __init__(self, content: bytes | None) -> None:
        """Put the content at every path."""
        self._content = content

    def read_bytes(self, path: str) -> bytes | None:
        """Return the content."""
        del path
        return self._content


def host_with(content: bytes | None) -> Host:
    """Return a host whose files have a content."""
    return t.cast("Host", FileOf(content))
