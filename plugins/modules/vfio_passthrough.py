#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module vfio_passthrough."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vfio_passthrough
short_description: Hand PCI functions to VFIO for guests, now and at every boot
version_added: 0.1.0
description:
  - Binds PCI functions of any kind to a VFIO driver, looks whether the kernel took it, and keeps it
    over reboots with a udev rule that checks the device's id. VFs of QAT devices, whole cards, GPUs
    with their audio function and network cards are handed over in one task.
  - Everything is decided for all functions before any is changed. A function that a guest or a
    process holds is never taken, and none whose IOMMU group a guest could not have.
  - C(driver_override) alone chooses the driver. C(new_id) would take every function of an id.
  - What was found before the first change is recorded in C(/var/lib/hwaccel/undo.json), and
    O(state=absent) gives exactly that back.
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.change
  - hwaccel.virt.root
options:
  devices:
    description:
      - The functions. Each entry is a PCI address, a C(vendor:device) pair, or a mapping of
        C(address) and C(id), which fails when another device sits at that address. Quote addresses,
        which YAML may take for numbers.
      - A family such as V(c62x), a generation such as V(gen4), and V(qat) mean the VFs of these QAT
        devices. A PF is handed over as a whole card by its address or id only.
      - VFs that the host keeps for itself (O(hwaccel.virt.qat_sriov#module:host_vfs)) are left out
        where a family or an id means them, and are returned as C(skipped).
    type: list
    elements: raw
    required: true
  state:
    description:
      - V(present) binds the functions to a VFIO driver.
      - V(absent) gives them back to the driver that they had before this module, or else to the
        one that the kernel chooses. A VF that was made with autoprobe off ends without a driver.
        Without a record of what was found it removes override and rule, and warns.
      - V(absent) removes rule and record of a function that was moved or pulled as well, and
        returns it as RV(gone). While one of them is there, a former address means no other function
        that has it now.
    type: str
    choices: [present, absent]
    default: present
  driver:
    description:
      - V(auto) is the variant driver that C(modules.alias) names for the function and that can work
        here, else V(vfio-pci). That of QAT VFs (V(qat_vfio_pci)) needs the kernel's own driver of
        the PF, and cannot work in a guest.
      - Any other is the name of a VFIO driver.
    type: str
    default: auto
  siblings:
    description:
      - What becomes of the rest of an IOMMU group, which goes to one guest as a whole. It is about
        functions on a driver that is not VFIO; those without a driver, those on V(pci-stub) and
        bridges are fine as they are.
      - V(fail) refuses, and names them. V(bind) binds them too; O(state=absent) gives them back
        along with the function that they went with.
    type: str
    choices: [fail, bind]
    default: fail
  allow_denylisted:
    description:
      - Load vfio-pci without its denylist (C(disable_denylist=1)), now and at every boot.
      - vfio-pci refuses C62x, C3xxx and DH895xCC, PFs and VFs, since Linux 5.9, because an
        untrusted guest can hang the device (QATE-7495) or the whole machine (QATE-39220) through
        them. With V(true) you say that you trust the guests of this host.
      - Where vfio-pci is in use with its denylist, or built into the kernel, this takes effect at
        the next boot. The functions stay as they are, and RV(reboot_required) is V(true).
    type: bool
    default: false
  persistent:
    description:
      - Bind the same again at each boot, before libvirt starts, by files of our own below C(/etc)
        for udev, modules-load.d, modprobe.d and systemd. For the display that the machine
        boots with, and for disks, the initramfs is made anew too.
      - V(false) removes what is ours of these functions.
    type: bool
    default: true
  force:
    description:
      - Take a function that the host uses, by a network interface with addresses, an open display
        or sound node, as the boot display, or through a driver that does not tell; with
        O(state=absent), one that belongs to a stopped domain, or whose driver would keep such a
        domain from starting, since that has another function of its IOMMU group.
      - A function that is open in a guest or a process is not taken with force either, nor a disk
        that is mounted.
    type: bool
    default: false
  missing_ok:
    description: Accept entries of O(devices) that match nothing; with O(state=absent) also
      addresses that a bridge or another device than the named has now, which is left alone.
    type: bool
    default: false
notes:
  - Run it as root, in check mode too. Only root sees who holds a function.
  - Two runs on one host wait for each other.
seealso:
  - module: hwaccel.virt.accelerator_info
  - module: hwaccel.virt.iommu_kernel_arg
  - module: hwaccel.virt.qat_sriov
"""

EXAMPLES = r"""
- name: Hand all VFs of generation 4 to guests
  hwaccel.virt.vfio_passthrough:
    devices: [gen4]

- name: Hand over VFs of C62x, to guests that we trust
  hwaccel.virt.vfio_passthrough:
    devices: [c62x]
    allow_denylisted: true

- name: Hand over a whole card, and only if it is the one that was meant
  hwaccel.virt.vfio_passthrough:
    devices:
      - address: "0000:01:00.0"
        id: "8086:4940"
    force: true

- name: Hand over a GPU with whatever shares its group, such as its audio function
  hwaccel.virt.vfio_passthrough:
    devices: ["0000:65:00.0"]
    siblings: bind

- name: Give everything of a GPU back
  hwaccel.virt.vfio_passthrough:
    devices: ["0000:65:00.0"]
    state: absent
"""

RETURN = r"""
devices:
  description: The functions, sorted by address, as they are after the run.
  returned: success, and after a failure half way
  type: list
  elements: dict
  contains:
    address:
      description: PCI address.
      type: str
    id:
      description: Vendor and device id.
      type: str
    name:
      description: What it is, as its vendor calls a QAT device, else by its class.
      type: str
    driver_before:
      description: The driver that it had before this run, V(null) for none.
      type: str
    driver:
      description: The driver that it has now, V(null) for none.
      type: str
    iommu_group:
      description: Number of its IOMMU group, V(null) without one.
      type: int
    group_members:
      description: Addresses of all functions in that group, itself and bridges included.
      type: list
      elements: str
    denylisted:
      description: Whether it is on the denylist of vfio-pci.
      type: bool
    holder:
      description: >-
        Who holds it: C(kind) (V(domain), V(process) or V(driver)), C(name) and C(pid); V(null) for
        nobody.
      type: dict
    reset_methods:
      description: How the kernel can reset it, best first; empty where it does not tell.
      type: list
      elements: str
    sibling:
      description: Whether it was taken along for the group of another one.
      type: bool
    skipped:
      description: Whether it was left alone, as a VF that the host keeps.
      type: bool
gone:
  description: >-
    Former addresses of functions that are not there any more, whose rule and record this run takes
    back.
  returned: success, and after a failure half way
  type: list
  elements: str
reboot_required:
  description: Whether vfio-pci has to be loaded without its denylist first, which takes a boot.
  returned: success, and after a failure half way
  type: bool
kernel_arguments:
  description: >-
    What has to stand on the kernel command line for that, where vfio-pci is built into the kernel.
  returned: success, and after a failure half way
  type: list
  elements: str
pending_writes:
  description: Device writes left undone, each with C(path) and C(value).
  returned: when O(root) is not V(/)
  type: list
  elements: dict
pending_commands:
  description: Commands left undone, as argument lists.
  returned: when O(root) is not V(/)
  type: list
  elements: list
"""

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._module import run_module
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.passthrough import VfioPassthrough


def main() -> t.NoReturn:
    """Plan, apply and tell."""
    run_module(
        {
            "devices": {"type": "list", "elements": "raw", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "driver": {"type": "str", "default": "auto"},
            "siblings": {"type": "str", "choices": ["fail", "bind"], "default": "fail"},
            "allow_denylisted": {"type": "bool", "default": False},
            "persistent": {"type": "bool", "default": True},
            "force": {"type": "bool", "default": False},
            "missing_ok": {"type": "bool", "default": False},
        },
        VfioPassthrough,
    )


if __name__ == "__main__":
    main()
