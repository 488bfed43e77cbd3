# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is there of payload sizes: devices, the record, who holds what, and the kernel's word."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._pci.function import read_functions
from .._pci.lockdown import LOCKED, read_lockdown
from .._qat.devices import pf_family, vf_family
from .._vfio.holders import read_holders
from .payload import read_payload
from .record import SizeRecord
from .wanted import choose

if t.TYPE_CHECKING:
    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .._vfio.holders import Holder
    from .payload import Payload
    from .wanted import Wanted


@dataclass(frozen=True)
class Device:
    """One function that is meant.

    Args:
        saved: what the record has of it, None for nothing or for another device at its address.
        by_name: whether an address or an id means it, rather than a word.
    """

    function: PciFunction
    payload: Payload
    saved: int | None
    holder: Holder | None
    by_name: bool

    @property
    def address(self) -> PciAddress:
        """Its PCI address."""
        return self.function.address

    @property
    def is_vf(self) -> bool:
        """Whether it is a VF, on a host or in a guest."""
        return self.function.pf is not None or vf_family(self.function) is not None

    @property
    def is_held(self) -> bool:
        """Whether a guest or a process has it open, and may have reset it."""
        return self.holder is not None and self.holder.keeps_it_open

    def as_result(self, *, repaired: bool, skipped: bool) -> dict[str, t.Any]:
        """Return it as the module returns it."""
        family = pf_family(self.function)
        return {
            "address": str(self.address),
            "id": str(self.function.id),
            "family": family.name if family else None,
            "current": self.payload.current,
            "saved": self.saved,
            "upstream": self.payload.upstream,
            "supported": self.payload.supported,
            "repaired": repaired,
            "skipped": skipped,
            "holder": self.holder.as_result() if self.holder else None,
        }


@dataclass(frozen=True)
class State:
    """Everything that the decision needs; C(lockdown) is None where the kernel does not tell."""

    devices: tuple[Device, ...]
    record: SizeRecord
    lockdown: str | None

    @property
    def is_locked(self) -> bool:
        """Whether the kernel refuses writes to configuration space."""
        return self.lockdown in LOCKED


def observe(host: Host, wanted: Wanted) -> State:
    """Read everything once, for all functions together."""
    record = SizeRecord.read(host)
    chosen = choose(wanted, read_functions(host))
    holders = read_holders(host, chosen.functions)
    devices = tuple(
        Device(
            function=function,
            payload=read_payload(host, function),
            saved=record.size_of(function),
            holder=holders.of(function),
            by_name=function.address in chosen.by_name,
        )
        for function in chosen.functions
    )
    return State(devices, record, read_lockdown(host))
