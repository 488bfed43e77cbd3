# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What qatlib's policy was before us, and the VFs that were ever chosen."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.environment import Environment
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.record import (
    MODULE,
    PolicyRecord,
    read_record,
    read_vfs,
    with_record,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.unit import UNIT
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UndoEntry, UndoRecord
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

NOTHING = PolicyRecord()
VFS = [PciAddress.parse(f"0000:01:01.{number}") for number in range(3)]
CONTENTS = st.one_of(
    st.none(),
    st.lists(
        st.sampled_from(
            [b"A=1", b"POLICY=4", b" POLICY='\xff'", b"#POLICY=7", b"\n", b"\r\n", b"\r", b"\xff"]
        ),
        max_size=10,
    ).map(b"".join),
)


def settings(content: bytes | None) -> Environment:
    return Environment("/etc/sysconfig/qat", content)


@pytest.mark.parametrize(
    "record",
    [NOTHING, PolicyRecord("POLICY=\udcff", file=True, made="2"), PolicyRecord(file=False)],
)
def test_written_and_read(machine: Machine, record: PolicyRecord) -> None:
    for change in with_record(UndoRecord.read(machine.host), record).change():
        change.apply(machine.host)
    assert read_record(UndoRecord.read(machine.host)) == record


def test_nothing_is_remembered(machine: Machine) -> None:
    assert read_record(UndoRecord.read(machine.host)) is None
    assert read_vfs(UndoRecord.read(machine.host)) == frozenset()


def test_vfs_are_remembered_beside_those_before(machine: Machine) -> None:
    undo = UndoRecord.read(machine.host)
    for vfs in (VFS[1:], VFS[:2], []):
        undo = with_record(undo, NOTHING, vfs)
    for change in undo.change():
        change.apply(machine.host)
    assert read_vfs(UndoRecord.read(machine.host)) == frozenset(VFS)


def test_a_record_without_vfs() -> None:
    entry = UndoEntry({"line": None, "file": True}, {"policy": None})
    assert read_vfs(UndoRecord(None, {MODULE: {UNIT: entry}})) == frozenset()


@pytest.mark.parametrize("vfs", ["0000:01:01.0", [1], ["0000:01:01.0", "first"], [None], {}])
def test_vfs_that_others_wrote(vfs: object) -> None:
    entry = UndoEntry({"line": None, "file": True}, {"policy": None, "vfs": vfs})
    with pytest.raises(HostError, match=r"qat\.service: not as this release writes it"):
        read_vfs(UndoRecord(None, {MODULE: {UNIT: entry}}))


@pytest.mark.parametrize(
    ("found", "made"),
    [
        ({}, {"policy": "2"}),
        ({"line": None, "file": "yes"}, {"policy": "2"}),
        ({"line": 2, "file": True}, {"policy": "2"}),
        ({"line": None, "file": True}, {"policy": 2}),
    ],
)
def test_what_others_wrote(found: dict[str, t.Any], made: dict[str, t.Any]) -> None:
    undo = UndoRecord(None, {MODULE: {UNIT: UndoEntry(found, made)}})
    with pytest.raises(HostError, match=r"qat\.service: not as this release writes it"):
        read_record(undo)


@given(CONTENTS, st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=4))
def test_the_content_before_comes_back(content: bytes | None, policies: list[int | None]) -> None:
    record, now = NOTHING, settings(content)
    for policy in policies:
        record = record.then(now, policy)
        if policy is not None:
            now = settings(now.with_policy(str(policy)))
    assert record.taken_back(now) == content


def test_what_others_have_set_stays() -> None:
    record = NOTHING.then(settings(b"POLICY=1\n"), 2)
    assert record == PolicyRecord("POLICY=1", file=True, made="2")
    assert record.taken_back(settings(b"POLICY=5\n")) == b"POLICY=5\n"
    assert record.taken_back(settings(b"A=1\n")) == b"A=1\n"
    assert record.taken_back(settings(None)) is None
    assert record.taken_back(settings(b"A=1\nPOLICY=2\n")) == b"A=1\nPOLICY=1\n"


def test_what_was_found_first_counts() -> None:
    record = NOTHING.then(settings(None), 1)
    # A task that was cut off has written one of the two: the record, or the file.
    assert record.then(settings(b"POLICY=1\n"), 2).then(settings(b"POLICY=1\n"), 3) == PolicyRecord(
        None, file=False, made="3"
    )
    record = record.then(settings(b"POLICY=2\n"), 2)
    assert record.taken_back(settings(b"POLICY=2\n")) is None


def test_a_file_that_only_we_have_written_goes() -> None:
    record = NOTHING.then(settings(None), 2)
    assert record.taken_back(settings(b"POLICY=2\n")) is None
    assert record.taken_back(settings(b"POLICY=2\nA=1\n")) == b"A=1\n"
    # One that was empty before is no such file.
    assert NOTHING.then(settings(b""), 2).taken_back(settings(b"POLICY=2\n")) == b""
