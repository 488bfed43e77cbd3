#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module qat_config."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qat_config
short_description: Configuration files of QAT devices, with services and instances as data
version_added: 0.1.0
description:
  - Sets keys and instances in C(/etc/<device>_dev<N>.conf), which the vendor's out-of-tree driver
    reads, on hosts and in guests. Everything else in the file stays to the byte, comments and
    unknown keys included.
  - What the driver would not take is refused. Instances of a VF take rings, of which it has 16.
    Each enabled service of an instance takes 2, for every process. So a crypto instance takes 4
    with both C(sym) and C(asym), which C(cy) is, or else 2, and a compression instance takes 2.
    Instances need their service in C(ServicesEnabled), and a service of a VF must be enabled for
    its PF too.
  - The kernel's own drivers read no such file. Their services are set with
    M(hwaccel.virt.qat_sriov).
  - The module restarts nothing. It returns RV(restart_required).
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.change
  - hwaccel.virt.root
options:
  path:
    description:
      - The file. It needs no device to be there. Use this or O(devices).
    type: path
  devices:
    description:
      - The devices whose files are meant, PFs or VFs by O(kind). Each entry is a PCI address, a
        C(vendor:device) pair, a family such as V(c62x), a generation such as V(gen1), V(qat) or
        V(all), or a mapping of C(address) and C(id), which fails when another device sits at that
        address. Quote addresses, which YAML may take for numbers.
      - The number in the name of a file is the one that C(adf_ctl status) tells on a running
        machine. Where the tool is missing or knows no device of the type, the devices of the type
        are counted by address. These are VFs on their own driver on a host, and all VFs in a guest.
        Numbers of VFs change when the number of VFs does.
      - A family, a generation, V(qat) and V(all) skip devices on a VFIO driver, which are for
        guests, and VFs of a host without their own driver. They are returned in RV(skipped). Named
        by address or id they are refused.
    type: list
    elements: raw
  kind:
    description:
      - Whether the files are of PFs or of VFs.
      - The default is V(pf), and V(vf) for an O(path) with a name as the driver gives to files of
        VFs, such as C(/etc/c6xxvf_dev0.conf).
    type: str
    choices: [pf, vf]
  general:
    description:
      - Keys of C([GENERAL]) and their values. V(null) takes a key out.
      - Known keys are checked. C(ServicesEnabled) takes V(cy), V(sym), V(asym) and V(dc), joined by
        C(;) or as a list; their order means nothing. Devices of generation 4 have no V(cy), and two
        services at most. C(CyNumConcurrentSymRequests), C(CyNumConcurrentAsymRequests) and
        C(DcNumConcurrentRequests) take powers of two from 64 to 65536, C(HeartbeatTimer) more than
        200, C(DcIntermediateBufferSizeInKB) 32 or 64, C(ServicesProfile) V(DEFAULT), V(CRYPTO),
        V(COMPRESSION) or V(CUSTOM1), C(ConfigVersion) 2, and switches such as C(AutoResetOnError) 0
        or 1.
      - Keys that are not known are written as they are given.
    type: dict
    default: {}
  sections:
    description:
      - Sections of instances by name, such as C(SSL) or C(SHIM), which is the name that a process
        gives to the library, or C(KERNEL) for the kernel's own instances.
      - V(null) takes a section out. Comments in it stay.
      - What is not named in a section stays, and so do its keys that are of no instance. A new
        section is added at the end of the file. It gets C(NumProcesses = 1), unless
        C(processes) says otherwise, and C(LimitDevAccess = 0), with which a process may have
        instances of other devices too.
      - C(crypto) and C(compression) are how many instances each process has. Keys of instances
        beyond that are taken out. Instead of a number, each can be a list of mappings of C(name),
        C(polling) and C(core), one for each instance, all of them optional.
      - An instance that has no name yet gets the name of the section and its number for crypto, and
        C(UserDC) and its number for compression, as in the vendor's guide. In C(KERNEL) these are
        C(IPSec) and C(IPComp).
      - C(processes) is the number of processes, each of which has these instances.
      - C(polling) is V(poll), V(interrupt) or V(epoll). A new instance is polled.
      - C(cores) is a list of cores, which instances get in turn, crypto before compression. After
        the last core the first follows again. Without it C(CoreAffinity) is left as it is.
    type: dict
    default: {}
  state:
    description:
      - V(present) sets what is asked for. A file that is missing is made, with mode 0640. It has
        C(ServicesEnabled), C(ConfigVersion = 2), which says how instances are written, and a
        section C(KERNEL) without instances. All samples of the vendor have these. Services that are
        not asked for are those of the PF for a VF whose PF is seen, C(cy;dc) before generation 4,
        and in generation 4 V(dc) for compression instances, or else C(sym;asym).
      - V(absent) takes back what this module did to the file, and nothing else. A file that it made
        goes, unless others have added to it. Without a record, it takes out what O(general) and
        O(sections) name, and warns.
    type: str
    choices: [present, absent]
    default: present
  backup:
    description: Keep a copy of a file that changes, named by the time when it was last changed.
    type: bool
    default: false
  missing_ok:
    description: Accept entries of O(devices) that match nothing.
    type: bool
    default: false
