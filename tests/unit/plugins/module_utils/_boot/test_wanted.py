# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a command line lacks, and what works against it."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import (
    Argument,
    CommandLine,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from hypothesis import given
from hypothesis import strategies as st

INTEL = Wanted.of("intel", passthrough=True, extra=[])
EXTRAS = st.sampled_from(["a=1", "a=2", "nosmt", "console=ttyS0", "vfio-pci.disable_denylist=1"])
WORDS = st.sampled_from(
    [
        "intel_iommu=on",
        "intel_iommu=off",
        "intel_iommu=on,sm_on",
        "intel_iommu=off,sm_on",
        "iommu=off",
        "iommu=pt",
        "iommu=nopt",
        "amd_iommu=off",
        "a=1",
        "a=2",
        "console=tty0",
        "vfio_pci.disable_denylist=0",
        "quiet",
        "--",
    ]
)
LINES = st.lists(WORDS).map(" ".join).map(CommandLine.parse)
WANTED = st.builds(
    lambda vendor, extra, passthrough: Wanted.of(vendor, passthrough=passthrough, extra=extra),
    st.sampled_from(["intel", "amd", "arm", None]),
    st.lists(EXTRAS, unique=True, max_size=3),
    st.booleans(),
)


@given(WANTED, LINES)
def test_a_settled_line_is_met(wanted: Wanted, line: CommandLine) -> None:
    assert wanted.met(wanted.settled(line))


@given(WANTED, LINES)
def test_settled_twice_is_settled_once(wanted: Wanted, line: CommandLine) -> None:
    once = wanted.settled(line)
    assert wanted.settled(once) == once


@given(WANTED, LINES)
def test_no_other_argument_changes(wanted: Wanted, line: CommandLine) -> None:
    ours = {"intel_iommu", "iommu", "amd_iommu", *(each.name for each in wanted.arguments)}
    after = wanted.settled(line)
    assert [each for each in after.arguments if each.name not in ours] == [
        each for each in line.arguments if each.name not in ours
    ]


@given(WANTED, LINES)
def test_what_is_cleared_can_stand_on_either_side(wanted: Wanted, line: CommandLine) -> None:
    ours = CommandLine(()).with_arguments(wanted.arguments)
    before, after = (wanted.cleared(line, before=side) for side in (True, False))
    if "--" not in str(line):
        assert wanted.met(CommandLine.parse(f"{before} {ours}"))
    assert wanted.met(CommandLine.parse(f"{ours} {after}"))


@pytest.mark.parametrize(
    ("vendor", "passthrough", "extra", "arguments"),
    [
        ("intel", True, [], ["intel_iommu=on", "iommu=pt"]),
        ("intel", False, [], ["intel_iommu=on"]),
        ("amd", True, [], ["iommu=pt"]),
        ("amd", False, [], []),
        ("arm", True, [], []),
        (None, True, ["nosmt"], ["nosmt"]),
        ("intel", True, ["iommu=pt", "a=1"], ["intel_iommu=on", "iommu=pt", "a=1"]),
    ],
)
def test_wanted(
    vendor: str | None,
    extra: list[str],
    arguments: list[str],
    *,
    passthrough: bool,
) -> None:
    wanted = Wanted.of(vendor, passthrough=passthrough, extra=extra)
    assert [str(argument) for argument in wanted.arguments] == arguments


@pytest.mark.parametrize("text", ["intel_iommu=off", "iommu=off", "amd_iommu=fullflush,off"])
def test_an_extra_argument_that_turns_it_off_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="do not turn the IOMMU off"):
        Wanted.of("intel", passthrough=True, extra=[text])


@pytest.mark.parametrize(
    ("extra", "line", "missing"),
    [
        ([], "quiet", ["intel_iommu=on", "iommu=pt"]),
        ([], "intel_iommu=on,sm_on iommu=pt", []),
        ([], "intel-iommu=on iommu=pt", []),
        ([], "intel_iommu=on iommu=pt iommu=off", ["intel_iommu=on", "iommu=pt"]),
        ([], "-- intel_iommu=on iommu=pt", ["intel_iommu=on", "iommu=pt"]),
        (["isolcpus=1"], "intel_iommu=on iommu=pt isolcpus=1,3", ["isolcpus=1"]),
        (["a=1"], "intel_iommu=on iommu=pt a=1 a=2", ["a=1"]),
        (["console=tty1"], "intel_iommu=on iommu=pt console=tty1 console=tty2", []),
        (["a=1", "a=2"], "intel_iommu=on iommu=pt a=2 a=1", []),
        (["vfio-pci.ids=1"], "intel_iommu=on iommu=pt vfio_pci.ids=1", []),
        (["intel_iommu=sm_on"], "intel_iommu=on iommu=pt", ["intel_iommu=sm_on"]),
        (["intel_iommu=sm_on"], "intel_iommu=on,sm_on iommu=pt", []),
    ],
)
def test_missing(extra: list[str], line: str, missing: list[str]) -> None:
    wanted = Wanted.of("intel", passthrough=True, extra=extra)
    found = wanted.missing(CommandLine.parse(line))
    assert [str(argument) for argument in found] == missing


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("ro quiet", "ro quiet intel_iommu=on iommu=pt"),
        ("ro intel_iommu=off quiet", "ro quiet intel_iommu=on iommu=pt"),
        ("intel_iommu=off,sm_on", "intel_iommu=sm_on intel_iommu=on iommu=pt"),
        ("iommu=off amd_iommu=off", "amd_iommu=off intel_iommu=on iommu=pt"),
        ("intel_iommu=off intel_iommu=on", "intel_iommu=off intel_iommu=on iommu=pt"),
        ("ro -- iommu=off", "ro intel_iommu=on iommu=pt -- iommu=off"),
    ],
)
def test_settled(line: str, after: str) -> None:
    assert str(INTEL.settled(CommandLine.parse(line))) == after


def test_earlier_arguments_stay_unless_given_another_value() -> None:
    earlier = [Argument(text) for text in ("a=1", "console=tty1", "nosmt", "iommu=pt")]
    wanted = Wanted.of("amd", passthrough=False, extra=["a=2", "console=tty2", "nosmt"])
    texts = [str(argument) for argument in wanted.and_earlier(earlier).arguments]
    assert texts == ["console=tty1", "nosmt", "iommu=pt", "a=2", "console=tty2"]


@given(WANTED, WANTED)
def test_two_tasks_do_not_take_turns(one: Wanted, other: Wanted) -> None:
    both = other.and_earlier(one.arguments)
    pairs = ((mine, yours) for mine in one.arguments for yours in other.arguments)
    if not any(mine.name == yours.name and mine != yours for mine, yours in pairs):
        assert one.and_earlier(both.arguments).arguments == both.arguments
