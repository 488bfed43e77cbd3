# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tells what guests have, as libvirt and as the kernel see it, without code of the collection.

Writes JSON: C(guests), by name, with C(memory) in KiB and C(defined), its functions, at its next
start, and now with C(live) (functions in libvirt's XML, null for a guest that is shut off) and
C(open) (functions whose VFIO group its QEMU has open); C(drivers) of all QAT functions; C(sizes),
the Max Payload Size of PFs in bytes. Functions are addresses.
"""

from __future__ import annotations

import json
import re
import struct
import sys
from pathlib import Path

import libvirt
from lxml import etree

DEVICES = Path("/sys/bus/pci/devices")
# Places in configuration space, and the identity of the PCI Express capability.
CAPABILITIES, DEVICE_CONTROL, EXPRESS = 0x34, 8, 0x10
QAT_CLASS = "0x0b4000\n"
GROUP = re.compile(r"/dev/vfio/(\d+)")


def functions(xml: str) -> list[str]:
    """Return the addresses of host devices in a domain."""
    sources = etree.fromstring(xml).findall("devices/hostdev/source/address")
    found = ({key: int(value, 0) for key, value in each.attrib.items()} for each in sources)
    return sorted("{domain:04x}:{bus:02x}:{slot:02x}.{function:x}".format(**each) for each in found)


def opened(name: str) -> list[str]:
    """Return the functions of the groups that the QEMU of a guest has open."""
    pid = Path(f"/run/libvirt/qemu/{name}.pid").read_text()
    links = (each.readlink() for each in Path(f"/proc/{pid}/fd").iterdir())
    groups = [match[1] for link in links if (match := GROUP.fullmatch(str(link)))]
    return sorted(
        each.name
        for group in groups
        for each in Path(f"/sys/kernel/iommu_groups/{group}/devices").iterdir()
    )


def payload_size(device: Path) -> int | None:
    """Return the Max Payload Size of a function."""
    config = (device / "config").read_bytes()
    place = config[CAPABILITIES]
    while place and config[place] != EXPRESS:
        place = config[place + 1]
    (control,) = struct.unpack_from("<H", config, place + DEVICE_CONTROL)
    return 128 << (control >> 5 & 7) if place else None


def look_at(domain: libvirt.virDomain) -> dict[str, object]:
    """Look at one guest."""
    next_start, live = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), domain.isActive()
    return {
        "memory": int(etree.fromstring(next_start).findtext("memory")),
        "defined": functions(next_start),
        "live": functions(domain.XMLDesc()) if live else None,
        "open": opened(domain.name()) if live else [],
    }


def look() -> dict[str, object]:
    """Look at everything."""
    connection = libvirt.openReadOnly("qemu:///system")
    domains = sorted(connection.listAllDomains(), key=lambda each: each.name())
    guests = {each.name(): look_at(each) for each in domains}
    qat = [each for each in sorted(DEVICES.iterdir()) if (each / "class").read_text() == QAT_CLASS]
    drivers = {
        each.name: (each / "driver").resolve().name if (each / "driver").exists() else None
        for each in qat
    }
    sizes = {each.name: payload_size(each) for each in qat if not (each / "physfn").exists()}
    return {"guests": guests, "drivers": drivers, "sizes": sizes}


if __name__ == "__main__":
    json.dump(look(), sys.stdout)
