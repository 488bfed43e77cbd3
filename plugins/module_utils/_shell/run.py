# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following shell files without running them, every way through the conditionals at once."""

from __future__ import annotations

import typing as t
from contextlib import contextmanager
from dataclasses import replace

from . import tree
from .builtin_commands import SPECIAL, Builtins
from .conditions import evaluate_bracket
from .declare import DECLARERS, Declarations
from .expand import Expander, match_pattern
from .journal import Journal
from .state import Call, Frame, is_magic, join, split
from .syntax import parse
from .values import Dialect, ShellError, Unknown, bounded, known_text, make_text

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .state import Context, Fields, World
    from .values import Text

_DEPTH = 8


class Runner:
    """Follows commands in states that it may change, and returns the states after them."""

    def __init__(self, dialect: Dialect, sourced: t.Callable[[str], str | None] | None) -> None:
        """Start with nothing assigned."""
        self.bash = dialect is Dialect.BASH
        self.sourced = sourced
        self.frames: list[Frame] = []
        self.journal = Journal()
        self._dialect = dialect
        self._builtins = Builtins(self)
        self._touched: set[str] = set()
        self._place = ("", 1)
        self._followers: dict[type, t.Callable[[t.Any, list[World], Context], list[World]]] = {
            tree.Simple: self._simple,
            tree.Block: self._block,
            tree.AndOr: self._and_or,
            tree.Not: self._not,
            tree.Isolated: self._isolated,
            tree.Arithmetic: self._arithmetic,
            tree.DoubleBracket: self._bracket,
            tree.If: self._if,
            tree.Loop: self._loop,
            tree.Case: self._case,
            tree.Function: self._function,
            tree.Redirected: self._redirected,
        }

    def file(self, path: str, text: str, worlds: list[World], context: Context) -> list[World]:
        """Follow a file; one that ends with a command that failed ends grub-mkconfig."""
        self._place = (path, 1)
        command = parse(path, text, self._dialect)
        with self._framed(context) as frame:
            worlds = self._follow(command, worlds, context)
        worlds = self._joined(worlds + frame.returned)
        return self._settled(worlds, context, *self._place)

    def source(self, path: str, text: str, call: Call) -> list[World]:
        """Follow a file that another one sources."""
        place = self._place
        context = replace(call.context, depth=call.context.depth + 1)
        worlds = self.file(path, text, call.worlds, context)
        self._place = place
        return worlds

    def _call(self, function: tree.Function, call: Call) -> list[World]:
        context = replace(call.context, maybe=True, function=True, depth=call.context.depth + 1)
        with self._framed(context) as frame:
            worlds = self._follow(function.body, call.worlds, context)
        worlds += frame.returned
        for world in worlds:
            # What it was before is not kept.
            world.readonly -= frame.locals
            for name in sorted(frame.locals):
                self.assign(world, name, (call.unknown,), call.unknown)
        return self._joined(worlds)

    @contextmanager
    def _framed(self, context: Context) -> Iterator[Frame]:
        if context.depth > _DEPTH:
            raise ShellError(*self._place, "functions or files that call each other so deep")
        self.frames.append(Frame(loop=False))
        yield self.frames[-1]
        self.frames.pop()

    def function_frame(self) -> Frame:
        """Return the function or file that is being followed."""
        return next(frame for frame in reversed(self.frames) if not frame.loop)

    def _joined(self, worlds: t.Iterable[World]) -> list[World]:
        return join(worlds, self._place)

    def _settled(self, worlds: list[World], context: Context, file: str, line: int) -> list[World]:
        """Finish a command: where one fails that is no condition grub-mkconfig ends."""
        if context.tested:
            return worlds
        if worlds and all(world.status is False and world.stops for world in worlds):
            raise ShellError(file, line, "this command fails, and update-grub stops there")
        for world in worlds:
            if world.status is None and world.stops:
                world.status = True
        return worlds

    def assign(self, world: World, name: str, text: Text, unknown: Unknown) -> None:
        """Assign a variable."""
        if name in world.readonly:
            message = f"{name} is readonly, and update-grub stops there"
            raise ShellError(unknown.file, unknown.line, message)
        self._touched.add(name)
        world.variables[name] = (unknown,) if is_magic(name) else bounded(text, unknown)

    def unset(self, world: World, name: str, unknown: Unknown) -> None:
        """Unset a variable."""
        self.assign(world, name, (), unknown)
        world.variables[name] = None

    def put(self, world: World, assign: tree.Assign, text: Text, context: Context) -> None:
        """Assign what the text of an assignment expanded to, and note it."""
        unknown = Unknown(assign.file, assign.line, f"${assign.name}")
        if assign.appends:
            text = make_text([*(world.lookup(assign.name, unknown) or ()), *text])
        self.assign(world, assign.name, text, unknown)
        maybe = context.maybe or any(frame.left for frame in self.frames)
        self.journal.note(assign, world.variables[assign.name] or (), maybe=maybe)

    def note_default(self, parameter: tree.Parameter, word: tree.Word, text: Text) -> None:
        """Note that C(${X:=word}) assigned a variable."""
        place = parameter.unknown
        assign = tree.Assign(
            name=parameter.name,
            appends=False,
            word=word,
            file=place.file,
            line=place.line,
            form="default",
        )
        self.journal.note(assign, text, maybe=True)

    def _expander(self, world: World) -> Expander:
        return Expander(self, world)

    def _follow(self, command: tree.Command, worlds: list[World], context: Context) -> list[World]:
        if not worlds:
            return []
        self.journal.step()
        return self._followers[type(command)](command, worlds, context)

    def _block(self, node: tree.Block, worlds: list[World], context: Context) -> list[World]:
        for command in node.commands:
            worlds = self._follow(command, worlds, context)
        return worlds

    def _simple(self, node: tree.Simple, worlds: list[World], context: Context) -> list[World]:
        self._place = (node.file, node.line)
        first = node.words[0] if node.words else None
        if not isinstance(first, tree.Word):
            worlds = self._assigns(node, worlds, context)
        elif first.plain in DECLARERS and (self.bash or first.plain not in {"declare", "typeset"}):
            call = Call(node, first.plain, (), worlds, context)
            worlds = Declarations(self).run_words(call)
        else:
            worlds = self._grouped(node, worlds, context)
        return self._settled(worlds, context, node.file, node.line)

    def _assigns(self, node: tree.Simple, worlds: list[World], context: Context) -> list[World]:
        """Follow assignments that stay."""
        runs = any(
            isinstance(part, tree.Opaque) and part.runs
            for assign in node.assigns
            for part in assign.word.walk()
        )
        for world in worlds:
            for assign in node.assigns:
                self.put(world, assign, self._expander(world).text(assign.word), context)
            world.status = None if runs else True
        return worlds

    def _grouped(self, node: tree.Simple, worlds: list[World], context: Context) -> list[World]:
        """Follow a command, once for each of the ways in which its words expand."""
        groups: dict[t.Hashable, tuple[Fields, list[World]]] = {}
        for world in worlds:
            fields = self._fields(node, world)
            function = world.functions.get(str(fields[0][0])) if fields and fields[0] else None
            key = fields, id(function)
            groups.setdefault(key, (fields, []))[1].append(world)
        ended: list[World] = []
        inner = replace(context, maybe=context.maybe or len(groups) > 1)
        for fields, group in groups.values():
            ended += self._command(node, fields, group, inner)
        return self._joined(ended)

    def _fields(self, node: tree.Simple, world: World) -> Fields:
        expander = self._expander(world)
        fields: list[Text | None] = []
        for word in node.words:
            if isinstance(word, tree.Word):
                expanded = expander.fields(word)
                fields += (None,) if expanded is None else expanded
        return tuple(fields)

    def _command(
        self, node: tree.Simple, fields: Fields, worlds: list[World], context: Context
    ) -> list[World]:
        if not fields:
            return self._assigns(node, worlds, context)
        first = node.words[0]
        plain = first.plain if isinstance(first, tree.Word) else None
        name = plain if fields[0] is None else known_text(fields[0])
        call = Call(node, name or "", fields[1:], worlds, context)
        if name in SPECIAL:
            return self._builtins.run(replace(call, worlds=self._assigns(node, worlds, context)))
        for world in worlds:
            for assign in node.assigns:
                self._expander(world).touch(assign.word)
        if name is None or name not in worlds[0].functions:
            worlds = self._builtins.run(call)
        else:
            worlds = self._called(call, worlds[0].functions[name])
        if name is None:
            # It may expand to nothing, and then the assignments before it stay.
            self._forget(node, worlds, call.unknown)
        return worlds

    def _called(self, call: Call, function: tree.Function | None) -> list[World]:
        if function is None:
            raise call.error(f"{call.name} is an alias or a function that is not followed")
        for world in call.worlds:
            for assign in call.node.assigns:
                text = self._expander(world).text(assign.word)
                self.assign(world, assign.name, text, call.unknown)
        worlds = self._call(function, call)
        self._forget(call.node, worlds, call.unknown)
        return worlds

    def _forget(self, node: tree.Simple, worlds: list[World], unknown: Unknown) -> None:
        for world in worlds:
            for assign in node.assigns:
                self.assign(world, assign.name, (unknown,), unknown)

    def _function(self, node: tree.Function, worlds: list[World], context: Context) -> list[World]:
        if context.looping or node.name in SPECIAL | DECLARERS:
            raise ShellError(node.file, node.line, "a function defined here is not followed")
        for world in worlds:
            world.functions[node.name] = node
            world.status = True
        return worlds

    def _isolated(self, node: tree.Isolated, worlds: list[World], context: Context) -> list[World]:
        for world in worlds:
            world.status = True if node.background else None
        return self._settled(worlds, context, *self._place)

    def _arithmetic(
        self, node: tree.Arithmetic, worlds: list[World], context: Context
    ) -> list[World]:
        for world in worlds:
            world.status = None
            for name in node.sets:
                self.assign(world, name, (node.unknown,), node.unknown)
        return self._settled(worlds, context, node.unknown.file, node.unknown.line)

    def _bracket(
        self, node: tree.DoubleBracket, worlds: list[World], context: Context
    ) -> list[World]:
        for world in worlds:
            world.status = evaluate_bracket(node.words, self._expander(world))
        return self._settled(worlds, context, node.file, node.line)

    def _not(self, node: tree.Not, worlds: list[World], context: Context) -> list[World]:
        worlds = self._follow(node.command, worlds, replace(context, tested=True))
        for world in worlds:
            world.status = None if world.status is None else not world.status
        return worlds

    def _and_or(self, node: tree.AndOr, worlds: list[World], context: Context) -> list[World]:
        passed, failed = split(self._follow(node.left, worlds, replace(context, tested=True)))
        going, staying = (passed, failed) if node.on_success else (failed, passed)
        inner = replace(context, maybe=context.maybe or bool(staying))
        return self._joined(staying + self._follow(node.right, going, inner))

    def _if(self, node: tree.If, worlds: list[World], context: Context) -> list[World]:
        condition = self._follow(node.condition, worlds, replace(context, tested=True))
        passed, failed = split(condition)
        inner = replace(context, maybe=context.maybe or bool(passed and failed))
        for world in failed:
            world.status = True
        then = self._follow(node.then, passed, inner)
        return self._joined(then + self._follow(node.otherwise, failed, inner))

    def _case(self, node: tree.Case, worlds: list[World], context: Context) -> list[World]:
        waiting = [(world, self._expander(world).text(node.word)) for world in worlds]
        ended: list[World] = []
        for patterns, body in node.clauses:
            taken: list[World] = []
            others: list[tuple[World, Text]] = []
            for world, text in waiting:
                matched = self._matches(patterns, world, text)
                if matched is None:
                    taken.append(world.copy())
                elif matched:
                    taken.append(world)
                if not matched:
                    others.append((world, text))
            waiting = others
            inner = replace(context, maybe=context.maybe or bool(waiting) or bool(ended))
            ended += self._follow(body, [world.ended(status=True) for world in taken], inner)
        return self._joined(ended + [world.ended(status=True) for world, text in waiting])

    def _matches(self, patterns: t.Sequence[tree.Word], world: World, text: Text) -> bool | None:
        result: bool | None = False
        for pattern in patterns:
            matched = match_pattern(text, self._expander(world).pieces(pattern))
            if matched:
                return True if result is False else None
            result = None if matched is None else result
        return result

    def _loop(self, node: tree.Loop, worlds: list[World], context: Context) -> list[World]:
        """Follow a loop once, with everything unknown that it changes, and not at all."""
        inner = replace(context, maybe=True, looping=True)
        for world in worlds:
            for word in node.words:
                self._expander(world).pieces(word)
        changed: set[str] = set()
        mark = self.journal.mark()
        before, self._touched = self._touched, set()
        while True:
            self.journal.forget(mark)
            start = [world.copy() for world in worlds]
            for world in start:
                world.variables.update(dict.fromkeys(changed, (node.unknown,)))
            frame = self._iterated(node, start, inner)
            if self._touched <= changed:
                break
            changed |= self._touched
        self._touched |= before
        left = worlds + frame.continued
        if node.condition:
            mark = self.journal.mark()
            tested = self._follow(node.condition, left, replace(inner, tested=True))
            left = split(tested)[1]
            self.journal.forget(mark)
        ended = self._joined(left + frame.broken)
        for world in ended:
            world.status = None
        return self._settled(ended, context, *self._place)

    def _iterated(self, node: tree.Loop, worlds: list[World], context: Context) -> Frame:
        """Follow the body of a loop; the states at its end are among those that continue."""
        frame = Frame(loop=True)
        self.frames.append(frame)
        if node.name:
            for world in worlds:
                self.assign(world, node.name, (node.unknown,), node.unknown)
        if node.condition:
            condition = self._follow(node.condition, worlds, replace(context, tested=True))
            worlds = split(condition)[0]
        frame.continued += self._follow(node.body, worlds, context)
        self.frames.pop()
        return frame

    def _redirected(
        self, node: tree.Redirected, worlds: list[World], context: Context
    ) -> list[World]:
        for world in worlds:
            self._expand_redirects(node, world)
        opens = any(redirect.opens for redirect in node.redirects)
        # A file that cannot be opened: the command is not run, and grub-mkconfig may go on.
        if not opens or (isinstance(node.command, tree.Simple) and not context.tested):
            return self._follow(node.command, worlds, context)
        staying = [world.copy().ended(status=False) for world in worlds]
        followed = self._follow(node.command, worlds, replace(context, maybe=True))
        return self._joined(staying + [world.ended(status=None) for world in followed])

    def _expand_redirects(self, node: tree.Redirected, world: World) -> None:
        for redirect in node.redirects:
            self._expander(world).touch(redirect.target)
            unknown = Unknown(*self._place, "a here-document")
            for name in redirect.document.sets if redirect.document else ():
                self.assign(world, name, (unknown,), unknown)
