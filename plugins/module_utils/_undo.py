# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo record: what was found before the collection first changed a thing, and what it set."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, replace

from ._errors import HostError
from ._plan import FileChange

if t.TYPE_CHECKING:
    from ._host import Host

UNDO_PATH = "/var/lib/hwaccel/undo.json"
_VERSION = 1

Facts = dict[str, t.Any]


@dataclass(frozen=True)
class UndoEntry:
    """What one module found at one thing, and what it set.

    Args:
        made: None once the module has brought back what it found.
    """

    found: Facts
    made: Facts | None

    @classmethod
    def parse(cls, document: Facts) -> UndoEntry:
        """Parse an entry of the file."""
        found, made = document["found"], document["set"]
        if not isinstance(found, dict) or not isinstance(made, (dict, type(None))):
            message = "an entry is not as this collection writes it"
            raise TypeError(message)
        return cls(found, made)

    def as_document(self) -> Facts:
        """Return the entry as the file has it."""
        return {"found": self.found, "set": self.made}


@dataclass(frozen=True)
class UndoRecord:
    """The file C(/var/lib/hwaccel/undo.json): module, then thing, then C(found) and C(set)."""

    content: bytes | None
    modules: dict[str, dict[str, UndoEntry]]

    @classmethod
    def read(cls, host: Host) -> UndoRecord:
        """Read the record; a file that is not ours is an error, never overwritten."""
        content = host.read_bytes(UNDO_PATH)
        if content is None:
            return cls(None, {})
        try:
            document = json.loads(content)
            if b"\\u" in content:
                # Texts of files are in it, odd bytes as surrogates: others can be of no file.
                json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")
            version = document["version"]
            modules = {
                module: {thing: UndoEntry.parse(entry) for thing, entry in things.items()}
                for module, things in document["modules"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            message = f"{UNDO_PATH}: not an undo record ({error}); move it away to go on without it"
            raise HostError(message) from error
        if version != _VERSION:
            message = f"{UNDO_PATH}: version {version!r}, this release reads version {_VERSION}"
            raise HostError(message)
        return cls(content, modules)

    def entry(self, module: str, thing: str) -> UndoEntry | None:
        """Return what is recorded of one thing by one module."""
        return self.modules.get(module, {}).get(thing)

    def standing(self) -> list[tuple[str, str]]:
        """Return module and thing of what was set and not brought back, sorted."""
        return sorted(
            (module, thing)
            for module, things in self.modules.items()
            for thing, entry in things.items()
            if entry.made is not None
        )

    def with_entry(self, module: str, thing: str, entry: UndoEntry) -> UndoRecord:
        """Return the record with an entry in place of an older one."""
        things = {**self.modules.get(module, {}), thing: entry}
        return replace(self, modules={**self.modules, module: things})

    def without_entry(self, module: str, thing: str) -> UndoRecord:
        """Return the record without an entry."""
        things = {key: value for key, value in self.modules.get(module, {}).items() if key != thing}
        modules = {key: value for key, value in self.modules.items() if key != module}
        return replace(self, modules={**modules, module: things} if things else modules)

    def change(self) -> tuple[FileChange, ...]:
        """Return the file change that makes the record durable; nothing when it is as it was."""
        after = None
        if self.modules:
            modules = {
                module: {thing: entry.as_document() for thing, entry in things.items()}
                for module, things in self.modules.items()
            }
            document = {"version": _VERSION, "modules": modules}
            after = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
        if after == self.content:
            return ()
        return (FileChange(UNDO_PATH, self.content, after, mode=0o600, shown=False),)
