# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host uses a function for: networks, disks, displays, sound, or its driver as such.

A driver that shows what it made of a function (an interface, a disk, a card) lets us see whether
anybody uses that; of any other driver it has to be taken that it is in use.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._pci.function import CLASSES, made_by_drivers, number
from .._qat.devices import pf_family
from .holders import find_open, read_node, uses_it_itself

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .holders import Node

    Made = list[tuple[str, PciAddress]]

_BTRFS = "/sys/fs/btrfs"
_DISPLAY_CLASS = 0x03
# Its nodes are of no class, and its unbind waits in the kernel while one is open.
_NVIDIA, _NVIDIA_MAJOR = "nvidia", 195
# What a driver makes of a function, where an open device node is the only use there is.
_WITH_NODES = ("block", "nvme", "drm", "sound")
_SHOWN = (*_WITH_NODES, "net")
# include/net/ipv6.h, IFA_LINK: an address that every interface gives itself.
_LINK_SCOPE = "20"
_IF_INET6_COLUMNS = 6
_MOUNTINFO_COLUMNS = 3


@dataclass(frozen=True)
class Use:
    """One use of a function.

    Args:
        vital: whether taking the function would lose data, so that force does not help.
    """

    what: str
    vital: bool = False

    def __str__(self) -> str:
        return self.what


