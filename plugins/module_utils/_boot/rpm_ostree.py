# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ostree: each deployment has its own command line, which C(rpm-ostree kargs) changes.

That makes a new deployment of the default one; the earlier ones stay as they are, to go back to,
so that the default one alone is looked at. Images that bootc builds have files instead.
"""

from __future__ import annotations

import typing as t
from collections import Counter

from .._errors import HostError, RefusedError
from .._plan import Command
from .bootc import FOLDER, carried, observe_image
from .cmdline import CommandLine, running
from .entries import ENTRIES, newest, read_entries
from .loader import Entry, Loader

if t.TYPE_CHECKING:
    from .._host import Host
    from .cmdline import Argument
    from .entries import BlsEntry
    from .linefile import Delta

_NAME = "rpm-ostree"
_BOOTED = "/run/ostree-booted"
_DEPLOYMENTS = "/ostree/deploy"
_TOOL = "/usr/bin/rpm-ostree"
_BOOTC = ("/usr/bin/bootc", "/usr/lib/bootc")
_DEFAULT = "default deployment"
# A new deployment is checked out, and its initramfs may be made anew.
_SECONDS = 1800.0
_HINT = (
    "where another transaction is in progress, wait for it to end (rpm-ostree status), or end it "
    "(rpm-ostree cancel), and run again"
)


def observe(host: Host, *, reason: str) -> Loader:
    """Read the command line of the default deployment, or an image's files.

    Raises:
        RefusedError: on a system without C(rpm-ostree), with what to do by hand.
        HostError: when C(rpm-ostree) does not answer.
    """
    if not any(map(host.exists, (_BOOTED, _DEPLOYMENTS))) and not _deployments(host):
        if any(map(host.exists, _BOOTC)):
            return observe_image(host, name=_NAME, reason=reason)
        raise RefusedError(
            f"no deployment of ostree ({_BOOTED}, {_DEPLOYMENTS}, {ENTRIES}/ostree-*.conf) and no "
            f"image of bootc ({', '.join(_BOOTC)}) is there: name another boot loader in the "
            "option bootloader"
        )
    entry = _running(host) if host.live else _standing(host)

    def kargs(delta: Delta) -> tuple[Command, ...]:
        arguments = _arguments(entry.line, delta)
        command = ("rpm-ostree", "kargs", *arguments)
        return (Command(command, seconds=_SECONDS, hint=_HINT, lasting=True),) if arguments else ()

    return Loader(_NAME, reason, (entry,), tool=kargs)


def _running(host: Host) -> Entry:
    """Ask for the default deployment: its entry is written when the host goes down."""
    if not host.exists(_TOOL):
        raise RefusedError(
            f"ostree started this system, and {_TOOL} is not there. By hand: put kargs = […] "
            f"into a file of {FOLDER} where the image is built, and get it with bootc upgrade; or, "
            "on this host alone, run bootc loader-entries set-options-for-source --source hwaccel "
            f'--options "…" where bootc has it, else add to the options in {ENTRIES}, which '
            "bootc keeps"
        )
    try:
        told = host.run([_TOOL.rpartition("/")[2], "kargs"], seconds=120.0)
    except HostError as error:
        raise type(error)(f"{error}; {_HINT}", error.number) from error
    lines = told.strip().splitlines()
    return Entry(_DEFAULT, None, CommandLine.parse(lines[-1] if lines else ""))


def _standing(host: Host) -> Entry:
    """Return the entry of the default deployment, which has the highest version."""
    entry = newest(_deployments(host))
    if entry is not None:
        return entry.entry
    # The tree of one deployment has no entries; its boot may have been recorded.
    return Entry(_DEFAULT, None, running(host))


def _deployments(host: Host) -> list[BlsEntry]:
    return [each for each in read_entries(host, ENTRIES, None) if each.id.startswith("ostree-")]


def _arguments(line: CommandLine, delta: Delta) -> list[str]:
    """Return the options that make a change.

    C(--append-if-missing) of the releases 2023.5 to 2023.12 adds nothing where any value of the
    same name stands (coreos/rpm-ostree#4718), and every release does C(--append) first.
    """
    names = Counter(_name(argument) for argument in (*line.arguments, *delta.added))
    options = []
    for argument in map(carried, delta.added):
        alone = names[_name(argument)] == 1
        options.append(f"--append{'-if-missing' if alone else ''}={argument}")
    return [*options, *(f"--delete-if-present={carried(argument)}" for argument in delta.removed)]


def _name(argument: Argument) -> str:
    """Return the name as ostree compares it: by its bytes."""
    return argument.text.partition("=")[0]
