# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file of our own in C(/etc/default/grub.d), after all that would override it.

The files there are read in byte order after C(/etc/default/grub), so that no file of others is
ever edited. Ours appends to C(GRUB_CMDLINE_LINUX), which recovery entries have too.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass, field, replace

from .._errors import HwaccelError
from .._plan import FileChange
from .._shell.evaluate import Dialect, Evaluation, Value, evaluate
from .cmdline import Argument, CommandLine
from .grub_default import GRUB_DEFAULT, LINUX, LINUX_DEFAULT, lines_of, quoted, unknown_value
from .linefile import MARK, Delta
from .loader import Loader, Overriding, Steps
from .record import BootRecord, to_go_on_from

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._host import Host
    from .._shell.evaluate import Assignment
    from .wanted import Wanted

_HEADER = f"""{MARK}
# Read after all that would override it. The module removes it with state: absent; run
# update-grub after a change by hand.
"""
_STEM, _SUFFIX = "zz-hwaccel-virt", ".cfg"
_EMPTY = Value((("",),))


@dataclass(frozen=True)
class DropIn:
    """The files that grub-mkconfig reads.

    Args:
        others: path and text in the order of reading, without ours.
        ours: path and content of the files that we wrote.
        recovery: whether there are recovery entries, which get C(GRUB_CMDLINE_LINUX) alone.
    """

    folder: str
    dialect: Dialect
    others: tuple[tuple[str, str], ...]
    ours: tuple[tuple[str, bytes], ...] = ()
    recovery: bool = False

    def files(self, *more: tuple[str, str]) -> list[tuple[str, str]]:
        """Return path and text of the others, and of more, in the order of reading."""
        return sorted([*self.others, *more], key=_order)


@dataclass(frozen=True)
class DropInLoader(Loader):
    """GRUB of the Debian family."""

    drop_in: DropIn = field(default_factory=lambda: DropIn("", Dialect.DASH, ()))

    @property
    def written(self) -> tuple[str, ...]:
        """The paths of our files."""
        paths = [path for path, _content in self.drop_in.ours]
        # Where there is none yet: there will be.
        return tuple(paths) or (self.drop_in.folder,)

    def present(self, wanted: Wanted, record: BootRecord | None) -> Steps:
        """Decide what our file has to say, and where it has to stand."""
        new = to_go_on_from(record)
        draft = _Draft.of(self.drop_in, wanted.and_earlier(self._arguments_of_ours()))
        changes = self._changes(draft.path, draft.content)
        lacking = self._delta(wanted)
        commands = self.run(lacking, new, changed=bool(changes))
        if draft.content is not None:
            new = new.with_file(draft.path, None, draft.content)
        return Steps(
            changes=(*changes, *commands),
            rewritten=self._rewritten(commands),
            overridden_by=draft.overridden_by,
            record=replace(new, delta=new.delta.and_also(draft.delta)),
        )

    def absent(self, record: BootRecord) -> Steps:
        """Decide to remove our file."""
        changes = self._changes("", None)
        commands = self.run(self._way_back(record), record, changed=bool(changes))
        return Steps(
            changes=(*changes, *commands),
            rewritten=self._rewritten(commands),
            overridden_by=(),
            record=replace(record, standing=False),
        )

    def assumed(self, wanted: Wanted) -> BootRecord:
        """Return what to take back where nothing is remembered: what our file says."""
        del wanted
        return BootRecord(delta=Delta(added=self._arguments_of_ours()))

    def _changes(self, path: str, content: bytes | None) -> tuple[FileChange, ...]:
        """Return the changes that leave one file of ours, or none."""
        standing = dict(self.drop_in.ours)
        gone = [FileChange(old, text, None) for old, text in standing.items() if old != path]
        if content is None or standing.get(path) == content:
            return tuple(gone)
        # The new one first: at no time is there none.
        return (FileChange(path, standing.get(path), content), *gone)

    def _arguments_of_ours(self) -> tuple[Argument, ...]:
        """Return what earlier tasks asked for."""
        arguments: list[Argument] = []
        for path, content in self.drop_in.ours:
            text = content.decode("utf-8", "surrogateescape")
            value = evaluate([(path, text)], self.drop_in.dialect).variables.get(LINUX)
            for line in value.possible or () if value else ():
                arguments += CommandLine.parse(line).arguments
        return tuple(dict.fromkeys(arguments))


