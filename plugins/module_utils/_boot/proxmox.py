# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proxmox VE: GRUB as on Debian, or boot partitions that proxmox-boot-tool keeps.

Those are not mounted, and have systemd-boot, which is given the first line of
C(/etc/kernel/cmdline), or GRUB, which reads C(/etc/default/grub): with legacy BIOS, and with
Secure Boot. To set the wrong one has no effect and no error (pve-docs, C(system-booting.adoc)),
so that what is there of both is set.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass, replace

from .._errors import RefusedError
from .._plan import Change, Command
from .._shell.evaluate import evaluate
from . import grub
from .cmdline import CommandLine, running
from .drop_in import DropInLoader
from .grub_default import GRUB_DEFAULT, LINUX, LINUX_DEFAULT, effective
from .kernel_cmdline import KERNEL_CMDLINE, KernelCmdline, start_of
from .linefile import Delta
from .loader import TAKEN_BACK, Entry, Loader, Overriding, Steps, no_tool
from .record import BootRecord
from .release import loader_info
from .wanted import Wanted

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._host import Host

_UUIDS = "/etc/kernel/proxmox-boot-uuids"
_EFI = "/sys/firmware/efi"
_SECONDS = 900.0


def observe(host: Host, *, reason: str) -> Loader:
    """Read what the boot partitions are made from, or GRUB where there are none of them.

    Raises:
        RefusedError: when proxmox-boot-tool would not take C(/etc/kernel/cmdline).
    """
    plain = grub.observe(host, reason=reason)
    if not uses_boot_tool(host):
        return replace(plain, name="proxmox", reason=f"{reason}; no {_UUIDS}: GRUB alone")
    systemd_boot, evidence = boots_with_systemd_boot(host)
    lines = _kernel_cmdline(host, made=systemd_boot is True)
    parts: list[Loader] = []
    entries: list[Entry] = []
    if lines:
        parts.append(Loader("proxmox", reason, (), files=lines))
        if systemd_boot is not False:
            entries += [Entry("systemd-boot", KERNEL_CMDLINE, file.line) for file in lines]
    if host.exists(GRUB_DEFAULT):
        parts.append(replace(plain, entries=(), tool=no_tool, output=None))
        if systemd_boot is not True:
            entries += _grub_entries(plain)
    if not parts:
        message = (
            f"{_UUIDS} is there, and neither {KERNEL_CMDLINE} nor {GRUB_DEFAULT}: make the one "
            "that the boot loader of this machine reads"
        )
        raise RefusedError(message)
    return ProxmoxLoader(
        "proxmox",
        f"{reason}; {evidence}",
        tuple(entries),
        files=tuple(file for part in parts for file in part.files),
        tool=refresh,
        parts=tuple(parts),
    )


def uses_boot_tool(host: Host) -> bool:
    """Tell whether proxmox-boot-tool keeps boot partitions."""
    return host.exists(_UUIDS)


def boots_with_systemd_boot(host: Host) -> tuple[bool | None, str]:
    """Tell whether systemd-boot starts this machine, None where nothing tells, and by what."""
    name = loader_info(host)
    if name is not None:
        return name.startswith("systemd-boot"), f"{name} started it (EFI variable LoaderInfo)"
    if host.exists(_EFI):
        return None, "UEFI, and no EFI variable LoaderInfo: systemd-boot or GRUB"
    if host.exists("/sys/firmware"):
        return False, f"no {_EFI}: legacy BIOS, which GRUB starts"
    return None, "not running: systemd-boot or GRUB"


def refresh(delta: Delta) -> tuple[Command, ...]:
    """Return the command that writes kernels and their arguments to all boot partitions."""
    del delta
    return (Command(("proxmox-boot-tool", "refresh"), seconds=_SECONDS, hint=TAKEN_BACK),)


@dataclass(frozen=True)
class ProxmoxLoader(Loader):
    """The boot partitions.

    Args:
        parts: what has a source of its own.
    """

    parts: tuple[Loader, ...] = ()

    @property
    def written(self) -> tuple[str, ...]:
        """The paths of the files of all sources."""
        return tuple(path for part in self.parts for path in part.written)

    def present(self, wanted: Wanted, record: BootRecord | None) -> Steps:
        """Decide what each source is to get."""
        changes: list[Change] = []
        overridden_by: list[Overriding] = []
        for part in self.parts:
            steps = part.present(wanted, record)
            changes += steps.changes
            overridden_by += steps.overridden_by
            record = steps.record
        lacking = self._delta(wanted)
        commands = self.run(lacking, record or BootRecord(), changed=bool(changes))
        return Steps(
            changes=(*changes, *commands),
            rewritten=(),
            overridden_by=tuple(overridden_by),
            record=record or BootRecord(),
        )

    def absent(self, record: BootRecord) -> Steps:
        """Decide how to take back what was done to each source."""
        changes = [change for part in self.parts for change in part.absent(record).changes]
        commands = self.run(Delta(), record, changed=bool(changes))
        return Steps(
            changes=(*changes, *commands),
            rewritten=(),
            overridden_by=(),
            record=replace(record, standing=False),
        )

    def assumed(self, wanted: Wanted) -> BootRecord:
        """Return what to take back where nothing is remembered."""
        records = [part.assumed(wanted) for part in self.parts]
        delta = BootRecord().delta
        for each in records:
            delta = delta.and_also(each.delta)
        return BootRecord(delta=delta)

    def _done_to(self, entry: Entry, record: BootRecord) -> Delta:
        """Return what was done to an entry, by the source that it is made from."""
        for part in self.parts:
            if isinstance(part, DropInLoader) and entry.path == GRUB_DEFAULT:
                return part.assumed(Wanted((), None)).delta
        return super()._done_to(entry, record)


def _kernel_cmdline(host: Host, *, made: bool) -> tuple[KernelCmdline, ...]:
    """Return C(/etc/kernel/cmdline); without it, every kernel gets what is running."""
    content = host.read_bytes(KERNEL_CMDLINE)
    if content is not None:
        file = KernelCmdline(KERNEL_CMDLINE, content, first_only=True)
    elif made:
        file = KernelCmdline(KERNEL_CMDLINE, None, start=start_of(running(host)), first_only=True)
    else:
        return ()
    if not any(argument.name == "root" for argument in file.line.arguments):
        message = (
            f"{KERNEL_CMDLINE}: proxmox-boot-tool takes its first line and nothing else, and "
            "stops where that has no root=; nothing was changed. Put all arguments into the "
            "first line"
        )
        raise RefusedError(message)
    return (file,)


def _grub_entries(loader: Loader) -> Iterator[Entry]:
    """Yield what GRUB's files say: the grub.cfg that counts is on the boot partitions."""
    if isinstance(loader, DropInLoader):
        found = loader.drop_in
        ours = ((path, content.decode("utf-8", "surrogateescape")) for path, content in found.ours)
        variables = evaluate(found.files(*ours), found.dialect).variables
        values = [variables.get(name) for name in (LINUX, LINUX_DEFAULT)]
        possible = [("",) if value is None else value.possible or () for value in values]
        for number, pair in enumerate(itertools.product(*possible)):
            line = effective(*map(CommandLine.parse, pair))
            yield Entry(f"GRUB {number + 1}" if number else "GRUB", GRUB_DEFAULT, line)
    for file in loader.files:
        yield Entry("GRUB", file.path, effective(*file.lines()))
