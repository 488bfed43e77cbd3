# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which arguments a command line is to have, and what it lacks of them."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, replace

from .._errors import InputError
from .._iommu.switches import options_of, passed_through, switched_off, turned_on, without_off
from .cmdline import Argument, CommandLine

if t.TYPE_CHECKING:
    from collections.abc import Sequence

ANY = "any"
INTEL_ON = Argument("intel_iommu=on")
PASSTHROUGH = Argument("iommu=pt")
# Parameters of which every occurrence counts, where of others the last one does.
_REPEATED = frozenset(
    {
        "acpi",
        "acpi_osi",
        "cgroup_disable",
        "console",
        "crashkernel",
        "dyndbg",
        "earlycon",
        "efi",
        "hugepages",
        "hugepagesz",
        "initcall_blacklist",
        "ip",
        "mem",
        "memmap",
        "modprobe.blacklist",
        "netconsole",
        "pci",
        "video",
    }
)
_REPEATED_PREFIXES = ("rd.", "systemd.")


@dataclass(frozen=True)
class Wanted:
    """The arguments that every boot entry is to have.

    Args:
        vendor: whose IOMMU must not be turned off; None where it cannot be told.
        replaced: what earlier tasks had put in for them.
    """

    arguments: tuple[Argument, ...]
    vendor: str | None
    replaced: tuple[Argument, ...] = ()

    @classmethod
    def of(cls, vendor: str | None, *, passthrough: bool, extra: Sequence[str]) -> Wanted:
        """Return what the options of the module ask for.

        Args:
            vendor: C(any) asks for what serves on every x86, None for nothing of the IOMMU's own.

        Raises:
            InputError: for an argument that is none, or that works against the others.
        """
        asked = [Argument.parse(text, option="extra") for text in extra]
        for argument in asked:
            if switched_off([argument.plain], None):
                accepted = "arguments that do not turn the IOMMU off"
                raise InputError("extra", argument.text, accepted)
        own = [INTEL_ON] if vendor in ("intel", ANY) else []
        if passthrough and vendor in ("intel", "amd", ANY):
            own.append(PASSTHROUGH)
        told = CommandLine(()).with_arguments(asked)
        lacking = cls(tuple(own), vendor).missing(told)
        texts = dict.fromkeys(argument.text for argument in [*lacking, *asked])
        wanted = cls(tuple(map(Argument, texts)), None if vendor == ANY else vendor)
        missing = wanted.missing(CommandLine(()).with_arguments(wanted.arguments))
        if missing:
            accepted = f"arguments that let {' '.join(map(str, missing))} take effect"
            raise InputError("extra", " ".join(map(str, asked)), accepted)
        return wanted

    def missing(self, line: CommandLine) -> tuple[Argument, ...]:
        """Return what does not take effect with a command line."""
        there = line.arguments
        return tuple(argument for argument in self.arguments if not self._has(there, argument))

    def off(self, line: CommandLine) -> tuple[Argument, ...]:
        """Return the arguments that would keep the IOMMU off."""
        off = switched_off(line.plain, self.vendor)
        return tuple(argument for argument in line.arguments if argument.plain in off)

    def met(self, line: CommandLine) -> bool:
        """Tell whether a command line has all that is wanted and nothing that works against it."""
        return not self.missing(line) and not self.off(line)

    def against(self, line: CommandLine, *, before: bool) -> tuple[Argument, ...]:
        """Return the arguments of a line that win over the wanted ones, before or after them."""
        return tuple(argument for argument in line.arguments if self._wins(argument, before=before))

    def cleared(self, line: CommandLine, *, before: bool) -> CommandLine:
        """Return a line that can stand before, or after, the wanted arguments."""

        def edit(argument: Argument) -> str | None:
            if not self._wins(argument, before=before):
                return argument.text
            left = without_off(argument.plain, self.vendor)
            return None if left is None or self._wins(Argument(left), before=before) else left

        return line.edited(edit)

    def settled(self, line: CommandLine) -> CommandLine:
        """Return a command line with what it lacks, and without what works against it."""
        off = self.off(line)
        line = line.edited(lambda argument: self._without_off(argument, off))
        if self.missing(line):
            line = line.without(self.replaced)
        missing = self.missing(line)
        settled = line.with_arguments(missing)
        if missing and self.missing(settled):
            # A quote without an end takes all behind it: what it gives a value wins as it stands.
            names = {argument.name for argument in missing}
            line = line.edited(
                lambda each: None if each.is_open and each.name in names else each.text
            )
            settled = line.with_arguments(self.missing(line))
        return settled

    def instead_of(self, earlier: Sequence[Argument]) -> Wanted:
        """Return it such that an earlier value of ours makes room for one of the same name."""
        names = {argument.name for argument in self.arguments if not self._repeated(argument)}
        replaced = [each for each in earlier if each.name in names and each not in self.arguments]
        return replace(self, replaced=tuple(replaced))

    def and_earlier(self, arguments: Sequence[Argument]) -> Wanted:
        """Return it with what earlier tasks asked for, which a later value of one name replaces.

        What is there keeps its place, so that two tasks do not take turns.
        """
        names = {argument.name for argument in self.arguments if not self._repeated(argument)}
        kept = [
            argument
            for argument in arguments
            if argument.name not in names or argument in self.arguments
        ]
        new = [argument for argument in self.arguments if argument not in kept]
        return replace(self, arguments=(*kept, *new))

    def _wins(self, argument: Argument, *, before: bool) -> bool:
        pair = [[argument], self.arguments] if before else [self.arguments, [argument]]
        line = CommandLine(()).with_arguments(each for part in pair for each in part)
        return not self.met(line)

    def _without_off(self, argument: Argument, off: tuple[Argument, ...]) -> str | None:
        if argument not in off:
            return argument.text
        return without_off(argument.plain, self.vendor)

    def _has(self, there: Sequence[Argument], argument: Argument) -> bool:
        plain = [each.plain for each in there]
        if argument.name == INTEL_ON.name:
            return self._has_intel(plain, argument)
        if argument.same(PASSTHROUGH):
            return passed_through(plain) and not switched_off(plain, self.vendor)
        named = [each for each in there if each.name == argument.name]
        if not self._repeated(argument):
            named = named[-1:]
        return any(each.same(argument) for each in named)

    @staticmethod
    def _has_intel(plain: Sequence[str], argument: Argument) -> bool:
        """Tell whether VT-d gets its options: C(intel_iommu=on,sm_on) has C(intel_iommu=on)."""
        name = INTEL_ON.name
        options = set(options_of(argument.plain, name)) - {"on"}
        there = {option for each in plain for option in options_of(each, name)}
        on = "on" not in options_of(argument.plain, name) or turned_on(plain)
        return on and options <= there

    def _repeated(self, argument: Argument) -> bool:
        """Tell whether a parameter may be given several times."""
        names = Counter(each.name for each in self.arguments)
        name = argument.name
        short = name.rpartition(".")[2] if name.endswith(".dyndbg") else name
        return names[name] > 1 or short in _REPEATED or name.startswith(_REPEATED_PREFIXES)
