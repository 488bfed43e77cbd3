# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(/etc/kernel/cmdline): what the boot entries of new kernels are made from.

kernel-install(8) turns every white space of it into a blank, so that parameters may stand in
lines of their own, and discards comments since systemd 257 (systemd/systemd#34008).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .cmdline import CommandLine
from .joined import JoinedFile, up_to_end

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .._host import Host

KERNEL_CMDLINE = "/etc/kernel/cmdline"
VENDOR_CMDLINE = "/usr/lib/kernel/cmdline"
# What a boot loader adds anew at each boot or kernel-install to each entry.
_NOT_INHERITED = ("BOOT_IMAGE", "initrd", "systemd.machine_id")


@dataclass(frozen=True)
class KernelCmdline(JoinedFile):
    """The file.

    Args:
        start: what new kernels get as long as there is no file, or one with nothing but comments.
        first_only: whether only the first line of text counts, comment or not.
    """

    start: bytes = b""
    first_only: bool = False

    @property
    def text(self) -> str:
        """The content, or what stands for it, undecodable bytes kept."""
        there = (self.content or b"").decode("utf-8", "surrogateescape")
        speaks = self.content is not None and (self.first_only or self._places(there.split("\n")))
        return there if speaks else there + self.start.decode("utf-8", "surrogateescape")

    def lines(self) -> tuple[CommandLine, ...]:
        """Return the lines of text that are no comments; an empty one when there is none."""
        texts = self.text.split("\n")
        lines = [CommandLine.parse(texts[place]) for place in self._places(texts)]
        return tuple(up_to_end(lines)) or (CommandLine(()),)

    def with_lines(self, lines: Sequence[CommandLine]) -> bytes:
        """Return the content with other lines of text and every other byte as it is."""
        texts = self.text.split("\n")
        places = self._places(texts)
        if places:
            for place, line in zip(places, lines):
                texts[place] = str(line)
        elif str(lines[0]):
            # No line of text yet: a new last one.
            texts[-1:] = [str(lines[0]), ""] if not texts[-1] else [texts[-1], str(lines[0]), ""]
        return "\n".join(texts).encode("utf-8", "surrogateescape")

    def _places(self, texts: Sequence[str]) -> list[int]:
        if self.first_only:
            return [0]
        return [
            place
            for place, text in enumerate(texts)
            if text.strip() and not text.lstrip().startswith("#")
        ]


def read_kernel_cmdline(host: Host, newest: CommandLine | None) -> tuple[KernelCmdline, ...]:
    """Return C(/etc/kernel/cmdline), or the one to make where there is none.

    Without it, and without the vendor's, new kernels get what the running one was started with
    (C(90-loaderentry.install)): not yet what is wanted, but what was meant for one boot only.

    Args:
        newest: the command line of the newest kernel's entry, to start from; None where there is
            nothing to start from, and no file is made.
    """
    content = host.read_bytes(KERNEL_CMDLINE)
    vendor = host.read_bytes(VENDOR_CMDLINE)
    if vendor is None and newest is not None:
        vendor = start_of(newest)
    if content is None and vendor is None:
        return ()
    return (KernelCmdline(KERNEL_CMDLINE, content, start=vendor or b""),)


def start_of(line: CommandLine) -> bytes:
    """Return the content of a file that gives new kernels what one kernel has."""
    texts = [each.text for each in line.arguments if each.name not in _NOT_INHERITED]
    return " ".join(texts).encode("utf-8", "surrogateescape") + b"\n"
