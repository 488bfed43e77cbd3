# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refusals: each names the device, the cause and the remedy, and nothing is changed."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import (
    BlockedError,
    HwaccelError,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import TABLE
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, GEN4, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.sriov_runs import (
    check_then_perform,
    job,
    plan,
    refusal,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import QatFamily
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

# -- the number ------------------------------------------------------------------------------


def test_more_than_the_device_has(machine: Machine) -> None:
    machine.add_pf()
    assert refusal(machine.host, num_vfs=17) == (
        f"option num_vfs: 17 is above the 16 VFs that {PF} can have (sriov_totalvfs); "
        "use max or 0 to 16"
    )
    assert plan(machine.host, num_vfs=16)


def test_no_sriov(machine: Machine) -> None:
    machine.add_pf(total=None)
    assert "no SR-IOV capability" in refusal(machine.host)
    assert "0 to 0" in refusal(machine.host, num_vfs=1)
    assert not plan(machine.host, num_vfs=0)


@pytest.mark.parametrize("number", [1, 16, "max"])
def test_no_driver(machine: Machine, number: object) -> None:
    machine.add_pf(driver=None)
    message = refusal(machine.host, num_vfs=number)
    assert f"{PF}: no driver has the PF" in message
    assert f"load {C62X.module}" in message
    # There is nothing to make.
    assert not plan(machine.host, num_vfs=0)


@pytest.mark.parametrize("family", ["c62x", "4xxx"])
def test_coercion_that_is_not_accepted(machine: Machine, family: str) -> None:
    machine.add_pf(family)
    message = refusal(machine.host, num_vfs=4, coerced_ok=False)
    assert f"{PF}: asked for 4 VFs" in message
    assert "always makes all 16" in message
    assert "num_vfs: 16, max or coerced_ok: true" in message
    for number in (0, 16, "max"):
        plan(machine.host, num_vfs=number, coerced_ok=False)


WITH_DRIVER = [row for row in TABLE if row.driver]


@pytest.mark.parametrize("out_of_tree", [False, True])
@pytest.mark.parametrize("row", WITH_DRIVER, ids=lambda row: str(row.name))
def test_coercion_of_every_family(
    machine: Machine, running: RunningHost, row: QatFamily, *, out_of_tree: bool
) -> None:
    machine.add_pf(row.name, out_of_tree=out_of_tree)
    obeys = out_of_tree and row.generation >= 4
    if obeys:
        assert plan(machine.host, num_vfs=3, coerced_ok=False)
    else:
        assert "always makes all 16" in refusal(machine.host, num_vfs=3, coerced_ok=False)
    (device,) = check_then_perform(machine, running, num_vfs=3)["devices"]
    assert (device["requested"], device["num_vfs"]) == (3, 3 if obeys else 16)
    assert device["coerced"] is not obeys
    assert not check_then_perform(machine, running, num_vfs=3)["changed"]


def test_a_driver_that_takes_the_number_coerces_nothing(machine: Machine) -> None:
    machine.add_pf("4xxx", out_of_tree=True)
    writes = plan(machine.host, num_vfs=4, coerced_ok=False).pending_writes()
    assert writes[-1]["value"] == "4"


# -- who uses it -----------------------------------------------------------------------------


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("options", [{"num_vfs": 0}, {"state": "absent"}])
def test_a_vf_that_a_process_holds(
    machine: Machine, options: dict[str, t.Any], *, force: bool
) -> None:
    machine.add_pf(vfs=16)
    held = machine.vfs()[5]
    machine.hold(held, pid=42)
    message = refusal(machine.host, force=force, **options)
    assert f"{PF}: VF {held} is held by process qemu-system-x86 (pid 42)" in message
    assert "not with force either" in message


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("options", [{"num_vfs": 0}, {"state": "absent"}])
def test_a_vf_that_a_process_has_through_uio(
    machine: Machine, options: dict[str, t.Any], *, force: bool
) -> None:
    machine.add_pf(vfs=16)
    used = machine.vfs()[0]
    machine.bind(used, "uio_pci_generic")
    machine.add_node("uio", "uio0", used, dev="240:0")
    if not force:
        assert f"{used} by driver uio_pci_generic" in refusal(machine.host, **options)
    machine.open("/dev/uio0", pid=42, name="dpdk-testpmd")
    message = refusal(machine.host, force=force, **options)
    assert f"{PF}: VF {used} is held by process dpdk-testpmd (pid 42)" in message
    assert "not with force either" in message


def test_a_vf_of_a_running_domain(machine: Machine) -> None:
    machine.add_pf("4xxx", vfs=4, out_of_tree=True)
    machine.add_domain("guest", machine.vfs()[0], pid=42)
    assert "held by domain guest (pid 42)" in refusal(machine.host, num_vfs=8, force=True)


def test_a_held_vf_stays_where_nothing_is_taken(machine: Machine) -> None:
    machine.add_pf(vfs=16)
    machine.hold(machine.vfs()[5])
    # Autoprobe and the rule do not touch the VFs that are there.
    assert plan(machine.host, num_vfs=16)
    assert plan(machine.host, num_vfs=4)


@pytest.mark.parametrize("user", ["driver", "domain"])
def test_a_vf_in_use_that_is_not_open(machine: Machine, user: str) -> None:
    machine.add_pf(vfs=16)
    vf = machine.vfs()[3]
    if user == "driver":
        machine.bind(vf, C62X.vf_driver)
        told = f"{vf} by driver {C62X.vf_driver}"
    else:
        machine.add_domain("stopped", vf)
        told = f"{vf} by domain stopped"
    message = refusal(machine.host, num_vfs=0)
    assert told in message
    assert "use force: true" in message
    assert plan(machine.host, num_vfs=0, force=True).pending_writes()[0]["value"] == "0"


@pytest.mark.parametrize(
    ("holder", "told", "force_helps"),
    [
        ("group", "process qemu-system-x86 (pid 42)", False),
        ("cdev", "process qemu-system-x86 (pid 42)", False),
        ("live", "domain guest (pid 42)", False),
        ("defined", "domain guest", True),
        ("driver", f"driver {C62X.vf_driver}", True),
    ],
)
def test_every_kind_of_holder(
    machine: Machine, running: RunningHost, holder: str, told: str, *, force_helps: bool
) -> None:
    machine.add_pf(vfs=16)
    vf = machine.vfs()[3]
    if holder == "group":
        machine.hold(vf, pid=42)
    elif holder == "cdev":
        machine.bind(vf, "vfio-pci")
        machine.write(f"{machine.device(vf)}/vfio-dev/vfio7/dev", "511:7\n")
        machine.open("/dev/vfio/devices/vfio7", pid=42)
    elif holder == "driver":
        machine.bind(vf, C62X.vf_driver)
    else:
        machine.add_domain("guest", vf, pid=42 if holder == "live" else None)
    message = refusal(machine.host, num_vfs=0)
    assert vf in message
    assert told in message
    assert ("use force: true" in message) == force_helps
    if force_helps:
        check_then_perform(machine, running, num_vfs=0, force=True)
    else:
        assert "not with force either" in refusal(machine.host, num_vfs=0, force=True)
    assert bool(machine.vfs()) != force_helps


def test_every_user_is_named(machine: Machine) -> None:
    machine.add_pf(vfs=2, vf_driver=C62X.vf_driver)
    message = refusal(machine.host, num_vfs=0)
    assert all(vf in message for vf in machine.vfs())


# -- the PF ----------------------------------------------------------------------------------


def test_a_pf_on_a_vfio_driver_that_is_named(machine: Machine) -> None:
    machine.add_pf(driver="vfio-pci", group=7)
    for devices in ([PF], [str(C62X.pf_id)], [{"address": PF, "id": str(C62X.pf_id)}]):
        message = refusal(machine.host, devices=devices, force=True)
        assert f"{PF}: the whole card stands on vfio-pci; give it back to c6xx" in message
    machine.open("/dev/vfio/7", pid=42)
    assert ", held by process qemu-system-x86 (pid 42); " in refusal(machine.host, devices=[PF])


@pytest.mark.parametrize("word", ["all", "qat", "c62x", "gen1"])
def test_a_pf_on_a_vfio_driver_is_skipped_by_a_word(machine: Machine, word: str) -> None:
    machine.add_pf(driver="vfio-pci")
    machine.add_pf(address="0000:02:00.0", group=2)
    work = job(devices=[word])
    state = work.observe(machine.host)
    assert [str(pf.address) for pf in state.skipped] == [PF]
    assert all("0000:02:00.0" in write["path"] for write in work.plan(state).pending_writes())


@pytest.mark.parametrize("options", [{}, {"num_vfs": 0}, {"state": "absent"}])
def test_a_pf_that_does_not_answer(
    machine: Machine, running: RunningHost, options: dict[str, t.Any]
) -> None:
    machine.add_pf(vfs=16)
    running.blocked.add(f"/sys/bus/pci/devices/{PF}/sriov_numvfs")
    with pytest.raises(BlockedError, match=f"{PF}: blocked.*Nothing was changed"):
        plan(running, **options)


@pytest.mark.parametrize("name", ["qat/state", "qat/cfg_services", "qat/auto_reset"])
@pytest.mark.parametrize("options", [{}, {"num_vfs": 0}, {"state": "absent"}])
def test_a_state_that_does_not_answer(
    machine: Machine, running: RunningHost, name: str, options: dict[str, t.Any]
) -> None:
    machine.add_pf("4xxx", vfs=16)
    machine.add_services()
    running.blocked.add(f"/sys/bus/pci/devices/{PF}/{name}")
    with pytest.raises(BlockedError, match=f"{PF}: blocked: {name} does not answer"):
        plan(running, **options)


def test_one_pf_that_is_refused_refuses_all(machine: Machine) -> None:
    machine.add_pf()
    machine.add_pf("4xxx", "0000:02:00.0", total=8, group=2)
    assert "above the 8 VFs that 0000:02:00.0" in refusal(machine.host, num_vfs=16)
    assert GEN4.has_services


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.name))
@pytest.mark.parametrize(
    ("driver", "total"), [(None, 16), (None, None), ("vfio-pci", 16), ("native", None)]
)
def test_no_refusal_says_none(
    machine: Machine, row: QatFamily, driver: str | None, total: int | None
) -> None:
    machine.add_pf(row.name, driver=driver, total=total)
    with pytest.raises(HwaccelError) as caught:
        plan(machine.host, devices=[PF])
    assert "None" not in str(caught.value)
