# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a fleet has, from what accelerator_info and gridd_license_info returned of each host.

The order is fixed, and what differs from one look to the next without a change (queries, seconds
left, log lines) is left out, so that two reports can be compared.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from .._errors import InputError
from .._vfio.holders import uses_it_itself

if t.TYPE_CHECKING:
    from collections.abc import Iterable

Result = dict[str, t.Any]

# Of the structure: raised when a field changes its meaning.
FORMAT: t.Final = 1
# What a function is used for, as the page draws it.
USES: t.Final = ("held", "host", "free", "unbound")
STATES: t.Final = ("ok", "failed", "unreachable", "skipped")

_FOR_OTHERS = frozenset({"domain", "process"})
_NOT_ASKED = "not asked; of a guest with Windows hwaccel.virt.license tells the licence"
_DEVICE = (
    "address",
    "id",
    "kind",
    "name",
    "family",
    "driver",
    "numa_node",
    "iommu_group",
    "total_vfs",
    "fitting_vfs",
    "num_vfs",
    "autoprobe",
    "qat_state",
    "services",
    "auto_reset",
    "reserved",
    "blocked",
    "mps",
    "mps_supported",
    "denylisted",
)
_VF = ("address", "id", "driver", "iommu_group", "reserved")
_RULE = ("address", "driver", "num_vfs", "autoprobe", "services", "auto_reset", "host_vfs")
_BINDING = ("address", "driver")


def fleet_report(accelerators: object, licenses: object, generated: object) -> Result:
    """Return the report of what modules returned of each host, by its name.

    Raises:
        InputError: an argument is none of these.
    """
    found = _results("accelerators", accelerators)
    licensed = _results("licenses", licenses)
    names = sorted({*found, *licensed}, key=by_number)
    hosts = [_host(name, found.get(name, {}), licensed.get(name, {})) for name in names]
    return {
        "format": FORMAT,
        "generated": str(generated),
        "summary": _summary(hosts),
        "problems": _grouped_problems(hosts),
        "hosts": hosts,
    }


def by_number(name: str) -> tuple[list[str | int], str]:
    """Return a key that sorts kvm2 before kvm10."""
    parts = re.split(r"([0-9]+)", name, flags=re.ASCII)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def use_of(device: Mapping[str, t.Any]) -> str:
    """Return what a function is used for, one of C(USES)."""
    holder = device.get("holder") or {}
    if holder.get("kind") in _FOR_OTHERS:
        return "held"
    if device.get("reserved") or uses_it_itself(device.get("driver")):
        return "host"
    return "free" if device.get("driver") else "unbound"


def _results(option: str, value: object) -> dict[str, Mapping[str, t.Any]]:
    if not isinstance(value, Mapping) or not all(
        isinstance(each, Mapping) for each in value.values()
    ):
        raise InputError(option, value, "what the module returned of each host, by its name")
    return {str(name): each for name, each in value.items()}


def _host(name: str, found: Mapping[str, t.Any], license_found: Mapping[str, t.Any]) -> Result:
    state, message = _state(found)
    licence = _licence(license_found)
    problems = [dict(problem) for problem in found.get("problems", ())] if state == "ok" else []
    return {
        "name": name,
        "state": state,
        "message": message,
        "platform": _platform(found) if state == "ok" else None,
        "devices": _devices(found["devices"]) if state == "ok" else [],
        "services": _services(found.get("services", {})),
        "configured": _picked(found.get("configured", ()), _RULE),
        "bindings": _picked(found.get("bindings", ()), _BINDING),
        "license": licence,
        "problems": problems + _licence_problems(licence, license_found),
    }


def _state(found: Mapping[str, t.Any]) -> tuple[str, str | None]:
    if "devices" in found and not found.get("failed"):
        return "ok", None
    if found.get("unreachable"):
        return "unreachable", _message(found)
    if found.get("skipped"):
        return "skipped", _NOT_ASKED
    return "failed", _message(found)


def _message(found: Mapping[str, t.Any]) -> str:
    return str(found.get("msg") or "nothing was returned")


def _platform(found: Mapping[str, t.Any]) -> Result:
    cpu, kernel = found.get("cpu", {}), found.get("kernel", {})
    iommu = found.get("iommu", {})
    return {
        "cpu": cpu.get("model") or cpu.get("vendor"),
        "virtualization": cpu.get("virtualization"),
        "kernel": kernel.get("release"),
        "lockdown": kernel.get("lockdown"),
        "secure_boot": kernel.get("secure_boot"),
        "iommu": (iommu.get("vendor") if iommu.get("active") else None),
        "iommu_groups": len(iommu.get("groups", ())),
        "interrupt_remapping": iommu.get("interrupt_remapping"),
    }


