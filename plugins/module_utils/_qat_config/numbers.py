# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which number a device has: the N in C(/etc/<device>_dev<N>.conf).

It is the instance number that the driver gives each device of a type, in the order in which it
finds them. The vendor's tool tells it; before the driver is there, devices are counted by address.
"""

from __future__ import annotations

import re
import typing as t
from collections import defaultdict
from dataclasses import dataclass

from .._errors import HostError
from .._pci.address import PciAddress
from .._qat.devices import TABLE, pf_family, vf_family
from .._vfio.holders import is_vfio_driver

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._host import Host
    from .._pci.function import PciFunction
    from .._qat.devices import QatFamily

PF, VF = "pf", "vf"
# Where the vendor's installer, and packages of distributions, put the tool.
_TOOLS = ("/usr/local/bin", "/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_SECONDS = 20.0
_STATUS = re.compile(
    r"type:\s*(?P<type>\w+),.*?inst_id:\s*(?P<number>\d+),.*?bsf:\s*(?P<address>[0-9a-fA-F:.]+)",
)
_NAME = re.compile(r"([a-z0-9]+?)(?:_qa)?(vf)?_dev([0-9]+)\.conf", re.ASCII)


@dataclass(frozen=True)
class FileName:
    """What the name of a configuration file tells."""

    prefix: str
    kind: str
    number: int

    @classmethod
    def parse(cls, path: str) -> FileName | None:
        """Parse the name of a file, None for one that is not as the driver names them."""
        found = _NAME.fullmatch(path.rsplit("/", 1)[-1])
        return found and cls(found[1], VF if found[2] else PF, int(found[3]))

    def __str__(self) -> str:
        return f"/etc/{type_of(self.prefix, self.kind)}_dev{self.number}.conf"

    @property
    def generation(self) -> float | None:
        """The generation of the devices that have such a file, None where it is not known."""
        found = (row.generation for row in TABLE if row.config_prefix == self.prefix)
        return next(found, None)


def type_of(prefix: str, kind: str) -> str:
    """Return what the driver calls the type of a device."""
    return f"{prefix}{VF if kind == VF else ''}"


def family_of(function: PciFunction, kind: str) -> QatFamily | None:
    """Return the family of a function that is a PF or a VF, None where it is not one."""
    if kind == VF:
        return vf_family(function)
    return pf_family(function) if function.pf is None else None


def is_driven(function: PciFunction, kind: str) -> bool:
    """Tell whether a function is its driver's, and so has a number.

    VFs of a host are mostly for guests: its driver has those that are bound to it. In a guest all
    are.
    """
    if is_vfio_driver(function.driver):
        return False
    family = family_of(function, kind)
    if kind == VF and function.pf is not None:
        return family is not None and function.driver == family.vf_driver
    return True


def read_names(host: Host, functions: Iterable[PciFunction]) -> dict[PciAddress, FileName]:
    """Return the names of the files of all functions that have one."""
    told, types = _told(host)
    names: dict[PciAddress, FileName] = {}
    counted: dict[str, int] = defaultdict(int)
    for function in functions:
        for kind in (PF, VF):
            family = family_of(function, kind)
            if family is None or family.config_prefix is None or not is_driven(function, kind):
                continue
            device_type = type_of(family.config_prefix, kind)
            number = told.get(function.address)
            if device_type not in types:
                number = counted[device_type]
                counted[device_type] += 1
            # Where the driver tells of others of the type, it does not have this one.
            if number is not None:
                names[function.address] = FileName(family.config_prefix, kind, number)
    return names


def _told(host: Host) -> tuple[Mapping[PciAddress, int], frozenset[str]]:
    """Return the numbers that the vendor's tool tells, and of which types it knows devices."""
    tool = next((f"{folder}/adf_ctl" for folder in _TOOLS if _has_tool(host, folder)), None)
    if tool is None:
        return {}, frozenset()
    try:
        answer = host.run([tool, "status"], seconds=_SECONDS)
    except HostError:
        # Without its driver the tool fails; then no device has a number yet.
        return {}, frozenset()
    found = [
        (PciAddress.parse(line["address"]), int(line["number"]), line["type"])
        for line in _STATUS.finditer(answer)
        if PciAddress.looks_like(line["address"])
    ]
    numbers = {address: number for address, number, _type in found}
    return numbers, frozenset(each for _address, _number, each in found)


def _has_tool(host: Host, folder: str) -> bool:
    return host.live and host.exists(f"{folder}/adf_ctl")
