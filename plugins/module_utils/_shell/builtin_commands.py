# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the commands do that the shell has itself, as far as variables go."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from .conditions import evaluate_test
from .cursor import NAME
from .declare import DECLARERS, Assigner, Declarations
from .values import known_text

if t.TYPE_CHECKING:
    from .state import Call, Frame, World
    from .values import Unknown

# An assignment before one of these holds after it, and no function goes before them.
SPECIAL = frozenset(
    {
        ":",
        ".",
        "break",
        "continue",
        "eval",
        "exec",
        "exit",
        "export",
        "readonly",
        "return",
        "set",
        "shift",
        "times",
        "trap",
        "unset",
    }
)
_BASH_ONLY = frozenset(
    {
        "[[",
        "builtin",
        "declare",
        "disown",
        "enable",
        "let",
        "mapfile",
        "popd",
        "pushd",
        "readarray",
        "shopt",
        "source",
        "typeset",
    }
)
_HARMLESS_OPTIONS = frozenset("abBCEfhHmPTuvx")
_HARMLESS_NAMES = frozenset({"noglob", "nounset", "pipefail", "posix", "verbose", "xtrace"})
_LIKE_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\[.*\])?\+?=|[A-Za-z_][A-Za-z0-9_]*\+=")


class Follower(Assigner, t.Protocol):
    """What follows commands and files."""

    frames: list[Frame]
    sourced: t.Callable[[str], str | None] | None

    def source(self, path: str, text: str, call: Call) -> list[World]:
        """Follow a file that another one sources."""

    def unset(self, world: World, name: str, unknown: Unknown) -> None:
        """Unset a variable."""


