# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The watcher's core: compare payload sizes with what was saved, repair those of guests.

A PF on a VFIO driver is a guest's, or was a moment ago, and no driver of the host relies on what
its Device Control says. One on a driver of the host, or on none, is looked at and left alone.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import HwaccelError, NotTakenError
from .._pci.function import read_function
from .._vfio.holders import is_vfio_driver
from .log import ERROR, INFO, NOTICE, WARNING, Once
from .payload import read_payload, write_payload
from .record import SizeRecord

if t.TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .agenda import Reason
    from .log import Log
    from .payload import Payload
    from .record import SavedSize

RIGHT, REPAIRED, REPORTED = "right", "repaired", "reported"
UNREADABLE, FAILED = "unreadable", "failed"

_RECORD = "record"
# A reset takes a tenth of a second by the specification and rarely more than one.
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """What a look at one PF found, and what was done.

    Args:
        outcome: C(right), C(repaired), C(reported) (wrong and left alone), C(unreadable) or
            C(failed).
        found: payload size in bytes, None where it cannot be told.
        wanted: what it is to be, likewise.
        again: whether to look again soon.
    """

    address: PciAddress
    outcome: str
    found: int | None = None
    wanted: int | None = None
    again: bool = False


class Watcher:
    """Compares, repairs, and says so once.

    Args:
        clock: only goes forward; the same as that of the reasons.

    Attributes:
        has_record: whether the record could be read when last looked at.
    """

    def __init__(self, host: Host, log: Log, clock: t.Callable[[], float]) -> None:
        self._host = host
        self._log = log
        self._clock = clock
        self._once = Once(log)
        self._unreadable_since: dict[PciAddress, float] = {}
        self.has_record = True

    def check(self, reason: Reason, held: AbstractSet[PciAddress] | None) -> tuple[Finding, ...]:
        """Look at recorded PFs, and set the payload size where it has to be set.

        Args:
            held: those to look at, None for all.

        Returns:
            What was found of each, sorted by address; nothing without a record that can be read.
        """
        try:
            sizes = SizeRecord.read(self._host).sizes
        except HwaccelError as error:
            self._once.tell(_RECORD, ERROR, str(error))
            self.has_record = False
            return ()
        self.has_record = True
        self._once.settle(_RECORD, "the record of payload sizes can be read again")
        return tuple(
            self._look(address, sizes[address], reason)
            for address in sorted(sizes)
            if held is None or address in held
        )

    def _look(self, address: PciAddress, saved: SavedSize, reason: Reason) -> Finding:
        try:
            finding = self._compare(address, saved, reason)
        except HwaccelError as error:
            self._once.tell(str(address), ERROR, str(error))
            # What reads all ones when it is written to is in reset.
            finding = self._failed(address, in_reset=isinstance(error, NotTakenError))
        if not finding.again and finding.outcome != UNREADABLE:
            self._unreadable_since.pop(address, None)
        return finding

    def _compare(self, address: PciAddress, saved: SavedSize, reason: Reason) -> Finding:
        function = read_function(self._host, address)
        if function is None or function.id != saved.id:
            found = "no device" if function is None else f"{function.id}"
            return self._report(
                address, f"{found} is there, and the payload size of {saved.id} was saved"
            )
        payload = read_payload(self._host, function)
        if not payload.readable or payload.offset is None:
            return self._unreadable(address)
        if payload.ceiling is None:
            return self._report(address, f"its Max Payload Size is not judged: {payload.limit}")
        wanted = min(saved.mps, payload.ceiling)
        if payload.current == wanted:
            self._once.settle(str(address), f"{address}: Max Payload Size {wanted}, as it is to be")
            return Finding(address, RIGHT, wanted, wanted)
        # Asked just before the write: the card may be back with the host by now.
        driver = self._host.link_name(f"{function.path}/driver")
        if not is_vfio_driver(driver):
            return self._leave(function, driver, payload, wanted)
        return self._repair(payload, saved, wanted, reason)

    def _repair(self, payload: Payload, saved: SavedSize, wanted: int, reason: Reason) -> Finding:
        write_payload(self._host, payload, wanted)
        when = reason.what
        if reason.at is not None:
            when = f"{self._clock() - reason.at:.3f} s after: {reason.what}"
        again = " again" if wanted == saved.mps else f" (saved {saved.mps}; {payload.limit})"
        self._once.forget(str(payload.address))
        self._log(
            NOTICE,
            f"{payload.address}: Max Payload Size was {_size(payload.current)}, "
            f"is {wanted}{again}; {when}",
        )
        return Finding(payload.address, REPAIRED, payload.current, wanted)

    def _leave(
        self, function: PciFunction, driver: str | None, payload: Payload, wanted: int
    ) -> Finding:
        owner = f"driver {driver} has it" if driver else "it has no driver"
        self._once.tell(
            str(function.address),
            WARNING,
            f"{function.address}: Max Payload Size is {_size(payload.current)} and was {wanted}; "
            f"{owner}, so that it is left as it is: module qat_mps with state=restored sets it",
        )
        return Finding(function.address, REPORTED, payload.current, wanted)

    def _report(self, address: PciAddress, text: str) -> Finding:
        self._once.tell(str(address), WARNING, f"{address}: {text}; nothing is written")
        return Finding(address, REPORTED)

    def _unreadable(self, address: PciAddress) -> Finding:
        self._once.tell(
            str(address),
            INFO,
            f"{address}: configuration space is not readable now (in reset, asleep or gone)",
        )
        return Finding(address, UNREADABLE, again=self._is_fresh(address))

    def _failed(self, address: PciAddress, *, in_reset: bool) -> Finding:
        return Finding(address, FAILED, again=in_reset and self._is_fresh(address))

    def _is_fresh(self, address: PciAddress) -> bool:
        """Tell whether it may soon be readable, or else is asleep or gone."""
        now = self._clock()
        return now - self._unreadable_since.setdefault(address, now) < _PATIENCE_SECONDS


def _size(size: int | None) -> str:
    return "a reserved encoding" if size is None else str(size)
