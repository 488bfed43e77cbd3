# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line inside of a unified kernel image."""

from __future__ import annotations

import struct
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.uki import read_uki
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

PATH = "/efi/EFI/Linux/a.efi"
HEADER_AT, OPTIONAL = 0x80, 240


def image(*sections: tuple[str, bytes], used: int | None = None, count: int | None = None) -> bytes:
    """Return a PE file laid out as ukify makes one: padded sections behind the headers."""
    table, data = b"", b""
    at = 0x400
    for name, content in sections:
        raw = content.ljust(-(-len(content) // 512) * 512, b"\0")
        size = len(content) if used is None else used
        table += struct.pack("<8sIIII16x", name.encode(), size, 0x1000, len(raw), at + len(data))
        data += raw
    total = len(sections) if count is None else count
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, total, 0, 0, 0, OPTIONAL, 0)
    start = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", HEADER_AT)
    headers = start.ljust(HEADER_AT, b"\0") + coff + bytes(OPTIONAL) + table
    return headers.ljust(at, b"\0") + data


LINUX = (".linux", b"kernel")


def read(machine: Machine, content: bytes) -> str | None:
    machine.write(PATH, content)
    line = read_uki(machine.host, PATH)
    return None if line is None else str(line)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (image((".cmdline", b"root=1 ro\n\0"), LINUX), "root=1 ro"),
        (image(LINUX, (".cmdline", b"root=1 ro")), "root=1 ro"),
        (image(LINUX, (".cmdline", b"a \xff")), "a \udcff"),
        (image(LINUX, (".cmdline", b"")), ""),
        (
            image(LINUX, (".cmdline", b"first"), (".profile", b"x"), (".cmdline", b"second")),
            "first",
        ),
        (image(LINUX, (".cmdline", b"x" * 600), used=300), "x" * 300),
        (image(LINUX), None),
        (image((".cmdline", b"an add-on")), None),
        (b"", None),
        (b"MZ", None),
        (b"\x7fELF".ljust(4096, b"\0"), None),
        (image(LINUX, (".cmdline", b"a")).replace(b"PE\0\0", b"NE\0\0"), None),
        (image(LINUX, (".cmdline", b"a"), count=1), None),
        (image(LINUX, (".cmdline", b"a"), count=0xFFFF), "a"),
        (image(LINUX, (".cmdline", b"root=1"))[:0x200], None),
        (image(LINUX, (".cmdline", b"root=1"))[:0x603], None),
    ],
)
def test_the_line_is_what_the_first_section_has(
    machine: Machine, content: bytes, line: str | None
) -> None:
    assert read(machine, content) == line


def test_no_file_is_no_image(machine: Machine) -> None:
    assert read_uki(machine.host, PATH) is None


def test_only_headers_and_the_section_are_read(machine: Machine) -> None:
    class Counted(Host):
        """A host that counts what is read."""

        count = 0

        def read_piece(self, path: str, offset: int, size: int) -> bytes:
            """Count the bytes that are asked for."""
            self.count += size
            return super().read_piece(path, offset, size)

    machine.write(PATH, image((".linux", bytes(1 << 20)), (".cmdline", b"a".ljust(1 << 17, b" "))))
    host = Counted(machine.root)
    assert str(read_uki(host, PATH)) == "a"
    assert host.count < 1 << 16


@given(st.binary(max_size=200), st.integers(0, 0x500))
def test_no_file_breaks_the_reader(content: bytes, place: int) -> None:
    whole = bytearray(image(LINUX, (".cmdline", b"root=1")))
    whole[place : place + len(content)] = content

    class Bytes(Host):
        """A host with one file."""

        def read_piece(self, path: str, offset: int, size: int) -> bytes:
            """Return a part of it."""
            del path
            return bytes(whole[offset : offset + size])

    line = read_uki(Bytes("/"), PATH)
    assert line is None or len(str(line)) <= len(whole)
