# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real dash and bash, to compare with: they source files as grub-mkconfig does."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.plugins.module_utils._shell.evaluate import (
    Dialect,
    ShellError,
    evaluate,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMANDS = {Dialect.DASH: ("dash",), Dialect.BASH: ("bash", "--posix")}
NAMES = ("A", "B", "C", "GRUB_CMDLINE_LINUX")

# A process for each file would take most of the time: one shell forks for every example.
DRIVER = """
while read -r file; do
    ( set -e; . "$file" ) </dev/null 2>/dev/null
    printf '\\0end\\0'
done
"""
END = b"\0end\0"


def decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class RealShell:
    """A shell that sources files."""

    def __init__(self, dialect: Dialect, folder: Path, path: str | None) -> None:
        """Start it in a folder; without a path it finds no commands but its own."""
        self._folder = folder
        name, *options = COMMANDS[dialect]
        empty = folder / "empty"
        empty.mkdir()
        self._process = subprocess.Popen(
            [shutil.which(name) or name, *options, "-c", DRIVER],
            cwd=empty if path is None else folder,
            env={"PATH": path or str(empty), "LC_ALL": "C.UTF-8", "HOME": "/home/someone"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()

    def variables(self, texts: Sequence[str]) -> dict[str, str] | None:
        """Source files and return the variables, None when the shell stopped before."""
        lines = []
        for number, text in enumerate(texts):
            path = self._folder / str(number)
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
            lines.append(f". '{path}'")
        values = " ".join(f'"${{{name}-}}"' for name in NAMES)
        lines.append(f"printf '\\0done\\0%s\\0%s\\0%s\\0%s' {values}")
        main = self._folder / "main"
        main.write_text("\n".join(lines), encoding="utf-8")
        told = self._ask(f"{main}\n".encode())
        done = told.partition(b"\0done\0")[2]
        return dict(zip(NAMES, map(decode, done.split(b"\0")))) if done else None

    def _ask(self, question: bytes) -> bytes:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError
        self._process.stdin.write(question)
        self._process.stdin.flush()
        told = b""
        while not told.endswith(END):
            more = os.read(self._process.stdout.fileno(), 65536)
            if not more:
                raise RuntimeError(f"the shell ended after {told!r}")
            told += more
        return told[: -len(END)]


@contextlib.contextmanager
def real_shells(path: str | None = "/usr/bin:/bin") -> Iterator[dict[Dialect, RealShell]]:
    """Run both shells in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        shells = {}
        for dialect in Dialect:
            place = Path(folder, dialect.value)
            place.mkdir()
            shells[dialect] = RealShell(dialect, place, path)
        try:
            yield shells
        finally:
            for shell in shells.values():
                shell.close()


class Verdict(t.NamedTuple):
    """What came out for a variable, and what the shell has: None when it stopped."""

    name: str
    possible: tuple[str, ...] | None
    real: str | None

    @property
    def wrong(self) -> bool:
        """Whether the shell has what was said to be impossible."""
        return self.possible is not None and self.real is not None and not self.right

    @property
    def right(self) -> bool:
        """Whether the shell has what was said."""
        return self.possible is not None and self.real in self.possible


def compare(shell: RealShell, dialect: Dialect, texts: Sequence[str]) -> list[Verdict]:
    """Evaluate files and let the shell source them; empty for what is not followed."""
    try:
        variables = evaluate(
            [(f"/files/{number}", text) for number, text in enumerate(texts)], dialect
        ).variables
    except ShellError:
        return []
    real = shell.variables(texts) or {}
    return [
        Verdict(name, variables[name].possible if name in variables else ("",), real.get(name))
        for name in NAMES
    ]
