#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module qatlib_service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qatlib_service
short_description: Give VFs to the programs of a host through qatlib, and guests the rest
version_added: 0.1.0
description:
  - Says which virtual functions (VFs) of QAT devices of generation 4 and later the programs of this
    host use through qatlib, and keeps qatlib's service C(qat.service) from all others, which are
    for guests.
  - As packaged, the service makes all VFs of every PF at each start and takes each of them to one
    driver, those of running guests included. Then its manager opens, as root, every VFIO group that
    it can. A drop-in of this module takes the first step out, for VFs and drivers are the business
    of M(hwaccel.virt.qat_sriov) and M(hwaccel.virt.vfio_passthrough), and has the manager run as a
    user of the group C(qat). A udev rule gives the group C(qat) the VFIO groups of the chosen VFs,
    and no others.
  - The chosen VFs are never given to a guest by M(hwaccel.virt.libvirt_accelerators).
  - Run it before the package is installed, which starts the service at once on some distributions.
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.change
  - hwaccel.virt.root
options:
  devices:
    description:
      - The PFs of which programs of the host use VFs. Each entry is a PCI address, a
        C(vendor:device) pair, a family such as V(4xxx), V(gen4), V(qat), V(all), or a mapping of
        C(address) and C(id), which fails when another device sits at that address.
      - V(all), V(qat) and generations mean the PFs that qatlib can use, those of generation 4 and
        later. Where they mean only earlier ones the task fails, unless O(missing_ok) is set. An
        earlier one that is named, or its family, is always refused.
      - With an empty list all VFs are for guests, and the service has nothing to do.
    type: list
    elements: raw
    default: []
  vfs:
    description:
      - How many VFs of each of these PFs, from the first on, or V(all). More than a PF can have are
        refused.
      - A VF of a libvirt guest is refused, running or not, and so is one whose IOMMU group has
        another VF that is not chosen. The groups of VFs are known once these are made. Where that
        is later, run the task again, in check mode or not, before they are bound to VFIO.
    type: str
    default: all
  policy:
    description:
      - How many VFs C(qatmgr) gives to each process (C(POLICY)). V(0) is one of each PF.
      - Unset leaves the setting as it is.
    type: int
  memlock:
    description:
      - How much memory in KiB users of the group C(qat) may lock, in
        C(/etc/security/limits.d/90-hwaccel-qatlib.conf), or V(unlimited). qatlib locks 16 MB for
        each VF of a process, beside what the application needs.
      - V(0) writes no limit. Without V(devices) none is written.
    type: str
    default: "500000"
  state:
    description:
      - V(present) writes drop-in, udev rules, limit and policy. It does not start the service, see
        RV(restart_required).
      - V(absent) removes them, whatever O(devices) says, puts the policy back where it still is
        what was set, and takes the chosen VFs from the group C(qat). The service then does what
        its package has it do at the next start. Stop and disable it before.
      - With V(absent) it also forgets which VFs it had chosen. To take these from VFIO, run it in
        check mode, give RV(given_back) to M(hwaccel.virt.vfio_passthrough), and then run it. Role
        P(hwaccel.virt.qat_host#role) does so.
    type: str
    choices: [present, absent]
    default: present
  missing_ok:
    description: Accept entries of O(devices) that match nothing on this host.
    type: bool
    default: false
notes:
  - The VFs have to be on a VFIO driver for qatlib, as for guests, see
    M(hwaccel.virt.vfio_passthrough).
  - The services of a PF are set with O(hwaccel.virt.qat_sriov#module:services). C(ServicesEnabled)
    in the service's environment file has no effect, which the module warns about.
  - A program uses qatlib as a user of the group C(qat), or as root.
  - Tried with qatlib 24.02 of Debian 13. Later releases bring a udev rule of their own,
    C(99-qat-vfio.rules), that gives all VFs to the group C(qat). The module masks it with a file of
    that name in C(/etc/udev/rules.d), unless there is one already.
  - Run it as root, in check mode too.
seealso:
  - module: hwaccel.virt.qat_sriov
  - module: hwaccel.virt.vfio_passthrough
"""

EXAMPLES = r"""
- name: Four VFs of each PF of generation 4 for programs of the host, the rest for guests
  hwaccel.virt.qatlib_service:
    devices: [gen4]
    vfs: "4"
    missing_ok: true
  register: qatlib

- name: Have the service work with it
  ansible.builtin.systemd_service:
    name: "{{ qatlib.unit }}"
    state: "{{ 'restarted' if qatlib.restart_required else 'started' }}"
    enabled: true
  when: qatlib.vfs | length > 0

- name: Put the service back as its package has it
  hwaccel.virt.qatlib_service:
    state: absent
"""

RETURN = r"""
unit:
  description: Name of the systemd unit.
  returned: success
  type: str
service:
  description: The service as the module leaves it, which starts and stops nothing.
  returned: success
  type: dict
  contains:
    installed:
      description: Whether its package is there.
      type: bool
    enabled:
      description: Whether a boot starts it.
      type: bool
    running:
      description: Whether it runs.
      type: bool
environment_file:
  description: The file from which the unit takes its settings.
  returned: success
  type: str
policy:
  description: C(POLICY) in it, V(null) where it is not set.
  returned: success
  type: str
devices:
  description: The chosen PFs, sorted by address.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: PCI address of the PF.
      type: str
    id:
      description: Vendor and device.
      type: str
    family:
      description: QAT family.
      type: str
    vfs:
      description: >-
        The VFs for programs of the host, made already or not, each with its C(address) and whether
        it is C(ready) to be opened by the group C(qat).
      type: list
      elements: dict
    skipped:
      description: Whether it was left alone, as one on a VFIO driver that a word means.
      type: bool
  sample:
    - address: "0000:6b:00.0"
      id: "8086:4940"
      family: 4xxx
      vfs:
        - address: "0000:6b:00.1"
          ready: true
      skipped: false
vfs:
  description: The addresses of all these VFs.
  returned: success
  type: list
  elements: str
given_back:
  description: >-
    VFs that the last run had chosen and this one has not. They stay on their driver, see
    M(hwaccel.virt.vfio_passthrough). With O(state=absent) also those of all earlier runs that are
    still as M(hwaccel.virt.vfio_passthrough) has bound them, unless a libvirt guest has them by
    now.
  returned: success
  type: list
  elements: str
standing:
  description: >-
    Whether files of this module or its record were there before the task, so that O(state=absent)
    has something to take back.
  returned: success
  type: bool
files:
  description: The files of this module that are there after the run.
  returned: success
  type: list
  elements: path
restart_required:
  description: >-
    Whether the service has to be started again to work with what is there now. It is also true when
    an earlier run changed it and the service was not restarted since.
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

from ansible_collections.hwaccel.virt.plugins.module_utils._module import run_module
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.service import QatlibService


def main() -> t.NoReturn:
    """Plan, apply and tell."""
    run_module(
        {
            "devices": {"type": "list", "elements": "raw", "default": []},
            "vfs": {"type": "str", "default": "all"},
            "policy": {"type": "int"},
            "memlock": {"type": "str", "default": "500000"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "missing_ok": {"type": "bool", "default": False},
        },
        QatlibService,
    )


if __name__ == "__main__":
    main()
