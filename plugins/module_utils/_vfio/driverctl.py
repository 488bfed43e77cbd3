# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Overrides that driverctl keeps: it sets them at boot, as our rules do.

C(/etc/driverctl.d) has a file for each device, named after it, which holds the driver's name.
"""

from __future__ import annotations

import typing as t

from .._pci.address import PciAddress

if t.TYPE_CHECKING:
    from .._host import Host

_FOLDER = "/etc/driverctl.d"


def read_overrides(host: Host) -> dict[PciAddress, str]:
    """Return driverctl's driver of each PCI function that it has an override of."""
    found = {}
    for name in host.names(_FOLDER):
        address = name.removeprefix("pci-")
        if PciAddress.looks_like(address):
            driver = host.attribute(f"{_FOLDER}/{name}")
            found[PciAddress.parse(address)] = driver or "none"
    return found
