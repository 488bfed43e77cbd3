# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work in processes of its own: several at once, or with mounts that nobody else sees."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import sys
import time
import traceback
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# As in sched.h and sys/mount.h.
_NEW_NAMESPACE, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000

_libc = ctypes.CDLL(None, use_errno=True)


class Process:
    """A process that does some work as soon as it is let go.

    Args:
        work: what it does; what it returns is told.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        """Fork, and wait."""
        gate, self._gate = os.pipe()
        self._told, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._gate)
            os.close(self._told)
            _work(work, gate, told)
        os.close(gate)
        os.close(told)

    def start(self) -> None:
        """Let it go."""
        os.write(self._gate, b".")
        os.close(self._gate)

    def result(self) -> t.Any:
        """Wait for its end, and return what it returned.

        Raises:
            AssertionError: with its traceback.
        """
        with open(self._told, "rb") as pipe:
            told = pipe.read()
        os.waitpid(self.pid, 0)
        wrong, result = pickle.loads(told)
        assert wrong is None, wrong
        return result

    def kill(self) -> None:
        """End it, whatever it does."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._told)


def _work(work: Callable[[], object], gate: int, told: int) -> t.NoReturn:
    result = None
    try:
        os.read(gate, 1)
        result = work()
    finally:
        # The parent tells what is wrong.
        wrong = traceback.format_exc() if sys.exc_info()[0] else None
        with open(told, "wb") as pipe:
            pipe.write(pickle.dumps((wrong, result)))
        os._exit(0)


def at_once(*works: Callable[[], object]) -> list[t.Any]:
    """Do several things at the same time, and return what each returned."""
    processes = [Process(work) for work in works]
    for process in processes:
        process.start()
    return [process.result() for process in processes]


def in_namespace(work: Callable[[], object]) -> t.Any:
    """Do something in a process whose mounts nobody else sees; root is not needed."""

    def unshared() -> object:
        user, group = os.geteuid(), os.getegid()
        flags = _NEW_NAMESPACE | (_NEW_USER if user else 0)
        _check(_libc.unshare(flags))
        if user:
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")
        _mount("none", "/", _RECURSIVE | _PRIVATE)
        return work()

    return at_once(unshared)[0]


def mount_tmpfs(path: Path, size: int) -> None:
    """Mount an empty file system of some bytes."""
    _mount("tmpfs", path, 0, kind="tmpfs", data=f"size={size}")


def bind(source: Path, path: Path) -> None:
    """Let a folder be seen at another place too."""
    _mount(source, path, _BIND)


@contextlib.contextmanager
def read_only(paths: Sequence[Path]) -> Iterator[None]:
    """Let folders that are mounts be read-only meanwhile."""
    for path in paths:
        _mount("none", path, _REMOUNT | _BIND | _READ_ONLY)
    yield
    for path in paths:
        _mount("none", path, _REMOUNT | _BIND)


def wait_until(reached: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Wait for something that comes in a moment, even on a machine that is busy."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _mount(source: object, path: object, flags: int, kind: str = "none", data: str = "") -> None:
    words = [os.fsencode(str(word)) for word in (source, path, kind)]
    _check(_libc.mount(*words, ctypes.c_ulong(flags), data.encode()))


def _check(answer: int) -> None:
    if answer:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
