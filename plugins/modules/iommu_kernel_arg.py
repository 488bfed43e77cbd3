#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module iommu_kernel_arg."""

from __future__ import annotations

DOCUMENTATION = r"""
module: iommu_kernel_arg
short_description: Turn the IOMMU on by the kernel command line of every boot entry
version_added: 0.1.0
description:
  - Puts C(intel_iommu=on), C(iommu=pt) and further arguments on the kernel command line of every
    boot entry, and where new kernels take theirs from, in the way of the boot loader that the host
    has. Takes out what would turn the IOMMU off.
  - Looks at the entries again afterwards. Never reboots; RV(reboot_required) tells whether the
    running kernel was started without an argument that is configured.
  - Arguments are whole words. C(-) and C(_) in names are the same, C(intel_iommu=on,sm_on) has
    C(intel_iommu=on), and nothing after C(--) counts or is touched.
  - What was found before the first change is recorded in C(/var/lib/hwaccel/undo.json), and
    O(state=absent) brings exactly that back.
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.change
  - hwaccel.virt.root
options:
  state:
    description:
      - V(present) sees to it that every boot entry has the arguments. Arguments that an earlier
        task asked for stay.
      - V(absent) takes back what this module added or replaced, and nothing else. Without a record
        of that it takes out what it would have set, and warns.
    type: str
    choices: [present, absent]
    default: present
  vendor:
    description:
      - Whose IOMMU it is. V(intel) needs C(intel_iommu=on); V(amd) and V(arm) are on by default in
        the kernel, and nothing is added for them.
      - V(auto) goes by the ACPI table that announces it (DMAR, IVRS, IORT), else by the processor,
        with a warning, since the firmware shows no IOMMU then. A tree that tells neither gets what
        Intel needs, with a warning; others take no notice of it.
    type: str
    choices: [auto, intel, amd, arm]
    default: auto
  passthrough:
    description:
      - Add C(iommu=pt), so that devices of the host bypass the IOMMU and only those of guests are
        mapped by it. On x86 only.
      - V(false) adds nothing and removes nothing.
    type: bool
    default: true
  extra:
    description:
      - Further arguments, one each, such as V(vfio-pci.disable_denylist=1). Letters, digits and
        C(_.,:/@%+=~-), and blanks between double quotes, which every boot loader keeps as they are.
        One has at most 1024 characters.
    type: list
    elements: str
    default: []
  bootloader:
    description:
      - Who owns the command line. RV(bootloader_reason) tells why V(auto) chose what it chose.
      - V(grub) is GRUB without entries of the Boot Loader Specification, with a file of our own in
        C(/etc/default/grub.d) where grub-mkconfig reads that (Debian, Ubuntu), else in
        C(/etc/default/grub).
      - V(grubby) and V(bls) are those entries with and without grubby (Red Hat family); on s390x
        C(zipl) is run after them.
      - V(pbl) and V(sdbootutil) are SUSE, V(kernel-install) is systemd-boot, V(proxmox) is both of
        its ways of booting, V(rpm-ostree) is image based systems with C(kargs.d) of bootc images,
        V(kernelstub) is Pop!_OS.
    type: str
    choices:
      - auto
      - grub
      - grubby
      - bls
      - pbl
      - sdbootutil
      - kernel-install
      - proxmox
      - rpm-ostree
      - kernelstub
    default: auto
  backup:
    description:
      - Keep a copy of each file of others that changes beside it, named by the time of its last
        change. Files that a boot loader's tool makes of them, such as C(grub.cfg), are not copied.
    type: bool
    default: false
notes:
  - Files that grub-mkconfig sources are evaluated without running them, as the shell would that
    runs it. What cannot be known so is an error that names file and line, unless the arguments are
    right whatever the value is.
  - Stock kernels of Debian turn VT-d on without any argument, so that RV(iommu_active) may be true
    before.
seealso:
  - module: hwaccel.virt.accelerator_info
"""

