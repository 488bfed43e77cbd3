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
from calendar import timegm
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import strptime

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
HOST: t.Final = "host"
GUEST: t.Final = "guest"
ERROR: t.Final = "error"
WARNING: t.Final = "warning"
PAST: t.Final = "past"
NEAR: t.Final = "near"
# The checks of the report itself; those of licences have the name of theirs behind it.
REACH: t.Final = "reach"
LICENSE: t.Final = "license"
_EXPIRY: t.Final = "license expiry"
_SEVERITIES: t.Final = (ERROR, WARNING)
_MOMENT: t.Final = "%Y-%m-%dT%H:%M:%SZ"

_FOR_OTHERS = frozenset({"domain", "process"})
_NOT_ASKED = "not asked: accelerators of Windows are not looked at, only licences of its guests"
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


@dataclass(frozen=True)
class Asked:
    """How the fleet was asked.

    Args:
        generated: when, as ISO 8601 in UTC.
        guests: machines that were asked for their licence as guests.
        not_asked: machines of the inventory that were left out this time.
        near_hours: within how many hours the end of a licence is near.
    """

    generated: str
    guests: frozenset[str]
    not_asked: tuple[str, ...]
    near_hours: float

    @classmethod
    def parse(
        cls,
        generated: object,
        guests: object = (),
        not_asked: object = (),
        near_hours: object = 2,
    ) -> Asked:
        """Parse what a filter is given.

        Raises:
            InputError: an option cannot be right.
        """
        try:
            hours = float(str(near_hours))
        except ValueError:
            hours = -1.0
        if not 0 <= hours < float("inf"):
            raise InputError("near_hours", near_hours, "a number of hours from 0 up")
        left_out = tuple(sorted(_names("not_asked", not_asked), key=by_number))
        return cls(str(generated), _names("guests", guests), left_out, hours)

    @property
    def at(self) -> int | None:
        """When, in seconds since 1970, None where that is not told."""
        return _moment(self.generated)


