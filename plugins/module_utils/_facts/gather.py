# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything about a host's accelerators, gathered in one pass."""

from __future__ import annotations

import typing as t
from dataclasses import asdict

from .._iommu.groups import read_iommu
from .._pci.function import read_config, read_functions
from .._qat.devices import pf_family, vf_family
from .._qat.observe import read_pfs
from .._qat.problems import problems_of
from .._qat.rules import read_rules
from .._vfio.holders import read_holders
from .platform import read_cpu, read_kernel, read_services
from .problems import firmware_hints, host_problems, rule_problems

if t.TYPE_CHECKING:
    from .._host import Host
    from .._iommu.groups import Iommu
    from .._pci.function import PciFunction
    from .._qat.observe import Pf
    from .._qat.rules import SriovRule
    from .._vfio.holders import Holders

_GPU_CLASS = 0x03


def gather(host: Host) -> dict[str, t.Any]:
    """Return the module's return values."""
    cpu, kernel, iommu = read_cpu(host), read_kernel(host), read_iommu(host)
    functions = read_functions(host)
    shown = {at: kind for at, function in functions.items() if (kind := _kind(function))}
    holders = read_holders(host, [functions[address] for address in shown])
    qat_pfs = [functions[address] for address, kind in shown.items() if kind == "qat_pf"]
    pfs = {pf.address: pf for pf in read_pfs(host, qat_pfs, functions, holders)}
    rules = read_rules(host)
    problems = [
        *host_problems(cpu, kernel, iommu),
        *problems_of(host, kernel.release, pfs.values()),
        *rule_problems(rules, functions, pfs),
    ]
    return {
        "cpu": asdict(cpu),
        "kernel": asdict(kernel),
        "iommu": _iommu_result(iommu),
        "firmware_hints": firmware_hints(cpu, iommu, tuple(pfs.values())),
        "devices": [
            _device(host, functions[address], kind, pfs.get(address), holders)
            for address, kind in shown.items()
        ],
        "services": {name: asdict(service) for name, service in read_services(host).items()},
        "configured": [_rule_result(rule) for rule in rules],
        "problems": [problem.as_result() for problem in problems],
    }


def _kind(function: PciFunction) -> str | None:
    """Return what kind of accelerator a function is, None for one that is none."""
    if pf_family(function):
        return "qat_pf"
    if vf_family(function):
        return "qat_vf"
    if function.class_code >> 16 == _GPU_CLASS:
        return "gpu"
    return "sriov_pf" if function.total_vfs else None


def _device(
    host: Host,
    function: PciFunction,
    kind: str,
    pf: Pf | None,
    holders: Holders,
) -> dict[str, t.Any]:
    family = pf_family(function) or vf_family(function)
    holder = holders.of(function)
    express = (pf.config if pf else read_config(host, function.address)).express()
    return {
        "address": str(function.address),
        "id": str(function.id),
        "kind": kind,
        "name": family.title if family else None,
        "family": family.name if family else None,
        "generation": family.generation if family else None,
        "driver": function.driver,
        "numa_node": function.numa_node,
        "iommu_group": function.iommu_group,
        "pf": str(function.pf) if function.pf else None,
        "total_vfs": function.total_vfs,
        "num_vfs": pf.num_vfs if pf else None if function.total_vfs is None else len(function.vfs),
        "autoprobe": pf.autoprobe if pf else None,
        "blocked": pf is not None and pf.blocked,
        "holder": holder.as_result() if holder else None,
        # The field is reserved in a VF, which follows its PF.
        "mps": express.mps if express and not function.pf else None,
        "mps_supported": express.mps_supported if express else None,
        "denylisted": family is not None and family.denylisted,
    }


def _iommu_result(iommu: Iommu) -> dict[str, t.Any]:
    return {
        "active": iommu.active,
        "vendor": iommu.vendor,
        "announced": iommu.announced,
        "interrupt_remapping": iommu.interrupt_remapping,
        "groups": [
            {
                "group": group.number,
                "type": group.kind,
                "devices": [str(address) for address in group.devices],
            }
            for group in iommu.groups
        ],
    }


def _rule_result(rule: SriovRule) -> dict[str, t.Any]:
    return {
        "address": str(rule.address),
        "id": str(rule.id),
        "driver": rule.driver,
        "num_vfs": rule.num_vfs,
        "autoprobe": rule.autoprobe,
        "path": rule.path,
    }
