#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module accelerator_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: accelerator_info
short_description: Tell what accelerators a host has, who holds them, and what is wrong
version_added: 0.1.0
description:
  - Gathers everything about a host that matters for accelerators in virtual machines, in one
    pass over files; no command is run.
  - RV(problems) names each cause that keeps an accelerator from use together with its remedy.
  - Nothing is changed. Where asking a device how it is could make its driver reset it, it is not
    asked.
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.info
  - hwaccel.virt.root
notes:
  - Run it as root. Otherwise configuration space is cut off, domains and processes of other users
    are not seen as holders, and no driver tells the health of its device.
seealso:
  - module: hwaccel.virt.qat_sriov
"""

EXAMPLES = r"""
- name: Look at the accelerators of a host
  hwaccel.virt.accelerator_info:
  register: accelerators

- name: Show what is wrong, with the remedy
  ansible.builtin.debug:
    msg: "{{ item.what }} ({{ item.why }}): {{ item.remedy }}"
  loop: "{{ accelerators.problems }}"
  loop_control:
    label: "{{ item.what }}"

- name: Look at a host that was recorded, or at a mounted image
  hwaccel.virt.accelerator_info:
    root: /srv/recordings/host1
"""

RETURN = r"""
cpu:
  description: The processor.
  returned: success
  type: dict
  contains:
    vendor:
      description: V(intel), V(amd), V(arm) or V(null).
      type: str
    model:
      description: Model name as the processor gives it.
      type: str
    virtualization:
      description: V(vmx) or V(svm), V(null) when neither flag is shown.
      type: str
iommu:
  description: The IOMMU.
  returned: success
  type: dict
  contains:
    active:
      description: Whether a unit is on and functions are in groups.
      type: bool
    vendor:
      description: V(intel), V(amd) or V(arm), of the running unit, else as announced.
      type: str
    announced:
      description: The vendor by the ACPI table (DMAR, IVRS, IORT), V(null) without one.
      type: str
    interrupt_remapping:
      description: >-
        Whether interrupts are remapped, V(null) where it cannot be told, as on Arm. Without it VFIO
        gives no function to a guest.
      type: bool
    unsafe_interrupts:
      description: Whether VFIO or iommufd was told to do without (C(allow_unsafe_interrupts)).
      type: bool
    groups:
      description: The groups, each with C(group), C(type) and the addresses in C(devices).
      type: list
      elements: dict
kernel:
  description: The running kernel.
  returned: success
  type: dict
  contains:
    release:
      description: As C(uname -r) gives it.
      type: str
    command_line:
      description: Its command line.
      type: str
    lockdown:
      description: V(none), V(integrity), V(confidentiality), or V(null) without lockdown.
      type: str
    secure_boot:
      description: Whether Secure Boot is on, V(null) without EFI.
      type: bool
    signed_modules:
      description: Whether it loads none but signed modules, by lockdown or by C(sig_enforce).
      type: bool
firmware_hints:
  description: >-
    Firmware settings, inferred: C(setting), C(enabled) (V(null) when it cannot be told) and
    C(evidence).
  returned: success
  type: list
  elements: dict
