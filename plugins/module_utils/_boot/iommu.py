# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments that turn the IOMMU on, at every boot entry."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._errors import RefusedError
from .._iommu.groups import read_iommu
from .._iommu.problems import firmware_setting
from .._iommu.vendors import cpu_vendor, first_cpu
from .._plan import Command, FileChange, Plan
from .._undo import UNDO_PATH, UndoRecord
from .cmdline import running
from .detect import read_loader
from .linefile import Delta
from .loader import Loader
from .outcome import arguments_of, backups, files, not_running, reboot_required, stamp
from .record import loaders_on_record, read_record, with_record
from .state import State, boot_of, due_and_done, to_take_back
from .wanted import ANY, Wanted

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .._host import Host
    from .._iommu.groups import Iommu
    from .cmdline import Argument
    from .loader import Entry, Steps


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
        wanted, undo = self._wanted(vendor), UndoRecord.read(host)
        loader = self._loader(host, wanted, undo)
        stamps = {path: stamp(host.modified(path)) for path in loader.written}
        record = read_record(undo, loader.name)
        if record is not None and record.standing:
            wanted = wanted.instead_of(record.delta.added)
        return State(
            wanted=wanted,
            iommu=iommu,
            running=running(host) if host.exists("/proc/cmdline") else None,
            boot=host.attribute("/proc/sys/kernel/random/boot_id"),
            loader=loader,
            undo=undo,
            live=host.live,
            stamps=stamps,
            warnings=warnings,
        )

    def plan(self, state: State) -> Plan:
        """Decide what the boot loader's files are to be, or refuse."""
        _check_found(state, present=self.present)
        steps = self._steps(state)
        changes = Plan((*backups(state, steps, wanted=self.options["backup"]), *steps.changes))
        name = state.loader.name
        if self.present:
            record, closing = self._record(state, steps)
            if _waits(state, steps, record):
                changes = _all_known(changes)
            # What was found is on disk before the first file changes.
            plan = Plan(record).and_then(changes)
            return replace(plan, closing=closing, warnings=state.warnings)
        undo = with_record(state.undo, name, steps.record if self._left(state) else None)
        warnings: tuple[str, ...] = ()
        if changes and state.record is None:
            what = " ".join(map(str, state.wanted.arguments))
            warnings = (f"no record of what was there before; {what} taken out wherever it stood",)
        if state.record is None:
            return replace(changes, closing=undo.change(), warnings=warnings)
        if not state.record.standing:
            return changes
        # Whoever is stopped half way has still to run the tool.
        standing, _closing = due_and_done(state, steps, state.record)
        before = UndoRecord(standing[0].after if standing else state.undo.content, undo.modules)
        plan = Plan(standing).and_then(changes)
        return replace(plan, closing=before.change(), warnings=warnings)

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
                        "something else writes it, such as a hook or a script of the boot loader. "
                        "What was written stays; state: absent takes it back"
                    )
        return None

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        steps = self._steps(before)
        copies = backups(before, steps, wanted=self.options["backup"])
        wanted = after.wanted if self.present else Wanted((), after.wanted.vendor)
        return {
            "arguments": [argument.text for argument in wanted.arguments],
            "running": [argument.text for argument in arguments_of(after.running)],
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
            "files": files(before, steps),
            "backup_files": [copy.path for copy in copies],
            "not_running": not_running(after) if self.present else [],
            "extra_not_running": not_running(after, self.options["extra"]) if self.present else [],
            "reboot_required": reboot_required(after, present=self.present),
            "rebooted_since": self.present and before.boot not in (None, boot_of(before)),
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
        if iommu.active or not self.present:
            return cpu_vendor(cpu), ()
        if not cpu:
            warning = (
                "neither ACPI tables nor /proc/cpuinfo are there to tell whose IOMMU it is; what "
                "Intel needs is set, which others take no notice of. Give the option vendor"
            )
            return ANY, (warning,)
        vendor = cpu_vendor(cpu)
        warning = (
            "the firmware announces no IOMMU (no ACPI table DMAR, IVRS or IORT), so that no "
            f"argument can turn one on: turn on {firmware_setting(vendor)} in the firmware setup"
        )
        return vendor, (warning,)

    def _loader(self, host: Host, wanted: Wanted, undo: UndoRecord) -> Loader:
        """Observe the boot loader; on the way back, the one for which something was done."""
        bootloader, done = self.options["bootloader"], loaders_on_record(undo)
        if self.present or bootloader != "auto":
            return read_loader(host, bootloader, wanted)
        if done:
            reason = f"{UNDO_PATH} says so"
            return replace(read_loader(host, done[0], wanted), reason=reason)
        try:
            return read_loader(host, bootloader, wanted)
        except RefusedError as error:
            # Nothing of ours can be there: a way back for a whole fleet goes on.
            return Loader("unknown", str(error), ())

    def _steps(self, state: State) -> Steps:
        if self.present:
            return state.loader.present(state.wanted, state.record)
        return state.loader.absent(to_take_back(state))

    def _entries_after(self, state: State) -> tuple[Entry, ...]:
        if self.present:
            return state.loader.entries_with(state.wanted)
        return state.loader.entries_without(to_take_back(state))

    def _left(self, state: State) -> bool:
        """Tell whether an operator's own arguments stay, which a later run must not take."""
        if state.record is None:
            return False
        entries = self._entries_after(state)
        names = {each.name for each in (*state.wanted.arguments, *state.record.asked)}
        return any(argument.name in names for entry in entries for argument in entry.line.arguments)

    @staticmethod
    def _kept(before: State, expected: Entry | None, found: Entry) -> tuple[Argument, ...]:
        """Return the arguments that should have gone.

        What is made anew of files that anybody may have changed meanwhile tells nothing.
        """
        if expected is None or before.loader.output is not None:
            return ()
        more = Delta.between(expected.line, found.line).added
        return tuple(each for each in more if each in to_take_back(before).delta.added)

    def _record(self, state: State, steps: Steps) -> tuple[tuple[FileChange, ...], ...]:
        """Return the changes of the record before and after the tool is run."""
        asked = dict.fromkeys([*steps.record.asked, *state.wanted.arguments])
        new = replace(steps.record, asked=tuple(asked), boot=boot_of(state))
        return due_and_done(state, steps, new)


def _check_found(state: State, *, present: bool) -> None:
    """Refuse where nothing is there that could get the arguments."""
    loader = state.loader
    if present and state.wanted.arguments and not loader.entries and not loader.written:
        message = (
            f"{loader.name} ({loader.reason}): no boot entry is there, nor a file that entries are "
            "made from; nothing was changed. Name the boot loader in the option bootloader, or "
            f"put {' '.join(map(str, state.wanted.arguments))} on its command line by hand"
        )
        raise RefusedError(message)


def _waits(state: State, steps: Steps, record: Sequence[FileChange]) -> bool:
    """Tell whether an earlier run on a tree that does not run has done all but the commands."""
    written = any(isinstance(change, FileChange) for change in steps.changes)
    return not state.live and not record and not written


def _all_known(plan: Plan) -> Plan:
    """Return a plan that an earlier run has made for the same tree: its commands still wait."""
    commands = (change for change in plan.changes if isinstance(change, Command))
    return replace(plan, changes=tuple(replace(command, known=True) for command in commands))
