# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task may ask for, and which functions it means."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import (
    InputError,
    RefusedError,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.wanted import Wanted, choose
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_functions
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, GEN4, OTHER, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.mps_runs import PORT, add_port

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

LATER, FIRST, NIC, SECOND_NIC = "0000:02:00.0", "0000:05:00.0", "0000:41:00.0", "0000:41:00.1"


def wanted(*devices: object, state: str = "restored", mps: str = "auto", **more: t.Any) -> Wanted:
    return Wanted.parse(
        {"devices": list(devices), "state": state, "mps": mps, "missing_ok": False, **more}
    )


@pytest.mark.parametrize("mps", ["100", "0", "8192", "", "Auto", "0x100", "256 "])
def test_sizes_that_there_are_not(mps: str) -> None:
    with pytest.raises(InputError) as caught:
        wanted(PF, mps=mps)
    assert str(caught.value) == (
        f"option mps: {mps!r} is not accepted, use auto, 128, 256, 512, 1024, 2048, 4096"
    )


def test_sizes_that_there_are() -> None:
    assert wanted(PF).mps is None
    assert wanted(PF, mps="4096").mps == 4096


def test_a_size_is_not_saved_by_hand() -> None:
    with pytest.raises(
        InputError, match=r"^option mps: '256' is not accepted, use auto with state"
    ):
        wanted(PF, state="saved", mps="256")
    assert wanted(PF, state="saved").saves


@pytest.mark.parametrize(
    ("devices", "told"),
    [
        ([], "option devices: "),
        (["c99x"], "option devices: 'c99x' is not accepted, use a PCI address, "),
        (["0000:01:00.8"], "option devices: '0000:01:00.8'"),
        ([{"address": PF}], "option devices: "),
        ([{"address": "x", "id": "8086:1"}], "option devices.address: 'x'"),
        ([{"address": PF, "id": "8086:1"}], "option devices.id: '8086:1'"),
    ],
)
def test_devices_that_cannot_be_right(devices: list[object], told: str) -> None:
    with pytest.raises(InputError) as caught:
        wanted(*devices)
    assert told in str(caught.value)


@pytest.fixture
def host(machine: Machine) -> Machine:
    """Have cards of two generations, VFs, a bridge and a card of two functions."""
    add_port(machine)
    machine.add_pf(vfs=2)
    machine.add_pf("4xxx", LATER)
    machine.add_pf("dh895xcc", FIRST, driver=None)
    for address in (NIC, SECOND_NIC):
        machine.add_function(address, OTHER)
    return machine


@pytest.mark.parametrize(
    ("devices", "found"),
    [
        (["all"], [PF, FIRST]),
        (["qat"], [PF, FIRST]),
        (["QAT"], [PF, FIRST]),
        (["gen1"], [PF, FIRST]),
        (["c62x"], [PF]),
        (["gen4"], [LATER]),
        (["4xxx"], [LATER]),
        (["4xxx", "all"], [PF, LATER, FIRST]),
        ([str(C62X.pf_id)], [PF]),
        ([str(GEN4.pf_id)], [LATER]),
        ([str(OTHER)], [NIC, SECOND_NIC]),
        (["01:00.0"], [PF]),
        ([NIC], [NIC]),
        ([PORT], [PORT]),
        ([{"address": LATER, "id": str(GEN4.pf_id)}], [LATER]),
    ],
)
def test_what_is_meant(host: Machine, devices: list[object], found: list[str]) -> None:
    chosen = choose(wanted(*devices), read_functions(host.host))
    assert [str(function.address) for function in chosen.functions] == found


def test_what_is_named(host: Machine) -> None:
    chosen = choose(wanted("all", NIC, str(C62X.pf_id)), read_functions(host.host))
    assert sorted(map(str, chosen.by_name)) == [PF, NIC]


@pytest.mark.parametrize(
    ("device", "told"),
    [
        ("c3xxx", "c3xxx: no QAT PF on this host matches"),
        ("0000:99:00.0", "0000:99:00.0: no PCI function at this address"),
        ("1234:0001", "1234:0001: no PCI function has this id"),
        (str(C62X.vf_id), "only VFs have this id, and in them Max Payload Size is reserved"),
    ],
)
def test_what_is_not_there(host: Machine, device: str, told: str) -> None:
    functions = read_functions(host.host)
    with pytest.raises(RefusedError) as caught:
        choose(wanted("all", device), functions)
    assert f"option devices: {device}: " in str(caught.value)
    assert told in str(caught.value)
    assert str(caught.value).endswith("; set missing_ok: true where that is fine")
    chosen = choose(wanted("all", device, missing_ok=True), functions)
    assert [str(function.address) for function in chosen.functions] == [PF, FIRST]


@pytest.mark.parametrize("word", ["all", "qat"])
def test_later_generations_alone(machine: Machine, word: str) -> None:
    machine.add_pf("4xxx", LATER)
    with pytest.raises(
        RefusedError, match=rf"{word}: no QAT PF of generation 1 on this host; later"
    ):
        choose(wanted(word), read_functions(machine.host))


def test_another_device_at_the_address(host: Machine) -> None:
    mapping = {"address": PF, "id": str(FAMILIES["c3xxx"].pf_id)}
    for missing_ok in (False, True):
        with pytest.raises(RefusedError, match=rf"{PF}: {C62X.pf_id} sits at this address, not"):
            choose(wanted(mapping, missing_ok=missing_ok), read_functions(host.host))
