# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was done to the daemon's configuration file: its content before us and as we left it."""

from __future__ import annotations

import typing as t
from dataclasses import astuple, dataclass

from .._errors import HostError
from .._host import Permissions
from .._undo import UNDO_PATH, UndoEntry
from .document import GriddDocument

if t.TYPE_CHECKING:
    from .._undo import UndoRecord

_MODULE = "gridd_license"


@dataclass(frozen=True)
class FileRecord:
    """What a file was before us, and what we made of it.

    Args:
        owned: its owner, group and mode before us, None for no file.
        given: what we gave it of these.
        standing: whether that is done, rather than taken back again.
    """

    found: str = ""
    made: str = ""
    owned: Permissions | None = None
    given: Permissions | None = None
    standing: bool = True

    def taken_back(self, now: str) -> str:
        """Return what the file would be without us; what others have changed since stays."""
        if not self.standing:
            return now
        if now == self.made:
            return self.found
        document = GriddDocument.parse(now)
        found, made = GriddDocument.parse(self.found), GriddDocument.parse(self.made)
        for key in dict.fromkeys([*made.keys(), *found.keys()]):
            ours = made.raw(key)
            if found.raw(key) != ours and document.raw(key) == ours:
                document = document.put_back(key, found)
        return str(document)

    def given_back(self, now: Permissions | None) -> Permissions | None:
        """Return what owner, group and mode would be without us."""
        return self.owned if self.owned is not None and now == self.given else now


# What is left of a record, so that a second run knows that nothing of ours is there.
TAKEN_BACK: t.Final = FileRecord(standing=False)


def read_record(undo: UndoRecord, path: str) -> FileRecord | None:
    """Return what is remembered of a file, None for nothing."""
    entry = undo.entry(_MODULE, path)
    if entry is None:
        return None
    if entry.made is None:
        return TAKEN_BACK
    found, made = entry.found.get("content"), entry.made.get("content")
    if not isinstance(found, str) or not isinstance(made, str):
        message = (
            f"{UNDO_PATH}: {_MODULE}, {path}: not as this release writes it; move the file away "
            "to go on without it"
        )
        raise HostError(message)
    owned, given = (_permissions(facts.get("permissions")) for facts in (entry.found, entry.made))
    return FileRecord(found, made, owned, given)


def _permissions(numbers: object) -> Permissions | None:
    """Return owner, group and mode, None where none are remembered."""
    if numbers is None:
        return None
    if not isinstance(numbers, list) or [type(each) for each in numbers] != [int] * 3:
        message = (
            f"{UNDO_PATH}: {_MODULE}: permissions are not as this release writes them "
            f"({numbers!r}); move the file away to go on without it"
        )
        raise HostError(message)
    return Permissions(*numbers)


def _numbers(permissions: Permissions | None) -> list[int] | None:
    return None if permissions is None else list(astuple(permissions))


def with_record(undo: UndoRecord, path: str, record: FileRecord | None) -> UndoRecord:
    """Return the undo record with what is remembered of a file, or without."""
    if record is None:
        return undo.without_entry(_MODULE, path)
    if not record.standing:
        return undo.with_entry(_MODULE, path, UndoEntry({}, None))
    entry = UndoEntry(
        {"content": record.found, "permissions": _numbers(record.owned)},
        {"content": record.made, "permissions": _numbers(record.given)},
    )
    return undo.with_entry(_MODULE, path, entry)
