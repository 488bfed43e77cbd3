#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module qat_mps_watcher."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qat_mps_watcher
short_description: Keep the payload size of whole cards right while guests have them
version_added: 0.1.0
description:
  - Installs a small systemd service on a host of guests. It puts the PCI Express Max Payload Size
    of PFs that a guest has back to what M(hwaccel.virt.qat_mps) has saved, after guests start,
    reboot and reset, within a second.
  - A hook of libvirt is not enough. libvirt runs none when a guest reboots, and nobody is told when
    the driver in a guest resets the function. The service takes libvirt's events, and compares by
    itself every two seconds.
  - It compares first and writes only where the size differs, never above what the device and the
    ports above it allow. A PF that is on a driver of the host, or on none, is reported in the
    journal and left alone.
  - The service runs the code of this collection, packed as one file, with the interpreter that
    Ansible uses on the host.
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.change
  - hwaccel.virt.root
options:
  state:
    description:
      - V(present) installs program and unit, and has it started at boot. It does not start the
        service, see RV(restart_required).
      - V(absent) stops the service, removes program and unit, and puts back what was there before.
        Without a record of that it removes what it would have made, and warns.
    type: str
    choices: [present, absent]
    default: present
notes:
  - The interpreter needs the bindings of libvirt, in most distributions the package
    C(python3-libvirt). Without them the module changes nothing and fails.
  - The service has nothing to do before M(hwaccel.virt.qat_mps) has saved a size. It reads the
    record at each look, so that it needs no restart after that.
  - C(python3 /usr/local/lib/hwaccel-virt/mps-watcher.pyz --once) compares once, and needs no
    libvirt. C(journalctl -u hwaccel-mps-watcher) tells what was found and done, and how long after
    which event.
  - Run it as root, in check mode too.
seealso:
  - module: hwaccel.virt.qat_mps
  - module: hwaccel.virt.vfio_passthrough
"""

EXAMPLES = r"""
- name: Install the watcher
  hwaccel.virt.qat_mps_watcher:
  register: watcher

- name: Have the one that was installed last run
  ansible.builtin.systemd_service:
    name: "{{ watcher.unit }}"
    state: "{{ 'restarted' if watcher.restart_required else 'started' }}"

- name: Remove the watcher
  hwaccel.virt.qat_mps_watcher:
    state: absent
"""

RETURN = r"""
unit:
  description: Name of the systemd unit.
  returned: success
  type: str
program:
  description: The file that the service runs.
  returned: success
  type: str
interpreter:
  description: The Python that the service runs with.
  returned: success
  type: str
files:
  description: What is there of the service after the run, sorted by path.
  returned: success
  type: list
  elements: path
restart_required:
  description: Whether program or unit have changed, so that a running service is an older one.
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
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.service import WatcherService


def main() -> t.NoReturn:
    """Plan, apply and tell."""
    run_module(
        {
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        WatcherService,
    )


if __name__ == "__main__":
    main()
