# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot entries as the Boot Loader Specification has them (Type #1): a file each.

Readers differ. systemd-boot takes all C(options) lines of an entry. Red Hat's GRUB takes the
first, replaces C($name) by variables of its environment, and gives an entry without C(options)
the variable C(default_kernelopts) (C(grub-core/commands/blscfg.c)).
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from .cmdline import Argument, CommandLine
from .joined import JoinedFile, up_to_end
from .loader import Entry

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .._host import Host
    from .wanted import Wanted

ENTRIES = "/boot/loader/entries"
ESPS = ("/efi", "/boot/efi", "/boot")
_SUFFIX = ".conf"
_VARIABLE = re.compile(r"\$(\w+)", re.ASCII)
_OPTIONS = re.compile(r"([ \t]*options(?:[ \t]+|(?=\r?\Z)))(.*)", re.DOTALL)
_KERNEL = re.compile(r"[ \t]*(?:linux|uki)[ \t]", re.ASCII)
_DEFAULT = "$default_kernelopts"
# TuneD writes this one anew with each profile.
_TUNED = "$tuned_params"


@dataclass(frozen=True)
class Grub:
    """What GRUB knows when it reads an entry.

    Args:
        variables: of its environment.
        kept: the names of those that have a file of their own here, which is set too.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()

    def settled(self, wanted: Wanted) -> Mapping[str, str]:
        """Return the variables as they are when their file is set."""
        changed = {
            name: str(wanted.settled(CommandLine.parse(self.variables[name]))) for name in self.kept
        }
        return {**self.variables, **changed}


@dataclass(frozen=True)
class BlsEntry(JoinedFile):
    """A boot entry.

    Args:
        grub: what GRUB replaces in it; None where another boot loader reads it.
    """

    grub: Grub | None = None

    @property
    def id(self) -> str:
        """What boot loaders call it."""
        return self.path.rpartition("/")[2][: -len(_SUFFIX)]

    @property
    def entry(self) -> Entry:
        """The boot entry with the command line that the kernel gets."""
        return Entry(self.id, self.path, self.line)

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables that its options take."""
        if self.grub is None:
            return ()
        return tuple(_VARIABLE.findall(" ".join(map(str, self.lines()))))

    def value(self, key: str) -> str | None:
        """Return the first value of a key."""
        pattern = rf"^[ \t]*{re.escape(key)}[ \t]+(.*)$"
        found = re.search(pattern, self.text, re.MULTILINE)
        return found[1].rstrip(" \t\r") if found else None

    def lines(self) -> tuple[CommandLine, ...]:
        """Return the values of the C(options) lines that count, or what stands for them."""
        values = [found[2] for _place, found in self._options()]
        lines = tuple(up_to_end([CommandLine.parse(value) for value in values]))
        return lines or (CommandLine.parse(_DEFAULT if self.grub is not None else ""),)

    def with_lines(self, lines: Sequence[CommandLine]) -> bytes:
        """Return the content with other options and every other byte as it is."""
        texts = self.text.split("\n")
        places = list(self._options())
        if not places and lines[0] != self.lines()[0]:
            texts = _with_options(texts, str(lines[0]))
        for (place, found), line in reversed(list(zip(places, lines))):
            if line == CommandLine.parse(found[2]):
                continue
            if str(line).strip():
                key = found[1] if found[1][-1:].isspace() else f"{found[1]} "
                texts[place] = key + str(line)
            else:
                # blscfg ignores everything after a key without a value.
                del texts[place]
        return "\n".join(texts).encode("utf-8", "surrogateescape")

    def effective(self, lines: Sequence[CommandLine]) -> CommandLine:
        """Return the command line that the lines make, with the variables as they are."""
        text = " ".join(map(str, lines))
        if self.grub is not None:
            known = self.grub.variables
            # blscfg puts a blank after each value, and nothing for a name that it does not know.
            text = _VARIABLE.sub(
                lambda name: f"{known[name[1]]} " if name[1] in known else "", text
            )
        return CommandLine.parse(text)

    def settled(self, wanted: Wanted) -> bytes | None:
        """Return the content with what its options lack once the variables' own file is set.

        Raises:
            RefusedError: where a variable that others write works against it.
        """
        if self.grub is not None and self.grub.kept:
            return replace(self, grub=Grub(self.grub.settled(wanted))).settled(wanted)
        return super().settled(wanted)

    def _settled(
        self,
        lines: tuple[CommandLine, ...],
        wanted: Wanted,
    ) -> tuple[CommandLine, ...]:
        if wanted.off(self.effective(lines)):
            lines = tuple(self._spelled_out(line, wanted) for line in lines)
        return super()._settled(lines, wanted)

    def _spelled_out(self, line: CommandLine, wanted: Wanted) -> CommandLine:
        """Return a line with the values of variables that turn something off, which then can go."""
        known = self.grub.variables if self.grub is not None else {}

        def value(argument: Argument) -> str:
            found = known.get(argument.text[1:], "") if argument.text[0] == "$" else ""
            off = argument.text != _TUNED and wanted.off(CommandLine.parse(found))
            return found if off else argument.text

        return CommandLine.parse(str(line.edited(value)))

    def _against(self) -> str:
        names = ", ".join(f"${name}" for name in self.variables) or "its own options"
        return (
            f"{self.path}: the entry cannot be given what is wanted: {names} say: {self.line}. "
            f"{_TUNED} comes from the profile of TuneD, the others from grubenv or grub.cfg"
        )

    def _options(self) -> Iterator[tuple[int, re.Match[str]]]:
        for place, text in enumerate(self.text.split("\n")):
            found = _OPTIONS.fullmatch(text)
            if found:
                yield place, found
                if self.grub is not None:
                    return


def read_entries(host: Host, folder: str, grub: Grub | None) -> tuple[BlsEntry, ...]:
    """Return the entries of a folder that start a kernel, sorted by their names."""
    entries = []
    for name in host.names(folder):
        # As blscfg does, and systemd-boot for names that start with "auto-".
        if not name.endswith(_SUFFIX) or name.startswith("."):
            continue
        path = f"{folder}/{name}"
        entry = BlsEntry(path, host.read_bytes(path), grub=grub)
        if any(map(_KERNEL.match, entry.text.split("\n"))):
            entries.append(entry)
    return tuple(entries)


def newest(entries: Sequence[BlsEntry]) -> BlsEntry | None:
    """Return the entry of the newest kernel, by its version; rescue entries are none."""
    kernels = [entry for entry in entries if "rescue" not in entry.id]
    return max(kernels, key=_age, default=None)


def _age(entry: BlsEntry) -> tuple[list[tuple[int, str]], str]:
    version = entry.value("version") or entry.id
    parts = re.findall(r"[0-9]+|[A-Za-z]+", version)
    return [_rank(part) for part in parts], entry.id


def _rank(part: str) -> tuple[int, str]:
    """Order words, then numbers by their value; Python refuses to make an int of a long one."""
    number = part.lstrip("0")
    return (len(number), number) if part.isdigit() else (-1, part)


def _with_options(texts: list[str], value: str) -> list[str]:
    """Return the lines of an entry with its first options, after the key that it starts."""
    at = next(place for place, text in enumerate(texts) if _KERNEL.match(text))
    end = "\r" if texts[at].endswith("\r") else ""
    return [*texts[: at + 1], f"options {value}{end}", *texts[at + 1 :]]
