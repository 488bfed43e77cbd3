# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The saved sizes: a file of ours, or an error."""

from __future__ import annotations

import json
import stat
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.record import (
    RECORD_PATH,
    SizeRecord,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import PciFunction
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, GEN4, OTHER, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

CARD = PciFunction(PciAddress.parse(PF), C62X.pf_id, 0x0B4000)
SECOND = PciFunction(PciAddress.parse("10000:02:00.0"), GEN4.pf_id, 0x0B4000)


def test_there_is_none(machine: Machine) -> None:
    record = SizeRecord.read(machine.host)
    assert record == SizeRecord(None, {})
    assert record.size_of(CARD) is None
    assert record.change() == ()


def test_written_and_read(machine: Machine) -> None:
    record = SizeRecord.read(machine.host).with_entry(SECOND, 512).with_entry(CARD, 256)
    (change,) = record.change()
    change.apply(machine.host)
    place = machine.at(RECORD_PATH)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert json.loads(place.read_bytes()) == {
        "version": 1,
        "devices": {
            PF: {"id": str(C62X.pf_id), "mps": 256},
            "10000:02:00.0": {"id": str(GEN4.pf_id), "mps": 512},
        },
    }
    again = SizeRecord.read(machine.host)
    assert again.change() == ()
    assert (again.size_of(CARD), again.size_of(SECOND)) == (256, 512)
    (second,) = again.with_entry(CARD, 128).change()
    assert second.before == place.read_bytes()
    assert change.shown
    assert second.shown


def test_another_card_at_the_address(machine: Machine) -> None:
    record = SizeRecord.read(machine.host).with_entry(CARD, 256)
    assert record.size_of(PciFunction(CARD.address, OTHER, 0)) is None
    assert record.size_of(PciFunction(SECOND.address, C62X.pf_id, 0)) is None


def entry(**changed: object) -> str:
    there = {"id": str(C62X.pf_id), "mps": 256, **changed}
    return json.dumps({"version": 1, "devices": {PF: there}})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '"version"',
        "{}",
        '{"version": 1}',
        '{"version": 1, "devices": []}',
        '{"version": 1, "devices": {"nonsense": {}}}',
        f'{{"version": 1, "devices": {{"{PF}": null}}}}',
        f'{{"version": 1, "devices": {{"{PF}": []}}}}',
        f'{{"version": 1, "devices": {{"{PF}": {{}}}}}}',
        entry(mps=100),
        entry(mps=16384),
        entry(mps="256"),
        entry(mps=256.0),
        entry(mps=True),
        entry(mps=None),
        entry(mps=[256]),
        entry(id="8086"),
        entry(id=8086),
        entry(more=1),
        b"\xff\xfe".decode("latin-1"),
    ],
)
def test_a_file_that_is_not_ours(machine: Machine, text: str) -> None:
    machine.write(RECORD_PATH, text.encode("latin-1"))
    with pytest.raises(HostError, match=rf"^{RECORD_PATH}: no record .*; move it away to go on"):
        SizeRecord.read(machine.host)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_file_of_another_release(machine: Machine, version: object) -> None:
    machine.write(RECORD_PATH, json.dumps({"version": version, "sizes": []}))
    told = rf"^{RECORD_PATH}: version {version!r}, this release reads version 1$"
    with pytest.raises(HostError, match=told):
        SizeRecord.read(machine.host)
