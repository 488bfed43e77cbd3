# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd-boot, whose entries kernel-install(8) makes from C(/etc/kernel/cmdline).

Entries are files on the EFI system partition or beside it, edited in place. Unified kernel images
have their command line inside, and are made anew. What makes them other than kernel-install, such
as a hook of mkinitcpio or dracut, is not known here: then the images are seen to stay as they were.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._errors import RefusedError
from .._plan import Command
from .entries import ESPS, newest, read_entries
from .kernel_cmdline import read_kernel_cmdline
from .loader import Entry, Loader
from .release import read_release
from .uki import read_uki

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._host import Host
    from .entries import BlsEntry
    from .linefile import Delta

_UKIS = "EFI/Linux"
_SUFFIX = ".efi"
_SECONDS = 1800.0
_HINT = (
    "add-all needs systemd 256; before it, run kernel-install add KERNEL-VERSION "
    "/usr/lib/modules/KERNEL-VERSION/vmlinuz for each kernel"
)


def observe(host: Host, *, reason: str) -> Loader:
    """Read the entries of this system and what new kernels inherit.

    Raises:
        RefusedError: when unified kernel images are there, none of which is known to be its own.
    """
    entries = read_esp_entries(host)
    images = tuple(_images(host))
    others = [f"{folder}/{name}" for folder in _folders(host, _UKIS) for name in host.names(folder)]
    if others and not entries and not images:
        message = (
            f"{', '.join(others)}: by their names these are not unified kernel images of this "
            "system that kernel-install made, and no entry is there; nothing was changed. By hand: "
            "make them anew with the arguments, by what made them"
        )
        raise RefusedError(message)
    latest = newest(entries)
    start = latest.line if latest is not None else images[-1].line if images else None
    loader = Loader(
        "kernel-install",
        reason,
        (*(entry.entry for entry in entries), *images),
        # What new kernels inherit comes first: it is made from an entry that is as it was.
        files=(*read_kernel_cmdline(host, start), *entries),
    )
    return replace(loader, tool=_add_all) if images else loader


def read_esp_entries(host: Host) -> tuple[BlsEntry, ...]:
    """Return the entries of this system, wherever systemd-boot looks for them.

    Another system on the same partition has another machine-id in its entries.
    """
    machine_id = host.attribute("/etc/machine-id")
    return tuple(
        entry
        for folder in _folders(host, "loader/entries")
        for entry in read_entries(host, folder, None)
        # An image that has not been started yet has no id of its own.
        if entry.value("machine-id") in (None, machine_id) or not machine_id
    )


def _folders(host: Host, name: str) -> Iterator[str]:
    """Yield the folders of a name on the boot partitions, each once."""
    seen = set()
    for esp in ESPS:
        folder = f"{esp}/{name}"
        place = host.canonical(folder)
        if place not in seen and host.exists(folder):
            seen.add(place)
            yield folder


def _images(host: Host) -> Iterator[Entry]:
    """Yield the unified kernel images of this system, by the token that their names start with."""
    tokens = tuple(_tokens(host))
    for folder in _folders(host, _UKIS):
        for name in host.names(folder):
            if name.lower().endswith(_SUFFIX) and name.startswith(tokens):
                path = f"{folder}/{name}"
                line = read_uki(host, path)
                if line is not None:
                    yield Entry(name[: -len(_SUFFIX)], path, line)


def _tokens(host: Host) -> Iterator[str]:
    """Yield what kernel-install(8) may start the names of this system's kernels with."""
    for path in ("/etc/kernel/entry-token", "/etc/machine-id"):
        token = host.attribute(path)
        if token:
            yield f"{token}-"
    release = read_release(host)
    for name in ("ID", "IMAGE_ID"):
        if release.get(name):
            yield f"{release[name]}-"


def _add_all(delta: Delta) -> tuple[Command, ...]:
    del delta
    return (Command(("kernel-install", "add-all"), seconds=_SECONDS, hint=_HINT),)
