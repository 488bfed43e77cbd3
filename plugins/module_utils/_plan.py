# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module is going to do: changes in order, how they are shown, made and undone."""

from __future__ import annotations

import errno
import time
import typing as t
from dataclasses import dataclass, field, replace

from ._errors import BlockedError, HostError, HwaccelError, NotTakenError
from ._host import last_lines

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._host import Host, Permissions

_WRITE_SECONDS = 30.0
_LOOK_SECONDS = 0.5

_HINTS = {
    errno.EACCES: "become root on the host (become: true)",
    errno.EBUSY: "something uses the device: the kernel's own crypto users count too",
    errno.EPERM: "the kernel forbids it: kernel lockdown or a container",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOENT: "the device is gone, or its driver no longer offers the attribute",
    errno.ENODEV: "the device is gone",
}

_FILE_HINTS = {
    errno.EACCES: "become root on the host (become: true)",
    errno.EPERM: "the file or its folder may be immutable (see lsattr), or this is a container",
    errno.EROFS: "the file system is mounted read-only: remount it, or change the image it is from",
    errno.ENOSPC: "no space is left on the file system: make room and run again",
    errno.EDQUOT: "the quota of the file system is used up: make room and run again",
}

_BLOCKED = (
    "most often for a guest that holds a VF: see who does (module accelerator_info), let it go, "
    "and run again; the write may still take effect"
)


@dataclass(frozen=True)
class FileChange:
    """A file that gets another content; C(None) stands for no file.

    Args:
        shown: whether the file appears in the diff; the module's own records do not.
        secret: whether the diff has the file without its content.
    """

    path: str
    before: bytes | None
    after: bytes | None
    mode: int = 0o644
    shown: bool = True
    secret: bool = False

    def apply(self, host: Host) -> None:
        """Write the new content in one step, or remove the file."""
        try:
            _put(host, self.path, self.after, self.mode)
        except HostError as error:
            raise _with_hint(error) from error

    def revert(self, host: Host) -> None:
        """Put back what was there before."""
        _put(host, self.path, self.before, self.mode)


@dataclass(frozen=True)
class PermissionsChange:
    """A file that gets another owner, group or mode."""

    path: str
    before: Permissions
    after: Permissions

    def apply(self, host: Host) -> None:
        """Set them."""
        try:
            host.set_permissions(self.path, self.after)
        except HostError as error:
            raise _with_hint(error) from error

    def revert(self, host: Host) -> None:
        """Put back what was there before; a file that went again has nothing to put back."""
        if host.permissions(self.path) is not None:
            host.set_permissions(self.path, self.before)


@dataclass(frozen=True)
class LinkChange:
    """A symbolic link that leads elsewhere; C(None) stands for no link."""

    path: str
    before: str | None
    after: str | None

    def apply(self, host: Host) -> None:
        """Make the link in one step, or remove it."""
        try:
            self._put(host, self.after)
        except HostError as error:
            raise _with_hint(error) from error

    def revert(self, host: Host) -> None:
        """Put back what was there before."""
        self._put(host, self.before)

    def _put(self, host: Host, target: str | None) -> None:
        if target is None:
            host.remove_file(self.path)
        else:
            host.write_link(self.path, target)


@dataclass(frozen=True)
class AttributeWrite:
    """A value written to a kernel attribute of one device.

    Args:
        device: what the diff and errors call it, normally a PCI address.
        before: what the attribute reads now, None when that is not known.
        after: what it is expected to read afterwards; the value itself unless given.
        label: what the diff calls the attribute; its own name unless given.
        hints: remedies by errno, over the general ones; 0 stands for any other.
        instead: by errno, what has the same effect where the kernel refuses this write.
        rescue: what makes the device usable again where this write fails for good.
    """

    device: str
    path: str
    value: str
    before: str | None
    after: str | None = None
    label: str | None = None
    seconds: float = _WRITE_SECONDS
    hints: dict[int, str] = field(default_factory=dict)
    instead: dict[int, tuple[Change, ...]] = field(default_factory=dict)
    rescue: tuple[AttributeWrite, ...] = ()

    @property
    def name(self) -> str:
        """What the diff calls the attribute."""
        return self.label or self.path.rsplit("/", 1)[-1]

    @property
    def shown_after(self) -> str:
        """What the diff says that the attribute reads afterwards."""
        return self.value if self.after is None else self.after

    def __str__(self) -> str:
        return f"{self.device} {self.name}={self.value}"

    def apply(self, host: Host) -> None:
        """Write the value, or do what has the same effect; the kernel's answer is explained."""
        try:
            host.write_attribute(self.path, self.value, seconds=self.seconds)
        except BlockedError as error:
            # Whatever else is written to the device would wait too.
            raise BlockedError(
                f"{self.device}: blocked: {error}; {_BLOCKED}", error.number
            ) from error
        except HostError as error:
            if error.number in self.instead:
                self._do_instead(host, error)
                return
            number = error.number if error.number in self.hints else 0
            hint = self.hints.get(number) or _HINTS.get(error.number)
            told = [f"{error}; {hint}" if hint else str(error), *self._rescued(host)]
            raise type(error)(". ".join(told), error.number) from error

    def _do_instead(self, host: Host, refused: HostError) -> None:
        """Do what has the same effect; where that fails, tell how far it got."""
        done: list[str] = []
        for change in self.instead[refused.number]:
            try:
                change.apply(host)
            except HostError as error:
                so_far = f"; done by then: {', '.join(done)}" if done else ""
                message = f"{error}. This was tried since the driver refused: {refused}{so_far}"
                raise type(error)(message, error.number) from error
            if isinstance(change, AttributeWrite):
                done.append(str(change))

    def _rescued(self, host: Host) -> Iterator[str]:
        """Bring the device back into use and tell how that went."""
        for write in self.rescue:
            try:
                write.apply(host)
            except HwaccelError as error:
                yield f"Then {write} failed too: {error}"
                return
            yield f"Brought back: {write}"


