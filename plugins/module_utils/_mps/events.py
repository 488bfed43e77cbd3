# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What libvirt tells of guests: events, and the functions that active domains have.

The bindings of libvirt are a package of the distribution, loaded by name: the rest works, and is
tested, without them. Everything here runs in a thread of its own, since a daemon that hangs keeps
its clients waiting, and the comparisons have to go on meanwhile.

References: libvirt's C(virDomainEventID), C(virDomainEventType), C(virConnectSetKeepAlive).
"""

from __future__ import annotations

import contextlib
import importlib
import typing as t

from .._errors import HwaccelError
from .._vfio.domains import parse_domain
from .agenda import Reason
from .log import INFO, WARNING, Once

if t.TYPE_CHECKING:
    from types import ModuleType

    from .._pci.address import PciAddress
    from .log import Log

PACKAGE = "python3-libvirt"
_URI = "qemu:///system"
_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT = 5, 3
_LOOK_MILLISECONDS = 2000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 2.0
# By the number of the event (virDomainEventType).
_LIFECYCLE = (
    "was defined",
    "was undefined",
    "started",
    "was suspended",
    "resumed",
    "stopped",
    "is shutting down",
    "was suspended by its power management",
    "crashed",
)


# virConnect of the bindings, which have no types.
_Connection = t.Any


class _Domain(t.Protocol):
    def name(self) -> str: ...


def load_bindings() -> ModuleType:
    """Return libvirt's Python bindings.

    Raises:
        HwaccelError: when the interpreter does not have them.
    """
    try:
        return importlib.import_module("libvirt")
    except ImportError as error:
        message = f"no libvirt bindings for Python ({error}): install the package {PACKAGE}"
        raise HwaccelError(message) from error


class Guests:
    """A connection to libvirt that comes back after each loss.

    Args:
        libvirt: the bindings.
        tell: takes each event.
        clock: only goes forward.
        pause: waits for some seconds.

    Attributes:
        held: what active domains have, None while that is not known.
    """

    def __init__(
        self,
        libvirt: ModuleType,
        tell: t.Callable[[Reason], None],
        log: Log,
        clock: t.Callable[[], float],
        pause: t.Callable[[float], None],
    ) -> None:
        self.held: frozenset[PciAddress] | None = None
        self._libvirt = libvirt
        self._tell = tell
        self._once = Once(log)
        self._log = log
        self._clock = clock
        self._pause = pause
        self._lost = ""
        self._stale = True

    def run(self) -> t.NoReturn:
        """Listen for good."""
        libvirt = self._libvirt
        # Without one, libvirt prints every error by itself.
        libvirt.registerErrorHandler(_say_nothing, None)
        libvirt.virEventRegisterDefaultImpl()
        libvirt.virEventAddTimeout(_LOOK_MILLISECONDS, _wake, None)
        pause = _FIRST_PAUSE
        while True:
            try:
                connection = libvirt.open(_URI)
            except libvirt.libvirtError as error:
                self._miss(str(error))
            else:
                pause = _FIRST_PAUSE
                self._miss(self._listen(connection))
            self._pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _miss(self, why: str) -> None:
        self.held = None
        self._once.tell(
            _URI,
            WARNING,
            f"libvirt cannot be reached: {why}; every recorded PF on a VFIO driver is compared "
            "meanwhile",
        )

    def _listen(self, connection: _Connection) -> str:
        """Take events until the connection is lost, and return why it was."""
        libvirt = self._libvirt
        self._lost, self._stale = "", True
        try:
            connection.registerCloseCallback(self._closed, None)
            connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT)
            for number, callback in (
                (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle),
                (libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._rebooted),
                (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, self._device_added),
                (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, self._device_removed),
            ):
                connection.domainEventRegisterAny(None, number, callback, None)
            self._refresh(connection)
            self._once.forget(_URI)
            self._log(INFO, f"listening to libvirt at {_URI}")
            self._happened("libvirt was reached")
            while not self._lost and connection.isAlive():
                if self._stale:
                    self._refresh(connection)
                libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as error:
            return self._lost or str(error)
        finally:
            _close(libvirt, connection)
        return self._lost or "the connection is gone"

    def _refresh(self, connection: _Connection) -> None:
        """Look what active domains have; one that ends meanwhile has nothing."""
        self._stale = False
        active = self._libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
        held: set[PciAddress] = set()
        for domain in connection.listAllDomains(active):
            try:
                document = domain.XMLDesc(0)
            except self._libvirt.libvirtError:
                continue
            parsed = parse_domain(document.encode())
            held.update(parsed.functions if parsed else ())
        self.held = frozenset(held)

    def _happened(self, what: str) -> None:
        self._stale = True
        self._tell(Reason(what, self._clock()))

    def _lifecycle(
        self, _connection: object, domain: _Domain, event: int, _detail: int, _opaque: object
    ) -> None:
        told = _LIFECYCLE[event] if event < len(_LIFECYCLE) else f"had event {event}"
        self._happened(f"guest {domain.name()} {told}")

    def _rebooted(self, _connection: object, domain: _Domain, _opaque: object) -> None:
        self._happened(f"guest {domain.name()} rebooted")

    def _device_added(
        self, _connection: object, domain: _Domain, device: str, _opaque: object
    ) -> None:
        self._happened(f"guest {domain.name()} got {device}")

    def _device_removed(
        self, _connection: object, domain: _Domain, device: str, _opaque: object
    ) -> None:
        self._happened(f"guest {domain.name()} let {device} go")

    def _closed(self, _connection: object, reason: int, _opaque: object) -> None:
        self._lost = f"it closed the connection (reason {reason})"


def _say_nothing(_context: object, _error: object) -> None:
    """Leave an error to who catches it."""


def _wake(_timer: int, _opaque: object) -> None:
    """Let the event loop come round."""


def _close(libvirt: ModuleType, connection: _Connection) -> None:
    """Let a connection go, which may be dead."""
    for step in (connection.unregisterCloseCallback, connection.close):
        with contextlib.suppress(libvirt.libvirtError):
            step()
