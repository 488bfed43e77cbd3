# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of the package."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_package.record import (
    RECORD_PATH,
    Entry,
    PackageRecord,
    render_entry,
)
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

ENTRY = Entry(
    state="installed",
    version="QAT.L.4.28.0-00004",
    checksum=None,
    sriov="host",
    configure_options=("--enable-qat-lkcf",),
    kernel="6.1.0",
    source="/usr/src/qat",
    modules=("/lib/modules/6.1.0/updates/intel_qat.ko",),
)


def test_written_and_read(machine: Machine) -> None:
    empty = PackageRecord.read(machine.host)
    assert empty == PackageRecord()
    assert empty.change(None) == ()
    [change] = empty.change(ENTRY)
    assert (change.path, change.mode, change.shown) == (RECORD_PATH, 0o600, False)
    change.apply(machine.host)
    record = PackageRecord.read(machine.host)
    assert record.entry == ENTRY
    assert record.change(ENTRY) == ()
    [change] = record.change(None)
    change.apply(machine.host)
    assert PackageRecord.read(machine.host) == empty


TEXT = st.text(st.characters(codec="utf-8"))


@given(TEXT, st.none() | TEXT, st.lists(TEXT), TEXT)
def test_every_entry_comes_back(
    version: str, checksum: str | None, options: list[str], source: str
) -> None:
    entry = Entry(
        "unfinished", version, checksum, "none", tuple(options), "6.1", f"/{source}", tuple(options)
    )
    assert Entry.parse(json.loads(render_entry(entry))["package"]) == entry


def document(**changes: object) -> dict[str, t.Any]:
    return {**json.loads(render_entry(ENTRY))["package"], **changes}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"version": 1}',
        '{"version": 1, "package": []}',
        json.dumps({"version": 1, "package": document(state="sold")}),
        json.dumps({"version": 1, "package": document(modules="a")}),
        json.dumps({"version": 1, "package": document(modules=[1])}),
        json.dumps({"version": 1, "package": document(checksum=1)}),
        json.dumps({"version": 1, "package": document(source="relative")}),
        json.dumps({"version": 1, "package": document(more="")}),
    ],
)
def test_what_is_no_record_is_left_alone(machine: Machine, content: str) -> None:
    machine.write(RECORD_PATH, content)
    with pytest.raises(HostError, match=r"no record of the package .*; move it away"):
        PackageRecord.read(machine.host)


def test_a_later_record(machine: Machine) -> None:
    machine.write(RECORD_PATH, '{"version": 2}')
    with pytest.raises(HostError, match="version 2, this release reads version 1"):
        PackageRecord.read(machine.host)
