# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a device of a domain says of itself."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .xml import Element


def is_host_function(device: Element) -> bool:
    """Tell whether a device of a domain is a PCI function of the host."""
    return device.tag == "hostdev" and device.get("type") == "pci"


def place_of(said: Element) -> tuple[int, int, int] | None:
    """Return bus, slot and function of an address, None where that is no PCI address.

    Raises:
        ValueError: when it says something that is no number.
    """
    if said.get("type") != "pci" or said.get("bus") is None:
        return None
    bus, slot, function = (int(said.get(key) or "0", 0) for key in ("bus", "slot", "function"))
    return bus, slot, function
