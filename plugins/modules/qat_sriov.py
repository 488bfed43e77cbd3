#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module qat_sriov."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qat_sriov
short_description: Make virtual functions of Intel QuickAssist devices, now and at every boot
version_added: 0.1.0
description:
  - Sets how many virtual functions (VFs) the physical functions (PFs) of QAT devices have, looks
    whether the kernel took it, and keeps it over reboots with a udev rule.
  - Everything is decided for all PFs before any is changed. A VF that a guest or a process holds
    is never taken away.
  - What was found before the first change is recorded in C(/var/lib/hwaccel/undo.json), and
    O(state=absent) brings exactly that back.
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.change
  - hwaccel.virt.root
options:
  devices:
    description:
      - The PFs. Each entry is a PCI address, a C(vendor:device) pair, a family such as V(c62x), a
        generation such as V(gen4), V(qat) or V(all), or a mapping of C(address) and C(id), which
        fails when another device sits at that address. Quote addresses, which YAML may take for
        numbers.
      - A family, a generation, V(qat) and V(all) skip PFs that stand on a VFIO driver, since
        a guest has these as a whole. They are returned as C(skipped).
    type: list
    elements: raw
    default: [all]
  state:
    description:
      - V(present) makes the VFs.
      - V(absent) brings VFs, autoprobe, services, automatic reset and rule back to what they were
        before this module; services and automatic reset only where a task set them. Without
        a record of that it removes the VFs and the rule, and warns.
      - V(absent) removes rule and record of a PF that was moved or pulled as well, by its former
        address or by what it was, and returns it as RV(gone). While one of them is there, a former
        address means no other device that has it now.
    type: str
    choices: [present, absent]
    default: present
  num_vfs:
    description:
      - How many VFs each PF has, or V(max) for as many as the device offers. V(0) removes them.
      - In-tree drivers, and all hardware before generation 4, make all VFs whatever number is asked
        for. This is predicted and returned as C(coerced); see O(coerced_ok).
    type: raw
    default: max
  host_vfs:
    description:
      - How many VFs of each PF, from the first on, the host keeps for itself. They get their native
        driver (by C(driver_override), at each boot again), and are returned as C(reserved), which
        no module or role of this collection gives to a guest.
      - Linux has a native driver for VFs of generation 1 only; without one this is refused.
      - A smaller number takes VFs from that driver, which needs O(force=true).
      - Refused for VFs that M(hwaccel.virt.vfio_passthrough) binds at every boot, until its
        O(hwaccel.virt.vfio_passthrough#module:state=absent) has given these back.
    type: int
    default: 0
  services:
    description:
      - What generation 4 and later work on (C(cfg_services)), as a set; any order is the same.
      - Generations 4 and 5 take two of V(sym), V(asym) and V(dc) at most, generation 6 takes three,
        with V(decomp) among them. V(dcc) stands alone.
      - Other services are set while the PF is down, which takes its VFs away and makes them again;
        so nobody may use one.
      - Unset leaves them as they are. Refused for families without a choice of services.
    type: list
    elements: str
  auto_reset:
    description:
      - Whether the driver resets a device by itself after a fatal error (C(auto_reset)), on
        generation 4 and later with Linux 6.9 or later.
      - Unset leaves it as it is.
    type: bool
  autoprobe:
    description:
      - Whether new VFs get their native driver by themselves (C(sriov_drivers_autoprobe)).
      - With V(false) nothing binds to a VF that has no C(driver_override), which is what a VF for a
        guest needs.
    type: bool
    default: false
  persistent:
    description:
      - Make the same again at each boot, by udev rules that check the device's id.
      - V(false) removes these rules.
    type: bool
    default: true
  coerced_ok:
    description: Accept that a driver makes all VFs where fewer were asked for.
    type: bool
    default: true
  force:
    description:
      - Take VFs away although a driver of the host uses them, or a stopped domain has them.
      - A VF that is open in a guest or a process is not taken away with force either.
    type: bool
    default: false
  missing_ok:
    description: Accept entries of O(devices) that match nothing; with O(state=absent) also
      addresses that another device has now, which is left alone.
    type: bool
    default: false
notes:
  - Run it as root, in check mode too. Only root sees who holds a VF.
seealso:
  - module: hwaccel.virt.accelerator_info
"""

EXAMPLES = r"""
- name: Make all VFs of every QAT device, now and at every boot
  hwaccel.virt.qat_sriov:

- name: Make the VFs of one card, and only if it is the one that was meant
  hwaccel.virt.qat_sriov:
    devices:
      - address: "0000:01:00.0"
        id: "8086:37c8"
    num_vfs: 16

- name: Give two VFs of each C62x to the host itself, and leave fourteen for guests
  hwaccel.virt.qat_sriov:
    devices: [c62x]
    host_vfs: 2

- name: Let all devices of generation 4 do symmetric and asymmetric cryptography
  hwaccel.virt.qat_sriov:
    devices: [gen4]
    services: [sym, asym]
    auto_reset: true

- name: Remove the VFs of all C62x, none of which may be in use
  hwaccel.virt.qat_sriov:
    devices: [c62x]
    num_vfs: 0

- name: Bring back what was there before
  hwaccel.virt.qat_sriov:
    state: absent
"""

RETURN = r"""
devices:
  description: The PFs, sorted by address, as they are after the run.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: PCI address.
      type: str
    id:
      description: Vendor and device id.
      type: str
    family:
      description: QAT family.
      type: str
    generation:
      description: QAT hardware generation.
      type: float
    driver:
      description: The PF's driver, V(null) without one.
      type: str
    numa_node:
      description: NUMA node, V(null) when the firmware does not tell.
      type: int
    total_vfs:
      description: How many VFs the device offers.
      type: int
    num_vfs:
      description: How many VFs there are.
      type: int
    requested:
      description: How many VFs were asked for, V(null) for a skipped PF.
      type: int
    coerced:
      description: Whether the driver makes another number than was asked for.
      type: bool
    services:
      description: >-
        Services of generation 4 and later, in the order V(sym), V(asym), V(dc), V(dcc), V(decomp);
        V(null) elsewhere.
      type: list
      elements: str
    qat_state:
      description: V(up) or V(down) on generation 4 and later, V(null) elsewhere.
      type: str
    auto_reset:
      description: Whether the driver resets the device by itself, V(null) where it does not tell.
      type: bool
    skipped:
      description: Whether the PF was left alone because it stands on a VFIO driver.
      type: bool
    vfs:
      description: >-
        The VFs: C(address), C(id), C(driver), C(iommu_group), C(reserved) and C(holder). In check
        mode, C(driver) and C(iommu_group) of a VF that would be made are V(null), and so is
        C(holder) where that driver would be it.
      type: list
      elements: dict
gone:
  description: >-
    Former addresses of PFs that are not there any more, whose rule and record this run takes back.
  returned: success
  type: list
  elements: str
problems:
  description: What keeps these PFs from use, each with C(check), C(what), C(why)
    and C(remedy).
  returned: success
  type: list
  elements: dict
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
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.sriov import QatSriov


def main() -> t.NoReturn:
    """Plan, apply and tell."""
    run_module(
        {
            "devices": {"type": "list", "elements": "raw", "default": ["all"]},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "num_vfs": {"type": "raw", "default": "max"},
            "host_vfs": {"type": "int", "default": 0},
            "services": {"type": "list", "elements": "str"},
            "auto_reset": {"type": "bool"},
            "autoprobe": {"type": "bool", "default": False},
            "persistent": {"type": "bool", "default": True},
            "coerced_ok": {"type": "bool", "default": True},
            "force": {"type": "bool", "default": False},
            "missing_ok": {"type": "bool", "default": False},
        },
        QatSriov,
    )


if __name__ == "__main__":
    main()
