# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What driverctl sets at boot."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.driverctl import read_overrides

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine


def overrides(machine: Machine) -> dict[str, str]:
    return {str(address): driver for address, driver in read_overrides(machine.host).items()}


def test_nothing(machine: Machine) -> None:
    assert overrides(machine) == {}
    (machine.root / "etc/driverctl.d").mkdir()
    assert overrides(machine) == {}


@pytest.mark.parametrize("name", ["pci-0000:01:00.0", "0000:01:00.0"])
@pytest.mark.parametrize(
    ("content", "driver"),
    [("vfio-pci\n", "vfio-pci"), ("vfio-pci", "vfio-pci"), ("none\n", "none"), ("", "none")],
)
def test_a_file_of_a_function(machine: Machine, name: str, content: str, driver: str) -> None:
    machine.write(f"etc/driverctl.d/{name}", content)
    assert overrides(machine) == {"0000:01:00.0": driver}


def test_devices_of_other_buses_and_other_files(machine: Machine) -> None:
    machine.write("etc/driverctl.d/pci-10000:01:00.1", "vfio-pci\n")
    for name in ("vmbus-0a-1b", "usb-1-2", "README", "pci-", "pci-0000:01:00.0.rpmsave"):
        machine.write(f"etc/driverctl.d/{name}", "vfio-pci\n")
    assert overrides(machine) == {"10000:01:00.1": "vfio-pci"}
