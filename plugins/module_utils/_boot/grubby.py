# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Red Hat's boot entries, edited by grubby.

With C(--update-kernel=ALL), grubby (8.40, a shell script since the entries are files) edits every
entry, C(kernelopts) in grubenv, C(GRUB_CMDLINE_LINUX) in C(/etc/default/grub), and, by release,
C(/etc/kernel/cmdline). It splits at blanks, takes every argument out that has the name of one to
add, appends behind C(--) too, and keeps one line only of the last two files. So it is run for
what it does well, and what it would do to the rest is worked out here and put right behind it.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from .._errors import RefusedError
from .._plan import Change, Command, FileChange, Foretold
from .bls import BlsLoader, read_bls, run_zipl
from .cmdline import Argument, CommandLine
from .entries import ENTRIES, BlsEntry
from .grubenv import KERNELOPTS
from .kernel_cmdline import KERNEL_CMDLINE, KernelCmdline
from .linefile import taken_back
from .loader import no_tool

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._host import Host
    from .bls import Bls
    from .linefile import Delta, LineFile
    from .loader import Loader, Steps
    from .record import BootRecord
    from .wanted import Wanted

# What is added, and what is taken out.
_Passed = tuple[tuple[Argument, ...], tuple[Argument, ...]]
_SECONDS = 300.0
_SEEN = re.compile(r"^options[ \t](.*)$", re.MULTILINE)
# Neither split at blanks nor taken for a pattern.
_PLAIN = re.compile(r"[\w.,:/@%=~-]+", re.ASCII)
# echo without quotes expands the first three, sed the others.
_NOT_KEPT = re.compile(r"[*?\[&\\\r]")


def observe(host: Host, *, reason: str) -> Loader:
    """Read the entries and what new kernels inherit.

    Raises:
        RefusedError: when there are no entries: grubby would edit grub.cfg itself then.
    """
    found = read_bls(host)
    if not found.entries:
        message = (
            f"{ENTRIES} has no entries, and grubby without them edits a boot loader's generated "
            "file (RHEL 7), which the next grub2-mkconfig undoes; nothing was changed. Use option "
            "bootloader: grub"
        )
        raise RefusedError(message)
    return GrubbyLoader(
        "grubby",
        reason,
        tuple(entry.entry for entry in found.entries),
        files=found.inherited,
        tool_files=(*found.grubenv, *found.entries),
        tool=_with_zipl if found.zipl else _update,
        live=host.live,
        others=tuple(_others(found)),
    )


def _others(found: Bls) -> Iterator[LineFile]:
    """Yield what grubby writes although no kernel gets anything from it."""
    if found.block.lines() and not found.grubenv:
        yield found.block
    if not any(isinstance(file, KernelCmdline) for file in found.inherited):
        # It makes one of any entry; new ones of RHEL 8 take $kernelopts again.
        yield KernelCmdline(KERNEL_CMDLINE, None)


