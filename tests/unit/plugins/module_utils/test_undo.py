# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo record: what was found first stays, and a file of somebody else is left alone."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Plan
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import (
    UNDO_PATH,
    UndoEntry,
    UndoRecord,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine


def write(machine: Machine, record: UndoRecord) -> None:
    Plan(record.change()).apply(machine.host)


def test_no_record_yet(machine: Machine) -> None:
    record = UndoRecord.read(machine.host)
    assert record.entry("qat_sriov", "a") is None
    assert record.change() == ()


def test_what_is_written_is_read(machine: Machine) -> None:
    record = UndoRecord.read(machine.host)
    found = {"num_vfs": 4, "rule": "a\udcff"}
    write(machine, record.with_entry("qat_sriov", "a", UndoEntry(found, {"num_vfs": 16})))
    again = UndoRecord.read(machine.host)
    assert again.entry("qat_sriov", "a") == UndoEntry(found, {"num_vfs": 16})
    assert again.entry("qat_sriov", "b") is None
    assert again.entry("other", "a") is None
    assert again.change() == ()
    assert machine.at(UNDO_PATH).stat().st_mode & 0o777 == 0o600


def test_an_entry_takes_the_place_of_an_older_one(machine: Machine) -> None:
    first = UndoRecord.read(machine.host).with_entry("m", "a", UndoEntry({"n": 1}, {"n": 2}))
    second = first.with_entry("m", "a", UndoEntry({"n": 1}, None))
    assert second.entry("m", "a") == UndoEntry({"n": 1}, None)
    # Values are frozen: the first one is as it was.
    assert first.entry("m", "a") == UndoEntry({"n": 1}, {"n": 2})


def test_entries_do_not_touch_each_other(machine: Machine) -> None:
    record = UndoRecord.read(machine.host)
    for module, thing in (("m", "a"), ("m", "b"), ("n", "a")):
        record = record.with_entry(module, thing, UndoEntry({}, None))
    record = record.without_entry("m", "a").without_entry("x", "y")
    assert record.modules == {
        "m": {"b": UndoEntry({}, None)},
        "n": {"a": UndoEntry({}, None)},
    }


def test_the_file_goes_with_its_last_entry(machine: Machine) -> None:
    write(machine, UndoRecord.read(machine.host).with_entry("m", "a", UndoEntry({}, {})))
    record = UndoRecord.read(machine.host).without_entry("m", "a")
    assert record.modules == {}
    write(machine, record)
    assert not machine.at(UNDO_PATH).exists()


def test_the_change_is_not_shown_to_the_user(machine: Machine) -> None:
    record = UndoRecord.read(machine.host).with_entry("m", "a", UndoEntry({}, {}))
    (change,) = record.change()
    assert (change.shown, change.mode, change.path) == (False, 0o600, UNDO_PATH)
    assert change.after is not None
    assert json.loads(change.after)["version"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"mine\n",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"version": 1}',
        b'{"modules": {}}',
        b'{"version": 1, "modules": []}',
        b'{"version": 1, "modules": {"qat_sriov": []}}',
        b'{"version": 1, "modules": {"qat_sriov": {"a": 1}}}',
    ],
)
def test_a_file_that_is_not_ours_is_refused(machine: Machine, content: bytes) -> None:
    machine.write(UNDO_PATH, content)
    with pytest.raises(HostError, match=f"{UNDO_PATH}: not an undo record") as caught:
        UndoRecord.read(machine.host).entry("qat_sriov", "a")
    assert "move it away" in str(caught.value)
    assert machine.at(UNDO_PATH).read_bytes() == content


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_record_of_another_release_is_refused(machine: Machine, version: object) -> None:
    machine.write(UNDO_PATH, json.dumps({"version": version, "modules": {}}))
    with pytest.raises(HostError, match=f"version {version!r}, this release reads version 1"):
        UndoRecord.read(machine.host)
