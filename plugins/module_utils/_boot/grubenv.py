# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GRUB's environment block, and the variables that it gives to boot entries.

The block has a fixed size, since GRUB itself writes it in place when it boots: lines
C(name=value), a backslash before each newline and backslash of a value, and C(#) up to the end
(C(grub-core/lib/envblk.c)).
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import HwaccelError
from .cmdline import CommandLine
from .entries import Grub
from .linefile import LineFile

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._host import Host
    from .entries import BlsEntry

GRUBENV = "/boot/grub2/grubenv"
KERNELOPTS = "kernelopts"
_SIGNATURE = b"# GRUB Environment Block\n"
_CONFIGS = ("/boot/grub2/grub.cfg", "/etc/grub2.cfg", "/etc/grub2-efi.cfg")
# A comment and a value may have newlines, each with a backslash before it; a name goes up to the
# next equals sign, wherever that is. Of what goes on to the end of the block GRUB takes nothing.
_LINE = re.compile(
    r"#(?:\\.|[^\\\n])*(?:\n|\\?\Z)|([^=]*)(?:=((?:\\.|[^\\\n])*)(\n?)|\Z)", re.DOTALL
)
_FALLBACK = re.compile(
    r"""^\s*set (kernelopts|default_kernelopts)=(["']?)([^"'$\\\n]*)\2[ \t]*$""", re.MULTILINE
)


@dataclass(frozen=True)
class Grubenv(LineFile):
    """The block; its line is C(kernelopts), which the entries of RHEL 8 take."""

    @property
    def valid(self) -> bool:
        """Whether it is a block at all."""
        return self.content is not None and self.content.startswith(_SIGNATURE)

    @property
    def variables(self) -> dict[str, str]:
        """What it says."""
        return {line[1]: _unescaped(line[2]) for line in self._settings()}

    def lines(self) -> tuple[CommandLine, ...]:
        """Return the value of C(kernelopts), or nothing where it has none."""
        value = self.variables.get(KERNELOPTS)
        return () if value is None else (CommandLine.parse(value),)

    def with_lines(self, lines: Sequence[CommandLine]) -> bytes:
        """Return the block with another value, in its old size.

        Raises:
            HwaccelError: when the value does not fit.
        """
        content = self.content or b""
        found = [line for line in self._settings() if line[1] == KERNELOPTS]
        # Written anew, a backslash that need not be there would go.
        if not found or not lines or tuple(lines) == self.lines():
            return content
        # Of several the last one counts.
        line = found[-1]
        text = self.text[: line.start(2)] + _escaped(str(lines[0])) + self.text[line.end(2) :]
        used = text.encode("utf-8", "surrogateescape").rstrip(b"#")
        if len(used) > len(content):
            message = (
                f"{self.path}: {KERNELOPTS} takes {len(used) - len(content)} bytes more than the "
                f"{len(content)} of the block have; nothing was changed. Make it shorter: "
                f"{lines[0]}"
            )
            raise HwaccelError(message)
        return used.ljust(len(content), b"#")

    def _settings(self) -> list[re.Match[str]]:
        """Return name and value of each variable."""
        return [line for line in _LINE.finditer(self.text) if line[3]] if self.valid else []


def read_grub(host: Host) -> tuple[Grub, Grubenv]:
    """Return what GRUB knows when it reads the entries, and the file that some of it is in.

    Where the block lacks a variable, C(grub.cfg) gives it the value of the last grub2-mkconfig.
    """
    grubenv = Grubenv(GRUBENV, host.read_bytes(GRUBENV))
    texts = filter(None, map(host.read_text, _CONFIGS))
    fallback = {found[1]: found[3] for found in _FALLBACK.finditer(next(texts, ""))}
    kept = frozenset({KERNELOPTS} if grubenv.lines() else ())
    return Grub({**fallback, **grubenv.variables}, kept), grubenv


def used_grubenv(grubenv: Grubenv, entries: Iterable[BlsEntry]) -> tuple[Grubenv, ...]:
    """Return the block where an entry takes C(kernelopts) from it."""
    used = grubenv.lines() and any(KERNELOPTS in entry.variables for entry in entries)
    return (grubenv,) if used else ()


def _escaped(value: str) -> str:
    return re.sub(r"([\\\n])", r"\\\1", value)


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