@dataclass(frozen=True)
class GrubbyLoader(BlsLoader):
    """Red Hat's boot entries.

    Args:
        live: whether grubby is run at all, rather than named as what is left to do.
        others: files that grubby writes and that are left as they were.
    """

    live: bool = True
    others: tuple[LineFile, ...] = ()

    def present(self, wanted: Wanted, record: BootRecord | None) -> Steps:
        """Decide what grubby is to do, and what is to be written behind it."""
        steps = super().present(wanted, record)
        passed = _passed(self._delta(wanted))
        runs = any(map(_is_grubby, steps.changes))
        files = [(file, file.settled(wanted)) for file in self.tool_files]
        due = [(file, made) for file, made in files if runs or made != file.content]
        harmed = [file.path for file, made in due if not _well_done(file, made, passed)]
        if not self.live:
            return self._by_hand(wanted, record) if harmed else self._behind(steps, {})
        # What comes out to the byte is taken back to the byte.
        inexact = {
            file.path: made
            for file, made in due
            if _texts(replace(file, content=made)) != _done(file, passed)
        }
        return self._behind(steps, inexact)

    def _by_hand(self, wanted: Wanted, record: BootRecord | None) -> Steps:
        """Decide what to write where grubby is left to be run and would do harm."""
        files = (*self.tool_files, *self.files)
        tool = run_zipl if self.tool is _with_zipl else no_tool
        plain = BlsLoader(self.name, self.reason, self.entries, files=files, tool=tool)
        return plain.present(wanted, record)

    def absent(self, record: BootRecord) -> Steps:
        """Decide what grubby is to take back, and what is to be written behind it."""
        # It takes an operator's own argument out of one entry with ours out of the other.
        found = {
            file.path: taken_back(file, record.files.get(file.path), record.delta)
            for file in self.tool_files
        }
        return self._behind(super().absent(record), found)

    def _behind(self, steps: Steps, made: dict[str, bytes | None]) -> Steps:
        """Return the steps with grubby first, then every file that it does not leave right."""
        grubby = [change for change in steps.changes if _is_grubby(change)]
        files = {change.path: change for change in steps.changes if isinstance(change, FileChange)}
        for file in (*self.files, *self.tool_files, *self.others):
            content = made.get(file.path, file.content)
            told = file.path in made or file not in self.tool_files
            if content != file.content or (self.live and grubby and told):
                again = FileChange(file.path, file.content, content, shown=content != file.content)
                files.setdefault(file.path, again)
        rest: list[Change] = [
            change
            for change in steps.changes
            if not isinstance(change, FileChange)
            and not _is_grubby(change)
            and not (isinstance(change, Foretold) and change.path in made)
        ]
        zipl = [change for change in rest if isinstance(change, Command)]
        foretold = [change for change in rest if isinstance(change, Foretold)]
        return replace(steps, changes=(*foretold, *grubby, *files.values(), *zipl))


def _well_done(file: LineFile, made: bytes | None, passed: _Passed) -> bool:
    """Tell whether grubby makes of a file what is wanted; saying it twice is saying it."""
    expected = _texts(replace(file, content=made))
    return list(map(_said, expected)) == list(map(_said, _done(file, passed)))


def _texts(file: LineFile) -> list[str | None]:
    return [str(line) for line in file.lines()]


def _done(file: LineFile, passed: _Passed) -> list[str | None]:
    """Return what grubby makes of the lines of a file; None where that is none of them."""
    if not isinstance(file, BlsEntry):
        return [_updated(str(line), *passed) for line in file.lines()]
    seen = _SEEN.findall(file.text)
    if len(seen) != 1:
        # All are replaced by all of them joined, or there is none to be replaced.
        return [None]
    if KERNELOPTS in file.variables:
        return [str(file.lines()[0])]
    return [_updated(seen[0], *passed)]


def _update(delta: Delta) -> tuple[Command, ...]:
    added, removed = _passed(delta)
    arguments = []
    if removed:
        arguments.append(f"--remove-args={' '.join(map(str, removed))}")
    if added:
        arguments.append(f"--args={' '.join(map(str, added))}")
    if not arguments:
        return ()
    hint = "run it by hand to see more"
    return (Command(("grubby", "--update-kernel=ALL", *arguments), seconds=_SECONDS, hint=hint),)


def _with_zipl(delta: Delta) -> tuple[Command, ...]:
    return (*_update(delta), *run_zipl(delta))


def _is_grubby(change: Change) -> bool:
    return isinstance(change, Command) and change.arguments[0] == "grubby"


def _passed(delta: Delta) -> _Passed:
    """Return what grubby can be given."""
    added = tuple(argument for argument in delta.added if _PLAIN.fullmatch(argument.text))
    # --remove-args=x would take x=1 out too.
    removed = tuple(
        argument
        for argument in delta.removed
        if _PLAIN.fullmatch(argument.text) and "=" in argument.text
    )
    return added, removed


def _updated(
    options: str,
    added: Sequence[Argument],
    removed: Sequence[Argument],
) -> str | None:
    """Return what C(update_args) of grubby makes of options."""
    text = " ".join(options.split())
    if _NOT_KEPT.search(text):
        return None
    for argument in removed:
        text = re.sub(rf"(^|\s){argument}(\s|$)", " ", text, count=1)
    for argument in added:
        name = argument.text.partition("=")[0]
        text = re.sub(rf"(^|\s){name}((\s|$)|=[^ ]*)", " ", text)
    return " ".join([*text.split(), *map(str, added)])


def _said(text: str | None) -> set[str] | None:
    if text is None:
        return None
    return {argument.text for argument in CommandLine.parse(text).arguments}
