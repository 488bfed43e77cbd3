# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host: the only place that opens a file, writes one or runs a command, with its parts.

Everything above passes absolute paths as the managed system sees them; with another root
than C(/) they are looked up below it, links included, and devices are never written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import stat
import time
import typing as t
from dataclasses import dataclass

from ._child import Child, SilentError
from ._commands import feed, run_group
from ._errors import BlockedError, HostError
from ._folders import (
    NoFileError,
    checkpoint,
    is_mask,
    locate,
    open_file,
    reach,
    remove_file,
    set_permissions,
    sync,
    write_file,
    write_link,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOCK = "/run/hwaccel.lock"
# What file systems answer that have no locks, such as network ones.
_NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_USERS, _GROUPS, _ID_FIELD = "/etc/passwd", "/etc/group", 2
# With another root devices are never written, so that its folders stand still meanwhile.
_STILL = "/sys/"
_LAST_LINES = 20
# More than that many bytes are not looked through for the last lines.
_LAST_BYTES = 16384
# By how much longer a child is waited for than what it does may take.
_CHILD_SECONDS = 2.0
_LOCK_SECONDS = 0.2
_READ_AT_BOOT = "/boot/"
_PCI_DEVICES = "/sys/bus/pci/devices/"
_GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR, errno.ESRCH)


class Blocked:
    """Stands for the value of an attribute that did not answer within its bound."""

    def __repr__(self) -> str:
        return "<blocked>"


BLOCKED: t.Final = Blocked()


@dataclass(frozen=True)
class Permissions:
    """Owner, group and mode of a file, as numbers."""

    uid: int
    gid: int
    mode: int

    def __str__(self) -> str:
        return f"owner {self.uid}, group {self.gid}, mode {self.mode:04o}"


