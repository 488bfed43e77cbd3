# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of the package: what was installed, from where and for which kernel."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass

from .._errors import HostError
from .._plan import FileChange

if t.TYPE_CHECKING:
    from .._host import Host

RECORD_PATH: t.Final = "/var/lib/hwaccel/qat_package.json"
_VERSION = 1

INSTALLED: t.Final = "installed"
# An installation has begun, and was not seen to end well.
UNFINISHED: t.Final = "unfinished"
# In a tree that is not the running machine its commands are left to somebody.
PENDING: t.Final = "pending"
REMOVAL_PENDING: t.Final = "removal pending"
_STATES = (INSTALLED, UNFINISHED, PENDING, REMOVAL_PENDING)


@dataclass(frozen=True)
class Entry:
    """What is recorded of the package.

    Args:
        state: one of those above.
        kernel: the release that it was built for.
        modules: the files of its kernel modules.
    """

    state: str
    version: str
    checksum: str | None
    sriov: str
    configure_options: tuple[str, ...]
    kernel: str
    source: str
    modules: tuple[str, ...] = ()

    @classmethod
    def parse(cls, document: dict[str, t.Any]) -> Entry:
        """Parse the entry of the file."""
        texts = ("state", "version", "sriov", "kernel", "source")
        lists = ("configure_options", "modules")
        fits = (
            set(document) == {*texts, *lists, "checksum"}
            and all(isinstance(document[key], str) for key in texts)
            and all(_is_list(document[key]) for key in lists)
            and isinstance(document["checksum"], (str, type(None)))
            and document["state"] in _STATES
            and document["source"].startswith("/")
        )
        if not fits:
            message = "the entry is not as this collection writes it"
            raise TypeError(message)
        return cls(**{**document, **{key: tuple(document[key]) for key in lists}})


@dataclass(frozen=True)
class PackageRecord:
    """The file C(/var/lib/hwaccel/qat_package.json), without an entry where there is none."""

    content: bytes | None = None
    entry: Entry | None = None

    @classmethod
    def read(cls, host: Host) -> PackageRecord:
        """Read the record; a file that is not ours is an error, never overwritten."""
        content = host.read_bytes(RECORD_PATH)
        if content is None:
            return cls()
        try:
            document = json.loads(content)
            version = document["version"]
            if version == _VERSION:
                return cls(content, Entry.parse(document["package"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            message = (
                f"{RECORD_PATH}: no record of the package ({error}); move it away to go on "
                "without it"
            )
            raise HostError(message) from error
        message = f"{RECORD_PATH}: version {version!r}, this release reads version {_VERSION}"
        raise HostError(message)

    def change(self, entry: Entry | None) -> tuple[FileChange, ...]:
        """Return the file change that records something else, nothing where it is so already."""
        after = None if entry is None else render_entry(entry)
        if after == self.content:
            return ()
        return (FileChange(RECORD_PATH, self.content, after, mode=0o600, shown=False),)


def render_entry(entry: Entry) -> bytes:
    """Return the file with an entry."""
    document = {"version": _VERSION, "package": asdict(entry)}
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
