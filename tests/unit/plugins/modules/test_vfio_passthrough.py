# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module vfio_passthrough as Ansible calls it."""

from __future__ import annotations

import errno
import json
import shutil
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.boot_rules import (
    EARLY_RULES,
    MODULES,
    OPTIONS,
    RULES,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, GEN4, OTHER, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.vfio_runs import (
    AUDIO,
    BRIDGE,
    DISK,
    GPU,
    GPU_ID,
    MODULE,
    NIC,
    Tasks,
    add_disk,
    add_gpu,
    add_host,
    add_nic,
    add_vfs,
    bindings,
    drivers,
    standing,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

VFIO = "vfio-pci"
VARIANT = "qat_vfio_pci"
BIND = f"/sys/bus/pci/drivers/{VFIO}/bind"


@pytest.fixture
def tasks(machine: Machine, running: RunningHost, run_module: ModuleRunner) -> Tasks:
    add_host(machine)
    return Tasks(machine, running, run_module)


def entry(machine: Machine, address: str) -> dict[str, t.Any]:
    """Return what the undo record has of a function."""
    document = json.loads(machine.read(UNDO_PATH))
    return t.cast("dict[str, t.Any]", document["modules"][MODULE][address])


# -- there and back --------------------------------------------------------------------------


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize(("native", "autoprobe"), [(False, False), (True, False), (True, True)])
def test_eight_vfs_and_back(
    machine: Machine, tasks: Tasks, *, loaded: bool, native: bool, autoprobe: bool
) -> None:
    machine.add_vfio(loaded=loaded)
    vfs = add_vfs(machine, native=native, autoprobe=autoprobe)
    files, bound = standing(machine), bindings(machine)
    result = tasks("4xxx", force=native)
    assert [device["address"] for device in result["devices"]] == vfs
    assert drivers(result) == [VFIO] * 8
    before = GEN4.vf_driver if native else None
    assert [device["driver_before"] for device in result["devices"]] == [before] * 8
    assert (result["warnings"], result["reboot_required"]) == ([], False)
    assert [machine.override(vf) for vf in vfs] == [VFIO] * 8
    result = tasks("4xxx", state="absent")
    assert (drivers(result), result["warnings"]) == ([before] * 8, [])
    assert (standing(machine), bindings(machine)) == (files, bound)


@pytest.mark.parametrize("modules_first", [False, True])
@pytest.mark.parametrize("on_disk", [False, True])
def test_bound_again_at_boot(
    machine: Machine, tasks: Tasks, *, modules_first: bool, on_disk: bool
) -> None:
    machine.add_vfio()
    add_gpu(machine)
    add_nic(machine)
    tasks(GPU, siblings="bind", force=True)
    tasks(NIC)
    assert bindings(machine)[NIC] == (VFIO, VFIO)
    machine.kernel.modules_first = modules_first
    if not on_disk:
        # As with drivers that are built in, or in the initramfs: they are there before udev.
        machine.write(f"{machine.modules}/modules.dep", "kernel/vfio-pci.ko:\n")
        machine.add_driver("nouveau", "nouveau")
    machine.kernel.boot()
    bound = bindings(machine)
    assert [bound[each] for each in (GPU, AUDIO, NIC)] == [(VFIO, VFIO)] * 3
    assert bound[BRIDGE] == ("pcieport", "(null)")
    for state in ({}, {"state": "absent"}):
        changed = tasks(GPU, NIC, siblings="bind", **state)["changed"]
        assert changed == bool(state)
    machine.kernel.boot()
    bound = bindings(machine)
    assert bound[GPU] == ("nouveau", "(null)")
    assert bound[NIC] == ("igb", "(null)")


def test_the_vfs_of_a_boot(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine, native=True, autoprobe=True)
    tasks("gen4", force=True)
    machine.kernel.boot()
    assert machine.vfs() == []
    machine.play(f"/sys/bus/pci/devices/{PF}/sriov_numvfs", "8")
    machine.kernel.settle()
    assert machine.vfs() == vfs
    assert [bindings(machine)[vf] for vf in vfs] == [(VFIO, VFIO)] * 8
    assert not tasks("gen4")["changed"]


def test_another_device_at_the_address_at_boot(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks(NIC)
    machine.write(f"{machine.device(NIC)}/device", "0x1533\n")
    machine.kernel.boot()
    assert bindings(machine)[NIC] == ("igb", "(null)")


def test_absent_twice_and_again(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    files = standing(machine)
    for _round in range(2):
        assert tasks(NIC)["changed"]
        assert tasks(NIC, state="absent")["changed"]
        assert standing(machine) == files


def test_one_of_several(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    add_nic(machine)
    tasks("4xxx")
    tasks(NIC)
    tasks(vfs[0], vfs[3], state="absent")
    rules = machine.read(RULES)
    assert [vf for vf in vfs if vf in rules] == [*vfs[1:3], *vfs[4:]]
    assert NIC in rules
    left = [machine.driver(vf) for vf in vfs]
    assert left == [None, VFIO, VFIO, None, VFIO, VFIO, VFIO, VFIO]
    tasks("4xxx", state="absent")
    assert NIC in machine.read(RULES)
    assert "vfio_pci" in machine.read(MODULES)
    tasks(NIC, state="absent")
    assert not machine.at(RULES).exists()
    assert not machine.at(MODULES).exists()


def test_rules_of_others_stay(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    for path, text in (
        ("etc/udev/rules.d/99-mine.rules", f'KERNEL=="{NIC}", TAG+="mine"\n'),
        ("etc/modprobe.d/mine.conf", "options vfio-pci ids=1234:5678\n"),
        ("etc/modules-load.d/mine.conf", "vfio-pci\n"),
    ):
        machine.write(path, text)
    machine.at("etc/udev/rules.d/99-mine.rules").write_text("# mine\n")
    files = standing(machine)
    tasks(NIC)
    assert {**standing(machine), **files} == standing(machine)
    tasks(NIC, state="absent")
    assert standing(machine) == files


def test_persistent_false_removes_ours(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    vfs = add_vfs(machine)
    tasks("4xxx", NIC)
    tasks(NIC, persistent=False)
    assert NIC not in machine.read(RULES)
    assert vfs[0] in machine.read(RULES)
    assert machine.driver(NIC) == VFIO
    tasks("4xxx", persistent=False)
    assert not machine.at(RULES).exists()
    tasks("4xxx", NIC, state="absent")
    assert bindings(machine)[NIC] == ("igb", "(null)")


@pytest.mark.parametrize("number", [0, 8])
def test_a_whole_card_at_boot(machine: Machine, tasks: Tasks, number: int) -> None:
    machine.add_vfio()
    add_vfs(machine, number=number)
    machine.write("sys/module/qat_4xxx/refcnt", "0\n")
    tasks(PF)
    # The driver of a PF may be in the initramfs, and first.
    machine.bind(PF, "4xxx")
    machine.kernel.boot()
    assert bindings(machine) == {PF: (VFIO, VFIO)}


def test_a_disk_at_boot(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_disk(machine)
    assert "a driver in the initramfs may take it" in str(tasks(DISK)["warnings"])
    machine.kernel.boot()
    assert bindings(machine)[DISK] == (VFIO, VFIO)


def test_udev_is_triggered_again(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    bound = bindings(machine)
    tasks(NIC)
    taken = bindings(machine)
    machine.open(f"/dev/vfio/{machine.group(NIC)}")
    machine.kernel.trigger()
    assert bindings(machine) == taken
    shutil.rmtree(machine.at("proc/4242"))
    tasks(NIC, state="absent")
    machine.kernel.trigger()
    assert bindings(machine) == bound


def test_a_domain_above_ffff(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine, address="10000:e1:00.0")
    files, bound = standing(machine), bindings(machine)
    tasks("10000:e1:00.0")
    machine.kernel.boot()
    assert bindings(machine)["10000:e1:00.0"] == (VFIO, VFIO)
    tasks("10000:e1:00.0", state="absent")
    assert (standing(machine), bindings(machine)) == (files, bound)


def test_given_back_by_hand(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    files, bound = standing(machine), bindings(machine)
    tasks(NIC)
    machine.play(f"/sys/bus/pci/devices/{NIC}/driver_override", "")
    machine.play(f"/sys/bus/pci/devices/{NIC}/driver/unbind", NIC)
    machine.play("/sys/bus/pci/drivers_probe", NIC)
    assert bindings(machine) == bound
    tasks(NIC, state="absent")
    assert (standing(machine), bindings(machine)) == (files, bound)


def test_absent_when_the_iommu_is_off_again(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    files, bound = standing(machine), bindings(machine)
    tasks(NIC)
    shutil.rmtree(machine.at("sys/class/iommu"))
    tasks(NIC, state="absent")
    assert (standing(machine), bindings(machine)) == (files, bound)


# -- without a record ------------------------------------------------------------------------


@pytest.mark.parametrize("override", [False, True])
def test_absent_without_a_record(machine: Machine, tasks: Tasks, *, override: bool) -> None:
    machine.add_vfio()
    add_nic(machine)
    machine.bind(NIC, VFIO)
    if override:
        machine.play(f"/sys/bus/pci/devices/{NIC}/driver_override", VFIO)
    result = tasks(NIC, state="absent")
    assert bindings(machine)[NIC] == ("igb", "(null)")
    assert f"{NIC}: no record of what it had before" in str(result["warnings"])


def test_absent_with_a_lost_record(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    files = standing(machine)
    tasks(NIC)
    machine.at(UNDO_PATH).unlink()
    assert NIC in str(tasks(NIC, state="absent")["warnings"])
    assert standing(machine) == files
    assert bindings(machine)[NIC] == ("igb", "(null)")


def test_absent_leaves_what_nobody_took(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine, routes=True)
    result = tasks(NIC, state="absent")
    assert (result["changed"], result["warnings"]) == (False, [])


@pytest.mark.parametrize("override", [VFIO, "(null)"])
def test_an_operators_own_binding_stays(machine: Machine, tasks: Tasks, override: str) -> None:
    machine.add_vfio()
    add_nic(machine)
    if override == VFIO:
        machine.play(f"/sys/bus/pci/devices/{NIC}/driver_override", VFIO)
    machine.bind(NIC, VFIO)
    tasks(NIC)
    assert entry(machine, NIC)["found"]["driver"] == VFIO
    tasks(NIC, state="absent")
    assert bindings(machine)[NIC] == (VFIO, override)
    assert not machine.at(RULES).exists()


def test_driverctl_is_told(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    machine.write(f"etc/driverctl.d/pci-{NIC}", "vfio-pci\n")
    result = tasks(NIC)
    assert f"{NIC}: driverctl has an override of it (vfio-pci)" in str(result["warnings"])
    assert f"driverctl unset-override {NIC}" in str(result["warnings"])


# -- the denylist ----------------------------------------------------------------------------


def test_the_denylist(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine, "c62x", 16)
    message = tasks.refusal("c62x")
    assert f"{vfs[0]} (8086:37c9)" in message
    assert "allow_denylisted: true" in message
    assert "QATE-39220" in message


@pytest.mark.parametrize("loaded", [False, True])
def test_the_denylist_allowed(machine: Machine, tasks: Tasks, *, loaded: bool) -> None:
    machine.add_vfio(loaded=loaded)
    add_vfs(machine, "c62x", 16)
    files = standing(machine)
    result = tasks("c62x", allow_denylisted=True)
    assert drivers(result) == [VFIO] * 16
    assert all(device["denylisted"] for device in result["devices"])
    assert (result["reboot_required"], result["warnings"]) == (False, [])
    removed = ("modprobe", "--remove", VFIO) in tasks.running.commands
    assert removed == loaded
    assert "options vfio-pci disable_denylist=1\n" in machine.read(OPTIONS)
    # What is needed no more than once is not asked for again.
    assert not tasks("c62x")["changed"]
    machine.kernel.boot()
    assert machine.read("sys/module/vfio_pci/parameters/disable_denylist") == "Y\n"
    machine.play(f"/sys/bus/pci/devices/{PF}/sriov_numvfs", "16")
    machine.kernel.settle()
    assert {machine.driver(vf) for vf in machine.vfs()} == {VFIO}
    tasks("c62x", state="absent")
    assert standing(machine) == files


def test_the_denylist_with_vfio_pci_in_use(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks(NIC)
    vfs = add_vfs(machine, "c62x", 16)
    result = tasks("c62x", allow_denylisted=True)
    assert (result["changed"], result["reboot_required"]) == (True, True)
    assert (drivers(result), result["kernel_arguments"]) == ([None] * 16, [])
    assert "loaded without it at the next boot" in str(result["warnings"])
    assert {machine.override(vf) for vf in vfs} == {"(null)"}
    assert machine.driver(NIC) == VFIO
    machine.kernel.boot()
    machine.play(f"/sys/bus/pci/devices/{PF}/sriov_numvfs", "16")
    machine.kernel.settle()
    assert {machine.driver(vf) for vf in vfs} == {VFIO}
    result = tasks("c62x", allow_denylisted=True)
    assert (result["changed"], result["reboot_required"]) == (False, False)
    tasks("c62x", state="absent")
    assert not machine.at(OPTIONS).exists()


def test_the_denylist_that_waits_given_up(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks(NIC)
    files = standing(machine)
    add_vfs(machine, "c62x", 16)
    bound = bindings(machine)
    tasks("c62x", allow_denylisted=True)
    tasks("c62x", state="absent")
    assert (standing(machine), bindings(machine)) == (files, bound)


def test_the_denylist_built_in(machine: Machine, tasks: Tasks) -> None:
    machine.build_vfio_in()
    add_vfs(machine, "c62x", 16)
    result = tasks("c62x", allow_denylisted=True)
    assert result["reboot_required"]
    assert result["kernel_arguments"] == ["vfio-pci.disable_denylist=1"]
    assert "iommu_kernel_arg" in str(result["warnings"])


def test_the_denylist_not_persistent_in_use(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks(NIC)
    add_vfs(machine, "c62x", 16)
    message = tasks.refusal("c62x", allow_denylisted=True, persistent=False)
    assert "option persistent" in message


@pytest.mark.parametrize("parameter", ["Y", None])
def test_no_denylist_here(machine: Machine, tasks: Tasks, parameter: str | None) -> None:
    machine.add_vfio(parameter=parameter)
    add_vfs(machine, "c62x", 16)
    result = tasks("c62x")
    assert drivers(result) == [VFIO] * 16
    assert not machine.at(OPTIONS).exists()
    assert not any("--remove" in command for command in tasks.running.commands)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/modprobe.d/mine.conf", "options vfio-pci ids=1:2 disable_denylist=1\n"),
        ("usr/lib/modprobe.d/theirs.conf", "options vfio_pci disable_denylist=1\n"),
        ("proc/cmdline", "root=/dev/sda vfio-pci.disable_denylist=1\n"),
    ],
)
def test_an_operator_has_allowed_it(machine: Machine, tasks: Tasks, path: str, text: str) -> None:
    machine.add_vfio(loaded=False)
    machine.write(path, text)
    add_vfs(machine, "c62x", 16)
    files = standing(machine)
    assert drivers(tasks("c62x")) == [VFIO] * 16
    assert not machine.at(OPTIONS).exists()
    tasks("c62x", state="absent")
    assert standing(machine) == files


def test_a_kernel_without_the_parameter(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio(loaded=False, parameter=None)
    add_vfs(machine, "c62x", 16)
    assert drivers(tasks("c62x", allow_denylisted=True)) == [VFIO] * 16
    assert ("modprobe", VFIO) in tasks.running.commands


def test_the_option_stays_while_it_is_needed(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine, "c62x", 16)
    add_nic(machine)
    tasks("c62x", NIC, allow_denylisted=True)
    tasks(*vfs[1:], state="absent")
    assert machine.at(OPTIONS).exists()
    tasks(vfs[0], state="absent")
    assert not machine.at(OPTIONS).exists()
    assert NIC in machine.read(RULES)


# -- groups ----------------------------------------------------------------------------------


@pytest.mark.parametrize("force", [False, True])
def test_two_functions_in_one_group(machine: Machine, tasks: Tasks, *, force: bool) -> None:
    machine.add_vfio()
    add_gpu(machine)
    message = tasks.refusal(GPU, force=force)
    assert f"{GPU} shares IOMMU group 30 with {AUDIO} (10de:1aef) on driver snd_hda_intel" in (
        message
    )
    assert "siblings: bind" in message
    assert BRIDGE not in message


def test_siblings_are_bound_and_given_back(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_gpu(machine)
    files, bound = standing(machine), bindings(machine)
    result = tasks(GPU, siblings="bind")
    assert [(each["address"], each["sibling"]) for each in result["devices"]] == [
        (GPU, False),
        (AUDIO, True),
    ]
    assert drivers(result) == [VFIO, VFIO]
    assert result["devices"][0]["group_members"] == [BRIDGE, GPU, AUDIO]
    assert machine.driver(BRIDGE) == "pcieport"
    assert AUDIO in machine.read(RULES)
    result = tasks(GPU, state="absent")
    assert drivers(result) == ["nouveau", "snd_hda_intel"]
    assert (standing(machine), bindings(machine)) == (files, bound)


def test_a_sibling_that_is_named_later_stands_for_itself(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_gpu(machine)
    files, bound = standing(machine), bindings(machine)
    tasks(GPU, siblings="bind")
    tasks(AUDIO)
    tasks(GPU, state="absent")
    assert bindings(machine)[AUDIO] == (VFIO, VFIO)
    tasks(AUDIO, state="absent")
    assert (standing(machine), bindings(machine)) == (files, bound)


def test_persistent_false_of_siblings(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_gpu(machine)
    bound = bindings(machine)
    tasks(GPU, siblings="bind")
    tasks(GPU, siblings="bind", persistent=False)
    assert not machine.at(RULES).exists()
    tasks(GPU, state="absent")
    assert bindings(machine) == bound


def test_both_named_are_both_bound(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_gpu(machine)
    assert drivers(tasks(GPU, AUDIO)) == [VFIO, VFIO]
    result = tasks(GPU, state="absent")
    assert drivers(result) == ["nouveau"]
    assert machine.driver(AUDIO) == VFIO


def test_a_function_comes_back_beside_a_free_sibling(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_gpu(machine)
    machine.bind(AUDIO, None)
    tasks(GPU)
    assert machine.driver(AUDIO) is None
    tasks(GPU, state="absent")
    assert bindings(machine)[GPU] == ("nouveau", "(null)")


@pytest.mark.parametrize("siblings", ["fail", "bind"])
@pytest.mark.parametrize("driver", [None, "pci-stub", VFIO, "qat_vfio_pci"])
def test_siblings_that_pass(
    machine: Machine, tasks: Tasks, driver: str | None, siblings: str
) -> None:
    machine.add_vfio()
    add_gpu(machine)
    machine.bind(AUDIO, driver)
    result = tasks(GPU, siblings=siblings)
    assert [device["address"] for device in result["devices"]] == [GPU]
    assert machine.driver(AUDIO) == driver
    tasks(GPU, state="absent")
    assert machine.driver(AUDIO) == driver


@pytest.mark.parametrize("siblings", ["fail", "bind"])
def test_a_sibling_of_another_guest(machine: Machine, tasks: Tasks, siblings: str) -> None:
    machine.add_vfio()
    add_gpu(machine)
    machine.hold(AUDIO, pid=42)
    message = tasks.refusal(GPU, siblings=siblings, force=True)
    assert AUDIO in message
    assert "process qemu-system-x86 (pid 42)" in message


@pytest.mark.parametrize("siblings", ["fail", "bind"])
def test_a_sibling_in_use(machine: Machine, tasks: Tasks, siblings: str) -> None:
    machine.add_vfio()
    add_disk(machine, mounted=True)
    add_nic(machine)
    nic = machine.at(machine.device(NIC)).relative_to(machine.root)
    (machine.root / nic / "iommu_group").unlink()
    machine.link(f"{nic}/iommu_group", "sys/kernel/iommu_groups/32")
    message = tasks.refusal(NIC, siblings=siblings)
    assert DISK in message
    if siblings == "bind":
        assert "disk nvme0n1, which is mounted" in message


def test_a_group_with_its_own_pf(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    vf = machine.at(machine.device(vfs[0])).relative_to(machine.root)
    (machine.root / vf / "iommu_group").unlink()
    machine.link(f"{vf}/iommu_group", "sys/kernel/iommu_groups/1")
    message = tasks.refusal(vfs[0])
    assert f"{PF} (8086:4940) on driver 4xxx, its own PF, which cannot go along" in message
    assert "ACS" in message


def test_a_bridge(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_gpu(machine)
    for each in (BRIDGE, "8086:2030"):
        assert f"{BRIDGE} is a PCI bridge" in tasks.refusal(each)


# -- who holds it ----------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("domain", [False, True])
def test_a_held_vf(
    machine: Machine, tasks: Tasks, state: str, *, force: bool, domain: bool
) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    if state == "absent":
        tasks("4xxx")
    held = vfs[2]
    machine.hold(held, pid=77)
    if domain:
        machine.add_domain("guest1", held, pid=77)
    if state == "present":
        # Not on the driver that is asked for: it would have to go.
        machine.add_module(VARIANT)
        machine.add_driver(VARIANT, VARIANT)
        message = tasks.refusal(held, driver=VARIANT, force=force)
    else:
        message = tasks.refusal("4xxx", state="absent", force=force)
    who = "domain guest1 (pid 77)" if domain else "process qemu-system-x86 (pid 77)"
    assert f"{held} is held by {who}" in message
    assert "not with force either" in message


def test_a_held_vf_that_has_its_driver(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    tasks("4xxx")
    machine.hold(vfs[0], pid=77)
    result = tasks("4xxx")
    assert not result["changed"]
    assert result["devices"][0]["holder"] == {
        "kind": "process",
        "name": "qemu-system-x86",
        "pid": 77,
    }


def test_a_held_vf_given_over_for_the_first_time(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    machine.hold(vfs[0], pid=77)
    result = tasks(vfs[0])
    assert drivers(result) == [VFIO]
    assert tasks.running.written == []
    assert vfs[0] in machine.read(RULES)


def test_a_stopped_domain(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    machine.add_domain("guest1", vfs[0])
    result = tasks("4xxx")
    assert result["devices"][0]["holder"] == {"kind": "domain", "name": "guest1", "pid": None}
    assert f"{vfs[0]} belongs to domain guest1" in tasks.refusal("4xxx", state="absent")
    assert drivers(tasks("4xxx", state="absent", force=True)) == [None] * 8


@pytest.mark.parametrize("force", [False, True])
def test_a_pf_with_a_held_vf(machine: Machine, tasks: Tasks, *, force: bool) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    machine.hold(vfs[5], pid=9)
    message = tasks.refusal(PF, force=force)
    assert f"{PF} is a PF whose VF {vfs[5]} is held by process qemu-system-x86 (pid 9)" in message


def test_a_pf_with_vfs_in_use(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine, native=True)
    machine.write("sys/module/qat_4xxx/refcnt", "0\n")
    assert f"{PF} is a PF whose VF {vfs[0]} is in use by driver 4xxxvf" in tasks.refusal(PF)
    result = tasks(PF, force=True)
    assert drivers(result) == [VFIO]
    assert machine.vfs() == []
    assert f"{PF}: its 8 VFs go with its driver" in str(result["warnings"])


@pytest.mark.parametrize("refuses_zero", [False, True])
@pytest.mark.parametrize("busy", [False, True])
def test_a_pf_with_free_vfs(
    machine: Machine, tasks: Tasks, *, busy: bool, refuses_zero: bool
) -> None:
    machine.add_vfio()
    add_vfs(machine)
    machine.write("sys/module/qat_4xxx/refcnt", f"{busy:d}\n")
    if refuses_zero:
        machine.kernel.refuses_zero.add("4xxx")
    if busy:
        assert f"{PF} is in use by the host (driver 4xxx)" in tasks.refusal(PF)
    assert drivers(tasks(PF, force=busy)) == [VFIO]
    assert drivers(tasks({"address": PF, "id": "8086:4940"}, state="absent")) == ["4xxx"]
    assert bindings(machine) == {PF: ("4xxx", "(null)")}


# -- what the host uses ----------------------------------------------------------------------


@pytest.mark.parametrize("by_address", [False, True])
def test_vfs_that_the_host_keeps(machine: Machine, tasks: Tasks, *, by_address: bool) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine, native=True)
    machine.play(f"/sys/bus/pci/devices/{vfs[0]}/driver_override", str(GEN4.vf_driver))
    if by_address:
        message = tasks.refusal(vfs[0], force=True)
        assert f"{vfs[0]} is a VF that the host keeps for itself" in message
        return
    for selector in ("4xxx", str(GEN4.vf_id)):
        result = tasks(selector, force=True)
        assert [device["skipped"] for device in result["devices"]] == [True] + [False] * 7
        assert drivers(result) == [GEN4.vf_driver] + [VFIO] * 7
    assert vfs[0] not in machine.read(RULES)
    tasks("4xxx", state="absent")
    assert machine.override(vfs[0]) == GEN4.vf_driver


@pytest.mark.parametrize("routes", [False, True])
def test_a_network_card(machine: Machine, tasks: Tasks, *, routes: bool) -> None:
    machine.add_vfio()
    add_nic(machine, routes=routes)
    bound = bindings(machine)
    if routes:
        message = tasks.refusal(NIC)
        assert f"{NIC} is in use by the host (network interface eth0 with addresses" in message
    assert drivers(tasks("8086:1521", force=routes)) == [VFIO]
    tasks(NIC, state="absent")
    assert bindings(machine) == bound


@pytest.mark.parametrize("force", [False, True])
def test_a_mounted_disk(machine: Machine, tasks: Tasks, *, force: bool) -> None:
    machine.add_vfio()
    add_disk(machine, mounted=True)
    message = tasks.refusal(DISK, force=force)
    assert f"{DISK} is in use by the host (disk nvme0n1, which is mounted)" in message
    assert "not with force either" in message


def test_a_disk_that_something_has_claimed(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_disk(machine)
    tasks.running.claimed.add("/dev/nvme0n1")
    assert f"{DISK} is in use by the host (disk nvme0n1" in tasks.refusal(DISK, force=True)


def test_a_boot_display(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_gpu(machine, boot=True)
    message = tasks.refusal(GPU, siblings="bind")
    assert f"{GPU} is in use by the host (the display that the machine booted with)" in message
    result = tasks(GPU, siblings="bind", force=True)
    assert drivers(result) == [VFIO, VFIO]
    assert "a driver in the initramfs may take it" in str(result["warnings"])


TOOLS = {
    "update-initramfs": (
        ("update-initramfs", "-u", "-k", "all"),
        "/etc/initramfs-tools/hooks/hwaccel-vfio",
        "force_load vfio_pci\n",
    ),
    "dracut": (
        ("dracut", "--force", "--regenerate-all"),
        "/etc/dracut.conf.d/hwaccel-vfio.conf",
        'force_drivers+=" vfio_pci "\n',
    ),
    "mkinitcpio": (
        ("mkinitcpio", "-P"),
        "/etc/mkinitcpio.conf.d/hwaccel-vfio.conf",
        "MODULES+=(vfio_pci)\n",
    ),
}


def add_tool(machine: Machine, tool: str) -> None:
    """Install what makes an initramfs."""
    machine.write(f"usr/bin/{tool}", "")
    machine.at(TOOLS[tool][1]).parent.mkdir(parents=True)
    if tool == "update-initramfs":
        machine.write("usr/share/initramfs-tools/hook-functions", "")


@pytest.mark.parametrize("tool", list(TOOLS))
def test_the_initramfs(machine: Machine, tasks: Tasks, tool: str) -> None:
    machine.add_vfio()
    add_gpu(machine, boot=True)
    add_tool(machine, tool)
    command, path, line = TOOLS[tool]
    files, bound = standing(machine), bindings(machine)
    result = tasks(GPU, siblings="bind", force=True)
    assert (drivers(result), result["warnings"]) == ([VFIO, VFIO], [])
    assert line in machine.read(path)
    assert EARLY_RULES in machine.read(path)
    assert GPU in machine.read(EARLY_RULES)
    assert AUDIO in machine.read(RULES)
    assert bool(machine.at(path).stat().st_mode & 0o100) == (tool == "update-initramfs")
    assert tasks.running.commands.count(command) == 1
    machine.kernel.boot()
    assert [machine.driver(each) for each in (GPU, AUDIO)] == [VFIO, VFIO]
    tasks(GPU, state="absent")
    assert tasks.running.commands.count(command) == 2
    assert (standing(machine), bindings(machine)) == (files, bound)


def test_the_initramfs_is_left_alone_by_others(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_gpu(machine, boot=True)
    add_nic(machine)
    add_tool(machine, "dracut")
    tasks(GPU, siblings="bind", force=True)
    tasks(NIC)
    tasks(NIC, state="absent")
    assert GPU in machine.read(EARLY_RULES)
    assert machine.at(TOOLS["dracut"][1]).exists()
    assert tasks.running.commands.count(TOOLS["dracut"][0]) == 1


def test_an_initramfs_that_cannot_be_made(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_gpu(machine, boot=True)
    add_tool(machine, "dracut")
    tasks.running.failing.add("dracut")
    files = standing(machine)
    result = tasks.failure(GPU, siblings="bind", force=True)
    assert "dracut --force --regenerate-all failed" in result["msg"]
    assert f"{GPU} driver" in result["msg"]
    after = standing(machine)
    assert after.pop(UNDO_PATH[1:]) is not None
    assert after == files
    tasks.running.failing.clear()
    tasks(GPU, siblings="bind", force=True)
    tasks(GPU, state="absent")
    assert standing(machine) == files


# -- drivers ---------------------------------------------------------------------------------


def add_variant(machine: Machine) -> None:
    """Have the variant of QAT VFs on disk."""
    machine.add_module(VARIANT)
    machine.add_alias("vfio_pci", GEN4.vf_id, VARIANT)


@pytest.mark.parametrize("driver", ["auto", VARIANT, "qat-vfio-pci"])
def test_a_variant_driver(machine: Machine, tasks: Tasks, driver: str) -> None:
    machine.add_vfio()
    add_variant(machine)
    vfs = add_vfs(machine, number=16, out_of_tree=False)
    files, bound = standing(machine), bindings(machine)
    assert drivers(tasks("gen4", driver=driver)) == [VARIANT] * 16
    assert ("modprobe", VARIANT) in tasks.running.commands
    assert machine.read(MODULES).endswith(f"{VARIANT}\n")
    assert [machine.override(vf) for vf in vfs] == [VARIANT] * 16
    tasks("gen4", state="absent")
    assert (standing(machine), bindings(machine)) == (files, bound)


def test_a_variant_that_cannot_work_here(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_variant(machine)
    add_vfs(machine, out_of_tree=True)
    assert drivers(tasks("gen4")) == [VFIO] * 8
    # In a guest a VF has no PF.
    machine.add_function("0000:07:00.0", GEN4.vf_id, group=70)
    assert drivers(tasks("0000:07:00.0")) == [VFIO]


def test_another_driver_of_vfio(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_variant(machine)
    add_vfs(machine, number=16, out_of_tree=False)
    assert drivers(tasks("gen4", driver=VFIO)) == [VFIO] * 16
    assert drivers(tasks("gen4")) == [VARIANT] * 16
    assert "vfio_pci\n" not in machine.read(MODULES).replace(VARIANT, "")
    tasks("gen4", state="absent")
    assert {bound for bound in bindings(machine).values() if bound[0] is None} == {(None, "(null)")}


def test_absent_after_changes_of_the_driver(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_variant(machine)
    add_vfs(machine, number=16, out_of_tree=False)
    files, bound = standing(machine), bindings(machine)
    for options in ({"driver": VFIO}, {}, {"driver": VFIO, "persistent": False}):
        assert tasks("gen4", **options)["changed"]
    tasks(str(GEN4.vf_id), state="absent")
    assert (standing(machine), bindings(machine)) == (files, bound)


def test_a_driver_that_the_kernel_does_not_have(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    message = tasks.refusal(NIC, driver="mlx5_vfio_pci")
    assert "this kernel has no driver mlx5_vfio_pci" in message


@pytest.mark.parametrize("driver", ["uio_pci_generic", "igb", "vfio-pci/../x", ""])
def test_drivers_that_give_nothing_to_guests(machine: Machine, tasks: Tasks, driver: str) -> None:
    add_nic(machine)
    assert f"option driver: {driver!r} is not accepted" in tasks.refusal(NIC, driver=driver)


def test_a_native_driver_that_is_not_loaded(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks(NIC)
    machine.kernel.boot()
    machine.remove_driver("igb", "igb")
    assert drivers(tasks(NIC, state="absent")) == ["igb"]
    assert any(command[:1] == ("modprobe",) for command in tasks.running.commands)


# -- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENODEV, errno.EBUSY, errno.EIO])
def test_a_bind_that_is_refused_half_way(
    machine: Machine, tasks: Tasks, number: int, *, native: bool
) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine, native=native, autoprobe=native)
    files, bound = standing(machine), bindings(machine)
    tasks.running.answers[BIND, vfs[4]] = number
    result = tasks.failure("4xxx", force=True)
    assert f"cannot write '{vfs[4]}' to {BIND}" in result["msg"]
    assert errno.errorcode[number] in result["msg"]
    assert f"Already done and left as it is: {vfs[0]} driver_override=vfio-pci" in result["msg"]
    now = bindings(machine)
    assert [now[vf] for vf in vfs[:4]] == [(VFIO, VFIO)] * 4
    assert [now[vf] for vf in vfs[4:]] == [bound[vf] for vf in vfs[4:]]
    assert drivers(result) == [VFIO] * 4 + [bound[vf][0] for vf in vfs[4:]]
    after = standing(machine)
    assert after.pop(UNDO_PATH[1:]) is not None
    assert after == files
    # Both ways go on from there.
    tasks.running.answers.clear()
    tasks("4xxx", force=True)
    tasks("4xxx", state="absent")
    assert (standing(machine), bindings(machine)) == (files, bound)


def test_given_back_after_a_failure(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine, native=True)
    files, bound = standing(machine), bindings(machine)
    tasks.running.answers[BIND, vfs[4]] = errno.EINVAL
    tasks.failure("4xxx", force=True)
    tasks("4xxx", state="absent")
    assert (standing(machine), bindings(machine)) == (files, bound)


@pytest.mark.parametrize("at", range(1, 17))
def test_a_run_that_was_killed(machine: Machine, tasks: Tasks, at: int) -> None:
    machine.add_vfio()
    add_vfs(machine, number=2, native=True)
    add_nic(machine)
    files, bound = standing(machine), bindings(machine)
    _kill_at(tasks, at)
    try:
        tasks.run("4xxx", NIC, force=True)
    except KeyboardInterrupt:
        pass
    else:
        assert at > 9
    _kill_at(tasks, 0)
    if at % 2:
        assert drivers(tasks("4xxx", NIC, force=True)) == [VFIO] * 3
    tasks("4xxx", NIC, state="absent")
    assert (standing(machine), bindings(machine)) == (files, bound)


def _kill_at(tasks: Tasks, number: int) -> None:
    """Let the run end at one of its writes, whether to a file or a device, as by SIGKILL."""
    host, left = tasks.running, [number]
    host.__dict__.pop("write_attribute", None)
    host.__dict__.pop("write_file", None)
    if not number:
        return

    def dying(work: t.Callable[..., None]) -> t.Callable[..., None]:
        def write(*arguments: t.Any, **options: t.Any) -> None:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            work(*arguments, **options)

        return write

    host.__dict__["write_attribute"] = dying(host.write_attribute)
    host.__dict__["write_file"] = dying(host.write_file)


def test_a_driver_that_cannot_be_loaded(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio(loaded=False)
    add_nic(machine)
    tasks.running.failing.add("modprobe")
    files, bound = standing(machine), bindings(machine)
    message = tasks.failure(NIC)["msg"]
    assert "modprobe vfio-pci failed" in message
    assert (standing(machine), bindings(machine)) == (files, bound)


def test_a_bind_that_was_not_taken(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks.running.deaf.add(BIND)
    result = tasks.failure(NIC)
    assert f"{NIC}: wanted driver vfio-pci, found none" in result["msg"]
    assert drivers(result) == [None]


@pytest.mark.parametrize("path", [BIND, f"/sys/bus/pci/devices/{NIC}/driver/unbind"])
def test_a_write_that_blocks(machine: Machine, tasks: Tasks, path: str) -> None:
    machine.add_vfio()
    add_nic(machine)
    files = standing(machine)
    tasks.running.blocked.add(path)
    result = tasks.failure(NIC)
    assert f"{NIC}: blocked: {path} did not answer" in result["msg"]
    assert drivers(result) == [None if path == BIND else "igb"]
    after = standing(machine)
    assert after.pop(UNDO_PATH[1:]) is not None
    assert after == files


def test_an_override_that_does_not_answer(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks.running.blocked.add(f"/sys/bus/pci/devices/{NIC}/driver_override")
    assert f"{NIC}: blocked" in tasks.refusal(NIC)
    assert f"{NIC}: blocked" in tasks.refusal(NIC, force=True)


def test_all_reasons_at_once(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine, routes=True)
    add_disk(machine, mounted=True)
    vfs = add_vfs(machine, "c62x", 16)
    message = tasks.refusal(NIC, DISK, vfs[0])
    for told in (f"{NIC} is in use", f"{DISK} is in use", f"{vfs[0]} (8086:37c9): on the denylist"):
        assert told in message


# -- the host cannot -------------------------------------------------------------------------


def test_no_iommu(machine: Machine, running: RunningHost, run_module: ModuleRunner) -> None:
    machine.add_vfio()
    machine.add_iommu(units=())
    machine.add_function(NIC, OTHER)
    message = Tasks(machine, running, run_module).refusal(NIC)
    assert "module iommu_kernel_arg" in message
    assert "intel_iommu=on" in message


def test_an_iommu_that_the_firmware_hides(
    machine: Machine, running: RunningHost, run_module: ModuleRunner
) -> None:
    machine.add_vfio()
    machine.add_function(NIC, OTHER)
    message = Tasks(machine, running, run_module).refusal(NIC)
    assert "in the firmware setup" in message
    assert "VT-d" in message


@pytest.mark.parametrize("allowed", [False, True])
def test_no_interrupt_remapping(machine: Machine, tasks: Tasks, *, allowed: bool) -> None:
    machine.add_vfio()
    add_nic(machine)
    machine.write("proc/interrupts", "   CPU0\n 1: 9 IO-APIC 1-edge i8042\n")
    if allowed:
        path = "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
        machine.write(path, "Y\n")
        assert tasks(NIC)["changed"]
    else:
        message = tasks.refusal(NIC)
        assert "interrupts are not remapped" in message
        assert "turn on interrupt remapping" in message


def test_a_function_without_a_group(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    machine.add_function("0000:09:00.0", OTHER)
    message = tasks.refusal("0000:09:00.0")
    assert "in no IOMMU group" in message
    assert "iommu_kernel_arg" in message


# -- what is meant ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (["all"], "option devices: 'all' is not accepted"),
        (["c63x"], "option devices: 'c63x' is not accepted"),
        ([], "at least one of"),
        ([{"address": NIC}], "is not accepted"),
        (["0a:00.0"], "option devices: 0a:00.0: no PCI function at this address"),
        (["1234:5678"], "option devices: 1234:5678: no PCI function has this id"),
        (["qat"], "option devices: qat: no VFs of QAT devices are there"),
        ([{"address": NIC, "id": str(GPU_ID)}], f"{NIC}: 8086:1521 sits at this address"),
    ],
)
def test_devices_that_cannot_be_right(
    machine: Machine, tasks: Tasks, devices: list[object], message: str
) -> None:
    machine.add_vfio()
    add_nic(machine)
    for state in ("present", "absent"):
        assert message in tasks.refusal(*devices, state=state)


def test_missing_ok(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    result = tasks("qat", "0a:00.0", "1234:5678", missing_ok=True)
    assert (result["changed"], result["devices"]) == (False, [])
    assert drivers(tasks("qat", "41:00.0", missing_ok=True)) == [VFIO]
    # Another device at the address is there, and still wrong.
    wrong = {"address": NIC, "id": str(GPU_ID)}
    assert "sits at this address" in tasks.refusal(wrong, missing_ok=True)


def test_named_more_than_once(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    result = tasks(NIC, "41:00.0", {"address": "41:00.0", "id": "8086:1521"}, "8086:1521")
    assert [device["address"] for device in result["devices"]] == [NIC]


def test_words_mean_vfs(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    for word in ("qat", "gen4", "4xxx", str(GEN4.vf_id)):
        assert [each["address"] for each in tasks(word)["devices"]] == vfs
    assert machine.driver(PF) == "4xxx"


def test_what_is_returned(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine, "c62x", 1)
    machine.write(f"{machine.device(vfs[0])}/reset_method", "flr bus\n")
    result = tasks(vfs[0], allow_denylisted=True)
    assert result["devices"] == [
        {
            "address": vfs[0],
            "id": str(C62X.vf_id),
            "name": f"{C62X.title}, virtual function",
            "driver_before": None,
            "driver": VFIO,
            "iommu_group": machine.group(vfs[0]),
            "group_members": [vfs[0]],
            "denylisted": True,
            "holder": None,
            "reset_methods": ["flr", "bus"],
            "sibling": False,
            "skipped": False,
        }
    ]


# -- another root ----------------------------------------------------------------------------


@pytest.mark.parametrize("loaded", [False, True])
def test_a_tree(machine: Machine, tasks: Tasks, run_module: ModuleRunner, *, loaded: bool) -> None:
    del tasks
    machine.add_vfio(loaded=loaded)
    vfs = add_vfs(machine, "c62x", 2)
    add_gpu(machine, boot=True)
    add_tool(machine, "dracut")
    options = {
        "devices": ["c62x", GPU],
        "allow_denylisted": True,
        "siblings": "bind",
        "force": True,
    }
    before, files = machine.files(), standing(machine)
    check = run_module(MODULE, options, check=True)
    assert machine.files() == before
    real = run_module(MODULE, options)
    del check["invocation"], real["invocation"]
    assert check == real
    assert drivers(real) == [VFIO] * 4
    unload = [["modprobe", "--remove", VFIO]] if loaded else []
    assert real["pending_commands"] == [
        *unload,
        ["modprobe", VFIO, "disable_denylist=1"],
        ["dracut", "--force", "--regenerate-all"],
    ]
    path = f"/sys/bus/pci/devices/{vfs[0]}/driver_override"
    assert real["pending_writes"][:2] == [
        {"path": path, "value": VFIO},
        {"path": BIND, "value": vfs[0]},
    ]
    after = machine.files()
    sys = {path: what for path, what in before.items() if path[:4] in {"sys/", "proc"}}
    assert {path: after[path] for path in sys} == sys
    assert {path for path in after if path[:4] in {"sys/", "proc"}} == set(sys)
    back = run_module(MODULE, {"devices": ["c62x", GPU], "state": "absent"})
    assert back["changed"]
    assert standing(machine) == files


def test_once_the_pending_writes_are_done_nothing_is_left(
    machine: Machine, tasks: Tasks, run_module: ModuleRunner
) -> None:
    del tasks
    machine.add_vfio()
    add_vfs(machine)
    files, bound = standing(machine), bindings(machine)
    for state in ("present", "absent"):
        options = {"devices": ["4xxx"], "state": state}
        machine.play_all(run_module(MODULE, options)["pending_writes"])
        again = run_module(MODULE, options)
        assert (again["changed"], again["diff"], again["pending_writes"]) == (False, [], [])
    assert (standing(machine), bindings(machine)) == (files, bound)
