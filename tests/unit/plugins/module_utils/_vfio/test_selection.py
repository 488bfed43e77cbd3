# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which functions a task means: VFs by what they are, anything by address or id."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError, RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_functions
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.selection import (
    Chosen,
    choose,
    parse_devices,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, GEN4, OTHER

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

# One PF with two VFs of each of these families, at 0000:<number>:00.0.
BUSES = {"c62x": 1, "4xxx": 3, "401xx": 4, "420xx": 6}
GPU, BRIDGE, ISA = "0000:09:00.0", "0000:00:01.0", "0000:00:1f.0"
BRIDGE_ID = PciId(0x8086, 0x1901)


def chosen(machine: Machine, *entries: object, missing_ok: bool = False) -> Chosen:
    return choose(parse_devices(entries), read_functions(machine.host), missing_ok=missing_ok)


def told(machine: Machine, *entries: object, missing_ok: bool = False) -> list[str]:
    found = chosen(machine, *entries, missing_ok=missing_ok)
    return [str(function.address) for function in found.functions]


def refusal(machine: Machine, *entries: object, missing_ok: bool = False) -> str:
    with pytest.raises(RefusedError) as error:
        chosen(machine, *entries, missing_ok=missing_ok)
    return str(error.value)


def pf(name: str) -> str:
    return f"0000:{BUSES[name]:02x}:00.0"


def vfs(machine: Machine, *names: str) -> list[str]:
    return [vf for name in names for vf in machine.vfs(pf(name))]


@pytest.fixture
def cards(machine: Machine) -> Machine:
    for name, bus in BUSES.items():
        machine.add_pf(name, pf(name), vfs=2, group=bus)
    machine.add_function(GPU, OTHER, class_code=0x030000)
    machine.add_function(BRIDGE, BRIDGE_ID, class_code=0x060400, driver="pcieport")
    machine.add_function(ISA, PciId(0x8086, 0x7A0C), class_code=0x060100)
    return machine


# -- words are VFs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        (["qat"], list(BUSES)),
        (["QAT"], list(BUSES)),
        (["c62x"], ["c62x"]),
        (["4xxx"], ["4xxx"]),
        (["gen4"], ["4xxx", "401xx"]),
        (["gen5"], ["420xx"]),
        (["gen1"], ["c62x"]),
        (["420xx", "c62x"], ["c62x", "420xx"]),
        (["qat", "c62x", "gen4"], list(BUSES)),
    ],
)
def test_words_mean_vfs(cards: Machine, entries: list[object], names: list[str]) -> None:
    assert told(cards, *entries) == vfs(cards, *names)
    assert chosen(cards, *entries).by_address == frozenset()


def test_words_on_a_guest_without_pfs(machine: Machine) -> None:
    machine.add_function("0000:07:00.0", C62X.vf_id)
    assert told(machine, "qat") == told(machine, "c62x") == ["0000:07:00.0"]


# -- addresses and ids are anything --------------------------------------------------------------


@pytest.mark.parametrize("entry", [GPU, GPU[5:], f" {GPU} ", {"address": GPU, "id": str(OTHER)}])
def test_an_address(cards: Machine, entry: object) -> None:
    found = chosen(cards, entry)
    assert [str(function.address) for function in found.functions] == [GPU]
    assert {str(address) for address in found.by_address} == {GPU}


def test_a_pf_by_address_or_id(cards: Machine) -> None:
    assert told(cards, pf("c62x")) == told(cards, str(C62X.pf_id)) == [pf("c62x")]


def test_an_id(cards: Machine) -> None:
    assert told(cards, str(OTHER)) == [GPU]
    assert told(cards, str(GEN4.vf_id)) == vfs(cards, "4xxx")
    # An id is no name of one function.
    assert chosen(cards, str(GEN4.vf_id)).by_address == frozenset()


def test_a_bridge_to_isa_is_an_endpoint(cards: Machine) -> None:
    assert told(cards, ISA) == [ISA]


def test_they_are_sorted_and_there_once(cards: Machine) -> None:
    vf = vfs(cards, "c62x")[1]
    found = chosen(cards, GPU, vf, "c62x", str(C62X.vf_id), {"address": vf, "id": "8086:37c9"})
    expected = [*vfs(cards, "c62x"), GPU]
    assert [str(function.address) for function in found.functions] == expected
    assert sorted(map(str, found.by_address)) == [vf, GPU]


# -- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("entries", [["all"], ["ALL"], [GPU, "all"]])
def test_everything_is_refused(entries: list[object]) -> None:
    with pytest.raises(InputError, match=r"option devices.*'all'.*qat is every QAT VF"):
        parse_devices(entries)


@pytest.mark.parametrize("entries", [[], ["vf"], ["1234:5"], [{"address": GPU}], [None]])
def test_what_is_no_selector(entries: list[object]) -> None:
    with pytest.raises(InputError, match="option devices"):
        parse_devices(entries)


@pytest.mark.parametrize("missing_ok", [False, True])
@pytest.mark.parametrize("entry", [BRIDGE, str(BRIDGE_ID)])
def test_bridges_are_refused(cards: Machine, entry: str, *, missing_ok: bool) -> None:
    message = refusal(cards, GPU, entry, missing_ok=missing_ok)
    assert f"option devices: {BRIDGE} is a PCI bridge" in message


@pytest.mark.parametrize("missing_ok", [False, True])
def test_another_device_at_the_address(cards: Machine, *, missing_ok: bool) -> None:
    entry = {"address": GPU, "id": "10de:21c4"}
    message = refusal(cards, entry, missing_ok=missing_ok)
    assert f"{GPU}: {OTHER} sits at this address, not 10de:21c4" in message


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("0000:0a:00.0", "no PCI function at this address"),
        ({"address": "0000:0a:00.0", "id": "10de:21c4"}, "no PCI function at this address"),
        ("10de:21c4", "no PCI function has this id"),
        ("dh895xcc", "make them first (module qat_sriov); a PF is given to a guest by its address"),
        ("gen6", "no VFs of QAT devices are there"),
    ],
)
def test_missing(cards: Machine, entry: object, reason: str) -> None:
    message = refusal(cards, GPU, entry)
    assert reason in message
    assert "set missing_ok: true" in message
    assert told(cards, GPU, entry, missing_ok=True) == [GPU]
    assert told(cards, entry, missing_ok=True) == []


def test_a_word_with_pfs_alone(machine: Machine) -> None:
    machine.add_pf()
    assert "no VFs of QAT devices are there" in refusal(machine, "qat")
    assert told(machine, "qat", missing_ok=True) == []


def test_every_family_has_vfs_of_its_own(machine: Machine) -> None:
    for number, row in enumerate(FAMILIES.values(), start=1):
        machine.add_function(f"0000:{number:02x}:01.0", row.vf_id)
        machine.add_function(f"0000:{number:02x}:00.0", row.pf_id)
    for number, name in enumerate(FAMILIES, start=1):
        assert told(machine, name) == [f"0000:{number:02x}:01.0"]
    assert len(told(machine, "qat")) == len(FAMILIES)
