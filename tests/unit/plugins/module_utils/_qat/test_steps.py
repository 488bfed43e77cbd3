# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking VFs away where the driver refuses that, with our own rule out of the way meanwhile."""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, GEN4, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.sriov_runs import (
    AUTOPROBE,
    COUNT,
    MARKER,
    RULE_PATH,
    STATE,
    check_then_perform,
    failure,
    job,
    perform,
    rehearse,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

SETTLE = ("udevadm", "settle", "--timeout=180")
Writes = list[tuple[str, str]]


def rebinding(driver: str | None) -> Writes:
    folder = f"/sys/bus/pci/drivers/{driver}"
    return [(f"{folder}/unbind", PF), (f"{folder}/bind", PF)]


@pytest.fixture
def stubborn(machine: Machine) -> Machine:
    """Return a machine with a C62x whose driver refuses to take VFs away."""
    machine.add_pf(vfs=16, autoprobe=False)
    machine.kernel.refuses_zero.add(str(C62X.driver))
    return machine


@pytest.fixture
def counted(machine: Machine) -> Machine:
    """Return a machine whose PF has as many VFs as it is told, and a driver that refuses 0."""
    machine.add_pf("4xxx", out_of_tree=True, autoprobe=False)
    machine.kernel.refuses_zero.add(str(GEN4.driver))
    return machine


# -- a driver that refuses 0 -----------------------------------------------------------------


@pytest.mark.parametrize("out_of_tree", [False, True])
@pytest.mark.parametrize("family", ["c62x", "c3xxx", "dh895xcc", "4xxx"])
def test_the_pf_is_bound_anew(
    machine: Machine, running: RunningHost, family: str, *, out_of_tree: bool
) -> None:
    machine.add_pf(family, vfs=16, autoprobe=False, out_of_tree=out_of_tree)
    driver = machine.driver(PF)
    machine.kernel.refuses_zero.add(str(driver))
    result = perform(running, num_vfs=0)
    assert running.written == rebinding(driver)
    assert (machine.vfs(), machine.driver(PF)) == ([], driver)
    assert result["diff"][0]["after"] == f"{PF} sriov_numvfs: 0\n"
    assert not perform(running, num_vfs=0)["changed"]


def test_a_pf_with_services_goes_down_and_up(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", vfs=16, autoprobe=False)
    machine.add_services()
    machine.kernel.refuses_zero.add(str(GEN4.driver))
    (device,) = perform(running, num_vfs=0)["devices"]
    assert running.written == [(STATE, "down"), (STATE, "up")]
    assert (device["num_vfs"], device["qat_state"]) == (0, "up")


@pytest.mark.parametrize("services", [None, ["dc"]])
def test_another_number(counted: Machine, running: RunningHost, services: list[str] | None) -> None:
    counted.add_services()
    perform(running, num_vfs=8)
    (device,) = perform(running, num_vfs=4, services=services)["devices"]
    assert (device["num_vfs"], device["services"]) == (4, services or ["sym", "asym"])
    assert running.written[-1] == (COUNT, "4")


def test_a_check_run_foresees_the_outcome(stubborn: Machine, running: RunningHost) -> None:
    check = rehearse(stubborn, num_vfs=0)
    real = perform(running, num_vfs=0)
    assert {key: check[key] for key in real} == real


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM, errno.EIO])
def test_another_answer_is_an_error(stubborn: Machine, running: RunningHost, number: int) -> None:
    running.answers[COUNT, "0"] = number
    message = failure(running, num_vfs=0)
    assert ("crypto users" in message) == (number == errno.EBUSY)
    assert running.written == []
    assert len(stubborn.vfs()) == 16


