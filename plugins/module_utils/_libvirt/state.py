# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that decides which function a guest gets, observed once."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import cached_property

from .._host import Blocked
from .._pci.function import OVERRIDE, read_functions
from .._pci.lockdown import is_locked
from .._qat.devices import is_denylisted, pf_family, vf_family
from .._qat.rules import read_rules as read_sriov_rules
from .._qatlib.rules import read_own_vfs
from .._undo import UndoRecord
from .._vfio.binding import parse_override
from .._vfio.boot_rules import read_rules
from .._vfio.denylist import read_vfio_pci
from .._vfio.holders import is_vfio_driver, read_holders, uses_it_itself
from .._vfio.record import is_bound_by_us
from .._vfio.state import blocks_group, by_group
from .guests import Guest, read_guests

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .._vfio.denylist import VfioPci
    from .._vfio.holders import Holder, Holders
    from .wishes import Wanted


@dataclass(frozen=True)
class State:
    """The functions of the host and the guests.

    Args:
        functions: every PCI function.
        guests: every libvirt domain by name.
        bound: functions that vfio_passthrough keeps on a VFIO driver.
        reserved: VFs that the host keeps for itself (qat_sriov, host_vfs; qatlib_service).
        locked: whether the kernel refuses writes to configuration space.
    """

    functions: Mapping[PciAddress, PciFunction]
    guests: Mapping[str, Guest]
    holders: Holders
    bound: frozenset[PciAddress]
    reserved: frozenset[PciAddress]
    vfio_pci: VfioPci
    locked: bool

    @cached_property
    def owners(self) -> dict[PciAddress, tuple[str, ...]]:
        """The guests that have a function now or at their next start, by its address."""
        found: dict[PciAddress, tuple[str, ...]] = {}
        for guest in self.guests.values():
            for address in {*guest.own, *guest.otherwise}:
                found[address] = (*found.get(address, ()), guest.name)
        return found

    @cached_property
    def _groups(self) -> dict[int, list[PciFunction]]:
        return by_group(self.functions.values())

    def neighbours(self, function: PciFunction) -> list[PciFunction]:
        """Return what shares a function's IOMMU group with it, bridges left out."""
        group = self._groups.get(-1 if function.iommu_group is None else function.iommu_group, [])
        return [each for each in group if each.address != function.address and not each.is_bridge]

    def not_for(self, guest: str, function: PciFunction) -> str | None:
        """Tell why a function cannot be given to a guest, None when it can.

        What other guests of the same task have is not looked at: they may lose it in this run.
        """
        return next(self._reasons(guest, function), None)

    def _reasons(self, guest: str, function: PciFunction) -> Iterator[str]:
        if function.address in self.reserved:
            yield "the host keeps it for itself (qat_sriov, host_vfs; or qatlib_service)"
        if function.vfs:
            yield f"it has {len(function.vfs)} VFs, which would go with it"
        holder = self.holders.of(function)
        if holder is not None and holder.kind == "process" and not self._is_its_own(guest, holder):
            yield f"held by {holder}"
        if uses_it_itself(function.driver) and not self._gets_it_back(guest, function):
            yield f"the host uses it (driver {function.driver})"
        if function.iommu_group is None:
            yield "it has no IOMMU group: no IOMMU is on (module iommu_kernel_arg)"
        for neighbour in self.neighbours(function):
            others = [name for name in self.owners.get(neighbour.address, ()) if name != guest]
            if blocks_group(neighbour):
                yield f"{neighbour.address} of its IOMMU group stands on {neighbour.driver}"
            elif others:
                yield f"{neighbour.address} of its IOMMU group belongs to domain {others[0]}"
        if is_denylisted(function) and self.vfio_pci.denies and not is_vfio_driver(function.driver):
            yield (
                "vfio-pci refuses it (denylist): bind it with vfio_passthrough and "
                "allow_denylisted: true"
            )

    def _gets_it_back(self, guest: str, function: PciFunction) -> bool:
        """Tell whether libvirt lends a function to the host while its guest does not run."""
        known = self.guests.get(guest)
        device = known.next.get(function.address) if known else None
        return device is not None and device.get("managed") == "yes"

    def _is_its_own(self, guest: str, holder: Holder) -> bool:
        """Tell whether a holder is the guest's own QEMU, which has the whole group open."""
        known = self.guests.get(guest)
        return known is not None and known.pid is not None and known.pid == holder.pid

    def loses_payload_size(self, address: PciAddress) -> bool:
        """Tell whether a function is a PF whose payload size a reset loses."""
        function = self.functions.get(address)
        family = pf_family(function) if function else None
        return family is not None and family.loses_payload_size


def observe(host: Host, wanted: Wanted) -> State:
    """Read everything once, for all guests together."""
    functions, guests = read_functions(host), read_guests(host)
    named = {address for guest in wanted.guests for address in guest.addresses}
    named |= {address for guest in guests.values() for address in guest.own}
    chosen = [
        function
        for function in functions.values()
        if function.address in named or pf_family(function) or vf_family(function)
    ]
    groups = {function.iommu_group for function in chosen} - {None}
    near = [function for function in functions.values() if function.iommu_group in groups]
    undo = UndoRecord.read(host)
    kept = {rule.address for rule in read_rules(host)}
    return State(
        functions=functions,
        guests=guests,
        holders=read_holders(host, dict.fromkeys([*chosen, *near])),
        bound=frozenset(
            function.address
            for function in chosen
            if is_vfio_driver(function.driver)
            and (function.address in kept or is_bound_by_us(undo, str(function.address)))
        ),
        reserved=frozenset(_reserved(host, chosen)),
        vfio_pci=read_vfio_pci(host),
        locked=is_locked(host),
    )


def _reserved(host: Host, functions: list[PciFunction]) -> Iterator[PciAddress]:
    """Yield the VFs of the host: as its rules say, and as they wait for their own driver now."""
    yield from read_own_vfs(host)
    for rule in read_sriov_rules(host):
        if rule.host_vfs is not None:
            yield from rule.host_vfs.addresses
    waiting = {
        f"{function.path}/{OVERRIDE}": function
        for function in functions
        if function.driver is None and vf_family(function)
    }
    for path, answer in host.guarded_attributes([*waiting]).items() if waiting else ():
        function = waiting[path]
        family = vf_family(function)
        override = None if isinstance(answer, Blocked) else parse_override(answer)
        if override is not None and family is not None and override == family.vf_driver:
            yield function.address
