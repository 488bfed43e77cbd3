# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What our rules make at boot, compared with what is there."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.gather import gather
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import HostVfs, SriovRule
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, GEN4, OTHER, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

AT = PciAddress.parse(PF)
RULE = SriovRule(AT, C62X.pf_id, str(C62X.driver), 16, autoprobe=False)
GEN4_RULE = SriovRule(
    AT, GEN4.pf_id, str(GEN4.driver), 16, autoprobe=False, services=("sym", "dc"), auto_reset=True
)


@pytest.fixture
def healthy(machine: Machine) -> Machine:
    machine.add_pf(vfs=16, autoprobe=False)
    machine.add_iommu()
    return machine


@pytest.fixture
def gen4(machine: Machine) -> Machine:
    machine.add_pf("4xxx", vfs=16, autoprobe=False)
    machine.add_iommu()
    for name, value in (("state", "up"), ("cfg_services", "dc;sym"), ("auto_reset", "on")):
        machine.write(f"{machine.device(PF)}/qat/{name}", f"{value}\n")
    return machine


def only(host: Host) -> dict[str, str]:
    (problem,) = gather(host)["problems"]
    return t.cast("dict[str, str]", problem)


def told(machine: Machine, rule: SriovRule) -> list[str]:
    """Return what is told of a rule, without the address before it."""
    machine.write(rule.path, rule.render())
    return [problem["what"][len(PF) + 2 :] for problem in gather(machine.host)["problems"]]


def test_another_number_than_configured(healthy: Machine) -> None:
    healthy.write(RULE.path, replace(RULE, num_vfs=8).render())
    problem = only(healthy.host)
    assert problem["check"] == "configured"
    assert problem["what"] == f"{PF}: 16 VFs, 8 configured"
    assert RULE.path in problem["why"]
    assert "run qat_sriov" in problem["remedy"]


def test_another_autoprobe_than_configured(healthy: Machine) -> None:
    assert told(healthy, replace(RULE, autoprobe=True)) == ["autoprobe false, true configured"]
    assert told(healthy, replace(RULE, autoprobe=None)) == []


def test_another_driver_than_configured(healthy: Machine) -> None:
    found = told(healthy, replace(RULE, driver="other", num_vfs=3))
    assert found == ["driver c6xx, the rule waits for other"]


def test_several_differences_are_told_together(healthy: Machine) -> None:
    found = told(healthy, replace(RULE, autoprobe=True, num_vfs=3))
    assert found == ["16 VFs, 3 configured; autoprobe false, true configured"]


def test_another_device_than_configured(machine: Machine) -> None:
    machine.add_iommu()
    machine.add_pf("4xxx", vfs=16)
    machine.write(RULE.path, RULE.render())
    problem = only(machine.host)
    assert problem["what"] == f"{PF}: configured for {C62X.pf_id}, found {GEN4.pf_id}"
    assert "addresses move" in problem["remedy"]


def test_no_device_where_one_is_configured(machine: Machine) -> None:
    machine.add_iommu()
    machine.add_function("0000:02:00.0", OTHER, group=2)
    machine.write(RULE.path, RULE.render())
    assert only(machine.host)["what"] == f"{PF}: configured for {C62X.pf_id}, found nothing"


def test_a_pf_that_does_not_answer_is_told_once(healthy: Machine, running: RunningHost) -> None:
    healthy.write(RULE.path, RULE.render())
    running.blocked.add(f"/sys/bus/pci/devices/{PF}/sriov_numvfs")
    assert only(running)["what"] == f"{PF} (c62x): blocked"


def test_services_as_configured(gen4: Machine) -> None:
    assert told(gen4, GEN4_RULE) == []
    assert told(gen4, replace(GEN4_RULE, services=None, auto_reset=None)) == []


@pytest.mark.parametrize(
    ("attribute", "value", "difference"),
    [
        ("cfg_services", "sym;asym", "services sym;asym, sym;dc configured"),
        ("auto_reset", "off", "auto_reset false, true configured"),
    ],
)
def test_other_services_than_configured(
    gen4: Machine, attribute: str, value: str, difference: str
) -> None:
    gen4.write(f"{gen4.device(PF)}/qat/{attribute}", f"{value}\n")
    assert told(gen4, GEN4_RULE) == [difference]


def test_services_of_a_driver_without_them(machine: Machine) -> None:
    machine.add_pf("4xxx", vfs=16, autoprobe=False)
    machine.add_iommu()
    assert told(machine, GEN4_RULE) == [
        "services none, sym;dc configured; auto_reset none, true configured",
    ]


def test_vfs_that_the_host_keeps(gen4: Machine) -> None:
    first, second = gen4.vfs()[:2]
    kept = HostVfs((PciAddress.parse(first),), GEN4.vf_id, str(GEN4.vf_driver))
    rule = replace(GEN4_RULE, host_vfs=kept)
    assert told(gen4, rule) == [f"VFs of the host none, {first} configured"]
    gen4.write(f"{gen4.device(first)}/driver_override", f"{GEN4.vf_driver}\n")
    assert told(gen4, rule) == []
    gen4.write(f"{gen4.device(second)}/driver_override", f"{GEN4.vf_driver}\n")
    assert told(gen4, rule) == [f"VFs of the host {first}, {second}, {first} configured"]
    assert told(gen4, GEN4_RULE) == [f"VFs of the host {first}, {second}, none configured"]
    found = gather(gen4.host)
    assert [device["reserved"] for device in found["devices"]][:4] == [False, True, True, False]
    assert found["configured"][0]["host_vfs"] == []
