# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(/etc/kernel/cmdline) as it is found, set, and taken back."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import (
    Argument,
    CommandLine,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.kernel_cmdline import (
    KernelCmdline,
    read_kernel_cmdline,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import (
    Delta,
    FileRecord,
    delta_of,
    taken_back,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import RefusedError
from hypothesis import assume, given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

PATH = "/etc/kernel/cmdline"
INTEL = Wanted.of("intel", passthrough=True, extra=[])
NOTHING = Wanted.of("arm", passthrough=True, extra=[])
OWN = (Argument("intel_iommu=on"), Argument("iommu=pt"))
HARMLESS = [
    "root=UUID=1",
    "quiet",
    "isolcpus=1,3",
    'dyndbg="file x +p"',
    "console=tty0",
    "iommu=pt",
]
WORDS = [*HARMLESS, "intel_iommu=off", "iommu=off", "intel_iommu=on,sm_on", "--"]
ENDS = st.sampled_from(["\n", "\r\n"])


def contents(words: list[str]) -> st.SearchStrategy[bytes]:
    line = st.one_of(
        st.lists(st.sampled_from(words), max_size=4).map("  ".join),
        st.sampled_from(["# a comment: iommu=off", "", "   "]),
    )
    return st.builds(
        lambda lines, end, final: (end.join(lines) + (end if final else "")).encode(),
        st.lists(line, max_size=4),
        ENDS,
        st.booleans(),
    )


FILES = st.builds(KernelCmdline, st.just(PATH), contents(WORDS), first_only=st.booleans())


def settled(content: bytes, *, wanted: Wanted = INTEL, first_only: bool = False) -> bytes | None:
    return KernelCmdline(PATH, content, first_only=first_only).settled(wanted)


@pytest.mark.parametrize(
    ("content", "made"),
    [
        (b"root=UUID=1 ro\n", b"root=UUID=1 ro intel_iommu=on iommu=pt\n"),
        (b"root=UUID=1 ro", b"root=UUID=1 ro intel_iommu=on iommu=pt"),
        (b"root=UUID=1 ro \r\n", b"root=UUID=1 ro intel_iommu=on iommu=pt \r\n"),
        (b"", b"intel_iommu=on iommu=pt\n"),
        (b"\n", b"\nintel_iommu=on iommu=pt\n"),
        (b"# mine", b"# mine\nintel_iommu=on iommu=pt\n"),
        (b"# mine\n", b"# mine\nintel_iommu=on iommu=pt\n"),
        (b"# x\nroot=1\n\n  # y\nro\n", b"# x\nroot=1\n\n  # y\nro intel_iommu=on iommu=pt\n"),
        (b"# iommu=pt\nro\n", b"# iommu=pt\nro intel_iommu=on iommu=pt\n"),
        (b"intel_iommu=on\niommu=pt\nro\n", b"intel_iommu=on\niommu=pt\nro\n"),
        (b"intel_iommu=off\nro\n", b"\nro intel_iommu=on iommu=pt\n"),
        (b"ro --\nsingle iommu=pt\n", b"ro intel_iommu=on iommu=pt --\nsingle iommu=pt\n"),
        (b"\xff=1\n", b"\xff=1 intel_iommu=on iommu=pt\n"),
    ],
)
def test_what_is_lacking_comes_after_the_last_argument(content: bytes, made: bytes) -> None:
    assert settled(content) == made
    assert settled(made) == made


@pytest.mark.parametrize(
    ("content", "made"),
    [
        (b"ro\nquiet\n", b"ro intel_iommu=on iommu=pt\nquiet\n"),
        (b"ro\nintel_iommu=on iommu=pt", b"ro intel_iommu=on iommu=pt\nintel_iommu=on iommu=pt"),
    ],
)
def test_where_only_the_first_line_counts_it_gets_everything(content: bytes, made: bytes) -> None:
    assert settled(content, first_only=True) == made


def test_intel_iommu_with_options_is_left_alone() -> None:
    content = b"root=1\nintel_iommu=on,sm_on\niommu=pt\n"
    assert settled(content) == content


def test_isolcpus_1_is_not_taken_for_isolcpus_1_3() -> None:
    wanted = Wanted.of("arm", passthrough=True, extra=["isolcpus=1"])
    assert settled(b"ro isolcpus=1,3\n", wanted=wanted) == b"ro isolcpus=1,3 isolcpus=1\n"


def test_a_quote_without_an_end_in_an_earlier_line_is_refused() -> None:
    # Joined by blanks, it takes all lines after it as its value.
    with pytest.raises(RefusedError, match=r"/etc/kernel/cmdline: .*dyndbg"):
        settled(b'dyndbg="file x\nro\n')


def test_no_file_is_made_only_to_say_what_holds_anyway() -> None:
    file = KernelCmdline(PATH, None, start=b"ro intel_iommu=on iommu=pt\n")
    assert file.settled(INTEL) is None
    assert KernelCmdline(PATH, None, start=b"ro\n").settled(NOTHING) is None


def test_a_file_that_is_made_starts_from_what_holds_and_goes_again() -> None:
    file = KernelCmdline(PATH, None, start=b"# vendor\nro\n")
    made = file.settled(INTEL)
    assert made == b"# vendor\nro intel_iommu=on iommu=pt\n"
    assert delta_of(file, replace(file, content=made)) == Delta(added=OWN)
    assert taken_back(replace(file, content=made), FileRecord(None, made), Delta()) is None


@pytest.mark.parametrize(
    ("files", "start"),
    [
        ({}, b"root=1 quiet $tuned_params\n"),
        ({"usr/lib/kernel/cmdline": "# v\nvendor"}, b"# v\nvendor"),
    ],
)
def test_a_missing_file_starts_from_the_vendors_or_the_newest_kernel(
    machine: Machine, files: dict[str, str], start: bytes
) -> None:
    for path, content in files.items():
        machine.write(path, content)
    newest = CommandLine.parse(
        "BOOT_IMAGE=/a initrd=\\b root=1 quiet systemd.machine_id=c $tuned_params"
    )
    (file,) = read_kernel_cmdline(machine.host, newest)
    assert (file.content, file.start) == (None, start)


def test_without_anything_to_start_from_no_file_is_made(machine: Machine) -> None:
    assert read_kernel_cmdline(machine.host, None) == ()


def test_a_file_that_is_there_is_taken_as_it_is(machine: Machine) -> None:
    machine.write("etc/kernel/cmdline", "ro\n")
    (file,) = read_kernel_cmdline(machine.host, CommandLine.parse("root=1"))
    assert (file.content, file.text) == (b"ro\n", "ro\n")


@pytest.mark.parametrize("content", ["", "\n", "# nothing yet\n"])
def test_a_file_that_says_nothing_gets_what_the_entries_have(
    machine: Machine,
    content: str,
) -> None:
    machine.write("etc/kernel/cmdline", content)
    (file,) = read_kernel_cmdline(machine.host, CommandLine.parse("root=1"))
    made = file.settled(INTEL)
    assert made == f"{content}root=1 intel_iommu=on iommu=pt\n".encode()


@given(FILES)
def test_settled_twice_is_settled_once(file: KernelCmdline) -> None:
    once = file.settled(INTEL)
    made = replace(file, content=once)
    assert INTEL.met(made.line)
    assert made.settled(INTEL) == once


@given(FILES)
def test_taken_back_is_what_was_found(file: KernelCmdline) -> None:
    made = replace(file, content=file.settled(INTEL))
    record = FileRecord(file.content, made.content)
    assert taken_back(made, record, Delta()) == file.content


@given(contents(HARMLESS))
def test_taken_back_leaves_what_others_wrote_meanwhile(content: bytes) -> None:
    file = KernelCmdline(PATH, content)
    # Without a line before, the one that was made for ours stays behind, empty.
    assume(file.line.arguments)
    made = file.settled(INTEL) or b""
    later = b"\n# later\n"
    now = replace(file, content=made + later)
    assert taken_back(now, FileRecord(content, made), Delta()) == content + later


@given(FILES)
def test_comments_and_other_lines_stay(file: KernelCmdline) -> None:
    made = (file.settled(INTEL) or b"").split(b"\n")
    for number, line in enumerate((file.content or b"").split(b"\n")):
        if line.startswith(b"#") and not (number == 0 and file.first_only):
            assert made[number] == line