@dataclass(frozen=True)
class ConfigWrite:
    """A field of a device's configuration space that gets another value.

    Args:
        device: what the diff calls it, normally a PCI address.
        path: its configuration space in sysfs.
        name: what the diff calls the field.
        value: what the tool setpci takes to do the same.
        before: what the field says now, as the diff shows it.
        after: what it says afterwards.
        write: writes it, and raises an error that explains itself.
    """

    device: str
    path: str
    name: str
    value: str
    before: str
    after: str
    write: t.Callable[[Host], None]

    @property
    def shown_after(self) -> str:
        """What the diff says that the field reads afterwards."""
        return self.after

    def __str__(self) -> str:
        return f"{self.device} {self.name}={self.after}"

    def apply(self, host: Host) -> None:
        """Write the field."""
        self.write(host)


@dataclass(frozen=True)
class Command:
    """A command of the host that makes a change take effect.

    Args:
        hint: the remedy where it fails.
        known: whether an earlier run on the same tree has told of it, so that it is no change now.
        lasting: whether what it has done stays when it fails, or something after it does.
        told: whether a failure after it tells that it was run.
        label: what a failure after it calls it, where its arguments do not say enough.
        stdin: what it reads.
        until: what its effect is seen by, where the command ends before that.
        patience: how many seconds to look for it.
        unseen: what to tell when it was not seen by then.
        log: where its output is added as it comes, for one that takes long.
        folder: where it runs, with a log.
        logs: what else it may write about itself: the new lines there are told where it fails.
        written: the files and folders that it writes, for the disk to keep before it counts as
            done. Tools such as grub-mkconfig leave that to the kernel, which takes half a minute.
    """

    arguments: tuple[str, ...]
    seconds: float = 60.0
    hint: str = ""
    known: bool = False
    lasting: bool = False
    told: bool = False
    label: str = ""
    stdin: str = ""
    until: t.Callable[[Host], bool] | None = None
    patience: float = 30.0
    unseen: str = ""
    log: str = ""
    folder: str = "/"
    logs: tuple[str, ...] = ()
    written: tuple[str, ...] = ()

    def apply(self, host: Host) -> None:
        """Run it, and wait for its effect; a status other than zero is an error."""
        sizes = {path: len(host.read_bytes(path) or b"") for path in self.logs}
        try:
            self._run(host)
        except HostError as error:
            told = "".join(
                f"\nThe end of {path}:\n{last_lines(content)}"
                for path, size in sizes.items()
                if (content := added(host.read_bytes(path) or b"", size))
            )
            if not self.hint and not told:
                raise
            # After lines of a log a remedy stands on its own.
            between = "\n" if self.log else "; "
            hint = f"{between}{self.hint}" if self.hint else ""
            raise type(error)(f"{error}{told}{hint}", error.number) from error
        deadline = time.monotonic() + self.patience
        while self.until and not self.until(host):
            if time.monotonic() > deadline:
                raise NotTakenError(self.unseen)
            time.sleep(_LOOK_SECONDS)
        for path in self.written:
            host.flush(path)

    def _run(self, host: Host) -> None:
        if self.log:
            self._run_logged(host)
        elif self.stdin:
            host.feed(self.arguments, self.stdin, seconds=self.seconds)
        else:
            host.run(self.arguments, seconds=self.seconds)

    def _run_logged(self, host: Host) -> None:
        try:
            host.run_logged(self.arguments, self.log, folder=self.folder, seconds=self.seconds)
        except HostError as error:
            # The log itself may be what cannot be written.
            raise _with_hint(error) from error


