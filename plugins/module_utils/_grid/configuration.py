# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is there of licensing: the daemon's file, tokens, and when the daemon was started."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._host import Permissions
from .._systemd import ServiceStart, read_start
from .._undo import UndoRecord
from .document import GriddDocument
from .keys import DEFAULT_TOKEN_FOLDER, TOKEN_PATH

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._host import Host
    from .wanted import Wanted

SERVICE = "nvidia-gridd.service"
TOKEN_SUFFIX = ".tok"  # noqa: S105 (the end of a name, no secret)
_MODE = 0o644


@dataclass(frozen=True)
class Token:
    """A token file.

    Args:
        content: None where it is not to be removed, and so was not read.
        modified: when it was last changed, in seconds since 1970.
    """

    path: str
    content: bytes | None = field(default=None, repr=False)
    mode: int = 0o600
    modified: float | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class ConfigFile:
    """The daemon's configuration file.

    Args:
        text: None for no file.
        template: what a new file starts from.
        modified: when it was last changed, in seconds since 1970.
        permissions: None for no file.
        new: what a file has that is made.
        asked: what it is to have.
    """

    path: str
    text: str | None
    template: str
    modified: float | None
    permissions: Permissions | None
    new: Permissions
    asked: Permissions

    @property
    def document(self) -> GriddDocument:
        """Its content; nothing for no file."""
        return GriddDocument.parse(self.text or "")

    @property
    def token_folder(self) -> str:
        """The folder in which the daemon looks for tokens."""
        return folder_of(self.document)


@dataclass(frozen=True)
class State:
    """Everything that the decision needs.

    Args:
        tokens: the tokens in every folder that the daemon may look into, before or after.
    """

    file: ConfigFile
    tokens: Mapping[str, tuple[Token, ...]]
    undo: UndoRecord
    service: ServiceStart

    @property
    def found_tokens(self) -> tuple[Token, ...]:
        """The tokens in the folder in which the daemon looks for them."""
        return self.tokens.get(self.file.token_folder, ())


def folder_of(document: GriddDocument) -> str:
    """Return the folder in which the daemon looks for tokens, without a slash at its end."""
    return document.effective().get(TOKEN_PATH, "").rstrip("/") or DEFAULT_TOKEN_FOLDER


def observe(host: Host, wanted: Wanted) -> State:
    """Read the file, its template, tokens, the record, and the start of the service.

    Raises:
        InputError: for an owner or a group that the host does not know.
    """
    permissions = host.permissions(wanted.path)
    text = host.read_text(wanted.path)
    new = host.new_permissions(_MODE)
    asked = wanted.permissions.of(host, new if permissions is None else permissions)
    file = ConfigFile(
        path=wanted.path,
        text=text,
        template=host.read_text(wanted.template) or "",
        modified=host.modified(wanted.path),
        permissions=permissions,
        new=Permissions(new.uid, new.gid, asked.mode),
        asked=asked,
    )
    given = wanted.values.get(TOKEN_PATH) or DEFAULT_TOKEN_FOLDER
    started = GriddDocument.parse(file.template if text is None else text)
    folders = {DEFAULT_TOKEN_FOLDER, given.rstrip("/") or "/", folder_of(started)}
    return State(
        file=file,
        tokens={folder: _tokens(host, folder, wanted) for folder in sorted(folders)},
        undo=UndoRecord.read(host),
        service=read_start(host, SERVICE),
    )


def _tokens(host: Host, folder: str, wanted: Wanted) -> tuple[Token, ...]:
    """Return the tokens in a folder; a path that is not absolute leads to none."""
    names = host.names(folder) if folder.startswith("/") else []
    tokens = []
    for name in names:
        if name.endswith(TOKEN_SUFFIX):
            path = f"{folder}/{name}"
            content = host.read_bytes(path) if wanted.remove_tokens else None
            found = host.permissions(path)
            mode = found.mode if found is not None else 0
            tokens.append(Token(path, content, mode, host.modified(path)))
    return tuple(tokens)
