# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A wall clock that jumps by years at each look: nothing that waits takes notice of it."""

from __future__ import annotations

import itertools
import os
import re
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils import _plan
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import (
    BlockedError,
    NotTakenError,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.agenda import Agenda, Reason
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Command
from ansible_collections.hwaccel.virt.tests.unit.plugins import license_runs
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

_YEAR = 365 * 86400.0
_SHORT = 0.3
_PLUGINS = Path(__file__).parents[2] / "plugins"
# Who has a right to the wall clock: to compare it with that of a server, or with times of files.
_WALL_CLOCK = {"module_utils/_net.py", "module_utils/_grid/info.py", "module_utils/_systemd.py"}


@pytest.fixture(params=[10 * _YEAR, -10 * _YEAR], ids=["forward", "back"])
def jumping(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have each look at the wall clock show another time, years from the one before."""
    start, jumps = time.time(), itertools.count(1)
    monkeypatch.setattr(time, "time", lambda: start + next(jumps) * request.param)
    yield
    monkeypatch.undo()


def _seconds(start: float) -> float:
    return time.monotonic() - start


@pytest.mark.usefixtures("jumping")
def test_waiting_for_another_run(tmp_path: Path) -> None:
    holder, waiting, start = Host(tmp_path), Host(tmp_path), time.monotonic()
    with holder.lock():
        with pytest.raises(BlockedError), waiting.lock(seconds=_SHORT):
            pytest.fail("two runs at once")
        assert _seconds(start) >= _SHORT
        let_go = threading.Event()
        waiter = threading.Thread(target=_take, args=(waiting, let_go))
        waiter.start()
        time.sleep(_SHORT)
    # Free within its time, however far the clock went meanwhile.
    waiter.join(60)
    assert let_go.is_set()


def _take(host: Host, taken: threading.Event) -> None:
    with host.lock(seconds=60):
        taken.set()


@pytest.mark.usefixtures("jumping")
def test_waiting_for_a_guest_to_let_go(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_plan, "_LOOK_SECONDS", 0.01)
    machine.write("usr/bin/true", "")
    host, looks = RunningHost(machine), itertools.count(1)
    command = Command(
        ("true", "it"), until=lambda _host: next(looks) > 3, patience=60.0, unseen="not seen"
    )
    command.apply(host)
    assert next(looks) == 5
    start = time.monotonic()
    with pytest.raises(NotTakenError, match="not seen"):
        Command(
            ("true", "it"), until=lambda _host: False, patience=_SHORT, unseen="not seen"
        ).apply(host)
    assert _seconds(start) >= _SHORT


@pytest.mark.usefixtures("jumping")
def test_waiting_for_a_command() -> None:
    start = time.monotonic()
    assert Host("/").run(["sleep", "0.1"], seconds=60.0) == ""
    with pytest.raises(BlockedError):
        Host("/").run(["sleep", "600"], seconds=_SHORT)
    assert _seconds(start) >= _SHORT


@pytest.mark.usefixtures("jumping")
def test_the_watcher_looks_by_a_clock_that_only_goes_forward() -> None:
    agenda = Agenda(time.monotonic())
    agenda.add(Reason("an event", time.monotonic()), time.monotonic())
    assert agenda.take(time.monotonic()) is not None
    assert agenda.wait(time.monotonic()) <= 0.1


def test_nothing_waits_by_the_wall_clock() -> None:
    """The sources themselves: whoever reads the wall clock is one of few."""
    found = {
        str(path.relative_to(_PLUGINS))
        for path in _PLUGINS.rglob("*.py")
        if re.search(
            r"\btime\.(time|gmtime\(\)|localtime)\b|datetime\.(now|today|utcnow)", path.read_text()
        )
    }
    assert found == _WALL_CLOCK


@pytest.mark.parametrize("hours", [1, 24 * 365])
def test_a_clock_that_was_set_back_restarts_nothing_for_ever(
    machine: Machine, run_module: ModuleRunner, hours: int
) -> None:
    """A file from what is the future now: only what a run changes asks for a restart."""
    host = license_runs.LicensedHost(machine)
    machine.write("proc/stat", f"btime {int(time.time()) - 1000}\n")
    tasks = license_runs.LicenseTasks(machine, run_module, host)
    host.started = 900 * 1_000_000
    assert tasks.run(server_address="a")["restart_required"]
    later = time.time() + hours * 3600
    os.utime(machine.at(license_runs.PATH), (later, later))
    assert not tasks.run(server_address="a")["restart_required"]
    assert tasks.run(server_address="b")["restart_required"]
    # After the start of the service, and before now.
    os.utime(machine.at(license_runs.PATH), (time.time() - 50, time.time() - 50))
    assert tasks.run(server_address="b")["restart_required"]
