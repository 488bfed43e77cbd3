# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is built and installed, in which order, and what is refused.

The order is that of Intel's Getting Started Guide for the out-of-tree package: an earlier
installation is taken away first, C(configure), C(make), C(make install), which starts qat_service
by itself. C(make install) is not run with C(-j): it was seen to fail and to take a host down
(intel/QAT_Engine issue 249).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._errors import InputError, RefusedError
from .._pci.lockdown import UNLOCK
from .._plan import Check, Command, Effect, FileChange, Plan
from .kernel_modules import (
    BLACKLIST_PATH,
    find_built,
    read_installed,
    render_blacklist,
)
from .record import (
    INSTALLED,
    PENDING,
    RECORD_PATH,
    REMOVAL_PENDING,
    UNFINISHED,
    Entry,
    render_entry,
)
from .state import LOG_PATH, read_held

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._host import Host
    from .._plan import Change
    from .kernel_modules import LoadedModule
    from .state import Source, State
    from .wanted import Wanted

WHAT: t.Final = "QAT package"
_UNLOAD_SECONDS = 120.0
_DEPMOD_SECONDS = 600.0
_SYNC_SECONDS = 600.0
# Where the package puts its files, each of which may be a file system of its own.
_INSTALLED_BELOW = ("/etc", "/lib/modules", "/usr", "/usr/local")


@dataclass(frozen=True)
class SignModules(Command):
    """The kernel's own program signs every module that was built; its output is not of interest.

    It is run before the installation, which loads modules.
    """

    source: str = ""

    def apply(self, host: Host) -> None:
        """Sign them one by one."""
        for path in find_built(host, self.source):
            signed = (*self.arguments[:-1], path)
            Command(signed, seconds=self.seconds, hint=self.hint).apply(host)


@dataclass(frozen=True)
class KeptFile(FileChange):
    """A file that stays when an installation fails half way.

    With a part of the package installed the kernel's own drivers are best not loaded.
    """

    def revert(self, host: Host) -> None:
        """Leave it there."""


@dataclass(frozen=True)
class InstalledRecord(FileChange):
    """The record of an installation, with the modules that it has brought.

    Args:
        entry: all of it but the modules.
        known: the modules that were there before, with the time of their change.
    """

    entry: Entry | None = None
    known: tuple[tuple[str, float], ...] = ()

    def apply(self, host: Host) -> None:
        """Look for the modules, and record them."""
        if self.entry is not None:
            there = read_installed(host, self.entry.kernel)
            brought = brought_modules(dict(self.known), there)
            content = render_entry(replace(self.entry, modules=brought))
            FileChange(self.path, self.before, content, self.mode).apply(host)


def brought_modules(before: dict[str, float], after: dict[str, float]) -> tuple[str, ...]:
    """Return the modules that an installation has made or written anew."""
    return tuple(sorted(path for path, changed in after.items() if before.get(path) != changed))


def wanted_entry(wanted: Wanted, state: State, name: str) -> Entry:
    """Return what is recorded once the task is done, the modules left out."""
    source = state.source
    return Entry(
        state=name,
        version=(source.version if source else None) or "",
        checksum=wanted.checksum,
        sriov=wanted.sriov,
        configure_options=wanted.configure_options,
        kernel=state.release,
        source=wanted.source,
    )


def is_current(wanted: Wanted, state: State) -> bool:
    """Tell whether what the record has is what is wanted, and still there."""
    entry = state.record.entry
    if entry is None or entry.state != INSTALLED:
        return False
    there = all(path in state.modules for path in entry.modules)
    return there and _agrees(wanted, state, entry)


def _agrees(wanted: Wanted, state: State, entry: Entry) -> bool:
    target = wanted_entry(wanted, state, entry.state)
    if wanted.checksum is None:
        target = replace(target, checksum=entry.checksum)
    # Where the archive lies makes no other package.
    return target == replace(entry, source=wanted.source, modules=())


def in_the_way(state: State) -> tuple[LoadedModule, ...]:
    """Return modules of the kernel's own tree that cannot be unloaded now."""
    return tuple(module for module in state.in_tree if module.is_used)


def builds(wanted: Wanted, state: State) -> bool:
    """Tell whether the package is built and installed now."""
    return wanted.present and not is_current(wanted, state) and not in_the_way(state)