class HostUses:
    """What the host uses functions for, read when it is first asked for."""

    def __init__(self, host: Host, functions: Iterable[PciFunction]) -> None:
        self._host = host
        self._functions = tuple(functions)

    def read(self) -> dict[PciAddress, tuple[Use, ...]]:
        """Return the uses of those functions that have some."""
        driven = [function for function in self._functions if uses_it_itself(function.driver)]
        kinds = (*_SHOWN, "infiniband") if driven else ()
        made = {kind: [*made_by_drivers(self._host, kind)] for kind in kinds}
        if made:
            made["block"] += self._namespaces(made["nvme"])
        opened = self._opened(made, driven) if driven else {}
        by_function = {kind: _by_function(names) for kind, names in made.items()}
        found: dict[PciAddress, tuple[Use, ...]] = {}
        for function in self._functions:
            uses = list(self._display(function))
            if function.driver == _NVIDIA:
                uses += self._nvidia(function)
            elif uses_it_itself(function.driver):
                uses += self._uses(function, by_function)
                uses += opened.get(function.address, ())
            if uses:
                found[function.address] = tuple(dict.fromkeys(uses))
        return found

    def _namespaces(self, controllers: Made) -> Iterator[tuple[str, PciAddress]]:
        """Yield disks that the kernel reaches through several controllers, and shows at none."""
        for subsystem in self._host.names(f"{CLASSES}/nvme-subsystem"):
            folder = f"{CLASSES}/nvme-subsystem/{subsystem}"
            names = self._host.names(folder)
            disks = [name for name in names if self._host.exists(f"{CLASSES}/block/{name}")]
            inside = [part for disk in disks for part in self._host.names(f"{folder}/{disk}")]
            disks += [name for name in inside if self._host.exists(f"{CLASSES}/block/{name}")]
            for controller, address in controllers:
                if controller in names:
                    yield from ((disk, address) for disk in disks)

    def _uses(
        self, function: PciFunction, made: dict[str, dict[PciAddress, list[str]]]
    ) -> Iterator[Use]:
        own = {kind: names.get(function.address, []) for kind, names in made.items()}
        for name in own["net"]:
            yield from self._network(name)
        for name in own["block"]:
            yield from self._disk(name)
        yield from (Use(f"RDMA device {name}") for name in own["infiniband"])
        if not any(own.values()) and not self._is_idle_pf(function):
            yield Use(f"driver {function.driver}")

    def _is_idle_pf(self, function: PciFunction) -> bool:
        """Tell whether nobody has the driver of a QAT PF at work (C(adf_dev_get) counts them)."""
        family = pf_family(function)
        module = family.module if family and family.driver == function.driver else None
        return module is not None and self._host.attribute(f"/sys/module/{module}/refcnt") == "0"

    def _nvidia(self, function: PciFunction) -> Iterator[Use]:
        """Tell who has a GPU of the driver nvidia open: taken from them, it waits for good."""
        told = self._host.read_text(f"/proc/driver/nvidia/gpus/{function.address}/information")
        minors = [
            line.partition(":")[2].strip()
            for line in (told or "").splitlines()
            if "Device Minor" in line
        ]
        nodes = [(False, _NVIDIA_MAJOR, int(minor)) for minor in minors if minor.isdecimal()]
        for (_block, _major, minor), holder in find_open(self._host, nodes).items():
            yield Use(f"nvidia{minor}, open in {holder}", vital=True)
        yield Use(f"driver {_NVIDIA}")

    def _display(self, function: PciFunction) -> Iterator[Use]:
        is_display = function.class_code >> 16 == _DISPLAY_CLASS
        if is_display and number(self._host, f"{function.path}/boot_vga") == 1:
            yield Use("the display that the machine booted with")

    def _network(self, name: str) -> Iterator[Use]:
        routes = (self._host.read_text("/proc/net/route") or "").splitlines()
        if any(line.split("\t")[0].strip() == name for line in routes):
            yield Use(f"network interface {name} with addresses and routes")
        addresses = (self._host.read_text("/proc/net/if_inet6") or "").splitlines()
        columns = [line.split() for line in addresses]
        if any(
            column[5] == name and column[3] != _LINK_SCOPE
            for column in columns
            if len(column) == _IF_INET6_COLUMNS
        ):
            yield Use(f"network interface {name} with IPv6 addresses")
        above = self._host.names(f"{CLASSES}/net/{name}")
        if any(link == "master" or link.startswith("upper_") for link in above):
            yield Use(f"network interface {name} below a bridge, bond or VLAN")

    def _disk(self, name: str) -> Iterator[Use]:
        told = [*self._shown_disk(name)]
        if not told and self._host.is_claimed(f"/dev/{name}"):
            told = ["a file system or a volume has claimed"]
        yield from (Use(f"disk {name}, which {what}", vital=True) for what in told)

    def _shown_disk(self, name: str) -> Iterator[str]:
        """Yield what the kernel shows of a disk's use."""
        folder = f"{CLASSES}/block/{name}"
        device = self._host.attribute(f"{folder}/dev")
        mounts = (self._host.read_text("/proc/self/mountinfo") or "").splitlines()
        columns = [line.split() for line in mounts]
        # Btrfs has numbers of its own there, and the disk's name after the dash.
        if any(
            device == column[2] or f"/dev/{name}" in column
            for column in columns
            if len(column) > _MOUNTINFO_COLUMNS
        ):
            yield "is mounted"
        if any(self._host.exists(f"{pool}/devices/{name}") for pool in self._btrfs()):
            yield "is part of a mounted Btrfs"
        swaps = (self._host.read_text("/proc/swaps") or "").splitlines()
        if any(line.split()[:1] == [f"/dev/{name}"] for line in swaps):
            yield "is swap space"
        if self._host.names(f"{folder}/holders"):
            yield "a volume or an array is made of"

    def _btrfs(self) -> list[str]:
        """Return the folders of mounted file systems that can be of several disks."""
        return [f"{_BTRFS}/{name}" for name in self._host.names(_BTRFS)]

    def _opened(
        self, made: dict[str, Made], driven: list[PciFunction]
    ) -> dict[PciAddress, list[Use]]:
        """Find out who has nodes of the functions open."""
        wanted = {function.address for function in driven}
        nodes: dict[Node, list[tuple[str, PciAddress]]] = {}
        for kind in _WITH_NODES:
            for name, address in made[kind]:
                node = read_node(self._host, kind, name) if address in wanted else None
                if node is not None:
                    nodes.setdefault(node, []).append((name, address))
        result: dict[PciAddress, list[Use]] = {}
        for key, holder in find_open(self._host, nodes).items():
            for name, address in nodes[key]:
                result.setdefault(address, []).append(Use(f"{name}, open in {holder}"))
        return result


def _by_function(names: Made) -> dict[PciAddress, list[str]]:
    found: dict[PciAddress, list[str]] = {}
    for name, address in names:
        found.setdefault(address, []).append(name)
    return found