def read_drop_in(host: Host, folder: str, dialect: Dialect) -> DropIn:
    """Read the files in the order in which grub-mkconfig does."""
    others, ours = [], []
    # The shell sorts a pattern by bytes, and leaves names out that start with a dot.
    names = sorted(
        (name for name in host.names(folder) if name.endswith(".cfg") and name[0] != "."),
        key=lambda name: name.encode("utf-8", "surrogateescape"),
    )
    for path in [GRUB_DEFAULT, *(f"{folder}/{name}" for name in names)]:
        content = host.read_bytes(path)
        if content is None:
            continue
        if content.startswith(MARK.encode()):
            ours.append((path, content))
        else:
            others.append((path, content.decode("utf-8", "surrogateescape")))
    return DropIn(folder, dialect, tuple(others), tuple(ours))


@dataclass(frozen=True)
class _Draft:
    """Our file as it is to be; no content where nothing is lacking without it."""

    path: str
    content: bytes | None
    delta: Delta
    overridden_by: tuple[Overriding, ...]

    @classmethod
    def of(cls, drop_in: DropIn, wanted: Wanted) -> _Draft:
        """Decide.

        Raises:
            HwaccelError: where a value cannot be known and would count, or no file is right.
        """
        found = evaluate(drop_in.others, drop_in.dialect)
        recovery = drop_in.recovery
        if not _is_unknown(found) and _is_met(found, wanted, recovery=recovery):
            return cls("", None, Delta(), ())
        content, delta = _written(found, wanted, recovery=recovery)
        for path in _places(drop_in):
            files = drop_in.files((path, content))
            if _is_met(evaluate(files, drop_in.dialect), wanted, recovery=recovery):
                told = tuple(_overriding(found, wanted, path))
                return cls(path, content.encode("utf-8", "surrogateescape"), delta, told)
        if LINUX in found.variables and found.variables[LINUX].unknown is not None:
            raise unknown_value(LINUX, found.variables[LINUX], found)
        message = (
            f"{drop_in.folder}: no file there makes every boot entry have "
            f"{' '.join(map(str, wanted.arguments))}: see {LINUX} and {LINUX_DEFAULT} in "
            f"{', '.join(path for path, _text in drop_in.others)}"
        )
        raise HwaccelError(message)


def _written(found: Evaluation, wanted: Wanted, *, recovery: bool) -> tuple[str, Delta]:
    """Return the text of our file, and what it does to the command line."""
    default = found.variables.get(LINUX_DEFAULT)
    if default is not None and default.possible is None and wanted.arguments:
        # It comes after ours, and may take back what ours says.
        raise unknown_value(LINUX_DEFAULT, default, found)
    before = {CommandLine(()): CommandLine(())}
    if found.variables.get(LINUX, _EMPTY).possible is not None:
        before = {line: wanted.cleared(line, before=True) for line in _lines(found, LINUX)}
    after = {line: wanted.cleared(line, before=False) for line in _lines(found, LINUX_DEFAULT)}
    lacking = dict.fromkeys(
        argument
        for pair in itertools.product(before.values(), after.values())
        for line in lines_of(*pair, recovery=recovery)
        for argument in wanted.missing(line)
    )
    # Told once and in the order in which they are wanted.
    arguments = tuple(argument for argument in wanted.arguments if argument in lacking)
    special = {
        str(old): str(new.with_arguments(arguments))
        for old, new in before.items()
        if old != new or not _takes_more(old)
    }
    appended = " ".join(["${" + LINUX + "}", *map(_escaped, arguments)])
    text = _set(LINUX, special, f'"{appended}"' if arguments else None)
    text += _set(LINUX_DEFAULT, {str(old): str(new) for old, new in after.items() if old != new})
    delta = Delta(added=arguments)
    for pair in (*before.items(), *after.items()):
        delta = delta.and_also(Delta.between(*pair))
    return _HEADER + text, delta