class Host:
    """A file system tree and, when its root is C(/), the running machine.

    Args:
        root: absolute path of the tree to act on.
        read_seconds: bound for reading attributes that can block in the kernel.

    Attributes:
        live: whether the root is that of the running machine.
        privileged: whether everything there can be read, as root can.
        unread: what could not be read of PCI devices, for a report that goes on without it; None
            where that is an error.
    """

    def __init__(self, root: str | os.PathLike[str] = "/", *, read_seconds: float = 3.0) -> None:
        self.root = os.path.realpath(os.fspath(root))
        self.live = self.root == "/"
        self.privileged = not self.live or os.geteuid() == 0
        self.read_seconds = read_seconds
        self._folders: dict[str, str] = {}
        self._child = Child(self._answer)
        self._runner = Child(self._run_in_child)
        self._held: int | None = None
        self.unread: list[HostError] | None = None

    # -- paths -----------------------------------------------------------------------------

    def locate(self, path: str, *, follow: bool = True) -> str:
        """Return where C(path) lies on this machine; links never lead out of the root."""
        if self.live:
            return path
        folder, _slash, name = path.rpartition("/")
        if not folder.startswith(_STILL) or name in ("", ".", ".."):
            return locate(self.root, path, follow=follow)
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = locate(self.root, folder, follow=True)
        place = f"{known}/{name}"
        if follow and os.path.islink(place):
            return locate(self.root, path, follow=True)
        return place

    def exists(self, path: str) -> bool:
        """Tell whether the path leads to something."""
        with contextlib.suppress(HostError):
            return os.path.exists(self.locate(path))
        return False

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a folder; none when there is no such folder."""
        try:
            return sorted(os.listdir(self.locate(path)))
        except OSError as error:
            if error.errno in _GONE:
                return []
            raise HostError.from_os("list", path, error.errno or 0) from error

    def link_target(self, path: str) -> str | None:
        """Return what a link says, or None when it is not there or not a link."""
        try:
            return os.readlink(self.locate(path, follow=False))
        except OSError:
            return None

    def is_mask(self, path: str) -> bool:
        """Tell whether a link takes a unit or a rule out of use."""
        return is_mask(self.link_target(path))

    def link_name(self, path: str) -> str | None:
        """Return the last component of what a link says: a driver, a group, a device."""
        target = self.link_target(path)
        return None if target is None else os.path.basename(target)

    def canonical(self, path: str) -> str:
        """Return the path with every link resolved, as the managed system sees it."""
        if self.live:
            return os.path.realpath(path)
        return "/" + os.path.relpath(self.locate(path), self.root)

    def device_node(self, path: str) -> tuple[bool, int, int] | None:
        """Return whether a device node is a block device, with its major and minor number."""
        try:
            found = os.stat(self.locate(path))
        except (OSError, HostError):
            return None
        is_block = stat.S_ISBLK(found.st_mode)
        if not (is_block or stat.S_ISCHR(found.st_mode)):
            return None
        return is_block, os.major(found.st_rdev), os.minor(found.st_rdev)

    def is_claimed(self, path: str) -> bool:
        """Tell whether the kernel keeps a block device of the running machine for one user.

        What is mounted, swap space, or part of a volume of any kind is (C(bd_prepare_to_claim)).
        """
        if not self.live:
            return False
        try:
            handle = os.open(path, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            return error.errno == errno.EBUSY
        os.close(handle)
        return False

    def modified(self, path: str) -> float | None:
        """Return when a file was last changed, in seconds since 1970, None without one."""
        try:
            return os.stat(self.locate(path)).st_mtime
        except (OSError, HostError):
            return None

    def group_of(self, path: str) -> int | None:
        """Return the number of the group that a file or node belongs to, None without one."""
        try:
            return os.stat(self.locate(path)).st_gid
        except (OSError, HostError):
            return None

    def permissions(self, path: str) -> Permissions | None:
        """Return owner, group and mode of a file, None without one."""
        try:
            found = os.stat(self.locate(path))
        except (OSError, HostError):
            return None
        return Permissions(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))

    def new_permissions(self, mode: int) -> Permissions:
        """Return what a file has that is made here."""
        return Permissions(os.geteuid(), os.getegid(), mode)

    def user_id(self, name: str) -> int | None:
        """Return the number of a user, None for one that is not known."""
        if not self.live:
            return self._number_in(_USERS, name)
        try:
            return pwd.getpwnam(name).pw_uid
        except (KeyError, ValueError):
            return None

    def group_id(self, name: str) -> int | None:
        """Return the number of a group, None for one that is not known."""
        if not self.live:
            return self._number_in(_GROUPS, name)
        try:
            return grp.getgrnam(name).gr_gid
        except (KeyError, ValueError):
            return None

    def _number_in(self, path: str, name: str) -> int | None:
        """Look a name up in a tree that does not run, whose names are not those of this machine."""
        for line in (self.read_text(path) or "").splitlines():
            fields = line.split(":")
            if len(fields) > _ID_FIELD and fields[0] == name and fields[_ID_FIELD].isdigit():
                return int(fields[_ID_FIELD])
        return None

    def free_bytes(self, path: str) -> int | None:
        """Return how much root may still write to the file system of a folder, None without one."""
        try:
            found = os.statvfs(self.locate(path))
        except (OSError, HostError):
            return None
        return found.f_bfree * found.f_frsize

    # -- reading ---------------------------------------------------------------------------

    def read_bytes(self, path: str) -> bytes | None:
        """Return a file's content, or None when it is not there; sysfs attributes included."""
        try:
            with open(self.locate(path), "rb", opener=open_file) as file:
                return file.read()
        except NoFileError as error:
            raise HostError(f"cannot read {path}: {error} is there, and no file") from error
        except OSError as error:
            if error.errno not in _GONE:
                self.unanswered(path, error.errno or 0)
            return b"" if self.is_mask(path) else None

    def unanswered(self, path: str, number: int) -> None:
        """Note a read that failed where a report goes on without it.

        Raises:
            HostError: everywhere else.
        """
        error = HostError.from_os("read", path, number)
        if self.unread is None or number == errno.EACCES or not path.startswith(_PCI_DEVICES):
            raise error
        self.unread.append(error)

    def read_piece(self, path: str, offset: int, size: int) -> bytes:
        """Return a part of a file, as much as there is of it; nothing where there is no file."""
        try:
            with open(self.locate(path), "rb", opener=open_file) as file:
                file.seek(offset)
                return file.read(size)
        except NoFileError as error:
            raise HostError(f"cannot read {path}: {error} is there, and no file") from error
        except OSError as error:
            if error.errno in _GONE:
                return b""
            raise HostError.from_os("read", path, error.errno or 0) from error

    def read_end(self, path: str, size: int) -> bytes | None:
        """Return the whole lines at the end of a file, or None when it is not there.

        Args:
            size: how many bytes are looked at: a log may have grown for years.
        """
        try:
            with open(self.locate(path), "rb", opener=open_file) as file:
                length = file.seek(0, os.SEEK_END)
                file.seek(max(0, length - size))
                content = file.read(size)
        except NoFileError as error:
            raise HostError(f"cannot read {path}: {error} is there, and no file") from error
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise HostError.from_os("read", path, error.errno or 0) from error
        return content if length <= size else content.partition(b"\n")[2]

    def read_text(self, path: str) -> str | None:
        """Return a text file's content, undecodable bytes kept, or None when it is not there."""
        content = self.read_bytes(path)
        return None if content is None else content.decode("utf-8", "surrogateescape")

    def attribute(self, path: str) -> str | None:
        """Return a one-value kernel attribute without white space around it."""
        text = self.read_text(path)
        return None if text is None else text.strip()

    def guarded_attributes(self, paths: Sequence[str]) -> dict[str, str | Blocked | None]:
        """Read attributes whose read can block, each within the bound, in child processes.

        Reading C(sriov_numvfs) takes the device's lock in the kernel, which another process
        may hold for as long as a guest keeps a VF: no signal ends such a read.
        """
        if not self.live:
            return {path: self.attribute(path) for path in paths}
        return {path: self._read_guarded(path) for path in paths}

    def _read_guarded(self, path: str) -> str | Blocked | None:
        try:
            value, number = self._ask(["read", path], self.read_seconds)
        except SilentError:
            return BLOCKED
        if number:
            self.unanswered(path, number)
        return value

    def _ask(self, question: list[str], seconds: float) -> tuple[str | None, int]:
        """Return the value of an attribute, None for a write, and the errno."""
        return t.cast("tuple[str | None, int]", self._child.ask(question, seconds))

    def _answer(self, question: list[str]) -> tuple[str | None, int]:
        """Read or write an attribute, or write a piece of one, in the child."""
        if self._held is not None:
            # Where this run is killed, a child that hangs must not keep the next one away.
            os.close(self._held)
            self._held = None
        action, path, *values = question
        try:
            if action == "read":
                return _read_attribute(path), 0
            if action == "patch":
                _write_piece(path, int(values[0]), bytes.fromhex(values[1]))
            else:
                _write_attribute(path, values[0])
        except OSError as error:
            return None, error.errno or errno.EIO
        return None, 0

    # -- writing ---------------------------------------------------------------------------

    def write_attribute(self, path: str, value: str, *, seconds: float) -> None:
        """Write a kernel attribute of the running machine within a bound.

        Raises:
            HostError: with the errno that the kernel answered.
            BlockedError: when the kernel did not answer; the write may still take effect.
        """
        self._write_guarded(["write", path, value], repr(value), seconds)

    def write_piece(self, path: str, offset: int, data: bytes, *, seconds: float) -> None:
        """Write a part of a kernel attribute in one piece, such as a word of C(config).

        Raises:
            HostError: with the errno that the kernel answered.
            BlockedError: when the kernel did not answer; the write may still take effect.
        """
        told = f"{len(data)} bytes at 0x{offset:x}"
        self._write_guarded(["patch", path, str(offset), data.hex()], told, seconds)

    def _write_guarded(self, question: list[str], what: str, seconds: float) -> None:
        path = question[1]
        if not self.live:
            raise HostError(f"{path}: devices are not written below {self.root}")

        try:
            _value, number = self._ask(question, seconds)
        except SilentError as error:
            told = f"writing {what} to {path} did not end within {seconds:g} s: the kernel waits"
            raise BlockedError(told, errno.EBUSY) from error
        if number:
            raise HostError.from_os(f"write {what} to", path, number)

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        """Replace a file in one step, keeping owner, mode and SELinux context of an old one."""
        with reach(self.root, "write", path, make=True) as (folder, name):
            write_file(folder, name, content, mode)
        self._show_boot_loaders(path)

    def flush(self, path: str) -> None:
        """Have the disk keep a file that a command has written, or those of a folder."""
        place = self.locate(path)
        try:
            folder = place if os.path.isdir(place) else os.path.dirname(place)
            files = [place] if folder != place else [each.path for each in os.scandir(place)]
            for each in (*filter(os.path.isfile, files), folder):
                sync(each)
        except OSError as error:
            if error.errno not in _GONE:
                raise HostError.from_os("flush", path, error.errno or errno.EIO) from error
        self._show_boot_loaders(path)

    def _show_boot_loaders(self, path: str) -> None:
        """Have a boot loader find what was written where it reads."""
        if self.live and f"{path}/".startswith(_READ_AT_BOOT):
            place = self.locate(path)
            checkpoint(place if os.path.isdir(place) else os.path.dirname(place))

    def set_permissions(self, path: str, wanted: Permissions) -> None:
        """Give a file an owner, a group and a mode."""
        with reach(self.root, "set permissions of", path) as (folder, name):
            set_permissions(folder, name, wanted.uid, wanted.gid, wanted.mode)

    def remove_file(self, path: str) -> None:
        """Remove a file; one that is not there is fine."""
        try:
            with reach(self.root, "remove", path, follow=False) as (folder, name):
                remove_file(folder, name)
        except HostError as error:
            if error.number not in _GONE:
                raise
        self._show_boot_loaders(path)

    def write_link(self, path: str, target: str) -> None:
        """Make a symbolic link in one step; it replaces a link or a file."""
        with reach(self.root, "make the link", path, make=True, follow=False) as (folder, name):
            write_link(folder, name, target)
        self._show_boot_loaders(path)

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Run a command of the running machine and return its standard output."""
        return self.feed(command, "", seconds=seconds)

    def feed(self, command: Sequence[str], text: str, *, seconds: float = 60.0) -> str:
        """Run a command that reads a text and return its standard output."""
        self._check_live(command)
        try:
            done = feed(command, text, seconds, kept=self._kept())
        except OSError as error:
            raise HostError.from_os("run", command[0], error.errno or 0) from error
        if done is None:
            message = f"{' '.join(command)} did not end within {seconds:g} s"
            raise BlockedError(message, errno.ETIMEDOUT)
        if done.returncode:
            told = (done.stderr or done.stdout).strip()
            raise HostError(f"{' '.join(command)} failed with status {done.returncode}: {told}")
        return done.stdout

    def run_guarded(self, command: Sequence[str], *, seconds: float) -> str:
        """Run a command that can hang in the kernel, where no signal ends it, within a bound.

        A tool that asks a driver may stay in state D for as long as the driver does not answer,
        and whoever waits for its end with it.
        """
        self._check_live(command)
        try:
            answer = self._runner.ask([*command, str(seconds)], seconds + _CHILD_SECONDS)
        except SilentError as error:
            message = f"{' '.join(command)} did not end within {seconds:g} s, and cannot be ended"
            raise BlockedError(message, errno.ETIMEDOUT) from error
        finally:
            self._runner.leave()
        output, told, number = t.cast("tuple[str, str, int]", answer)
        if number == errno.ETIMEDOUT:
            raise BlockedError(told, number)
        if told:
            raise HostError(told, number)
        return output

    def _run_in_child(self, question: list[str]) -> tuple[str, str, int]:
        """Return the output of a command, or the message and the errno of its error."""
        *command, seconds = question
        try:
            return self.run(command, seconds=float(seconds)), "", 0
        except HostError as error:
            return "", str(error), error.number

    def run_logged(
        self,
        command: Sequence[str],
        log: str,
        *,
        folder: str,
        seconds: float,
    ) -> None:
        """Run a long command in a folder; its output is added to a log as it comes.

        Past the bound everything that it has started and that has not left it is killed too.

        Raises:
            HostError: with the last lines of its output.
        """
        self._check_live(command)
        told = f"{' '.join(command)}, run in {folder},"
        with self._open_log(log) as output:
            try:
                start = output.tell()
                output.write(f"$ {' '.join(command)}\n".encode("utf-8", "surrogateescape"))
            except OSError as error:
                raise HostError.from_os("write", log, error.errno or 0) from error
            try:
                status = run_group(command, output, self.locate(folder), seconds, kept=self._kept())
            except OSError as error:
                raise HostError.from_os(f"run in {folder}", command[0], error.errno or 0) from error
        if status == 0:
            return
        last = last_lines((self.read_bytes(log) or b"")[start:])
        if status is None:
            message = f"{told} did not end within {seconds:g} s; the end of {log}:\n{last}"
            raise BlockedError(message, errno.ETIMEDOUT)
        raise HostError(f"{told} failed with status {status}; the end of {log}:\n{last}")

    def _open_log(self, path: str) -> t.BinaryIO:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        # A FIFO without a reader is an error then, and does not wait for one.
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK
        with reach(self.root, "write", path, make=True) as (folder, name):
            handle = os.open(name, flags, 0o600, dir_fd=folder)
            # Unbuffered: nothing is left over that closing it would have to write.
            return t.cast("t.BinaryIO", os.fdopen(handle, "ab", buffering=0))

    def _check_live(self, command: Sequence[str]) -> None:
        if not self.live:
            raise HostError(f"{command[0]}: commands are not run for the tree {self.root}")

    def _kept(self) -> tuple[int, ...]:
        """Return what a command keeps open: the lock, as a command outlives a run that is killed.

        Two that make the same menu or build in the same folder at once would spoil it.
        """
        return () if self._held is None else (self._held,)

    @contextlib.contextmanager
    def lock(self, *, seconds: float = 120.0) -> Iterator[None]:
        """Keep other runs of the collection away from the same tree meanwhile.

        A tree that is not the running machine is locked by its root folder, so that no file is
        added to it; where its file system has no locks it goes without.
        """
        path = _LOCK if self.live else self.root
        flags = os.O_RDONLY | os.O_DIRECTORY
        if self.live:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        try:
            handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HostError.from_os("open", path, error.errno or 0) from error
        try:
            _wait_for_lock(handle, path, seconds, needed=self.live)
            self._held = handle
            yield
        finally:
            self._held = None
            # A command that is still there has a copy of the handle, and may live on.
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)


def last_lines(content: bytes) -> str:
    """Return the last lines of a log, undecodable bytes kept."""
    lines = content[-_LAST_BYTES:].decode("utf-8", "surrogateescape").splitlines()
    return "\n".join(lines[-_LAST_LINES:])


def _wait_for_lock(handle: int, path: str, seconds: float, *, needed: bool) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                message = (
                    "another run of the collection, or a command that one has started, holds "
                    f"{path} for more than {seconds:g} s: run again once it has ended (fuser "
                    f"{path} tells its process)"
                )
                raise BlockedError(message, errno.EBUSY) from error
            time.sleep(_LOCK_SECONDS)
        except OSError as error:
            if needed or error.errno not in _NO_LOCKS:
                raise HostError.from_os("lock", path, error.errno or 0) from error
            return
        else:
            return


def _read_attribute(path: str) -> str | None:
    """Read an attribute, in the child, where it may wait."""
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape").strip()
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def _write_attribute(path: str, value: str) -> None:
    """Write an attribute that is there, as a whole."""
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, value.encode())
    finally:
        os.close(handle)


def _write_piece(path: str, offset: int, data: bytes) -> None:
    """Write a part of an attribute that is there, all of it at once."""
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        if os.pwrite(handle, data, offset) != len(data):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
    finally:
        os.close(handle)
