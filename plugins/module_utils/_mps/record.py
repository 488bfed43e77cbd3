# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The saved payload sizes: what devices had before guests, kept over reboots."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, replace

from .._errors import HostError, InputError
from .._pci.address import PciAddress, PciId
from .._plan import FileChange
from .payload import SIZES

if t.TYPE_CHECKING:
    from .._host import Host
    from .._pci.function import PciFunction

RECORD_PATH: t.Final = "/var/lib/hwaccel/mps.json"
_VERSION = 1


@dataclass(frozen=True)
class SavedSize:
    """What one function had: its id, since cards move, and its payload size in bytes."""

    id: PciId
    mps: int

    @classmethod
    def parse(cls, document: dict[str, t.Any]) -> SavedSize:
        """Parse an entry of the file."""
        mps = document["mps"]
        if set(document) != {"id", "mps"} or not isinstance(mps, int) or mps not in SIZES:
            message = "an entry is not as this collection writes it"
            raise TypeError(message)
        return cls(PciId.parse(document["id"]), mps)

    def as_document(self) -> dict[str, t.Any]:
        """Return the entry as the file has it."""
        return {"id": str(self.id), "mps": self.mps}


@dataclass(frozen=True)
class SizeRecord:
    """The file C(/var/lib/hwaccel/mps.json): address, then C(id) and C(mps)."""

    content: bytes | None
    sizes: dict[PciAddress, SavedSize]

    @classmethod
    def read(cls, host: Host) -> SizeRecord:
        """Read the record; a file that is not ours is an error, never overwritten."""
        content = host.read_bytes(RECORD_PATH)
        if content is None:
            return cls(None, {})
        try:
            document = json.loads(content)
            version = document["version"]
            if version == _VERSION:
                sizes = {
                    PciAddress.parse(address): SavedSize.parse(entry)
                    for address, entry in document["devices"].items()
                }
                return cls(content, sizes)
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
            InputError,
        ) as error:
            message = (
                f"{RECORD_PATH}: no record of payload sizes ({error}); move it away to go on "
                "without it"
            )
            raise HostError(message) from error
        message = f"{RECORD_PATH}: version {version!r}, this release reads version {_VERSION}"
        raise HostError(message)

    def size_of(self, function: PciFunction) -> int | None:
        """Return what was saved of a function, None for another one at its address."""
        found = self.sizes.get(function.address)
        return found.mps if found and found.id == function.id else None

    def with_entry(self, function: PciFunction, mps: int) -> SizeRecord:
        """Return the record with an entry in place of an older one."""
        saved = SavedSize(function.id, mps)
        return replace(self, sizes={**self.sizes, function.address: saved})

    def change(self) -> tuple[FileChange, ...]:
        """Return the file change that makes the record durable; nothing when it is as it was."""
        document = {
            "version": _VERSION,
            "devices": {str(at): saved.as_document() for at, saved in self.sizes.items()},
        }
        after = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
        if after == self.content or (self.content is None and not self.sizes):
            return ()
        return (FileChange(RECORD_PATH, self.content, after, mode=0o600),)
