# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A kernel that answers reads and writes with an error, or not at all, and devices that go.

At each read and each write in turn. What tests of the modules show of single attributes is not
shown again: here it is that none of them ends in a traceback, or leaves something half done.
"""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import BlockedError, HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._host import BLOCKED, Blocked
from ansible_collections.hwaccel.virt.tests.faults.bench import Scenario, differing
from ansible_collections.hwaccel.virt.tests.faults.scenarios import (
    ABSENT,
    GUEST,
    NEW_QAT,
    OLD_QAT,
    RESTORED,
    SAVED,
    UNDO,
    VFS,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF, RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ansible_collections.hwaccel.virt.tests.faults.bench import Bench
    from ansible_collections.hwaccel.virt.tests.faults.conftest import Choose, MakeBench
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import Result

_SECOND = "0000:03:00.0"
_PCI = "/sys/bus/pci/"
_DEVICES = f"{_PCI}devices/"
_ERRORS = (errno.EBUSY, errno.EINVAL, errno.EIO, errno.EPERM, errno.ENODEV)
# The read is taken for one of something that is not there.
_GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO)


def _info(machine: Machine, patch: pytest.MonkeyPatch) -> RunningHost:
    host = VFS.prepare(machine, patch)
    machine.add_pf("c62x", _SECOND, vfs=2)
    assert host is not None
    return host


_INFO = Scenario("accelerator_info", "accelerator_info", {}, _info)
_CHANGING = (OLD_QAT, NEW_QAT, VFS, SAVED, RESTORED, GUEST)
_WRITING = (OLD_QAT, NEW_QAT, VFS, RESTORED)


def _pairs(scenarios: Sequence[Scenario], errors: Sequence[int]) -> list[object]:
    """Return each scenario with each error; a fixed choice has every other one."""
    return [
        pytest.param(
            scenario,
            number,
            id=f"{scenario}-{errno.errorcode[number]}",
            marks=[pytest.mark.thorough] if (row + column) % 2 else [],
        )
        for row, scenario in enumerate(scenarios)
        for column, number in enumerate(errors)
    ]


class Kernel:
    """What a host is asked and told below C(/sys/bus/pci), with a fault at one of it.

    Attributes:
        reads: the paths that were read, in order; guarded ones too.
        writes: the paths that were written.
        guarded: the paths of reads that have a bound.
        fault: what happens at a read or a write, by its number from 1 on.
    """

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand between a host and its tree."""
        assert bench.running is not None
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.guarded: set[str] = set()
        self._at: tuple[str, int] = ("", 0)
        self._answer: Callable[[str], int | None] = lambda _path: None
        self._put(bench.running, monkeypatch)

    def strike(self, kind: str, number: int, answer: Callable[[str], int | None]) -> None:
        """Have something happen at the n-th read or write: it returns an errno, or None."""
        self.reads.clear()
        self.writes.clear()
        self._at, self._answer = (kind, number), answer

    def _seen(self, kind: str, path: str) -> int | None:
        if not path.startswith(_PCI):
            return None
        paths = self.reads if kind == "read" else self.writes
        paths.append(path)
        return self._answer(path) if (kind, len(paths)) == self._at else None

    def _put(self, host: RunningHost, patch: pytest.MonkeyPatch) -> None:
        read, write, piece = host.read_bytes, host.write_attribute, host.write_piece

        def read_bytes(path: str) -> bytes | None:
            number = self._seen("read", path)
            if number in _GONE:
                return None
            if number:
                host.unanswered(path, number)
                return None
            return read(path)

        def guarded(paths: Sequence[str]) -> dict[str, str | Blocked | None]:
            return {path: self._guarded(host, path) for path in paths}

        def write_attribute(path: str, value: str, *, seconds: float) -> None:
            self._check_write(path)
            write(path, value, seconds=seconds)

        def write_piece(path: str, offset: int, data: bytes, *, seconds: float) -> None:
            self._check_write(path)
            if not host.recording.exists(path):
                raise HostError.from_os("write to", path, errno.ENOENT)
            piece(path, offset, data, seconds=seconds)

        patch.setattr(host, "read_bytes", read_bytes)
        patch.setattr(host, "guarded_attributes", guarded)
        patch.setattr(host, "write_attribute", write_attribute)
        patch.setattr(host, "write_piece", write_piece)

    def _guarded(self, host: RunningHost, path: str) -> str | Blocked | None:
        self.guarded.add(path)
        number = self._seen("read", path)
        if number == errno.ETIMEDOUT:
            return BLOCKED
        if number and number not in _GONE:
            host.unanswered(path, number)
        return None if number else host.recording.attribute(path)

    def _check_write(self, path: str) -> None:
        number = self._seen("write", path)
        if number == errno.ETIMEDOUT:
            raise BlockedError(f"writing to {path} did not end within 30 s", errno.EBUSY)
        if number:
            raise HostError.from_os("write to", path, number)


