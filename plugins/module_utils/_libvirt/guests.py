# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests as libvirt itself knows them: what is defined, what runs, and what they have.

A defined domain has its description in C(/etc/libvirt/qemu), a running one its status in
C(/run/libvirt/qemu), wrapped in C(domstatus) with the pid of its QEMU. There is no other record
of which guest has which function.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import cached_property

from .._errors import HostError
from .._pci.address import PciAddress
from .devices import is_host_function
from .xml import Element

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._host import Host

_DEFINED = "/etc/libvirt/qemu"
_LIVE = "/run/libvirt/qemu"
_SOURCE = ("domain", "bus", "slot", "function")


@dataclass(frozen=True)
class Guest:
    """A libvirt domain.

    Args:
        defined: what it gets at its next start, None for one that is transient.
        live: what it has now, None while it does not run.
        pid: of its QEMU.
    """

    name: str
    defined: Element | None = None
    live: Element | None = None
    pid: int | None = None

    @property
    def running(self) -> bool:
        """Whether it runs, or is paused: it has its functions."""
        return self.live is not None

    @cached_property
    def now(self) -> dict[PciAddress, Element]:
        """The functions of the host that it holds now, by address."""
        return dict(functions_of(self.live))

    @cached_property
    def next(self) -> dict[PciAddress, Element]:
        """Those that it gets at its next start."""
        return dict(functions_of(self.defined))

    @cached_property
    def otherwise(self) -> frozenset[PciAddress]:
        """Functions that it has as other devices than those of this collection."""
        domains = (self.defined, self.live)
        return frozenset(at for domain in domains for at in functions_otherwise(domain))

    @cached_property
    def own(self) -> dict[PciAddress, Element]:
        """All of them: what a running one has comes first."""
        return {**self.now, **{at: each for at, each in self.next.items() if at not in self.now}}


def functions_otherwise(domain: Element | None) -> Iterator[PciAddress]:
    """Yield the functions that a guest has as network interfaces or NVMe disks."""
    for device in domain.all("devices", "interface") if domain else ():
        for holder in (device, *device.all("actual")):
            if holder.get("type") == "hostdev":
                yield from map(_address, holder.all("source", "address"))
    for source in domain.all("devices", "disk", "source") if domain else ():
        if source.get("type") == "pci":
            yield from map(_address, source.all("address"))


def _address(said: Element) -> PciAddress:
    try:
        return PciAddress.of_numbers(*(said.get(key) or "0" for key in _SOURCE))
    except ValueError as error:
        raise HostError(
            f"a domain of libvirt has a function of the host nowhere: {error}"
        ) from error


def functions_of(domain: Element | None) -> Iterator[tuple[PciAddress, Element]]:
    """Yield the host devices of a description that are PCI functions, by their address."""
    for device in domain.all("devices", "hostdev") if domain else ():
        source = device.find("source", "address")
        if is_host_function(device) and source is not None:
            yield _address(source), device


def source_of(address: PciAddress) -> Element:
    """Return the element that names a function of the host, as libvirt writes it."""
    numbers = (address.domain, address.bus, address.device, address.function)
    widths = (4, 2, 2, 1)
    said = {key: f"0x{n:0{width}x}" for key, n, width in zip(_SOURCE, numbers, widths)}
    return Element("source", {}, (Element("address", said),))


def read_guests(host: Host) -> dict[str, Guest]:
    """Return the guests of the host by name.

    Raises:
        HostError: when a description cannot be read, which would look as if it had nothing.
    """
    defined = {_name(root): root for _path, root in _documents(host, _DEFINED)}
    live = {}
    for path, root in _documents(host, _LIVE):
        domain = root.find("domain")
        if root.tag == "domstatus" and domain is not None:
            live[_name(domain)] = (domain, _pid(path, root))
    found = {}
    for name in sorted({*defined, *live}):
        running, pid = live.get(name, (None, None))
        found[name] = Guest(name, defined.get(name), running, pid)
    return found


def _pid(path: str, status: Element) -> int | None:
    try:
        return int(status.get("pid") or "0") or None
    except ValueError as error:
        raise HostError(f"{path}: the pid {status.get('pid')!r} is no number") from error


def _name(domain: Element) -> str:
    found = domain.find("name")
    return found.text if found else ""


def _documents(host: Host, folder: str) -> Iterator[tuple[str, Element]]:
    for name in host.names(folder):
        path = f"{folder}/{name}"
        content = host.read_bytes(path) if name.endswith(".xml") else None
        if content is None:
            continue
        try:
            root = Element.parse(content)
        except ValueError as error:
            raise HostError(f"{path}: not a description of a domain ({error})") from error
        if root.tag in {"domain", "domstatus"}:
            yield path, root
