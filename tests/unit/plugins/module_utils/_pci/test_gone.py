# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Places of ours whose function is not there any more."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_functions
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.gone import (
    gone_functions,
    recorded_places,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UndoEntry, UndoRecord
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, GEN4, OTHER, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

EMPTY = "0000:09:00.0"


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([], []),
        ([(PF, C62X.pf_id)], []),
        ([(PF, OTHER)], [(PF, OTHER)]),
        ([(EMPTY, OTHER), (PF, OTHER), (PF, OTHER)], [(PF, OTHER), (EMPTY, OTHER)]),
        # A rule and a record that differ: nothing is gone where one of them is right.
        ([(PF, OTHER), (PF, C62X.pf_id)], []),
        ([(PF, OTHER), (PF, GEN4.pf_id)], [(PF, OTHER), (PF, GEN4.pf_id)]),
    ],
)
def test_what_is_gone(
    machine: Machine, places: list[tuple[str, PciId]], expected: list[tuple[str, PciId]]
) -> None:
    machine.add_pf()
    parsed = [(PciAddress.parse(address), pci_id) for address, pci_id in places]
    gone = gone_functions(read_functions(machine.host), parsed)
    assert [(str(each.address), each.id) for each in gone] == expected


def test_what_is_recorded() -> None:
    entries = {
        PF: UndoEntry({"id": str(OTHER)}, {}),
        EMPTY: UndoEntry({"id": None}, {}),
        "/etc/qat.conf": UndoEntry({"id": str(OTHER)}, None),
    }
    undo = UndoRecord(None, {"some_module": entries})
    assert list(recorded_places(undo, "some_module")) == [(PciAddress.parse(PF), OTHER)]
    assert list(recorded_places(undo, "other_module")) == []
