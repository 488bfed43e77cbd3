# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The QAT devices of a machine, and the drivers that its kernel has."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_software.state import observe
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import (
    OTHER,
    PF,
    RELEASE,
    RunningHost,
)

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.plugins.module_utils._qat_software.state import Device
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SECOND = "0000:03:00.0"
NAMES = ("qat_4xxx.bin", "qat_4xxx_mmp.bin")


class FirmwareHost(RunningHost):
    """A running host whose modinfo tells of firmware.

    Attributes:
        names: what it tells, None where it fails.
        asked: the modules that were asked for.
    """

    def __init__(self, machine: Machine, names: Sequence[str] | None = NAMES) -> None:
        """Tell of some names."""
        super().__init__(machine)
        self.names_told = names
        self.asked: list[str] = []

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play modinfo."""
        assert seconds > 0
        assert list(command[:3]) == ["modinfo", "--field", "firmware"]
        self.asked.append(command[3])
        if self.names_told is None:
            raise HostError("modinfo: ERROR: Module not found.")
        return "".join(f"{name}\n" for name in self.names_told)


def only(machine: Machine) -> Device:
    (device,) = observe(machine.host).devices
    return device


def test_no_device(machine: Machine) -> None:
    machine.add_function(PF, OTHER)
    state = observe(machine.host)
    assert (state.devices, state.release) == ((), RELEASE)


def test_a_pf_as_it_is_returned(machine: Machine) -> None:
    machine.add_pf("c62x", vfs=4)
    device = only(machine)
    assert device.as_result() == {
        "address": PF,
        "id": "8086:37c8",
        "family": "c62x",
        "generation": 1.7,
        "kind": "pf",
        "driver": "c6xx",
        "module": "qat_c62x",
        "has_driver": True,
        "in_tree": True,
        "firmware_missing": [],
    }
    assert str(device) == f"{PF} (PF of c62x)"
    assert (device.by_qatlib, device.is_for_guests) == (False, False)


def test_a_vf_of_a_guest_as_it_is_returned(machine: Machine) -> None:
    machine.add_function(PF, FAMILIES["4xxx"].vf_id, driver="vfio-pci", group=3)
    device = only(machine)
    told = device.as_result()
    assert (told["kind"], told["module"], told["has_driver"]) == ("vf", "qat_4xxxvf", False)
    assert str(device) == f"{PF} (VF of 4xxx)"
    assert (device.by_qatlib, device.is_for_guests) == (True, True)


def test_devices_are_sorted(machine: Machine) -> None:
    machine.add_pf("420xx", SECOND)
    machine.add_pf("c62x")
    assert [str(device.function.address) for device in observe(machine.host).devices] == [
        PF,
        SECOND,
    ]


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("is_vf", [False, True])
def test_the_driver_of_every_family(machine: Machine, family: str, *, is_vf: bool) -> None:
    row = FAMILIES[family]
    machine.add_function(PF, row.vf_id if is_vf else row.pf_id)
    module = row.vf_module if is_vf else row.module
    device = only(machine)
    assert (device.is_vf, device.module, device.has_driver) == (is_vf, module, False)
    machine.add_module(module)
    # Of some no driver is known, and a file of that name would not help.
    assert only(machine).has_driver is (module is not None)


@pytest.mark.parametrize("is_vf", [False, True])
def test_a_driver_that_is_loaded(machine: Machine, *, is_vf: bool) -> None:
    row = FAMILIES["c62x"]
    machine.add_function(PF, row.vf_id if is_vf else row.pf_id)
    machine.add_driver(str(row.driver if is_vf else row.vf_driver))
    assert not only(machine).has_driver
    machine.add_driver(str(row.vf_driver if is_vf else row.driver))
    assert only(machine).has_driver


def test_whose_driver_it_is(machine: Machine) -> None:
    machine.add_pf("c62x", out_of_tree=True)
    assert only(machine).in_tree is False
    machine.bind(PF, None)
    assert only(machine).in_tree is True


def test_firmware_that_is_missing(machine: Machine) -> None:
    machine.add_pf("4xxx")
    host = FirmwareHost(machine)
    (device,) = observe(host).devices
    assert device.firmware_missing == NAMES
    assert host.asked == ["qat_4xxx"]
    # A tree tells nothing: modinfo is of the running machine.
    assert only(machine).firmware_missing == ()


@pytest.mark.parametrize(
    "folder",
    [
        f"lib/firmware/updates/{RELEASE}",
        "lib/firmware/updates",
        f"lib/firmware/{RELEASE}",
        "lib/firmware",
    ],
)
@pytest.mark.parametrize("packed", ["", ".xz", ".zst"])
def test_where_firmware_may_be(machine: Machine, folder: str, packed: str) -> None:
    machine.add_pf("4xxx")
    machine.write(f"{folder}/{NAMES[0]}{packed}", b"")
    (device,) = observe(FirmwareHost(machine)).devices
    assert device.firmware_missing == NAMES[1:]


def test_a_folder_of_the_operator(machine: Machine) -> None:
    machine.add_pf("4xxx")
    machine.write("sys/module/firmware_class/parameters/path", "\n")
    machine.write(f"opt/fw/{NAMES[0]}", b"")
    assert observe(FirmwareHost(machine)).devices[0].firmware_missing == NAMES
    machine.write("sys/module/firmware_class/parameters/path", "/opt/fw\n")
    assert observe(FirmwareHost(machine)).devices[0].firmware_missing == NAMES[1:]


@pytest.mark.parametrize("names", [None, ()])
def test_a_module_that_tells_of_none(machine: Machine, names: Sequence[str] | None) -> None:
    machine.add_pf("4xxx")
    assert observe(FirmwareHost(machine, names)).devices[0].firmware_missing == ()


def test_firmware_of_a_driver_that_is_not_there(machine: Machine) -> None:
    machine.add_pf("4xxx", driver=None)
    host = FirmwareHost(machine)
    assert observe(host).devices[0].firmware_missing == ()
    assert host.asked == []