def plan_present(wanted: Wanted, state: State) -> Plan:
    """Plan the installation.

    Raises:
        InputError: when there is no such archive or key.
        RefusedError: when it would harm, or could not work.
    """
    source = _check_source(wanted, state)
    if is_current(wanted, state):
        return Plan(tuple(_blacklist(state)), warnings=_warnings(wanted, state))
    _check_signing(wanted, state)
    _check_built_in(state)
    if in_the_way(state):
        return Plan(tuple(_blacklist(state)), warnings=_warnings(wanted, state))
    _check_held(state)
    if not state.live:
        return _plan_tree(wanted, state, source)
    done = wanted_entry(wanted, state, INSTALLED)
    return Plan(
        (
            *_build(wanted, state, source),
            Check(_check_held_meanwhile),
            *state.record.change(replace(done, state=UNFINISHED)),
            *_blacklist(state),
            *_unload(state),
            *_uninstall_older(wanted, state),
            *_install(wanted, source),
            _effect(state, done),
        ),
        warnings=_warnings(wanted, state),
        closing=(
            InstalledRecord(
                path=RECORD_PATH,
                before=None,
                after=None,
                mode=0o600,
                shown=False,
                entry=done,
                known=tuple(state.modules.items()),
            ),
        ),
    )


def _plan_tree(wanted: Wanted, state: State, source: Source) -> Plan:
    """Plan for a tree, whose commands are left to somebody: told once, they are no change."""
    entry = state.record.entry
    known = entry is not None and entry.state == PENDING and _agrees(wanted, state, entry)
    pending = wanted_entry(wanted, state, PENDING)
    commands = (*_build(wanted, state, source), *_install(wanted, source))
    effect = () if known else (_effect(state, pending),)
    return Plan(
        (
            *(() if known else state.record.change(pending)),
            *_blacklist(state),
            *(replace(command, known=known) for command in commands),
            *effect,
        ),
        warnings=_warnings(wanted, state),
    )


def plan_absent(state: State) -> Plan:
    """Plan the removal of what the record has.

    Raises:
        RefusedError: when a guest uses it, or its sources are gone.
    """
    allowed = tuple(_blacklist(state, present=False))
    entry, source = state.record.entry, state.installed_source
    if entry is None or source is None:
        left = (
            f"{RECORD_PATH} is not there: nothing is uninstalled, and only {BLACKLIST_PATH} is "
            "removed"
        )
        return Plan(allowed, warnings=(left,) if allowed else ())
    if entry.state == PENDING:
        return Plan((*state.record.change(None), *allowed, _effect(state, None)))
    known = entry.state == REMOVAL_PENDING
    if not source.configured:
        raise RefusedError(
            f"{source.path}: no Makefile there any more, and the package is uninstalled with that "
            f"of its sources: unpack {entry.version} there and run configure, or, where it is "
            f"gone otherwise, remove {RECORD_PATH}"
        )
    _check_held(state)
    steps = (_uninstall(source), *_settle())
    commands = tuple(replace(command, known=known) for command in steps)
    if state.live:
        unfinished = state.record.change(replace(entry, state=UNFINISHED))
        changes = (*unfinished, *commands, *allowed, _effect(state, None))
        return Plan(changes, closing=_forgotten(state, entry))
    pending = state.record.change(replace(entry, state=REMOVAL_PENDING))
    effect = () if known else (_effect(state, None),)
    return Plan((*pending, *allowed, *commands, *effect))


def _forgotten(state: State, entry: Entry) -> tuple[FileChange, ...]:
    unfinished = render_entry(replace(entry, state=UNFINISHED))
    return replace(state.record, content=unfinished).change(None)


# -- refusals --------------------------------------------------------------------------------


def _check_source(wanted: Wanted, state: State) -> Source:
    source = state.source
    if source is None or not source.configurable:
        raise InputError(
            "source",
            wanted.source,
            "the folder of the unpacked archive, with configure in it (it unpacks without a folder "
            "of its own)",
        )
    if source.version is None:
        raise InputError(
            "source",
            wanted.source,
            "an archive whose versionfile tells PACKAGE_VERSION_MAJOR_NUMBER and its like",
        )
    return source


def _check_signing(wanted: Wanted, state: State) -> None:
    if wanted.signing_key:
        if state.signing.missing:
            raise RefusedError(
                f"{', '.join(state.signing.missing)}: not there, which the modules are to be "
                "signed with; sign-file comes with the headers of the running kernel. Nothing was "
                "built"
            )
    elif state.needs_signatures:
        why = "Secure Boot is on" if state.kernel.secure_boot else "it is locked down or told so"
        raise RefusedError(
            f"the kernel loads none but signed modules ({why}), and the package's are not signed: "
            "give signing_key and signing_certificate, whose certificate is enrolled (mokutil "
            f"--import), or {UNLOCK}. Nothing was built"
        )


def _check_built_in(state: State) -> None:
    built_in = [module.name for module in state.in_tree if module.built_in]
    if built_in:
        raise RefusedError(
            f"{', '.join(built_in)}: a part of the running kernel itself, beside which the package "
            "cannot work: boot a kernel that has it as a module"
        )


def _check_held(state: State) -> None:
    if state.held:
        raise RefusedError(f"{_in_use(state.held)}. Nothing was changed")


def _check_held_meanwhile(host: Host) -> None:
    """Look again after a build, which takes long enough for guests to start."""
    held = read_held(host)
    if held:
        raise RefusedError(
            f"{_in_use(held)}. It is built, but nothing was installed or unloaded; the next run "
            "builds it again"
        )