def _set(name: str, special: dict[str, str], otherwise: str | None = None) -> str:
    """Return shell code that sets a variable: by the value that it has, else to a word.

    A value is replaced only where it is still what it was when this was written, so that an
    operator's later change is not lost.
    """
    if not special:
        return "" if otherwise is None else f"{name}={otherwise}\n"
    text, word = "", "if"
    for old, new in special.items():
        text += f'{word} [ "${{{name}}}" = {quoted(old)} ]; then\n{name}={quoted(new)}\n'
        word = "elif"
    if otherwise is not None:
        text += f"else\n{name}={otherwise}\n"
    return f"{text}fi\n"


def _escaped(argument: Argument) -> str:
    return quoted(argument.text)[1:-1]


def _takes_more(line: CommandLine) -> bool:
    """Tell whether what is appended to a line counts: not after C(--), nor an open quote."""
    probe = Argument("probe")
    return probe in CommandLine.parse(f"{line} {probe}").arguments


def _is_met(found: Evaluation, wanted: Wanted, *, recovery: bool) -> bool:
    """Tell whether all is there whichever way the files go, as far as that can be known."""
    pairs = itertools.product(_lines(found, LINUX), _lines(found, LINUX_DEFAULT))
    return all(wanted.met(line) for pair in pairs for line in lines_of(*pair, recovery=recovery))


def _is_unknown(found: Evaluation) -> bool:
    """Tell whether a value cannot be known without running the files."""
    values = [found.variables[name] for name in (LINUX, LINUX_DEFAULT) if name in found.variables]
    return any(value.possible is None for value in values)


def _lines(found: Evaluation, name: str) -> list[CommandLine]:
    """Return what a variable may be; parts that cannot be known are left out."""
    value = found.variables.get(name, _EMPTY)
    return [
        CommandLine.parse("".join(part for part in text if isinstance(part, str)))
        for text in value.alternatives
    ]


def _order(file: tuple[str, str]) -> tuple[bool, bytes]:
    """Sort files as they are read: C(/etc/default/grub) first, then by the bytes of the names."""
    return file[0] != GRUB_DEFAULT, file[0].encode("utf-8", "surrogateescape")


def _places(drop_in: DropIn) -> Iterator[str]:
    """Yield where our file may stand: under its own name, else after the last of the others."""
    taken = [path for path, _text in drop_in.others]
    usual = f"{drop_in.folder}/{_STEM}{_SUFFIX}"
    if usual not in taken:
        yield usual
    if taken and taken[-1] != GRUB_DEFAULT:
        yield f"{taken[-1][: -len(_SUFFIX)]}.{_STEM}{_SUFFIX}"


def _overriding(found: Evaluation, wanted: Wanted, path: str) -> Iterator[Overriding]:
    """Yield what would have won over the wanted arguments."""
    for place in found.assignments:
        if place.name == LINUX and not place.keeps and place.file != GRUB_DEFAULT:
            yield Overriding(place.file, place.line, f"read before {path}")
    for name, before in ((LINUX, True), (LINUX_DEFAULT, False)):
        against = {
            argument
            for line in _lines(found, name)
            for argument in wanted.against(line, before=before)
        }
        for argument in sorted(against, key=str):
            source = _origin(found, name, argument)
            if source is not None:
                yield Overriding(source.file, source.line, f"{argument} taken out")


def _origin(found: Evaluation, name: str, argument: Argument) -> Assignment | None:
    """Return the assignment that brought an argument in, of those that count in the end."""
    origin: Assignment | None = None
    for place in found.assignments:
        if place.name == name:
            texts = (CommandLine.parse(text) for text in place.value.possible or ())
            if any(argument in line.arguments for line in texts):
                origin = origin or place
            elif not place.conditional:
                origin = None
    return origin
