# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Max Payload Size of one function: what it is, what it may be, and how it is set.

PCI Express Base Specification 5.0, sections 2.2.2 (a receiver takes a packet above its own
setting for malformed) and 7.5.3.4 (Device Control). A daemon on hosts uses this file too, so
that it needs nothing but the functions of PCI.
"""

from __future__ import annotations

import errno
import typing as t
from dataclasses import dataclass

from .._errors import HostError, NotTakenError, RefusedError
from .._pci.config import payload_size
from .._pci.function import DEVICES, read_config, read_function
from .._pci.topology import upstream_bridge

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.config import ExpressCapability
    from .._pci.function import PciFunction

# Every size that there is, in bytes; its place is its encoding.
SIZES: t.Final = tuple(size for code in range(8) if (size := payload_size(code)) is not None)

_HEADER_SIZE = 64
_DEVICE_CONTROL = 8
_SHIFT, _FIELD, _WORD = 5, 0x00E0, 2
_ALL_ONES = 0xFFFF
# Endpoint, legacy endpoint, root-complex integrated endpoint.
_ENDPOINT_TYPES = frozenset({0x0, 0x1, 0x9})
# The kernel lets a write wait for a reset that is going on, of a minute at the very most.
_WRITE_SECONDS = 30.0

_HINTS = {
    errno.EPERM: (
        "a locked down kernel refuses writes to configuration space (man kernel_lockdown.7), and "
        "so does a container"
    ),
    errno.EACCES: "only root may write to configuration space",
    errno.ENOENT: "the device is gone",
    errno.ENODEV: "the device is gone",
}

_Limit = tuple[t.Optional[int], str]
_Port = tuple["PciAddress", t.Optional["ExpressCapability"]]


@dataclass(frozen=True)
class Payload:
    """The Max Payload Size of one function, sizes in bytes.

    Args:
        offset: of Device Control in configuration space, None where it cannot be found.
        current: None for a reserved encoding and where it cannot be read.
        supported: the most that the function itself can do, None likewise.
        upstream: what the bridge just above is set to, None on a root bus, or where it does not
            tell.
        ceiling: the most that the function may be set to, None where that cannot be told.
        limit: what makes the ceiling, or why there is none.
        bridge: the bridge just above, None on a root bus.
        readable: whether configuration space beyond its header can be read: all ones are what
            a device reads that is gone, asleep or in reset.
        is_endpoint: whether it says that it is a PCI Express endpoint.
    """

    address: PciAddress
    offset: int | None
    current: int | None
    supported: int | None
    upstream: int | None
    ceiling: int | None
    limit: str = ""
    bridge: PciAddress | None = None
    readable: bool = True
    is_endpoint: bool = True

    @property
    def path(self) -> str:
        """Its configuration space in sysfs."""
        return f"{DEVICES}/{self.address}/config"

    def setpci(self, mps: int) -> str:
        """Return the argument of the tool setpci that sets a size: place, value and mask."""
        return f"{self.offset or 0:x}.w={SIZES.index(mps) << _SHIFT:04x}:{_FIELD:04x}"


def read_payload(host: Host, function: PciFunction) -> Payload:
    """Return the payload size of a function, with what every port above it lets it have."""
    config = read_config(host, function.address)
    express = config.express()
    ports = tuple(_ports_above(host, function))
    bridge, above = ports[0] if ports else (None, None)
    ceiling, limit = _lowest(_limits(express, ports))
    return Payload(
        address=function.address,
        offset=express.offset + _DEVICE_CONTROL if express else None,
        current=express.mps if express else None,
        supported=express.mps_supported if express else None,
        upstream=above.mps if above else None,
        ceiling=ceiling,
        limit=limit,
        bridge=bridge,
        readable=config.is_readable and len(config.data) > _HEADER_SIZE,
        is_endpoint=express is not None and express.port_type in _ENDPOINT_TYPES,
    )


def write_payload(host: Host, payload: Payload, mps: int) -> None:
    """Set the payload size of a function: its bits alone, and only where they differ.

    Args:
        payload: as it was read; what else stands in the word is read again.
        mps: bytes, one of C(SIZES), not above the ceiling.

    Raises:
        RefusedError: for a size above the ceiling, or without a known one.
        NotTakenError: when the device does not respond, or has not taken the size.
        HostError: when the kernel refuses the write, BlockedError when it does not end.
    """
    if payload.ceiling is None or mps > payload.ceiling:
        raise RefusedError(
            f"{payload.address}: a Max Payload Size of {mps} is not set: {payload.limit}"
        )
    control = _read_control(host, payload)
    wanted = control & ~_FIELD | SIZES.index(mps) << _SHIFT
    if wanted == control or payload.offset is None:
        return
    try:
        content = wanted.to_bytes(_WORD, "little")
        host.write_piece(payload.path, payload.offset, content, seconds=_WRITE_SECONDS)
    except HostError as error:
        hint = _HINTS.get(error.number)
        told = f"{payload.address}: its Max Payload Size is not {mps}: {error}"
        raise type(error)(f"{told}; {hint}" if hint else told, error.number) from error
    found = _read_control(host, payload)
    if found & _FIELD != wanted & _FIELD:
        size = payload_size((found & _FIELD) >> _SHIFT)
        raise NotTakenError(
            f"{payload.address}: Max Payload Size {mps} was written to Device Control at "
            f"0x{payload.offset:x} and reads {size or 'a reserved encoding'}: the device does not "
            "take it, or something else has set it meanwhile: see who uses it, and run again"
        )


def _read_control(host: Host, payload: Payload) -> int:
    """Read Device Control as it is now."""
    data = b""
    if payload.offset is not None and any(
        byte != _ALL_ONES & 0xFF for byte in host.read_piece(payload.path, 0, 2 * _WORD)
    ):
        data = host.read_piece(payload.path, payload.offset, _WORD)
    control = int.from_bytes(data, "little")
    if len(data) < _WORD or control == _ALL_ONES:
        raise NotTakenError(
            f"{payload.address}: its configuration space is not readable now ({payload.path}), so "
            "nothing is written to it: the device is gone, asleep or in reset; run again once "
            "lspci shows it"
        )
    return control


def _ports_above(host: Host, function: PciFunction) -> Iterator[_Port]:
    """Yield every bridge from the one just above to the root bus."""
    below: PciFunction | None = function
    while below is not None:
        address = upstream_bridge(host, below)
        if address is None:
            return
        yield address, read_config(host, address).express()
        below = read_function(host, address)


def _limits(express: ExpressCapability | None, ports: Iterable[_Port]) -> Iterator[_Limit]:
    """Yield what limits the size, each with how it is told; None for what does not tell."""
    supported = express.mps_supported if express else None
    yield (
        supported,
        f"the device supports {supported}"
        if supported
        else "what the device supports is not known: it cannot be read, or is a reserved encoding",
    )
    for number, (address, port) in enumerate(ports):
        sizes = {"supports": port.mps_supported if port else None}
        if number == 0:
            # Above this one the bridge would take its packets for malformed.
            sizes["is set to"] = port.mps if port else None
        for verb, size in sizes.items():
            yield (
                size,
                f"bridge {address} above it {verb} {size}"
                if size
                else f"what bridge {address} above it {verb} is not known: it cannot be read, has "
                "no PCI Express capability, or it is a reserved encoding",
            )


def _lowest(limits: Iterable[_Limit]) -> _Limit:
    """Return the lowest limit; one that is not known could be any."""
    known: list[tuple[int, str]] = []
    for size, told in limits:
        if size is None:
            return None, told
        known.append((size, told))
    return min(known, key=lambda limit: limit[0])
