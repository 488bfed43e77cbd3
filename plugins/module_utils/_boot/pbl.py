# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SUSE's pbl, with GRUB: it changes C(GRUB_CMDLINE_LINUX_DEFAULT) and makes the menu anew.

What it does is read from C(grub2/add-option), C(grub2/del-option), C(grub2/config) and
C(include/library) (openSUSE/perl-bootloader), of which the older releases are still in use:

- an option that is added takes the place of all others of its name,
- an option that is taken out takes, in the older releases, the first one of its name with it,
- a change of options alone does not reach the menu.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import RefusedError
from .._iommu.switches import switched_off
from .._plan import Command
from .grub_cfg import grub_entries
from .grub_default import GRUB_DEFAULT, LINUX, LINUX_DEFAULT, GrubDefault, effective
from .linefile import Delta
from .loader import Entry, Loader
from .release import SUSE_SETTINGS, suse_loader_type

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._host import Host
    from .cmdline import Argument, CommandLine
    from .wanted import Wanted

_OUTPUT = "/boot/grub2/grub.cfg"
_TYPES = ("grub2", "grub2-efi")
_LINE = re.compile(rf"^{LINUX_DEFAULT}=.*$", re.MULTILINE)
_PLAIN = re.compile(rf'{LINUX_DEFAULT}="[^"\\$`]*"[ \t]*')
_WHOLE = re.compile(r"""\w+=(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\])*(?:\s.*)?""")
# grub2-mkconfig asks every disk for other systems.
_SECONDS = 900.0
_BY_HAND = (
    f"nothing was changed. Set {LINUX_DEFAULT} in {GRUB_DEFAULT} by hand and run pbl --config, or "
    "let this module edit the file with bootloader: grub"
)


@dataclass(frozen=True)
class PblDefault(GrubDefault):
    """C(/etc/default/grub) as pbl changes it; its line is C(GRUB_CMDLINE_LINUX_DEFAULT)."""

    def lines(self) -> tuple[CommandLine, ...]:
        """Return the value.

        Raises:
            HwaccelError: where it cannot be known without running the file.
        """
        return super().lines()[1:]

    def with_lines(self, lines: Sequence[CommandLine]) -> bytes:
        """Return the content with another value, as pbl writes it."""
        words = (piece for line in lines for piece in line.pieces if not piece.isspace())
        value = re.sub(r'([\\"])', r"\\\1", " ".join(words))
        text = _LINE.sub(lambda _line: f'{LINUX_DEFAULT}="{value}"', self.text)
        return text.encode("utf-8", "surrogateescape")

    def settled(self, wanted: Wanted) -> bytes:
        """Return the content with what both values together lack."""
        linux, default = super().lines()
        line = effective(linux, default)
        made = made_of(default, Delta.between(line, wanted.settled(line)))
        return (self.content or b"") if made == default else self.with_lines((made,))

    @property
    def linux(self) -> CommandLine:
        """The value of C(GRUB_CMDLINE_LINUX), which pbl leaves as it is."""
        return super().lines()[0]

    @property
    def foretold(self) -> bool:
        """Tell whether all releases of pbl make the same of it."""
        found = _LINE.findall(self.text)
        return len(found) == 1 and _PLAIN.fullmatch(found[0]) is not None


def observe(host: Host, *, reason: str) -> Loader:
    """Read GRUB's menu, whose recovery entries do without C(GRUB_CMDLINE_LINUX_DEFAULT).

    Raises:
        RefusedError: when pbl serves another boot loader here.
    """
    told = suse_loader_type(host)
    if told is not None and told not in _TYPES:
        raise RefusedError(
            f"{SUSE_SETTINGS}: LOADER_TYPE is {told}, and with pbl this module serves "
            f"{' and '.join(_TYPES)}; for systemd-boot and grub2-bls use bootloader: sdbootutil"
        )
    default = PblDefault(GRUB_DEFAULT, host.read_bytes(GRUB_DEFAULT))

    def pbl(delta: Delta) -> tuple[Command, ...]:
        for problem in _problems(default, delta):
            raise RefusedError(f"{problem}; {_BY_HAND}")
        # First out, then in: what is taken out by its name may be what was just added.
        options = [("--del-option", each.text) for each in delta.removed]
        options += [("--add-option", each.text) for each in delta.added]
        return (
            *(Command(("pbl", *option), lasting=True) for option in options),
            Command(("pbl", "--config"), seconds=_SECONDS, lasting=True),
        )

    entries = tuple(each for each in grub_entries(host, _OUTPUT) if "-recovery-" not in each.id)
    if not entries and default.content is not None:
        entries = (Entry("GRUB", GRUB_DEFAULT, effective(*default.lines())),)
    return Loader(
        "pbl",
        reason,
        entries,
        tool_files=(default,) if default.foretold else (),
        tool=pbl,
        output=_OUTPUT,
    )


def made_of(line: CommandLine, delta: Delta) -> CommandLine:
    """Return a line without what is to go and with what is to come."""
    line = line.edited(lambda argument: None if argument in delta.removed else argument.text)
    there = line.arguments
    return line.with_arguments(each for each in delta.added if each not in there)


def _problems(default: PblDefault, delta: Delta) -> Iterator[str]:
    """Yield why pbl would not make this change, or make another one too."""
    if not delta:
        return
    yield from _unwritable(default)
    line = default.lines()[0]
    kept = [argument for argument in line.arguments if argument not in delta.removed]
    for argument in (*delta.removed, *delta.added):
        name = _name(argument)
        others = [each for each in (*kept, *delta.added) if _name(each) == name]
        lost = [each.text for each in others if each != argument and argument not in delta.removed]
        if argument in delta.removed:
            lost = [each.text for each in kept if _name(each) == name]
        if lost:
            yield f"{argument}: pbl knows options by their names, and {' '.join(lost)} would go too"
    off = switched_off(effective(default.linux, made_of(line, delta)).plain, None)
    for argument in delta.removed:
        if argument.plain in off:
            yield f"{argument}: it stands in {LINUX} of {GRUB_DEFAULT}, which pbl does not change"


def _unwritable(default: PblDefault) -> Iterator[str]:
    """Yield why pbl cannot write the value: it replaces lines of one form, and nothing else."""
    found = _LINE.findall(default.text)
    if not found:
        yield f"{GRUB_DEFAULT}: no line begins with {LINUX_DEFAULT}=, and pbl changes no other"
    for line in found:
        if not _WHOLE.fullmatch(line):
            yield f"{GRUB_DEFAULT}: {LINUX_DEFAULT} goes over several lines, of which pbl knows one"


def _name(argument: Argument) -> str:
    return argument.text.partition("=")[0]
