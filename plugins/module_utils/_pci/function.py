# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The PCI functions of a host, as sysfs shows them."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .address import PciAddress, PciId
from .config import ConfigSpace

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._host import Host

DEVICES = "/sys/bus/pci/devices"
DRIVERS = "/sys/bus/pci/drivers"
CLASSES = "/sys/class"
PROBE = "/sys/bus/pci/drivers_probe"
# Attributes of a function (Linux C(Documentation/ABI/testing/sysfs-bus-pci)).
COUNT, AUTOPROBE, OVERRIDE = "sriov_numvfs", "sriov_drivers_autoprobe", "driver_override"

_VIRTFN = re.compile(r"virtfn([0-9]+)", re.ASCII)
# Bridges with a bus behind them: PCI-to-PCI, CardBus, semi-transparent. Those to a host or to ISA
# have an ordinary header, and the kernel counts them in a group.
_BRIDGE_CLASSES = (0x0604, 0x0607, 0x0609)


@dataclass(frozen=True)
class PciFunction:
    """One function: what identifies it, and who drives it.

    Args:
        class_code: base class, subclass and interface, 24 bits.
        driver: name of the driver, None when it has none.
        numa_node: None when the firmware does not tell (sysfs says -1).
        iommu_group: number of its IOMMU group, None when it has none.
        pf: address of the PF of a VF, None for others.
        vfs: addresses of the VFs that exist now, in the order of their numbers.
        total_vfs: how many VFs it can have, None without SR-IOV.
    """

    address: PciAddress
    id: PciId
    class_code: int
    driver: str | None = None
    numa_node: int | None = None
    iommu_group: int | None = None
    pf: PciAddress | None = None
    vfs: tuple[PciAddress, ...] = ()
    total_vfs: int | None = None

    @property
    def path(self) -> str:
        """Its folder in sysfs."""
        return f"{DEVICES}/{self.address}"

    @property
    def is_bridge(self) -> bool:
        """Whether it is a bridge, which is never passed through and never counts in a group."""
        return self.class_code >> 8 in _BRIDGE_CLASSES


def read_functions(host: Host) -> dict[PciAddress, PciFunction]:
    """Return every PCI function of the host, sorted by address."""
    addresses = sorted(
        PciAddress.parse(name) for name in host.names(DEVICES) if PciAddress.looks_like(name)
    )
    found = ((address, read_function(host, address)) for address in addresses)
    return {address: function for address, function in found if function is not None}


def read_function(host: Host, address: PciAddress) -> PciFunction | None:
    """Return one PCI function, None when it is not there or vanishes meanwhile."""
    path = f"{DEVICES}/{address}"
    vendor, device = number(host, f"{path}/vendor"), number(host, f"{path}/device")
    if vendor is None or device is None:
        return None
    node = number(host, f"{path}/numa_node")
    group = host.link_name(f"{path}/iommu_group")
    pf = host.link_name(f"{path}/physfn")
    # Only a PF with SR-IOV says how many VFs it can have, and only such a one has some.
    total_vfs = None if pf else number(host, f"{path}/sriov_totalvfs")
    return PciFunction(
        address=address,
        id=PciId(vendor, device),
        class_code=number(host, f"{path}/class") or 0,
        driver=host.link_name(f"{path}/driver"),
        numa_node=None if node is None or node < 0 else node,
        iommu_group=int(group) if group and group.isdecimal() else None,
        pf=PciAddress.parse(pf) if pf else None,
        vfs=() if total_vfs is None else _virtual_functions(host, path),
        total_vfs=total_vfs,
    )


def number(host: Host, path: str) -> int | None:
    """Return a numeric attribute, None when it is missing or no number."""
    text = host.attribute(path)
    try:
        return None if text is None else int(text, 0)
    except ValueError:
        return None


def made_by_drivers(host: Host, kind: str) -> Iterator[tuple[str, PciAddress]]:
    """Yield what drivers made of a class, with the function that it belongs to."""
    for name in host.names(f"{CLASSES}/{kind}"):
        parts = (host.link_target(f"{CLASSES}/{kind}/{name}") or "").split("/")
        addresses = [part for part in parts if PciAddress.looks_like(part)]
        if addresses:
            yield name, PciAddress.parse(addresses[-1])


def read_config(host: Host, address: PciAddress) -> ConfigSpace:
    """Return the configuration space of a function, empty when it cannot be read."""
    return ConfigSpace(host.read_bytes(f"{DEVICES}/{address}/config") or b"")


def _virtual_functions(host: Host, path: str) -> tuple[PciAddress, ...]:
    numbered = []
    for name in host.names(path):
        found = _VIRTFN.fullmatch(name)
        target = host.link_name(f"{path}/{name}") if found else None
        if found and target:
            numbered.append((int(found[1]), PciAddress.parse(target)))
    return tuple(address for _number, address in sorted(numbered))