notes:
  - Run it as root, in check mode too.
  - With SR-IOV the driver makes no instances of a PF, and this module warns of them. Processes of
    the host then use VFs that the host keeps.
  - Whether PF and VFs agree on services is seen on the host only. In a guest there is no PF.
seealso:
  - module: hwaccel.virt.qat_sriov
  - module: hwaccel.virt.accelerator_info
"""

EXAMPLES = r"""
- name: Two crypto instances and a compression instance for one process, on the first PF of a C62x
  hwaccel.virt.qat_config:
    path: /etc/c6xx_dev0.conf
    general:
      ServicesEnabled: cy;dc
    sections:
      SSL:
        crypto: 2
        compression: 1
        processes: 1
  register: config

- name: Make the driver read it
  ansible.builtin.service:
    name: qat_service
    state: restarted
  when: config.restart_required

- name: The same for all VFs that a guest has, one core for each instance
  hwaccel.virt.qat_config:
    devices: [qat]
    kind: vf
    general:
      ServicesEnabled: [cy, dc]
    sections:
      SSL:
        crypto: 2
        compression: 1
        polling: poll
        cores: [0, 1, 2]

- name: Only symmetric cryptography on the PFs of generation 4, and no instances of their own
  hwaccel.virt.qat_config:
    devices: [gen4]
    general:
      ServicesEnabled: sym
      AutoResetOnError: 1
    sections:
      SSL:
    backup: true

- name: Name instances one by one
  hwaccel.virt.qat_config:
    path: /etc/4xxxvf_dev0.conf
    sections:
      SHIM:
        crypto:
          - name: web
            polling: epoll
          - name: mail
            core: 3

- name: Take back what was done
  hwaccel.virt.qat_config:
    path: /etc/c6xx_dev0.conf
    state: absent
"""

RETURN = r"""
files:
  description: The files that are meant, sorted by the address of their devices, after the run.
  returned: success, and after a failure half way
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
    address:
      description: PCI address of its device, V(null) where there is none.
      type: str
    family:
      description: QAT family of the device, V(null) where there is none.
      type: str
    kind:
      description: V(pf) or V(vf).
      type: str
    exists:
      description: Whether there is such a file.
      type: bool
    general:
      description: The keys of C([GENERAL]), without quotes.
      type: dict
    sections:
      description: >-
        The other sections by name. Each has C(crypto) and C(compression), the number of instances
        of each process, C(processes), V(null) in sections of the kernel, C(rings), how many rings
        they take together, and C(instances), a list of C(kind) (V(crypto) or V(compression)),
        C(name), C(polling) and C(core), V(null) for what the file does not tell.
      type: dict
    rings:
      description: >-
        How many rings all instances take, C(needed), and how many there are, C(budget), which is
        V(null) for a PF.
      type: dict
  sample:
    - path: /etc/c6xxvf_dev0.conf
      address: "0000:01:01.0"
      family: c62x
      kind: vf
      exists: true
      general:
        ServicesEnabled: cy;dc
        ConfigVersion: "2"
      sections:
        SSL:
          crypto: 1
          compression: 1
          processes: 1
          rings: 6
          instances:
            - kind: crypto
              name: SSL0
              polling: poll
              core: "0"
            - kind: compression
              name: UserDC0
              polling: poll
              core: null
      rings:
        needed: 6
        budget: 16
skipped:
  description: Addresses of devices that a word of O(devices) means, and that have no file here.
  returned: success, and after a failure half way
  type: list
  elements: str
restart_required:
  description: >-
    Whether the service C(qat_service) has to be restarted. It is when a file was changed in this
    run, and on a running machine also when the service runs and was started before a file was last
    changed, as after a play that was stopped in between.
  returned: success, and after a failure half way
  type: bool
  sample: true
backup_file:
  description: The copy of the first file that was changed.
  returned: changed, with O(backup=true), when there was a file
  type: str
  sample: /etc/c6xx_dev0.conf.2026-11-21@10:15:32~
backup_files:
  description: The copies of all files that were changed.
  returned: changed, with O(backup=true), when there was a file
  type: list
  elements: str
pending_writes:
  description: Device writes left undone, of which this module has none.
  returned: when O(root) is not V(/)
  type: list
  elements: dict
pending_commands:
  description: Commands left undone, of which this module has none.
  returned: when O(root) is not V(/)
  type: list
  elements: list
"""

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._module import run_module
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.config import DeviceConfig


def main() -> t.NoReturn:
    """Plan, apply and tell."""
    run_module(
        {
            "path": {"type": "path"},
            "devices": {"type": "list", "elements": "raw"},
            "kind": {"type": "str", "choices": ["pf", "vf"]},
            "general": {"type": "dict", "default": {}},
            "sections": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "backup": {"type": "bool", "default": False},
            "missing_ok": {"type": "bool", "default": False},
        },
        DeviceConfig,
    )


if __name__ == "__main__":
    main()
