# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The menu that grub-mkconfig generates: which command line each of its entries boots with.

It is read as GRUB reads its scripts (GRUB manual, "Shell-like scripting"), and only read.
"""

from __future__ import annotations

import itertools
import re
import typing as t
from collections import Counter
from dataclasses import dataclass

from .cmdline import CommandLine
from .loader import Entry

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .._host import Host

_PIECE = re.compile(
    r"""
    '(?P<literal>[^']*)(?:'|\Z)
    | "(?P<quoted>(?:[^"\\]|\\(?:.|\Z))*)(?:"|\Z)
    | \\(?P<escaped>.|\Z)
    | (?P<plain>\$\{[^}\n]*\} | [^\s;{}'"\\$]+ | \$)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANKS = re.compile(r"(?:[^\S\n]|\\\r?\n)+")
_COMMENT = re.compile(r"#[^\n]*")
_IN_QUOTES = re.compile(r'\\([$"\\]|\n)')
# grub-mkconfig writes these around what each of its scripts makes.
_SECTION = re.compile(r"### (BEGIN|END) (\S+) ###\s*")
_OWN_SECTION = "10_linux"
_KERNEL = ("linux", "linux16", "linuxefi")
_BEFORE_A_COMMAND = ("if", "then", "elif", "else", "while", "until", "do", "!")
_ID = ("$menuentry_id_option", "${menuentry_id_option}", "--id")
_ENDS = ";{}\n"


def grub_entries(host: Host, path: str) -> tuple[Entry, ...]:
    """Return the Linux entries of a generated menu, none where there is no such file.

    Other systems that os-prober found, entries an operator wrote, memory tests and Xen are not
    among them: what grub-mkconfig puts on their command lines comes from elsewhere.
    """
    return parse_menu(host.read_text(path) or "", path)


def parse_menu(text: str, path: str) -> tuple[Entry, ...]:
    """Return the Linux entries of a menu, in its order, no two with the same id."""
    found = [*_kernels(_commands(text))]
    if _SECTION.search(text):
        found = [kernel for kernel in found if (kernel.section or "").startswith(_OWN_SECTION)]
    names = _apart([kernel.entry for kernel in found])
    return tuple(
        Entry(name, path, CommandLine.parse(kernel.line)) for name, kernel in zip(names, found)
    )


@dataclass(frozen=True)
class _Command:
    """The words of a command, what ends it, and the script of grub-mkconfig that wrote it."""

    words: tuple[str, ...]
    end: str
    section: str | None


@dataclass(frozen=True)
class _Kernel:
    """A command that loads a kernel, in an entry of the menu."""

    entry: str
    line: str
    section: str | None


def _commands(text: str) -> Iterator[_Command]:
    """Split a script into commands, the braces around blocks at their ends."""
    words: list[str] = []
    section: str | None = None
    place = 0
    while place < len(text):
        blanks = _BLANKS.match(text, place)
        comment = _COMMENT.match(text, place)
        if blanks:
            place = blanks.end()
        elif comment:
            section = _section_after(comment.group(), section)
            place = comment.end()
        elif text[place] in _ENDS:
            yield _Command(tuple(words), text[place], section)
            words = []
            place += 1
        else:
            word, place = _word(text, place)
            words.append(word)
    yield _Command(tuple(words), "\n", section)


def _section_after(comment: str, section: str | None) -> str | None:
    """Return whose section it is after a comment."""
    marker = _SECTION.fullmatch(comment)
    if marker is None:
        return section
    return marker[2].rpartition("/")[2] if marker[1] == "BEGIN" else None


def _word(text: str, place: int) -> tuple[str, int]:
    """Return the word at a place without its quotes, variables as they stand, and its end."""
    pieces = []
    while piece := _PIECE.match(text, place):
        if piece["quoted"] is not None:
            pieces.append(_IN_QUOTES.sub(lambda escape: escape[1].strip("\n"), piece["quoted"]))
        elif piece["escaped"] is not None:
            pieces.append(piece["escaped"].strip("\n"))
        else:
            pieces.append(piece["literal"] or piece["plain"] or "")
        place = piece.end()
    return "".join(pieces), place


def _kernels(commands: Iterable[_Command]) -> Iterator[_Kernel]:
    """Yield the commands within menu entries that load Linux."""
    # The entry that each open block belongs to.
    blocks: list[str | None] = []
    for command in commands:
        words = list(itertools.dropwhile(_BEFORE_A_COMMAND.__contains__, command.words))
        entry = blocks[-1] if blocks else None
        if entry is not None and words and words[0] in _KERNEL:
            yield _Kernel(entry, " ".join(map(_passed_on, words[2:])), command.section)
        if command.end == "{":
            name = _entry_name(words)
            blocks.append(entry if name is None else name)
        elif command.end == "}" and blocks:
            blocks.pop()


def _entry_name(words: Sequence[str]) -> str | None:
    """Return the id of the entry that a command begins, its title without one."""
    if not words or words[0] != "menuentry":
        return None
    for option, value in zip(words[1:], words[2:]):
        if option in _ID:
            return value
    ids = [word.partition("=")[2] for word in words if word.startswith("--id=")]
    return [*ids, *words[1:2], ""][0]


def _passed_on(word: str) -> str:
    """Return a word as the kernel gets it, with blanks between quotes.

    GRUB puts the whole word between them (C(grub_create_loader_cmdline)); to the kernel the value
    alone is the same, and that is how it is written elsewhere.
    """
    if " " not in word:
        return word
    # A sign at the start is a part of the name.
    behind = word.find("=", 1) + 1
    name, value = word[:behind], word[behind:]
    return f'{name}"{value}"' if name.split() == [name] else f'"{word}"'


def _apart(names: Sequence[str]) -> list[str]:
    """Give the names that occur again a number."""
    apart: dict[str, None] = {}
    numbers: Counter[str] = Counter()
    for name in names:
        new = name
        while new in apart:
            numbers[name] += 1
            new = f"{name} ({numbers[name] + 1})"
        apart[new] = None
    return list(apart)
