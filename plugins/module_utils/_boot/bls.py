# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Red Hat's boot entries in C(/boot/loader/entries), read by GRUB or, on s390x, by zipl."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._plan import Command
from .._shell.evaluate import Dialect
from .entries import ENTRIES, BlsEntry, newest, read_entries
from .grub_default import GRUB_DEFAULT, GrubDefault
from .grubenv import KERNELOPTS, Grubenv, read_grub, used_grubenv
from .kernel_cmdline import read_kernel_cmdline
from .linefile import done_to
from .loader import Loader

if t.TYPE_CHECKING:
    from .._host import Host
    from .linefile import Delta, LineFile
    from .loader import Entry
    from .record import BootRecord

_ZIPL = ("/etc/zipl.conf", "/usr/sbin/zipl", "/sbin/zipl")
_ZIPL_SECONDS = 300.0


@dataclass(frozen=True)
class Bls:
    """The files of Red Hat's boot entries.

    Args:
        inherited: what the entries of new kernels are made from.
        block: GRUB's environment block.
        zipl: whether the machine boots from what zipl writes down, rather than by GRUB.
    """

    entries: tuple[BlsEntry, ...]
    inherited: tuple[LineFile, ...]
    block: Grubenv
    zipl: bool

    @property
    def grubenv(self) -> tuple[Grubenv, ...]:
        """The environment block, where entries take their arguments from it."""
        return used_grubenv(self.block, self.entries)


def read_bls(host: Host) -> Bls:
    """Read the entries and what belongs to them."""
    zipl = any(map(host.exists, _ZIPL))
    grub, block = read_grub(host)
    entries = read_entries(host, ENTRIES, None if zipl else grub)
    latest = newest(entries)
    # New kernels of RHEL 8 get $kernelopts again, and no file to start from.
    start = None
    if latest is not None and KERNELOPTS not in latest.variables:
        start = latest.lines()[0]
    inherited: list[LineFile] = [*read_kernel_cmdline(host, start)]
    default = host.read_bytes(GRUB_DEFAULT)
    if default is not None:
        inherited.append(GrubDefault(GRUB_DEFAULT, default, Dialect.BASH))
    return Bls(entries, tuple(inherited), block, zipl)


@dataclass(frozen=True)
class BlsLoader(Loader):
    """Red Hat's boot entries, some of which may take their arguments from grubenv."""

    def _done_to(self, entry: Entry, record: BootRecord) -> Delta:
        """Return what was done to an entry, by its own file and by grubenv."""
        delta = super()._done_to(entry, record)
        files = (*self.files, *self.tool_files)
        own = next((file for file in files if file.path == entry.path), None)
        if not isinstance(own, BlsEntry) or KERNELOPTS not in own.variables:
            return delta
        for file in files:
            known = record.files.get(file.path)
            if isinstance(file, Grubenv) and known is not None:
                delta = delta.and_also(done_to(file, known))
        return delta


def run_zipl(delta: Delta) -> tuple[Command, ...]:
    """Return the command that writes down where the kernels and their arguments are."""
    del delta
    hint = "what was written for it is taken back; run zipl by hand to see more"
    return (Command(("zipl",), seconds=_ZIPL_SECONDS, hint=hint),)


def observe(host: Host, *, reason: str) -> Loader:
    """Read the entries, each of which is edited in place."""
    found = read_bls(host)
    loader = BlsLoader(
        "bls",
        reason,
        tuple(entry.entry for entry in found.entries),
        # What new kernels inherit comes first: it is made from an entry that is as it was.
        files=(*found.inherited, *found.grubenv, *found.entries),
    )
    return replace(loader, tool=run_zipl) if found.zipl else loader
