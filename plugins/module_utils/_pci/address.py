# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI addresses and ids as values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import InputError

_ADDRESS = re.compile(
    r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])",
    re.ASCII | re.IGNORECASE,
)
_ID = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, order=True)
class PciAddress:
    """Domain, bus, device and function; domains above ffff exist (Intel VMD makes them)."""

    domain: int
    bus: int
    device: int
    function: int

    @classmethod
    def parse(cls, text: str, *, option: str = "address") -> PciAddress:
        """Parse C(0000:03:00.0) or C(03:00.0).

        Raises:
            InputError: when the text is no PCI address.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise InputError(option, text, "a PCI address such as 0000:03:00.0 or 03:00.0")
        domain, *rest = found.groups()
        bus, device, function = (int(part, 16) for part in rest)
        return cls(int(domain or "0", 16), bus, device, function)

    @classmethod
    def of_numbers(cls, domain: str, bus: str, device: str, function: str) -> PciAddress:
        """Parse numbers as C names them, such as C(0x3d): libvirt keeps an address so.

        Raises:
            ValueError: when one is none, or too large for its place.
        """
        numbers = (int(text, 0) for text in (domain, bus, device, function))
        address = cls(*numbers)
        if not cls.looks_like(str(address)):
            message = f"{address} is no PCI address"
            raise ValueError(message)
        return address

    @classmethod
    def looks_like(cls, text: str) -> bool:
        """Tell whether the text is a PCI address."""
        return _ADDRESS.fullmatch(text) is not None

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.device:02x}.{self.function:x}"

    @property
    def routing_id(self) -> int:
        """The 16 bits that the function has on the bus: bus, device and function."""
        return self.bus << 8 | self.device << 3 | self.function

    def with_routing_id(self, routing_id: int) -> PciAddress:
        """Return the function of the same domain that has this routing id."""
        return PciAddress(self.domain, routing_id >> 8, routing_id >> 3 & 0x1F, routing_id & 7)


@dataclass(frozen=True, order=True)
class PciId:
    """Vendor and device id."""

    vendor: int
    device: int

    @classmethod
    def parse(cls, text: str, *, option: str = "id") -> PciId:
        """Parse C(vendor:device), both as four hexadecimal digits.

        Raises:
            InputError: when the text is no such pair.
        """
        found = _ID.fullmatch(text)
        if found is None:
            raise InputError(option, text, "vendor:device, four hexadecimal digits each")
        return cls(int(found[1], 16), int(found[2], 16))

    @classmethod
    def looks_like(cls, text: str) -> bool:
        """Tell whether the text is a pair of ids."""
        return _ID.fullmatch(text) is not None

    def __str__(self) -> str:
        return f"{self.vendor:04x}:{self.device:04x}"
