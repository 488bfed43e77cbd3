# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI configuration space, decoded from the C(config) attribute of a function.

Layout: PCI Express Base Specification 5.0, sections 7.5 (capability lists, PCI Express
capability) and 9.3.3 (SR-IOV); names as in Linux C(include/uapi/linux/pci_regs.h).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from .address import PciAddress

_HEADER_SIZE = 64
# What a device that is gone, asleep or broken reads.
_GONE_BYTE, _GONE_WORD, _GONE_DOUBLE = 0xFF, 0xFFFF, 0xFFFFFFFF
_LAST_ROUTING_ID = 0xFFFF
_STANDARD_SIZE = 256
_STATUS, _STATUS_CAPABILITIES = 0x06, 0x10
_HEADER_TYPE, _CAPABILITY_POINTER = 0x0E, 0x34
_EXPRESS, _SRIOV = 0x10, 0x0010
# Encodings 6 and 7 of a payload size are reserved: no sizes. An unbound C3xxx reads them.
_LARGEST_PAYLOAD_CODE = 5
_ENDPOINT_TYPES = {0x0: "endpoint", 0x1: "legacy endpoint", 0x9: "root-complex integrated endpoint"}


def payload_size(code: int) -> int | None:
    """Return the bytes that a Max Payload Size encoding stands for, None for a reserved one."""
    return 128 << code if code <= _LARGEST_PAYLOAD_CODE else None


@dataclass(frozen=True)
class ExpressCapability:
    """The PCI Express capability.

    Args:
        offset: where it starts, in bytes.
        port_type: the device/port type field.
        mps_supported: Max Payload Size Supported of Device Capabilities, bytes or None.
        mps: Max Payload Size of Device Control, bytes or None.
    """

    offset: int
    port_type: int
    mps_supported: int | None
    mps: int | None

    @property
    def is_root_complex_endpoint(self) -> bool:
        """Whether it sits in the root complex, with no bridge above it."""
        return _ENDPOINT_TYPES.get(self.port_type) == "root-complex integrated endpoint"


@dataclass(frozen=True)
class SriovCapability:
    """The SR-IOV extended capability; counts, and the routing id arithmetic of its VFs."""

    offset: int
    total_vfs: int
    num_vfs: int
    first_offset: int
    stride: int
    vf_device: int

    def vf_address(self, pf: PciAddress, index: int) -> PciAddress | None:
        """Return where VF C(index), counted from 0, of the PF will appear, if that can be told."""
        routing_id = pf.routing_id + self.first_offset + self.stride * index
        if self.first_offset == 0 or (self.stride == 0 and index) or routing_id > _LAST_ROUTING_ID:
            return None
        return pf.with_routing_id(routing_id)


@dataclass(frozen=True)
class ConfigSpace:
    """The bytes of a function's configuration space: 4096, 256, or 64 for one not privileged."""

    data: bytes

    @property
    def is_readable(self) -> bool:
        """Whether there is anything to decode: a device that is gone or asleep reads all ones."""
        head = self.data[:_HEADER_SIZE]
        return len(head) == _HEADER_SIZE and any(byte != _GONE_BYTE for byte in head[4:])

    def capabilities(self) -> dict[int, int]:
        """Return the offsets of the standard capabilities by id, the first of each."""
        found: dict[int, int] = {}
        if not self.is_readable or not self._word(_STATUS) or not self._has_list():
            return found
        offset = self.data[_CAPABILITY_POINTER] & 0xFC
        seen: set[int] = set()
        while _HEADER_SIZE <= offset <= min(_STANDARD_SIZE, len(self.data)) - 2:
            if offset in seen or self._word(offset) == _GONE_WORD:
                break
            seen.add(offset)
            found.setdefault(self.data[offset], offset)
            offset = self.data[offset + 1] & 0xFC
        return found

    def _has_list(self) -> bool:
        return bool((self._word(_STATUS) or 0) & _STATUS_CAPABILITIES)

    def extended_capabilities(self) -> dict[int, int]:
        """Return the offsets of the extended capabilities by id, the first of each."""
        found: dict[int, int] = {}
        offset = _STANDARD_SIZE
        seen: set[int] = set()
        while self.is_readable and _STANDARD_SIZE <= offset <= len(self.data) - 4:
            header = self._double(offset)
            if offset in seen or header is None or header in (0, _GONE_DOUBLE):
                break
            seen.add(offset)
            found.setdefault(header & 0xFFFF, offset)
            offset = header >> 20 & 0xFFC
        return found

    def express(self) -> ExpressCapability | None:
        """Return the PCI Express capability, None when there is none or it cannot be read."""
        offset = self.capabilities().get(_EXPRESS)
        if offset is None:
            return None
        flags, capabilities = self._word(offset + 2), self._double(offset + 4)
        control = self._word(offset + 8)
        if flags is None or capabilities is None or control is None:
            return None
        if capabilities == _GONE_DOUBLE:
            return None
        return ExpressCapability(
            offset=offset,
            port_type=flags >> 4 & 0xF,
            mps_supported=payload_size(capabilities & 7),
            mps=payload_size(control >> 5 & 7),
        )

    def sriov(self) -> SriovCapability | None:
        """Return the SR-IOV capability, None when there is none or it cannot be read."""
        offset = self.extended_capabilities().get(_SRIOV)
        if offset is None or offset + 0x1C > len(self.data):
            return None
        words = {at: self._word(offset + at) or 0 for at in (0x0E, 0x10, 0x14, 0x16, 0x1A)}
        if all(word == _GONE_WORD for word in words.values()):
            return None
        return SriovCapability(offset, *(words[at] for at in (0x0E, 0x10, 0x14, 0x16, 0x1A)))

    def _word(self, offset: int) -> int | None:
        return self._number(offset, 2)

    def _double(self, offset: int) -> int | None:
        return self._number(offset, 4)

    def _number(self, offset: int, size: int) -> int | None:
        chunk = self.data[offset : offset + size]
        return int.from_bytes(chunk, "little") if len(chunk) == size else None
