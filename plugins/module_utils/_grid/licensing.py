# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The daemon's configuration: a licence by a server or by a token, and the way back."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._errors import RefusedError
from .._plan import Change, FileChange, PermissionsChange, Plan, copy_of
from .configuration import ConfigFile, State, Token, observe
from .document import GriddDocument
from .keys import BY_NAME
from .record import TAKEN_BACK, FileRecord, read_record, with_record
from .wanted import SERVER, Wanted

if t.TYPE_CHECKING:
    from .._host import Host


@dataclass(frozen=True)
class Step:
    """What becomes of the file, and of tokens.

    Args:
        after: the file as it is to be.
        record: what is remembered of it then, None for nothing.
        removed: the tokens that go.
        warnings: what an operator should know of it.
    """

    before: ConfigFile
    after: ConfigFile
    record: FileRecord | None
    removed: tuple[Token, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether the content of the file changes."""
        return self.after.text != self.before.text

    def copy(self) -> tuple[FileChange, ...]:
        """Return the copy of a file that changes; none of one that is new."""
        if not self.writes or self.before.text is None:
            return ()
        return (copy_of(self.before.path, _encoded(self.before.text), self.before.modified),)

    def changes(self) -> tuple[Change, ...]:
        """Return the changes of the file, then of tokens, whose content is nowhere else."""
        found: list[Change] = []
        path, mode = self.before.path, self.before.new.mode
        if self.writes:
            before, after = (_encoded(each.text) for each in (self.before, self.after))
            found.append(FileChange(path, before, after, mode=mode))
        there = self.before.permissions or self.before.new
        if self.after.permissions is not None and self.after.permissions != there:
            found.append(PermissionsChange(path, there, self.after.permissions))
        found.extend(
            FileChange(each.path, each.content, None, mode=each.mode, secret=True)
            for each in self.removed
        )
        return tuple(found)


class GriddLicense:
    """The work of the module gridd_license."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.wanted = Wanted.parse(options)

    def observe(self, host: Host) -> State:
        """Read the file, its template, tokens, the record, and the service's start."""
        return observe(host, self.wanted)

    def plan(self, state: State) -> Plan:
        """Decide what becomes of the file, or refuse."""
        step = self._step(state)
        undo = with_record(state.undo, state.file.path, step.record).change()
        plan = Plan((*self._copy(step), *step.changes()), warnings=step.warnings)
        if self.wanted.present:
            # What was found is on disk before the file changes.
            return Plan(undo).and_then(plan)
        return replace(plan, closing=undo)

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to."""
        step = self._step(state)
        tokens = {
            folder: tuple(each for each in found if each not in step.removed)
            for folder, found in state.tokens.items()
        }
        return replace(state, file=step.after, tokens=tokens)

    def unmet(self, before: State, after: State) -> str | None:
        """Look whether the file is as it was written, and the tokens are gone."""
        step, there = self._step(before), after.file
        if (there.text, there.permissions) != (step.after.text, step.after.permissions):
            return (
                f"{there.path}: it was written, and is otherwise again: something else writes it, "
                "such as the image's own first boot; run again once that is over"
            )
        found = {each.path for folder in after.tokens.values() for each in folder}
        back = [each.path for each in step.removed if each.path in found]
        if back:
            return (
                f"{', '.join(back)}: removed, and there again: something else puts it there; stop "
                "that first"
            )
        return None

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        step, file = self._step(before), after.file
        copies = [copy.path for copy in self._copy(step)]
        stamps = (file.modified, *(each.modified for each in after.found_tokens))
        return {
            "effective_settings": file.document.effective(self.wanted.others),
            "ignored": file.document.ignored(self.wanted.others),
            "token_folder": file.token_folder,
            "tokens": [each.name for each in after.found_tokens],
            "removed_tokens": [each.path for each in step.removed],
            "restart_required": step.writes
            or bool(step.removed)
            or any(after.service.is_older_than(each) for each in stamps),
            **({"backup_file": copies[0]} if copies else {}),
        }

    def _copy(self, step: Step) -> tuple[FileChange, ...]:
        return step.copy() if self.wanted.backup else ()

    def _step(self, state: State) -> Step:
        known = read_record(state.undo, state.file.path)
        return self._configure(state, known) if self.wanted.present else self._undone(state, known)

    def _configure(self, state: State, known: FileRecord | None) -> Step:
        file = state.file
        start = file.template if file.text is None else file.text
        document = GriddDocument.parse(start)
        for key, value in self.wanted.values.items():
            document = document.comment_out(key) if value is None else document.set(key, value)
        after = replace(file, text=str(document), permissions=file.asked)
        found, owned = start, file.permissions
        if known is not None and file.text is not None:
            found = known.taken_back(file.text)
            owned = known.owned if owned == known.given else owned
        record = FileRecord(found, str(document), owned, file.asked)
        tokens = _in_the_way(state, after)
        if self.wanted.licensing != SERVER:
            return Step(file, after, record)
        if tokens and not self.wanted.remove_tokens:
            told = ", ".join(each.path for each in tokens)
            raise RefusedError(
                f"{told}: with a token there, the daemon asks no server of {file.path}: remove it "
                "(remove_tokens: true), or license by it (licensing: token)"
            )
        return Step(file, after, record, tokens)

    def _undone(self, state: State, known: FileRecord | None) -> Step:
        """Return what takes back what was done, with every key that has an option out of force."""
        file = state.file
        text, permissions, warnings = file.text, file.permissions, []
        if known is not None:
            permissions = known.given_back(permissions)
        if text is not None:
            document = GriddDocument.parse(text if known is None else known.taken_back(text))
            ours = [key for key in self.wanted.others if self.wanted.values[key] is not None]
            for key in (*BY_NAME, *(ours if known is None else ())):
                document = document.comment_out(key)
            text = str(document)
            if known is None and text != file.text:
                warnings.append(
                    f"{file.path}: no record of what was there before; its keys are commented "
                    "out with the values that they have"
                )
        after = replace(file, text=text, permissions=permissions)
        record = None if known is None and text == file.text else TAKEN_BACK
        if self.wanted.remove_tokens:
            removed = _in_the_way(state, after)
            return Step(file, after, record, removed, tuple(warnings))
        warnings.extend(
            f"{each.path}: with this token the daemon still gets a licence: remove it "
            "(remove_tokens: true)"
            for each in state.tokens.get(after.token_folder, ())
        )
        return Step(file, after, record, warnings=tuple(warnings))


def _in_the_way(state: State, after: ConfigFile) -> tuple[Token, ...]:
    """Return the tokens where the daemon looks for them by the file as it is, and as it will be."""
    folders = dict.fromkeys((state.file.token_folder, after.token_folder))
    return tuple(each for folder in folders for each in state.tokens.get(folder, ()))


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")
