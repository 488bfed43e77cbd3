# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments that turn the IOMMU on, at every boot entry."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, replace

from .._errors import InputError
from .._iommu.groups import read_iommu
from .._iommu.problems import firmware_setting
from .._iommu.vendors import cpu_vendor, first_cpu
from .._plan import Command, FileChange, Foretold, Plan
from .._undo import UndoRecord
from .cmdline import Argument, CommandLine, running
from .detect import read_loader
from .linefile import Delta
from .record import BootRecord, read_record, with_record
from .wanted import Wanted

if t.TYPE_CHECKING:
    from .._host import Host
    from .._iommu.groups import Iommu
    from .loader import Entry, Loader, Steps

_SWITCHES = ("intel_iommu", "amd_iommu", "iommu")


@dataclass(frozen=True)
class State:
    """Everything that the decision needs.

    Args:
        running: what the running kernel was started with, None for a tree that does not run.
        boot: the kernel's id of this boot.
        live: whether it is the running machine.
        stamps: when the files of the boot loader were last changed, by path.
    """

    wanted: Wanted
    iommu: Iommu
    running: CommandLine | None
    boot: str | None
    loader: Loader
    undo: UndoRecord
    live: bool
    stamps: dict[str, str]
    warnings: tuple[str, ...]

    @property
    def record(self) -> BootRecord | None:
        """What is remembered of the boot loader."""
        return read_record(self.undo, self.loader.name)


class IommuKernelArg:
    """The work of the module iommu_kernel_arg."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.options = options
        self.present = options["state"] == "present"
        # Bad arguments are refused before anything is read.
        self._wanted(None)

    def observe(self, host: Host) -> State:
        """Read the IOMMU, the boot loader and what the running kernel was started with."""
        iommu = read_iommu(host)
        vendor, warnings = self._vendor(host, iommu)
        wanted = self._wanted(vendor)
        loader = read_loader(host, self.options["bootloader"], wanted)
        files = [file.path for file in (*loader.files, *loader.tool_files)]
        stamps = {path: _stamp(host.modified(path)) for path in files}
        return State(
            wanted=wanted,
            iommu=iommu,
            running=running(host) if host.exists("/proc/cmdline") else None,
            boot=host.attribute("/proc/sys/kernel/random/boot_id"),
            loader=loader,
            undo=UndoRecord.read(host),
            live=host.live,
            stamps=stamps,
            warnings=warnings,
        )

    def plan(self, state: State) -> Plan:
        """Decide what the boot loader's files are to be, or refuse."""
        steps = self._steps(state)
        changes = Plan((*_backups(state, steps, wanted=self.options["backup"]), *steps.changes))
        name = state.loader.name
        if self.present:
            boot = state.boot if steps.changes else _boot_of(state)
            record = with_record(state.undo, name, replace(steps.record, boot=boot)).change()
            if not state.live and not record and not _file_changes(steps):
                changes = _all_known(changes)
            # What was found is on disk before the first file changes.
            return replace(Plan(record).and_then(changes), warnings=state.warnings)
        left = self._left(state)
        undo = with_record(state.undo, name, steps.record if left else None)
        warnings: tuple[str, ...] = ()
        if changes and state.record is None:
            what = " ".join(map(str, state.wanted.arguments))
            warnings = (f"no record of what was there before; {what} taken out wherever it stood",)
        return replace(changes, closing=undo.change(), warnings=warnings)

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to."""
        return replace(state, loader=replace(state.loader, entries=self._entries_after(state)))

    def unmet(self, before: State, after: State) -> str | None:
        """Look whether every boot entry has what it is to have."""
        expected = {entry.id: entry for entry in self._entries_after(before)}
        for entry in after.loader.entries:
            lacking = after.wanted.missing(entry.line) if self.present else ()
            off = after.wanted.off(entry.line) if self.present else ()
            kept = () if self.present else self._kept(before, expected.get(entry.id), entry)
            for what, arguments in (("lacks", lacking), ("still has", off), ("still has", kept)):
                if arguments:
                    return (
                        f"{entry.path or after.loader.name}: boot entry {entry.id} {what} "
                        f"{' '.join(map(str, arguments))} though {after.loader.name} was set: "
                        "something else writes it, such as a script in /etc/grub.d or a hook"
                    )
        return None

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        steps = self._steps(before)
        backups = _backups(before, steps, wanted=self.options["backup"])
        wanted = after.wanted if self.present else Wanted((), after.wanted.vendor)
        return {
            "arguments": [argument.text for argument in wanted.arguments],
            "running": [argument.text for argument in _arguments(after.running)],
            "iommu_active": after.iommu.active,
            "announced": after.iommu.announced,
            "entries": [
                {
                    "id": entry.id,
                    "path": entry.path,
                    "missing": [argument.text for argument in wanted.missing(entry.line)],
                }
                for entry in after.loader.entries
            ],
            "overridden_by": [
                {"file": place.file, "line": place.line, "action": place.action}
                for place in steps.overridden_by
            ],
            "bootloader": after.loader.name,
            "bootloader_reason": after.loader.reason,
            "files": _files(steps),
            "backup_files": [backup.path for backup in backups],
            "not_running": self._not_running(after),
            "reboot_required": self._reboot_required(after),
            "rebooted_since": not steps.changes and before.boot not in (None, _boot_of(before)),
        }

    def _wanted(self, vendor: str | None) -> Wanted:
        options = self.options
        return Wanted.of(vendor, passthrough=options["passthrough"], extra=options["extra"])

    def _vendor(self, host: Host, iommu: Iommu) -> tuple[str | None, tuple[str, ...]]:
        """Return whose IOMMU it is, with a warning where only the processor tells."""
        asked = self.options["vendor"]
        if asked != "auto":
            return asked, ()
        if iommu.vendor is not None:
            return iommu.vendor, ()
        cpu = first_cpu(host)
        if not cpu and self.present:
            accepted = "intel, amd or arm here: neither ACPI tables nor /proc/cpuinfo are there"
            raise InputError("vendor", asked, accepted)
        vendor = cpu_vendor(cpu)
        warning = (
            "the firmware announces no IOMMU (no ACPI table DMAR, IVRS or IORT), so that no "
            f"argument can turn one on: turn on {firmware_setting(vendor)} in the firmware setup"
        )
        return vendor, (warning,) if self.present else ()

    def _steps(self, state: State) -> Steps:
        if self.present:
            return state.loader.present(state.wanted, state.record)
        return state.loader.absent(_to_take_back(state))

    def _entries_after(self, state: State) -> tuple[Entry, ...]:
        if self.present:
            return state.loader.entries_with(state.wanted)
        return state.loader.entries_without(_to_take_back(state))

    def _left(self, state: State) -> bool:
        """Tell whether an operator's own arguments stay, which a later run must not take."""
        if state.record is None:
            return False
        done = state.record.delta.added
        entries = self._entries_after(state)
        names = {argument.name for argument in (*state.wanted.arguments, *done)}
        return any(argument.name in names for entry in entries for argument in entry.line.arguments)

    @staticmethod
    def _kept(before: State, expected: Entry | None, found: Entry) -> tuple[Argument, ...]:
        """Return the arguments that should have gone.

        What is made anew of files that anybody may have changed meanwhile tells nothing.
        """
        if expected is None or before.loader.output is not None:
            return ()
        more = Delta.between(expected.line, found.line).added
        return tuple(each for each in more if each in _to_take_back(before).delta.added)

    def _not_running(self, state: State) -> list[str]:
        """Return what is wanted and not in effect in the running kernel."""
        if state.running is None or not self.present:
            return []
        return [argument.text for argument in state.wanted.missing(state.running)]

    def _reboot_required(self, state: State) -> bool:
        """Tell whether what is configured differs from what the running kernel was given."""
        if state.running is None:
            return False
        if self.present:
            return not state.wanted.met(state.running)
        record = state.record or BootRecord()
        names = {argument.name for argument in (*state.wanted.arguments, *record.delta.added)}
        names |= {*_SWITCHES, *(argument.name for argument in record.delta.removed)}
        now = _of_names(state.running, names)
        entries = [_of_names(entry.line, names) for entry in state.loader.entries]
        return bool(entries) and now not in entries


