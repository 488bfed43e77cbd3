# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line inside of a unified kernel image, a section of a PE file.

The file is up to hundreds of megabytes of kernel and initrd: only its headers and that section
are read. What add-ons beside it add is not seen.
"""

from __future__ import annotations

import struct
import typing as t

from .cmdline import CommandLine

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._host import Host

# PE/COFF as Microsoft documents it: where the offset of the header stands, and sizes.
_HEADER_AT, _COFF, _SECTION = 0x3C, 24, 40
_SECTIONS_LIMIT = 96
# Twice what the longest kernel command line of any architecture takes.
_LINE_LIMIT = 1 << 15


def read_uki(host: Host, path: str) -> CommandLine | None:
    """Return the command line that an image has, None for no image, and for one without."""
    sections = dict(reversed(list(_sections(host, path))))
    if b".linux" not in sections or b".cmdline" not in sections:
        return None
    at, size = sections[b".cmdline"]
    size = min(size, _LINE_LIMIT)
    content = host.read_piece(path, at, size)
    if len(content) < size:
        # Cut off: nothing starts from it.
        return None
    text = content.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    return CommandLine.parse(text.strip())


def _sections(host: Host, path: str) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield the name, the place and the size of each section; of one name the first counts.

    An image with several profiles has a C(.cmdline) for each; the first is for all.
    """
    start = host.read_piece(path, 0, _HEADER_AT + 4)
    if len(start) < _HEADER_AT + 4 or not start.startswith(b"MZ"):
        return
    (header_at,) = struct.unpack_from("<I", start, _HEADER_AT)
    header = host.read_piece(path, header_at, _COFF)
    if len(header) < _COFF or not header.startswith(b"PE\0\0"):
        return
    (count,) = struct.unpack_from("<H", header, 6)
    (optional,) = struct.unpack_from("<H", header, 20)
    size = min(count, _SECTIONS_LIMIT) * _SECTION
    table = host.read_piece(path, header_at + _COFF + optional, size)
    for place in range(0, len(table) - _SECTION + 1, _SECTION):
        name, used, _address, raw, at = struct.unpack_from("<8sIIII", table, place)
        yield name.rstrip(b"\0"), (at, min(used, raw))
