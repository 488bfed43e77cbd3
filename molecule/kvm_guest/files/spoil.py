# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes the definitions of guests as an operator would who has an old copy of them.

vm1 gets more memory at its next start, vm2 loses a function besides.
"""

from __future__ import annotations

import libvirt
from lxml import etree

if __name__ == "__main__":
    connection = libvirt.open("qemu:///system")
    for name in ("vm1", "vm2"):
        domain = connection.lookupByName(name)
        tree = etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        for tag in ("memory", "currentMemory"):
            tree.find(tag).text = str(96 * 1024)
        if name == "vm2":
            domain.destroy()
            devices = tree.find("devices")
            devices.remove(devices.find("hostdev"))
        connection.defineXML(etree.tostring(tree, encoding="unicode"))
