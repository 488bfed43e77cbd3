#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module qat_software_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qat_software_info
short_description: Tell which software makes the QAT devices of a host or guest usable
version_added: 0.1.0
description:
  - Looks at the QAT devices of a machine and at the drivers that its kernel has, and tells which
    way leads to programs that use them, qatlib, the vendor's package, or the kernel's driver alone.
  - Fails where the way that is asked for cannot be gone, with the ways that there are.
  - qatlib is for generation 4 and later. Stock kernels of Debian 12 and 13 are built without the
    drivers of generation 4.
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.info
  - hwaccel.virt.root
options:
  method:
    description:
      - V(auto) takes qatlib for generation 4 and later, and for earlier ones the vendor's package
        where O(archive) says that there is one, else the kernel's driver alone. Where both would be
        needed it fails, since their kernel modules on one host can crash it.
      - V(driver) is the kernel's driver alone. On a host its VFs are for guests, and programs of a
        guest reach a device of generation 1 through the kernel's crypto API only.
    type: str
    choices: [auto, qatlib, package, driver]
    default: auto
  side:
    description:
      - A V(host) drives PFs. Those on a VFIO driver belong to guests and are left out.
      - A V(guest) has VFs or whole cards. One without any is an error that says what to look at on
        its host.
    type: str
    choices: [host, guest]
    default: host
  archive:
    description: Whether an archive of the vendor's package is at hand.
    type: bool
    default: false
seealso:
  - module: hwaccel.virt.qatlib_service
  - module: hwaccel.virt.qat_package
  - module: hwaccel.virt.accelerator_info
"""

EXAMPLES = r"""
- name: See which software this host needs
  hwaccel.virt.qat_software_info:
  register: qat_software

- name: Tell
  ansible.builtin.debug:
    msg: "{{ qat_software.method }}: {{ qat_software.why }}"

- name: Make sure that a guest got its function
  hwaccel.virt.qat_software_info:
    side: guest
  delegate_to: vm1.example.com
"""

RETURN = r"""
method:
  description: >-
    V(qatlib), V(package), V(driver), or V(none) where nothing is to be installed, as on a host
    whose PFs are all passed through whole.
  returned: success
  type: str
why:
  description: The reason for it.
  returned: success
  type: str
kernel:
  description: Release of the running kernel.
  returned: success
  type: str
devices:
  description: All PFs, and VFs whose PF is on another machine, sorted by address.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: PCI address.
      type: str
    id:
      description: Vendor and device.
      type: str
    family:
      description: QAT family.
      type: str
    generation:
      description: Hardware generation.
      type: float
    kind:
      description: V(pf) or V(vf).
      type: str
    driver:
      description: The driver that it has, V(null) without.
      type: str
    module:
      description: The kernel module with its driver, V(null) where none is known.
      type: str
    has_driver:
      description: Whether this kernel has that module.
      type: bool
    in_tree:
      description: Whether the driver that it has is the kernel's own.
      type: bool
    firmware_missing:
      description: Files that the module asks for and that are not there.
      type: list
      elements: str
  sample:
    - address: "0000:6b:00.0"
      id: "8086:4940"
      family: 4xxx
      generation: 4
      kind: pf
      driver: 4xxx
      module: qat_4xxx
      has_driver: true
      in_tree: true
      firmware_missing: []
families:
  description: The families of the devices that this machine drives itself.
  returned: success
  type: list
  elements: str
config_kinds:
  description: Whether these are PFs (V(pf)), VFs (V(vf)) or both.
  returned: success
  type: list
  elements: str
firmware_missing:
  description: Firmware that the kernel's drivers of these devices ask for and that is not there.
  returned: success
  type: list
  elements: str
payload_pfs:
  description: >-
    PFs that lose their Max Payload Size when a guest resets them, see M(hwaccel.virt.qat_mps). In a
    guest they are whole cards.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._module import run_info_module
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_software.choice import METHODS
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_software.info import gather


def main() -> t.NoReturn:
    """Gather and tell."""
    run_info_module(
        {
            "method": {"type": "str", "choices": list(METHODS), "default": "auto"},
            "side": {"type": "str", "choices": ["host", "guest"], "default": "host"},
            "archive": {"type": "bool", "default": False},
        },
        gather,
    )


if __name__ == "__main__":
    main()