def added(content: bytes, size: int) -> bytes:
    """Return what was added to a log since it had a size; all of one that was begun anew."""
    return content[size:] if len(content) >= size else content


def copy_of(path: str, content: bytes | None, modified: float | None) -> FileChange:
    """Return the copy of a file that changes, named by the time of its last change."""
    stamp = time.strftime("%Y-%m-%d@%H:%M:%S", time.gmtime(modified or 0))
    return FileChange(f"{path}.{stamp}~", None, content, mode=0o600, shown=False)


@dataclass(frozen=True)
class Effect:
    """What the commands of a plan do to something that is no file: shown in the diff alone."""

    what: str
    before: str
    after: str

    def apply(self, host: Host) -> None:
        """Do nothing: the commands do it."""


@dataclass(frozen=True)
class Marker:
    """An empty file below C(/run) that tells others what is going on; it goes when a plan fails."""

    path: str
    standing: bool

    def apply(self, host: Host) -> None:
        """Make the file, or remove it."""
        _put(host, self.path, b"" if self.standing else None, 0o644)

    def revert(self, host: Host) -> None:
        """Remove the file: nothing is going on any more."""
        _put(host, self.path, None, 0o644)


@dataclass(frozen=True)
class Foretold:
    """What a command of the plan makes of a file: shown in the diff, and left to the command."""

    path: str
    before: bytes | None
    after: bytes | None

    def apply(self, host: Host) -> None:
        """Do nothing: the command does it."""

    def revert(self, host: Host) -> None:
        """Put back what was there before, where the command got that far."""
        if host.read_bytes(self.path) != self.before:
            _put(host, self.path, self.before, 0o644)


@dataclass(frozen=True)
class Check:
    """A look at the machine half way, before what cannot be undone: no change, and shown nowhere.

    Args:
        look: raises an error where the plan is not to go on.
    """

    look: t.Callable[[Host], None]

    def apply(self, host: Host) -> None:
        """Look."""
        self.look(host)


Change = t.Union[
    FileChange,
    PermissionsChange,
    LinkChange,
    AttributeWrite,
    ConfigWrite,
    Command,
    Effect,
    Marker,
    Foretold,
    Check,
]
_Revertible = t.Union[FileChange, PermissionsChange, LinkChange, Marker, Foretold]
# What is written to devices: told when a plan fails, and never undone.
_DEVICE_WRITES = (AttributeWrite, ConfigWrite)
# What is done to files: done to a tree that does not run, too.
_FILE_CHANGES = (FileChange, PermissionsChange, LinkChange)


