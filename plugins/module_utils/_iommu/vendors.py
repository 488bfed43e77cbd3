# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose processor it is, and so whose IOMMU it can have."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._host import Host

_CPU_VENDORS = {"GenuineIntel": "intel", "AuthenticAMD": "amd", "HygonGenuine": "amd"}


def first_cpu(host: Host) -> dict[str, str]:
    """Return what C(/proc/cpuinfo) tells of the first processor, empty where it does not."""
    first = (host.read_text("/proc/cpuinfo") or "").split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _colon, value in pairs}


def cpu_vendor(told: Mapping[str, str]) -> str | None:
    """Return C(intel), C(amd), C(arm), or None; Arm shows no vendor's name."""
    return "arm" if "CPU implementer" in told else _CPU_VENDORS.get(told.get("vendor_id", ""))
