# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host devices of libvirt's domains, from the XML that libvirt itself keeps.

A running domain, transient or not, has its status in C(/run/libvirt/qemu), wrapped in
C(domstatus) with the pid of its QEMU; a defined one its description in C(/etc/libvirt/qemu).
Formats: libvirt's C(formatdomain), "Host device assignment", "PCI Passthrough" of interfaces,
and disks of type nvme, which QEMU drives through VFIO itself.
"""

from __future__ import annotations

import io
import typing as t
from dataclasses import dataclass
from xml.parsers import expat

from .._errors import HostError
from .._pci.address import PciAddress

if t.TYPE_CHECKING:
    from .._host import Host

_DEFINED = "/etc/libvirt/qemu"
_LIVE = "/run/libvirt/qemu"
# Elements that can hand over a function of the host, with the types that do: a host device; an
# interface, for good (hostdev) or taken from a network's pool while the domain runs (actual).
_TYPES = {"hostdev": ("pci",), "interface": ("hostdev",), "actual": ("hostdev",), "disk": ()}


@dataclass(frozen=True)
class Domain:
    """A libvirt domain and the PCI functions it has; C(pid) is None while it does not run."""

    name: str
    pid: int | None
    functions: tuple[PciAddress, ...]


def read_domains(host: Host) -> list[Domain]:
    """Return the defined domains, then the running ones; who is not root may see none.

    Raises:
        HostError: when root cannot read one, which would look as if no guest had anything.
    """
    paths = [path for folder in (_DEFINED, _LIVE) for path in _documents(host, folder)]
    found = (_read_domain(host, path) for path in paths)
    return [domain for domain in found if domain is not None]


def _documents(host: Host, folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in host.names(folder) if name.endswith(".xml")]
    except HostError:
        if host.privileged:
            raise
        return []


def _read_domain(host: Host, path: str) -> Domain | None:
    try:
        return parse_domain(host.read_bytes(path) or b"")
    except HostError:
        if host.privileged:
            raise
        return None


def parse_domain(document: bytes) -> Domain | None:
    """Parse a domain's XML, None when it is not one."""
    reader = _Reader()
    try:
        reader.parser.ParseFile(io.BytesIO(document))
    except (expat.ExpatError, LookupError, ValueError):
        # LookupError: of an encoding that is none.
        return None
    if not reader.name:
        return None
    return Domain(reader.name, reader.pid, tuple(reader.functions))


class _Reader:
    """Follows the elements that matter and keeps what they say."""

    def __init__(self) -> None:
        self.name = ""
        self.pid: int | None = None
        self.functions: list[PciAddress] = []
        self._path: list[str] = []
        # Of each element that is open: whether it hands over a function of the host.
        self._hands_over: list[bool] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        above = self._path[-1] if self._path else ""
        handed_over = above in {*_TYPES, "source"} and self._hands_over[-1]
        self._path.append(tag)
        self._hands_over.append(_hands_over(tag, above, attributes, from_above=handed_over))
        if self._path == ["domstatus"]:
            self.pid = max(int(attributes.get("pid", "0")), 0) or None
        elif tag == "address" and above == "source" and handed_over:
            keys = ("domain", "bus", "slot", "function")
            numbers = (attributes.get(key, "0") for key in keys)
            self.functions.append(PciAddress.of_numbers(*numbers))

    def _end(self, tag: str) -> None:
        del tag
        self._path.pop()
        self._hands_over.pop()

    def _text(self, text: str) -> None:
        if self._path in (["domain", "name"], ["domstatus", "domain", "name"]):
            self.name += text


def _hands_over(tag: str, above: str, attributes: dict[str, str], *, from_above: bool) -> bool:
    """Tell whether the address in an element, or in its source, is that of a function."""
    if tag in _TYPES:
        return attributes.get("type") in _TYPES[tag]
    if tag == "source":
        return attributes.get("type") == "pci" if above == "disk" else from_above
    return False
