# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module qat_software_info tells."""

from __future__ import annotations

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_software.info import gather
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF, RELEASE, RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SECOND, THIRD = "0000:03:00.0", "0000:05:00.0"
HOST = {"method": "auto", "side": "host", "archive": False}


class Modinfo(RunningHost):
    """A running host whose modules each ask for two files."""

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Tell them."""
        assert seconds > 0
        return f"{command[-1]}.bin\nqat_mmp.bin\n"


def test_a_bare_host(machine: Machine) -> None:
    assert gather(HOST, machine.host) == {
        "method": "none",
        "why": "it has no QAT device",
        "kernel": RELEASE,
        "devices": [],
        "families": [],
        "config_kinds": [],
        "firmware_missing": [],
        "payload_pfs": [],
    }


def test_what_guests_have_whole_is_told_but_not_served(machine: Machine) -> None:
    machine.add_pf("c62x", driver="vfio-pci")
    machine.add_pf("4xxx", SECOND)
    machine.add_pf("402xx", THIRD)
    told = gather(HOST, machine.host)
    assert [device["address"] for device in told["devices"]] == [PF, SECOND, THIRD]
    assert (told["families"], told["config_kinds"]) == (["402xx", "4xxx"], ["pf"])
    assert told["payload_pfs"] == [PF]


def test_a_guest_has_what_it_has(machine: Machine) -> None:
    machine.add_pf("c62x", driver="vfio-pci")
    machine.add_function(SECOND, FAMILIES["4xxx"].vf_id, driver="vfio-pci", group=4)
    # Of generation 1 too, of which whole cards lose their payload size.
    machine.add_function(THIRD, FAMILIES["c62x"].vf_id, driver="c6xxvf")
    told = gather({**HOST, "side": "guest"}, machine.host)
    assert told["families"] == ["4xxx", "c62x"]
    assert told["config_kinds"] == ["pf", "vf"]
    assert told["payload_pfs"] == [PF]


def test_firmware_of_the_kernels_drivers(machine: Machine) -> None:
    machine.add_pf("4xxx")
    machine.add_pf("420xx", SECOND)
    machine.add_pf("c62x", THIRD, driver="vfio-pci")
    machine.add_module("qat_c62x")
    host = Modinfo(machine)
    told = gather(HOST, host)
    assert told["firmware_missing"] == ["qat_420xx.bin", "qat_4xxx.bin", "qat_mmp.bin"]
    machine.bind(SECOND, "vfio-pci")
    told = gather({**HOST, "method": "package", "archive": True}, host)
    # The package brings its own.
    assert (told["method"], told["firmware_missing"]) == ("package", [])
    assert told["devices"][0]["firmware_missing"] == ["qat_4xxx.bin", "qat_mmp.bin"]
