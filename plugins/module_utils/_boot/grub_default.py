# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(/etc/default/grub), edited in place: for systems that read nothing else.

GRUB's C(10_linux) puts C(GRUB_CMDLINE_LINUX_DEFAULT) after C(GRUB_CMDLINE_LINUX), and leaves it
out of recovery entries.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import HwaccelError
from .._shell.evaluate import Dialect, evaluate
from .cmdline import CommandLine
from .linefile import LineFile

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .._shell.evaluate import Evaluation, Value
    from .wanted import Wanted

GRUB_DEFAULT = "/etc/default/grub"
LINUX, LINUX_DEFAULT = "GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"


@dataclass(frozen=True)
class GrubDefault(LineFile):
    """The file; its lines are the values of the two variables, in this order.

    Args:
        dialect: of the shell that grub-mkconfig runs under.
        recovery: whether there are recovery entries, which get the first variable alone.
    """

    dialect: Dialect = Dialect.BASH
    recovery: bool = False

    def lines(self) -> tuple[CommandLine, ...]:
        """Return the values.

        Raises:
            HwaccelError: where one cannot be known without running the file.
        """
        found = self._evaluated(self.text)
        return tuple(CommandLine.parse(self._known(found, name)) for name in (LINUX, LINUX_DEFAULT))

    def with_lines(self, lines: Sequence[CommandLine]) -> bytes:
        """Return the content with other values."""
        text = self.text
        for name, line in zip((LINUX, LINUX_DEFAULT), lines):
            text = self._with_value(text, name, str(line))
        return text.encode("utf-8", "surrogateescape")

    def settled(self, wanted: Wanted) -> bytes:
        """Return the content with what both values together lack; the first one gets it."""
        linux, default = self.lines()
        if not wanted.met(effective(linux, default)):
            default = wanted.cleared(default, before=False)
        if not all(map(wanted.met, lines_of(linux, default, recovery=self.recovery))):
            linux = wanted.settled(linux)
        if (linux, default) == self.lines():
            return self.content or b""
        return self.with_lines((linux, default))

    def _with_value(self, text: str, name: str, value: str) -> str:
        """Set a variable in its last assignment, or in a new one where that does not do."""
        found = self._evaluated(text)
        old = self._known(found, name)
        if old == value:
            return text
        places = [each for each in found.assignments if each.name == name]
        if places and not places[-1].conditional:
            last = places[-1]
            word = _word(text[last.start : last.end], old, value)
            edited = text[: last.start] + word + text[last.end :]
            if self._known(self._evaluated(edited), name) == value:
                return edited
        edited = _with_line(text, f"{name}={quoted(value)}")
        if self._known(self._evaluated(edited), name) != value:
            raise HwaccelError(
                f"{self.path}: {name} cannot be set at its end, which is never reached; set the "
                "arguments by hand"
            )
        return edited

    def _evaluated(self, text: str) -> Evaluation:
        return evaluate([(self.path, text)], self.dialect)

    def _known(self, found: Evaluation, name: str) -> str:
        value = found.variables.get(name)
        if value is None:
            return ""
        if value.known is None:
            raise unknown_value(name, value, found)
        return value.known


def effective(linux: CommandLine, default: CommandLine) -> CommandLine:
    """Return the command line that both values make."""
    return CommandLine.parse(f"{linux} {default}")


def lines_of(
    linux: CommandLine,
    default: CommandLine,
    *,
    recovery: bool,
) -> tuple[CommandLine, ...]:
    """Return the command lines of entries, those for recovery included where there are any."""
    return (effective(linux, default), linux) if recovery else (effective(linux, default),)


def unknown_value(name: str, value: Value, found: Evaluation) -> HwaccelError:
    """Return the error that names where a value cannot be known."""
    unknown = value.unknown
    if unknown is not None:
        file, line, what = unknown.file, unknown.line, unknown.what
    else:
        last = [each for each in found.assignments if each.name == name][-1]
        file, line, what = last.file, last.line, "a condition"
    return HwaccelError(
        f"{file}, line {line}: {name} depends on {what}, and cannot be known without running the "
        "file: give it a plain value, or set the arguments by hand"
    )


def quoted(value: str) -> str:
    """Return a value as the shell reads it, between double quotes."""
    return '"' + re.sub(r'([\\"$`])', r"\\\1", value) + '"'


def _word(word: str, old: str, value: str) -> str:
    """Return the word of an assignment with another value, in the quotes that it has."""
    if word == f'"{old}"':
        return quoted(value)
    if word == f"'{old}'" and "'" not in value:
        return f"'{value}'"
    if not old or not value.startswith(old):
        return quoted(value)
    added = quoted(value[len(old) :])
    if word.endswith('"') and not word.endswith('\\"'):
        return word[:-1] + added[1:]
    return word + added


def _with_line(text: str, line: str) -> str:
    # A last line that ends with a backslash goes on in the next one.
    is_ended = not text or (text.endswith("\n") and not text.endswith("\\\n"))
    return text + ("" if is_ended else "\n") + line + "\n"
