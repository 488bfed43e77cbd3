# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of a file, and what it is without us."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.document import Document
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.record import (
    TAKEN_BACK,
    FileRecord,
    read_record,
    with_record,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH, UndoRecord
from ansible_collections.hwaccel.virt.tests.unit.plugins.config_runs import PF_FILE, sample
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SETS = st.lists(
    st.tuples(
        st.sampled_from(["GENERAL", "SSL", "NEW"]),
        st.sampled_from(["ServicesEnabled", "Cy0Name", "Own", "NumProcesses"]),
        st.sampled_from(["1", "2", '"x"', None]),
    ),
    max_size=5,
)


def edited(text: str, sets: list[tuple[str, str, str | None]]) -> str:
    """Return a file after some edits."""
    document = Document.parse(text)
    for section, key, value in sets:
        if value is None:
            document = document.without_value(section, key)
        else:
            document = document.with_value(section, key, value)
    return str(document)


@pytest.mark.parametrize(
    "record",
    [FileRecord(None, "x\n"), FileRecord("a\udcff\r\n", "b\udcff"), TAKEN_BACK, None],
)
def test_written_and_read(machine: Machine, record: FileRecord | None) -> None:
    undo = with_record(UndoRecord.read(machine.host), PF_FILE, record)
    for change in undo.change():
        change.apply(machine.host)
    assert read_record(UndoRecord.read(machine.host), PF_FILE) == record


def test_a_record_that_is_not_ours(machine: Machine) -> None:
    entry = {"found": {"content": 1}, "set": {"content": None}}
    document = {"version": 1, "modules": {"qat_config": {PF_FILE: entry}}}
    machine.write(UNDO_PATH, json.dumps(document))
    with pytest.raises(HostError, match="not as this release writes it"):
        read_record(UndoRecord.read(machine.host), PF_FILE)


@given(SETS)
def test_what_was_done_is_undone(sets: list[tuple[str, str, str | None]]) -> None:
    made = edited(sample(), sets)
    record = FileRecord(sample(), made)
    assert record.taken_back(made) == sample()
    # Something of others is added, so that it is undone key by key.
    back = record.taken_back(f"# Theirs\n{made}")
    found = Document.parse(back or "")
    assert (back or "").startswith("# Theirs\n")
    for section in ("GENERAL", "KERNEL", "SSL", "NEW"):
        assert found.values(section) == Document.parse(sample()).values(section)


@given(SETS, SETS)
def test_what_others_set_stays(
    ours: list[tuple[str, str, str | None]], theirs: list[tuple[str, str, str | None]]
) -> None:
    made = edited(sample(), ours)
    now = edited(made, theirs)
    back = Document.parse(FileRecord(sample(), made).taken_back(now) or "")
    before, after = Document.parse(made), Document.parse(now)
    for section, key, _value in theirs:
        if after.value(section, key) != before.value(section, key):
            assert back.value(section, key) == after.value(section, key)


def test_a_section_that_was_taken_out_comes_back() -> None:
    found = "[SSL]\nA = 1\n\n[X]\nB = 1\n"
    record = FileRecord(found, str(Document.parse(found).without_section("SSL")))
    assert record.taken_back("[X]\nB = 2\n") == "[X]\nB = 2\n\n[SSL]\nA = 1\n"
    assert record.taken_back("[X]\nB = 2\n[SSL]\nA = 3\n") == "[X]\nB = 2\n[SSL]\nA = 3\n"


def test_a_file_that_is_gone_stays_gone() -> None:
    assert FileRecord("a", "b").taken_back(None) is None
    assert FileRecord(None, None).taken_back("a") == "a"
    assert TAKEN_BACK.taken_back("a") == "a"
