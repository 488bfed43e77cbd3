# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Problems of a host, each with its remedy, and what is inferred of its firmware."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.gather import gather
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import SriovRule
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

RULE = SriovRule(PciAddress.parse(PF), C62X.pf_id, str(C62X.driver), 16, autoprobe=False)


@pytest.fixture
def healthy(machine: Machine) -> Machine:
    machine.add_pf(vfs=16, autoprobe=False)
    machine.add_iommu()
    return machine


def only(host: Host) -> dict[str, str]:
    (problem,) = gather(host)["problems"]
    return t.cast("dict[str, str]", problem)


def hints(host: Host) -> dict[str, bool | None]:
    return {hint["setting"]: hint["enabled"] for hint in gather(host)["firmware_hints"]}


def test_a_healthy_host_has_none(healthy: Machine) -> None:
    healthy.write(RULE.path, RULE.render())
    assert gather(healthy.host)["problems"] == []
    assert set(hints(healthy.host).values()) == {True}
    assert len(hints(healthy.host)) == 3


@pytest.mark.parametrize(
    ("cpuinfo", "remedy"),
    [
        ("vendor_id\t: GenuineIntel\nflags\t: fpu\n", "VT-x"),
        ("vendor_id\t: AuthenticAMD\nflags\t: fpu\n", "SVM Mode"),
    ],
)
def test_no_virtualization_flag(healthy: Machine, cpuinfo: str, remedy: str) -> None:
    healthy.write("proc/cpuinfo", cpuinfo)
    problem = only(healthy.host)
    assert problem["what"].startswith("no hardware virtualization")
    assert remedy in problem["remedy"]
    assert "nested virtualization" in problem["remedy"]
    assert False in hints(healthy.host).values()


def test_arm_shows_no_flag_and_that_is_fine(healthy: Machine) -> None:
    healthy.write("proc/cpuinfo", "CPU implementer\t: 0x41\n")
    assert gather(healthy.host)["problems"] == []
    assert hints(healthy.host)["hardware virtualization"] is None


@pytest.mark.parametrize(("release", "old"), [("2.6.32-754.el6", True), ("2.6.38", False)])
def test_the_kernel_is_too_old(healthy: Machine, release: str, *, old: bool) -> None:
    healthy.write("proc/sys/kernel/osrelease", f"{release}\n")
    whats = [problem["what"] for problem in gather(healthy.host)["problems"]]
    assert whats == ([f"kernel too old: {release}"] if old else [])


def test_no_iommu_announced(machine: Machine) -> None:
    machine.add_pf(group=None)
    problem = only(machine.host)
    assert "no ACPI table DMAR, IVRS or IORT" in problem["why"]
    assert "turn on VT-d" in problem["remedy"]
    assert [setting for setting, on in hints(machine.host).items() if on is False] == [
        "VT-d (Intel Virtualization Technology for Directed I/O)",
    ]


def test_the_iommu_is_announced_and_off(machine: Machine) -> None:
    machine.add_pf(group=None)
    machine.add_iommu(units=())
    assert "add intel_iommu=on iommu=pt" in only(machine.host)["remedy"]
    machine.write("proc/cmdline", "ro intel_iommu=off quiet\n")
    assert "take intel_iommu=off off the kernel command line" in only(machine.host)["remedy"]


def test_the_pfs_own_problems_are_told(machine: Machine) -> None:
    machine.add_iommu()
    machine.add_pf(driver=None, total=None)
    whats = [problem["what"] for problem in gather(machine.host)["problems"]]
    assert whats == [f"{PF} (c62x): driver missing", f"{PF} (c62x): no SR-IOV"]
    assert hints(machine.host)["SR-IOV"] is False


def test_no_hint_about_sriov_without_a_pf(machine: Machine) -> None:
    assert "SR-IOV" not in hints(machine.host)
