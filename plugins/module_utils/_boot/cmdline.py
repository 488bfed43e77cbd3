# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel command line: whole arguments, every byte between them kept.

It is split as the kernel does it (C(next_arg) in Linux C(lib/cmdline.c)): at white space outside
of double quotes, without escapes, and the kernel's part ends at C(--).
"""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from dataclasses import dataclass

from .._errors import InputError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from .._host import Host

_PIECES = re.compile(r'(?:"[^"]*(?:"|\Z)|[^\s"])+|\s+', re.ASCII)
_QUOTE = '"'
_BLANKS = frozenset(" \t\n\r\f\v")
_END = "--"
# Half of what the kernel takes in all: COMMAND_LINE_SIZE of x86 and arm64. It cuts off the rest.
_LONGEST = 1024
# Through a boot loader's configuration and its own shell: nothing that one of them would expand.
_ALLOWED = re.compile(r'(?:[A-Za-z0-9_.,:/@%+=~-]|"[A-Za-z0-9_.,:/@%+=~ -]*")+', re.ASCII)


@dataclass(frozen=True)
class Argument:
    """One argument of a command line, as it is written there."""

    text: str

    @classmethod
    def parse(cls, text: str, *, option: str) -> Argument:
        """Parse one that an operator asks for.

        Raises:
            InputError: when it is not one argument, or a boot loader would change it.
        """
        argument = cls(text)
        is_one = len(text) <= _LONGEST and _ALLOWED.fullmatch(text) is not None
        is_named = bool(argument.name) and not argument.name.startswith("=")
        if not is_one or _is_end(text) or not is_named:
            accepted = (
                "one argument of the kernel each, such as name or name=value, of letters, digits "
                "and _.,:/@%+=~- (blanks between double quotes), which every boot loader keeps, "
                f"at most {_LONGEST} of them"
            )
            raise InputError(option, text, accepted)
        return argument

    @property
    def plain(self) -> str:
        """The argument without quotes: C(a="b c") and C("a=b c") are the same to the kernel.

        It takes them off around the whole and around the value; others are a part of it.
        """
        is_quoted = self.text.startswith('"')
        name, equals, value = _split(self.text[is_quoted:])
        if value.startswith('"'):
            return f"{name}{equals}{value[1:].removesuffix(_QUOTE)}"
        whole = f"{name}{equals}{value}"
        return whole.removesuffix(_QUOTE) if is_quoted else whole

    @property
    def is_open(self) -> bool:
        """Whether it has a quote without an end, so that nothing can stand behind it."""
        return self.text.count(_QUOTE) % 2 == 1

    @property
    def name(self) -> str:
        """The name, with underscores where the kernel takes dashes for the same."""
        return _split(self.plain)[0].replace("-", "_")

    @property
    def value(self) -> str | None:
        """The value, None without an equals sign."""
        _name, equals, value = _split(self.plain)
        return value if equals else None

    def same(self, other: Argument) -> bool:
        """Tell whether both say the same to the kernel."""
        return (self.name, self.value) == (other.name, other.value)

    def __str__(self) -> str:
        """Return it as it is written."""
        return self.text


@dataclass(frozen=True)
class CommandLine:
    """A command line; C(str) gives back what was parsed, to the byte.

    Args:
        pieces: arguments and the white space between them, in turn.
    """

    pieces: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> CommandLine:
        """Parse a line; every text is one."""
        return cls(tuple(_PIECES.findall(text)))

    def __str__(self) -> str:
        """Return the line."""
        return "".join(self.pieces)

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What the kernel takes: the arguments before C(--)."""
        return tuple(Argument(self.pieces[index]) for index in _places(self.pieces))

    @property
    def ended(self) -> bool:
        """Whether it has C(--), after which nothing is for the kernel."""
        return any(map(_is_end, self.pieces))

    @property
    def plain(self) -> list[str]:
        """What the kernel takes, each argument without quotes."""
        return [argument.plain for argument in self.arguments]

    def with_arguments(self, arguments: Iterable[Argument]) -> CommandLine:
        """Return the line with arguments after the last one that the kernel takes."""
        pieces = list(self.pieces)
        for argument in arguments:
            pieces = _with(pieces, argument.text)
        return CommandLine(tuple(pieces))

    def edited(self, edit: Callable[[Argument], str | None]) -> CommandLine:
        """Return the line with each argument as C(edit) gives it; None takes it out."""
        pieces, gone = list(self.pieces), set[int]()
        for index in reversed(_places(pieces)):
            text = edit(Argument(pieces[index]))
            if text is None:
                gone.add(index)
            else:
                pieces[index] = text
        return CommandLine(_without(pieces, gone))

    def without(self, unwanted: Sequence[Argument]) -> CommandLine:
        """Return the line without these arguments: as often as they are named, from the end on."""
        left = Counter(argument.text for argument in unwanted)
        gone = set[int]()
        for index in reversed(_places(self.pieces)):
            if left[self.pieces[index]]:
                left[self.pieces[index]] -= 1
                gone.add(index)
        return CommandLine(_without(self.pieces, gone))


def running(host: Host) -> CommandLine:
    """Return what the running kernel was started with."""
    return CommandLine.parse(host.attribute("/proc/cmdline") or "")


def _split(text: str) -> tuple[str, str, str]:
    """Return name, equals sign and value; a sign at the start is a part of the name."""
    name, equals, value = text[1:].partition("=")
    return text[:1] + name, equals, value


def _is_end(piece: str) -> bool:
    return Argument(piece).plain == _END


def _is_blank(piece: str) -> bool:
    return piece[0] in _BLANKS


def _places(pieces: Sequence[str]) -> list[int]:
    """Return where the arguments before C(--) stand."""
    places = []
    for index, piece in enumerate(pieces):
        if _is_end(piece):
            break
        if not _is_blank(piece):
            places.append(index)
    return places


def _with(pieces: list[str], argument: str) -> list[str]:
    """Insert an argument before C(--) and before a quote without an end, which takes all after."""
    places = [index for index in _places(pieces) if not Argument(pieces[index]).is_open]
    if places:
        behind = places[-1] + 1
        return [*pieces[:behind], " ", argument, *pieces[behind:]]
    first = next((index for index, piece in enumerate(pieces) if not _is_blank(piece)), None)
    if first is None:
        return [argument, *pieces]
    return [*pieces[:first], argument, " ", *pieces[first:]]


def _without(pieces: Sequence[str], gone: Container[int]) -> tuple[str, ...]:
    """Remove arguments such that one that was inserted leaves the line as it was.

    Each goes with the blanks before it, the first one with those after it if others are left.
    """
    kept: list[str] = []
    first = 0 if pieces and not _is_blank(pieces[0]) else 1
    for index, piece in enumerate(pieces):
        if index not in gone or index == first:
            kept.append(piece)
        else:
            del kept[-1:]
    if first in gone:
        others = any(not _is_blank(piece) for piece in kept[first + 1 :])
        del kept[first : first + (2 if others else 1)]
    return tuple(kept)