def _in_use(held: Sequence[str]) -> str:
    return (
        "VFs of the driver that would be exchanged are in use: "
        f"{'; '.join(held)}. Stop those guests first, and run again"
    )


# -- steps -----------------------------------------------------------------------------------


def _blacklist(state: State, *, present: bool = True) -> Iterator[FileChange]:
    content = render_blacklist() if present else None
    if state.blacklist != content:
        kind = KeptFile if present else FileChange
        yield kind(BLACKLIST_PATH, state.blacklist, content)


def _long(wanted: Wanted, source: Source, *arguments: str, hint: str = "") -> Command:
    return Command(
        arguments,
        seconds=wanted.seconds,
        hint=hint,
        log=LOG_PATH,
        folder=source.path,
        logs=(wanted.installer_log,) if wanted.installer_log else (),
    )


def _build(wanted: Wanted, state: State, source: Source) -> Iterator[Command]:
    """Yield what changes nothing outside of the source folder."""
    hint = ""
    if not state.headers:
        hint = f"The headers of the running kernel {state.release} are not installed."
    yield _long(wanted, source, "./configure", *wanted.configure_arguments, hint=hint)
    if source.configured:
        # What was built there before may be for another kernel.
        yield _long(wanted, source, "make", "clean")
    yield _long(wanted, source, "make", f"--jobs={wanted.jobs or state.processors}")
    if wanted.signing_key:
        yield SignModules(
            arguments=(
                state.signing.program,
                "sha256",
                wanted.signing_key,
                wanted.signing_certificate,
                f"{source.path}/**/*.ko",
            ),
            source=source.path,
            hint="see whether key and certificate belong together, and whether it has a passphrase",
        )


def _unload(state: State) -> Iterator[Command]:
    for module in state.in_tree:
        yield Command(
            ("modprobe", "--remove", module.name),
            seconds=_UNLOAD_SECONDS,
            hint="something of the kernel uses it: boot again, and run again after that",
            lasting=True,
            told=True,
        )


def _uninstall_older(wanted: Wanted, state: State) -> Iterator[Command]:
    """Yield the removal of an installation from other sources, as far as these are there."""
    older = state.installed_source
    if older is not None and older.path != wanted.source and older.configured:
        hint = f"where it was uninstalled otherwise, remove {older.path}"
        yield _uninstall(older, seconds=wanted.seconds, hint=hint)


def _uninstall(source: Source, *, seconds: float = 600.0, hint: str = "") -> Command:
    return Command(
        ("make", "uninstall"),
        seconds=seconds,
        hint=hint,
        lasting=True,
        told=True,
        log=LOG_PATH,
        folder=source.path,
    )


def _install(wanted: Wanted, source: Source) -> Iterator[Command]:
    yield replace(_long(wanted, source, "make", "install"), lasting=True, told=True)
    yield from _settle()


def _settle() -> Iterator[Command]:
    """Yield what has the kernel find modules, and the disk keep what make has written.

    The record says that a package is installed as soon as that is done. Without the second the
    kernel would take half a minute to write, and a loss of power would leave empty files.
    """
    yield Command(("depmod", "-a"), seconds=_DEPMOD_SECONDS, lasting=True)
    yield Command(
        ("sync", "--file-system", *_INSTALLED_BELOW),
        seconds=_SYNC_SECONDS,
        hint="see the kernel's log for errors of the disk",
        lasting=True,
    )


def _effect(state: State, after: Entry | None) -> Change:
    return Effect(WHAT, _told(state.record.entry), _told(after))


def _told(entry: Entry | None) -> str:
    """Return what a diff shows of an installation."""
    if entry is None:
        return ""
    lines = {
        "state": entry.state,
        "version": entry.version,
        "checksum": entry.checksum or "not told",
        "sriov": entry.sriov,
        "configure options": " ".join(entry.configure_options),
        "kernel": entry.kernel,
        "source": entry.source,
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items())


def _warnings(wanted: Wanted, state: State) -> tuple[str, ...]:
    told = []
    blocking = in_the_way(state)
    if blocking and not is_current(wanted, state):
        told.append(
            f"{', '.join(module.name for module in blocking)}, of the kernel's own tree, is loaded "
            "and in use. It is kept from being loaded at the next boot, and nothing is built or "
            "installed before that: with both at once the host can crash. Boot again, and run "
            "again after that"
        )
    elif is_current(wanted, state) and state.in_tree:
        told.append(
            f"{', '.join(module.name for module in state.in_tree)}, of the kernel's own tree, is "
            "loaded beside the package: boot again"
        )
    if state.newer_kernel is not None:
        told.append(
            f"kernel {state.newer_kernel} is installed and newer than {state.release}, which "
            "runs: it has no modules of the package. After a boot with it, run this again"
        )
    return tuple(told)
