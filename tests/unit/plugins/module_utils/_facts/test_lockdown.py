# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a locked down kernel refuses, told only where it matters."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.gather import gather
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, PF, RELEASE

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

LEVELS = ("none", "integrity", "confidentiality")
MODULES = f"lib/modules/{RELEASE}/modules.dep"


def lock(machine: Machine, level: str) -> None:
    text = " ".join(f"[{name}]" if name == level else name for name in LEVELS)
    machine.write("sys/kernel/security/lockdown", f"{text}\n")


def found(machine: Machine) -> list[dict[str, str]]:
    problems: list[dict[str, str]] = gather(machine.host)["problems"]
    return [problem for problem in problems if problem["check"] == "lockdown"]


@pytest.mark.parametrize(("level", "told"), [("none", 0), ("integrity", 1), ("confidentiality", 1)])
def test_the_payload_size_of_a_whole_card(machine: Machine, level: str, told: int) -> None:
    machine.add_pf(driver="vfio-pci")
    lock(machine, level)
    problems = found(machine)
    assert len(problems) == told
    for problem in problems:
        assert problem["what"] == f"{PF} (c62x): its Max Payload Size cannot be put back"
        assert f"locked down ({level})" in problem["why"]
        assert "turn Secure Boot off" in problem["remedy"]


def test_a_card_that_a_domain_has(machine: Machine) -> None:
    machine.add_pf(driver=None)
    machine.add_driver(str(C62X.driver))
    machine.add_domain("one", PF)
    lock(machine, "integrity")
    assert len(found(machine)) == 1


def test_vfs_work_on_a_locked_kernel(machine: Machine) -> None:
    machine.add_pf(vfs=16, vf_driver="vfio-pci")
    machine.add_pf("4xxx", "0000:02:00.0", driver="vfio-pci")
    lock(machine, "confidentiality")
    assert found(machine) == []


@pytest.mark.parametrize(
    ("family", "modules", "told"),
    [
        # Not in Linux at all.
        ("200xx", "", 1),
        # In Linux, and not in this kernel.
        ("4xxx", "", 1),
        ("4xxx", "kernel/drivers/crypto/intel/qat/qat_4xxx/qat_4xxx.ko.xz:\n", 0),
    ],
)
def test_drivers_from_elsewhere(machine: Machine, family: str, modules: str, told: int) -> None:
    machine.add_pf(family, driver=None)
    machine.write(MODULES, modules)
    assert found(machine) == []
    lock(machine, "integrity")
    problems = found(machine)
    assert len(problems) == told
    for problem in problems:
        assert problem["what"].endswith("a vendor's driver has to be signed")
        assert "mokutil --import" in problem["remedy"]


def test_signatures_without_lockdown(machine: Machine) -> None:
    machine.add_pf("4xxx", driver=None)
    machine.write("sys/module/module/parameters/sig_enforce", "Y\n")
    (problem,) = found(machine)
    assert "sig_enforce" in problem["why"]
    assert gather(machine.host)["kernel"]["signed_modules"]


def test_a_driver_that_is_loaded_was_let_in(machine: Machine) -> None:
    machine.add_pf("4xxx", driver=None)
    machine.add_driver("4xxx")
    lock(machine, "integrity")
    assert found(machine) == []
