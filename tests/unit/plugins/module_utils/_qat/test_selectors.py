# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Device selectors: every form, and every way in which one can be wrong."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError, RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_functions
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.selectors import (
    parse_selectors,
    select_pfs,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, GEN4, OTHER

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

# One PF of each of these families, at 0000:<number>:00.0.
BUSES = {"c62x": 1, "dh895xcc": 2, "4xxx": 3, "401xx": 4, "402xx": 5, "420xx": 6, "6xxx": 7}
NOT_QAT = "0000:09:00.0"


def select(machine: Machine, *entries: object, missing_ok: bool = False) -> list[str]:
    """Return the selected PFs."""
    functions = read_functions(machine.host)
    selection = select_pfs(parse_selectors(entries), functions, missing_ok=missing_ok)
    return [str(pf.address) for pf in selection.pfs]


@pytest.fixture
def cards(machine: Machine) -> Machine:
    for name, bus in BUSES.items():
        machine.add_pf(name, f"0000:{bus:02x}:00.0", vfs=1, group=bus)
    machine.add_function(NOT_QAT, OTHER)
    return machine


def at(*names: str) -> list[str]:
    return [f"0000:{BUSES[name]:02x}:00.0" for name in names]


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        (["all"], list(BUSES)),
        (["qat"], list(BUSES)),
        (["ALL"], list(BUSES)),
        (["c62x"], ["c62x"]),
        ([" C62X "], ["c62x"]),
        (["4xxx"], ["4xxx"]),
        (["401xx"], ["401xx"]),
        (["gen4"], ["4xxx", "401xx", "402xx"]),
        (["gen5"], ["420xx"]),
        (["gen6"], ["6xxx"]),
        (["gen1"], ["c62x", "dh895xcc"]),
        (["01:00.0"], ["c62x"]),
        (["0000:03:00.0"], ["4xxx"]),
        ([str(C62X.pf_id)], ["c62x"]),
        ([str(GEN4.pf_id).upper()], ["4xxx"]),
        ([{"address": "01:00.0", "id": str(C62X.pf_id)}], ["c62x"]),
        # Sorted by address and each once, in whatever order they are named.
        (["6xxx", "all", "01:00.0"], list(BUSES)),
        (["gen5", "c62x"], ["c62x", "420xx"]),
    ],
)
def test_forms(cards: Machine, entries: Sequence[object], names: list[str]) -> None:
    assert select(cards, *entries) == at(*names)


def test_every_family_is_a_word() -> None:
    assert [selector.word for selector in parse_selectors(list(FAMILIES))] == list(FAMILIES)


@pytest.mark.parametrize(
    "entry",
    [
        "c63x",
        "gen9",
        "",
        "8086:37c",
        "03:00.9",
        None,
        7,
        {"address": "01:00.0"},
        {"id": str(C62X.pf_id)},
        {"address": "01:00.0", "id": str(C62X.pf_id), "name": "x"},
        ["01:00.0"],
    ],
)
def test_what_is_no_selector_is_named_with_what_is_accepted(entry: object) -> None:
    with pytest.raises(InputError) as caught:
        parse_selectors([entry])
    assert f"option devices: {entry!r}" in str(caught.value)
    assert "gen4" in str(caught.value)
    assert "c62x" in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "option"),
    [
        ({"address": "nowhere", "id": str(C62X.pf_id)}, "devices.address: 'nowhere'"),
        ({"address": "01:00.0", "id": "c62x"}, "devices.id: 'c62x'"),
    ],
)
def test_a_mapping_with_a_wrong_part(entry: dict[str, str], option: str) -> None:
    with pytest.raises(InputError, match=option):
        parse_selectors([entry])


def test_an_empty_list() -> None:
    with pytest.raises(InputError, match="at least one of"):
        parse_selectors([])


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("c3xxx", "no QAT PF on this host matches"),
        ("0a:00.0", "no PCI function at this address"),
        (str(FAMILIES["c3xxx"].pf_id), "no QAT PF on this host matches"),
        # The id of a VF is no PF's.
        (str(C62X.vf_id), "no QAT PF on this host matches"),
        ({"address": "0a:00.0", "id": str(C62X.pf_id)}, "no PCI function at this address"),
    ],
)
def test_an_entry_that_matches_nothing(cards: Machine, entry: object, why: str) -> None:
    with pytest.raises(RefusedError, match=why) as caught:
        select(cards, "all", entry)
    assert "missing_ok: true" in str(caught.value)
    assert select(cards, "c62x", entry, missing_ok=True) == at("c62x")


def test_no_qat_at_all(machine: Machine) -> None:
    machine.add_function(NOT_QAT, OTHER)
    for word in ("all", "qat"):
        with pytest.raises(RefusedError, match="no QAT PF on this host: see lspci -nn"):
            select(machine, word)
    assert select(machine, "all", missing_ok=True) == []


@pytest.mark.parametrize("missing_ok", [False, True])
def test_another_device_at_the_address(cards: Machine, *, missing_ok: bool) -> None:
    wrong = {"address": "03:00.0", "id": str(C62X.pf_id)}
    with pytest.raises(RefusedError) as caught:
        select(cards, wrong, missing_ok=missing_ok)
    assert f"0000:03:00.0: {GEN4.pf_id} sits at this address, not {C62X.pf_id}" in str(caught.value)
    other = {"address": NOT_QAT, "id": str(C62X.pf_id)}
    with pytest.raises(RefusedError, match=f"{NOT_QAT}: {OTHER} sits at this address"):
        select(cards, other, missing_ok=missing_ok)


def test_an_address_with_no_qat_pf(cards: Machine) -> None:
    with pytest.raises(RefusedError, match=f"{NOT_QAT}: {OTHER} is no QAT PF of the device table"):
        select(cards, NOT_QAT)
    vf = cards.vfs("0000:01:00.0")[0]
    with pytest.raises(RefusedError, match=f"{vf}: {C62X.vf_id} is a VF of 0000:01:00.0"):
        select(cards, vf)


def test_those_named_by_address_or_id_are_told_apart(cards: Machine) -> None:
    functions = read_functions(cards.host)

    def by_name(*entries: object) -> set[str]:
        selection = select_pfs(parse_selectors(entries), functions, missing_ok=False)
        return set(map(str, selection.by_name))

    assert by_name("all", "c62x", "gen4") == set()
    assert by_name("all", "01:00.0") == set(at("c62x"))
    assert by_name(str(GEN4.pf_id)) == set(at("4xxx"))
    assert PciAddress.parse("01:00.0") in functions
