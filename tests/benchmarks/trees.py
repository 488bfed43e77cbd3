# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts in a folder, from one card to a machine of four sockets, and tasks without work for them.

Each card is a PF with 15 VFs, each function in an IOMMU group of its own; the VFs stand on
vfio-pci, and libvirt has a guest for each eight of them.
"""

from __future__ import annotations

import typing as t

from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

if t.TYPE_CHECKING:
    from pathlib import Path

FAMILY = "4xxx"
VFS = 15
SOCKETS = 4
GUEST_VFS = 8
# Below the PF's own bus there is room for them.
FUNCTIONS_OF_CARD = VFS + 1

_GUEST = """\
<domain type='kvm'>
  <name>{name}</name>
  <uuid>00000000-0000-4000-8000-{number:012x}</uuid>
  <os><type arch='x86_64' machine='pc-q35-10.0'>hvm</type></os>
  <devices>
{devices}  </devices>
</domain>
"""
_DEVICE = """\
    <hostdev mode='subsystem' type='pci' managed='no'>
      <source><address domain='0x{0}' bus='0x{1}' slot='0x{2}' function='0x{3}'/></source>
    </hostdev>
"""


def cards(functions: int) -> list[str]:
    """Return the addresses of the PFs, spread over the sockets."""
    return [
        f"{number % SOCKETS:04x}:{number // SOCKETS + 1:02x}:00.0"
        for number in range(functions // FUNCTIONS_OF_CARD)
    ]


def build(root: Path, functions: int) -> list[str]:
    """Lay a host with so many PCI functions into a folder, and return its VFs."""
    machine = Machine(root)
    machine.add_driver("vfio-pci", "vfio_pci")
    machine.write("sys/module/vfio_pci/parameters/disable_denylist", "N\n")
    machine.write("sys/class/iommu/dmar0/intel-iommu/version", "1:0\n")
    vfs: list[str] = []
    for number, pf in enumerate(cards(functions)):
        machine.add_pf(
            FAMILY,
            pf,
            total=VFS,
            vfs=VFS,
            # As qat_sriov leaves it.
            autoprobe=False,
            group=10_000 + number,
            vf_driver="vfio-pci",
        )
        made = machine.vfs(pf)
        for address in (pf, *made):
            machine.write(f"{machine.device(address)}/numa_node", f"{number % SOCKETS}\n")
        for address in made:
            machine.write(f"{machine.device(address)}/driver_override", "vfio-pci\n")
        vfs += made
    for number, guest in enumerate(guests(vfs)):
        name = f"guest{number}"
        devices = "".join(_DEVICE.format(*vf.replace(".", ":").split(":")) for vf in guest)
        text = _GUEST.format(name=name, number=number, devices=devices)
        machine.write(f"etc/libvirt/qemu/{name}.xml", text)
    return vfs


def guests(vfs: list[str]) -> list[list[str]]:
    """Return the VFs of each guest."""
    return [vfs[start : start + GUEST_VFS] for start in range(0, len(vfs), GUEST_VFS)]


def options(module: str, root: Path, vfs: list[str]) -> dict[str, t.Any]:
    """Return the options of a task over all functions of a tree."""
    wanted: dict[str, dict[str, t.Any]] = {
        "accelerator_info": {},
        "qat_sriov": {"devices": ["all"], "num_vfs": VFS},
        "vfio_passthrough": {"devices": ["qat"], "driver": "vfio-pci"},
        "libvirt_accelerators": {
            "guests": [
                {"name": f"guest{number}", "accelerators": [{"address": vf} for vf in own]}
                for number, own in enumerate(guests(vfs))
            ]
        },
    }
    return {"root": str(root), **wanted[module]}
