# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pop!_OS: kernelstub keeps the options in a file of its own and writes the entries anew from it.

What it does to them is read from its C(application.py) and C(config.py) (pop-os/kernelstub).
"""

from __future__ import annotations

import json
import typing as t
from collections import Counter
from dataclasses import dataclass

from .._errors import HwaccelError, RefusedError
from .._iommu.switches import switched_off
from .._plan import Command
from .cmdline import Argument, CommandLine
from .entries import read_entries
from .linefile import LineFile
from .loader import Entry, Loader

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .._host import Host
    from .entries import BlsEntry
    from .linefile import Delta

CONFIGURATION = "/etc/kernelstub/configuration"
_ESP = "/boot/efi"
_CURRENT, _OLD = "-current", "-oldkern"
# What they say depends on what stands before, of other names too.
_ORDERED = frozenset({"default_hugepagesz", "hugepages", "hugepagesz", "iommu.passthrough"})
# It copies kernels to the EFI system partition.
_SECONDS = 300.0


@dataclass(frozen=True)
class Configuration(LineFile):
    """The file; the options of its user section are its one line."""

    def lines(self) -> tuple[CommandLine, ...]:
        """Return the options as one line.

        Raises:
            HwaccelError: when kernelstub could not read it either; names file and line.
        """
        return (CommandLine.parse(" ".join(self.options)),)

    def with_lines(self, lines: Sequence[CommandLine]) -> bytes:
        """Return the content as kernelstub writes it."""
        data = self._data()
        data["user"]["kernel_options"] = _words(lines)
        data["user"]["live_mode"] = False
        return json.dumps(data, indent=2).encode()

    @property
    def options(self) -> list[str]:
        """What the kernel is to be given besides its root."""
        options = self._user().get("kernel_options", [])
        # Some vendors' images have one string.
        return options.split() if isinstance(options, str) else [*map(str, options)]

    @property
    def esp(self) -> str:
        """Where the EFI system partition is mounted."""
        return str(self._user().get("esp_path", _ESP)).rstrip("/")

    @property
    def foretold(self) -> bool:
        """Tell whether kernelstub is known to change nothing else in it."""
        user = self._data().get("user")
        if not isinstance(user, dict) or "live_mode" not in user:
            return False
        # An option of several words stays one to it.
        return bool(user.get("kernel_options") == _words(self.lines()))

    def _user(self) -> dict[str, t.Any]:
        data = self._data()
        user = data.get("user", data.get("default", {}))
        if not isinstance(user, dict) or not isinstance(
            user.get("kernel_options", []), (list, str)
        ):
            raise HwaccelError(f"{self.path}: kernel_options in the section user are no list")
        return t.cast("dict[str, t.Any]", user)

    def _data(self) -> dict[str, t.Any]:
        try:
            data = json.loads(self.text or "{}")
        except json.JSONDecodeError as error:
            message = (
                f"{self.path}, line {error.lineno}: kernelstub cannot read it: {error.msg}. Put "
                "it right, or remove it: kernelstub then begins with its defaults"
            )
            raise HwaccelError(message) from error
        except (ValueError, RecursionError) as error:
            raise HwaccelError(f"{self.path}: kernelstub cannot read it: {error}") from error
        if not isinstance(data, dict):
            raise HwaccelError(f"{self.path}: kernelstub cannot read it: it is no JSON object")
        return data


def _words(lines: Sequence[CommandLine]) -> list[str]:
    return [piece for line in lines for piece in line.pieces if not piece.isspace()]


def observe(host: Host, *, reason: str) -> Loader:
    """Read kernelstub's configuration and the entries that it made of it.

    Raises:
        HwaccelError: when the configuration cannot be read.
    """
    configuration = Configuration(CONFIGURATION, host.read_bytes(CONFIGURATION))
    files = _entries(host, f"{configuration.esp}/loader/entries")
    entries = tuple(file.entry for file in files)
    if not entries and configuration.content is not None:
        # Without systemd-boot it puts them into the firmware's own entries.
        line = configuration.lines()[0]
        entries = (Entry("kernelstub", CONFIGURATION, line),)

    def kernelstub(delta: Delta) -> tuple[Command, ...]:
        return tuple(
            Command(("kernelstub", option, " ".join(texts)), seconds=_SECONDS, lasting=True)
            for option, texts in _options(configuration.options, delta)
            if texts
        )

    foretold = configuration.content is not None and configuration.foretold
    return Loader(
        "kernelstub",
        reason,
        entries,
        tool_files=(configuration, *files) if foretold else (),
        tool=kernelstub,
    )


def _entries(host: Host, folder: str) -> list[BlsEntry]:
    """Return the entries that kernelstub writes; the recovery system has its own."""
    kernels = [name for name in host.names("/boot") if name.startswith("vmlinuz-")]
    # With one kernel it leaves an older entry for the last one as it is.
    ends = (_CURRENT,) if len(kernels) == 1 else (_CURRENT, _OLD)
    return [entry for entry in read_entries(host, folder, None) if entry.id.endswith(ends)]


def _options(there: Sequence[str], delta: Delta) -> list[tuple[str, list[str]]]:
    """Return the options of the commands that make a change, each with what it takes.

    C(-a) adds nothing that stands anywhere already. C(-d) leaves the others in any order, for it
    takes the difference of two sets: it serves where their order does not matter, and where the
    files as they were are put back behind it.
    """
    added, removed = ([_carried(each) for each in part] for part in (delta.added, delta.removed))
    kept = [text for text in there if text not in removed]
    lost = [text for text in added if text in kept and not _last(kept, text)]
    anew = removed and (added or _ordered(kept) or switched_off(removed, None))
    if (lost or anew) and '"' not in "".join(kept):
        return [("-o", [*kept, *(text for text in added if text in lost or text not in kept)])]
    return [("-a", added), ("-d", removed)]


def _last(texts: Sequence[str], text: str) -> bool:
    """Tell whether no other value of an option's name comes after it."""
    name = Argument(text).name
    return [each for each in texts if Argument(each).name == name][-1:] == [text]


def _ordered(texts: Sequence[str]) -> bool:
    """Tell whether the order of options matters."""
    names = Counter(Argument(text).name for text in texts)
    return max(names.values(), default=0) > 1 or not _ORDERED.isdisjoint(names)


def _carried(argument: Argument) -> str:
    if '"' in argument.text:
        message = (
            f"{argument}: kernelstub cannot carry quotes or blanks (it splits options at blanks "
            "and joins them again at quotes); nothing was changed. Set it by other means, such as "
            "a file in /etc/modprobe.d for an option of a module"
        )
        raise RefusedError(message)
    return argument.text
