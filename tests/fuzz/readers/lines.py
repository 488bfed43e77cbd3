# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other programs' own reading of files of one value a line, for comparison."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator

# Linux lib/ctype.c, as far as bytes of ASCII go.
_KERNEL_BLANKS = " \t\n\v\f\r"


class Parameter(t.NamedTuple):
    """What the kernel makes of an argument."""

    text: str
    name: str
    value: str | None


def kernel_parameters(line: str) -> list[Parameter]:
    """Return what the kernel takes: C(parse_args) and C(next_arg), Linux C(lib/cmdline.c)."""
    found: list[Parameter] = []
    at = 0
    while True:
        while at < len(line) and line[at] in _KERNEL_BLANKS:
            at += 1
        if at == len(line):
            return found
        start, quoted = at, False
        while at < len(line) and (quoted or line[at] not in _KERNEL_BLANKS):
            quoted ^= line[at] == '"'
            at += 1
        parameter = _parameter(line[start:at])
        if parameter.name == "--" and parameter.value is None:
            return found
        found.append(parameter)


def _parameter(text: str) -> Parameter:
    quoted = text.startswith('"')
    body = text[1:] if quoted else text
    # A sign at the start is a part of the name.
    equals = body.find("=", 1)
    if equals < 0:
        name, value = body, None
        if quoted and name.endswith('"'):
            name = name[:-1]
        return Parameter(text, name, value)
    name, value = body[:equals], body[equals + 1 :]
    if value.startswith('"'):
        value = value[1:]
        if value.endswith('"'):
            return Parameter(text, name, value[:-1])
        # A quote alone is both: it opens, and it is the last character.
        return Parameter(text, name, value)
    if quoted and value.endswith('"'):
        value = value[:-1]
    return Parameter(text, name, value)


def environment_block(content: bytes) -> dict[bytes, bytes]:
    """Return GRUB's variables: C(grub_envblk_iterate), GRUB C(grub-core/lib/envblk.c)."""
    found: dict[bytes, bytes] = {}
    at = content.index(b"\n") + 1
    while at < len(content):
        if content[at : at + 1] == b"#":
            at = _line_end(content, at)
        else:
            equals = content.find(b"=", at)
            if equals < 0:
                break
            name, at = content[at:equals], equals + 1
            value = bytearray()
            while at < len(content) and content[at : at + 1] != b"\n":
                if content[at : at + 1] == b"\\":
                    at += 1
                value += content[at : at + 1]
                at += 1
            if at >= len(content):
                break
            found[name] = bytes(value)
        at += 1
    return found


def _line_end(content: bytes, at: int) -> int:
    """Return where a comment ends: C(find_next_line) passes over what a backslash stands before."""
    while at < len(content) and content[at : at + 1] != b"\n":
        at += 2 if content[at : at + 1] == b"\\" else 1
    return at


def module_options(text: str) -> Iterator[tuple[str, str]]:
    """Yield module and option: modprobe.d(5), libkmod C(libkmod/libkmod-config.c)."""
    for line in text.replace("\\\n", "").split("\n"):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if len(words) > 2 and words[0] == "options":
            for option in words[2:]:
                yield words[1].replace("-", "_"), option


def command_words(command: str) -> list[str]:
    """Return the words of C(ExecStart=): systemd.service(5), "Command lines"."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    at = 0
    while at < len(command):
        char = command[at]
        if char == "\\":
            at += 1
            word = (word or "") + command[at]
        elif quote:
            if char == quote:
                quote = ""
            else:
                word = (word or "") + char
        elif char in "\"'" and word is None:
            quote, word = char, ""
        elif char in " \t":
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + char
        at += 1
    return [*words, *([] if word is None else [word])]
