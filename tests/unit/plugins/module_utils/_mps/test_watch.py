# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The watcher's core: what is repaired, what is told, and what is never written."""

from __future__ import annotations

import errno
import json
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._mps import watch as watch_file
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.agenda import (
    COMPARISON,
    Agenda,
    Look,
    Reason,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.log import (
    ERROR,
    INFO,
    NOTICE,
    WARNING,
    to_journal,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.payload import read_payload
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.watch import Finding, Watcher
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, DEVICES, OTHER, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.mps_runs import (
    CONTROL,
    PORT,
    PORT_ID,
    add_card,
    break_device,
    set_sizes,
    space,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
    from ansible_collections.hwaccel.virt.plugins.module_utils._mps.payload import Payload
    from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import PciFunction
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

ADDRESS = PciAddress.parse(PF)
CONFIG = f"/{DEVICES}/{PF}/config"
RECORD = "var/lib/hwaccel/mps.json"


class Watch:
    """A watcher on a machine, with a clock that stands still unless it is moved."""

    def __init__(self, machine: Machine, running: RunningHost) -> None:
        """Start with nothing recorded."""
        self.machine = machine
        self.running = running
        self.now = 100.0
        self.log: list[tuple[int, str]] = []
        self.watcher = Watcher(running, lambda *line: self.log.append(line), lambda: self.now)

    def save(self, mps: int = 256, *, pci_id: str = str(C62X.pf_id)) -> None:
        """Have a size recorded."""
        document = {"version": 1, "devices": {PF: {"id": pci_id, "mps": mps}}}
        self.machine.write(RECORD, json.dumps(document))

    def look(
        self, reason: Reason = COMPARISON, held: set[PciAddress] | None = None
    ) -> Finding | None:
        """Return what is found of the one PF."""
        findings = self.watcher.check(reason, held)
        assert len(findings) < 2
        return findings[0] if findings else None

    def outcome(self, reason: Reason = COMPARISON) -> str:
        """Return how a look at the one PF ends."""
        finding = self.look(reason)
        assert finding is not None
        return finding.outcome

    @property
    def writes(self) -> list[tuple[str, int, bytes]]:
        """What was written to configuration space."""
        return self.running.patched


@pytest.fixture(autouse=True)
def _links_stay_below_the_root(
    machine: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "canonical", machine.host.canonical)


@pytest.fixture
def watch(machine: Machine, running: RunningHost) -> Watch:
    """Watch a card of 256 bytes on vfio-pci, which was reset to 128."""
    add_card(machine, mps=128)
    machine.bind(PF, "vfio-pci")
    watch = Watch(machine, running)
    watch.save()
    return watch


# -- repairs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", ["vfio-pci", "qat_vfio_pci"])
def test_what_a_guest_has_is_repaired(watch: Watch, driver: str) -> None:
    watch.machine.bind(PF, driver)
    assert watch.look(held={ADDRESS}) == Finding(ADDRESS, "repaired", 128, 256)
    assert watch.writes == [(CONFIG, CONTROL, b"\x20\x00")]
    assert watch.log == [
        (NOTICE, f"{PF}: Max Payload Size was 128, is 256 again; comparison"),
    ]
    assert watch.look(held={ADDRESS}) == Finding(ADDRESS, "right", 256, 256)
    assert len(watch.writes) == len(watch.log) == 1


def test_the_time_from_event_to_repair_is_told(watch: Watch) -> None:
    reason = Reason("guest one rebooted", watch.now)
    watch.now += 0.25
    assert watch.outcome(reason) == "repaired"
    assert watch.log[0][1].endswith("is 256 again; 0.250 s after: guest one rebooted")


def test_each_repair_is_told(watch: Watch) -> None:
    watch.look()
    set_sizes(watch.machine, mps=128)
    watch.look()
    assert [priority for priority, _text in watch.log] == [NOTICE, NOTICE]


def test_without_the_erratum_nothing_is_ever_written(watch: Watch) -> None:
    set_sizes(watch.machine, mps=256)
    for _time in range(100):
        assert watch.outcome() == "right"
    assert (watch.writes, watch.log) == ([], [])


def test_never_above_what_the_path_allows(watch: Watch) -> None:
    watch.save(1024)
    port = space(PORT_ID, mps=128, supported=512, port_type=4)
    watch.machine.write(f"{DEVICES}/{PORT}/config", port)
    assert watch.look() == Finding(ADDRESS, "right", 128, 128)
    port = space(PORT_ID, mps=512, supported=512, port_type=4)
    watch.machine.write(f"{DEVICES}/{PORT}/config", port)
    assert watch.look() == Finding(ADDRESS, "repaired", 128, 256)
    assert "is 256 (saved 1024; the device supports 256)" in watch.log[0][1]


def test_a_size_above_the_path_is_put_down(watch: Watch) -> None:
    set_sizes(watch.machine, mps=512, supported=512)
    watch.save(512)
    assert watch.look() == Finding(ADDRESS, "repaired", 512, 256)


def test_a_reserved_encoding_is_repaired(watch: Watch) -> None:
    set_sizes(watch.machine, mps=None)
    assert watch.look() == Finding(ADDRESS, "repaired", None, 256)
    assert "was a reserved encoding, is 256 again" in watch.log[0][1]


def test_an_endpoint_without_a_bridge(machine: Machine, running: RunningHost) -> None:
    config = space(mps=128, port_type=9)
    machine.add_function(PF, C62X.pf_id, driver="vfio-pci", bridge=".", config=config)
    watch = Watch(machine, running)
    watch.save()
    assert watch.outcome() == "repaired"


def test_only_those_that_are_asked_for(watch: Watch) -> None:
    other = "0000:02:00.0"
    add_card(watch.machine, other, mps=128, group=2)
    watch.machine.bind(other, "vfio-pci")
    document = json.loads(watch.machine.read(RECORD))
    document["devices"][other] = document["devices"][PF]
    watch.machine.write(RECORD, json.dumps(document))
    assert watch.watcher.check(COMPARISON, frozenset()) == ()
    found = watch.watcher.check(COMPARISON, {PciAddress.parse(other)})
    assert [str(finding.address) for finding in found] == [other]
    assert [str(finding.address) for finding in watch.watcher.check(COMPARISON, None)] == [
        PF,
        other,
    ]


# -- reports ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("driver", "told"), [("c6xx", "driver c6xx has it"), (None, "no driver"), ("pci-stub", "stub")]
)
def test_what_the_host_has_is_reported_once(watch: Watch, driver: str | None, told: str) -> None:
    watch.machine.bind(PF, driver)
    for _time in range(3):
        assert watch.look() == Finding(ADDRESS, "reported", 128, 256)
    assert watch.writes == []
    [(priority, text)] = watch.log
    assert priority == WARNING
    assert told in text
    set_sizes(watch.machine, mps=256)
    watch.look()
    watch.look()
    assert watch.log[1:] == [(INFO, f"{PF}: Max Payload Size 256, as it is to be")]


def test_another_driver_is_a_change(watch: Watch) -> None:
    for driver in ("c6xx", "c6xx", None, "c6xx"):
        watch.machine.bind(PF, driver)
        watch.look()
    assert len(watch.log) == 3


def test_another_device_at_the_address(watch: Watch) -> None:
    watch.save(pci_id=str(OTHER))
    assert [watch.outcome(), watch.outcome()] == ["reported", "reported"]
    assert watch.writes == []
    [(priority, text)] = watch.log
    assert priority == WARNING
    assert f"{C62X.pf_id} is there, and the payload size of {OTHER} was saved" in text


def test_no_device_at_the_address(watch: Watch) -> None:
    watch.machine.remove(PF)
    assert [watch.outcome(), watch.outcome()] == ["reported", "reported"]
    assert [text.startswith(f"{PF}: no device is there") for _priority, text in watch.log] == [True]


def test_a_bridge_that_does_not_tell(watch: Watch) -> None:
    break_device(watch.machine, PORT)
    assert [watch.outcome(), watch.outcome()] == ["reported", "reported"]
    assert watch.writes == []
    assert f"bridge {PORT} above it supports is not known" in watch.log[0][1]
    assert len(watch.log) == 1


# -- trouble ---------------------------------------------------------------------------------


def test_a_device_in_reset_is_looked_at_again_soon(watch: Watch) -> None:
    right = watch.machine.at(CONFIG).read_bytes()
    break_device(watch.machine)
    reason = Reason("guest one started", watch.now)
    assert watch.look(reason) == Finding(ADDRESS, "unreadable", again=True)
    watch.now += 0.1
    assert watch.look(reason) == Finding(ADDRESS, "unreadable", again=True)
    watch.machine.write(CONFIG, right)
    watch.now += 0.1
    assert watch.outcome(reason) == "repaired"
    assert [priority for priority, _text in watch.log] == [INFO, NOTICE]
    assert "0.200 s after: guest one started" in watch.log[1][1]


def test_one_that_stays_unreadable_is_left_to_the_comparisons(watch: Watch) -> None:
    break_device(watch.machine)
    watch.look()
    watch.now += 6
    assert watch.look() == Finding(ADDRESS, "unreadable", again=False)
    assert len(watch.log) == 1


def test_a_locked_down_kernel(watch: Watch) -> None:
    watch.running.answers[CONFIG, "*"] = errno.EPERM
    for _time in range(3):
        assert watch.look() == Finding(ADDRESS, "failed")
    [(priority, text)] = watch.log
    assert priority == ERROR
    assert "locked down kernel" in text
    del watch.running.answers[CONFIG, "*"]
    assert watch.outcome() == "repaired"


def test_a_device_that_does_not_take_it(watch: Watch) -> None:
    watch.running.deaf.add(CONFIG)
    assert watch.look() == Finding(ADDRESS, "failed", again=True)
    watch.now += 6
    assert watch.look() == Finding(ADDRESS, "failed", again=False)
    assert len(watch.log) == 1


def test_a_kernel_that_does_not_answer(watch: Watch) -> None:
    watch.running.blocked.add(CONFIG)
    assert watch.look() == Finding(ADDRESS, "failed")


def test_a_card_that_is_back_with_the_host_meanwhile(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_sizes(watch.machine, mps=128)

    def read(host: Host, function: PciFunction) -> Payload:
        watch.machine.bind(PF, "c6xx")
        return read_payload(host, function)

    monkeypatch.setattr(watch_file, "read_payload", read)
    assert watch.outcome() == "reported"
    assert watch.writes == []


def test_a_broken_record(watch: Watch) -> None:
    watch.machine.write(RECORD, "{")
    assert (watch.look(), watch.look()) == (None, None)
    assert watch.writes == []
    assert [priority for priority, _text in watch.log] == [ERROR]
    watch.save()
    assert watch.outcome() == "repaired"
    assert watch.log[1] == (INFO, "the record of payload sizes can be read again")


def test_the_record_counts_as_it_is_now(watch: Watch) -> None:
    watch.save(128)
    assert watch.outcome() == "right"
    watch.save(256)
    assert watch.outcome() == "repaired"
    watch.machine.at(RECORD).unlink()
    set_sizes(watch.machine, mps=128)
    assert watch.look() is None


# -- when ------------------------------------------------------------------------------------


def looks(agenda: Agenda, until: float, *, start: float = 0.0) -> list[tuple[float, Look]]:
    """Wait as the agenda says, and return when it had a look."""
    now, found = start, []
    while now <= until:
        now += agenda.wait(now)
        look = agenda.take(now)
        if look is not None:
            found.append((round(now, 3), look))
    return found


def test_a_comparison_every_two_seconds_and_a_survey_each_minute() -> None:
    found = looks(Agenda(0.0), 119.0)
    assert [at for at, _look in found] == [2.0 * number for number in range(1, 61)]
    assert [at for at, look in found if look.everything] == [60.0, 120.0]
    assert {look.reason for _at, look in found} == {COMPARISON}


def test_after_an_event_at_once_and_again_within_a_second() -> None:
    agenda = Agenda(0.0)
    event = Reason("guest one started", 0.5)
    agenda.add(event, 0.6)
    found = looks(agenda, 1.9, start=0.6)
    assert [at for at, _look in found] == [0.6, 0.75, 1.0, 1.5, 2.0]
    assert [look for _at, look in found] == 4 * [Look(event, everything=True)] + [
        Look(COMPARISON, everything=False)
    ]


def test_one_look_for_several_events_names_the_last() -> None:
    agenda = Agenda(0.0)
    first, last = Reason("one", 1.0), Reason("two", 1.01)
    agenda.add(first, 1.02)
    agenda.add(last, 1.02)
    assert agenda.take(1.02) == Look(last, everything=True)
    assert agenda.take(1.02) is None


def test_again_soon() -> None:
    agenda = Agenda(0.0)
    agenda.add_again(COMPARISON, 1.0)
    assert agenda.wait(1.0) == pytest.approx(0.1)
    assert agenda.take(1.2) == Look(COMPARISON, everything=True)


def test_a_line_of_the_journal(capsys: pytest.CaptureFixture[str]) -> None:
    to_journal(ERROR, "one\ntwo")
    assert capsys.readouterr().out == "<3>one two\n"
