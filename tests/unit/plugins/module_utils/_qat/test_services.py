# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services and automatic reset: what may be asked for, and how a PF gets them."""

from __future__ import annotations

import errno
import shutil
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import (
    InputError,
    NotTakenError,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import TABLE
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import SriovRule
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.services import (
    SERVICES,
    join_services,
    parse_services,
    split_services,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import GEN4, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.sriov_runs import (
    AUTO_RESET,
    AUTOPROBE,
    CFG_SERVICES,
    COUNT,
    RULE_PATH,
    STATE,
    check_then_perform,
    failure,
    perform,
    record,
    refusal,
)
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import QatFamily
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

SETS = st.lists(st.sampled_from(SERVICES), unique=True)


@pytest.fixture
def gen4(machine: Machine) -> Machine:
    """Return a machine with a PF of generation 4 that has four VFs, sym and asym."""
    machine.add_pf("4xxx", out_of_tree=True, vfs=4, autoprobe=False)
    machine.add_services()
    return machine


def standing_rule(machine: Machine) -> SriovRule:
    rule = SriovRule.parse(machine.at(RULE_PATH).read_bytes())
    assert rule is not None
    return rule


# -- words -----------------------------------------------------------------------------------


@given(SETS)
def test_services_are_read_as_they_were_written(services: list[str]) -> None:
    text = join_services(services)
    assert join_services(split_services(text)) == text
    assert sorted(split_services(text)) == sorted(services)


@given(st.lists(st.text("abcdms;", max_size=6).filter(lambda word: ";" not in word and word)))
def test_services_of_a_newer_kernel_are_kept(words: list[str]) -> None:
    assert sorted(split_services(";".join(words))) == sorted(words)


@pytest.mark.parametrize(
    ("value", "services"),
    [
        (None, None),
        (["asym", "sym"], ("sym", "asym")),
        (["decomp", "dc", "sym"], ("sym", "dc", "decomp")),
        (["dcc"], ("dcc",)),
    ],
)
def test_what_may_be_asked_for(value: list[str] | None, services: tuple[str, ...] | None) -> None:
    assert parse_services(value) == services


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ([], "one to 3 of sym, asym, dc, dcc, decomp, dcc alone"),
        (["cy"], "one to 3 of"),
        (["SYM"], "one to 3 of"),
        (["sym;asym"], "one to 3 of"),
        (["sym", "sym"], "each once"),
        (["sym", "dcc"], "dcc alone"),
        (["sym", "asym", "dc", "decomp"], "one to 3 of"),
    ],
)
def test_what_may_not_be_asked_for(value: list[str], accepted: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_services(value)
    assert str(caught.value).startswith(f"option services: {value!r} is not accepted, use ")
    assert accepted in str(caught.value)


# -- refused before anything is changed ------------------------------------------------------


@pytest.mark.parametrize(
    "row", [row for row in TABLE if row.generation < 4], ids=lambda row: str(row.name)
)
def test_a_family_without_services(machine: Machine, row: QatFamily) -> None:
    machine.add_pf(row.name)
    message = refusal(machine.host, services=["sym"])
    assert f"{PF} ({row.name}): option services: sym: " in message
    assert "devices: [gen4]" in message
    for value in (True, False):
        message = refusal(machine.host, auto_reset=value)
        assert f"generation {row.generation}, which has none" in message
        assert "devices: [gen4]" in message


@pytest.mark.parametrize("family", ["4xxx", "401xx", "402xx", "420xx"])
@pytest.mark.parametrize(
    ("services", "cause"),
    [
        (["sym", "asym", "dc"], "takes 2 services at most"),
        (["decomp"], "decomp needs generation 6"),
        (["dc", "decomp"], "decomp needs generation 6"),
    ],
)
def test_services_of_a_later_generation(
    machine: Machine, family: str, services: list[str], cause: str
) -> None:
    machine.add_pf(family)
    machine.add_services()
    message = refusal(machine.host, services=services)
    assert f"{PF} ({family}): option services: {join_services(services)}: " in message
    assert cause in message


@pytest.mark.parametrize("services", [["sym", "asym", "dc"], ["dc", "decomp"]])
def test_services_of_generation_6(
    machine: Machine, running: RunningHost, services: list[str]
) -> None:
    machine.add_pf("6xxx")
    machine.add_services()
    (device,) = check_then_perform(machine, running, services=services)["devices"]
    assert device["services"] == services


def test_a_kernel_without_the_attributes(machine: Machine) -> None:
    machine.add_pf("4xxx")
    assert refusal(machine.host, services=["dc"]) == (
        f"{PF}: option services: no qat/cfg_services: driver 4xxx of this kernel does not offer "
        "it; Linux 6.0 or later has it in its own driver; else leave the option out"
    )
    machine.add_services(resets=None)
    message = refusal(machine.host, auto_reset=True)
    assert f"{PF}: option auto_reset: no qat/auto_reset: driver 4xxx of this kernel" in message
    assert "Linux 6.9 or later" in message


def test_a_pf_without_a_driver(machine: Machine) -> None:
    machine.add_pf("4xxx", driver=None)
    for option, value in (("services", ["dc"]), ("auto_reset", True)):
        message = refusal(machine.host, num_vfs=0, **{option: value})
        assert f"{PF}: option {option}" in message
        assert "no driver has the PF; load qat_4xxx and see the kernel log" in message


@pytest.mark.parametrize("force", [False, True])
def test_a_held_vf_keeps_its_services(gen4: Machine, *, force: bool) -> None:
    gen4.hold(gen4.vfs()[1], pid=42)
    message = refusal(gen4.host, num_vfs=4, services=["dc"], force=force)
    assert f"VF {gen4.vfs()[1]} is held by process qemu-system-x86 (pid 42)" in message


def test_a_vf_of_a_stopped_domain_is_taken_with_force_only(
    gen4: Machine, running: RunningHost
) -> None:
    gen4.add_domain("stopped", gen4.vfs()[1])
    message = refusal(gen4.host, num_vfs=4, services=["dc"])
    assert f"{gen4.vfs()[1]} by domain stopped; taking 4 VFs away would take these too" in message
    check_then_perform(gen4, running, num_vfs=4, services=["dc"], force=True)
    assert gen4.read(CFG_SERVICES) == "dc\n"


# -- set -------------------------------------------------------------------------------------


def test_the_order_of_writes(gen4: Machine, running: RunningHost) -> None:
    result = check_then_perform(gen4, running, num_vfs=4, services=["dc", "sym"])
    assert running.written == [
        (COUNT, "0"),
        (STATE, "down"),
        (CFG_SERVICES, "sym;dc"),
        (STATE, "up"),
        (COUNT, "4"),
    ]
    (device,) = result["devices"]
    assert (device["services"], device["qat_state"], device["num_vfs"]) == (["sym", "dc"], "up", 4)
    # VFs and state end as they began, and so are not in the diff.
    assert result["diff"][0]["before"] == f"{PF} cfg_services: sym;asym\n"
    assert result["diff"][0]["after"] == f"{PF} cfg_services: sym;dc\n"
    again = check_then_perform(gen4, running, num_vfs=4, services=["dc", "sym"])
    assert (again["changed"], again["diff"]) == (False, [])


def test_autoprobe_is_set_before_the_vfs_are_made(gen4: Machine, running: RunningHost) -> None:
    check_then_perform(gen4, running, num_vfs=2, services=["dc"], autoprobe=True)
    assert [path for path, _value in running.written] == [
        COUNT,
        STATE,
        CFG_SERVICES,
        STATE,
        AUTOPROBE,
        COUNT,
    ]


def test_another_order_is_the_same(gen4: Machine, running: RunningHost) -> None:
    gen4.hold(gen4.vfs()[0])
    check_then_perform(gen4, running, num_vfs=4, services=["asym", "sym"])
    gen4.write(CFG_SERVICES, "asym;sym\n")
    result = check_then_perform(gen4, running, num_vfs=4, services=["asym", "sym"])
    assert not result["changed"]
    assert running.written == []


def test_services_without_vfs(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", autoprobe=False)
    machine.add_services()
    check_then_perform(machine, running, num_vfs=0, services=["dcc"])
    assert running.written == [(STATE, "down"), (CFG_SERVICES, "dcc"), (STATE, "up")]
    assert (standing_rule(machine).num_vfs, standing_rule(machine).services) == (0, ("dcc",))


@pytest.mark.parametrize("number", [0, 2])
def test_a_pf_that_is_down_at_first(machine: Machine, running: RunningHost, number: int) -> None:
    machine.add_pf("4xxx", out_of_tree=True, autoprobe=False)
    machine.add_services(state="down")
    result = check_then_perform(machine, running, num_vfs=number, services=["dc"])
    made = [(COUNT, str(number))] if number else []
    assert running.written == [(CFG_SERVICES, "dc"), (STATE, "up"), *made]
    assert result["devices"][0]["qat_state"] == "up"
    # Being down was a problem, and is none any more.
    assert result["problems"] == []


def test_vfs_bring_a_pf_up(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", out_of_tree=True, autoprobe=False)
    machine.add_services(state="down")
    check_then_perform(machine, running, num_vfs=2)
    assert running.written == [(STATE, "up"), (COUNT, "2")]


def test_a_pf_that_is_down_stays_so_where_nothing_needs_it(
    machine: Machine, running: RunningHost
) -> None:
    machine.add_pf("4xxx", autoprobe=False)
    machine.add_services(state="down")
    result = check_then_perform(machine, running, num_vfs=0)
    assert (result["changed"], result["devices"][0]["qat_state"]) == (False, "down")
    (problem,) = result["problems"]
    assert problem["what"] == f"{PF} (4xxx): down"


def test_unset_leaves_services_and_keeps_them_in_the_rule(
    gen4: Machine, running: RunningHost
) -> None:
    perform(running, num_vfs=4, services=["dc"], auto_reset=True)
    done = len(running.written)
    result = check_then_perform(gen4, running, num_vfs=4)
    assert not result["changed"]
    assert len(running.written) == done
    check_then_perform(gen4, running, num_vfs=2)
    assert running.written[done:] == [(COUNT, "0"), (COUNT, "2")]
    rule = standing_rule(gen4)
    assert (rule.num_vfs, rule.services, rule.auto_reset) == (2, ("dc",), True)
    check_then_perform(gen4, running, num_vfs=0)
    assert standing_rule(gen4).services == ("dc",)


def test_services_of_a_rule_for_another_device_do_not_count(
    gen4: Machine, running: RunningHost
) -> None:
    perform(running, num_vfs=4, services=["dc"])
    other = gen4.at(RULE_PATH).read_bytes().replace(b"0x4940", b"0x4942")
    gen4.write(RULE_PATH, other)
    perform(running, num_vfs=4)
    assert standing_rule(gen4).services is None


@pytest.mark.parametrize("resets", [False, True])
def test_automatic_reset(machine: Machine, running: RunningHost, *, resets: bool) -> None:
    machine.add_pf("4xxx", out_of_tree=True, vfs=4, autoprobe=False)
    machine.add_services(resets=not resets)
    machine.hold(machine.vfs()[0])
    (device,) = check_then_perform(machine, running, num_vfs=4, auto_reset=resets)["devices"]
    assert running.written == [(AUTO_RESET, "on" if resets else "off")]
    assert device["auto_reset"] is resets
    assert standing_rule(machine).auto_reset is resets
    assert not check_then_perform(machine, running, num_vfs=4, auto_reset=resets)["changed"]


def test_automatic_reset_is_left_alone(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", out_of_tree=True, vfs=4, autoprobe=False)
    machine.add_services(resets=True)
    (device,) = check_then_perform(machine, running, num_vfs=4)["devices"]
    assert running.written == []
    assert device["auto_reset"] is True
    assert standing_rule(machine).auto_reset is None


def test_several_pfs_each_with_what_it_needs(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", autoprobe=False)
    machine.add_services(services="dc")
    other = machine.add_pf("401xx", "0000:02:00.0", group=2, autoprobe=False)
    machine.add_services(other)
    check_then_perform(machine, running, num_vfs=0, services=["dc"])
    assert {path.split("/")[5] for path, _value in running.written} == {other}


def test_a_driver_that_makes_all_vfs_makes_all_when_services_change(
    machine: Machine, running: RunningHost
) -> None:
    # Another driver made four of sixteen; the one that is there now makes all.
    machine.add_pf("4xxx", vfs=4, autoprobe=False)
    machine.add_services()
    (device,) = check_then_perform(machine, running, num_vfs=4)["devices"]
    assert (device["num_vfs"], device["coerced"]) == (4, False)
    options = {"num_vfs": 4, "services": ["dc"]}
    assert "always makes all 16" in refusal(machine.host, coerced_ok=False, **options)
    (device,) = check_then_perform(machine, running, **options)["devices"]
    assert (device["num_vfs"], device["requested"], device["coerced"]) == (16, 4, True)
    assert standing_rule(machine).num_vfs == 16
    assert not check_then_perform(machine, running, **options)["changed"]
    # So it is on the way back, where four cannot be had any more.
    (device,) = check_then_perform(machine, running, state="absent")["devices"]
    assert (device["num_vfs"], device["services"]) == (16, ["sym", "asym"])


# -- at boot ---------------------------------------------------------------------------------


def test_after_a_boot_nothing_is_to_do(gen4: Machine, running: RunningHost) -> None:
    options = {"num_vfs": 3, "services": ["dc"], "auto_reset": True}
    perform(running, **options)
    gen4.kernel.boot()
    assert gen4.read(CFG_SERVICES) == "dc\n"
    assert gen4.read(STATE) == "up\n"
    assert not check_then_perform(gen4, running, **options)["changed"]


def test_events_that_are_replayed_take_no_pf_down(gen4: Machine, running: RunningHost) -> None:
    perform(running, num_vfs=0, services=["dc", "sym"], auto_reset=True)
    for there in ("sym;dc", "dc;sym"):
        gen4.write(CFG_SERVICES, f"{there}\n")
        gen4.kernel.by_udev.clear()
        gen4.kernel.trigger()
        assert gen4.kernel.by_udev == [(AUTO_RESET, "on")]
    gen4.write(CFG_SERVICES, "dc\n")
    gen4.kernel.by_udev.clear()
    gen4.kernel.trigger()
    assert gen4.kernel.by_udev == [
        (STATE, "down"),
        (CFG_SERVICES, "sym;dc"),
        (STATE, "up"),
        (AUTO_RESET, "on"),
    ]


def test_at_boot_vfs_are_made_after_the_services_in_one_event(
    gen4: Machine, running: RunningHost
) -> None:
    perform(running, num_vfs=3, services=["dc"])
    gen4.kernel.boot()
    assert gen4.kernel.by_udev == [
        (STATE, "down"),
        (CFG_SERVICES, "dc"),
        (STATE, "up"),
        (AUTOPROBE, "0"),
        (COUNT, "3"),
    ]
    gen4.kernel.by_udev.clear()
    gen4.kernel.trigger()
    # VFs that are there keep the rules away.
    assert gen4.kernel.by_udev == []


def test_a_kernel_without_the_attribute_gets_vfs_all_the_same(
    gen4: Machine, running: RunningHost
) -> None:
    perform(running, num_vfs=3, services=["dc"])
    gen4.remove_vfs(PF)
    shutil.rmtree(gen4.at(STATE).parent)
    gen4.kernel.trigger()
    assert gen4.kernel.by_udev == [(AUTOPROBE, "0"), (COUNT, "3")]


# -- back ------------------------------------------------------------------------------------


def test_absent_reverts_what_a_task_set(gen4: Machine, running: RunningHost) -> None:
    perform(running, num_vfs=4, services=["dc"])
    gen4.play(AUTO_RESET, "on")
    done = len(running.written)
    check_then_perform(gen4, running, state="absent")
    assert running.written[done:] == [
        (COUNT, "0"),
        (STATE, "down"),
        (CFG_SERVICES, "sym;asym"),
        (STATE, "up"),
        (COUNT, "4"),
    ]
    # No task of ours set it.
    assert gen4.read(AUTO_RESET) == "on\n"


def test_the_record_stays_until_all_is_back(gen4: Machine, running: RunningHost) -> None:
    perform(running, num_vfs=4, services=["dc"])
    running.deaf.add(CFG_SERVICES)
    with pytest.raises(NotTakenError, match="cfg_services was set to sym;asym, reads dc"):
        perform(running, state="absent")
    running.deaf.clear()
    perform(running, state="absent")
    assert gen4.read(CFG_SERVICES) == "sym;asym\n"


def test_absent_leaves_what_no_task_set(gen4: Machine, running: RunningHost) -> None:
    perform(running, num_vfs=4)
    for path, value in ((COUNT, "0"), (STATE, "down"), (CFG_SERVICES, "dc"), (STATE, "up")):
        gen4.play(path, value)
    gen4.play(COUNT, "4")
    done = len(running.written)
    check_then_perform(gen4, running, state="absent")
    assert running.written[done:] == []
    assert gen4.read(CFG_SERVICES) == "dc\n"


def test_absent_reverts_what_an_earlier_task_set(gen4: Machine, running: RunningHost) -> None:
    perform(running, num_vfs=4, services=["dc"])
    perform(running, num_vfs=4, auto_reset=True)
    perform(running, num_vfs=2)
    entry = record(gen4)
    assert entry["found"]["services"] == ["sym", "asym"]
    assert (entry["set"]["services"], entry["set"]["auto_reset"]) == (["dc"], True)
    check_then_perform(gen4, running, state="absent")
    assert (gen4.read(CFG_SERVICES), gen4.read(AUTO_RESET)) == ("sym;asym\n", "off\n")
    assert len(gen4.vfs()) == 4
    assert not check_then_perform(gen4, running, state="absent")["changed"]


def test_absent_without_a_record_leaves_services(gen4: Machine, running: RunningHost) -> None:
    gen4.write(CFG_SERVICES, "dc\n")
    check_then_perform(gen4, running, state="absent")
    assert running.written == [(COUNT, "0"), (AUTOPROBE, "1")]


# -- what the kernel answers -----------------------------------------------------------------


def test_services_that_the_kernel_does_not_take(gen4: Machine, running: RunningHost) -> None:
    running.answers[CFG_SERVICES, "sym;dc"] = errno.EINVAL
    message = failure(running, num_vfs=2, services=["sym", "dc"])
    assert f"cannot write 'sym;dc' to {CFG_SERVICES}" in message
    assert "Linux before 6.5 takes sym with asym, or dc alone, and dcc needs Linux 6.7" in message
    assert f"Brought back: {PF} state=up. Brought back: {PF} sriov_numvfs=4" in message
    # What was brought back is not left as it is.
    assert "left as it is" not in message
    assert running.written[-2:] == [(STATE, "up"), (COUNT, "4")]
    assert (gen4.read(CFG_SERVICES), gen4.read(STATE)) == ("sym;asym\n", "up\n")
    assert len(gen4.vfs()) == 4
    assert not gen4.at(RULE_PATH).exists()


@pytest.mark.parametrize("fails", [(CFG_SERVICES, "dc"), (STATE, "down")])
@pytest.mark.parametrize("autoprobe", [False, True])
def test_vfs_of_the_host_are_brought_back_too(
    machine: Machine, running: RunningHost, fails: tuple[str, str], *, autoprobe: bool
) -> None:
    machine.add_pf("4xxx", out_of_tree=True, autoprobe=False)
    machine.add_services()
    native = str(GEN4.vf_driver)
    machine.add_driver(native, GEN4.vf_module, out_of_tree=True)
    perform(running, num_vfs=4, host_vfs=2, autoprobe=autoprobe)
    running.answers[fails] = errno.EINVAL
    options = {"num_vfs": 2, "host_vfs": 1, "autoprobe": autoprobe, "services": ["dc"]}
    message = failure(running, force=True, **options)
    vfs = machine.vfs()
    assert f"Brought back: {PF} sriov_numvfs=4. Brought back: {vfs[0]} driver_override=" in message
    assert [machine.override(vf) for vf in vfs] == [native] * 2 + ["(null)"] * 2
    assert [machine.driver(vf) for vf in vfs] == [native] * 2 + [native if autoprobe else None] * 2


def test_a_pf_that_was_down_stays_down_on_a_failure(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", autoprobe=False)
    machine.add_services(state="down")
    running.answers[CFG_SERVICES, "dc"] = errno.EINVAL
    failure(running, services=["dc"])
    assert running.written == []
    assert machine.read(STATE) == "down\n"


def test_a_pf_in_use_does_not_go_down(gen4: Machine, running: RunningHost) -> None:
    running.answers[STATE, "down"] = errno.EBUSY
    message = failure(running, num_vfs=4, services=["dc"])
    assert "the kernel's own crypto users count (dm-crypt, IPsec, TLS)" in message
    assert f"Brought back: {PF} sriov_numvfs=4" in message
    assert len(gen4.vfs()) == 4
    assert gen4.read(CFG_SERVICES) == "sym;asym\n"


def test_a_pf_that_does_not_come_up_again(gen4: Machine, running: RunningHost) -> None:
    running.answers[STATE, "up"] = errno.EFAULT
    message = failure(running, num_vfs=4, services=["dc"])
    assert "the device did not start: see the kernel log" in message
    assert f"{PF} state=down, {PF} cfg_services=dc" in message
    assert gen4.read(STATE) == "down\n"


def test_a_rescue_that_fails_is_told(gen4: Machine, running: RunningHost) -> None:
    running.answers = {(CFG_SERVICES, "dc"): errno.EINVAL, (STATE, "up"): errno.EFAULT}
    message = failure(running, num_vfs=4, services=["dc"])
    assert f"Then {PF} state=up failed too: cannot write 'up' to {STATE}" in message
    assert "Brought back" not in message
    assert gen4.vfs() == []
