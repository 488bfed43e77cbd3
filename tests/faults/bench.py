# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine in a folder on which tasks are stopped half way, from the same start each time."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sys
import traceback
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost
from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    import pytest
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import Result

Options = dict[str, t.Any]
Files = dict[str, t.Any]

# What only the kernel writes, and what a run leaves behind while it works.
_KERNEL_FOLDERS = ("sys/", "proc/", "dev/")
_MARKERS, _LOGS = "run/hwaccel/", "var/log/hwaccel/"
# What libvirt's daemon writes of a guest that runs, one function after the other.
_DAEMON = "run/libvirt/"
TEMPORARY = ".hwaccel-"

# Functions of the interpreter that change a file system, as _host.py calls them.
_CHANGES = frozenset(
    {
        *("open", "write", "flush", "fsync", "ftruncate", "rename", "unlink", "symlink"),
        *("mkdir", "chmod", "chown", "setxattr"),
    }
)
_WRITERS = ("module_utils/_host.py", "module_utils/_folders.py")
_LIBRARY = ("<frozen os>", "/os.py", "/tempfile.py", "/contextlib.py")
_OPENS_TO_WRITE = frozenset({"write_file", "_open_log"})
# What changes something that is no file: stopped just before and just after.
_ACTIONS = frozenset({"write_attribute", "write_piece", "run", "feed", "run_logged"})


@dataclass(frozen=True)
class Scenario:
    """A task on a machine.

    Args:
        prepare: lays the machine, and returns it as a running one, None for a tree.
        back: the options of the way back, None where there is none.
        earlier: options of the tasks that were done before.
        kept: what the way back leaves of what was not there before.
        untold: results that a check run does not tell as the real one does.
        scratch: folders whose content counts for nothing.
    """

    name: str
    module: str
    options: Options
    prepare: Callable[[Machine, pytest.MonkeyPatch], RunningHost | None]
    back: Options | None = None
    earlier: tuple[Options, ...] = ()
    kept: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return what tests are called by."""
        return self.name

    def way_back(self) -> Scenario:
        """Return the way back as a task of its own."""
        assert self.back is not None
        earlier = (*self.earlier, self.options)
        return replace(
            self, name=f"{self.name}-absent", options=self.back, back=None, earlier=earlier
        )


@dataclass
class Course:
    """What a task did until it ended.

    Attributes:
        changes: how many there were.
        contents: what was put in the place of files at once, by path.
    """

    changes: int
    contents: dict[str, list[bytes | str | None]]


class Bench:
    """A machine for a scenario; each start is the same.

    Attributes:
        machine: the tree.
        running: the same as a running machine, None for a tree.
    """

    def __init__(
        self,
        scenario: Scenario,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Lay the machine and do what was done before."""
        self.scenario = scenario
        self.machine = Machine(folder / "root")
        self.running = scenario.prepare(self.machine, monkeypatch)
        self.monkeypatch = monkeypatch
        self._capsys = capsys
        self._start = folder / "start"
        for options in scenario.earlier:
            assert "failed" not in self.run(options)
        shutil.copytree(self.machine.root, self._start, symlinks=True)
        self._memory = pickle.dumps((self.machine, self.running))

    def restart(self) -> None:
        """Have everything as it was at the start."""
        shutil.rmtree(self.machine.root)
        shutil.copytree(self._start, self.machine.root, symlinks=True)
        self._remember(self._memory)

    def _remember(self, memory: bytes) -> None:
        self.machine, self.running = pickle.loads(memory)

    def run(self, options: Options | None = None, *, check: bool = False) -> Result:
        """Run the module, with the options of the scenario unless others are given."""
        given = self.scenario.options if options is None else options
        return self.runner()(self.scenario.module, given, check=check, running=self.running)

    def runner(self) -> ModuleRunner:
        """Return what runs modules on the tree."""
        return ModuleRunner(self.machine, self.monkeypatch, self._capsys)

    def own_files(self) -> Files:
        """Return what is no business of the kernel: files, links, and what is set of devices."""
        skipped = (*_KERNEL_FOLDERS, _LOGS, *self.scenario.scratch)
        found: Files = {
            path: content
            for path, content in self.machine.files().items()
            if not path.startswith(skipped)
        }
        return found

    def devices(self) -> dict[str, tuple[object, ...]]:
        """Return what is set of every function."""
        names = ("sriov_numvfs", "sriov_drivers_autoprobe", "qat/state", "qat/cfg_services")
        found: dict[str, tuple[object, ...]] = {}
        for address in sorted(os.listdir(self.machine.at("sys/bus/pci/devices"))):
            folder = self.machine.device(address)
            found[address] = (
                self.machine.driver(address),
                self.machine.override(address),
                self.machine.at(f"{folder}/config").read_bytes(),
                *(self._attribute(f"{folder}/{name}") for name in names),
            )
        found["groups of nodes"] = tuple(sorted(getattr(self.running, "groups", {}).items()))
        return found

    def _attribute(self, path: str) -> str | None:
        return self.machine.host.attribute(f"/{path}")

    def stop_at(self, moment: int) -> Course:
        """Run the task in a process of its own that is killed at one of its changes.

        Args:
            moment: number of the change, from 1 on; 0 for none.
        """
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(reader)
                Killer(self, writer, moment).run()
            finally:
                # It does not come here unless something is wrong, which the parent tells.
                os.write(writer, pickle.dumps(traceback.format_exc()))
                os._exit(1)
        os.close(writer)
        with open(reader, "rb") as pipe:
            told = pipe.read()
        _child, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) != 1, pickle.loads(told)
        assert os.WIFSIGNALED(status) == bool(moment), f"ended with {status} at change {moment}"
        course, memory = pickle.loads(told)
        self._remember(memory)
        return t.cast("Course", course)


