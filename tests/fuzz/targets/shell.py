# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of shell code, against the shells themselves."""

from __future__ import annotations

import atexit
import contextlib
import functools

from ansible_collections.hwaccel.virt.plugins.module_utils._shell.evaluate import Dialect
from ansible_collections.hwaccel.virt.tests.fuzz.target import Choices, Target
from ansible_collections.hwaccel.virt.tests.unit.plugins.module_utils._shell.shells import (
    NAMES,
    RealShell,
    compare,
    real_shells,
)

# No word here is a command but C(:), C(true), C(false), C([), C(export) and C(unset), which are
# parts of the shells. Nothing has a slash, so that no path leads out of the empty folder in which
# the shells run, wherever quotes would end that were meant to go on.
_BARE = (
    *("a", "b1", "x.y", "=", "a#b", ":", "~", "%", "@", "^", "{", "}", "!", "-", "+"),
    *("iommu=pt", "console=ttyS0,115200n8", "[", "]", "é", "\udcff", "\r", "{a,b}"),
)
_INNER = (
    *("a", " ", "  ", "\n", "#", "'", ";", "&", "|", "(", ")", "<", ">", "\t", "é", "\udcff", "~"),
    *("iommu=pt", "quiet splash", "\\a", "\\n", "!", "}", "{", "[", "]", "\r", "$ ", "$%", "\\\n"),
)
_ESCAPED = tuple(f"\\{char}" for char in "\"'$`\\ \n;&|()<>#?[]~{}!abn=\t")
_ESCAPED_QUOTED = tuple(f"\\{char}" for char in "\"$`\\ \n;a'}")
_SINGLE = ("a", " ", "\n", '"', "$A", "`", "\\", "\\\n", "#", "}", "$(", "&")
_OPERATORS = (":-", "-", ":+", "+", ":=", "=", "%", "%%", "#", "##")
_DEFAULTS = 6
_OPERAND = tuple(word for word in (*_ESCAPED, *_BARE) if word != "}")
_DEPTH = 3


class Script:
    """A file of assignments, made by the choices of an input."""

    def __init__(self, choices: Choices, dialect: Dialect) -> None:
        """Begin."""
        self._choices = choices
        self._bash = dialect is Dialect.BASH

    def text(self) -> str:
        """Return lines until the input is at its end."""
        lines = [self._line(0)]
        while self._choices.left:
            lines.append(self._line(0))
        return "\n".join(lines) + ("\n" if self._choices.flag() else "")

    def _line(self, depth: int) -> str:
        simple = (
            self._assignment,
            self._assignment,
            self._assignment,
            lambda: f"export {self._assignment()}",
            lambda: f"unset {self._choices.pick(NAMES)}",
            lambda: self._choices.pick((":", "true", '# a "quote', f": {self._word()}")),
            lambda: " ".join(self._choices.some(self._assignment, 3)) or ":",
            self._longer,
        )
        compound = (self._if_else, self._if, self._and, self._case, self._braces)
        place = self._choices.number(len(simple) + len(compound) * (depth < _DEPTH) - 1)
        if place < len(simple):
            return simple[place]()
        return compound[place - len(simple)](depth + 1)

    def _longer(self) -> str:
        name = self._choices.pick(NAMES)
        return f'{name}="${name} {self._double()}"'

    def _if_else(self, depth: int) -> str:
        return f"if {self._test()}; then\n{self._line(depth)}\nelse {self._line(depth)}\nfi"

    def _if(self, depth: int) -> str:
        return f"if {self._test()}\nthen {self._line(depth)}\nfi"

    def _and(self, depth: int) -> str:
        return f"{self._test()} {self._choices.pick(('&&', '||'))} {self._line(depth)}"

    def _case(self, depth: int) -> str:
        pattern = self._choices.pick(("a", "a*", "'a b'", "*", '"$B"', "[ab]", "x|a"))
        return f'case "{self._double()}" in\n{pattern}) {self._line(depth)}\n;;\nesac'

    def _braces(self, depth: int) -> str:
        return f"{{ {self._line(depth)}\n}}"

    def _assignment(self) -> str:
        name = self._choices.pick(NAMES)
        sign = self._choices.pick(("=", "=", "+=") if self._bash else ("=",))
        return f"{name}{sign}{self._word()}"

    def _test(self) -> str:
        choices = self._choices
        sign = choices.pick(("=", "!=", "-n", "-z"))
        if sign.startswith("-"):
            return f'[ {sign} "{self._double()}" ]'
        return f'[ "{self._double()}" {sign} "{self._double()}" ]'

    def _word(self) -> str:
        return "".join(self._choices.some(self._piece, 3))

    def _piece(self) -> str:
        choices = self._choices
        kind = choices.number(5)
        if kind == 0:
            return f'"{self._double()}"'
        if kind == 1:
            return "'" + "".join(choices.some(lambda: choices.pick(_SINGLE), 3)) + "'"
        if kind == 2:
            return choices.pick(_ESCAPED)
        if kind == 3:
            return self._expansion(quoted=False)
        return choices.pick(_BARE)

    def _double(self) -> str:
        return "".join(self._choices.some(self._inner, 3))

    def _inner(self) -> str:
        choices = self._choices
        kind = choices.number(3)
        if kind == 0:
            return self._expansion(quoted=True)
        return choices.pick(_ESCAPED_QUOTED if kind == 1 else _INNER)

    def _expansion(self, *, quoted: bool) -> str:
        choices = self._choices
        name = choices.pick(NAMES)
        kind = choices.number(3)
        if kind == 0:
            return f"${name}"
        if kind == 1:
            return f"${{{name}}}"
        if kind == 2:
            return f"${{#{name}}}"
        place = choices.number(len(_OPERATORS) - 1)
        inner = quoted and place < _DEFAULTS
        words = _ESCAPED_QUOTED if inner else _OPERAND
        word = "".join(choices.some(lambda: choices.pick(words), 2))
        return f"${{{name}{_OPERATORS[place]}{word}}}"


@functools.lru_cache(maxsize=1)
def _shells() -> dict[Dialect, RealShell]:
    """Return both shells, which end with this program."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(real_shells(path=None))


def script_of(data: bytes) -> tuple[Dialect, str]:
    """Return the shell and the file that an input stands for."""
    choices = Choices(data)
    dialect = choices.pick((Dialect.DASH, Dialect.BASH))
    return dialect, Script(choices, dialect).text()


def check_shell(data: bytes) -> None:
    """Check that a shell has for every variable what is said to be possible."""
    dialect, text = script_of(data)
    for verdict in compare(_shells()[dialect], dialect, [text]):
        assert not verdict.wrong, (verdict, text)


TARGETS = (
    Target(
        "shell",
        "what is known of a variable is what dash and bash have",
        check_shell,
        runs=500,
        longest=96,
    ),
)
