# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has changed from one report to the next."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from .._errors import InputError
from .fleet import FORMAT, LICENSE, REACH, Result, by_number

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ACCEPTED = "the JSON of a report of hwaccel.virt, format 1"
# Of a device: what says nothing new where another field does, or is compared on its own.
_NOT_COMPARED = frozenset({"address", "holder", "num_vfs", "use", "vfs"})


@dataclass(frozen=True)
class _Subject:
    """Something on a host that is compared: what it is in a word, and its fields."""

    word: t.Any
    fields: Mapping[str, t.Any]


def changes_since(report: object, earlier: object) -> Result:
    """Return when the earlier report was made, and what is different now, host by host.

    A host that was not seen both times is told by its state alone: what is unknown has not gone.
    One that was left out of either look is not compared at all.
    The end of a licence, which moves whenever it is renewed, and process ids are no change.

    Raises:
        InputError: one of the two is no report.
    """
    now, then = _by_name("report", report), _by_name("earlier", earlier)
    try:
        left_out = {*_left_out(report), *_left_out(earlier)}
        names = sorted({*now, *then}, key=by_number)
        changes = [
            {"host": name, **change}
            for name in names
            if name not in left_out
            for change in _host_changes(then.get(name), now.get(name))
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError("earlier", "...", _ACCEPTED) from error
    since = t.cast("Result", earlier).get("generated")
    return {
        "since": since,
        "changes": changes,
        "not_compared": [name for name in names if name in left_out],
    }


def _left_out(report: object) -> Iterable[str]:
    return t.cast("Iterable[str]", t.cast("Result", report).get("not_asked", ()))


def _by_name(option: str, value: object) -> dict[str, Result]:
    """Return the hosts of a report."""
    hosts = value.get("hosts") if isinstance(value, Mapping) else None
    if (
        not isinstance(value, Mapping)
        or value.get("format") != FORMAT
        or not isinstance(hosts, list)
        or not all(isinstance(host, Mapping) and "name" in host for host in hosts)
    ):
        shown = value if isinstance(value, (str, int, type(None))) else "..."
        raise InputError(option, shown, _ACCEPTED)
    return {str(host["name"]): host for host in hosts}


def _host_changes(then: Result | None, now: Result | None) -> Iterator[Result]:
    before, after = then and then["state"], now and now["state"]
    if before != after:
        yield _change("host", "state", before, after)
    if not then or not now:
        return
    old, new = dict(_subjects(then, now)), dict(_subjects(now, then))
    for name in sorted({*old, *new}):
        if name not in old:
            yield _change(name, None, None, new[name].word)
        elif name not in new:
            yield _change(name, None, old[name].word, None)
        else:
            fields = {**old[name].fields, **new[name].fields}
            for field in sorted(fields):
                values = old[name].fields.get(field), new[name].fields.get(field)
                if values[0] != values[1]:
                    yield _change(name, field, *values)


def _change(subject: str, field: str | None, before: object, after: object) -> Result:
    kind = "added" if before is None else "removed" if after is None else "changed"
    if field is not None and subject != "host":
        kind = "changed"
    return {"kind": kind, "subject": subject, "field": field, "before": before, "after": after}


def _subjects(host: Result, other: Result) -> Iterator[tuple[str, _Subject]]:
    """Yield what is compared of a host, as far as it is known of both."""
    if host["platform"] and other["platform"]:
        yield "platform", _Subject("platform", host["platform"])
        yield from _functions(host, other)
        for kind, entries in (("rule", "configured"), ("binding", "bindings")):
            for entry in host[entries]:
                yield f"{kind} {entry['address']}", _Subject(kind, entry)
        for service in host["services"]:
            yield f"service {service['name']}", _Subject(service["unit"], service)
    if host["license"] and other["license"]:
        for gpu in host["license"]["gpus"]:
            fields = {key: gpu[key] for key in gpu if key not in {"expiry", "ends"}}
            yield f"licence {gpu['address']}", _Subject(gpu["status"] or "none", fields)
    yield from _problems(host, other)


def _functions(host: Result, other: Result) -> Iterator[tuple[str, _Subject]]:
    others = {vf["address"] for device in other["devices"] for vf in device["vfs"]}
    for device in host["devices"]:
        yield device["address"], _device(device)
        for vf in device["vfs"]:
            # VFs that came or went are told by the count of their PF.
            if vf["address"] in others:
                yield vf["address"], _device(vf)


def _problems(host: Result, other: Result) -> Iterator[tuple[str, _Subject]]:
    for problem in host["problems"]:
        if problem["check"] == REACH:
            # The state of the host tells it.
            continue
        part = "license" if problem["check"].split()[0] == LICENSE else "platform"
        # Where one of the two looks saw nothing, no problem has come or gone.
        if host[part] and other[part]:
            name = f"problem {problem['check']}: {problem['what']}"
            yield name, _Subject(problem["what"], {})


def _device(device: Result) -> _Subject:
    fields = {key: value for key, value in device.items() if key not in _NOT_COMPARED}
    holder = device["holder"]
    fields["holder"] = f"{holder['kind']} {holder['name']}" if holder else None
    if "vfs" in device:
        fields["vfs"] = len(device["vfs"])
    return _Subject(device.get("kind") or device.get("driver") or "function", fields)
