#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module qat_mps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qat_mps
short_description: Save and restore the Max Payload Size of QAT cards that guests have as a whole
version_added: 0.1.0
description:
  - QAT devices of generation 1 forget their Max Payload Size (MPS) when a driver other than their
    own resets them, as happens when a guest that has the whole card starts. This module saves the
    size before, and puts it back after. Kernels of today keep it themselves. Then nothing is
    written.
  - It reads and writes bits 7 to 5 of Device Control alone, wherever the capability list of the
    device has it, and only where they differ.
  - A device never gets more than it supports itself, than every port above it supports, and than
    the bridge just above it is set to, which would take its packets for malformed. Where that
    cannot be told, since something cannot be read or has a reserved encoding, nothing is written.
  - What is saved is kept in C(/var/lib/hwaccel/mps.json) with the id of the device, so that another
    card at its address does not get it. The file does nothing by itself. There is no
    C(state=absent); remove the file to forget what was saved.
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
        generation such as V(gen1), V(qat) or V(all), or a mapping of C(address) and C(id), which
        fails when another device sits at that address. Quote addresses, which YAML may take for
        numbers.
      - V(all) and V(qat) mean the PFs of generation 1, which are those that lose their size. PFs of
        later generations are meant by family, generation, id or address only.
      - An address or an id means any PCI Express endpoint. VFs, whose size is reserved, and bridges
        are refused.
      - A family, a generation, V(qat) and V(all) skip PFs on a VFIO driver, which are for guests,
        and report them as C(skipped). These are named by address or id.
    type: list
    elements: raw
    default: [all]
  state:
    description:
      - V(saved) records the size that each device has now. Use it before the card is handed over.
        A device that a guest or a process holds, which may have reset it, is refused. A size below
        what the path allows, as after a reset, is not recorded, and an older record stays, with a
        warning.
      - V(restored) sets the size where it differs. It is meant for after the start of a guest, and
        works while the guest has the card.
    type: str
    choices: [saved, restored]
    required: true
  mps:
    description:
      - The size in bytes, with O(state=restored).
      - V(auto) is the saved size, or else that of the bridge just above, or else, for a device on a
        root bus, what it supports itself. A saved size above what is possible now is lowered to
        that, with a warning.
      - Any other is refused where it is above what is possible.
    type: str
    choices: [auto, '128', '256', '512', '1024', '2048', '4096']
    default: auto
  missing_ok:
    description: Accept entries of O(devices) that match nothing.
    type: bool
    default: false
notes:
  - Run it as root, in check mode too. Only root reads configuration space beyond its header, and
    sees who holds a device.
  - A kernel that is locked down, as with Secure Boot, refuses writes to configuration space. Where
    one is needed, O(state=restored) fails, in check mode too.
  - When the guest boots again, the size can be lost again.
seealso:
  - module: hwaccel.virt.accelerator_info
  - module: hwaccel.virt.vfio_passthrough
"""

EXAMPLES = r"""
- name: Save the payload sizes of all cards that can lose them, before guests get any
  hwaccel.virt.qat_mps:
    state: saved

- name: Hand a whole card over
  hwaccel.virt.vfio_passthrough:
    devices: ["0000:03:00.0"]
    allow_denylisted: true

- name: Start the guest that has it
  community.libvirt.virt:
    name: guest
    state: running

- name: Put the size back that the start of the guest has lost
  hwaccel.virt.qat_mps:
    devices: ["0000:03:00.0"]
    state: restored

- name: Set a size, and only if it is the card that was meant
  hwaccel.virt.qat_mps:
    devices:
      - address: "0000:03:00.0"
        id: "8086:37c8"
    state: restored
    mps: 256
"""

RETURN = r"""
devices:
  description: The devices, sorted by address, as they are after the run.
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
    family:
      description: QAT family, V(null) for other devices.
      type: str
    current:
      description: Its MPS in bytes, V(null) where it cannot be read or has a reserved encoding.
      type: int
    saved:
      description: The MPS that is recorded of it, V(null) for none.
      type: int
    upstream:
      description: >-
        The MPS that the bridge just above it is set to, V(null) on a root bus or where it cannot be
        read.
      type: int
    supported:
      description: >-
        The MPS that the device itself supports, V(null) where it cannot be read or has a reserved
        encoding.
      type: int
    repaired:
      description: Whether its MPS was set in this run.
      type: bool
    skipped:
      description: Whether it was left alone, as one on a VFIO driver that a word means.
      type: bool
    holder:
      description: >-
        Who holds it: C(kind) (V(domain), V(process) or V(driver)), C(name) and C(pid); V(null) for
        nobody.
      type: dict
  sample:
    - address: "0000:03:00.0"
      id: "8086:37c8"
      family: c62x
      current: 256
      saved: 256
      upstream: 256
      supported: 256
      repaired: true
      skipped: false
      holder:
        kind: domain
        name: guest
        pid: 4242
pending_writes:
  description: >-
    Device writes left undone, each with C(path), the configuration space of a device, and C(value),
    which C(setpci -s ADDRESS VALUE) takes. It is the place of Device Control, then the value and
    the mask of the bits that change.
  returned: when O(root) is not V(/)
  type: list
  elements: dict
  sample:
    - path: /sys/bus/pci/devices/0000:03:00.0/config
      value: 7c.w=0020:00e0
pending_commands:
  description: Commands left undone, of which this module has none.
  returned: when O(root) is not V(/)
  type: list
  elements: list
"""

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._module import run_module
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.sizes import PayloadSizes


def main() -> t.NoReturn:
    """Plan, apply and tell."""
    sizes = ["auto", "128", "256", "512", "1024", "2048", "4096"]
    run_module(
        {
            "devices": {"type": "list", "elements": "raw", "default": ["all"]},
            "state": {"type": "str", "choices": ["saved", "restored"], "required": True},
            "mps": {"type": "str", "choices": sizes, "default": "auto"},
            "missing_ok": {"type": "bool", "default": False},
        },
        PayloadSizes,
    )


if __name__ == "__main__":
    main()
