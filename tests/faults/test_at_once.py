# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two controllers that do something on one machine at the same time, in real processes."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils import _host
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import BlockedError, HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
from ansible_collections.hwaccel.virt.tests.faults.bench import is_temporary
from ansible_collections.hwaccel.virt.tests.faults.processes import Process, at_once, wait_until
from ansible_collections.hwaccel.virt.tests.faults.scenarios import (
    BOOT,
    CONFIG,
    DEBIAN,
    LICENSE,
    NEW_QAT,
    OLD_QAT,
    QATLIB,
    SAVED,
    VFS,
    WATCHER,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins import config_runs
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ansible_collections.hwaccel.virt.tests.faults.bench import Bench, Options, Scenario
    from ansible_collections.hwaccel.virt.tests.faults.conftest import MakeBench
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import Result

_FEW, _MANY = 2, 20
# A copy of the file is made by each run that changes it: by two of them as by one.
_LICENSE = replace(LICENSE, options={**LICENSE.options, "backup": False})
_CONFIG = replace(CONFIG, options={**CONFIG.options, "backup": False})


def _qatlib_tree(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    """Lay what a running host has; what udev does is no file, and no other process sees it."""
    QATLIB.prepare(machine, patch)


_QATLIB = replace(QATLIB, prepare=_qatlib_tree)
_TREE = next(tree for tree in BOOT if tree.name.endswith("-rhel9-bls"))
_CASES: list[tuple[Scenario, Options]] = [
    (_LICENSE, {"server_address": "other", "remove_tokens": True, "licensing": "server"}),
    (_CONFIG, {"path": config_runs.PF_FILE, "sections": {"SSL": {"crypto": 3}}}),
    (SAVED, {"state": "saved", "devices": [PF]}),
    (WATCHER, {"state": "absent"}),
    (OLD_QAT, {"devices": [PF], "num_vfs": 0}),
    (NEW_QAT, {"services": ["asym", "dc"]}),
    (_QATLIB, {"devices": ["all"], "vfs": "2"}),
    (VFS, {"devices": ["qat"], "persistent": False}),
    (DEBIAN, {"extra": ["quiet"]}),
    (_TREE, {**_TREE.options, "extra": ["mitigations=auto"]}),
]


def _names(case: object) -> str:
    return "and-another" if isinstance(case, dict) else str(case)


@pytest.mark.parametrize("same", [True, False], ids=["same", "other"])
@pytest.mark.parametrize(("scenario", "other"), _CASES, ids=_names)
def test_two_runs_at_once(
    scenario: Scenario, other: Options, make_bench: MakeBench, *, same: bool, every: bool
) -> None:
    """The end is that of one after the other, whichever came first, and so is the way back."""
    bench = make_bench(scenario)
    first, second = scenario.options, scenario.options if same else other
    ends = []
    for order in [(first, second)] if same else [(first, second), (second, first)]:
        for options in order:
            assert "failed" not in bench.run(options)
        ends.append(_end(bench))
        bench.restart()
    for _round in range(_MANY if every else _FEW):
        results = at_once(lambda: bench.run(first), lambda: bench.run(second))
        assert [result["msg"] for result in results if result.get("failed")] == []
        assert not [*filter(is_temporary, bench.own_files())]
        assert _end(bench) in ends
        if same:
            # The second one finds it done.
            assert sorted(result["changed"] for result in results) == [False, True]
        bench.restart()


def _end(bench: Bench) -> object:
    """Return what two runs come to, with what stands after the way back."""
    there = bench.own_files(), bench.devices()
    if bench.scenario.back is None:
        return there
    result = bench.run(bench.scenario.back)
    assert "failed" not in result, result["msg"]
    return (*there, bench.own_files())


def test_two_modules_that_share_the_record(make_bench: MakeBench, *, every: bool) -> None:
    """None of the two takes what the other has written there away."""
    bench = make_bench(_LICENSE)
    CONFIG.prepare(bench.machine, bench.monkeypatch)
    content = bench.machine.at(config_runs.PF_FILE).read_bytes()

    def other(options: Options) -> Result:
        return bench.runner()(CONFIG.module, options, running=None)

    for _round in range(_MANY if every else _FEW):
        at_once(bench.run, lambda: other(_CONFIG.options))
        assert bench.machine.at(config_runs.PF_FILE).read_bytes() != content
        record = bench.machine.read("var/lib/hwaccel/undo.json")
        assert all(f'"{module}"' in record for module in (_LICENSE.module, CONFIG.module))
        back = at_once(
            lambda: bench.run({"state": "absent"}), lambda: other(t.cast("t.Any", CONFIG.back))
        )
        assert [result["changed"] for result in back] == [True, True]
        assert bench.machine.at(config_runs.PF_FILE).read_bytes() == content
        bench.restart()
        CONFIG.prepare(bench.machine, bench.monkeypatch)


def test_a_run_that_has_to_wait_too_long_says_for_whom(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(_LICENSE)
    before, root = bench.own_files(), bench.machine.root
    lock = Host.lock
    monkeypatch.setattr(Host, "lock", lambda self: lock(self, seconds=0.1))
    with lock(Host(root)):
        result = bench.run()
        assert result["failed"]
        assert str(root) in result["msg"]
        assert "another run of the collection" in result["msg"]
        assert bench.own_files() == before
        # Who only looks waits for nobody.
        assert bench.run(check=True)["changed"]
    assert bench.run()["changed"]


# -- the lock of a run that was killed ---------------------------------------------------------


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Host]:
    monkeypatch.setattr(_host, "_LOCK", str(tmp_path / "lock"))
    return lambda: Host(read_seconds=0.2)


def _is_free(host: Host) -> bool:
    try:
        with host.lock(seconds=0):
            return True
    except BlockedError:
        return False


def _killed_in(live: Callable[[], Host], work: Callable[[Host], object], started: Path) -> None:
    """Kill a run, which has the lock, once the work in it has begun."""

    def run() -> None:
        host = live()
        with host.lock():
            work(host)

    process = Process(run)
    process.start()
    wait_until(started.exists)
    process.kill()


@pytest.mark.parametrize("long", [False, True])
def test_the_next_run_waits_for_a_command_of_one_that_was_killed(
    live: Callable[[], Host], tmp_path: Path, *, long: bool
) -> None:
    """What makes a menu goes on without the run that has started it: two would spoil the menu."""
    started, pid = tmp_path / "started", tmp_path / "pid"
    script = f"echo $$ >{pid}; echo >{started}; exec sleep 600"

    def work(host: Host) -> None:
        if long:
            log = str(tmp_path / "log")
            host.run_logged(["sh", "-c", script], log, folder=str(tmp_path), seconds=600)
        else:
            host.run(["sh", "-c", script])

    _killed_in(live, work, started)
    assert not _is_free(live())
    os.kill(int(pid.read_text(encoding="ascii")), signal.SIGKILL)
    wait_until(lambda: _is_free(live()))


def test_the_next_run_does_not_wait_for_a_write_that_hangs(
    live: Callable[[], Host], tmp_path: Path
) -> None:
    """It finds out itself that the kernel does not answer, and says so."""
    silent, started = tmp_path / "silent", tmp_path / "started"
    os.mkfifo(silent)

    def work(host: Host) -> None:
        host.guarded_attributes([str(silent)])
        started.touch()
        time.sleep(600)

    try:
        _killed_in(live, work, started)
        assert _is_free(live())
    finally:
        os.close(os.open(silent, os.O_RDWR | os.O_NONBLOCK))


def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: Callable[[], Host]
) -> None:
    """Such as a network one: a tree goes without, the running machine never does."""

    def refuse(_handle: int, _what: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Host(tmp_path).lock():
        pass
    with pytest.raises(HostError, match="cannot lock"), live().lock():
        pytest.fail("no lock")
