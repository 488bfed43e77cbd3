# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that keep command lines: what is set in them, and taken back, to the byte."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import (
    Argument,
    CommandLine,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import (
    Delta,
    FileRecord,
    LineFile,
    delta_of,
    taken_back,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from collections.abc import Sequence

INTEL = Wanted.of("intel", passthrough=True, extra=[])
CONTENTS = st.lists(
    st.sampled_from(
        ["intel_iommu=on", "intel_iommu=off", "iommu=pt", "quiet", " ", "\n", "--", '"']
    )
).map(lambda parts: "".join(parts).encode())


@dataclass(frozen=True)
class PlainFile(LineFile):
    """One command line on each line."""

    def lines(self) -> tuple[CommandLine, ...]:
        """Return the lines."""
        return tuple(map(CommandLine.parse, self.text.split("\n")))

    def with_lines(self, lines: Sequence[CommandLine]) -> bytes:
        """Return the file with others."""
        return "\n".join(map(str, lines)).encode()


def plain(content: bytes | None) -> PlainFile:
    return PlainFile("/etc/lines", content)


def words(*texts: str) -> tuple[Argument, ...]:
    return tuple(map(Argument, texts))


@given(CONTENTS)
def test_taken_back_is_what_was_found(content: bytes) -> None:
    made = plain(content).settled(INTEL)
    record = FileRecord(content, made)
    assert taken_back(plain(made), record, Delta()) == content


@given(CONTENTS, st.sampled_from(["nosmt", "console=ttyS0"]))
def test_what_others_added_since_stays(content: bytes, word: str) -> None:
    found = plain(content + b"\nlast")
    made = found.settled(INTEL)
    now = plain((made or b"") + b" " + word.encode())
    back = taken_back(now, FileRecord(found.content, made), Delta())
    kept = [sorted(map(str, line.arguments)) for line in plain(back).lines()]
    before = [sorted(map(str, line.arguments)) for line in found.lines()]
    assert kept[:-1] == before[:-1]
    assert kept[-1] == sorted([*before[-1], word])


def test_settled_changes_only_what_lacks_something() -> None:
    content = b"ro  quiet\n\tintel_iommu=on,sm_on  iommu=pt \n"
    assert plain(content).settled(INTEL) == (
        b"ro  quiet intel_iommu=on iommu=pt\n"
        b"\tintel_iommu=on,sm_on  iommu=pt \n"
        b"intel_iommu=on iommu=pt"
    )


@pytest.mark.parametrize(
    ("found", "now", "back"),
    [
        # Nobody touched it: gone again.
        (None, b"ro intel_iommu=on", None),
        # Gone by others: it stays so.
        (b"ro", None, None),
        # Made by us, changed by others: without what was put into it.
        (None, b"ro intel_iommu=on nosmt", b"ro nosmt"),
        # An operator's own is not ours.
        (b"ro", b"intel_iommu=on ro intel_iommu=on", b"intel_iommu=on ro"),
        (b"ro intel_iommu=off", b"nosmt ro intel_iommu=on", b"nosmt ro intel_iommu=off"),
        # Lines that came or went meanwhile, as from a new kernel.
        (b"ro", b"ro intel_iommu=on\nrw intel_iommu=on", b"ro\nrw"),
    ],
)
def test_taken_back_by_words(found: bytes | None, now: bytes | None, back: bytes | None) -> None:
    record = FileRecord(found, b"ro intel_iommu=on")
    general = Delta(added=words("intel_iommu=on"))
    assert taken_back(plain(now), record, general) == back


def test_a_new_boot_entry_gives_up_what_it_inherited() -> None:
    general = Delta(words("intel_iommu=on"), words("intel_iommu=off"))
    assert taken_back(plain(b"rw intel_iommu=on"), None, general) == b"rw intel_iommu=off"
    assert taken_back(plain(b"rw"), None, Delta()) == b"rw"


def test_delta_counts_arguments() -> None:
    found, made = (CommandLine.parse(text) for text in ("a a b -- x", "a c b c -- y"))
    assert Delta.between(found, made) == Delta(words("c", "c"), words("a"))
    assert not Delta.between(found, found)


def test_deltas_together_tell_each_once() -> None:
    one, other = Delta(words("a"), words("x")), Delta(words("b", "a"), ())
    assert one.and_also(other) == Delta(words("a", "b"), words("x"))


def test_delta_of_a_file() -> None:
    found = plain(b"ro\nintel_iommu=on")
    made = replace(found, content=found.settled(INTEL))
    assert delta_of(found, made) == Delta(words("intel_iommu=on", "iommu=pt"))


def test_no_change_without_difference() -> None:
    assert plain(b"a").change_to(b"a") == ()
    (change,) = plain(None).change_to(b"a")
    assert (change.path, change.before, change.after) == ("/etc/lines", None, b"a")