EXAMPLES = r"""
- name: Turn the IOMMU on at the next boot, whatever the boot loader
  hwaccel.virt.iommu_kernel_arg:
  register: iommu

- name: Boot, where that is needed
  ansible.builtin.reboot:
  when: iommu.reboot_required and not iommu.rebooted_since

- name: Let vfio-pci take QAT functions of generation 1, too
  hwaccel.virt.iommu_kernel_arg:
    extra: [vfio-pci.disable_denylist=1]

- name: Prepare the image of an Intel host, whose boot loader is run later
  hwaccel.virt.iommu_kernel_arg:
    root: /mnt/image
    vendor: intel

- name: Bring back what was there before
  hwaccel.virt.iommu_kernel_arg:
    state: absent
"""

RETURN = r"""
arguments:
  description: What every boot entry is to have; empty with O(state=absent).
  returned: success
  type: list
  elements: str
  sample: [intel_iommu=on, iommu=pt]
running:
  description: >-
    What the running kernel was started with, each argument as it is written in C(/proc/cmdline).
  returned: success
  type: list
  elements: str
iommu_active:
  description: Whether an IOMMU is on now and functions are in groups.
  returned: success
  type: bool
announced:
  description: Whose IOMMU the firmware announces by an ACPI table, V(null) without one.
  returned: success
  type: str
entries:
  description: The boot entries after the run.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: What the boot loader calls it.
      type: str
    path:
      description: The file that has its command line, V(null) where only a tool tells.
      type: str
    missing:
      description: The arguments that would not take effect with it.
      type: list
      elements: str
overridden_by:
  description: Places that would have won over the arguments.
  returned: success
  type: list
  elements: dict
  contains:
    file:
      description: The file.
      type: str
    line:
      description: The line, from 1.
      type: int
    action:
      description: What is done about it.
      type: str
bootloader:
  description: >-
    Who owns the command line, as in O(bootloader). V(unknown) with O(state=absent) on a host whose
    boot loader is not known, where nothing was done.
  returned: success
  type: str
bootloader_reason:
  description: What on the host tells so.
  returned: success
  type: str
files:
  description: >-
    The files that change, with those that the boot loader's own tool writes when it is run, that is
    when O(root) is V(/).
  returned: success
  type: list
  elements: path
backup_files:
  description: Copies of files that change, with O(backup=true).
  returned: success
  type: list
  elements: path
not_running:
  description: The wanted arguments that are not in effect in the running kernel.
  returned: success
  type: list
  elements: str
extra_not_running:
  description: Those of RV(not_running) that O(extra) asks for.
  returned: success
  type: list
  elements: str
rebooted_since:
  description: >-
    Whether the host was booted since these arguments were first configured. Together with
    RV(reboot_required), another reboot does not help: something else starts this kernel, or takes
    the arguments out again before each boot.
  returned: success
  type: bool
reboot_required:
  description:
    - Whether a wanted argument is configured and the running kernel was started without it, or in
      spite of it with one that turns the IOMMU off.
    - With O(state=absent), whether the running kernel was started with other arguments of the IOMMU
      than any boot entry has.
    - V(false) for a tree without C(/proc/cmdline).
  returned: success
  type: bool
pending_writes:
  description: Always empty; this module writes to no device.
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

from ansible_collections.hwaccel.virt.plugins.module_utils._boot.detect import BOOTLOADERS
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.iommu import IommuKernelArg
from ansible_collections.hwaccel.virt.plugins.module_utils._module import run_module


def main() -> t.NoReturn:
    """Plan, apply and tell."""
    run_module(
        {
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "vendor": {
                "type": "str",
                "choices": ["auto", "intel", "amd", "arm"],
                "default": "auto",
            },
            "passthrough": {"type": "bool", "default": True},
            "extra": {"type": "list", "elements": "str", "default": []},
            "bootloader": {"type": "str", "choices": list(BOOTLOADERS), "default": "auto"},
            "backup": {"type": "bool", "default": False},
        },
        IommuKernelArg,
    )


if __name__ == "__main__":
    main()
