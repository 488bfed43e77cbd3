# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The licences that C(nvidia-smi -q) tells of, one GPU after the other.

Drivers up to 10 head the block C(GRID Licensed Product), later ones
C(vGPU Software Licensed Product). What is read is what the driver says, or a part of it: whoever
filters it with grep leaves out the GPU that a block belongs to.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from .._pci.address import PciAddress

if t.TYPE_CHECKING:
    from collections.abc import Iterator

LICENSED: t.Final = "Licensed"

_GPU = "gpu"
_HEADING = "licensed product"
_EXPIRY = re.compile(r"\(\s*Expiry\s*:", re.IGNORECASE)
_MOMENT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2}) +(\d{1,2}):(\d{1,2}):(\d{1,2}) +(?:GMT|UTC)", re.ASCII
)
# How nvidia-smi says that there is nothing to tell.
_NOTHING = ("", "n/a", "[n/a]", "none", "not available")


@dataclass(frozen=True)
class Expiry:
    """When a licence ends.

    Args:
        wording: as the driver says it.
        at: seconds since 1970, None for what is no moment, such as C(Permanent).
    """

    wording: str
    at: int | None = None

    @classmethod
    def parse(cls, text: str) -> Expiry | None:
        """Return what is told of an end, None where nothing is."""
        if text.lower() in _NOTHING:
            return None
        found = _MOMENT.fullmatch(text)
        if found is None:
            return cls(text)
        year, month, day, hour, minute, second = (int(part) for part in found.groups())
        try:
            moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
        except ValueError:
            return cls(text)
        return cls(text, int(moment.timestamp()))

    def __str__(self) -> str:
        """Return ISO 8601 in UTC, or else the driver's word."""
        return self.wording if self.at is None else iso(self.at)


@dataclass(frozen=True)
class GpuLicense:
    """The licence of one GPU.

    Args:
        address: its PCI address, None where what was read does not tell.
        name: the GPU's own name.
        product: the product that is licensed, or would be.
        wording: the status as the driver says it, None without one.
    """

    address: str | None = None
    name: str | None = None
    product: str | None = None
    wording: str | None = None

    @property
    def status(self) -> str | None:
        """The status without the end of the licence, None where the GPU reports none."""
        if self.wording is None or self.wording.lower() in _NOTHING:
            return None
        return _parts(self.wording)[0]

    @property
    def expiry(self) -> Expiry | None:
        """The end of the licence, None where nothing is told of it."""
        told = _parts(self.wording or "")[1]
        return None if told is None else Expiry.parse(told)

    @property
    def is_licensed(self) -> bool:
        """Whether it has its licence; C(Unlicensed (Unrestricted)) has none yet."""
        status = self.status
        return status is not None and status.lower() == LICENSED.lower()

    def has_expired(self, now: float | None) -> bool:
        """Tell whether the licence has ended by a clock, in seconds since 1970."""
        at = self.expiry.at if self.expiry else None
        return at is not None and now is not None and at <= now

    def as_result(self, now: float | None) -> dict[str, t.Any]:
        """Return it as modules return it.

        Args:
            now: seconds since 1970 by the clock of the guest, None where it is not known.
        """
        expiry = self.expiry
        at = expiry.at if expiry else None
        return {
            "address": self.address,
            "name": self.name,
            "product": self.product,
            "status": self.status,
            "expiry": str(expiry) if expiry else None,
            "remaining": None if at is None or now is None else max(0, int(at - now)),
            "wording": self.wording,
        }


def _parts(wording: str) -> tuple[str, str | None]:
    """Return the status, and what is told of its end behind it in parentheses, None for nothing."""
    inner = wording[:-1]
    found = _EXPIRY.search(inner, inner.rfind(")") + 1) if wording.endswith(")") else None
    if found is None:
        return wording, None
    return inner[: found.start()].rstrip(), inner[found.end() :].strip()


def iso(moment: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def all_licensed(licenses: tuple[GpuLicense, ...]) -> bool:
    """Tell whether a GPU reports a status at all, and every one that does is licensed."""
    reporting = [license_ for license_ in licenses if license_.status is not None]
    return bool(reporting) and all(license_.is_licensed for license_ in reporting)


def parse_licenses(text: str) -> tuple[GpuLicense, ...]:
    """Return the GPUs that C(nvidia-smi -q) lists, as it lists them: by PCI address."""
    return tuple(_licenses(text))


def _licenses(text: str) -> Iterator[GpuLicense]:
    gpu: GpuLicense | None = None
    in_block = False
    for line in text.splitlines():
        key, _colon, value = (part.strip() for part in line.partition(":"))
        key = key.lower()
        address = _address(line)
        starts_block = key.endswith(_HEADING)
        names_gpu = key == "product name" and not in_block and not (gpu and gpu.address)
        starts_gpu = starts_block or names_gpu
        # Where the line of the GPU itself was filtered out, what it is followed by starts it.
        if gpu and (address or (starts_gpu and gpu.wording is not None)):
            yield gpu
            gpu = None
        if address:
            gpu, in_block = GpuLicense(address=address), False
        elif starts_block:
            gpu, in_block = replace(gpu or GpuLicense(), product=_told(value)), True
        elif key == "license status" and value:
            gpu = replace(gpu or GpuLicense(), wording=value)
            in_block = gpu.product is None
        elif key == "product name" and in_block:
            gpu = replace(gpu or GpuLicense(), product=_told(value))
        elif key == "product name":
            gpu = replace(gpu or GpuLicense(), name=(gpu and gpu.name) or _told(value))
        elif key:
            in_block = False
    if gpu:
        yield gpu


def _told(value: str) -> str | None:
    return None if value.lower() in _NOTHING else value


def _address(line: str) -> str | None:
    """Return the PCI address of the line that a GPU starts with, None for any other line."""
    word, _space, rest = line.strip().partition(" ")
    told = rest.strip()
    is_gpu = word.lower() == _GPU and PciAddress.looks_like(told)
    return str(PciAddress.parse(told)) if is_gpu else None