@dataclass(frozen=True)
class Plan:
    """Changes in the order in which they are made; empty when nothing is to do.

    Args:
        closing: records that change only once the kernel is seen to have taken all of it.
    """

    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    closing: tuple[FileChange, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything is to change; records alone do not count."""
        return any(map(_counts, self.changes))

    def and_then(self, other: Plan) -> Plan:
        """Return this plan followed by another."""
        return replace(
            self,
            changes=self.changes + other.changes,
            warnings=self.warnings + other.warnings,
            closing=self.closing + other.closing,
        )

    def diff(self) -> list[dict[str, str]]:
        """Return Ansible's diff: one entry for the devices, then one for each file."""
        before, after = self._device_lines()
        entries = []
        if before != after:
            entries.append(
                {
                    "before_header": "devices",
                    "after_header": "devices",
                    "before": "".join(before),
                    "after": "".join(after),
                },
            )
        entries.extend(
            {
                "before_header": change.path if change.before is not None else "(no file)",
                "after_header": change.path if change.after is not None else "(no file)",
                "before": _told(change, change.before),
                "after": _told(change, change.after),
            }
            for change in self.changes
            if isinstance(change, (Foretold, LinkChange))
            or (isinstance(change, FileChange) and change.shown)
        )
        entries.extend(
            {
                "before_header": change.path,
                "after_header": change.path,
                "before": f"{change.before}\n",
                "after": f"{change.after}\n",
            }
            for change in self.changes
            if isinstance(change, PermissionsChange)
        )
        entries.extend(
            {
                "before_header": change.what,
                "after_header": change.what,
                "before": change.before,
                "after": change.after,
            }
            for change in self.changes
            if isinstance(change, Effect)
        )
        return entries

    def _device_lines(self) -> tuple[list[str], list[str]]:
        """Fold the writes to one attribute into its first and its last value."""
        values: dict[tuple[str, str], tuple[str, str]] = {}
        for change in self.changes:
            if isinstance(change, _DEVICE_WRITES):
                key = (change.device, change.name)
                first = values[key][0] if key in values else change.before or ""
                values[key] = (first, change.shown_after)
        keys = sorted(key for key, (first, last) in values.items() if first != last)
        return (
            [f"{device} {name}: {values[device, name][0]}\n" for device, name in keys],
            [f"{device} {name}: {values[device, name][1]}\n" for device, name in keys],
        )

    def pending_writes(self) -> list[dict[str, str]]:
        """Return the device writes that a tree other than C(/) leaves undone."""
        return [
            {"path": change.path, "value": change.value}
            for change in self.changes
            if isinstance(change, _DEVICE_WRITES)
        ]

    def pending_commands(self) -> list[list[str]]:
        """Return the commands that a tree other than C(/) leaves undone."""
        return [list(change.arguments) for change in self.changes if isinstance(change, Command)]

    def apply(self, host: Host) -> None:
        """Make the changes in order; on a failure files go back, devices are told as they are."""
        made: list[Change] = []
        for change in self.changes:
            if not host.live and not isinstance(change, _FILE_CHANGES):
                continue
            try:
                change.apply(host)
            except HwaccelError as error:
                raise type(error)(*_after_failure(host, error, made, change)) from error
            made.append(change)

    def close(self, host: Host) -> None:
        """Change the records that wait for the end."""
        for change in self.closing:
            try:
                change.apply(host)
            except HostError as error:
                told = f"{error}. All else is done; run again to have that recorded"
                raise type(error)(told, error.number) from error


def _after_failure(
    host: Host,
    error: HwaccelError,
    made: list[Change],
    failed: Change,
) -> tuple[t.Any, ...]:
    """Undo the files of a plan that failed half way and say what remains on the devices."""
    writes = [change for change in made if isinstance(change, _DEVICE_WRITES)]
    told = [str(error)]
    touched = bool(writes)
    touched = touched or any(
        isinstance(change, Command) and change.lasting for change in (*made, failed)
    )
    if isinstance(failed, ConfigWrite):
        touched = touched or isinstance(error, BlockedError)
    elif isinstance(failed, AttributeWrite):
        # A write that blocks may still take effect, and what stands in for one has several steps.
        touched = touched or isinstance(error, BlockedError) or bool(failed.instead)
        # Nothing is rescued of a device that does not answer.
        rescued = () if isinstance(error, BlockedError) else failed.rescue
        again = {(write.device, write.name) for write in rescued}
        writes = [write for write in writes if (write.device, write.name) not in again]
    # A record of what was found is still needed once a device was changed.
    undone = [
        change
        for change in reversed(made)
        if isinstance(change, (Marker, Foretold, LinkChange, PermissionsChange))
        or (isinstance(change, FileChange) and (change.shown or not touched))
    ]
    told += [f"This could not be undone: {second}" for second in _undo(host, undone)]
    if writes:
        told.append(f"Already done and left as it is: {', '.join(map(str, writes))}")
    commands = [each for each in made if isinstance(each, Command) and each.told]
    ran = [each.label or " ".join(each.arguments) for each in commands]
    if ran:
        told.append(f"Already run: {', '.join(ran)}")
    message = ". ".join(told)
    return (message, error.number) if isinstance(error, HostError) else (message,)


def _undo(host: Host, changes: Sequence[_Revertible]) -> list[HwaccelError]:
    """Undo changes of files, and return why some could not be.

    On a full file system one that is put back may need the room of another that goes: what fails
    is tried once more at the end.
    """
    failed: list[_Revertible] = []
    for change in changes:
        try:
            change.revert(host)
        except HwaccelError:
            failed.append(change)
    errors: list[HwaccelError] = []
    for change in failed:
        try:
            change.revert(host)
        except HwaccelError as error:
            errors.append(error)
    return errors


def _counts(change: Change) -> bool:
    if isinstance(change, FileChange):
        return change.shown
    no_change = isinstance(change, (Effect, Foretold, Check))
    return not (no_change or (isinstance(change, Command) and change.known))


def _put(host: Host, path: str, content: bytes | None, mode: int) -> None:
    if content is None:
        host.remove_file(path)
    else:
        host.write_file(path, content, mode)


def _with_hint(error: HostError) -> HostError:
    hint = _FILE_HINTS.get(error.number)
    return error if hint is None else type(error)(f"{error}; {hint}", error.number)


def _told(change: Change, content: bytes | str | None) -> str:
    """Return what a diff shows of a file's content, or of where a link leads."""
    if isinstance(change, FileChange) and change.secret and content is not None:
        return "(the content is secret)\n"
    if isinstance(content, bytes):
        return content.decode("utf-8", "backslashreplace")
    return "" if content is None else f"{content}\n"
