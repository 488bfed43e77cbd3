# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of a boot loader's files: their content before us and as we left it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .._errors import HostError
from .._undo import UNDO_PATH, UndoEntry
from .cmdline import Argument
from .linefile import Delta, FileRecord

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._undo import UndoRecord

_MODULE = "iommu_kernel_arg"
# Both change the same files: a host may get grubby later.
_KEYS = {"grubby": "bls"}


@dataclass(frozen=True)
class BootRecord:
    """What was done to the command lines of one boot loader.

    Args:
        files: by path, what was written.
        delta: what was added to and taken out of any line.
        standing: whether it is done, rather than taken back again.
        asked: every argument that was asked for, put in by us or there before.
        due: whether what was begun has not come to its end, the boot loader's tool included.
        boot: the kernel's id of the boot during which it was done last, None where it is not known.
    """

    files: Mapping[str, FileRecord] = field(default_factory=dict)
    delta: Delta = field(default_factory=Delta)
    standing: bool = True
    asked: tuple[Argument, ...] = ()
    due: bool = False
    boot: str | None = None

    def with_file(self, path: str, found: bytes | None, made: bytes | None) -> BootRecord:
        """Return the record with what became of a file."""
        return replace(self, files={**self.files, path: FileRecord(found, made)})


def to_go_on_from(record: BootRecord | None) -> BootRecord:
    """Return what to add to: a new record where nothing is done, or all was taken back."""
    return record if record is not None and record.standing else BootRecord()


def loaders_on_record(undo: UndoRecord) -> list[str]:
    """Return the boot loaders for which something was done that was not taken back."""
    entries = undo.modules.get(_MODULE, {})
    return sorted(name for name, entry in entries.items() if entry.made is not None)


def read_record(undo: UndoRecord, loader: str) -> BootRecord | None:
    """Return what is remembered of a boot loader."""
    loader = _KEYS.get(loader, loader)
    entry = undo.entry(_MODULE, loader)
    if entry is None:
        return None
    try:
        made = entry.made or {"files": {}, "added": [], "due": False, "boot": None}
        files = {
            path: FileRecord(_encoded(content), _encoded(made["files"].get(path)))
            for path, content in entry.found["files"].items()
        }
        told = (made["added"], entry.found["removed"], entry.found["beside"])
        delta = Delta(*(tuple(map(Argument, texts)) for texts in told))
        return BootRecord(
            files=files,
            delta=delta,
            standing=entry.made is not None,
            asked=tuple(map(Argument, entry.found["asked"])),
            due=made["due"],
            boot=made["boot"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = (
            f"{UNDO_PATH}: {_MODULE}, {loader}: not as this release writes it ({error!r}); "
            "move the file away to go on without it"
        )
        raise HostError(message) from error


def with_record(undo: UndoRecord, loader: str, record: BootRecord | None) -> UndoRecord:
    """Return the undo record with what is remembered of a boot loader, or without."""
    loader = _KEYS.get(loader, loader)
    if record is None:
        return undo.without_entry(_MODULE, loader)
    found = {
        "files": {path: _decoded(file.found) for path, file in record.files.items()},
        "removed": [argument.text for argument in record.delta.removed],
        "beside": [argument.text for argument in record.delta.beside],
        "asked": [argument.text for argument in record.asked],
    }
    made = {
        "files": {path: _decoded(file.made) for path, file in record.files.items()},
        "added": [argument.text for argument in record.delta.added],
        "due": record.due,
        "boot": record.boot,
    }
    return undo.with_entry(_MODULE, loader, UndoEntry(found, made if record.standing else None))


def _encoded(content: str | None) -> bytes | None:
    return None if content is None else content.encode("utf-8", "surrogateescape")


def _decoded(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "surrogateescape")
