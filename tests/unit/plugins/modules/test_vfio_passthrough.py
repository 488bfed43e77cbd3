# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module vfio_passthrough as Ansible calls it."""

from __future__ import annotations

import errno
import re
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.boot_rules import (
    MODULES,
    OPTIONS,
    RULES,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, GEN4, OTHER, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.vfio_runs import (
    AUDIO,
    BIND,
    BRIDGE,
    DISK,
    GPU,
    GPU_ID,
    MODULE,
    NIC,
    VARIANT,
    VFIO,
    Tasks,
    add_disk,
    add_gpu,
    add_nic,
    add_tool,
    add_variant,
    add_vfs,
    bindings,
    drivers,
    move_to_group,
    standing,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner


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


def test_a_failure_tells_that_the_denylist_was_turned_off(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine, "c62x", 16)
    tasks.running.answers[BIND, vfs[0]] = errno.EIO
    assert "disable_denylist" in tasks.failure("c62x", allow_denylisted=True)["msg"]


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
    move_to_group(machine, NIC, 32)
    message = tasks.refusal(NIC, siblings=siblings)
    assert DISK in message
    if siblings == "bind":
        assert "disk nvme0n1, which is mounted" in message


def test_a_group_with_its_own_pf(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    move_to_group(machine, vfs[0], 1)
    message = tasks.refusal(vfs[0])
    assert f"{PF} (8086:4940) on driver 4xxx, its own PF, which cannot go along" in message
    assert "ACS" in message


def test_its_own_pf_is_no_sibling_to_bind(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    move_to_group(machine, vfs[0], 1)
    machine.write("sys/module/qat_4xxx/refcnt", "0\n")
    message = tasks.refusal(vfs[0], siblings="bind", force=True)
    assert f"{PF} (8086:4940) on driver 4xxx, its own PF, which cannot go along" in message


@pytest.fixture
def shared(machine: Machine, tasks: Tasks) -> Tasks:
    """Have a GPU on VFIO with all that is in its group."""
    machine.add_vfio()
    add_gpu(machine)
    tasks(GPU, AUDIO, force=True)
    return tasks


def test_a_group_of_which_a_stopped_domain_has_another_function(
    machine: Machine, shared: Tasks
) -> None:
    machine.add_domain("vm1", AUDIO)
    assert shared.refusal(GPU, state="absent") == (
        f"{GPU} shares IOMMU group 30 with {AUDIO} of domain vm1, which would not start with "
        "driver nouveau in that group: free it, or use force: true"
    )
    # Of its own functions each is said once.
    message = shared.refusal(GPU, AUDIO, state="absent")
    assert message.startswith(f"{AUDIO} belongs to domain vm1, which would not start without it")
    assert "shares" not in message
    # A function of another guest is told of beside.
    machine.add_domain("vm2", GPU)
    message = shared.refusal(GPU, state="absent")
    assert f"{GPU} belongs to domain vm2" in message
    assert f"{AUDIO} of domain vm1" in message
    assert drivers(shared(GPU, state="absent", force=True)) == ["nouveau"]
    assert machine.driver(AUDIO) == VFIO


def test_a_group_of_a_stopped_domain_that_binds_by_itself(machine: Machine, shared: Tasks) -> None:
    shared(AUDIO, state="absent")
    machine.add_domain("vm1", AUDIO)
    assert f"{AUDIO} of domain vm1" in shared.refusal(GPU, state="absent")


def test_a_domain_that_has_the_function_and_another_of_its_group(
    machine: Machine, shared: Tasks
) -> None:
    machine.add_domain("vm1", GPU, AUDIO)
    message = shared.refusal(GPU, state="absent")
    assert f"{GPU} belongs to domain vm1" in message
    assert "shares" not in message


def test_a_function_that_goes_back_to_pci_stub_and_leaves_its_group_as_good(
    machine: Machine, tasks: Tasks
) -> None:
    machine.add_vfio()
    add_gpu(machine)
    machine.bind(GPU, "pci-stub")
    tasks(GPU, AUDIO, force=True)
    machine.add_domain("vm1", AUDIO)
    assert drivers(tasks(GPU, state="absent")) == ["pci-stub"]


def test_a_function_that_goes_back_without_a_driver_and_leaves_its_group_as_good(
    machine: Machine, tasks: Tasks
) -> None:
    machine.add_vfio()
    first, second = add_vfs(machine, number=2)
    move_to_group(machine, first, machine.group(second))
    tasks("4xxx")
    machine.add_domain("vm1", second)
    assert drivers(tasks(first, state="absent")) == [None]


def test_a_group_that_no_guest_can_have_as_it_is(machine: Machine, shared: Tasks) -> None:
    add_nic(machine)
    move_to_group(machine, NIC, 30)
    machine.add_domain("vm1", AUDIO)
    assert drivers(shared(GPU, state="absent")) == ["nouveau"]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("iommufd", [False, True])
def test_a_group_of_which_a_running_domain_has_another_function(
    machine: Machine, shared: Tasks, *, iommufd: bool, force: bool
) -> None:
    machine.add_domain("vm1", AUDIO, pid=77)
    if not iommufd:
        machine.open("/dev/vfio/30", pid=77)
    message = shared.refusal(GPU, state="absent", force=force)
    told = f"{GPU} shares IOMMU group 30 with {AUDIO}, held by domain vm1 (pid 77), not with force"
    assert told in message
    assert (f"{GPU} is held by process" in message) is not iommufd
    assert machine.driver(GPU) == VFIO


def test_a_group_of_which_a_program_has_another_function_through_uio(
    machine: Machine, shared: Tasks
) -> None:
    machine.bind(AUDIO, "uio_pci_generic")
    machine.add_node("uio", "uio0", AUDIO, dev="240:0")
    machine.open("/dev/uio0", pid=77, name="dpdk-testpmd")
    assert drivers(shared(GPU, state="absent")) == ["nouveau"]


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


@pytest.mark.parametrize("force", [False, True])
def test_a_vf_that_a_process_has_through_uio(
    machine: Machine, tasks: Tasks, *, force: bool
) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    machine.bind(vfs[2], "uio_pci_generic")
    machine.add_node("uio", "uio0", vfs[2], dev="240:0")
    told = "in use by the host (driver uio_pci_generic): free it, or use force: true"
    assert tasks.refusal(vfs[2]) == f"{vfs[2]} is {told}"
    machine.open("/dev/uio0", pid=77, name="dpdk-testpmd")
    message = tasks.refusal(vfs[2], force=force)
    assert message.startswith(f"{vfs[2]} is held by process dpdk-testpmd (pid 77); ")
    assert "not with force either" in message
    assert "use force" not in message
    message = tasks.refusal(PF, force=True)
    assert f"{PF} is a PF whose VF {vfs[2]} is held by process dpdk-testpmd (pid 77)" in message
    (machine.root / "proc/77/fd/0").unlink()
    assert drivers(tasks(vfs[2], force=True)) == [VFIO]


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


def test_a_pf_together_with_its_vfs(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_vfs(machine)
    machine.write("sys/module/qat_4xxx/refcnt", "0\n")
    assert PF in tasks.refusal("4xxx", PF, force=True)


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


# -- drivers ---------------------------------------------------------------------------------


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


def test_auto_leaves_a_held_vf_its_driver(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_variant(machine)
    vfs = add_vfs(machine, number=16, out_of_tree=False)
    tasks("gen4", driver=VFIO)
    machine.hold(vfs[0], pid=7)
    assert drivers(tasks("gen4")) == [VFIO] + [VARIANT] * 15


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


# -- failures --------------------------------------------------------------------------------


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


# Whatever is missing, where both of it are set.
NEEDS = re.compile(r"in the firmware setup .BIOS.*module iommu_kernel_arg")


def test_no_iommu(machine: Machine, running: RunningHost, run_module: ModuleRunner) -> None:
    machine.add_vfio()
    machine.add_iommu(units=())
    machine.add_function(NIC, OTHER)
    message = Tasks(machine, running, run_module).refusal(NIC)
    assert "module iommu_kernel_arg" in message
    assert "intel_iommu=on" in message
    assert NEEDS.search(message)


def test_an_iommu_that_the_firmware_hides(
    machine: Machine, running: RunningHost, run_module: ModuleRunner
) -> None:
    machine.add_vfio()
    machine.add_function(NIC, OTHER)
    message = Tasks(machine, running, run_module).refusal(NIC)
    assert "in the firmware setup" in message
    assert "VT-d" in message
    assert NEEDS.search(message)


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
        assert NEEDS.search(message)


def test_a_function_without_a_group(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    machine.add_function("0000:09:00.0", OTHER)
    message = tasks.refusal("0000:09:00.0")
    assert "in no IOMMU group" in message
    assert "iommu_kernel_arg" in message
    assert NEEDS.search(message)


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
