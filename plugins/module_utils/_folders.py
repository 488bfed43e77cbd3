# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths that stay below a root, and files that are written in folders held open.

A name is looked up in the folder that was checked, so that no link that others make meanwhile
leads a write elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import typing as t

from ._errors import HostError

if t.TYPE_CHECKING:
    from collections.abc import Iterator

# A file that is not whole yet: this, and eight characters.
_TEMPORARY, _RANDOM_BYTES = ".hwaccel-", 4
_LINK_LIMIT = 40
_FOLDER_MODE = 0o755
_CONTEXT = "security.selinux"
# EXT4_IOC_CHECKPOINT of linux/ext4.h, since Linux 5.14, and the number without its flags.
_CHECKPOINT, _NO_FLAGS = 0x4004662B, bytes(4)
_HELD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_TO_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
# What /dev/null is. A unit that leads there is masked, and so are rules.
_NULL, _MASK = (1, 3), "/dev/null, which masks it,"
_NULL_PATH = "/dev/null"
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class _UnsafeError(Exception):
    """A user who is not trusted has a path lead to what is not that user's."""


class NoFileError(OSError):
    """What stands at a path is no file: reading it may wait for ever, and writing it acts."""


def locate(root: str, path: str, *, follow: bool) -> str:
    """Return where a path of a tree lies on this machine; links never lead out of the tree."""
    parts = _parts(path)
    inside: list[str] = []
    links = 0
    while parts:
        part = parts.pop(0)
        if part == "..":
            del inside[-1:]
            continue
        here = "/".join((root, *inside, part))
        if (parts or follow) and os.path.islink(here):
            links += 1
            if links > _LINK_LIMIT:
                raise HostError.from_os("follow", path, errno.ELOOP)
            target = os.readlink(here)
            if target.startswith("/"):
                inside = []
            parts[:0] = _parts(target)
            continue
        inside.append(part)
    return "/".join((root, *inside))


@contextlib.contextmanager
def reach(
    root: str, action: str, path: str, *, make: bool = False, follow: bool = True
) -> Iterator[tuple[int, str]]:
    """Hold the folder of a path open, and yield it with the name in it.

    Args:
        root: the tree that the path belongs to.
        action: what for, as errors tell it.
        make: whether folders that are missing are made.
        follow: whether a link in the place of the file is followed.

    Raises:
        HostError: for every error of the system within, for what is no file, and for links of
            others that lead to what is not theirs.
    """
    try:
        walk = _Walk(root, make=make)
    except OSError as error:
        raise HostError.from_os(action, path, error.errno or errno.EIO) from error
    try:
        name = walk.to(path, follow=follow)
        yield walk.folder, name
    except NoFileError as error:
        raise HostError(f"cannot {action} {path}: {error} is there, and no file") from error
    except OSError as error:
        raise HostError.from_os(action, path, error.errno or errno.EIO) from error
    except _UnsafeError as error:
        raise HostError(f"cannot {action} {path}: {error}") from error
    finally:
        walk.close()


def open_file(path: str, flags: int) -> int:
    """Open a file to read it; what would wait for a writer, or acts when opened, is none."""
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    kind = _kind_of(os.fstat(handle))
    if kind not in (None, _MASK):
        os.close(handle)
        raise NoFileError(kind)
    return handle


def is_mask(target: str | None) -> bool:
    """Tell whether a link takes a unit or a rule out of use; a tree need not have its own null."""
    return target == _NULL_PATH


def sync(path: str, folder: int | None = None) -> None:
    """Have the disk keep a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def checkpoint(path: str) -> None:
    """Have ext4 write its journal home: boot loaders do not read it."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(handle, _CHECKPOINT, _NO_FLAGS)
        finally:
            os.close(handle)


def write_file(folder: int, name: str, content: bytes, mode: int) -> None:
    """Replace a file in one step, keeping owner, mode and SELinux context of an old one."""
    with _replacing(folder, name) as temporary:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        # Nobody else can open it before it has its owner and mode.
        handle = os.open(temporary, flags, 0o600, dir_fd=folder)
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            _take_over(folder, name, handle, mode)
            os.fsync(handle)


def write_link(folder: int, name: str, target: str) -> None:
    """Make a symbolic link in one step; it replaces a link or a file."""
    _check_kind(folder, name)
    with _replacing(folder, name) as temporary:
        os.symlink(target, temporary, dir_fd=folder)


@contextlib.contextmanager
def _replacing(folder: int, name: str) -> Iterator[str]:
    """Yield a name for what comes to the place of a file once it is whole."""
    _tidy(folder)
    temporary = _temporary_name()
    try:
        yield temporary
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    sync(".", folder)


def remove_file(folder: int, name: str) -> None:
    """Remove a file, and the temporary ones beside it; what is masked stays so."""
    _tidy(folder)
    if is_mask(_target(folder, name)):
        raise NoFileError(_MASK)
    os.unlink(name, dir_fd=folder)
    sync(".", folder)


def set_permissions(folder: int, name: str, uid: int, gid: int, mode: int) -> None:
    """Give a file an owner, a group and a mode."""
    handle = os.open(name, _TO_READ, dir_fd=folder)
    try:
        found = _stat_file(handle, _owner(os.fstat(folder)))
        # A change of the owner takes bits of the mode away, so that the mode comes last.
        if (found.st_uid, found.st_gid) != (uid, gid):
            os.fchown(handle, uid, gid)
        os.fchmod(handle, mode)
    finally:
        os.close(handle)


