# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection did to a host, by its own records."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.standing import read_standing
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_package.record import (
    INSTALLED,
    RECORD_PATH,
    Entry,
    render_entry,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.sriov_runs import perform

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost


def test_what_was_done_stands_until_it_is_taken_back(
    machine: Machine, running: RunningHost
) -> None:
    machine.add_pf()
    assert read_standing(running) == []
    perform(running)
    assert read_standing(running) == [{"module": "qat_sriov", "thing": PF}]
    perform(running, state="absent")
    assert read_standing(running) == []


def test_a_package_has_a_record_of_its_own(machine: Machine, running: RunningHost) -> None:
    entry = Entry(INSTALLED, "4.28.0", None, "host", (), "6.12.0", "/usr/local/src/qat")
    machine.write(RECORD_PATH, render_entry(entry))
    assert read_standing(running) == [{"module": "qat_package", "thing": "4.28.0"}]


@pytest.mark.parametrize("path", [UNDO_PATH, RECORD_PATH])
def test_a_record_that_cannot_be_read_is_not_taken_for_none(
    machine: Machine, running: RunningHost, path: str
) -> None:
    machine.write(path, "{")
    assert read_standing(running) is None