def fleet_report(accelerators: object, licenses: object, asked: Asked) -> Result:
    """Return the report of what modules returned of each host, by its name.

    Raises:
        InputError: an argument is none of these.
    """
    found = _results("accelerators", accelerators)
    licensed = _results("licenses", licenses)
    names = sorted({*found, *licensed}, key=by_number)
    hosts = [_host(name, found.get(name, {}), licensed.get(name, {}), asked) for name in names]
    return {
        "format": FORMAT,
        "generated": asked.generated,
        "summary": _summary(hosts),
        "problems": _grouped_problems(hosts),
        "not_asked": [name for name in asked.not_asked if name not in names],
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


def _names(option: str, names: object) -> frozenset[str]:
    if isinstance(names, (str, bytes)) or not isinstance(names, Sequence):
        raise InputError(option, names, "a list of names")
    return frozenset(map(str, names))


def _moment(text: object) -> int | None:
    try:
        return timegm(strptime(str(text), _MOMENT))
    except ValueError:
        return None


def _host(
    name: str, found: Mapping[str, t.Any], license_found: Mapping[str, t.Any], asked: Asked
) -> Result:
    licence = _licence(license_found, asked)
    devices = _devices(found["devices"]) if _answered(found) else []
    # Who has VFs to give is a host, whatever else it is.
    is_guest = name in asked.guests and not any(device["total_vfs"] for device in devices)
    state, message = _state(found, license_found if is_guest else {})
    problems = _reach_problems(state)
    if _answered(found) and not is_guest:
        problems += [{"severity": ERROR, **problem} for problem in found.get("problems", ())]
    if state == "ok":
        problems += _licence_problems(licence, license_found)
    return {
        "name": name,
        "role": GUEST if is_guest else HOST,
        "state": state,
        "message": message,
        "platform": _platform(found) if _answered(found) else None,
        "devices": devices,
        "services": _services(found.get("services", {})),
        "configured": _picked(found.get("configured", ()), _RULE),
        "bindings": _picked(found.get("bindings", ()), _BINDING),
        "license": licence,
        "problems": sorted(problems, key=_weight),
    }


def _answered(found: Mapping[str, t.Any]) -> bool:
    return "devices" in found and not found.get("failed")


def _state(
    found: Mapping[str, t.Any], license_found: Mapping[str, t.Any]
) -> tuple[str, str | None]:
    """Return how a machine answered; of a guest, the licence alone is an answer."""
    if _answered(found) or ("licensed" in license_found and not license_found.get("failed")):
        return "ok", None
    told = license_found if found.get("skipped") and license_found else found
    if told.get("unreachable"):
        return "unreachable", _message(told)
    if told.get("skipped"):
        return "skipped", _NOT_ASKED
    return "failed", _message(told)


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


def _licence(found: Mapping[str, t.Any], asked: Asked) -> Result | None:
    """Return the licences of a host, None where it was not asked or did not answer."""
    if "licensed" not in found or found.get("failed"):
        return None
    gpus = sorted(found.get("gpus", ()), key=lambda gpu: str(gpu.get("address")))
    keys = ("address", "name", "product", "status", "expiry")
    return {
        "licensed": bool(found["licensed"]),
        "gpus": [
            {**{key: gpu.get(key) for key in keys}, "ends": _ends(gpu, asked)} for gpu in gpus
        ],
    }


def _ends(gpu: Mapping[str, t.Any], asked: Asked) -> str | None:
    """Tell whether the end of a licence is past or near, by the clock that says so first."""
    left = [gpu["remaining"]] if isinstance(gpu.get("remaining"), int) else []
    end = _moment(gpu.get("expiry"))
    if end is not None and asked.at is not None:
        left.append(end - asked.at)
    if not left:
        return None
    if min(left) <= 0:
        return PAST
    return NEAR if min(left) < asked.near_hours * 3600 else None


def _reach_problems(state: str) -> list[Result]:
    if state == "unreachable":
        what, why = "the machine could not be reached", "no connection, or no login"
        remedy = "see that it is up, and that the module ansible.builtin.ping answers"
    elif state == "failed":
        what, why = "the machine could not be asked", "the module did not run to its end there"
        remedy = "do what its message below says"
    else:
        return []
    return [_problem(ERROR, REACH, what, why, remedy)]


def _licence_problems(licence: Result | None, found: Mapping[str, t.Any]) -> list[Result]:
    if licence is None:
        if not found or found.get("skipped") or found.get("unreachable"):
            return []
        what = "the state of the licence is not known"
        remedy = "see that the playbook hwaccel.virt.license can run there"
        return [_problem(ERROR, LICENSE, what, _message(found), remedy)]
    licensed = licence["licensed"]
    what = "the licence may not be renewed" if licensed else "there is no licence"
    severity = WARNING if licensed else ERROR
    causes = _expiry_problems(licence) + [
        _problem(
            severity,
            f"{LICENSE} {check.get('check')}",
            what,
            check.get("detail"),
            check.get("remedy"),
        )
        for check in found.get("diagnosis", ())
        if check.get("ok") is False
    ]
    if licensed or causes:
        return causes
    remedy = "see the log of the licensing daemon, and ask again in a minute"
    return [_problem(ERROR, LICENSE, what, "no check has found a cause", remedy)]


def _expiry_problems(licence: Result) -> list[Result]:
    """Return what the ends of licences mean; the moments, which move, stand with the GPUs."""
    ends = {gpu["ends"] for gpu in licence["gpus"]}
    remedy = (
        "see that the guest reaches its licence server and that its clock is right, and restart "
        "its licence service, which renews the licence"
    )
    if PAST in ends:
        what, why = "the licence has ended", "its end has passed, and it was not renewed"
        return [_problem(ERROR, _EXPIRY, what, why, remedy)]
    if NEAR in ends:
        what, why = "the licence ends soon", "it was not renewed when it was due"
        return [_problem(WARNING, _EXPIRY, what, why, remedy)]
    return []


def _problem(severity: str, check: str, what: str, why: object, remedy: object) -> Result:
    return {"severity": severity, "check": check, "what": what, "why": why, "remedy": remedy}


def _weight(problem: Result) -> tuple[int, bool]:
    """Return a key that sorts errors first, and a licence that has ended before all others."""
    return _SEVERITIES.index(problem["severity"]), problem["check"] != _EXPIRY


def _grouped_problems(hosts: Iterable[Result]) -> list[Result]:
    """Return every problem once with the hosts that have it, the worst and most common first."""
    keys = ("severity", "check", "what", "why", "remedy")
    grouped: dict[tuple[str, ...], Result] = {}
    for host in hosts:
        for problem in host["problems"]:
            key = tuple(str(problem.get(part)) for part in keys)
            group = grouped.setdefault(key, {**dict(zip(keys, key)), "hosts": []})
            if host["name"] not in group["hosts"]:
                group["hosts"].append(host["name"])
    return sorted(
        grouped.values(),
        key=lambda group: (
            _weight(group),
            -len(group["hosts"]),
            *(group[part] for part in keys),
        ),
    )


def _summary(hosts: list[Result]) -> Result:
    tops = [device for host in hosts if host["role"] == HOST for device in host["devices"]]
    licences = [host["license"] for host in hosts if host["license"]]
    gpus = [gpu for licence in licences for gpu in licence["gpus"]]
    errors = [_counted(host, ERROR) for host in hosts]
    warnings = [_counted(host, WARNING) for host in hosts]
    return {
        "hosts": _states([host for host in hosts if host["role"] == HOST]),
        "guests": _states([host for host in hosts if host["role"] == GUEST]),
        "pfs": sum(device["kind"] in {"qat_pf", "sriov_pf"} for device in tops),
        "gpus": sum(device["kind"] == "gpu" for device in tops),
        "vfs": _vfs(tops),
        "families": [
            {
                "name": name,
                "pfs": sum(_family(device) == name for device in tops),
                **_vfs(device for device in tops if _family(device) == name),
            }
            for name in sorted({_family(device) for device in tops})
        ],
        "licenses": {
            "asked": len(licences),
            "licensed": sum(licence["licensed"] for licence in licences),
            **{ends: sum(gpu["ends"] == ends for gpu in gpus) for ends in (NEAR, PAST)},
        },
        "problems": sum(errors),
        "warnings": sum(warnings),
        "with_problems": sum(map(bool, errors)),
    }


def _counted(host: Result, severity: str) -> int:
    return sum(problem["severity"] == severity for problem in host["problems"])


def _states(hosts: list[Result]) -> Result:
    states = {state: sum(host["state"] == state for host in hosts) for state in STATES}
    return {"total": len(hosts), **states}


def _family(device: Result) -> str:
    return str(device["family"] or {"gpu": "GPU"}.get(device["kind"], "other"))


def _vfs(devices: Iterable[Result]) -> Result:
    devices = tuple(devices)
    vfs = [vf for device in devices for vf in device["vfs"]]
    return {
        "total": len(vfs),
        "possible": sum(device["total_vfs"] or 0 for device in devices),
        **{use: sum(vf["use"] == use for vf in vfs) for use in USES},
    }
