# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program of the service: C(python3 mps-watcher.pyz)."""

from __future__ import annotations

import argparse
import queue
import signal
import threading
import time
import typing as t

from .._errors import HwaccelError
from .._host import Host
from .._notify import tell_systemd
from .agenda import COMPARISON, Agenda, Reason
from .events import Guests, load_bindings
from .log import ERROR, INFO, to_journal, to_terminal
from .watch import REPAIRED, RIGHT, Watcher

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .._pci.address import PciAddress

# An event, the end of the thread that listens, or the word to stop.
News = t.Union[Reason, HwaccelError, None]


class Inbox(t.Protocol):
    """Where news arrive, as C(queue.SimpleQueue) has it: put may be called by a signal handler."""

    def get(self, *, timeout: float) -> News:
        """Return the next one.

        Raises:
            queue.Empty: when there is none within so many seconds.
        """


class _HasHeld(t.Protocol):
    @property
    def held(self) -> frozenset[PciAddress] | None: ...


class Loop:
    """Looks when it is time, until it is told to stop.

    Args:
        guests: who knows what guests have.
    """

    def __init__(
        self,
        watcher: Watcher,
        guests: _HasHeld,
        inbox: Inbox,
        clock: t.Callable[[], float],
    ) -> None:
        self._watcher = watcher
        self._guests = guests
        self._inbox = inbox
        self._clock = clock
        self._agenda = Agenda(clock())

    def run(self, ready: t.Callable[[], object]) -> None:
        """Compare once, say that this is done, and watch.

        Raises:
            HwaccelError: when the thread that listens has ended.
        """
        self._look(Reason("start of the service", self._clock()), None)
        ready()
        while True:
            try:
                news = self._inbox.get(timeout=self._agenda.wait(self._clock()))
            except queue.Empty:
                pass
            else:
                if news is None:
                    return
                if isinstance(news, HwaccelError):
                    raise news
                self._agenda.add(news, self._clock())
            look = self._agenda.take(self._clock())
            if look is not None:
                self._look(look.reason, None if look.everything else self._guests.held)

    def _look(self, reason: Reason, held: frozenset[PciAddress] | None) -> None:
        if any(finding.again for finding in self._watcher.check(reason, held)):
            self._agenda.add_again(reason, self._clock())


def main(version: str, arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="mps-watcher",
        description="Keeps the Max Payload Size of PFs that guests have as qat_mps has saved it.",
    )
    parser.add_argument("--version", action="version", version=f"mps-watcher {version}")
    parser.add_argument("--once", action="store_true", help="compare once, repair, and exit")
    parser.add_argument("--root", default="/", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    host = Host(options.root)
    if options.once:
        return _once(host)
    try:
        return _serve(host)
    except HwaccelError as error:
        to_journal(ERROR, str(error))
        return 1


def _once(host: Host) -> int:
    """Compare without libvirt; status 1 tells that something is not as it is to be."""
    watcher = Watcher(host, to_terminal, time.monotonic)
    findings = watcher.check(COMPARISON, None)
    for finding in findings:
        if finding.outcome == RIGHT:
            text = f"{finding.address}: Max Payload Size {finding.found}, as it is to be"
            to_terminal(INFO, text)
    wrong = any(finding.outcome not in {RIGHT, REPAIRED} for finding in findings)
    return int(wrong or not watcher.has_record)


def _serve(host: Host) -> int:
    """Watch until systemd ends it."""
    libvirt = load_bindings()
    inbox: queue.SimpleQueue[News] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: inbox.put(None))
    # Starts the child that writes, while there is one thread.
    host.guarded_attributes(["/proc/sys/kernel/osrelease"])
    guests = Guests(libvirt, inbox.put, to_journal, time.monotonic, time.sleep)

    def listen() -> None:
        try:
            guests.run()
        finally:
            inbox.put(HwaccelError("the thread that listens to libvirt has ended: a fault"))

    # It may wait for libvirt at any time, and is not waited for.
    threading.Thread(target=listen, name="libvirt", daemon=True).start()
    Loop(Watcher(host, to_journal, time.monotonic), guests, inbox, time.monotonic).run(
        lambda: tell_systemd("READY=1")
    )
    to_journal(INFO, "stopped")
    return 0
