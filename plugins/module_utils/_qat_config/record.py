# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was done to a configuration file: its content before us and as we left it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import HostError
from .._undo import UNDO_PATH, UndoEntry
from .document import Document, unquoted

if t.TYPE_CHECKING:
    from .._undo import UndoRecord

_MODULE = "qat_config"


@dataclass(frozen=True)
class FileRecord:
    """What a file was before us, and what we made of it; None for no file.

    Args:
        standing: whether that is done, rather than taken back again.
    """

    found: str | None = None
    made: str | None = None
    standing: bool = True

    def taken_back(self, now: str | None) -> str | None:
        """Return what the file would be without us; what others have changed since stays."""
        if now == self.made:
            return self.found
        if now is None or self.made is None:
            return now
        document = Document.parse(now)
        found, made = Document.parse(self.found or ""), Document.parse(self.made)
        for section in made.sections():
            document = _without_ours(document, section, found, made)
        for section in found.sections():
            if section not in (*made.sections(), *document.sections()):
                document = document.with_section(section)
                for key in found.values(section):
                    document = document.with_value(section, key, found.raw(section, key) or "")
        if self.found is None and not document.sections():
            return None
        return str(document)


# What is left of a record, so that a second run finds nothing to take out.
TAKEN_BACK: t.Final = FileRecord(standing=False)


def _without_ours(document: Document, section: str, found: Document, made: Document) -> Document:
    """Take back what was done to a section, where it still is as it was left."""
    for key in dict.fromkeys([*made.values(section), *found.values(section)]):
        before, ours, now = (each.raw(section, key) for each in (found, made, document))
        if before == ours or _plain(now) != _plain(ours):
            continue
        if before is None:
            document = document.without_value(section, key)
        elif section in document.sections():
            document = document.with_value(section, key, before)
    if section not in found.sections() and not document.values(section):
        document = document.without_section(section)
    return document


def _plain(raw: str | None) -> str | None:
    return None if raw is None else unquoted(raw)


def read_record(undo: UndoRecord, path: str) -> FileRecord | None:
    """Return what is remembered of a file, None for nothing."""
    entry = undo.entry(_MODULE, path)
    if entry is None:
        return None
    if entry.made is None:
        return TAKEN_BACK
    texts = entry.found.get("content"), entry.made.get("content")
    if not all(isinstance(text, (str, type(None))) for text in texts):
        message = (
            f"{UNDO_PATH}: {_MODULE}, {path}: not as this release writes it; move the file away "
            "to go on without it"
        )
        raise HostError(message)
    return FileRecord(*texts)


def with_record(undo: UndoRecord, path: str, record: FileRecord | None) -> UndoRecord:
    """Return the undo record with what is remembered of a file, or without."""
    if record is None:
        return undo.without_entry(_MODULE, path)
    if not record.standing:
        return undo.with_entry(_MODULE, path, UndoEntry({}, None))
    entry = UndoEntry({"content": record.found}, {"content": record.made})
    return undo.with_entry(_MODULE, path, entry)
