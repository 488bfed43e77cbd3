# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The udev rules for the VFs of qatlib, written and read back."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.rules import (
    RULES,
    is_ours,
    mask_to_be,
    read_own_vfs,
    render_rules,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

VF, OTHER = PciAddress.parse("0000:6b:00.1"), PciAddress.parse("10000:6b:1f.7")
ADDRESSES = st.builds(
    PciAddress,
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFF),
    st.integers(0, 0x1F),
    st.integers(0, 7),
)
LINE = (
    'SUBSYSTEM=="vfio", KERNEL=="[0-9]*", '
    'TEST=="/sys/kernel/iommu_groups/%k/devices/0000:6b:00.1/physfn/qat", '
    'GROUP="qat", MODE="0660"\n'
)


def test_a_line_for_each_vf() -> None:
    text = (render_rules([VF, OTHER]) or b"").decode()
    comment, rest = text.split("\n", 1)
    assert comment.startswith("# ")
    assert rest == LINE + LINE.replace("0000:6b:00.1", "10000:6b:1f.7")


def test_none_for_no_vf() -> None:
    assert render_rules([]) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(vfs=st.sets(ADDRESSES, max_size=20))
def test_written_and_read(machine: Machine, vfs: set[PciAddress]) -> None:
    machine.write(RULES, render_rules(sorted(vfs)) or b"")
    assert read_own_vfs(machine.host) == vfs


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=80))
def test_what_others_write_there_is_no_matter(machine: Machine, junk: bytes) -> None:
    machine.write(RULES, junk.replace(b"TEST", b"") + b"\n" + LINE.encode() + junk)
    assert read_own_vfs(machine.host) == {VF}


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"#{LINE}",
        f"  # {LINE}",
        LINE.replace("0000:6b:00.1", "*"),
        LINE.replace("0000:6b:00.1", "0000:6b:00.9"),
        LINE.replace("/physfn/qat", ""),
    ],
)
def test_what_gives_no_vf_away(machine: Machine, text: str) -> None:
    machine.write(RULES, text)
    assert read_own_vfs(machine.host) == frozenset()


@pytest.mark.parametrize("theirs", [b"", b"# mine\n"])
def test_the_rule_of_the_package_is_masked_unless_somebody_did(theirs: bytes) -> None:
    ours = mask_to_be(None, present=True)
    assert is_ours(ours)
    assert mask_to_be(ours, present=True) == ours
    assert mask_to_be(ours, present=False) is None
    for present in (True, False):
        assert mask_to_be(theirs, present=present) == theirs


def test_without_the_file(machine: Machine) -> None:
    assert read_own_vfs(machine.host) == frozenset()
