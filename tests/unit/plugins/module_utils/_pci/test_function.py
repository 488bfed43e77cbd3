# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI functions as sysfs shows them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import (
    number,
    read_config,
    read_function,
    read_functions,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, OTHER, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine


def test_a_pf_with_its_vfs_in_the_order_of_their_numbers(machine: Machine) -> None:
    machine.add_pf(vfs=12, group=7)
    pf = read_function(machine.host, PciAddress.parse(PF))
    assert pf is not None
    assert (pf.id, pf.driver, pf.iommu_group, pf.pf) == (C62X.pf_id, C62X.driver, 7, None)
    assert (pf.class_code, pf.numa_node, pf.total_vfs) == (0x0B4000, 0, 16)
    # As texts virtfn10 comes before virtfn2.
    assert [str(vf) for vf in pf.vfs] == machine.vfs()
    assert [vf.routing_id for vf in pf.vfs] == list(range(0x108, 0x108 + 12))
    assert pf.path == f"/sys/bus/pci/devices/{PF}"


def test_a_vf_knows_its_pf(machine: Machine) -> None:
    machine.add_pf(vfs=1, vf_driver=C62X.vf_driver)
    vf = read_function(machine.host, PciAddress.parse(machine.vfs()[0]))
    assert vf is not None
    assert (str(vf.pf), vf.driver, vf.total_vfs, vf.vfs) == (PF, C62X.vf_driver, None, ())


def test_functions_are_sorted_by_address_and_other_names_skipped(machine: Machine) -> None:
    for address in ("10000:01:00.0", "0000:81:00.0", "0000:02:00.0"):
        machine.add_function(address, OTHER)
    machine.write("sys/bus/pci/devices/README", "")
    functions = read_functions(machine.host)
    assert [str(at) for at in functions] == ["0000:02:00.0", "0000:81:00.0", "10000:01:00.0"]


def test_no_pci_at_all(machine: Machine) -> None:
    assert read_functions(machine.host) == {}
    (machine.root / "sys/bus/pci/devices").rmdir()
    assert read_functions(machine.host) == {}


def test_a_function_that_vanishes_is_none(machine: Machine) -> None:
    machine.add_function(PF, OTHER)
    machine.at(f"{machine.device(PF)}/vendor").unlink()
    assert read_function(machine.host, PciAddress.parse(PF)) is None
    assert read_functions(machine.host) == {}


def test_what_the_firmware_does_not_tell_is_none(machine: Machine) -> None:
    machine.add_function(PF, OTHER, numa_node=-1)
    function = read_functions(machine.host)[PciAddress.parse(PF)]
    assert (function.numa_node, function.driver, function.iommu_group) == (None, None, None)


@pytest.mark.parametrize(("code", "bridge"), [(0x060400, True), (0x0B4000, False)])
def test_bridges(machine: Machine, code: int, *, bridge: bool) -> None:
    machine.add_function(PF, OTHER, class_code=code)
    assert read_functions(machine.host)[PciAddress.parse(PF)].is_bridge == bridge


@pytest.mark.parametrize(
    ("content", "value"), [("0x10\n", 16), ("16", 16), ("-1", -1), ("", None), ("many", None)]
)
def test_numeric_attributes(machine: Machine, content: str, value: int | None) -> None:
    machine.write("sys/value", content)
    assert number(machine.host, "/sys/value") == value


def test_configuration_space_that_is_not_there_is_empty(machine: Machine) -> None:
    machine.add_function(PF, OTHER)
    assert len(read_config(machine.host, PciAddress.parse(PF)).data) == 4096
    assert read_config(machine.host, PciAddress.parse("0000:09:00.0")).data == b""