def _to_take_back(state: State) -> BootRecord:
    """Return what to take back; without a record, what the module would have set."""
    record = state.record
    if record is None:
        return state.loader.assumed(state.wanted)
    return record if record.standing else BootRecord(standing=False)


def _boot_of(state: State) -> str | None:
    """Return the boot during which the arguments were configured; this one if that is unknown."""
    record = state.record
    return record.boot or state.boot if record is not None and record.standing else state.boot


def _arguments(line: CommandLine | None) -> tuple[Argument, ...]:
    return () if line is None else line.arguments


def _of_names(line: CommandLine, names: set[str]) -> list[tuple[str, str | None]]:
    return [(each.name, each.value) for each in line.arguments if each.name in names]


def _file_changes(steps: Steps) -> list[FileChange]:
    return [change for change in steps.changes if isinstance(change, FileChange)]


def _all_known(plan: Plan) -> Plan:
    """Return a plan that an earlier run has made for the same tree: its commands still wait."""
    changes = (
        replace(change, known=True) if isinstance(change, Command) else change
        for change in plan.changes
    )
    return replace(plan, changes=tuple(changes))


def _changed(steps: Steps) -> list[FileChange | Foretold]:
    """Return what becomes of files; one that is put right behind a tool may stay as it is."""
    return [
        change
        for change in steps.changes
        if isinstance(change, (FileChange, Foretold)) and change.before != change.after
    ]


def _files(steps: Steps) -> list[str]:
    return sorted({*(change.path for change in _changed(steps)), *steps.rewritten})


def _backups(state: State, steps: Steps, *, wanted: bool) -> tuple[FileChange, ...]:
    """Return copies of the files that change, named by the time when each was last changed."""
    found = {change.path: change.before for change in _changed(steps)} if wanted else {}
    return tuple(
        FileChange(f"{path}.{state.stamps[path]}~", None, before, mode=0o600, shown=False)
        for path, before in found.items()
        if before is not None and path in state.stamps
    )


def _stamp(seconds: float | None) -> str:
    return time.strftime("%Y-%m-%d@%H:%M:%S", time.gmtime(seconds or 0))