devices:
  description: QAT PFs and VFs, other PFs with SR-IOV, and GPUs, sorted by address.
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
    kind:
      description: V(qat_pf), V(qat_vf), V(sriov_pf) or V(gpu).
      type: str
    name:
      description: Name of a QAT device.
      type: str
    family:
      description: QAT family.
      type: str
    generation:
      description: QAT hardware generation.
      type: float
    driver:
      description: Its driver, V(null) without one.
      type: str
    numa_node:
      description: NUMA node, V(null) when the firmware does not tell.
      type: int
    iommu_group:
      description: Number of its IOMMU group.
      type: int
    pf:
      description: Address of a VF's PF.
      type: str
    total_vfs:
      description: How many VFs a PF can have.
      type: int
    fitting_vfs:
      description: >-
        How many of them find memory and bus numbers; V(0) when a VF BAR has no memory. Bus numbers
        are not told for a PF that sits on a root bus.
      type: int
    num_vfs:
      description: How many VFs a PF has, V(null) when the kernel does not answer.
      type: int
    autoprobe:
      description: Whether new VFs of a QAT PF get a driver by themselves.
      type: bool
    qat_state:
      description: V(up) or V(down), V(null) for a driver without C(qat/state).
      type: str
    services:
      description: What a QAT PF offers, V(null) for a driver without C(qat/cfg_services).
      type: list
      elements: str
    auto_reset:
      description: >-
        Whether the driver resets a QAT PF that fails, V(null) for a driver without
        C(qat/auto_reset).
      type: bool
    reserved:
      description: Whether the host keeps a QAT VF for itself.
      type: bool
    blocked:
      description: Whether the kernel did not answer within the bound.
      type: bool
    holder:
      description: >-
        Who holds it: C(kind) (V(domain), V(process) or V(driver)), C(name) and C(pid), or V(null).
      type: dict
    mps:
      description: Max Payload Size in bytes, V(null) for a VF.
      type: int
    mps_supported:
      description: Max Payload Size Supported in bytes.
      type: int
    denylisted:
      description: Whether vfio-pci refuses the device unless told otherwise.
      type: bool
    health:
      description: >-
        What the driver of a QAT PF tells of the device, V(null) where it does not (before Linux
        6.6, in state V(down), or not run as root).
      type: dict
      contains:
        status:
          description: >-
            V(healthy) or V(unhealthy), which a device is that made no progress in three queries;
            each run of this module is one. V(null) where it was not asked, since C(auto_reset) is
            on, or did not say.
          type: str
        queries_sent:
          description: How often the driver was asked since the device came up.
          type: int
        queries_failed:
          description: How often it found that the device does not respond.
          type: int
services:
  description: >-
    The services C(qat), C(libvirt) and C(nvidia-gridd), each with C(unit) (V(null) when not
    installed), C(enabled) and C(running).
  returned: success
  type: dict
limits:
  description: >-
    What holds for a user of group C(qat) who uses VFs without a guest. The limit of a guest is
    raised by libvirt.
  returned: success
  type: dict
  contains:
    memlock:
      description: >-
        Bytes of memory that such a user may lock, V(-1) for any number; V(null) where no file of
        pam_limits or systemd sets it, so that the kernel's default holds.
      type: int
    memlock_source:
      description: The file that sets it.
      type: str
    dma_entry_limit:
      description: How many mappings VFIO takes, V(null) while vfio_iommu_type1 is not loaded.
      type: int
bindings:
  description: What rules of this collection bind to VFIO at boot, sorted by address.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The function.
      type: str
    id:
      description: Vendor and device id that the rule waits for.
      type: str
    driver:
      description: VFIO driver that it gets.
      type: str
    path:
      description: The file.
      type: str
configured:
  description: What rules of this collection make at boot, sorted by address.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The PF.
      type: str
    id:
      description: Vendor and device id that the rule waits for.
      type: str
    driver:
      description: Driver that the rule waits for.
      type: str
    num_vfs:
      description: How many VFs it makes.
      type: int
    autoprobe:
      description: Whether VFs get a driver by themselves, V(null) when it leaves that alone.
      type: bool
    services:
      description: What the PF offers, V(null) when it leaves that alone.
      type: list
      elements: str
    auto_reset:
      description: Whether the driver resets the PF, V(null) when it leaves that alone.
      type: bool
    host_vfs:
      description: Addresses of the VFs that the host keeps.
      type: list
      elements: str
    path:
      description: The file.
      type: str
standing:
  description: >-
    What modules of this collection did here and have not taken back, by the records that they keep
    on the host, sorted; V(null) where a record cannot be read, as without root.
  returned: success
  type: list
  elements: dict
  contains:
    module:
      description: The module, such as V(qat_sriov).
      type: str
    thing:
      description: What it did it to, such as an address, a file or a boot loader.
      type: str
problems:
  description: What keeps accelerators from use.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: >-
        Which check found it: V(configured), V(driver), V(iommu), V(kernel), V(limits),
        V(lockdown), V(resources), V(sriov) or V(virtualization).
      type: str
    what:
      description: What is seen.
      type: str
    why:
      description: The cause.
      type: str
    remedy:
      description: What to do.
      type: str
"""

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._facts.gather import gather
from ansible_collections.hwaccel.virt.plugins.module_utils._module import run_info_module


def main() -> t.NoReturn:
    """Gather and tell."""
    run_info_module({}, lambda _options, host: gather(host))


if __name__ == "__main__":
    main()