def test_a_pf_in_use_that_is_to_go_down(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", vfs=16, autoprobe=False)
    machine.add_services()
    machine.kernel.refuses_zero.add(str(GEN4.driver))
    running.answers[STATE, "down"] = errno.EBUSY
    assert "dm-crypt, IPsec, TLS" in failure(running, num_vfs=0)
    assert len(machine.vfs()) == 16


# -- our rule stands aside -------------------------------------------------------------------


def test_left_alone_the_rule_makes_vfs(counted: Machine, running: RunningHost) -> None:
    # What the marker is for: this is what udev does at a bind otherwise.
    perform(running, num_vfs=8)
    for path, value in rebinding(GEN4.driver):
        counted.play(path, value)
    assert counted.vfs() == []
    counted.kernel.settle()
    assert len(counted.vfs()) == 8


@pytest.mark.parametrize("prompt", [False, True])
def test_the_rule_stands_aside(counted: Machine, running: RunningHost, *, prompt: bool) -> None:
    perform(running, num_vfs=8)
    running.prompt_udev = prompt
    done = len(running.written)
    (device,) = perform(running, num_vfs=4)["devices"]
    assert running.written[done:] == [*rebinding(GEN4.driver), (COUNT, "4")]
    assert device["num_vfs"] == 4
    assert running.commands == [SETTLE]
    assert not counted.at(MARKER).exists()
    counted.kernel.settle()
    assert len(counted.vfs()) == 4


@pytest.mark.parametrize("options", [{"num_vfs": 0}, {"state": "absent"}])
@pytest.mark.parametrize("prompt", [False, True])
def test_no_vfs_come_back(
    machine: Machine, running: RunningHost, options: dict[str, t.Any], *, prompt: bool
) -> None:
    machine.add_pf()
    perform(running)
    machine.kernel.refuses_zero.add(str(C62X.driver))
    running.prompt_udev = prompt
    (device,) = perform(running, **options)["devices"]
    assert device["num_vfs"] == 0
    machine.kernel.settle()
    assert machine.vfs() == []
    assert not machine.at(RULE_PATH).exists()
    assert not machine.at(MARKER).exists()


def test_the_marker_stands_until_udev_is_done(
    counted: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform(running, num_vfs=8)
    stood: list[tuple[str, bool]] = []
    write, run = running.write_attribute, running.run

    def seen_write(path: str, value: str, *, seconds: float) -> None:
        stood.append((path, counted.at(MARKER).exists()))
        write(path, value, seconds=seconds)

    def seen_run(command: tuple[str, ...], *, seconds: float) -> str:
        stood.append((command[0], counted.at(MARKER).exists()))
        return run(command, seconds=seconds)

    monkeypatch.setattr(running, "write_attribute", seen_write)
    monkeypatch.setattr(running, "run", seen_run)
    perform(running, num_vfs=4)
    assert [path for path, _there in stood][-1] == "udevadm"
    assert all(there for _path, there in stood)


def test_without_a_rule_there_is_nothing_to_wait_for(
    counted: Machine, running: RunningHost
) -> None:
    check_then_perform(counted, running, num_vfs=8)
    assert running.commands == []
    perform(running, num_vfs=8, persistent=False)
    assert running.commands == []
    assert not counted.at("run/hwaccel").exists()


# -- failures in the middle ------------------------------------------------------------------


def test_a_driver_that_does_not_come_back(stubborn: Machine, running: RunningHost) -> None:
    perform(running)
    rule = stubborn.at(RULE_PATH).read_bytes()
    running.answers[rebinding(C62X.driver)[1]] = errno.ENODEV
    message = failure(running, num_vfs=0)
    assert f"cannot write '{PF}' to /sys/bus/pci/drivers/c6xx/bind" in message
    assert "the PF stands without its driver now, and has no VFs" in message
    assert f"since the driver refused: cannot write '0' to {COUNT}" in message
    assert f"done by then: {PF} unbind={PF}" in message
    assert stubborn.driver(PF) is None
    assert stubborn.at(RULE_PATH).read_bytes() == rule
    assert not stubborn.at(MARKER).exists()


def test_vfs_that_cannot_be_made_leave_no_marker(counted: Machine, running: RunningHost) -> None:
    perform(running, num_vfs=8)
    rule = counted.at(RULE_PATH).read_bytes()
    running.answers[COUNT, "4"] = errno.ENOMEM
    message = failure(running, num_vfs=4)
    assert "Above 4G Decoding" in message
    assert f"Already done and left as it is: {PF} sriov_numvfs=0" in message
    assert counted.at(RULE_PATH).read_bytes() == rule
    assert not counted.at(MARKER).exists()


def test_udev_that_does_not_settle(counted: Machine, running: RunningHost) -> None:
    perform(running, num_vfs=8)
    running.failing.add("udevadm")
    assert "udevadm settle --timeout=180 failed" in failure(running, num_vfs=4)
    assert not counted.at(MARKER).exists()


# -- a run that was killed -------------------------------------------------------------------


def test_a_stale_marker_goes(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    perform(running)
    machine.write(MARKER, "")
    done = len(running.written)
    result = check_then_perform(machine, running)
    # It is a change: until then the rule stands aside at the next bind.
    assert result["changed"]
    assert result["diff"] == [
        {"before_header": MARKER, "after_header": "(no file)", "before": "", "after": ""},
    ]
    assert running.written[done:] == []
    assert running.commands == []
    assert not machine.at(MARKER).exists()
    assert not check_then_perform(machine, running)["changed"]


def test_a_stale_marker_goes_with_other_changes(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    perform(running)
    machine.write(MARKER, "")
    result = check_then_perform(machine, running, num_vfs=0)
    assert MARKER not in [entry["before_header"] for entry in result["diff"]]
    assert not machine.at(MARKER).exists()


def test_a_stale_marker_goes_at_the_way_back(machine: Machine, running: RunningHost) -> None:
    machine.add_pf(autoprobe=True)
    machine.write(MARKER, "")
    assert check_then_perform(machine, running, state="absent")["changed"]
    assert not machine.at(MARKER).exists()


# -- a PF that vanishes ----------------------------------------------------------------------


def test_a_pf_that_vanishes(machine: Machine, running: RunningHost) -> None:
    machine.add_pf()
    work = job()
    plan = work.plan(work.observe(running))
    machine.remove(PF)
    before = machine.files()
    with pytest.raises(HostError, match="the device is gone") as caught:
        plan.apply(running)
    assert (caught.value.number, AUTOPROBE in str(caught.value)) == (errno.ENOENT, True)
    assert machine.files() == before


def test_a_pf_that_vanishes_half_way(machine: Machine, running: RunningHost) -> None:
    machine.add_pf("4xxx", out_of_tree=True, vfs=4, autoprobe=False)
    perform(running, num_vfs=4)
    rule = machine.at(RULE_PATH).read_bytes()
    running.answers[COUNT, "8"] = errno.ENODEV
    message = failure(running, num_vfs=8)
    assert "; the device is gone" in message
    assert f"Already done and left as it is: {PF} sriov_numvfs=0" in message
    assert machine.at(RULE_PATH).read_bytes() == rule


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENODEV, "the device is gone"),
        (errno.EROFS, "the file system is mounted read-only"),
        (errno.EACCES, "become root"),
    ],
)
def test_a_first_write_that_fails_leaves_nothing(
    machine: Machine, running: RunningHost, number: int, hint: str
) -> None:
    machine.add_pf()
    running.answers[AUTOPROBE, "0"] = number
    before = machine.files()
    message = failure(running)
    assert hint in message
    assert "Already done" not in message
    assert machine.files() == before
