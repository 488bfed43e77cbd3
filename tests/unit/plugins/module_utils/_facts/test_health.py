# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Heartbeats of QAT devices, as debugfs shows them."""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.gather import gather
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.plugins.module_utils._host import Blocked, Host
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

FOLDER = f"sys/kernel/debug/qat_4xxx_{PF}/heartbeat"


def add_heartbeat(machine: Machine, status: str, sent: int = 9, failed: int = 0) -> None:
    """Lay the files as the kernel fills them, the end of the string included."""
    machine.write(f"{FOLDER}/status", f"{status}\n\0")
    machine.write(f"{FOLDER}/queries_sent", f"{sent}\n\0")
    machine.write(f"{FOLDER}/queries_failed", f"{failed}\n\0")


def add_services(machine: Machine, *, auto_reset: str) -> None:
    for name, value in (("state", "up"), ("cfg_services", "sym;dc"), ("auto_reset", auto_reset)):
        machine.write(f"{machine.device(PF)}/qat/{name}", f"{value}\n")


@pytest.fixture
def gen4(machine: Machine) -> Machine:
    machine.add_pf("4xxx")
    machine.add_iommu()
    return machine


def health(host: Host) -> dict[str, t.Any] | None:
    device = next(device for device in gather(host)["devices"] if device["address"] == PF)
    return t.cast("dict[str, t.Any] | None", device["health"])


def whats(host: Host) -> list[str]:
    return [problem["what"] for problem in gather(host)["problems"]]


class Asked(list[str]):
    """What is asked of drivers, which count a failure when their status is read."""

    def __init__(self, running: RunningHost, monkeypatch: pytest.MonkeyPatch) -> None:
        """Listen to what is asked."""
        super().__init__()
        self.read = running.guarded_attributes
        self.machine = running.machine
        self.counts = True
        monkeypatch.setattr(running, "guarded_attributes", self.answer)

    def answer(self, paths: Sequence[str]) -> dict[str, str | Blocked | None]:
        """Answer as a device that is stuck."""
        asked = [path for path in paths if path.endswith("/status")]
        self.extend(asked)
        if asked and self.counts:
            add_heartbeat(self.machine, "-1", 10 + len(self), len(self))
        return self.read(paths)


@pytest.fixture
def asked(running: RunningHost, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(running, monkeypatch)


def test_a_healthy_device(gen4: Machine) -> None:
    add_heartbeat(gen4, "0")
    assert health(gen4.host) == {"status": "healthy", "queries_sent": 9, "queries_failed": 0}
    assert whats(gen4.host) == []


def test_a_driver_that_does_not_tell(gen4: Machine) -> None:
    assert health(gen4.host) is None
    # The device is down: debugfs has its folder, without a heartbeat.
    gen4.write(f"sys/kernel/debug/qat_4xxx_{PF}/dev_cfg", "")
    gen4.write("sys/kernel/debug/other/status", "-1\n")
    assert health(gen4.host) is None


def test_a_device_that_does_not_respond(gen4: Machine, running: RunningHost, asked: Asked) -> None:
    add_heartbeat(gen4, "0")
    (problem,) = gather(running)["problems"]
    assert asked == [f"/{FOLDER}/status"]
    assert problem["check"] == "driver"
    assert problem["what"] == f"{PF} (4xxx): does not respond"
    assert "1 of 11 heartbeat queries failed" in problem["why"]
    assert f"/sys/bus/pci/devices/{PF}/qat/state" in problem["remedy"]
    assert "never write to the PF's reset" in problem["remedy"]
    assert health(running) == {"status": "unhealthy", "queries_sent": 12, "queries_failed": 2}


def test_the_remedy_of_a_device_without_a_state(machine: Machine) -> None:
    machine.add_iommu()
    machine.add_pf()
    folder = f"sys/kernel/debug/qat_c6xx_{PF}/heartbeat"
    for name, value in (("status", -1), ("queries_sent", 9), ("queries_failed", 3)):
        machine.write(f"{folder}/{name}", f"{value}\n")
    (problem,) = gather(machine.host)["problems"]
    assert "unbind the PF from its driver and bind it again" in problem["remedy"]


def test_asked_too_often_is_not_unhealthy(
    gen4: Machine, running: RunningHost, asked: Asked
) -> None:
    # The driver says -1 when others asked within its period, and counts nothing.
    add_heartbeat(gen4, "-1", failed=3)
    asked.counts = False
    assert health(running) == {"status": None, "queries_sent": 9, "queries_failed": 3}
    assert whats(running) == []


def test_a_recording_keeps_what_it_says(gen4: Machine) -> None:
    add_heartbeat(gen4, "-1", failed=3)
    assert whats(gen4.host) == [f"{PF} (4xxx): does not respond"]


@pytest.mark.parametrize(("auto_reset", "asked_once"), [("on", False), ("off", True)])
def test_no_query_that_may_reset_the_device(
    gen4: Machine, running: RunningHost, asked: Asked, auto_reset: str, *, asked_once: bool
) -> None:
    add_services(gen4, auto_reset=auto_reset)
    add_heartbeat(gen4, "0", failed=0)
    told = health(running)
    assert bool(asked) is asked_once
    if not asked_once:
        assert told == {"status": None, "queries_sent": 9, "queries_failed": 0}


def test_a_query_that_does_not_answer(gen4: Machine, running: RunningHost) -> None:
    add_heartbeat(gen4, "0")
    running.blocked.add(f"/{FOLDER}/status")
    assert health(running) == {"status": None, "queries_sent": 9, "queries_failed": 0}


def test_debugfs_is_for_root(
    gen4: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> list[str]:
        if path == "/sys/kernel/debug":
            raise HostError.from_os("list", path, errno.EACCES)
        return list_names(path)

    add_heartbeat(gen4, "0")
    list_names = running.names
    monkeypatch.setattr(running, "names", refuse)
    assert health(running) is None


def test_a_status_and_counters_that_cannot_be_read(
    gen4: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def guarded(paths: Sequence[str]) -> dict[str, str | Blocked | None]:
        if any("heartbeat" in path for path in paths):
            raise HostError.from_os("read", paths[0], errno.EIO)
        return read_guarded(paths)

    def attribute(path: str) -> str | None:
        if "heartbeat" in path:
            raise HostError.from_os("read", path, errno.EPERM)
        return read_attribute(path)

    add_heartbeat(gen4, "0")
    read_guarded, read_attribute = running.guarded_attributes, running.attribute
    monkeypatch.setattr(running, "guarded_attributes", guarded)
    monkeypatch.setattr(running, "attribute", attribute)
    assert health(running) == {"status": None, "queries_sent": None, "queries_failed": None}