class _Walk:
    """A way from the root to a folder, each step taken in the folder that is held open.

    Links are followed here and not by the kernel, so that they stay below the root. Whoever owns a
    link, or the folder that it is in, chooses where it leads: for a user who is neither root nor
    the user of this process that has to be a folder of the same user.
    """

    def __init__(self, root: str, *, make: bool) -> None:
        self._make = make
        self._trusted = frozenset({0, os.geteuid()})
        self._led: list[tuple[int, str]] = []
        self._links = 0
        self._handles = [os.open(root, _HELD | os.O_DIRECTORY)]

    @property
    def folder(self) -> int:
        """The folder that the way has come to."""
        return self._handles[-1]

    def close(self) -> None:
        """Let go of every folder."""
        while self._handles:
            os.close(self._handles.pop())

    def to(self, path: str, *, follow: bool) -> str:
        """Go to the folder of a path, and return the name that is left."""
        parts = _parts(path)
        while parts:
            part = parts.pop(0)
            if part == "..":
                self._go_up(1)
                continue
            target = self._link(part) if parts or follow else None
            if is_mask(target) and not parts:
                raise NoFileError(_MASK)
            if target is not None:
                if target.startswith("/"):
                    self._go_up(len(self._handles))
                parts[:0] = _parts(target)
            elif not parts:
                self._check()
                return part
            else:
                self._handles.append(self._entered(part))
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)

    def _go_up(self, steps: int) -> None:
        """Leave folders, but for the root."""
        while steps and len(self._handles) > 1:
            os.close(self._handles.pop())
            steps -= 1

    def _link(self, name: str) -> str | None:
        """Return what a link says, None for what is none."""
        try:
            target = os.readlink(name, dir_fd=self.folder)
            link = os.stat(name, dir_fd=self.folder, follow_symlinks=False)
        except OSError:
            return None
        self._links += 1
        if self._links > _LINK_LIMIT:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        owners = {_owner(link), _owner(os.fstat(self.folder))}
        self._led += [(owner, name) for owner in owners - self._trusted]
        return target

    def _entered(self, name: str) -> int:
        with contextlib.suppress(FileNotFoundError):
            return os.open(name, _HELD | os.O_DIRECTORY, dir_fd=self.folder)
        if not self._make:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        self._check()
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=self.folder)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(name, flags, dir_fd=self.folder)
            # Whatever the mask of the process takes from modes.
            os.fchmod(handle, _FOLDER_MODE)
            return handle
        return os.open(name, _HELD | os.O_DIRECTORY, dir_fd=self.folder)

    def _check(self) -> None:
        """Look whether links of others have led to what is theirs."""
        owner = _owner(os.fstat(self.folder))
        for user, name in self._led:
            if user != owner:
                message = (
                    f"user {user} can have the link {name} on the way lead anywhere, and it leads "
                    f"to a folder of user {owner}: name the path without the link"
                )
                raise _UnsafeError(message)


def _owner(found: os.stat_result) -> int:
    return found.st_uid


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _temporary_name() -> str:
    return f"{_TEMPORARY}{os.urandom(_RANDOM_BYTES).hex()}"


def _tidy(folder: int) -> None:
    """Remove the temporary files of runs that were killed: the lock keeps others away."""
    size = len(_TEMPORARY) + 2 * _RANDOM_BYTES
    # Only the place of the folder is held open.
    handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        names = os.listdir(handle)
    finally:
        os.close(handle)
    for name in names:
        if name.startswith(_TEMPORARY) and len(name) == size:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=folder)


def _target(folder: int, name: str) -> str | None:
    """Return what a link says, None for what is none."""
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        return None


def _check_kind(folder: int, name: str) -> os.stat_result | None:
    """Return what is to be replaced, None for nothing; it has to be a file or a link."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    kind = _kind_of(found)
    if kind is not None:
        raise NoFileError(kind)
    return found


def _kind_of(found: os.stat_result) -> str | None:
    """Return what something is that is neither a file nor a folder."""
    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is not None and (os.major(found.st_rdev), os.minor(found.st_rdev)) == _NULL:
        return _MASK
    return kind


def _stat_file(handle: int, folder_owner: int) -> os.stat_result:
    """Return what a file has whose permissions are to be set, which is the one that was meant."""
    found = os.fstat(handle)
    kind = _kind_of(found)
    if kind is not None:
        raise NoFileError(kind)
    theirs = folder_owner not in (0, os.geteuid()) and _owner(found) != folder_owner
    if theirs and found.st_nlink > 1:
        message = (
            f"user {folder_owner} owns the folder, and may have put a file of user {_owner(found)} "
            "there that has another name too: remove it"
        )
        raise _UnsafeError(message)
    return found


def _take_over(folder: int, name: str, new: int, mode: int) -> None:
    """Give a new file the owner, mode and SELinux context of the one it replaces."""
    found = _check_kind(folder, name)
    if found is None:
        os.fchmod(new, mode)
        return
    # A change of the owner takes bits of the mode away, so that the mode comes last.
    if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(new, found.st_uid, found.st_gid)
    os.fchmod(new, stat.S_IMODE(found.st_mode))
    with contextlib.suppress(OSError):
        # By a handle, and not by a name that may lead elsewhere by now.
        old = os.open(name, _TO_READ, dir_fd=folder)
        try:
            os.setxattr(new, _CONTEXT, os.getxattr(old, _CONTEXT))
        finally:
            os.close(old)
