# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

r"""Inputs as files: those that are tracked are plain text, as ansible-test wants every file.

One with carriage returns, control characters or bytes that are no UTF-8 has the suffix
C(.escaped), and these as C(\xNN), a backslash as two.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from pathlib import Path

_SUFFIX = ".escaped"
_ESCAPED = re.compile(rb"\\(?:x([0-9a-f]{2})|\\)")
_ODD = re.compile(rb"[^\t\n -~]")
_TO_ESCAPE = re.compile(rb"[^\t\n -\[\]-~]")


def read_input(path: Path) -> bytes:
    """Return what a file stands for."""
    content = path.read_bytes()
    if path.suffix != _SUFFIX:
        return content
    return _ESCAPED.sub(lambda found: bytes([int(found[1] or b"5c", 16)]), content)


def write_input(folder: Path, name: str, data: bytes) -> Path:
    """Keep an input under a name, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    if _ODD.search(data) is None:
        path = folder / name
    else:
        path = folder / f"{name}{_SUFFIX}"
        data = _TO_ESCAPE.sub(lambda found: b"\\x%02x" % ord(found[0]), data)
    path.write_bytes(data)
    return path