def _kernel(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Start anew, with a kernel that has no fault yet."""
    bench.restart()
    return Kernel(bench, monkeypatch)


def _clean_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Return what is read and written when nothing goes wrong."""
    kernel = _kernel(bench, monkeypatch)
    result = bench.run()
    assert "failed" not in result, result["msg"]
    return kernel


def _say(number: int) -> Callable[[str], int]:
    return lambda _path: number


def _check_message(result: Result, number: int, path: str) -> None:
    """See that a failure names the file, and what the kernel has answered."""
    message = str(result["msg"])
    assert path in message, message
    assert errno.errorcode[number] in message, message


@pytest.mark.parametrize(("scenario", "number"), _pairs(_CHANGING, _ERRORS))
def test_a_read_fails(
    scenario: Scenario,
    number: int,
    make_bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    moments: Choose,
) -> None:
    """Before anything was changed nothing is; later on it is told what was."""
    bench = make_bench(scenario)
    reads = [*_clean_run(bench, monkeypatch).reads]
    for moment in moments(len(reads)):
        kernel = _kernel(bench, monkeypatch)
        before, found = bench.own_files(), bench.devices()
        kernel.strike("read", moment, _say(number))
        result = bench.run()
        if result.get("failed") and number not in _GONE:
            _check_message(result, number, kernel.reads[moment - 1])
        made = "the changes are made" in str(result.get("msg"))
        if result.get("failed") and not made and bench.devices() == found:
            assert kernel.writes or bench.own_files() == before
        _check_rest(bench, kernel)


def _check_rest(bench: Bench, kernel: Kernel) -> None:
    """See that the next run, which nothing keeps from it, finishes."""
    kernel.strike("none", 0, _say(0))
    result = bench.run()
    assert "failed" not in result, result["msg"]
    assert not bench.run()["changed"]


@pytest.mark.parametrize(("scenario", "number"), _pairs(_WRITING, [*_ERRORS, errno.ETIMEDOUT]))
def test_a_write_fails_or_hangs(
    scenario: Scenario,
    number: int,
    make_bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    moments: Choose,
) -> None:
    """The message names file and errno, and what stands; other writes that were made are told."""
    bench = make_bench(scenario)
    count = len(_clean_run(bench, monkeypatch).writes)
    for moment in moments(count):
        kernel = _kernel(bench, monkeypatch)
        before, found = bench.own_files(), bench.devices()
        kernel.strike("write", moment, _say(number))
        result = bench.run()
        if "failed" not in result:
            # What has the same effect was done instead, or the device has it after all.
            assert number in (errno.EINVAL, errno.ENODEV)
            continue
        path = kernel.writes[moment - 1]
        assert path in result["msg"]
        assert number == errno.ETIMEDOUT or errno.errorcode[number] in result["msg"]
        if bench.devices() == found and number != errno.ETIMEDOUT and moment == 1:
            # For a write that another one can stand in for, what was found stays on record.
            kept = {UNDO} if scenario is NEW_QAT else set()
            assert differing(bench.own_files(), before) <= kept
        elif moment > 1:
            assert "Already done" in result["msg"] or "Brought back" in result["msg"], result["msg"]
        _check_rest(bench, kernel)


@pytest.mark.parametrize("scenario", [OLD_QAT, NEW_QAT, VFS], ids=str)
def test_a_read_hangs(
    scenario: Scenario, make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, moments: Choose
) -> None:
    """What can hang is read within a bound: nothing is changed on a device that does not answer."""
    bench = make_bench(scenario)
    clean = _clean_run(bench, monkeypatch)
    places = [place for place, path in enumerate(clean.reads, 1) if path in clean.guarded]
    assert places
    for moment in moments(len(places)):
        kernel = _kernel(bench, monkeypatch)
        before = bench.own_files()
        kernel.strike("read", places[moment - 1], _say(errno.ETIMEDOUT))
        result = bench.run()
        told = str(result.get("msg", ""))
        if "failed" in result:
            assert "blocked" in told or "does not answer" in told, told
            assert kernel.writes or bench.own_files() == before
        _check_rest(bench, kernel)


@pytest.mark.parametrize("number", [*_ERRORS, errno.ETIMEDOUT], ids=errno.errorcode.get)
def test_the_report_goes_on_without_what_cannot_be_read(
    number: int, make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, moments: Choose
) -> None:
    """One file of one device that cannot be read is a problem of it; all others are shown."""
    bench = make_bench(_INFO)
    clean = _clean_run(bench, monkeypatch)
    reads = [*clean.reads]
    whole = {each["address"]: each for each in bench.run()["devices"]}
    places = [place for place, path in enumerate(reads, 1) if path.startswith(_DEVICES)]
    if number == errno.ETIMEDOUT:
        places = [place for place in places if reads[place - 1] in clean.guarded]
    for moment in moments(len(places), 3):
        kernel = _kernel(bench, monkeypatch)
        kernel.strike("read", places[moment - 1], _say(number))
        result = bench.run()
        assert "failed" not in result, result["msg"]
        path = kernel.reads[places[moment - 1] - 1]
        address = path.removeprefix(_DEVICES).partition("/")[0]
        told = {each["address"]: each for each in result["devices"]}
        related = {address, *_relatives(bench, address)}
        assert {at: told.get(at) for at in whole if at not in related} == {
            at: each for at, each in whole.items() if at not in related
        }
        if number not in (*_GONE, errno.ETIMEDOUT):
            (problem,) = [each for each in result["problems"] if path in each["what"]]
            assert errno.errorcode[number] in problem["what"]


def _relatives(bench: Bench, address: str) -> list[str]:
    """Return the VFs of a PF, or the PF of a VF, whose description has a part of the other's."""
    if address in bench.machine.pfs:
        return bench.machine.vfs(address)
    pf = bench.machine.link_name(f"{bench.machine.device(address)}/physfn")
    return [pf] if pf else []


# -- devices that go ---------------------------------------------------------------------------


def _pull(bench: Bench, address: str) -> Callable[[str], None]:
    """Return what takes a card out, with its VFs; the guest that has one loses it too."""

    def pull(_path: str) -> None:
        machine = bench.machine
        if machine.at(machine.device(address)).is_dir():
            machine.remove_vfs(address)
            machine.remove(address)

    return pull


_CARDS = [(OLD_QAT, PF), (OLD_QAT, _SECOND), (NEW_QAT, PF), (VFS, PF), (SAVED, PF), (RESTORED, PF)]


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize(("scenario", "card"), _CARDS, ids=str)
def test_a_card_is_pulled(
    scenario: Scenario,
    card: str,
    kind: str,
    make_bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    moments: Choose,
) -> None:
    """At each read, and so between observation and plan; and at each write."""
    bench = make_bench(scenario)
    clean = _clean_run(bench, monkeypatch)
    count = len(clean.reads if kind == "read" else clean.writes)
    for moment in moments(count):
        kernel = _kernel(bench, monkeypatch)
        before, vfs = bench.own_files(), bench.machine.vfs(card)
        kernel.strike(kind, moment, _pull(bench, card))
        result = bench.run()
        if result.get("failed"):
            # It, or one of its VFs, or the ports that it was found behind.
            named = (card, *vfs, "device")
            assert any(each in result["msg"] for each in named), result["msg"]
            assert kernel.writes or bench.own_files() == before
        kernel.strike("none", 0, _say(0))
        options = {**scenario.options, "missing_ok": True}
        rest = bench.run(options)
        assert "failed" not in rest, rest["msg"]
        assert not bench.run(options)["changed"]
        assert card not in [device["address"] for device in rest["devices"]]
        if scenario.back is not None:
            gone = bench.run({**scenario.options, **ABSENT, "missing_ok": True})
            assert "failed" not in gone, gone["msg"]


def test_a_card_is_pulled_while_it_is_looked_at(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, moments: Choose
) -> None:
    """Others are shown, at whichever read it goes."""
    bench = make_bench(_INFO)
    reads = len(_clean_run(bench, monkeypatch).reads)
    for moment in moments(reads, 6):
        kernel = _kernel(bench, monkeypatch)
        kernel.strike("read", moment, _pull(bench, PF))
        result = bench.run()
        assert "failed" not in result, result["msg"]
        assert _SECOND in [device["address"] for device in result["devices"]]
