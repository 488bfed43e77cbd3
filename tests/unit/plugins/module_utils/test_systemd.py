# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a service was started, and whether it knows a file."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._systemd import (
    ServiceStart,
    read_start,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

NEVER = ServiceStart()
UNIT = "qat_service.service"


class Systemd(RunningHost):
    """A running host whose systemd says one thing."""

    answer: str | None = None

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Say it."""
        assert seconds > 0
        assert list(command) == [
            "systemctl",
            "show",
            "qat_service.service",
            "--property=ActiveState,ActiveEnterTimestampMonotonic,NeedDaemonReload",
        ]
        if self.answer is None:
            raise HostError("systemctl: there is none")
        return self.answer


@pytest.mark.parametrize(
    ("answer", "since"),
    [
        ("ActiveState=active\nActiveEnterTimestampMonotonic=2500000\n", 1002.5),
        ("ActiveEnterTimestampMonotonic=2500000\nActiveState=reloading\n", 1002.5),
        ("ActiveState=inactive\nActiveEnterTimestampMonotonic=2500000\n", None),
        ("ActiveState=failed\nActiveEnterTimestampMonotonic=0\n", None),
        ("ActiveState=active\nActiveEnterTimestampMonotonic=\n", None),
        ("rubbish", None),
        (None, None),
    ],
)
def test_what_systemd_tells(machine: Machine, answer: str | None, since: float | None) -> None:
    machine.write("proc/stat", "cpu 1 2\nbtime 1000\n")
    host = Systemd(machine)
    host.answer = answer
    assert read_start(host, UNIT) == ServiceStart(since)


@pytest.mark.parametrize("state", ["active", "inactive"])
@pytest.mark.parametrize(("answer", "due"), [("yes", True), ("no", False), ("", False)])
def test_a_unit_that_systemd_has_to_read_again(
    machine: Machine, state: str, answer: str, *, due: bool
) -> None:
    machine.write("proc/stat", "btime 1000\n")
    host = Systemd(machine)
    host.answer = f"ActiveState={state}\nNeedDaemonReload={answer}\n"
    assert read_start(host, UNIT).reload_due is due


@pytest.mark.parametrize("text", ["cpu 1 2\n", "btime\n", "btime x\n", ""])
def test_a_kernel_that_does_not_tell_when_it_was_started(machine: Machine, text: str) -> None:
    machine.write("proc/stat", text)
    host = Systemd(machine)
    host.answer = "ActiveState=active\nActiveEnterTimestampMonotonic=2500000\n"
    assert read_start(host, UNIT) == NEVER


def test_a_tree_has_no_services(machine: Machine) -> None:
    assert read_start(machine.host, UNIT) == NEVER


@pytest.mark.parametrize(
    ("since", "modified", "older"),
    [(100.0, 102.0, True), (100.0, 100.5, False), (100.0, 50.0, False), (None, 102.0, False)],
)
def test_whether_it_is_older(since: float | None, modified: float | None, *, older: bool) -> None:
    assert ServiceStart(since, now=1000.0).is_older_than(modified) is older
    assert not ServiceStart(since).is_older_than(None)


def test_a_file_that_seems_to_come_from_the_future(machine: Machine) -> None:
    """The clock was set back: whatever is started now would seem older than the file."""
    assert not ServiceStart(100.0, now=200.0).is_older_than(3800.0)
    machine.write("proc/stat", f"btime {int(time.time()) - 100}\n")
    host = Systemd(machine)
    host.answer = "ActiveState=active\nActiveEnterTimestampMonotonic=2500000\n"
    start = read_start(host, UNIT)
    assert start.is_older_than(time.time())
    assert not start.is_older_than(time.time() + 3600)
