# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What vfio_passthrough did is there after a boot, and absent takes all of it back."""

from __future__ import annotations

import errno
import json
import shutil
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.boot_rules import (
    EARLY_RULES,
    MODULES,
    RULES,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.initramfs import DUE_PATH
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import GEN4, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.vfio_runs import (
    AUDIO,
    BIND,
    BRIDGE,
    BRIDGE_ID,
    DISK,
    GPU,
    MODULE,
    NIC,
    NIC_ID,
    TOOLS,
    VFIO,
    Tasks,
    add_disk,
    add_gpu,
    add_nic,
    add_tool,
    add_vfs,
    bindings,
    drivers,
    standing,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine


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


# -- siblings --------------------------------------------------------------------------------


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


def test_a_sibling_of_two_goes_back_with_the_last(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_gpu(machine)
    usb = "0000:65:00.2"
    machine.add_card(
        usb, PciId(0x10DE, 0x1AD8), 0x0C0330, "xhci_hcd", "xhci_hcd", group=30, bridge=BRIDGE
    )
    files, bound = standing(machine), bindings(machine)
    tasks(GPU, usb, siblings="bind", force=True)
    tasks(GPU, state="absent")
    tasks(usb, state="absent")
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


def test_persistent_false_takes_the_rules_of_siblings_along(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_gpu(machine)
    tasks(GPU, siblings="bind")
    tasks(GPU, persistent=False)
    assert not machine.at(RULES).exists()


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


# -- the initramfs ---------------------------------------------------------------------------


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


@pytest.mark.parametrize("options", [{"state": "absent"}, {"persistent": False}])
def test_the_initramfs_of_what_is_no_boot_display_any_more(
    machine: Machine, tasks: Tasks, options: dict[str, t.Any]
) -> None:
    machine.add_vfio()
    add_gpu(machine, boot=True)
    add_tool(machine, "dracut")
    files = standing(machine)
    tasks(GPU, AUDIO, force=True)
    machine.write(f"{machine.device(GPU)}/boot_vga", "0\n")
    tasks(GPU, AUDIO, **options)
    after = standing(machine)
    after.pop(UNDO_PATH[1:], None)
    assert after == files
    assert tasks.running.commands.count(TOOLS["dracut"][0]) == 2


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
    # It may have been made in part: whatever comes next makes it anew.
    assert after.pop(DUE_PATH[1:]) == b""
    assert after == files
    tasks.running.failing.clear()
    tasks(GPU, siblings="bind", force=True)
    assert not machine.at(DUE_PATH).exists()
    tasks(GPU, state="absent")
    assert standing(machine) == files


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


def test_absent_with_a_lost_record_loads_the_native_driver(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks(NIC)
    machine.at(UNDO_PATH).unlink()
    machine.remove_driver("igb", "igb")
    tasks(NIC, state="absent")
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


# -- from half way ---------------------------------------------------------------------------


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


# -- not what it was -------------------------------------------------------------------------


def test_another_device_at_the_address_at_boot(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks(NIC)
    machine.write(f"{machine.device(NIC)}/device", "0x1533\n")
    machine.kernel.boot()
    assert bindings(machine)[NIC] == ("igb", "(null)")


def test_absent_with_another_device_at_the_address(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    files = standing(machine)
    tasks(NIC)
    machine.kernel.boot()
    machine.play(f"/sys/bus/pci/devices/{NIC}/driver/unbind", NIC)
    machine.play(f"/sys/bus/pci/devices/{NIC}/driver_override", "")
    machine.write(f"{machine.device(NIC)}/device", "0x1533\n")
    machine.bind(NIC, "igb")
    assert tasks(NIC, state="absent", missing_ok=True)["gone"] == [NIC]
    assert machine.driver(NIC) == "igb"
    assert standing(machine) == files


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("with_id", [False, True])
def test_absent_leaves_what_others_bound_at_the_address(
    machine: Machine, tasks: Tasks, *, recorded: bool, with_id: bool
) -> None:
    machine.add_vfio()
    add_nic(machine)
    files = standing(machine)
    tasks(NIC)
    if not recorded:
        machine.at(UNDO_PATH).unlink()
    # Another card in this slot, which an operator gives to a guest.
    machine.write(f"{machine.device(NIC)}/device", "0x1533\n")
    bound = bindings(machine)
    done = len(tasks.running.written)
    entry = {"address": NIC, "id": str(NIC_ID)} if with_id else NIC
    check = tasks.run(entry, state="absent", check=True)
    real = tasks.run(entry, state="absent")
    for result in (check, real):
        assert "failed" not in result, result["msg"]
        assert (result["changed"], result["devices"], result["gone"]) == (True, [], [NIC])
        assert result["warnings"] == []
    assert (bindings(machine), len(tasks.running.written)) == (bound, done)
    assert standing(machine) == files


def test_absent_when_the_vfs_are_gone(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine)
    files = standing(machine)
    tasks("4xxx")
    machine.play(f"/sys/bus/pci/devices/{PF}/sriov_numvfs", "0")
    assert tasks(*vfs, state="absent", missing_ok=True)["gone"] == vfs
    assert standing(machine) == files


@pytest.mark.parametrize("with_id", [False, True])
def test_absent_with_a_bridge_at_the_address(
    machine: Machine, tasks: Tasks, *, with_id: bool
) -> None:
    machine.add_vfio()
    add_nic(machine)
    files = standing(machine)
    tasks(NIC)
    machine.remove(NIC)
    machine.add_function(NIC, BRIDGE_ID, class_code=0x060400, driver="pcieport")
    assert "is a PCI bridge" in tasks.refusal(NIC)
    done = len(tasks.running.written)
    entry = {"address": NIC, "id": str(NIC_ID)} if with_id else NIC
    for check in (True, False):
        result = tasks.run(entry, state="absent", check=check)
        assert (result["changed"], result["devices"], result["gone"]) == (True, [], [NIC])
    assert standing(machine) == files
    # Nothing of ours is about it any more.
    told = "sits at this address, not" if with_id else "is a PCI bridge"
    assert told in tasks.refusal(entry, state="absent")
    assert not tasks(entry, state="absent", missing_ok=True)["changed"]
    assert machine.driver(NIC) == "pcieport"
    assert len(tasks.running.written) == done


def test_a_native_driver_that_is_not_loaded(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks(NIC)
    machine.kernel.boot()
    machine.remove_driver("igb", "igb")
    assert drivers(tasks(NIC, state="absent")) == ["igb"]
    assert any(command[:1] == ("modprobe",) for command in tasks.running.commands)


def test_a_native_driver_that_is_gone_for_good(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks(NIC)
    _lose_native_driver(machine)
    tasks(NIC, state="absent")
    assert bindings(machine)[NIC] == (None, "(null)")
    assert not machine.at(RULES).exists()


def test_a_native_driver_that_another_one_replaced(machine: Machine, tasks: Tasks) -> None:
    machine.add_vfio()
    add_nic(machine)
    tasks(NIC)
    _lose_native_driver(machine)
    machine.add_module("igbng")
    machine.add_alias("pci", NIC_ID, "igbng")
    machine.kernel.natives[NIC] = "igbng", "igbng"
    machine.add_driver("igbng", "igbng")
    tasks(NIC, state="absent")
    assert bindings(machine)[NIC] == ("igbng", "(null)")


def _lose_native_driver(machine: Machine) -> None:
    """Have a kernel without the driver of the network card, on disk neither."""
    machine.remove_driver("igb", "igb")
    machine.write(f"{machine.modules}/modules.dep", "kernel/vfio-pci.ko:\n")
    machine.write(f"{machine.modules}/modules.alias", "")
    machine.kernel.natives.clear()


def test_what_the_denylist_kept_out_at_boot(machine: Machine, tasks: Tasks) -> None:
    # Its rule has set the override, and vfio-pci has refused it: loaded anew, it takes it at once.
    machine.add_vfio()
    vfs = add_vfs(machine, "c62x")
    for vf in vfs:
        machine.write(f"{machine.device(vf)}/driver_override", f"{VFIO}\n")
    result = tasks("c62x", allow_denylisted=True)
    assert [device["driver"] for device in result["devices"]] == [VFIO] * len(vfs)
