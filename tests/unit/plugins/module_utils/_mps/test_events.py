# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events of libvirt, its losses, and the loop that looks when it is time."""

from __future__ import annotations

import json
import queue
import sys
import typing as t
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HwaccelError
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.agenda import Reason
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.events import Guests, load_bindings
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.log import INFO, WARNING
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.program import Loop
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.watch import Watcher
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, DEVICES, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.mps_runs import (
    add_card,
    break_device,
    config,
    set_sizes,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

ADDRESS = PciAddress.parse(PF)
HOSTDEV = (
    "<hostdev mode='subsystem' type='pci'><source>"
    "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source></hostdev>"
)


class EndOfTestError(Exception):
    """The script of a test is at its end."""


class FakeLibvirtError(Exception):
    """Stands for libvirt.libvirtError."""


def domain(title: str, devices: str = "", *, is_gone: bool = False) -> SimpleNamespace:
    """Return a guest, with devices or without, or one that has just ended."""

    def describe(flags: int) -> str:
        assert flags == 0
        if is_gone:
            raise FakeLibvirtError("Domain not found")
        return f"<domain><name>{title}</name><devices>{devices}</devices></domain>"

    return SimpleNamespace(name=lambda: title, XMLDesc=describe)


@dataclass
class FakeLibvirt:
    """The daemon, and what of the bindings is used.

    Attributes:
        script: what happens in each turn of the event loop.
        refusals: how often the next attempts to connect fail.
        log: the calls that matter, in order.
    """

    script: list[Callable[[], object]]
    refusals: int = 0
    domains: list[SimpleNamespace] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    callbacks: dict[int, Callable[..., None]] = field(default_factory=dict)
    closed: Callable[[object, int, object], None] | None = None
    alive: bool = True

    def bindings(self) -> ModuleType:
        """Return what stands for the module."""
        found = SimpleNamespace(
            libvirtError=FakeLibvirtError,
            VIR_DOMAIN_EVENT_ID_LIFECYCLE=0,
            VIR_DOMAIN_EVENT_ID_REBOOT=1,
            VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED=15,
            VIR_DOMAIN_EVENT_ID_DEVICE_ADDED=19,
            VIR_CONNECT_LIST_DOMAINS_ACTIVE=1,
            registerErrorHandler=lambda handler, context: handler(context, "an error"),
            virEventRegisterDefaultImpl=lambda: self.log.append("event loop"),
            virEventAddTimeout=lambda _time, callback, opaque: callback(1, opaque),
            virEventRunDefaultImpl=self.turn,
            open=self.open,
        )
        return t.cast("ModuleType", found)

    def open(self, uri: str) -> SimpleNamespace:
        """Connect."""
        assert uri == "qemu:///system"
        if self.refusals:
            self.refusals -= 1
            raise FakeLibvirtError("Failed to connect socket")
        self.alive = True
        self.log.append("open")
        return SimpleNamespace(
            registerCloseCallback=self.on_close,
            unregisterCloseCallback=lambda: None,
            setKeepAlive=lambda seconds, count: self.log.append(f"keepalive {seconds} {count}"),
            domainEventRegisterAny=self.on_event,
            isAlive=lambda: self.alive,
            listAllDomains=self.list_domains,
            close=self.close,
        )

    def on_close(self, callback: Callable[[object, int, object], None], _opaque: object) -> None:
        """Take who is to be told of the end of the connection."""
        self.closed = callback

    def on_event(
        self, guest: object, number: int, callback: Callable[..., None], _opaque: object
    ) -> None:
        """Take who is to be told of an event of any guest."""
        assert guest is None
        self.callbacks[number] = callback

    def list_domains(self, flags: int) -> list[SimpleNamespace]:
        """Return the active ones."""
        assert flags == 1
        if not self.alive:
            raise FakeLibvirtError("client socket is closed")
        self.log.append("list")
        return self.domains

    def close(self) -> None:
        """Let a client go; a dead connection cannot."""
        self.log.append("close")
        if not self.alive:
            raise FakeLibvirtError("client socket is closed")

    def turn(self) -> None:
        """Let the next thing happen."""
        if not self.script:
            raise EndOfTestError
        self.script.pop(0)()

    def lose(self) -> None:
        """End the connection, as a restart of the daemon does."""
        self.alive = False
        assert self.closed is not None
        self.closed(None, 1, None)

    def die(self) -> None:
        """End the connection without a word."""
        self.alive = False

    def fail(self) -> None:
        """Let the event loop fail."""
        raise FakeLibvirtError("the event loop failed")


class Listener:
    """Guests on a fake libvirt, with what they tell."""

    def __init__(self, libvirt: FakeLibvirt) -> None:
        """Start before the first connection."""
        self.libvirt = libvirt
        self.told: list[Reason] = []
        self.log: list[tuple[int, str]] = []
        self.pauses: list[float] = []
        self.held_while_lost: list[object] = []
        self.guests = Guests(
            libvirt.bindings(),
            self.told.append,
            lambda *line: self.log.append(line),
            lambda: 7.5,
            self._pause,
        )

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.held_while_lost.append(self.guests.held)
        if len(self.pauses) > 20:
            raise EndOfTestError

    def run(self) -> None:
        """Run until the script is at its end."""
        listen: Callable[[], object] = self.guests.run
        with pytest.raises(EndOfTestError):
            listen()


# -- libvirt ---------------------------------------------------------------------------------


def test_the_package_is_named_where_the_bindings_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(HwaccelError, match="install the package python3-libvirt"):
        load_bindings()
    fake = FakeLibvirt([]).bindings()
    monkeypatch.setitem(sys.modules, "libvirt", fake)
    assert load_bindings() is fake


def test_what_active_guests_have() -> None:
    guests = [domain("gone", HOSTDEV, is_gone=True), domain("bare"), domain("one", HOSTDEV)]
    assert Listener(FakeLibvirt([])).guests.held is None
    listener = Listener(FakeLibvirt([], domains=guests))
    listener.run()
    assert listener.guests.held == frozenset({ADDRESS})
    assert listener.libvirt.log == ["event loop", "open", "keepalive 5 3", "list", "list", "close"]
    assert listener.told == [Reason("libvirt was reached", 7.5)]
    assert listener.log == [(INFO, "listening to libvirt at qemu:///system")]


@pytest.mark.parametrize(
    ("number", "rest", "told"),
    [
        (0, (2, 0), "guest one started"),
        (0, (4, 0), "guest one resumed"),
        (0, (5, 0), "guest one stopped"),
        (0, (99, 0), "guest one had event 99"),
        (1, (), "guest one rebooted"),
        (15, ("hostdev0",), "guest one let hostdev0 go"),
        (19, ("hostdev0",), "guest one got hostdev0"),
    ],
)
def test_an_event(number: int, rest: tuple[object, ...], told: str) -> None:
    libvirt = FakeLibvirt([])

    def happen() -> None:
        libvirt.domains = [domain("one", HOSTDEV)]
        libvirt.callbacks[number](None, domain("one"), *rest, None)

    libvirt.script += [happen, lambda: None]
    listener = Listener(libvirt)
    listener.run()
    assert listener.told[1:] == [Reason(told, 7.5)]
    assert listener.guests.held == frozenset({ADDRESS})


def test_a_quiet_turn_asks_libvirt_nothing() -> None:
    listener = Listener(FakeLibvirt([lambda: None] * 5))
    listener.run()
    # When it was reached, and for the event that this is.
    assert listener.libvirt.log.count("list") == 2


@pytest.mark.parametrize("how", ["lose", "die", "fail"])
def test_a_restart_of_the_daemon(how: str) -> None:
    libvirt = FakeLibvirt([], domains=[domain("one", HOSTDEV)])
    libvirt.script += [getattr(libvirt, how), lambda: None]
    listener = Listener(libvirt)
    listener.run()
    assert libvirt.log.count("open") == 2
    assert (listener.held_while_lost, listener.pauses) == ([None], [0.5])
    assert listener.guests.held == frozenset({ADDRESS})
    assert [priority for priority, _text in listener.log] == [INFO, WARNING, INFO]
    assert [reason.what for reason in listener.told] == 2 * ["libvirt was reached"]
    assert len(libvirt.callbacks) == 4


def test_a_daemon_that_ends_while_it_is_asked() -> None:
    libvirt = FakeLibvirt([])

    def happen() -> None:
        libvirt.callbacks[1](None, domain("one"), None)
        libvirt.alive = False
        # What it is asked before anybody notices.
        listener.guests._refresh(libvirt.open("qemu:///system"))
        libvirt.alive = False

    libvirt.script.append(happen)
    listener = Listener(libvirt)
    listener.run()
    assert listener.pauses == [0.5]


def test_a_daemon_that_stays_away_is_waited_for_longer_and_longer() -> None:
    listener = Listener(FakeLibvirt([], refusals=6))
    listener.run()
    assert listener.pauses == [0.5, 1.0, 2.0, 2.0, 2.0, 2.0]
    assert [priority for priority, _text in listener.log] == [WARNING, INFO]
    assert "every recorded PF on a VFIO driver is compared meanwhile" in listener.log[0][1]


def test_each_loss_is_told_and_the_wait_starts_anew() -> None:
    libvirt = FakeLibvirt([], refusals=2)
    libvirt.script += [libvirt.lose, libvirt.lose]
    listener = Listener(libvirt)
    listener.run()
    assert listener.pauses == [0.5, 1.0, 0.5, 0.5]
    assert [priority for priority, _text in listener.log] == [WARNING, *[INFO, WARNING] * 2, INFO]


# -- the loop --------------------------------------------------------------------------------


class World:
    """A card of a guest, a clock that moves while nothing is to do, and what happens when."""

    def __init__(self, machine: Machine, running: RunningHost) -> None:
        """Start with a card on vfio-pci whose size is right."""
        self.machine = machine
        self.running = running
        self.now = 0.0
        self.held: frozenset[PciAddress] | None = frozenset({ADDRESS})
        self.log: list[tuple[float, str]] = []
        self.ready_at: float | None = None
        self._script: list[tuple[float, object]] = []
        add_card(machine)
        machine.bind(PF, "vfio-pci")
        document = {"version": 1, "devices": {PF: {"id": str(C62X.pf_id), "mps": 256}}}
        machine.write("var/lib/hwaccel/mps.json", json.dumps(document))

    def clock(self) -> float:
        """Return the time."""
        return self.now

    def reset(self) -> None:
        """Reset the card, which loses its size."""
        set_sizes(self.machine, mps=128)

    def at(self, time: float, thing: object) -> None:
        """Let something be done then, or arrive."""
        self._script.append((time, thing))
        self._script.sort(key=lambda entry: entry[0])

    def get(self, *, timeout: float) -> Reason | HwaccelError | None:
        """Wait for what arrives, as the queue does."""
        end = self.now + timeout
        while self._script and self._script[0][0] <= end:
            time, thing = self._script.pop(0)
            self.now = max(self.now, time)
            if callable(thing):
                thing()
            elif isinstance(thing, str):
                return Reason(thing, time)
            else:
                return t.cast("HwaccelError | None", thing)
        self.now = end
        raise queue.Empty

    def run(self, until: float) -> list[tuple[float, str]]:
        """Run the loop and return what was logged, with the times."""
        self.at(until, None)
        watcher = Watcher(
            self.running,
            lambda _priority, text: self.log.append((round(self.now, 3), text)),
            self.clock,
        )
        Loop(watcher, self, self, self.clock).run(self._be_ready)
        return self.log

    def _be_ready(self) -> None:
        self.ready_at = self.now


@pytest.fixture
def world(machine: Machine, running: RunningHost, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(running, "canonical", machine.host.canonical)
    return World(machine, running)


def test_ready_after_the_first_comparison(world: World) -> None:
    world.reset()
    log = world.run(1.0)
    assert world.ready_at == 0.0
    assert [(at, text.rpartition("; ")[2]) for at, text in log] == [
        (0.0, "0.000 s after: start of the service")
    ]


def test_a_day_without_the_erratum_writes_nothing(world: World) -> None:
    for number in range(20):
        world.at(30.0 * number, "guest one rebooted")
    assert world.run(600.0) == []
    assert world.running.patched == []


@pytest.mark.parametrize("reset_at", [4.9, 5.0, 5.05, 5.2, 5.4, 5.9])
def test_a_reset_with_an_event_is_repaired_within_a_second(world: World, reset_at: float) -> None:
    world.at(reset_at, world.reset)
    world.at(5.0, "guest one rebooted")
    [(at, text)] = world.run(20.0)
    assert max(reset_at, 5.0) <= at <= max(reset_at, 5.0) + 0.5
    assert text.endswith(f"{at - 5.0:.3f} s after: guest one rebooted")
    assert len(world.running.patched) == 1


def test_several_resets_of_one_start(world: World) -> None:
    for time in (5.01, 5.12, 5.3):
        world.at(time, world.reset)
    world.at(5.0, "guest one started")
    assert [at for at, _text in world.run(20.0)] == [5.1, 5.25, 5.5]


def test_a_reset_without_an_event_is_found_by_the_comparison(world: World) -> None:
    world.at(7.3, world.reset)
    [(at, text)] = world.run(20.0)
    assert at == 8.0
    assert text.endswith("comparison")


def test_what_no_guest_has_is_left_to_events_and_surveys(world: World) -> None:
    world.held = frozenset()
    world.at(7.3, world.reset)
    assert [at for at, _text in world.run(100.0)] == [60.0]


def test_while_libvirt_is_away_all_on_vfio_are_compared(world: World) -> None:
    world.held = None
    world.at(7.3, world.reset)
    assert [at for at, _text in world.run(20.0)] == [8.0]


def test_a_guest_that_lets_go(world: World) -> None:
    """The card is repaired while it stands on VFIO, and then belongs to the host's driver."""

    def give_back() -> None:
        world.held = frozenset()
        world.machine.bind(PF, "c6xx")
        world.reset()

    world.at(5.0, world.reset)
    world.at(5.0, "guest one stopped")
    world.at(5.3, give_back)
    (repaired, _repair), (reported, text) = world.run(200.0)
    assert (repaired, reported) == (5.0, 5.5)
    assert "driver c6xx has it" in text
    assert len(world.running.patched) == 1


def test_a_reset_that_is_going_on(world: World) -> None:
    right = config(world.machine)

    def end() -> None:
        world.machine.write(f"{DEVICES}/{PF}/config", right)
        world.reset()

    world.at(7.95, lambda: break_device(world.machine))
    world.at(8.25, end)
    (unreadable, _loss), (repaired, _repair) = world.run(20.0)
    assert (unreadable, repaired) == (8.0, 8.3)


def test_a_fault_of_the_listener_ends_the_service(world: World) -> None:
    world.at(3.0, HwaccelError("ended"))
    with pytest.raises(HwaccelError, match="ended"):
        world.run(20.0)
