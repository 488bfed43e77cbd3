# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of a function, and when it is forgotten."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import PciFunction
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UndoEntry, UndoRecord
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.binding import Binding
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.passthrough import VfioPassthrough
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.record import (
    Remembered,
    forget,
    recall,
    remember,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, OTHER, PF
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

AT = PciAddress.parse(PF)
FUNCTION = PciFunction(AT, OTHER, 0x030000)
ELSE = PciFunction(AT, C62X.vf_id, 0x0B4000)
NOTHING = UndoRecord(None, {})
MADE = Binding("vfio-pci", "vfio-pci")
VFIO, NATIVE, BARE = MADE, Binding("native", None), Binding(None, None)
COMPANION = ("0000:01:00.1",)
# The options of a task that gives none but a device.
OPTIONS: dict[str, t.Any] = {
    "devices": [PF],
    "state": "present",
    "driver": "auto",
    "siblings": "fail",
    "allow_denylisted": False,
    "persistent": True,
    "force": False,
    "missing_ok": False,
}
bindings = st.builds(
    Binding,
    st.sampled_from([None, "native", "vfio-pci"]),
    st.sampled_from([None, "native", "vfio-pci"]),
)


def remembered(found: Binding, companion_of: tuple[str, ...] = ()) -> UndoRecord:
    return remember(NOTHING, FUNCTION, found, MADE, companion_of)


def known(undo: UndoRecord, function: PciFunction = FUNCTION) -> Remembered:
    found = recall(undo, function)
    assert found is not None
    return found


def broken(**entry: object) -> UndoRecord:
    return NOTHING.with_entry("vfio_passthrough", PF, UndoEntry.parse(entry))


def run(machine: Machine, state: str) -> UndoRecord:
    """Do a task, and return what is on disk after it."""
    work = VfioPassthrough({**OPTIONS, "state": state})
    plan = work.plan(work.observe(machine.host))
    plan.apply(machine.host)
    machine.play_all(plan.pending_writes())
    plan.close(machine.host)
    return UndoRecord.read(machine.host)


def test_nothing_is_known_at_first() -> None:
    assert recall(NOTHING, FUNCTION) is None
    assert forget(NOTHING, FUNCTION) is NOTHING


@given(bindings)
def test_what_was_found(found: Binding) -> None:
    undo = remembered(found)
    assert recall(undo, FUNCTION) == Remembered(str(OTHER), found)
    entry = undo.entry("vfio_passthrough", PF)
    assert entry is not None
    assert entry.as_document() == {
        "found": {"id": str(OTHER), "driver": found.driver, "override": found.override},
        "set": {"driver": "vfio-pci", "override": "vfio-pci", "companion_of": []},
    }


@given(bindings, bindings)
def test_what_was_found_first_stays(first: Binding, second: Binding) -> None:
    undo = remember(remembered(first), FUNCTION, second, MADE, ())
    assert known(undo).found == first


def test_it_survives_on_disk(machine: Machine) -> None:
    (change,) = remembered(NATIVE, COMPANION).change()
    change.apply(machine.host)
    undo = UndoRecord.read(machine.host)
    assert known(undo) == Remembered(str(OTHER), NATIVE, companion_of=COMPANION)
    assert undo.change() == ()
    (gone,) = forget(undo, FUNCTION).change()
    assert gone.after is None


# -- forgotten -----------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [NATIVE, BARE])
def test_a_driver_of_the_host_is_forgotten(found: Binding) -> None:
    assert forget(remembered(found), FUNCTION).modules == {}


@pytest.mark.parametrize(
    "found", [VFIO, Binding("vfio-pci", None), Binding(None, "vfio-pci"), Binding("a", "a")]
)
def test_what_an_operator_had_set_stays_known(found: Binding) -> None:
    undo = forget(remembered(found), FUNCTION)
    assert known(undo) == Remembered(str(OTHER), found, given_back=True)
    # Given back twice is given back.
    assert forget(undo, FUNCTION) == undo


def test_a_new_task_finds_anew() -> None:
    undo = forget(remembered(VFIO), FUNCTION)
    again = remember(undo, FUNCTION, NATIVE, MADE, ())
    assert known(again) == Remembered(str(OTHER), NATIVE)
    assert forget(again, FUNCTION).modules == {}


def test_an_operators_own_override_is_found_in_every_round(machine: Machine) -> None:
    machine.add_iommu()
    machine.add_function(PF, OTHER, driver="vfio-pci", group=1)
    machine.write(f"{machine.device(PF)}/driver_override", "vfio-pci\n")
    for _round in range(3):
        assert known(run(machine, "present")) == Remembered(str(OTHER), VFIO)
        undo = run(machine, "absent")
        assert known(undo) == Remembered(str(OTHER), VFIO, given_back=True)
        assert (machine.driver(PF), machine.override(PF)) == ("vfio-pci", "vfio-pci")


def test_others_stay() -> None:
    other = PciFunction(PciAddress.parse("0000:02:00.0"), OTHER, 0x030000)
    undo = remember(remembered(NATIVE), other, BARE, MADE, ())
    undo = undo.with_entry("qat_sriov", PF, UndoEntry({}, None))
    undo = forget(undo, FUNCTION)
    assert recall(undo, FUNCTION) is None
    assert known(undo, other).found == BARE
    assert undo.entry("qat_sriov", PF) is not None


# -- what came along -----------------------------------------------------------------------------


def test_a_companion() -> None:
    undo = remembered(NATIVE, COMPANION)
    assert known(undo).companion_of == COMPANION
    # Of whom it is one can change; once it was named itself it is none any more.
    other = ("0000:01:00.2", "0000:01:00.3")
    undo = remember(undo, FUNCTION, VFIO, MADE, other)
    assert known(undo).companion_of == other
    undo = remember(undo, FUNCTION, VFIO, MADE, ())
    undo = remember(undo, FUNCTION, VFIO, MADE, COMPANION)
    assert known(undo) == Remembered(str(OTHER), NATIVE)


def test_named_first_it_never_is_a_companion() -> None:
    undo = remember(remembered(NATIVE), FUNCTION, VFIO, MADE, COMPANION)
    assert known(undo).companion_of == ()


def test_given_back_it_may_come_along_later() -> None:
    undo = forget(remembered(VFIO), FUNCTION)
    undo = remember(undo, FUNCTION, NATIVE, MADE, COMPANION)
    assert known(undo) == Remembered(str(OTHER), NATIVE, companion_of=COMPANION)


# -- another device, and a broken entry ----------------------------------------------------------


def test_another_device_at_the_address() -> None:
    undo = remembered(NATIVE)
    assert recall(undo, ELSE) is None
    # What was remembered of another function is of no use any more.
    assert forget(undo, ELSE).modules == {}
    replaced = remember(undo, ELSE, BARE, MADE, ())
    assert known(replaced, ELSE) == Remembered(str(C62X.vf_id), BARE)
    assert recall(replaced, FUNCTION) is None


@pytest.mark.parametrize(
    "entry",
    [
        {"found": {"id": str(OTHER)}, "set": {}},
        {"found": {"id": str(OTHER), "driver": "native"}, "set": None},
        {
            "found": {"id": str(OTHER), "driver": None, "override": None},
            "set": {"companion_of": 5},
        },
        {
            "found": {"id": str(OTHER), "driver": None, "override": None},
            "set": {"companion_of": None},
        },
    ],
)
def test_a_broken_entry(entry: dict[str, object]) -> None:
    undo = broken(**entry)
    with pytest.raises(HostError, match=rf"undo\.json: the entry of {PF} is not as this module"):
        recall(undo, FUNCTION)
    # Of another device it does not matter.
    assert recall(undo, ELSE) is None


def test_an_entry_without_an_id() -> None:
    assert recall(broken(found={}, set={}), FUNCTION) is None
