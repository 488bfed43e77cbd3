# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The watcher as a service of a host: program, unit, and the link that starts it at boot."""

from __future__ import annotations

import sys
import typing as t
from dataclasses import dataclass, replace

from .._errors import HostError, RefusedError
from .._plan import Command, FileChange, LinkChange, Plan
from .._systemd import ServiceStart, read_start
from .._undo import UNDO_PATH, UndoEntry, UndoRecord
from .archive import build_archive, describe_archive
from .events import PACKAGE
from .unit import PROGRAM, UNIT, UNIT_PATH, WANTS, is_ours, render_unit

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._host import Host
    from .._plan import Change

_MODULE = "qat_mps_watcher"
_SECONDS = 30.0
_NEVER = ServiceStart()
_MANAGER_HINT = "see journalctl -b and systemctl status"


@dataclass(frozen=True)
class Files:
    """What the service is made of; None for what is not there."""

    program: bytes | None = None
    unit: bytes | None = None
    wants: str | None = None

    def paths(self) -> list[str]:
        """Return the paths of what is there."""
        parts = {PROGRAM: self.program, UNIT_PATH: self.unit, WANTS: self.wants}
        return sorted(path for path, part in parts.items() if part is not None)


@dataclass(frozen=True)
class State:
    """A host as the module sees it.

    Args:
        live: whether it is the running machine.
        lack: why the interpreter cannot load libvirt's bindings, None when it can.
        modified: when unit or program was last changed, in seconds since 1970.
    """

    files: Files
    undo: UndoRecord
    live: bool
    lack: str | None = None
    start: ServiceStart = _NEVER
    modified: float | None = None


@dataclass(frozen=True)
class ProgramChange(FileChange):
    """A program that gets another content, told in a diff by its files and their checksums.

    Args:
        program_before: the content; C(before) is what is told of it.
        program_after: likewise.
    """

    program_before: bytes | None = None
    program_after: bytes | None = None

    def apply(self, host: Host) -> None:
        """Write the new program in one step, or remove it."""
        self._file().apply(host)

    def revert(self, host: Host) -> None:
        """Put back what was there before."""
        self._file().revert(host)

    def _file(self) -> FileChange:
        return FileChange(self.path, self.program_before, self.program_after, self.mode)


class WatcherService:
    """The work of the module qat_mps_watcher."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.present = options["state"] == "present"
        self._interpreter = sys.executable

    def observe(self, host: Host) -> State:
        """Read what stands there, and whether the interpreter has what the service needs."""
        files = Files(
            program=host.read_bytes(PROGRAM),
            unit=host.read_bytes(UNIT_PATH),
            wants=host.link_target(WANTS),
        )
        lack = self._lack(host) if self.present and host.live else None
        times = [time for path in (PROGRAM, UNIT_PATH) if (time := host.modified(path)) is not None]
        return State(
            files,
            UndoRecord.read(host),
            host.live,
            lack,
            read_start(host, UNIT),
            max(times, default=None),
        )

    def plan(self, state: State) -> Plan:
        """Decide what to write, or refuse.

        Raises:
            RefusedError: when the service could not run.
        """
        if state.lack is not None:
            raise RefusedError(
                f"the watcher would run with {self._interpreter}, which cannot load libvirt's "
                f"bindings ({state.lack}): install the package {PACKAGE} for it, or set "
                "ansible_python_interpreter to the distribution's own Python; nothing was changed"
            )
        after = self._wanted(state)
        changes = tuple(_changes(state, after))
        if self.present:
            return Plan((*self._remembered(state).change(), *changes))
        warnings: tuple[str, ...] = ()
        if _found(state.undo) is None and changes:
            warnings = (
                f"{UNDO_PATH} has no record of {UNIT}: it is removed, whoever has installed it",
            )
        return Plan(changes, warnings, closing=state.undo.without_entry(_MODULE, UNIT).change())

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to."""
        return replace(state, files=self._wanted(state))

    def unmet(self, before: State, after: State) -> str | None:
        """Compare what is there now with what was wanted."""
        wanted = self._wanted(before)
        places = {PROGRAM: "program", UNIT_PATH: "unit", WANTS: "wants"}
        wrong = [
            path
            for path, part in places.items()
            if getattr(after.files, part) != getattr(wanted, part)
        ]
        if not wrong:
            return None
        return f"{', '.join(wrong)}: not as written: something else writes there, see what it is"

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        runs_other = replace(before.files, wants=None) != replace(after.files, wants=None)
        return {
            "unit": UNIT,
            "program": PROGRAM,
            "interpreter": self._interpreter,
            "files": after.files.paths(),
            "restart_required": self.present
            and (runs_other or before.start.is_older_than(before.modified)),
        }

    def _wanted(self, state: State) -> Files:
        if self.present:
            return Files(build_archive(), render_unit(self._interpreter), UNIT_PATH)
        found = _found(state.undo)
        return found if found is not None else Files()

    def _remembered(self, state: State) -> UndoRecord:
        """Return the record with what was found, which the first task alone writes."""
        if _found(state.undo) is not None:
            return state.undo
        unit, wants = state.files.unit, state.files.wants
        if unit is not None and is_ours(unit):
            unit, wants = None, None
        found = {
            "unit": None if unit is None else unit.decode("utf-8", "surrogateescape"),
            "wants": wants,
        }
        made = {"unit": UNIT_PATH, "wants": WANTS, "program": PROGRAM}
        return state.undo.with_entry(_MODULE, UNIT, UndoEntry(found, made))

    def _lack(self, host: Host) -> str | None:
        """Return why the interpreter cannot load the bindings, in the way of the service."""
        try:
            host.run((self._interpreter, "-I", "-c", "import libvirt"), seconds=_SECONDS)
        except HostError as error:
            return str(error).splitlines()[-1]
        return None


def _found(undo: UndoRecord) -> Files | None:
    """Return what was there before the first task, None without a record.

    Raises:
        HostError: when the record is not as this module writes it.
    """
    entry = undo.entry(_MODULE, UNIT)
    if entry is None:
        return None
    unit, wants = entry.found.get("unit"), entry.found.get("wants")
    if not isinstance(unit, (str, type(None))) or not isinstance(wants, (str, type(None))):
        raise HostError(f"{UNDO_PATH}: the entry of {UNIT} is not as this module writes it")
    content = None if unit is None else unit.encode("utf-8", "surrogateescape")
    return Files(None, content, wants)


def _changes(state: State, after: Files) -> Iterator[Change]:
    """Yield what is to do, nothing where all is as wanted."""
    before = state.files
    if state.live and after.program is None and before.unit not in (None, after.unit):
        yield Command(("systemctl", "stop", UNIT), seconds=90.0, hint=_MANAGER_HINT, told=True)
    if before.program != after.program:
        yield ProgramChange(
            path=PROGRAM,
            before=describe_archive(before.program),
            after=describe_archive(after.program),
            program_before=before.program,
            program_after=after.program,
        )
    if before.unit != after.unit:
        yield FileChange(UNIT_PATH, before.unit, after.unit)
    if before.wants != after.wants:
        yield LinkChange(WANTS, before.wants, after.wants)
    if before.unit != after.unit or state.start.reload_due:
        yield Command(("systemctl", "daemon-reload"), seconds=90.0, hint=_MANAGER_HINT)
