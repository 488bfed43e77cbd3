# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything about a host's accelerators, gathered in one pass."""

from __future__ import annotations

import typing as t
from dataclasses import asdict

from .._iommu.groups import read_groups, read_iommu
from .._pci.function import read_functions
from .._qat.problems import problems_of
from .._qat.rules import read_rules
from .._vfio.boot_rules import read_rules as read_bindings
from .bindings import binding_problems, binding_result
from .configured import rule_problems
from .devices import read_accelerators
from .health import health_problems
from .limits import limit_problems, read_limits
from .lockdown import lockdown_problems
from .platform import read_cpu, read_kernel, read_services
from .problems import firmware_hints, host_problems, unread_problems
from .standing import read_standing

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from .._errors import HostError
    from .._host import Host
    from .._iommu.groups import Iommu, IommuGroup
    from .._qat.rules import SriovRule


def gather(host: Host) -> dict[str, t.Any]:
    """Return the module's return values."""
    unread: list[HostError] = []
    host.unread = unread
    cpu, kernel, iommu = read_cpu(host), read_kernel(host), read_iommu(host)
    rules, services, limits = read_rules(host), read_services(host), read_limits(host)
    functions, bindings = read_functions(host), read_bindings(host)
    accelerators = read_accelerators(host, functions)
    pfs = tuple(accelerators.pfs.values())
    problems = [
        *host_problems(cpu, kernel, iommu),
        *problems_of(host, kernel.release, pfs),
        *accelerators.room_problems(),
        *health_problems(pfs, accelerators.health),
        *lockdown_problems(host, kernel, pfs),
        *limit_problems(host, limits, services, pfs),
        *rule_problems(rules, functions, accelerators.pfs),
        *binding_problems(bindings, functions),
        *unread_problems(unread),
    ]
    return {
        "cpu": asdict(cpu),
        "kernel": asdict(kernel),
        "iommu": _iommu_result(iommu, read_groups(host, iommu)),
        "firmware_hints": firmware_hints(cpu, iommu, pfs),
        "devices": accelerators.as_result(),
        "services": {name: asdict(service) for name, service in services.items()},
        "limits": asdict(limits),
        "configured": [_rule_result(rule) for rule in rules],
        "bindings": [binding_result(rule) for rule in bindings],
        "standing": read_standing(host),
        "problems": [problem.as_result() for problem in problems],
    }


def _iommu_result(iommu: Iommu, groups: Iterable[IommuGroup]) -> dict[str, t.Any]:
    return {
        "active": iommu.active,
        "vendor": iommu.vendor,
        "announced": iommu.announced,
        "interrupt_remapping": iommu.interrupt_remapping,
        "unsafe_interrupts": iommu.unsafe_interrupts,
        "groups": [
            {
                "group": group.number,
                "type": group.kind,
                "devices": [str(address) for address in group.devices],
            }
            for group in groups
        ],
    }


def _rule_result(rule: SriovRule) -> dict[str, t.Any]:
    return {
        "address": str(rule.address),
        "id": str(rule.id),
        "driver": rule.driver,
        "num_vfs": rule.num_vfs,
        "autoprobe": rule.autoprobe,
        "services": None if rule.services is None else list(rule.services),
        "auto_reset": rule.auto_reset,
        "host_vfs": [str(address) for address in rule.host_vfs.addresses] if rule.host_vfs else [],
        "path": rule.path,
    }
