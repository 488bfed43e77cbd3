# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds a function: a guest's domain, a process with its VFIO or UIO node open, a driver."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._errors import HostError
from .._pci.function import CLASSES, made_by_drivers
from .domains import read_domains

if t.TYPE_CHECKING:
    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.function import PciFunction

# Whether it is a block device, major and minor number.
Node = tuple[bool, int, int]

_NODES = "/dev/vfio"
# What a task says of a function that somebody has open: UIO takes it away, VFIO waits.
NOT_WHILE_OPEN = (
    "the kernel would block until it lets go, or break its work, so not with force either"
)
# A driver of these keeps a function for others: nobody uses it through them.
_PARKING_DRIVERS = frozenset({"pci-stub", "xen-pciback"})


@dataclass(frozen=True)
class Holder:
    """Who holds a function.

    Args:
        kind: C(domain), C(process) or C(driver).
        name: of the libvirt domain, the process or the driver.
        pid: of the process, None for a driver and for a domain that does not run.
    """

    kind: str
    name: str
    pid: int | None = None

    def as_result(self) -> dict[str, t.Any]:
        """Return it as modules return it."""
        return {"kind": self.kind, "name": self.name, "pid": self.pid}

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" (pid {self.pid})" if self.pid else "")

    @property
    def keeps_it_open(self) -> bool:
        """Whether it has the function open: the kernel would block, or break its work."""
        return self.pid is not None


def is_vfio_driver(driver: str | None) -> bool:
    """Tell whether a driver is vfio-pci or one of its variants, which say so in their names."""
    return driver is not None and "vfio" in driver.replace("-", "_").split("_")


def uses_it_itself(driver: str | None) -> bool:
    """Tell whether a driver uses its function itself, rather than keeping it for a guest."""
    return driver is not None and driver not in _PARKING_DRIVERS and not is_vfio_driver(driver)


@dataclass(frozen=True)
class Holders:
    """Everything on the host that can hold a function, observed once.

    Args:
        open_nodes: process by path of a VFIO or UIO node.
        domains: holder by the address that a domain has as a host device.
        devices: VFIO character devices of iommufd by address.
        uio: nodes of UIO by address, of functions whose driver makes some.
    """

    open_nodes: dict[str, Holder] = field(default_factory=dict)
    domains: dict[PciAddress, Holder] = field(default_factory=dict)
    devices: dict[PciAddress, str] = field(default_factory=dict)
    uio: dict[PciAddress, list[str]] = field(default_factory=dict)

    def of(self, function: PciFunction) -> Holder | None:
        """Return the holder of a function: a running domain, a process, a domain, its driver."""
        domain = self.domains.get(function.address)
        if domain is not None and domain.pid is not None:
            return domain
        if uses_it_itself(function.driver):
            process = self._process(self.uio.get(function.address, []))
            return process or domain or Holder("driver", str(function.driver))
        nodes = [self.devices.get(function.address, "")]
        if function.iommu_group is not None:
            nodes.append(_group_node(function.iommu_group))
        return self._process(nodes) or domain

    def _process(self, nodes: list[str]) -> Holder | None:
        return next((self.open_nodes[node] for node in nodes if node in self.open_nodes), None)


def read_holders(host: Host, functions: t.Iterable[PciFunction]) -> Holders:
    """Observe the holders of some functions in one pass over the processes."""
    functions = tuple(functions)
    devices = {}
    nodes: set[str] = set()
    standing = {f"{_NODES}/{name}" for name in host.names(_NODES)}
    for function in functions:
        on_vfio = is_vfio_driver(function.driver)
        if function.iommu_group is not None:
            node = _group_node(function.iommu_group)
            # The kernel cuts the link to the driver before it waits for a holder to let go.
            nodes |= {node} if on_vfio else {node} & standing
        for name in host.names(f"{function.path}/vfio-dev") if on_vfio else ():
            devices[function.address] = f"{_NODES}/devices/{name}"
            nodes.add(devices[function.address])
    driven = {each.address for each in functions if uses_it_itself(each.driver)}
    uio: dict[PciAddress, list[str]] = {}
    wanted: dict[str, Node | None] = dict.fromkeys(nodes)
    for name, address in made_by_drivers(host, "uio") if driven else ():
        if address in driven:
            node = f"/dev/{name}"
            uio.setdefault(address, []).append(node)
            wanted[node] = read_node(host, "uio", name)
    return Holders(
        open_nodes=_open_nodes(host, wanted) if wanted else {},
        domains=_domains(host),
        devices=devices,
        uio=uio,
    )


def read_node(host: Host, kind: str, name: str) -> Node | None:
    """Return the device node of what a driver made, None where it has none."""
    told = host.attribute(f"{CLASSES}/{kind}/{name}/dev") or ""
    major, _colon, minor = told.partition(":")
    if major.isdecimal() and minor.isdecimal():
        return kind == "block", int(major), int(minor)
    return None


def _group_node(group: int) -> str:
    return f"{_NODES}/{group}"


def _open_nodes(host: Host, nodes: dict[str, Node | None]) -> dict[str, Holder]:
    """Find who has nodes open: by number, since a container may name them otherwise.

    Args:
        nodes: what the kernel says of a node by its path, None to look at the node itself.
    """
    numbers = {told or host.device_node(node): node for node, told in nodes.items()}
    numbers.pop(None, None)
    found: dict[str, Holder] = {}
    for path, target, process in _open_files(host):
        node = target if target in nodes else numbers.get(host.device_node(path))
        if node is not None:
            found.setdefault(node, process)
    return found


def find_open(host: Host, nodes: t.Iterable[Node]) -> dict[Node, Holder]:
    """Find who has device nodes open.

    Args:
        nodes: whether it is a block device, and its major and minor number.
    """
    wanted = set(nodes)
    found: dict[Node, Holder] = {}
    for path, _target, process in _open_files(host) if wanted else ():
        node = host.device_node(path)
        if node in wanted:
            found.setdefault(node, process)
    return found


def _open_files(host: Host) -> t.Iterator[tuple[str, str, Holder]]:
    """Yield the open files of all processes that have a path: where, what, and whose."""
    for pid in host.names("/proc"):
        if not pid.isdecimal():
            continue
        process = None
        for handle in _handles(host, pid):
            path = f"/proc/{pid}/fd/{handle}"
            target = host.link_target(path)
            if target is None or not target.startswith("/"):
                continue
            process = process or Holder(
                "process", host.attribute(f"/proc/{pid}/comm") or "?", int(pid)
            )
            yield path, target, process


def _handles(host: Host, pid: str) -> list[str]:
    try:
        return host.names(f"/proc/{pid}/fd")
    except HostError:
        return []


def _domains(host: Host) -> dict[PciAddress, Holder]:
    """Find the functions of libvirt's domains; a running domain wins over a defined one."""
    return {
        address: Holder("domain", domain.name, domain.pid)
        for domain in read_domains(host)
        for address in domain.functions
    }
