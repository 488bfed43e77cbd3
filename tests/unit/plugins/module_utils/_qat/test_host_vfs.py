# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VFs that the host keeps: on their native driver now and after a boot, and given back."""

from __future__ import annotations

import errno
import shutil
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import (
    HwaccelError,
    NotTakenError,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import TABLE
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.guard import check
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import HostVfs, SriovRule
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.wanted import Wanted, target_of
from ansible_collections.hwaccel.virt.plugins.module_utils._undo import UNDO_PATH
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.boot_rules import (
    RULES,
    Rule,
    render_rules,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import (
    C62X,
    OTHER,
    PF,
    SRIOV_OPTIONS,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.sriov_runs import (
    AUTOPROBE,
    COUNT,
    RULE_PATH,
    check_then_perform,
    failure,
    job,
    perform,
    plan,
    record,
    refusal,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciId
    from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import QatFamily
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

NATIVE = str(C62X.vf_driver)
PROBE = "/sys/bus/pci/drivers_probe"
LOAD = ("modprobe", str(C62X.vf_module))
GUESTS = "vfio-pci"
FIRST, SECOND, THIRD = "0000:01:01.0", "0000:01:01.1", "0000:01:01.2"


def override(vf: str) -> str:
    return f"/sys/bus/pci/devices/{vf}/driver_override"


def unbind(vf: str) -> str:
    return f"/sys/bus/pci/devices/{vf}/driver/unbind"


def bind(driver: str) -> str:
    return f"/sys/bus/pci/drivers/{driver}/bind"


def keeps(machine: Machine, *vfs: str) -> bool:
    """Tell whether these VFs, and no others, are on their native driver and stay so."""
    found = [vf for vf in machine.vfs() if machine.driver(vf) == machine.override(vf) == NATIVE]
    others = set(machine.vfs()) - set(vfs)
    return found == list(vfs) and all(machine.override(vf) != NATIVE for vf in others)


@pytest.fixture
def c62x(machine: Machine) -> Machine:
    """Return a machine with a C62x without VFs, and their native driver not yet loaded."""
    machine.add_module(C62X.module, C62X.vf_module)
    machine.add_pf(autoprobe=False)
    return machine


@pytest.fixture
def made(c62x: Machine) -> Machine:
    """Return the same machine with its sixteen VFs and the native driver loaded."""
    c62x.make_vfs(PF, 16)
    c62x.add_driver(NATIVE, C62X.vf_module)
    return c62x


# -- kept ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", [False, True])
def test_the_first_vfs_are_kept(c62x: Machine, running: RunningHost, *, prompt: bool) -> None:
    running.prompt_udev = prompt
    (device,) = check_then_perform(c62x, running, host_vfs=2)["devices"]
    assert running.written == [
        (COUNT, "16"),
        (override(FIRST), NATIVE),
        (bind(NATIVE), FIRST),
        (override(SECOND), NATIVE),
        (bind(NATIVE), SECOND),
    ]
    assert running.commands == [LOAD]
    holder = {"kind": "driver", "name": NATIVE, "pid": None}
    told = [(vf["driver"], vf["reserved"], vf["holder"]) for vf in device["vfs"]]
    assert told == [(NATIVE, True, holder)] * 2 + [(None, False, None)] * 14
    assert keeps(c62x, FIRST, SECOND)
    c62x.kernel.settle()
    assert keeps(c62x, FIRST, SECOND)
    assert not check_then_perform(c62x, running, host_vfs=2)["changed"]


def test_a_driver_that_is_loaded_is_not_loaded_again(made: Machine, running: RunningHost) -> None:
    check_then_perform(made, running, host_vfs=1)
    assert running.commands == []
    assert running.written == [(override(FIRST), NATIVE), (bind(NATIVE), FIRST)]


def test_the_command_is_left_pending_below_another_root(c62x: Machine) -> None:
    assert plan(c62x.host, host_vfs=1).pending_commands() == [list(LOAD)]


@pytest.mark.parametrize("number", [1, 16])
def test_as_many_as_there_are(made: Machine, running: RunningHost, number: int) -> None:
    check_then_perform(made, running, host_vfs=number)
    assert keeps(made, *made.vfs()[:number])


def test_one_more(made: Machine, running: RunningHost) -> None:
    perform(running, host_vfs=1)
    done = len(running.written)
    check_then_perform(made, running, host_vfs=2)
    assert running.written[done:] == [(override(SECOND), NATIVE), (bind(NATIVE), SECOND)]


def test_with_autoprobe_others_get_the_driver_too(c62x: Machine, running: RunningHost) -> None:
    c62x.add_driver(NATIVE, C62X.vf_module)
    (device,) = check_then_perform(c62x, running, host_vfs=1, autoprobe=True)["devices"]
    assert {vf["driver"] for vf in device["vfs"]} == {NATIVE}
    assert [vf["reserved"] for vf in device["vfs"]] == [True] + [False] * 15
    # They keep it, whether one more or one less is reserved: nobody loses a VF.
    perform(running, host_vfs=2, autoprobe=True, force=True)
    check_then_perform(c62x, running, host_vfs=1, autoprobe=True)
    assert c62x.driver(SECOND) == NATIVE
    assert c62x.override(SECOND) == "(null)"


def test_a_vf_that_nobody_holds_is_moved(made: Machine, running: RunningHost) -> None:
    made.play(override(FIRST), "vfio-pci")
    made.bind(FIRST, "vfio-pci")
    result = check_then_perform(made, running, host_vfs=1)
    assert running.written == [
        (override(FIRST), NATIVE),
        (unbind(FIRST), FIRST),
        (bind(NATIVE), FIRST),
    ]
    before, after = (result["diff"][0][side].splitlines() for side in ("before", "after"))
    assert before == [f"{FIRST} driver: vfio-pci", f"{FIRST} driver_override: vfio-pci"]
    assert after == [f"{FIRST} driver: {NATIVE}", f"{FIRST} driver_override: {NATIVE}"]


def test_a_kept_vf_that_lost_its_driver_gets_it_again(made: Machine, running: RunningHost) -> None:
    perform(running, host_vfs=1)
    made.play(unbind(FIRST), FIRST)
    done = len(running.written)
    check_then_perform(made, running, host_vfs=1)
    assert running.written[done:] == [(bind(NATIVE), FIRST)]
    assert keeps(made, FIRST)


@pytest.mark.parametrize("autoprobe", [False, True])
def test_a_vf_that_its_driver_takes_when_it_is_loaded(
    c62x: Machine, running: RunningHost, *, autoprobe: bool
) -> None:
    c62x.make_vfs(PF, 16)
    c62x.play(AUTOPROBE, f"{autoprobe:d}")
    if not autoprobe:
        c62x.play(override(FIRST), NATIVE)
    perform(running, host_vfs=1, autoprobe=autoprobe)
    assert running.commands == [LOAD]
    # A bind would be refused: it has the driver by then.
    assert running.written == [*([(override(FIRST), NATIVE)] * autoprobe), (PROBE, FIRST)]
    assert keeps(c62x, FIRST)


def test_a_vf_is_bound_with_autoprobe_too(made: Machine, running: RunningHost) -> None:
    made.play(AUTOPROBE, "1")
    check_then_perform(made, running, host_vfs=1, autoprobe=True)
    assert running.written == [(override(FIRST), NATIVE), (bind(NATIVE), FIRST)]


def test_kept_vfs_are_kept_again_when_all_are_made_anew(
    machine: Machine, running: RunningHost
) -> None:
    row = next(row for row in TABLE if row.name == "4xxx")
    machine.add_pf(row.name, out_of_tree=True, autoprobe=False)
    machine.add_driver(str(row.vf_driver), row.vf_module, out_of_tree=True)
    perform(running, num_vfs=4, host_vfs=2)
    assert "taking 4 VFs away" in refusal(machine.host, num_vfs=8, host_vfs=2)
    (device,) = check_then_perform(machine, running, num_vfs=8, host_vfs=2, force=True)["devices"]
    assert [vf["driver"] for vf in device["vfs"]] == [row.vf_driver] * 2 + [None] * 6


# -- given back ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1])
def test_fewer_need_force(made: Machine, running: RunningHost, number: int) -> None:
    perform(running, host_vfs=2)
    done = len(running.written)
    message = refusal(made.host, host_vfs=number)
    assert f"{SECOND} by driver {NATIVE}: free them, or use force: true" in message
    check_then_perform(made, running, host_vfs=number, force=True)
    assert running.written[done:][-2:] == [(override(SECOND), "\n"), (unbind(SECOND), SECOND)]
    assert keeps(made, *[FIRST, SECOND][:number])
    assert made.driver(SECOND) is None
    assert not check_then_perform(made, running, host_vfs=number)["changed"]


def test_absent_gives_them_back(made: Machine, running: RunningHost) -> None:
    perform(running, host_vfs=2)
    assert "use force: true" in refusal(made.host, state="absent")
    check_then_perform(made, running, state="absent", force=True)
    assert keeps(made)
    assert {made.driver(vf) for vf in made.vfs()} == {None}
    assert not check_then_perform(made, running, state="absent")["changed"]


def test_absent_keeps_those_that_were_kept_before(made: Machine, running: RunningHost) -> None:
    for vf in (FIRST, SECOND):
        made.play(override(vf), NATIVE)
        made.play(PROBE, vf)
    perform(running, host_vfs=1, force=True)
    check_then_perform(made, running, state="absent", force=True)
    assert keeps(made, FIRST, SECOND)


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("autoprobe", [False, True])
def test_an_operators_own_are_left_alone(
    made: Machine, running: RunningHost, *, autoprobe: bool, bound: bool
) -> None:
    for vf in (FIRST, THIRD):
        made.play(override(vf), NATIVE)
        made.play(PROBE, vf)
    check_then_perform(made, running, host_vfs=0, autoprobe=autoprobe)
    assert [path for path, _value in running.written if path != AUTOPROBE] == []
    assert keeps(made, FIRST, THIRD)
    # Kept by a task and no more: there is nothing to do, so nobody has to be forced.
    perform(running, host_vfs=1, autoprobe=autoprobe)
    if not bound:
        # Theirs to do, too.
        made.play(unbind(FIRST), FIRST)
    done = len(running.written)
    check_then_perform(made, running, host_vfs=0, autoprobe=autoprobe)
    assert running.written[done:] == []
    assert (made.override(FIRST), made.driver(FIRST)) == (NATIVE, NATIVE if bound else None)
    # What was found comes back, and with it the driver.
    check_then_perform(made, running, state="absent")
    assert keeps(made, FIRST, THIRD)


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("options", [{"host_vfs": 1}, {"state": "absent"}])
def test_a_former_override_comes_back_with_its_driver(
    made: Machine, running: RunningHost, options: dict[str, t.Any], *, persistent: bool
) -> None:
    made.add_driver(GUESTS)
    for vf in made.vfs()[1:3]:
        made.play(override(vf), GUESTS)
        made.play(PROBE, vf)
    perform(running, host_vfs=2, persistent=persistent)
    assert record(made)["found"]["overrides"] == {SECOND: GUESTS, THIRD: GUESTS}
    assert keeps(made, FIRST, SECOND)
    done = len(running.written)
    assert f"{SECOND} by driver {NATIVE}: free them" in refusal(made.host, **options)
    check_then_perform(made, running, force=True, **options)
    assert running.written[done:][-3:] == [
        (override(SECOND), GUESTS),
        (unbind(SECOND), SECOND),
        (bind(GUESTS), SECOND),
    ]
    there = [(made.override(vf), made.driver(vf)) for vf in made.vfs()[1:3]]
    assert there == [(GUESTS, GUESTS)] * 2
    assert not check_then_perform(made, running, **options)["changed"]


def test_a_vf_loses_its_driver_to_a_former_override_with_force_only(
    made: Machine, running: RunningHost
) -> None:
    made.add_driver("uio_pci_generic")
    made.play(override(FIRST), "uio_pci_generic")
    made.play(PROBE, FIRST)
    perform(running, host_vfs=1, autoprobe=True, force=True)
    message = refusal(made.host, host_vfs=0, autoprobe=True)
    assert f"{FIRST} by driver {NATIVE}: free them, or use force: true" in message
    (device,) = check_then_perform(made, running, autoprobe=True, force=True)["devices"]
    assert device["vfs"][0]["holder"] == {"kind": "driver", "name": "uio_pci_generic", "pid": None}


def test_the_rule_tells_what_was_kept_where_no_record_does(
    made: Machine, running: RunningHost
) -> None:
    perform(running, host_vfs=2)
    made.at(UNDO_PATH).unlink()
    check_then_perform(made, running, host_vfs=0, force=True)
    assert keeps(made)


# -- refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.name))
def test_no_native_driver(machine: Machine, row: QatFamily) -> None:
    machine.add_pf(row.name, driver="native" if row.driver else "vendors")
    message = refusal(machine.host, host_vfs=1)
    assert f"no native driver for VFs of {PF}" in message
    assert "use host_vfs: 0" in message
    assert "None" not in message


def test_more_than_there_will_be(made: Machine) -> None:
    assert refusal(made.host, host_vfs=17) == (
        f"option host_vfs: 17 is above the 16 VFs that {PF} is to have; use 0 to 16"
    )
    # The driver makes all of them.
    assert plan(made.host, num_vfs=2, host_vfs=2)


def test_where_vfs_will_be_is_unknown(c62x: Machine, running: RunningHost) -> None:
    (found,) = job(host_vfs=1).observe(running).pfs
    pf = replace(found.pf, config=type(found.pf.config)(b""))
    wanted = Wanted.parse({**SRIOV_OPTIONS, "host_vfs": 1})
    target = target_of(wanted, pf, None, job().observe(running).undo)
    with pytest.raises(HwaccelError, match="cannot be told from its SR-IOV capability"):
        check(wanted, pf, target, native_driver=True)
    assert c62x.vfs() == []


@pytest.mark.parametrize("force", [False, True])
def test_a_held_vf_is_not_moved(made: Machine, *, force: bool) -> None:
    made.hold(FIRST, pid=42)
    message = refusal(made.host, host_vfs=1, force=force)
    assert f"VF {FIRST} is held by process qemu-system-x86 (pid 42)" in message
    assert "not with force either" in message


def test_a_held_vf_further_on_is_nobodys_business(made: Machine, running: RunningHost) -> None:
    made.hold(THIRD, pid=42)
    check_then_perform(made, running, host_vfs=2)
    assert keeps(made, FIRST, SECOND)
    assert made.driver(THIRD) == "vfio-pci"


def test_a_vf_of_a_stopped_domain_needs_force(made: Machine, running: RunningHost) -> None:
    made.add_domain("stopped", FIRST)
    message = refusal(made.host, host_vfs=1)
    assert f"VFs are in use: {FIRST} by domain stopped: free them" in message
    (device,) = check_then_perform(made, running, host_vfs=1, force=True)["devices"]
    assert (device["vfs"][0]["driver"], device["vfs"][0]["reserved"]) == (NATIVE, True)
    check_then_perform(made, running, host_vfs=0, force=True)
    assert made.driver(FIRST) is None


def test_a_vf_still_to_be_made_is_not_taken_from_a_domain(
    c62x: Machine, running: RunningHost
) -> None:
    c62x.add_domain("stopped", SECOND)
    assert refusal(c62x.host, host_vfs=2) == (
        f"{PF}: VFs are in use: {SECOND} by domain stopped: free them, or use force: true"
    )
    # It does not wait for the first.
    assert plan(c62x.host, host_vfs=1)
    check_then_perform(c62x, running, host_vfs=2, force=True)
    assert keeps(c62x, FIRST, SECOND)


def test_a_vf_still_to_be_made_for_a_running_domain(c62x: Machine) -> None:
    c62x.add_domain("guest", FIRST, pid=42)
    message = refusal(c62x.host, host_vfs=1, force=True)
    assert f"VF {FIRST} is held by domain guest (pid 42)" in message


def bound_at_boot(machine: Machine, *vfs: str, number: PciId = C62X.vf_id) -> None:
    """Have the rules of vfio_passthrough for VFs."""
    rules = [Rule(PciAddress.parse(vf), number, GUESTS) for vf in vfs]
    machine.write(RULES, render_rules(rules, early=False) or b"")


@pytest.mark.parametrize("number", [0, 16])
def test_what_guests_get_at_boot_is_not_kept(
    c62x: Machine, running: RunningHost, number: int
) -> None:
    c62x.make_vfs(PF, number)
    bound_at_boot(c62x, SECOND, THIRD)
    for force in (False, True):
        assert refusal(c62x.host, host_vfs=4, force=force) == (
            f"option host_vfs: 4: VFs of {PF} are bound for guests at every boot: {SECOND}, "
            f"{THIRD}; give them back first (module vfio_passthrough with state: absent and these "
            "addresses), or leave them out by host_vfs: 1"
        )
    check_then_perform(c62x, running, host_vfs=1)
    assert keeps(c62x, FIRST)
    # As long as they are bound at boot, those that are kept already would not stay either.
    c62x.at(RULES).unlink()
    perform(running, host_vfs=3)
    bound_at_boot(c62x, THIRD)
    assert THIRD in refusal(c62x.host, host_vfs=3)
    assert perform(running, state="absent", host_vfs=3, force=True)["changed"]


def test_what_another_device_gets_at_boot_is_kept(c62x: Machine, running: RunningHost) -> None:
    bound_at_boot(c62x, FIRST, number=OTHER)
    check_then_perform(c62x, running, host_vfs=1)
    assert keeps(c62x, FIRST)


# -- at boot ---------------------------------------------------------------------------------


def test_what_the_rule_says(c62x: Machine, running: RunningHost) -> None:
    perform(running, host_vfs=2)
    content = c62x.at(RULE_PATH).read_bytes()
    _comment, pf, vfs = content.decode().splitlines()
    assert 'ATTR{sriov_numvfs}="16"' in pf
    assert vfs.split(", ") == [
        'ACTION=="add"',
        'SUBSYSTEM=="pci"',
        f'KERNEL=="{FIRST}|{SECOND}"',
        'ATTR{vendor}=="0x8086"',
        f'ATTR{{device}}=="0x{C62X.vf_device:04x}"',
        f'TEST!="/run/hwaccel/working-on-{PF}"',
        f'ATTR{{driver_override}}="{NATIVE}"',
        'ATTR{[subsystem/pci]drivers_probe}="$kernel"',
    ]
    rule = SriovRule.parse(content)
    assert rule is not None
    assert isinstance(rule.host_vfs, HostVfs)
    assert [str(address) for address in rule.host_vfs.addresses] == [FIRST, SECOND]
    assert (rule.host_vfs.id, rule.host_vfs.driver) == (C62X.vf_id, NATIVE)


@pytest.mark.parametrize("autoprobe", [False, True])
def test_after_a_boot_nothing_is_to_do(
    c62x: Machine, running: RunningHost, *, autoprobe: bool
) -> None:
    perform(running, host_vfs=2, autoprobe=autoprobe)
    c62x.kernel.boot()
    assert keeps(c62x, FIRST, SECOND)
    assert not check_then_perform(c62x, running, host_vfs=2, autoprobe=autoprobe)["changed"]


def test_not_persistent(c62x: Machine, running: RunningHost) -> None:
    perform(running, host_vfs=2, persistent=False)
    c62x.kernel.boot()
    assert c62x.vfs() == []


# -- what the kernel did not take ------------------------------------------------------------


def test_a_driver_that_does_not_take_the_vf(made: Machine, running: RunningHost) -> None:
    running.deaf.add(bind(NATIVE))
    with pytest.raises(NotTakenError) as caught:
        perform(running, host_vfs=1)
    assert str(caught.value) == (
        f"{FIRST}: VF of {PF} that the host is to keep: wanted driver {NATIVE}, found None; "
        "see the kernel log for what its driver says"
    )
    assert made.driver(FIRST) is None


def test_a_driver_that_refuses_the_vf(made: Machine, running: RunningHost) -> None:
    made.play(override(FIRST), GUESTS)
    made.bind(FIRST, GUESTS)
    running.answers[bind(NATIVE), FIRST] = errno.EBUSY
    message = failure(running, host_vfs=1)
    assert f"cannot write '{FIRST}' to {bind(NATIVE)}" in message
    assert "another function of its IOMMU group is in the hands of a guest" in message
    assert (made.override(FIRST), made.driver(FIRST)) == (GUESTS, GUESTS)
    assert not made.at(RULE_PATH).exists()


def test_a_former_driver_that_is_gone(made: Machine, running: RunningHost) -> None:
    made.add_driver(GUESTS)
    made.play(override(FIRST), GUESTS)
    made.play(PROBE, FIRST)
    perform(running, host_vfs=1)
    shutil.rmtree(made.at(f"/sys/bus/pci/drivers/{GUESTS}"))
    assert "load its module, run again" in failure(running, host_vfs=0, force=True)
    assert keeps(made, FIRST)


def test_a_reserved_vf_that_its_driver_takes_is_given_back(
    made: Machine, running: RunningHost
) -> None:
    made.play(AUTOPROBE, "1")
    made.play(PROBE, FIRST)
    perform(running, host_vfs=1)
    made.play(unbind(FIRST), FIRST)
    shutil.rmtree(made.at(f"/sys/bus/pci/drivers/{NATIVE}"))
    perform(running, state="absent", force=True)
    assert (made.override(FIRST), made.driver(FIRST)) == ("(null)", NATIVE)


def test_a_vf_that_is_not_given_back(made: Machine, running: RunningHost) -> None:
    perform(running, host_vfs=1)
    running.deaf.add(override(FIRST))
    with pytest.raises(NotTakenError, match=f"{FIRST}: driver_override"):
        perform(running, host_vfs=0, force=True)
    assert made.override(FIRST) == NATIVE


def test_a_module_that_cannot_be_loaded(c62x: Machine, running: RunningHost) -> None:
    running.failing.add("modprobe")
    running.prompt_udev = False
    message = failure(running, host_vfs=1)
    assert f"modprobe {C62X.vf_module} failed with status 1" in message
    assert f"Already done and left as it is: {PF} sriov_numvfs=16" in message
    assert not c62x.at(RULE_PATH).exists()
