# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""QAT PFs with their VFs and holders, as they are observed."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_functions
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES, TABLE
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.observe import (
    Pf,
    blocked_message,
    read_pfs,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.holders import Holder
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, OTHER, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
    from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import QatFamily
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost


def observe(host: Host) -> Pf:
    """Return the PF of a host that has one."""
    functions = read_functions(host)
    (pf,) = read_pfs(host, functions.values(), functions)
    return pf


def test_a_pf_and_its_vfs(machine: Machine) -> None:
    machine.add_pf(vfs=2, vf_driver=C62X.vf_driver)
    pf = observe(machine.host)
    assert (pf.family, pf.num_vfs, pf.total_vfs, pf.autoprobe) == (C62X, 2, 16, True)
    assert (pf.driver_known, pf.in_tree, pf.blocked) == (True, True, False)
    assert pf.holder == Holder("driver", str(C62X.driver))
    assert [vf.as_result() for vf in pf.vfs] == [
        {
            "address": address,
            "id": str(C62X.vf_id),
            "driver": C62X.vf_driver,
            "iommu_group": machine.group(address),
            "reserved": False,
            "holder": {"kind": "driver", "name": C62X.vf_driver, "pid": None},
        }
        for address in machine.vfs()
    ]


def test_the_vf_that_a_guest_holds(machine: Machine) -> None:
    machine.add_pf(vfs=3)
    machine.hold(machine.vfs()[1], pid=42)
    holders = [vf.holder for vf in observe(machine.host).vfs]
    assert holders == [None, Holder("process", "qemu-system-x86", 42), None]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.name))
def test_every_family(machine: Machine, row: QatFamily) -> None:
    machine.add_pf(row.name)
    pf = observe(machine.host)
    assert pf.family is row
    assert pf.driver_known == (row.driver is not None)
    assert pf.expected_vfs(1)[0].id == row.vf_id


def test_other_functions_are_left_out(machine: Machine) -> None:
    machine.add_function(PF, OTHER)
    functions = read_functions(machine.host)
    assert read_pfs(machine.host, functions.values(), functions) == ()


def test_an_override_that_does_not_answer(machine: Machine, running: RunningHost) -> None:
    # An unbind that waits for a guest holds the lock of the VF, which a read of it takes too.
    machine.add_pf(vfs=2)
    vf = machine.vfs()[1]
    running.blocked.add(f"/sys/bus/pci/devices/{vf}/driver_override")
    pf = observe(running)
    assert pf.blocked
    assert f"{vf}/driver_override does not answer" in blocked_message(pf)


def test_a_kernel_without_autoprobe(machine: Machine) -> None:
    machine.add_pf(autoprobe=None)
    assert observe(machine.host).autoprobe is None


def test_no_sriov(machine: Machine) -> None:
    machine.add_pf(total=None)
    pf = observe(machine.host)
    assert (pf.total_vfs, pf.num_vfs, pf.blocked) == (0, 0, False)
    assert [vf.address for vf in pf.expected_vfs(2)] == [None, None]


def test_a_count_that_does_not_answer(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(vfs=2)
    running.blocked.add(f"/sys/bus/pci/devices/{PF}/sriov_numvfs")
    pf = observe(running)
    assert (pf.num_vfs, pf.blocked) == (None, True)
    assert f"{PF}: blocked: sriov_numvfs does not answer" in blocked_message(pf)


def test_a_state_that_does_not_answer(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", vfs=2)
    machine.add_services()
    running.blocked.add(f"/sys/bus/pci/devices/{PF}/qat/state")
    pf = observe(running)
    assert (pf.num_vfs, pf.unanswered, pf.service_state) == (None, "qat/state", None)


@pytest.mark.parametrize(
    ("override", "driver", "reserved"),
    [
        (None, C62X.vf_driver, False),
        (C62X.vf_driver, C62X.vf_driver, True),
        (C62X.vf_driver, None, True),
        ("vfio-pci", "vfio-pci", False),
    ],
)
def test_vfs_that_are_reserved(
    machine: Machine, override: str | None, driver: str | None, *, reserved: bool
) -> None:
    machine.add_pf(vfs=1, vf_driver=driver)
    (address,) = machine.vfs()
    machine.play(f"/sys/bus/pci/devices/{address}/driver_override", override or "\n")
    (vf,) = observe(machine.host).vfs
    assert (vf.override, vf.driver, vf.reserved) == (override, driver, reserved)
    assert vf.as_result()["reserved"] is reserved


@pytest.mark.parametrize("override", ["", "\n", "(null)\n"])
def test_no_override(machine: Machine, override: str) -> None:
    machine.add_pf(vfs=1)
    machine.write(f"{machine.device(machine.vfs()[0])}/driver_override", override)
    (vf,) = observe(machine.host).vfs
    assert (vf.override, vf.reserved) == (None, False)


def test_where_new_vfs_will_be(machine: Machine) -> None:
    machine.add_pf()
    expected = observe(machine.host).expected_vfs(16)
    machine.make_vfs(PF, 16)
    assert [str(vf.address) for vf in expected] == machine.vfs()
    assert {(vf.driver, vf.iommu_group, vf.holder) for vf in expected} == {(None, None, None)}


@pytest.mark.parametrize(
    ("family", "out_of_tree", "driver", "ignores"),
    [
        ("c62x", False, "native", True),
        ("c62x", True, "native", True),
        ("4xxx", False, "native", True),
        ("420xx", False, "native", True),
        ("4xxx", True, "native", False),
        ("6xxx", True, "native", False),
        ("4xxx", False, None, False),
        ("c62x", False, "vfio-pci", False),
        ("dh89xxcc", False, "some_driver", True),
    ],
)
def test_drivers_that_make_all_vfs(
    machine: Machine, family: str, *, out_of_tree: bool, driver: str | None, ignores: bool
) -> None:
    machine.add_pf(family, out_of_tree=out_of_tree, driver=driver)
    assert observe(machine.host).ignores_requested_number == ignores


def test_a_built_in_driver_is_in_tree(machine: Machine) -> None:
    machine.add_driver(str(FAMILIES["4xxx"].driver))
    machine.add_pf("4xxx", driver=FAMILIES["4xxx"].driver)
    assert observe(machine.host).in_tree