def _devices(devices: Iterable[Mapping[str, t.Any]]) -> list[Result]:
    """Return the functions that have no PF here, each with its VFs."""
    ordered = sorted(devices, key=lambda device: str(device["address"]))
    here = {device["address"] for device in ordered}
    vfs: dict[str, list[Result]] = {}
    for device in ordered:
        if device.get("pf") in here:
            vfs.setdefault(device["pf"], []).append(_function(device, _VF))
    return [
        {
            **_function(device, _DEVICE),
            # How often it was asked differs each time.
            "health": (device.get("health") or {}).get("status"),
            "vfs": vfs.get(device["address"], []),
        }
        for device in ordered
        if device.get("pf") not in here
    ]


def _function(device: Mapping[str, t.Any], keys: Iterable[str]) -> Result:
    holder = device.get("holder")
    return {
        **{key: device.get(key) for key in keys},
        "holder": dict(holder) if holder else None,
        "use": use_of(device),
    }


def _services(services: Mapping[str, Mapping[str, t.Any]]) -> list[Result]:
    return [
        {"name": name, **{key: services[name].get(key) for key in ("unit", "enabled", "running")}}
        for name in sorted(services)
        if services[name].get("unit")
    ]


def _picked(entries: Iterable[Mapping[str, t.Any]], keys: Iterable[str]) -> list[Result]:
    keys = tuple(keys)
    return [
        {key: entry.get(key) for key in keys}
        for entry in sorted(entries, key=lambda entry: str(entry.get("address")))
    ]


def _licence(found: Mapping[str, t.Any]) -> Result | None:
    """Return the licences of a host, None where it was not asked or did not answer."""
    if "licensed" not in found or found.get("failed"):
        return None
    return {
        "licensed": bool(found["licensed"]),
        "gpus": _picked(found.get("gpus", ()), ("address", "name", "product", "status", "expiry")),
    }


def _licence_problems(licence: Result | None, found: Mapping[str, t.Any]) -> list[Result]:
    if licence is None:
        if not found or found.get("skipped") or found.get("unreachable"):
            return []
        return [
            {
                "check": "license",
                "what": "the state of the licence is not known",
                "why": _message(found),
                "remedy": "see that the module gridd_license_info can run there",
            }
        ]
    licensed = licence["licensed"]
    what = "the licence may not be renewed" if licensed else "there is no licence"
    causes = [
        {
            "check": f"license {check.get('check')}",
            "what": what,
            "why": check.get("detail"),
            "remedy": check.get("remedy"),
        }
        for check in found.get("diagnosis", ())
        if check.get("ok") is False
    ]
    if licensed or causes:
        return causes
    return [
        {
            "check": "license",
            "what": what,
            "why": "no check has found a cause",
            "remedy": "see the log of the licensing daemon, and ask again in a minute",
        }
    ]


def _grouped_problems(hosts: Iterable[Result]) -> list[Result]:
    """Return every problem once with the hosts that have it, the most common one first."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for host in hosts:
        for problem in host["problems"]:
            key = tuple(str(problem.get(part)) for part in ("check", "what", "why", "remedy"))
            names = grouped.setdefault(key, [])
            if host["name"] not in names:
                names.append(host["name"])
    return [
        {"check": key[0], "what": key[1], "why": key[2], "remedy": key[3], "hosts": names}
        for key, names in sorted(grouped.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def _summary(hosts: list[Result]) -> Result:
    tops = [device for host in hosts for device in host["devices"]]
    vfs = [vf for device in tops for vf in device["vfs"]]
    licences = [host["license"] for host in hosts if host["license"]]
    return {
        "hosts": {
            "total": len(hosts),
            **{state: sum(host["state"] == state for host in hosts) for state in STATES},
            "with_problems": sum(bool(host["problems"]) for host in hosts),
        },
        "pfs": sum(device["kind"] in {"qat_pf", "sriov_pf"} for device in tops),
        "gpus": sum(device["kind"] == "gpu" for device in tops),
        "vfs": {
            "total": len(vfs),
            "possible": sum(device["total_vfs"] or 0 for device in tops),
            **{use: sum(vf["use"] == use for vf in vfs) for use in USES},
        },
        "licenses": {
            "asked": len(licences),
            "licensed": sum(licence["licensed"] for licence in licences),
        },
        "problems": sum(len(host["problems"]) for host in hosts),
    }