class Killer:
    """Runs a task in this process and kills it, with a word of how the machine stands."""

    def __init__(self, bench: Bench, writer: int, moment: int) -> None:
        """Kill at a change, at none for 0."""
        self._bench, self._writer, self._moment = bench, writer, moment
        self._course = Course(0, {})

    def run(self) -> None:
        """Run the task; this process does not come back."""
        sys.setprofile(self._step)
        result = self._bench.run()
        sys.setprofile(None)
        assert "failed" not in result, result
        self._tell()
        os._exit(0)

    def _tell(self) -> None:
        bench = self._bench
        memory = pickle.dumps((bench.machine, bench.running))
        with open(self._writer, "wb") as pipe:
            pipe.write(pickle.dumps((self._course, memory)))

    def _step(self, frame: FrameType, event: str, function: t.Any) -> None:
        if event == "c_call":
            if function.__name__ not in _CHANGES or not _of_host(frame, function.__name__):
                return
        elif event not in ("call", "return") or not self._is_action(frame):
            return
        self._course.changes += 1
        if event == "c_call" and function.__name__ == "rename":
            self._note(**{name: frame.f_locals[name] for name in ("folder", "temporary", "name")})
        if self._course.changes != self._moment:
            return
        sys.setprofile(None)
        file = frame.f_locals.get("file")
        if event == "c_call" and function.__name__ == "fsync" and file is not None:
            # The kernel may have taken a part of what was written.
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size // 2)
        self._tell()
        os.kill(os.getpid(), signal.SIGKILL)

    def _note(self, folder: int, temporary: str, name: str) -> None:
        """Remember what comes to the place of a file in a folder that is held open."""
        place = os.readlink(f"/proc/self/fd/{folder}")
        path = os.path.relpath(f"{place}/{name}", self._bench.machine.root)
        content: bytes | str = ""
        if os.path.islink(f"{place}/{temporary}"):
            content = os.readlink(f"{place}/{temporary}")
        else:
            with open(f"{place}/{temporary}", "rb") as file:
                content = file.read()
        self._course.contents.setdefault(path, []).append(content)

    def _is_action(self, frame: FrameType) -> bool:
        """Tell whether a method is called that does something to the machine, from outside."""
        code = frame.f_code
        if code.co_name not in _ACTIONS or frame.f_locals.get("self") is not self._bench.running:
            return False
        return frame.f_back is None or frame.f_back.f_code.co_name not in _ACTIONS


def _of_host(frame: FrameType | None, function: str) -> bool:
    """Tell whether the collection itself changes something, rather than what plays the kernel."""
    while frame is not None and frame.f_code.co_filename.endswith(_LIBRARY):
        frame = frame.f_back
    if frame is None or not frame.f_code.co_filename.endswith(_WRITERS):
        return False
    return function != "open" or frame.f_code.co_name in _OPENS_TO_WRITE


def halves(files: Files, course: Course, *states: Files) -> list[str]:
    """Return the files that are as nobody wrote them: half, or of two states.

    Args:
        course: of a run that was not stopped.
        states: before and after it.
    """
    paths = {*files, *(path for state in states for path in state)}
    return sorted(
        path
        for path in paths
        if not is_temporary(path)
        and not path.startswith(_DAEMON)
        and not (path.startswith(_MARKERS) and files.get(path) in (None, b""))
        and files.get(path) not in [state.get(path) for state in states]
        and files.get(path) not in course.contents.get(path, ())
    )


def differing(one: Files, other: Files) -> set[str]:
    """Return the files that are not the same."""
    return {path for path in {*one, *other} if one.get(path) != other.get(path)}


def is_temporary(path: str) -> bool:
    """Tell whether a file is one that a run has left behind."""
    return os.path.basename(path).startswith(TEMPORARY)
