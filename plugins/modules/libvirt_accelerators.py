#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module libvirt_accelerators."""

from __future__ import annotations

DOCUMENTATION = r"""
module: libvirt_accelerators
short_description: Deal functions of a host out to its libvirt guests
version_added: 0.1.0
description:
  - Chooses which guest gets which VFs and whole cards, for all guests of a host in one task and
    without conflict, plugs VFs into guests that run and out of them, and returns the definition
    that each guest is to have. It does not define, start or stop guests; role
    P(hwaccel.virt.kvm_guest#role) does.
  - What a guest has stays with it in later runs. libvirt's own XML is the only record of that, in
    C(/etc/libvirt/qemu) and C(/run/libvirt/qemu).
  - Free is what has no guest, no process and no driver of the host, and whose IOMMU group no other
    guest has a part of. VFs that the host keeps for itself
    (O(hwaccel.virt.qat_sriov#module:host_vfs)) are never given away, by address neither.
  - Everything is decided for all guests before any is touched. What cannot be had is refused with
    a list of who has it.
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.change
  - hwaccel.virt.root
options:
  guests:
    description:
      - The guests, each with all functions that it is to have and no others.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the libvirt domain.
        type: str
        required: true
      accelerators:
        description:
          - What it is to have. Each entry is a mapping, of one of two forms.
          - "With C(family), a QAT family such as V(c62x): C(count) functions of it, 1 unless given,
            of C(kind) V(vf), the default, or V(pf) for whole cards, at the NUMA node C(numa_node)
            where that is given, and with C(same_numa_node=true) all at the same node."
          - "With C(address), a PCI address: this function. With C(id) (V(vendor:device)) it fails
            where another device sits there."
        type: list
        elements: raw
        default: []
      xml:
        description:
          - The definition of the domain without functions of the host. UUID, MAC addresses, PCI
            addresses and controllers that it leaves out are taken from the definition that the
            guest has.
          - Without it the definition that the guest has is returned, with these functions.
        type: str
      shared_bus:
        description:
          - Put the VFs of one PF on one PCI bus of the guest, up to eight, as qatlib in a guest
            wants, and take the VFs from as few PFs as there can be. It takes a guest of machine
            type q35. These VFs come and go together, so not while the guest runs.
        type: bool
        default: false
  max_functions:
    description:
      - How many functions a guest may have. QEMU and the kernel have limits that depend on their
        versions, and tell of them only when the guest starts.
    type: int
    default: 32
  allow_hot_remove:
    description:
      - Ask running guests to let go of functions that they are not to have any more. Otherwise a
        task that would take something from a running guest is refused.
      - It succeeds when the guest's own system has let go, and fails when it has not within half a
        minute. Nothing is taken by force.
    type: bool
    default: false
  accept_mps_loss:
    description:
      - Give whole cards of the first generation to guests although the kernel is locked down, so
        that their Max Payload Size cannot be put back after a reset
        (M(hwaccel.virt.qat_mps)).
    type: bool
    default: false
notes:
  - A function that M(hwaccel.virt.vfio_passthrough) keeps on a VFIO driver is given with
    C(managed='no'), any other with C(managed='yes'), which has libvirt bind it at the guest's start
    and give it back to the driver that the kernel chooses afterwards. A VF that was made with
    autoprobe off ends without one.
seealso:
  - module: hwaccel.virt.vfio_passthrough
  - module: hwaccel.virt.qat_mps
"""

EXAMPLES = r"""
- name: Two VFs for one guest, a whole card for another
  hwaccel.virt.libvirt_accelerators:
    guests:
      - name: vm1
        accelerators:
          - family: c62x
            count: 2
      - name: vm2
        accelerators:
          - family: c62x
            kind: pf
  register: dealt

- name: Define what is not so yet
  community.libvirt.virt:
    command: define
    xml: "{{ item.definition }}"
  loop: "{{ dealt.guests | selectattr('differs') }}"
  loop_control:
    label: "{{ item.name }}"

- name: Four VFs at one NUMA node and on one bus of the guest, and one by its address
  hwaccel.virt.libvirt_accelerators:
    guests:
      - name: vm3
        shared_bus: true
        accelerators:
          - family: 4xxx
            count: 4
            same_numa_node: true
          - address: "0000:3d:01.0"
            id: "8086:37c9"
"""

RETURN = r"""
guests:
  description: The guests of the task, in its order.
  returned: success, and after a failure half way
  type: list
  elements: dict
  contains:
    name:
      description: The name of the domain.
      type: str
    defined:
      description: Whether libvirt has a definition of it.
      type: bool
    running:
      description: Whether it runs, or is paused.
      type: bool
    functions:
      description: >-
        Its functions, sorted by address; each with C(address), C(id), C(family) (V(null) for what
        is no QAT device), C(kind) (V(vf), V(pf) or V(null)), C(managed), C(iommu_group),
        C(numa_node) and C(held), which tells whether the running guest has it now.
      type: list
      elements: dict
    definition:
      description: The definition that it is to have, as libvirt's XML.
      type: str
    differs:
      description: Whether the definition that libvirt has is not that one.
      type: bool
    added:
      description: Addresses of functions that it did not have before, at its next start neither.
      type: list
      elements: str
    removed:
      description: Addresses of functions that it had before.
      type: list
      elements: str
payload_pfs:
  description: >-
    Addresses of whole cards of these guests that lose their Max Payload Size at a reset.
  returned: success, and after a failure half way
  type: list
  elements: str
payload_unheld:
  description: Those among them that no running guest has now, so that their size can be saved.
  returned: success, and after a failure half way
  type: list
  elements: str
pending_writes:
  description: Device writes left undone; always empty.
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

from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.accelerators import (
    LibvirtAccelerators,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._module import run_module


def main() -> t.NoReturn:
    """Plan, apply and tell."""
    guest = {
        "name": {"type": "str", "required": True},
        "accelerators": {"type": "list", "elements": "raw", "default": []},
        "xml": {"type": "str"},
        "shared_bus": {"type": "bool", "default": False},
    }
    run_module(
        {
            "guests": {"type": "list", "elements": "dict", "required": True, "options": guest},
            "max_functions": {"type": "int", "default": 32},
            "allow_hot_remove": {"type": "bool", "default": False},
            "accept_mps_loss": {"type": "bool", "default": False},
        },
        LibvirtAccelerators,
    )


if __name__ == "__main__":
    main()
