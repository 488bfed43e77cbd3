# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What our rules bind at boot, compared with what is bound."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.gather import gather
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.boot_rules import (
    RULES,
    Rule,
    render_rules,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import OTHER, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine


def told(machine: Machine, pci_id: PciId = OTHER, address: str = PF) -> list[str]:
    """Return what is wrong where a rule binds a function to vfio-pci."""
    rule = Rule(PciAddress.parse(address), pci_id, "vfio-pci")
    machine.write(RULES, render_rules([rule], early=False) or b"")
    found = gather(machine.host)
    assert found["bindings"] == [
        {"address": address, "id": str(pci_id), "driver": "vfio-pci", "path": RULES}
    ]
    return [problem["what"] for problem in found["problems"] if problem["what"].startswith(address)]


@pytest.mark.parametrize("driver", ["vfio-pci", "mlx5_vfio_pci"])
def test_bound_as_configured(machine: Machine, driver: str) -> None:
    machine.add_function(PF, OTHER, driver=driver)
    assert told(machine) == []


@pytest.mark.parametrize("driver", [None, "e1000e"])
def test_on_another_driver(machine: Machine, driver: str | None) -> None:
    machine.add_function(PF, OTHER, driver=driver)
    assert told(machine) == [f"{PF}: driver {driver or 'none'}, vfio-pci configured"]


def test_another_function_or_none(machine: Machine) -> None:
    machine.add_function(PF, OTHER)
    other = PciId(OTHER.vendor, OTHER.device + 1)
    assert told(machine, other) == [f"{PF}: configured for {other}, found {OTHER}"]
    gone = "0000:0f:00.0"
    assert told(machine, address=gone) == [f"{gone}: configured for {OTHER}, found nothing"]
