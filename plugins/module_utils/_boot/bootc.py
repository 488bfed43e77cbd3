# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that bootc installs: kernel arguments in C(/usr/lib/bootc/kargs.d/*.toml).

They take effect when the image is installed or switched to (bootc, "Kernel arguments"). The files
are read in the order of their names; each adds to the command line, and none can take away.
"""

from __future__ import annotations

import itertools
import re
import typing as t
from dataclasses import dataclass, replace

from .._errors import HwaccelError, RefusedError
from .cmdline import Argument, CommandLine
from .linefile import MARK, Delta, LineFile
from .loader import Entry, Loader, Overriding, Steps
from .record import BootRecord

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .._host import Host
    from .wanted import Wanted

FOLDER = "/usr/lib/bootc/kargs.d"
_HEADER = f"""{MARK}
# bootc adds it to the command line when it installs the image or switches to it.
"""
_NAME = "hwaccel-virt.toml"
_ACCEPTED = (
    'bootc takes nothing but kargs = ["name=value", …] and, if need be, match-architectures = '
    "[…] there, and strings on one line are all that this module reads; put the file right first"
)
# Where the dynamic loader of an architecture stands, by Rust's name of it, which bootc compares.
_LOADERS = {
    "x86_64": "/lib64/ld-linux-x86-64.so.2",
    "aarch64": "/lib/ld-linux-aarch64.so.1",
    "powerpc64": "/lib64/ld64.so.2",
    "s390x": "/lib/ld64.so.1",
    "riscv64": "/lib/ld-linux-riscv64-lp64d.so.1",
}

_BLANK = re.compile(r"(?:[ \t]|\r?\n|#[^\n]*)*")
_KEY = re.compile(r"""(["']?)(kargs|match-architectures)\1[ \t]*=[ \t]*(?=\[)""")
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_STRING = re.compile(
    r"""
    "((?:[^"\\\x00-\x08\x0a-\x1f\x7f]
        |\\(?:[btnfr"\\]|u(?![Dd][89A-Fa-f])[0-9A-Fa-f]{4}
            |U00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4}))*)"(?!")
    | '([^'\x00-\x08\x0a-\x1f\x7f]*)'(?!')
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:u(.{4})|U(.{8})|(.))")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


@dataclass(frozen=True)
class Karg:
    """A string of a file, and the line it stands in."""

    text: str
    line: int


@dataclass(frozen=True)
class KargsToml:
    """What a file says.

    Args:
        architectures: where it counts, None for everywhere.
        span: where the array of the arguments begins and ends in the text.
    """

    kargs: tuple[Karg, ...]
    architectures: tuple[str, ...] | None
    span: tuple[int, int]

    @classmethod
    def parse(cls, text: str, path: str) -> KargsToml:
        """Parse a file.

        Raises:
            HwaccelError: when bootc would refuse it or it is beyond this reader; names the line.
        """
        found: dict[str, tuple[tuple[Karg, ...], tuple[int, int]]] = {}
        place = _end(_BLANK, text, 0)
        while place < len(text):
            key = _KEY.match(text, place)
            if key is None or key[2] in found:
                raise _unreadable(text, place, path)
            strings, end = _array(text, key.end(), path)
            found[key[2]] = strings, (key.end(), end)
            rest = _REST.match(text, end)
            if rest is None:
                raise _unreadable(text, end, path)
            place = _end(_BLANK, text, rest.end())
        if "kargs" not in found:
            raise _unreadable(text, len(text), path)
        kargs, span = found["kargs"]
        architectures = found.get("match-architectures")
        names = None if architectures is None else tuple(each.text for each in architectures[0])
        return cls(kargs, names, span)


@dataclass(frozen=True)
class Others:
    """The files that are not ours, in the order in which bootc reads them.

    Args:
        files: path and arguments of those that count on the image's architecture.
        names: of all files, whether they count or not.
        ours: what files of ours say already.
    """

    files: tuple[tuple[str, tuple[Karg, ...]], ...] = ()
    names: tuple[str, ...] = ()
    ours: tuple[Argument, ...] = ()

    def with_file(self, path: str, arguments: Iterable[Argument]) -> CommandLine:
        """Return the command line that they make together with a file of ours."""
        kargs = tuple(Karg(argument.text, 0) for argument in arguments)
        files = sorted([*self.files, (path, kargs)], key=lambda file: _order(file[0]))
        return _line(karg for _path, kargs in files for karg in kargs)

    def places(self) -> tuple[str, ...]:
        """Return where a file of ours can stand: the last one is behind all others."""
        last = max(self.names, key=_order, default="")
        names = (f"90-{_NAME}", f"zz-{_NAME}", f"{last.rpartition('.')[0]}_{_NAME}")
        return tuple(f"{FOLDER}/{name}" for name in names if name not in self.names)


@dataclass(frozen=True)
class KargsFile(LineFile):
    """A file of ours; None where another of its possible places is the right one."""

    others: Others = Others()

    def lines(self) -> tuple[CommandLine, ...]:
        """Return its arguments as one line."""
        if self.content is None:
            return ()
        return (_line(KargsToml.parse(self.text, self.path).kargs),)

    def with_lines(self, lines: Sequence[CommandLine]) -> bytes:
        """Return the content with other arguments."""
        arguments = [argument.text for line in lines for argument in line.arguments]
        array = "[" + ", ".join(f'"{argument}"' for argument in arguments) + "]"
        if self.content is None:
            return f"{_HEADER}kargs = {array}\n".encode()
        start, end = KargsToml.parse(self.text, self.path).span
        return (self.text[:start] + array + self.text[end:]).encode("utf-8", "surrogateescape")

    def settled(self, wanted: Wanted) -> bytes | None:
        """Return the content with what the others lack.

        Raises:
            HwaccelError: when no file can outvote another, which it names.
        """
        found = _place(self.others, wanted)
        if found is None or found[0] != self.path:
            return None
        line = CommandLine(()).with_arguments(found[1])
        if self.content is not None and self.lines() == (line,):
            return self.content
        return self.with_lines([line])


@dataclass(frozen=True)
class KargsLoader(Loader):
    """An image, in which the files of ours are all that is ours."""

    others: Others = Others()

    def present(self, wanted: Wanted, record: BootRecord | None) -> Steps:
        """Decide what our file has to say."""
        steps = super().present(wanted, record)
        return replace(steps, overridden_by=tuple(_outvoted(self.others, wanted)))

    def absent(self, record: BootRecord) -> Steps:
        """Decide to remove it."""
        changes = tuple(change for file in self.files for change in file.change_to(None))
        return Steps(changes, (), (), replace(record, standing=False))

    def assumed(self, wanted: Wanted) -> BootRecord:
        """Return what to take back where nothing is remembered: what our file says."""
        del wanted
        return BootRecord(delta=Delta(added=self.others.ours))


def observe_image(host: Host, *, name: str, reason: str) -> KargsLoader:
    """Read an image's files.

    Raises:
        HwaccelError: when one of them cannot be read.
    """
    architecture = next((key for key, path in _LOADERS.items() if host.exists(path)), "x86_64")
    ours: dict[str, bytes] = {}
    files: list[tuple[str, tuple[Karg, ...]]] = []
    own: list[tuple[str, tuple[Karg, ...]]] = []
    names = sorted(filter(_is_toml, host.names(FOLDER)), key=_order)
    for path in (f"{FOLDER}/{name}" for name in names):
        content = host.read_bytes(path) or b""
        said = KargsToml.parse(content.decode("utf-8", "surrogateescape"), path)
        if content.startswith(MARK.encode()):
            ours[path] = content
            own.append((path, said.kargs))
        elif said.architectures is None or architecture in said.architectures:
            files.append((path, said.kargs))
    standing = dict.fromkeys(_line(karg for _path, kargs in own for karg in kargs).arguments)
    others = Others(
        tuple(files),
        tuple(name for name in names if f"{FOLDER}/{name}" not in ours),
        tuple(standing),
    )
    everything = sorted([*files, *own], key=_order_of)
    line = _line(karg for _path, kargs in everything for karg in kargs)
    places = sorted({*others.places(), *ours})
    return KargsLoader(
        name,
        reason,
        (Entry("kargs.d", FOLDER, line),),
        files=tuple(KargsFile(path, ours.get(path), others) for path in places),
        others=others,
    )


def carried(argument: Argument) -> Argument:
    """Return an argument that ostree can carry.

    Raises:
        RefusedError: for quotes: upgrades crash on them (ostreedev/ostree#3544), and they are not
            found again to be taken out (coreos/rpm-ostree#2159).
    """
    if '"' in argument.text:
        message = (
            f"{argument}: ostree cannot carry an argument with quotes or blanks (upgrades crash, "
            "ostreedev/ostree#3544); nothing was changed. Set it by other means, such as a file in "
            "/etc/modprobe.d for an option of a module"
        )
        raise RefusedError(message)
    return argument


def _place(others: Others, wanted: Wanted) -> tuple[str, tuple[Argument, ...]] | None:
    """Return where our file is to stand and what it is to say, None where none is needed."""
    wanted = wanted.and_earlier(others.ours)
    alone = others.with_file("", ())
    if wanted.met(alone):
        return None
    arguments = tuple(map(carried, wanted.missing(alone)))
    # What stands there stays as it is where that does, whatever the order.
    for path, said in itertools.product(others.places(), (others.ours, arguments)):
        if wanted.met(others.with_file(path, said)):
            return path, said
    raise _not_outvoted(others, wanted, arguments)


def _not_outvoted(others: Others, wanted: Wanted, arguments: Sequence[Argument]) -> HwaccelError:
    """Return the error that names what wins whatever comes after it."""
    line = others.with_file(others.places()[-1], arguments)
    against = [argument.text for argument in wanted.off(line)]
    found = [
        f"{path}, line {karg.line}: {karg.text}"
        for path, kargs in others.files
        for karg in kargs
        if any(argument.text in against for argument in _line([karg]).arguments)
    ]
    return HwaccelError(
        f"{'; '.join(found) or FOLDER}: no later argument takes it back, so that "
        f"{' '.join(map(str, wanted.arguments))} would have no effect; nothing was changed. "
        "Take it out of the image there"
    )


def _outvoted(others: Others, wanted: Wanted) -> Iterator[Overriding]:
    """Yield what others say against the wanted arguments, and ours comes after."""
    found = _place(others, wanted)
    if found is None:
        return
    alone = {argument.text for argument in wanted.off(others.with_file("", ()))}
    for path, kargs in others.files:
        for karg in kargs:
            if any(argument.text in alone for argument in _line([karg]).arguments):
                action = f"{karg.text} left there, outvoted by {found[0]}"
                yield Overriding(path, karg.line, action)


def _is_toml(name: str) -> bool:
    return name.endswith(".toml") and name != ".toml"


def _order(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _order_of(file: tuple[str, tuple[Karg, ...]]) -> bytes:
    return _order(file[0])


def _line(kargs: Iterable[Karg]) -> CommandLine:
    return CommandLine.parse(" ".join(karg.text for karg in kargs))


def _array(text: str, place: int, path: str) -> tuple[tuple[Karg, ...], int]:
    """Return the strings of an array that begins at a place, and where it ends."""
    strings = []
    place = _end(_BLANK, text, place + 1)
    while text[place : place + 1] != "]":
        string = _STRING.match(text, place)
        if string is None:
            raise _unreadable(text, place, path)
        value = string[2] if string[1] is None else _ESCAPE.sub(_unescaped, string[1])
        strings.append(Karg(value, text.count("\n", 0, place) + 1))
        place = _end(_BLANK, text, string.end())
        if text[place : place + 1] == ",":
            place = _end(_BLANK, text, place + 1)
        elif text[place : place + 1] != "]":
            raise _unreadable(text, place, path)
    return tuple(strings), place + 1


def _unescaped(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(escape[3], escape[3])


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Return where a pattern that matches nothing too ends."""
    match = pattern.match(text, place)
    return place if match is None else match.end()


def _unreadable(text: str, place: int, path: str) -> HwaccelError:
    line = text.count("\n", 0, place) + 1
    return HwaccelError(f"{path}, line {line}: cannot be read: {_ACCEPTED}")
