# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""export, readonly, local and bash's declare: commands whose words are assignments."""

from __future__ import annotations

import re
import typing as t

from .expand import Expander, Shell
from .tree import Assign, Opaque, Parameter, Word
from .values import Text, Unknown, make_text

if t.TYPE_CHECKING:
    from .state import Call, Context, Frame, World

DECLARERS = frozenset({"declare", "export", "local", "readonly", "typeset"})

_OPTIONS = {
    "export": frozenset("fnp"),
    "readonly": frozenset("fp"),
    "local": frozenset("rx"),
    "declare": frozenset("Ffgprx"),
    "typeset": frozenset("Ffgprx"),
}
_DECLARED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?=)?(.*)", re.DOTALL)
_SPLIT = re.compile(r"[ \t\n*?\[\\]")


class _Argument(t.NamedTuple):
    """A word that export and its like are given; None where it cannot be known."""

    text: Text | None
    word: Word
    assign: Assign | None


class Assigner(Shell, t.Protocol):
    """What assigns what words expand to."""

    def put(self, world: World, assign: Assign, text: Text, context: Context) -> None:
        """Assign what the text of an assignment expanded to, and note it."""

    def function_frame(self) -> Frame:
        """Return the function or file that is being followed."""


class Declarations:
    """Runs them for a runner."""

    def __init__(self, runner: Assigner) -> None:
        """Assign by a runner."""
        self._runner = runner

    def run(self, call: Call) -> list[World]:
        """Run export and its like where they are not the first word as it is written."""
        words = [word for word in call.node.words if isinstance(word, Word)]
        if any(
            isinstance(part, Parameter) and not part.quoted for word in words for part in word.parts
        ):
            # command export X=$Y: whether it is split is up to the version of the shell.
            raise call.error(f"what {call.name} is given cannot be known")
        part = Opaque(call.unknown, quoted=True)
        word = Word((part,), words[0].start, words[-1].end, call.node.line)
        arguments = [_Argument(text, word, None) for text in call.arguments]
        for world in call.worlds:
            self._declare_in(call, world, arguments)
        return call.ended(status=True)

    def run_words(self, call: Call) -> list[World]:
        """Run export and its like, each word of which may be an assignment."""
        for world in call.worlds:
            arguments = [
                argument
                for word in call.node.words[1:]
                for argument in self._arguments(call, world, word)
            ]
            for assign in call.node.assigns:
                text = Expander(self._runner, world).text(assign.word)
                self._runner.put(world, assign, text, call.context)
            self._declare_in(call, world, arguments)
        return call.ended(status=True)

    def _arguments(self, call: Call, world: World, word: Word | Assign) -> list[_Argument]:
        expander = Expander(self._runner, world)
        if isinstance(word, Word):
            fields = expander.fields(word)
            return [_Argument(text, word, None) for text in ((None,) if fields is None else fields)]
        pieces = expander.pieces(word.word)
        text = make_text(piece.value for piece in pieces)
        # dash before 0.5.11 splits what export is given.
        splits = not self._runner.bash and any(
            piece.splits and isinstance(piece.value, str) and _SPLIT.search(piece.value)
            for piece in pieces
        )
        if splits or expander.has_braces(word.word):
            text = (call.unknown,)
        return [_Argument(text, word.word, word)]

    def _declare_in(self, call: Call, world: World, arguments: list[_Argument]) -> None:
        options = ""
        for text, word, assign in arguments:
            if assign is None:
                first = text[0] if text else ""
                if text is None or isinstance(first, Unknown):
                    raise call.error(f"what {call.name} is given cannot be known")
                if first[:1] in {"-", "+"}:
                    options += first[1:]
                    continue
                parsed = self._parsed(call, text, word)
                self._declare_one(call, world, *parsed, options)
            else:
                self._declare_one(call, world, assign, text, options)
        if set(options) - _OPTIONS[call.name]:
            raise call.error(f"{call.name} -{options} is not followed")

    def _parsed(self, call: Call, text: Text, word: Word) -> tuple[Assign, Text | None]:
        """Read C(NAME) or C(NAME=value) out of an expanded word."""
        match = _DECLARED.fullmatch(str(text[0])) if text else None
        operator = match[2] if match else None
        if (
            match is None
            or (operator is None and (match[3] or len(text) > 1))
            or (operator == "+=" and not self._runner.bash)
        ):
            raise call.error(f"{call.name} is given what is no name, and update-grub stops there")
        node = call.node
        assign = Assign(match[1], operator == "+=", word, node.file, node.line, "whole")
        return assign, make_text([match[3], *text[1:]]) if operator else None

    def _declare_one(
        self, call: Call, world: World, assign: Assign, text: Text | None, options: str
    ) -> None:
        if "f" in options:
            return
        local = call.name not in {"export", "readonly"} and "g" not in options
        if local and call.context.function:
            self._runner.function_frame().locals.add(assign.name)
            text = (call.unknown,) if text is None else text
        elif call.name == "local":
            raise call.error("local outside of a function, and update-grub stops there")
        if text is not None:
            self._runner.put(world, assign, text, call.context)
        if call.name == "readonly" or "r" in options:
            world.readonly |= {assign.name}
