# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The numbers of devices: as the tool tells them, and by their names."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_functions
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.numbers import (
    FileName,
    read_names,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.config_runs import QatHost, status
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF, Machine

SECOND = "0000:03:00.0"


@pytest.mark.parametrize(
    ("path", "prefix", "kind", "number", "generation"),
    [
        ("/etc/c6xx_dev0.conf", "c6xx", "pf", 0, 1.7),
        ("/etc/c6xxvf_dev15.conf", "c6xx", "vf", 15, 1.7),
        ("/srv/image/etc/4xxxvf_dev3.conf", "4xxx", "vf", 3, 4),
        ("/etc/dh895xcc_qa_dev0.conf", "dh895xcc", "pf", 0, 1.6),
        ("/etc/c2xxx_dev1.conf", "c2xxx", "pf", 1, None),
    ],
)
def test_names(path: str, prefix: str, kind: str, number: int, generation: float | None) -> None:
    name = FileName.parse(path)
    assert name == FileName(prefix, kind, number)
    assert name.generation == generation


@pytest.mark.parametrize("path", ["/etc/qat.conf", "/etc/c6xx_dev.conf", "/etc/c6xx_dev0.conf~"])
def test_other_names(path: str) -> None:
    assert FileName.parse(path) is None


def names(host: QatHost) -> dict[str, str]:
    """Return the files of all devices by address."""
    found = read_names(host, read_functions(host).values())
    return {str(address): str(name) for address, name in found.items()}


def test_of_pfs_and_vfs(machine: Machine) -> None:
    machine.add_pf(vfs=3)
    first, second, _third = machine.vfs()
    machine.bind(first, "c6xxvf")
    machine.bind(second, "c6xxvf")
    host = QatHost(machine)
    counted = {
        PF: "/etc/c6xx_dev0.conf",
        first: "/etc/c6xxvf_dev0.conf",
        second: "/etc/c6xxvf_dev1.conf",
    }
    assert names(host) == counted
    # An older tool tells addresses without their domain.
    host.status = status(("c6xx", 0, PF), ("c6xxvf", 1, first[5:]), ("c6xxvf", 0, second))
    assert names(host) == {
        PF: "/etc/c6xx_dev0.conf",
        first: "/etc/c6xxvf_dev1.conf",
        second: "/etc/c6xxvf_dev0.conf",
    }
    host.status = "Checking status of all devices.\nbsf: rubbish\n"
    assert names(host) == counted


def test_a_tree_is_not_asked(machine: Machine) -> None:
    machine.add_pf()
    machine.write("usr/local/bin/adf_ctl", "")
    found = read_names(machine.host, read_functions(machine.host).values())
    assert {at: str(name) for at, name in found.items()} == {
        PciAddress.parse(PF): "/etc/c6xx_dev0.conf"
    }
