# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a PF from giving VFs: one problem with one remedy for each cause."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.drivers import module_available
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_functions
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import TABLE
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.observe import read_pfs
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.problems import problems_of
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, PF, RELEASE

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._errors import Problem
    from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
    from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import QatFamily
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

WHERE = f"{PF} ({C62X.name})"
MODULE_FILE = f"kernel/drivers/crypto/qat/{C62X.module}/{C62X.module}.ko"


def problems(host: Host) -> list[Problem]:
    functions = read_functions(host)
    return problems_of(host, RELEASE, read_pfs(host, functions.values(), functions))


def test_none(machine: Machine) -> None:
    machine.add_pf(vfs=16)
    assert problems(machine.host) == []


def test_blocked(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(vfs=16)
    running.blocked.add(f"/sys/bus/pci/devices/{PF}/sriov_numvfs")
    (problem,) = problems(running)
    assert problem.what == f"{WHERE}: blocked"
    assert "detach the VF from its guest" in problem.remedy


def test_blocked_at_its_state(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx")
    machine.add_services()
    running.blocked.add(f"/sys/bus/pci/devices/{PF}/qat/state")
    (problem,) = problems(running)
    assert problem.what == f"{PF} (4xxx): blocked"
    assert problem.why.startswith("qat/state does not answer")


def test_down(machine: Machine) -> None:
    machine.add_pf("4xxx")
    machine.add_services(state="down")
    (problem,) = problems(machine.host)
    assert problem.what == f"{PF} (4xxx): down"
    assert problem.remedy.endswith(f"echo up > /sys/bus/pci/devices/{PF}/qat/state")


def test_probe_failed(machine: Machine) -> None:
    machine.add_pf(driver=None)
    machine.add_driver(str(C62X.driver), C62X.module)
    machine.write(f"lib/modules/{RELEASE}/modules.dep", f"{MODULE_FILE}.xz:\n")
    (problem,) = problems(machine.host)
    assert problem.what == f"{WHERE}: probe failed"
    assert f"see the kernel log for {PF}" in problem.remedy
    assert "firmware" in problem.remedy
    assert f"echo {PF} > /sys/bus/pci/drivers_probe" in problem.remedy


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("modules.dep", f"{MODULE_FILE}:\n"),
        ("modules.dep", f"{MODULE_FILE}.zst: kernel/drivers/crypto/qat/intel_qat.ko.zst\n"),
        ("modules.builtin", f"{MODULE_FILE}\n"),
    ],
)
def test_driver_not_loaded(machine: Machine, name: str, line: str) -> None:
    machine.add_pf(driver=None)
    machine.write(f"lib/modules/{RELEASE}/{name}", line)
    (problem,) = problems(machine.host)
    assert problem.what == f"{WHERE}: driver missing"
    assert f"module {C62X.module} is there and not loaded" in problem.why
    assert f"modprobe {C62X.module}" in problem.remedy


def test_driver_not_built(machine: Machine) -> None:
    machine.add_pf(driver=None)
    machine.write(f"lib/modules/{RELEASE}/modules.dep", f"kernel/{C62X.module}vf.ko:\n")
    machine.write("lib/modules/other/modules.dep", f"{MODULE_FILE}:\n")
    (problem,) = problems(machine.host)
    assert problem.what == f"{WHERE}: driver missing"
    assert f"no module {C62X.module} (in Linux since {C62X.in_tree_since}" in problem.why
    assert "boot a kernel that has it" in problem.remedy


def test_no_sriov(machine: Machine) -> None:
    machine.add_pf(total=None)
    (problem,) = problems(machine.host)
    assert problem.what == f"{WHERE}: no SR-IOV"
    assert "turn on SR-IOV in the firmware setup" in problem.remedy


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.name))
def test_every_family_without_a_driver(machine: Machine, row: QatFamily) -> None:
    machine.add_pf(row.name, driver=None)
    (problem,) = problems(machine.host)
    assert problem.what.startswith(f"{PF} ({row.name}): ")
    assert "None" not in " ".join(problem.as_result().values())
    if row.driver is None:
        assert problem.why == "no driver of this device is known to this release"
    elif row.in_tree_since is None:
        assert "(not in Linux;" in problem.why


def test_the_problems_of_every_pf(machine: Machine) -> None:
    machine.add_pf(driver=None, total=None)
    machine.add_pf(address="0000:02:00.0", driver=None)
    assert [problem.what.split(": ")[0] for problem in problems(machine.host)] == [
        WHERE,
        WHERE,
        f"0000:02:00.0 ({C62X.name})",
    ]


def test_no_module_is_never_available(machine: Machine) -> None:
    assert not module_available(machine.host, RELEASE, None)
