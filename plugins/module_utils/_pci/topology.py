# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies above a function, and which bus numbers lead to it.

Bridge header: PCI Express Base Specification 5.0, section 7.5.1.3.
"""

from __future__ import annotations

import typing as t

from .address import PciAddress

if t.TYPE_CHECKING:
    from .._host import Host
    from .config import ConfigSpace
    from .function import PciFunction

_HEADER_TYPE, _BRIDGE_HEADER = 0x0E, 1
_SUBORDINATE_BUS = 0x1A


def upstream_bridge(host: Host, function: PciFunction) -> PciAddress | None:
    """Return the bridge above a function, None on a root bus; a VF's is that of its PF."""
    above = host.canonical(function.path).split("/")[-2]
    return PciAddress.parse(above) if PciAddress.looks_like(above) else None


def last_bus_behind(bridge: ConfigSpace) -> int | None:
    """Return the highest bus number that leads through a bridge, None when it does not tell."""
    header = bridge.data[_HEADER_TYPE : _HEADER_TYPE + 1]
    if not bridge.is_readable or header[0] & 0x7F != _BRIDGE_HEADER:
        return None
    return bridge.data[_SUBORDINATE_BUS]
