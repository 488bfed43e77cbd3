# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The device table, against itself and against the pci.ids of the distribution."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import PciFunction
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import (
    FAMILIES,
    GENERATIONS,
    TABLE,
    QatFamily,
    check_table,
    pf_family,
    vf_family,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import OTHER

PCI_IDS = Path("/usr/share/misc/pci.ids")
# Families that the pci.ids of Debian 12 (April 2023) does not have. This may only shrink.
NOT_YET_LISTED = frozenset({"60cx8980", "4xxx", "401xx", "402xx", "420xx", "6xxx"})
IS_QAT = re.compile(r"\bQAT\b|QuickAssist", re.IGNORECASE)
BY_NAME = pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.name))


def function(pci_id: object) -> PciFunction:
    return PciFunction(PciAddress.parse("01:00.0"), t.cast("t.Any", pci_id), 0x0B4000)


@pytest.fixture(scope="module")
def listed() -> dict[int, str]:
    """Return the names of Intel's devices."""
    if not PCI_IDS.is_file():
        pytest.fail(f"{PCI_IDS} is missing: install the Debian package pci.ids")
    text = PCI_IDS.read_text(encoding="utf-8", errors="replace")
    intel = re.search(r"^8086  .*\n((?:[\t#].*\n|\n)*)", text, re.MULTILINE)
    assert intel is not None
    lines = re.findall(r"^\t([0-9a-f]{4})  (.*)$", intel[1], re.MULTILINE)
    assert len(lines) > 1000
    return {int(number, 16): name for number, name in lines}


@BY_NAME
def test_ids_are_those_of_pci_ids(row: QatFamily, listed: dict[int, str]) -> None:
    pf, vf = listed.get(row.pf_device), listed.get(row.vf_device)
    if row.name in NOT_YET_LISTED and (pf is None or vf is None):
        return
    assert pf is not None, f"{row.pf_id} of {row.name} is not in {PCI_IDS}"
    assert vf is not None, f"{row.vf_id} of {row.name} is not in {PCI_IDS}"
    assert IS_QAT.search(pf)
    assert IS_QAT.search(vf)
    assert "Virtual" not in pf
    assert "Virtual" in vf


def test_what_is_not_yet_listed_is_in_the_table() -> None:
    assert set(FAMILIES) >= NOT_YET_LISTED


def test_the_table_is_right() -> None:
    check_table(TABLE)


@BY_NAME
def test_a_row(row: QatFamily) -> None:
    assert row.name == row.name.lower()
    assert row.title
    assert 0 < row.pf_device < row.vf_device <= 0xFFFF
    assert (row.driver is None) == (row.module is None) == (row.vf_driver is None)
    assert row.module is None or row.module == f"qat_{row.module[4:]}" != row.driver
    assert row.generation_word in GENERATIONS
    assert row.has_services == (row.generation >= 4)
    assert row.loses_payload_size == (row.generation < 2) == (row.generation_word == "gen1")
    assert pf_family(function(row.pf_id)) is row
    assert vf_family(function(row.vf_id)) is row
    assert pf_family(function(row.vf_id)) is None
    assert vf_family(function(row.pf_id)) is None


def test_the_denylist_of_the_kernel() -> None:
    assert {row.name for row in TABLE if row.denylisted} == {"dh895xcc", "c3xxx", "c62x"}


def test_a_coprocessor_that_is_no_qat() -> None:
    assert pf_family(function(OTHER)) is None
    assert vf_family(function(OTHER)) is None


FIRST, SECOND = TABLE[0], TABLE[1]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ((FIRST, replace(SECOND, name=FIRST.name)), FIRST.name),
        ((FIRST, replace(SECOND, pf_device=FIRST.pf_device)), f"{FIRST.pf_device:04x}"),
        ((FIRST, replace(SECOND, vf_device=FIRST.vf_device)), f"{FIRST.vf_device:04x}"),
        ((FIRST, replace(SECOND, vf_device=FIRST.pf_device)), "stands more than once"),
        ((SECOND, FIRST), "not sorted"),
    ],
)
def test_a_broken_table_is_found(table: tuple[QatFamily, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_table(table)