class Builtins:
    """Runs the commands that the shell has itself; any other changes no variable."""

    def __init__(self, runner: Follower) -> None:
        """Run them for a runner."""
        self._runner = runner
        self._commands: dict[str, t.Callable[[Call], list[World]]] = {
            ":": self._true,
            "true": self._true,
            "false": self._false,
            "[": self._test,
            "test": self._test,
            ".": self._source,
            "source": self._source,
            "unset": self._unset,
            "return": self._return,
            "break": self._leave_loop,
            "continue": self._leave_loop,
            "exec": self._exec,
            "exit": self._stop,
            "eval": self._stop,
            "trap": self._stop,
            "shopt": self._stop,
            "set": self._set,
            "alias": self._alias,
            "command": self._command,
            "builtin": self._command,
            **dict.fromkeys(("getopts", "let", "mapfile", "readarray", "wait"), self._read),
            **dict.fromkeys(("printf", "read"), self._read),
            **dict.fromkeys(DECLARERS, Declarations(runner).run),
        }

    def run(self, call: Call) -> list[World]:
        """Run a command."""
        if not self._runner.bash:
            self._check_of_dash(call)
            if call.name in _BASH_ONLY:
                return call.ended(status=False)
        command = self._commands.get(call.name)
        return command(call) if command else call.ended(status=None)

    @staticmethod
    def _check_of_dash(call: Call) -> None:
        if _LIKE_ASSIGNMENT.match(call.name):
            what = "+=" if "+=" in call.name else "["
            raise call.error(f"{what} is unknown to dash, and update-grub stops there")
        if call.name in _BASH_ONLY and not call.context.tested:
            raise call.error(f"{call.name} is unknown to dash, and update-grub stops there")

    @staticmethod
    def _true(call: Call) -> list[World]:
        return call.ended(status=True)

    @staticmethod
    def _false(call: Call) -> list[World]:
        return call.ended(status=False)

    def _test(self, call: Call) -> list[World]:
        operands = call.arguments
        if call.name == "[":
            if not operands or operands[-1] is None:
                return call.ended(status=None if operands else False)
            if known_text(operands[-1]) != "]":
                return call.ended(status=False)
            operands = operands[:-1]
        texts = [text for text in operands if text is not None]
        if len(texts) < len(operands):
            return call.ended(status=None)
        return call.ended(status=evaluate_test(texts, bash=self._runner.bash))

    def _source(self, call: Call) -> list[World]:
        path = call.known()[0] if call.arguments else ""
        if not path.startswith("/") or self._runner.sourced is None:
            raise call.error(f"it sources {path or 'nothing'}, which is not followed")
        text = self._runner.sourced(path)
        if text is not None:
            return self._runner.source(path, text, call)
        if call.context.maybe:
            # The branch that asks whether it is there is not taken.
            return []
        raise call.error(f"{path} is not there, and update-grub stops")

    def _unset(self, call: Call) -> list[World]:
        names = call.known()
        options = {name for name in names if name.startswith("-")}
        for world in call.worlds:
            for name in set(names) - options:
                if "-f" not in options:
                    self._runner.unset(world, name, call.unknown)
                if "-f" in options or name in world.functions:
                    world.functions[name] = None
        return call.ended(status=True)

    def _return(self, call: Call) -> list[World]:
        frame = self._runner.function_frame()
        if call.arguments:
            known = known_text(call.arguments[0] or (call.unknown,))
            call.ended(status=None if known is None else known == "0")
        frame.returned += call.worlds
        return []

    def _leave_loop(self, call: Call) -> list[World]:
        if call.arguments and call.known() != ["1"]:
            raise call.error(f"{call.name} out of several loops is not followed")
        frame = self._runner.frames[-1]
        if not frame.loop:
            raise call.error(f"{call.name} outside of a loop is not followed")
        (frame.broken if call.name == "break" else frame.continued).extend(call.worlds)
        return []

    def _exec(self, call: Call) -> list[World]:
        return self._stop(call) if call.arguments else call.ended(status=True)

    @staticmethod
    def _stop(call: Call) -> list[World]:
        if call.name in {"exec", "exit"}:
            raise call.error(f"{call.name} ends update-grub")
        raise call.error(f"{call.name} is not followed")

    def _set(self, call: Call) -> list[World]:
        arguments = call.known()
        while arguments:
            option = arguments.pop(0)
            if option in {"-", "--"} or option[:1] not in {"-", "+"}:
                break
            for letter in option[1:]:
                name = arguments.pop(0) if letter == "o" and arguments else letter
                if name in {"e", "errexit"}:
                    for world in call.worlds:
                        world.stops = option.startswith("-")
                elif name not in _HARMLESS_OPTIONS | _HARMLESS_NAMES | {"o"}:
                    raise call.error(f"set {option} {name} is not followed")
        return call.ended(status=True)

    @staticmethod
    def _alias(call: Call) -> list[World]:
        """Remember an alias as what cannot be followed when it is called."""
        for argument in call.known():
            name, given, rest = argument.partition("=")
            if given and not NAME.fullmatch(name.replace("-", "_")):
                raise call.error(f"alias {name} is not followed")
            if given and name in SPECIAL | DECLARERS:
                raise call.error(f"alias {name}={rest} is not followed")
            for world in call.worlds if given else ():
                world.functions[name] = None
        return call.ended(status=True)

    def _command(self, call: Call) -> list[World]:
        """Run what C(command) is given, past functions."""
        first = call.arguments[0] if call.arguments else ()
        name = None if first is None else known_text(first)
        if name is None:
            raise call.error(f"what {call.name} runs cannot be known")
        if name == "-p":
            return self._command(replace(call, arguments=call.arguments[1:]))
        if not name or name.startswith("-"):
            return call.ended(status=None)
        return self.run(replace(call, name=name, arguments=call.arguments[1:]))

    def _read(self, call: Call) -> list[World]:
        """Make unknown what a command assigns: read, getopts, printf -v, mapfile, let, wait -p."""
        names: set[str] = {"read": {"REPLY"}, "getopts": {"OPTARG"}, "mapfile": {"MAPFILE"}}.get(
            call.name, set()
        )
        assigns = call.name not in {"printf", "wait"}
        for text in call.arguments:
            known = None if text is None else known_text(text)
            if known is None and assigns:
                raise call.error(f"what {call.name} assigns cannot be known")
            assigns = assigns or known in {"-v", "-p"}
            names.update(NAME.findall(known or "") if assigns else ())
        for world in call.worlds:
            for name in sorted(names):
                self._runner.assign(world, name, (call.unknown,), call.unknown)
        return call.ended(status=None)
