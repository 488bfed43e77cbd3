# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything about a host's accelerators in one pass."""

from __future__ import annotations

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._facts.gather import gather
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import SriovRule
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import (
    C62X,
    GEN4,
    OTHER,
    PF,
    config_space,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

NO_ACCELERATOR = PciId(0x1234, 0x0001)


def test_an_empty_machine(machine: Machine) -> None:
    found = gather(machine.host)
    assert sorted(found) == [
        "bindings",
        "configured",
        "cpu",
        "devices",
        "firmware_hints",
        "iommu",
        "kernel",
        "limits",
        "problems",
        "services",
        "standing",
    ]
    assert found["devices"] == found["configured"] == found["bindings"] == found["standing"] == []
    assert found["iommu"] == {
        "active": False,
        "vendor": None,
        "announced": None,
        "interrupt_remapping": None,
        "unsafe_interrupts": False,
        "groups": [],
    }
    assert found["cpu"] == {"vendor": "intel", "model": "Emulated", "virtualization": "vmx"}
    assert sorted(found["kernel"]) == [
        "command_line",
        "lockdown",
        "release",
        "secure_boot",
        "signed_modules",
    ]
    assert found["limits"] == {"memlock": None, "memlock_source": None, "dma_entry_limit": None}
    assert found["services"]["qat"] == {"unit": None, "enabled": False, "running": False}


def test_a_pf_and_a_vf(machine: Machine) -> None:
    machine.add_pf(vfs=1, group=3)
    vf = machine.vfs()[0]
    machine.hold(vf, pid=42)
    first, second = gather(machine.host)["devices"]
    assert first == {
        "address": PF,
        "id": str(C62X.pf_id),
        "kind": "qat_pf",
        "name": C62X.title,
        "family": "c62x",
        "generation": 1.7,
        "driver": C62X.driver,
        "numa_node": 0,
        "iommu_group": 3,
        "pf": None,
        "total_vfs": 16,
        "fitting_vfs": 16,
        "num_vfs": 1,
        "autoprobe": True,
        "qat_state": None,
        "services": None,
        "auto_reset": None,
        "reserved": False,
        "blocked": False,
        "holder": {"kind": "driver", "name": C62X.driver, "pid": None},
        "mps": 128,
        "mps_supported": 256,
        "denylisted": True,
        "health": None,
    }
    assert second == {
        "address": vf,
        "id": str(C62X.vf_id),
        "kind": "qat_vf",
        "name": C62X.title,
        "family": "c62x",
        "generation": 1.7,
        "driver": "vfio-pci",
        "numa_node": 0,
        "iommu_group": machine.group(vf),
        "pf": PF,
        "total_vfs": None,
        "fitting_vfs": None,
        "num_vfs": None,
        "autoprobe": None,
        "qat_state": None,
        "services": None,
        "auto_reset": None,
        "reserved": False,
        "blocked": False,
        "holder": {"kind": "process", "name": "qemu-system-x86", "pid": 42},
        "mps": None,
        "mps_supported": 256,
        "denylisted": True,
        "health": None,
    }


def test_what_counts_as_an_accelerator(machine: Machine) -> None:
    machine.add_pf("4xxx")
    machine.add_function("0000:02:00.0", OTHER, class_code=0x030000)
    machine.add_function("0000:03:00.0", OTHER, class_code=0x030200)
    machine.add_function("0000:04:00.0", OTHER, class_code=0x020000)
    machine.write(f"{machine.device('0000:04:00.0')}/sriov_totalvfs", "64\n")
    machine.add_function("0000:05:00.0", OTHER, class_code=0x010802)
    machine.write(f"{machine.device('0000:05:00.0')}/sriov_totalvfs", "0\n")
    # An Intel device of the same class is not always QAT.
    machine.add_function("0000:06:00.0", NO_ACCELERATOR, class_code=0x0B4000)
    # A VF in a guest has no PF to be seen.
    machine.add_function("0000:07:00.0", FAMILIES["c3xxx"].vf_id)
    devices = gather(machine.host)["devices"]
    assert [(device["address"], device["kind"], device["family"]) for device in devices] == [
        (PF, "qat_pf", "4xxx"),
        ("0000:02:00.0", "gpu", None),
        ("0000:03:00.0", "gpu", None),
        ("0000:04:00.0", "sriov_pf", None),
        ("0000:07:00.0", "qat_vf", "c3xxx"),
    ]
    assert (devices[3]["total_vfs"], devices[3]["num_vfs"]) == (64, 0)
    assert not devices[0]["denylisted"]
    assert devices[4]["denylisted"]


def test_reserved_payload_sizes_are_unknown(machine: Machine) -> None:
    config = config_space(C62X.pf_id, supported=7, mps=6)
    machine.add_function(PF, C62X.pf_id, config=config)
    machine.add_function("0000:02:00.0", GEN4.pf_id, config=b"")
    for device in gather(machine.host)["devices"]:
        assert (device["mps"], device["mps_supported"]) == (None, None)


def test_a_pf_that_does_not_answer(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    machine.add_pf("4xxx", "0000:02:00.0", vfs=2)
    running.blocked.add(f"/sys/bus/pci/devices/{PF}/sriov_numvfs")
    found = {device["address"]: device for device in gather(running)["devices"]}
    assert (found[PF]["blocked"], found[PF]["num_vfs"]) == (True, None)
    assert (found["0000:02:00.0"]["blocked"], found["0000:02:00.0"]["num_vfs"]) == (False, 2)


def test_services_of_a_pf(machine: Machine) -> None:
    machine.add_pf("4xxx")
    for name, value in (("state", "down"), ("cfg_services", "dc;sym")):
        machine.write(f"{machine.device(PF)}/qat/{name}", f"{value}\n")
    (device,) = gather(machine.host)["devices"]
    assert (device["qat_state"], device["services"]) == ("down", ["sym", "dc"])
    assert device["auto_reset"] is None


def test_groups_and_rules(machine: Machine) -> None:
    machine.add_pf(group=3)
    machine.add_iommu()
    rule = SriovRule(PciAddress.parse(PF), C62X.pf_id, "c6xx", 16, None)
    machine.write(rule.path, rule.render())
    found = gather(machine.host)
    assert found["iommu"]["active"]
    assert found["iommu"]["groups"] == [{"group": 3, "type": "DMA-FQ", "devices": [PF]}]
    assert found["configured"] == [
        {
            "address": PF,
            "id": str(C62X.pf_id),
            "driver": "c6xx",
            "num_vfs": 16,
            "autoprobe": None,
            "services": None,
            "auto_reset": None,
            "host_vfs": [],
            "path": rule.path,
        },
    ]


def test_nothing_is_written(machine: Machine) -> None:
    machine.add_pf(vfs=16)
    before = machine.files()
    gather(machine.host)
    assert machine.files() == before


def test_a_rule_of_an_operator_does_not_end_the_gathering(machine: Machine) -> None:
    machine.write("etc/udev/rules.d/80-hwaccel-qat-mine.rules", 'KERNEL=="card*", MODE="0600"\n')
    assert gather(machine.host)["configured"] == []
