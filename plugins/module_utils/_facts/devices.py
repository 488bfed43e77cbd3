# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The accelerators of a host: QAT PFs and VFs, other PFs with SR-IOV, and GPUs."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

from .._pci.function import read_config
from .._pci.resources import read_vf_room
from .._qat.devices import is_denylisted, pf_family, vf_family
from .._qat.observe import read_pfs
from .._qat.services import service_result
from .._vfio.holders import read_holders
from .health import read_health
from .room import room_problems

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._errors import Problem
    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.config import ConfigSpace
    from .._pci.function import PciFunction
    from .._pci.resources import VfRoom
    from .._qat.observe import Pf
    from .._vfio.holders import Holders
    from .health import Health

_GPU_CLASS = 0x03


@dataclass(frozen=True)
class Accelerators:
    """What was read of all accelerators, once, by address.

    Args:
        functions: the accelerators themselves, sorted.
        pfs: the QAT PFs among them.
        rooms: for the VFs of every PF that can have some.
        reserved: VFs that the host keeps for itself.
        health: of the QAT PFs whose driver tells.
    """

    functions: dict[PciAddress, PciFunction]
    pfs: dict[PciAddress, Pf]
    configs: dict[PciAddress, ConfigSpace]
    rooms: dict[PciAddress, VfRoom]
    reserved: frozenset[PciAddress | None]
    health: dict[PciAddress, Health]
    holders: Holders

    def as_result(self) -> list[dict[str, t.Any]]:
        """Return them as the module returns them."""
        return [self._device(function) for function in self.functions.values()]

    def room_problems(self) -> list[Problem]:
        """Tell of VFs that do not fit: those of QAT as what this collection makes."""
        problems = []
        for address, room in self.rooms.items():
            pf = self.pfs.get(address)
            where = f"{address} ({pf.family.name})" if pf else f"{address}"
            problems += room_problems(where, "sriov" if pf else "resources", room)
        return problems

    def _device(self, function: PciFunction) -> dict[str, t.Any]:
        family = pf_family(function) or vf_family(function)
        holder = self.holders.of(function)
        express = self.configs[function.address].express()
        pf, room = self.pfs.get(function.address), self.rooms.get(function.address)
        health = self.health.get(function.address)
        return {
            "address": str(function.address),
            "id": str(function.id),
            "kind": _kind(function),
            "name": family.title if family else None,
            "family": family.name if family else None,
            "generation": family.generation if family else None,
            "driver": function.driver,
            "numa_node": function.numa_node,
            "iommu_group": function.iommu_group,
            "pf": str(function.pf) if function.pf else None,
            "total_vfs": function.total_vfs,
            "fitting_vfs": room.fitting if room else None,
            "num_vfs": _num_vfs(function, pf),
            "autoprobe": pf.autoprobe if pf else None,
            **service_result(pf.service_state if pf else None),
            "reserved": function.address in self.reserved,
            "blocked": pf is not None and pf.blocked,
            "holder": holder.as_result() if holder else None,
            # The field is reserved in a VF, which follows its PF.
            "mps": express.mps if express and not function.pf else None,
            "mps_supported": express.mps_supported if express else None,
            "denylisted": is_denylisted(function),
            "health": asdict(health) if health else None,
        }


def read_accelerators(
    host: Host,
    functions: Mapping[PciAddress, PciFunction],
) -> Accelerators:
    """Observe the accelerators among all functions of a host."""
    shown = {address: function for address, function in functions.items() if _kind(function)}
    holders = read_holders(host, shown.values())
    qat_pfs = [function for function in shown.values() if pf_family(function)]
    pfs = {pf.address: pf for pf in read_pfs(host, qat_pfs, functions, holders)}
    configs = {at: pfs[at].config if at in pfs else read_config(host, at) for at in shown}
    rooms = {at: read_vf_room(host, shown[at], config) for at, config in configs.items()}
    return Accelerators(
        functions=shown,
        pfs=pfs,
        configs=configs,
        rooms={address: room for address, room in rooms.items() if room},
        reserved=frozenset(vf.address for pf in pfs.values() for vf in pf.vfs if vf.reserved),
        health=read_health(host, pfs.values()),
        holders=holders,
    )


def _kind(function: PciFunction) -> str | None:
    """Return what kind of accelerator a function is, None for one that is none."""
    if pf_family(function):
        return "qat_pf"
    if vf_family(function):
        return "qat_vf"
    if function.class_code >> 16 == _GPU_CLASS:
        return "gpu"
    return "sriov_pf" if function.total_vfs else None


def _num_vfs(function: PciFunction, pf: Pf | None) -> int | None:
    if pf:
        return pf.num_vfs
    return None if function.total_vfs is None else len(function.vfs)
