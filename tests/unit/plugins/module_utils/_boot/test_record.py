# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of a boot loader."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import Argument
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import Delta, FileRecord
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.record import (
    BootRecord,
    read_record,
    with_record,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UndoEntry, UndoRecord

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

RECORD = BootRecord(
    files={
        "/etc/kernel/cmdline": FileRecord(b"ro \xff\r\n", b"ro \xff intel_iommu=on\r\n"),
        "/etc/default/grub.d/zz.cfg": FileRecord(None, b"x"),
    },
    delta=Delta((Argument("intel_iommu=on"),), (Argument("iommu=off"),)),
    boot="a-b",
)


def through_the_file(machine: Machine, record: BootRecord | None) -> BootRecord | None:
    undo = with_record(UndoRecord.read(machine.host), "grub", record)
    for change in undo.change():
        change.apply(machine.host)
    return read_record(UndoRecord.read(machine.host), "grub")


def test_read_as_it_was_written(machine: Machine) -> None:
    assert through_the_file(machine, RECORD) == RECORD
    assert read_record(UndoRecord.read(machine.host), "grubby") is None


def test_what_was_taken_back_is_known_to_be(machine: Machine) -> None:
    back = through_the_file(machine, BootRecord(files=RECORD.files, standing=False))
    assert back is not None
    assert not back.standing
    assert back.boot is None


def test_forgotten(machine: Machine) -> None:
    through_the_file(machine, RECORD)
    assert through_the_file(machine, None) is None


@pytest.mark.parametrize("found", [{}, {"files": [], "removed": []}, {"files": {}, "removed": 1}])
def test_a_record_that_is_not_ours_is_named(found: dict[str, t.Any]) -> None:
    undo = UndoRecord(None, {}).with_entry("iommu_kernel_arg", "grub", UndoEntry(found, None))
    with pytest.raises(HostError, match=r"undo\.json: iommu_kernel_arg, grub: not as"):
        read_record(undo, "grub")
