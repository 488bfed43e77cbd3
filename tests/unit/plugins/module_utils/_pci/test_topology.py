# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies above a function."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.config import ConfigSpace
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_function
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.topology import (
    last_bus_behind,
    upstream_bridge,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import OTHER, PF, config_space

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine


def bridge(header: int = 1, last: int = 4) -> ConfigSpace:
    data = bytearray(config_space(OTHER)[:64])
    data[0x0E], data[0x1A] = header, last
    return ConfigSpace(bytes(data))


def above(machine: Machine, address: str) -> str | None:
    function = read_function(machine.host, PciAddress.parse(address))
    assert function is not None
    found = upstream_bridge(machine.host, function)
    return None if found is None else str(found)


def test_the_bridge_above(machine: Machine) -> None:
    machine.add_pf(vfs=1)
    assert above(machine, PF) == "0000:00:01.0"
    assert above(machine, machine.vfs()[0]) == "0000:00:01.0"


def test_nothing_above_on_a_root_bus(machine: Machine) -> None:
    machine.add_function("0000:00:02.0", OTHER, bridge=".")
    assert above(machine, "0000:00:02.0") is None


@pytest.mark.parametrize(
    ("config", "last"),
    [
        (bridge(), 4),
        # Of several functions.
        (bridge(header=0x81), 4),
        (bridge(header=0), None),
        (ConfigSpace(b""), None),
        (ConfigSpace(b"\xff" * 64), None),
    ],
)
def test_the_last_bus_behind_a_bridge(config: ConfigSpace, last: int | None) -> None:
    assert last_bus_behind(config) == last
