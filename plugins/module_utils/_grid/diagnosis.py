# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a guest has no licence: the causes that the vendor's guide names, one check for each.

The guide (GRID Licensing User Guide, 5.2) asks for the address and the port of the server, for
the way to it, for date and time, and for licences that are left; between the first two stands
the service that asks for the licence. Nothing is read here: what could not be seen is not known.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._errors import InputError
from .events import AVAILABILITY, CLOCK, CONFIGURATION, REACHABILITY, has_license, is_pending
from .evidence import WINDOWS
from .keys import FEATURE, FEATURE_TYPES, FOLDER, KEYS, SERVER_ADDRESS, SERVER_KEYS, TOKEN_PATH
from .state import iso

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .events import Event
    from .evidence import Evidence, Server

SERVICE: t.Final = "service"
LOG: t.Final = "log"
TOKENS: t.Final = "tokens"
NVIDIA_SMI: t.Final = "nvidia-smi"
CHECKS: t.Final = (CONFIGURATION, SERVICE, REACHABILITY, CLOCK, AVAILABILITY)

# The vendor names no bound. Less than this a server that answers late could make out of nothing.
CLOCK_SECONDS: t.Final = 120
_MOST_EVENTS = 100
_MOST_LINES, _MOST_CHARACTERS = 5, 80
_FEATURE_TYPE = "FeatureType"
_IGNORE_PROVIDER = "IgnoreSP"


@dataclass(frozen=True)
class Check:
    """What one check found.

    Args:
        name: one of C(CHECKS).
        ok: None where it is not known.
        detail: what was seen.
        remedy: what an operator can do; none where all is well.
    """

    name: str
    ok: bool | None
    detail: str
    remedy: str | None = None

    def as_result(self) -> dict[str, t.Any]:
        """Return it as modules return it."""
        return {
            "check": self.name,
            "ok": self.ok,
            "detail": self.detail,
            "remedy": None if self.ok else self.remedy,
        }


class Finding(t.NamedTuple):
    """Something that is wrong, and what to do about it."""

    what: str
    remedy: str


def judge(evidence: Evidence, *, diagnose: bool = True) -> dict[str, t.Any]:
    """Return what the module gridd_license_info and the filter license_state return."""
    now = evidence.clock.now if evidence.clock else None
    return {
        "licensed": evidence.licensed,
        "gpus": [license_.as_result(now) for license_ in evidence.licenses or ()],
        "events": [event.as_result() for event in (evidence.events or ())[-_MOST_EVENTS:]],
        "diagnosis": [check.as_result() for check in diagnosis(evidence)] if diagnose else [],
    }


def diagnosis(evidence: Evidence) -> tuple[Check, ...]:
    """Return the checks in their order; the last one depends on those before it."""
    first = (
        _configuration(evidence),
        _service(evidence),
        _reachability(evidence),
        _clock(evidence),
    )
    return (*first, _availability(evidence, first))


def _with(check: Check, findings: list[Finding], notes: list[str]) -> Check:
    """Return a check, false where something was found, with what was noticed besides."""
    if not findings:
        return replace(check, detail="; ".join([check.detail, *notes]))
    remedies = dict.fromkeys(finding.remedy for finding in findings)
    return Check(
        check.name,
        ok=False,
        detail="; ".join([*(finding.what for finding in findings), *notes]),
        remedy="; ".join(remedies),
    )


# -- configuration -------------------------------------------------------------------------


def _configuration(evidence: Evidence) -> Check:
    findings = [*_log_findings(evidence)]
    notes = [*_ignored(evidence), *filter(None, [evidence.unseen.get(TOKENS)])]
    if evidence.settings is not None:
        findings += [*_value_findings(evidence), *_source_findings(evidence)]
        notes += [f"{name} is empty" for name, text in evidence.settings.items() if not text]
    findings += _token_findings(evidence)
    if evidence.settings is None:
        why = evidence.unseen.get(CONFIGURATION, "the settings were not given")
        return _with(Check(CONFIGURATION, ok=None, detail=why), findings, notes)
    # With a token that is out of sight all may be well.
    knows = TOKENS not in evidence.unseen or evidence.licensed or evidence.value(SERVER_ADDRESS)
    seen = Check(CONFIGURATION, ok=True if knows else None, detail=_source(evidence))
    return _with(seen, findings, notes)


def _ignored(evidence: Evidence) -> Iterator[str]:
    """Tell of lines that do not count, of the first ones where a script was spilled there."""
    for line in evidence.ignored[:_MOST_LINES]:
        yield f"this line does not count: {line.strip()[:_MOST_CHARACTERS]}"
    more = len(evidence.ignored) - _MOST_LINES
    if more > 0:
        yield f"{more} more lines do not count"


def _source(evidence: Evidence) -> str:
    """Tell where the licence comes from by the configuration."""
    if evidence.tokens:
        return f"token {', '.join(token.name for token in evidence.tokens)}"
    if evidence.value(SERVER_ADDRESS):
        return f"server {evidence.value(SERVER_ADDRESS)}"
    return "neither a server nor a token, as where a service provider has the licences"


def _way(evidence: Evidence) -> str:
    if evidence.platform == WINDOWS:
        return "with the role hwaccel.virt.vgpu_license"
    return "with hwaccel.virt.gridd_license"


def _restart(evidence: Evidence) -> str:
    name = evidence.service.name if evidence.service else "nvidia-gridd"
    return f"restart the service {name}"


def _value_findings(evidence: Evidence) -> Iterator[Finding]:
    """Find values that the daemon does not take."""
    for key in KEYS:
        text = evidence.value(key.name)
        if text is None or (key.kind == FOLDER and evidence.platform == WINDOWS):
            continue
        try:
            key.value(text, key.name)
            if key.kind == FEATURE and not text.isdecimal():
                numbers = ", ".join(str(number) for number in FEATURE_TYPES.values())
                raise InputError(key.name, text, f"one of {numbers}")  # noqa: TRY301
        except InputError as error:
            told = str(error).removeprefix("option ")
            yield Finding(told, f"set {key.option} to what is accepted {_way(evidence)}")


def _source_findings(evidence: Evidence) -> Iterator[Finding]:
    """Find out whether the daemon knows whom to ask, and for what."""
    server, has_tokens = evidence.value(SERVER_ADDRESS), bool(evidence.tokens)
    if evidence.missing and not evidence.licensed:
        yield Finding(
            f"{evidence.missing} does not exist",
            f"make it {_way(evidence)}, then {_restart(evidence)}",
        )
    elif server is None and any(evidence.value(name) for name in SERVER_KEYS):
        names = [name for name in SERVER_KEYS if evidence.value(name)]
        yield Finding(
            f"{', '.join(names)} without {SERVER_ADDRESS}",
            f"set server_address {_way(evidence)}",
        )
    elif not (server or evidence.uses_token or evidence.licensed or TOKENS in evidence.unseen):
        yield Finding(
            f"{SERVER_ADDRESS} is not set, and there is no token",
            f"set server_address, or bring a token, {_way(evidence)}",
        )
    if server is not None and has_tokens:
        yield Finding(
            f"{SERVER_ADDRESS} is set and there is a token too, which the daemon uses",
            f"keep one of them: licensing token or server {_way(evidence)}",
        )
    is_zero = evidence.value(_FEATURE_TYPE) == str(FEATURE_TYPES["unlicensed"])
    if is_zero and not evidence.licensed:
        told = f"{_FEATURE_TYPE} 0 asks for no licence"
        if (evidence.value(_IGNORE_PROVIDER) or "").lower() == "true":
            told += f", and {_IGNORE_PROVIDER} takes none from a service provider"
        yield Finding(told, f"set feature_type to what the GPU is used for {_way(evidence)}")


def _token_findings(evidence: Evidence) -> Iterator[Finding]:
    """Find what is wrong with the tokens."""
    tokens = evidence.tokens
    if tokens is None:
        return
    if len(tokens) > 1:
        names = ", ".join(token.name for token in tokens)
        yield Finding(
            f"{len(tokens)} tokens in one folder: {names}",
            "leave the newest token there, and remove the others",
        )
    for token in tokens:
        if token.fault:
            yield Finding(token.fault, "get a new token from the license server")
    if not tokens and evidence.uses_token:
        yield Finding(
            f"{TOKEN_PATH} is set, and there is no token in that folder",
            "put the token of the license server there, its name ending in .tok",
        )


def _log_findings(evidence: Evidence) -> Iterator[Finding]:
    """Find what the daemon complains of."""
    for message, event in _last_of_each(evidence.complaints_of(CONFIGURATION)).items():
        what = f"the log says: {message}"
        if not event.harmless:
            yield Finding(what, _remedy_of(message, evidence))
        elif _names_server(message) and not (evidence.uses_token or evidence.asks_server):
            if evidence.value(SERVER_ADDRESS):
                told = f"{what}, which is set by now"
                yield Finding(told, _restart(evidence))
            elif evidence.settings is None:
                yield Finding(what, f"set server_address, or bring a token, {_way(evidence)}")


def _names_server(message: str) -> bool:
    return SERVER_ADDRESS.lower() in message.lower() or "gridd.conf" in message.lower()


def _remedy_of(message: str, evidence: Evidence) -> str:
    told = message.lower()
    if "feature" in told:
        return f"set feature_type to what the GPU is used for {_way(evidence)}"
    if "trusted store" in told:
        return f"keep either the server or the token: licensing {_way(evidence)}"
    if "token" in told or "license manager" in told:
        return f"get a new token from the license server, then {_restart(evidence)}"
    return f"correct it {_way(evidence)}, then {_restart(evidence)}"


def _last_of_each(events: tuple[Event, ...]) -> dict[str, Event]:
    return {event.message: event for event in events}


# -- service -------------------------------------------------------------------------------


def _service(evidence: Evidence) -> Check:
    service = evidence.service
    if service is None:
        why = evidence.unseen.get(SERVICE, "nothing is known of the service")
        return Check(SERVICE, ok=None, detail=why)
    start = f"start and enable the service {service.name}, and see its log"
    if service.running:
        if service.is_old and not evidence.licensed:
            what = f"{service.name} was started before its configuration was last changed"
            return Check(SERVICE, ok=False, detail=what, remedy=_restart(evidence))
        told = "runs" if service.exists is not False else "runs, and is no service of this system"
        return Check(SERVICE, ok=True, detail=f"{service.name} {told}")
    if service.exists is False:
        return Check(
            SERVICE,
            ok=None,
            detail=f"there is no service {service.name}; it may have another name",
            remedy="see which service of the driver gets the licence, or install the guest driver",
        )
    if service.running is None:
        return Check(SERVICE, ok=None, detail=f"whether {service.name} runs is not known")
    return Check(SERVICE, ok=False, detail=f"{service.name} does not run", remedy=start)


# -- reachability --------------------------------------------------------------------------


def _reachability(evidence: Evidence) -> Check:
    servers = evidence.servers
    said = _last_of_each(evidence.complaints_of(REACHABILITY))
    findings = [finding for server in servers or () for finding in _server_findings(server)]
    reached = [server for server in servers or () if server.connected]
    notes = []
    if said and not reached:
        findings += [
            Finding(f"the log says: {message}", "see that the guest reaches the license server")
            for message in list(said)[-1:]
        ]
    elif said:
        notes = [f"the log had said: {message}" for message in list(said)[-1:]]
    unknown = [f"{server}: not known" for server in servers or () if server.connected is None]
    told = [*(f"{server} takes connections" for server in reached), *unknown]
    if servers is None:
        told = [evidence.unseen.get(REACHABILITY, "no server was asked")]
    elif not servers:
        told = ["no server is known: neither the configuration nor the log names one"]
    ok = True if servers and not unknown else None
    return _with(Check(REACHABILITY, ok=ok, detail="; ".join(told)), findings, notes)


def _server_findings(server: Server) -> Iterator[Finding]:
    because = f": {server.error}" if server.error else ""
    if server.resolved is False:
        yield Finding(
            f"the name {server.address} leads to no address{because}",
            f"correct the name, or the DNS of the guest (/etc/resolv.conf), for {server.address}",
        )
    elif server.connected is False:
        if server.ping:
            what = f"{server} takes no connection{because}, but the machine answers a ping"
            remedy = f"see whether the service runs at port {server.port} and a firewall is between"
        else:
            no_ping = ", nor does a ping get an answer" if server.ping is False else ""
            what = f"{server} takes no connection{because}{no_ping}"
            remedy = (
                f"see whether {server.address} is up, the port {server.port} is right, and "
                "firewalls and routes let the guest through"
            )
        yield Finding(what, remedy)


# -- clock ---------------------------------------------------------------------------------


def _clock(evidence: Evidence) -> Check:
    clock = evidence.clock
    keep = "set the clock, and let a time service such as chrony keep it"
    findings = [
        Finding(f"the log says: {message}", _clock_remedy(message))
        for message in list(_last_of_each(evidence.complaints_of(CLOCK)))[-1:]
    ]
    if clock is None:
        why = evidence.unseen.get(CLOCK, "the clock was not compared")
        return _with(Check(CLOCK, ok=None, detail=why), findings, [])
    notes = {
        True: ["it is synchronised"],
        False: ["it is not synchronised"],
        None: [],
    }[clock.synchronized]
    if clock.now is None or clock.server is None:
        told = "no server said what time it is"
        seen = Check(CLOCK, ok=clock.synchronized or None, detail=told, remedy=keep)
        return _with(seen, findings, notes)
    off = clock.now - clock.server
    if abs(off) > CLOCK_SECONDS:
        way = "ahead of" if off > 0 else "behind"
        what = f"the clock is {_span(abs(off))} {way} that of the server: {iso(clock.now)}"
        findings.insert(0, Finding(f"{what} here, {iso(clock.server)} there", keep))
    fine = f"the clock is that of the server, within {CLOCK_SECONDS} s"
    return _with(Check(CLOCK, ok=True, detail=fine), findings, notes)


def _clock_remedy(message: str) -> str:
    if "wind" in message.lower():
        return (
            "let a time service such as chrony keep the clock, and never set it back; then "
            "restart the service, or the guest"
        )
    return (
        "set clock and time zone of guest and license server, and where they are right get a new "
        "token: one may have to be used within an hour"
    )


def _span(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


# -- availability --------------------------------------------------------------------------


def _availability(evidence: Evidence, others: tuple[Check, ...]) -> Check:
    findings = [*_taken_findings(evidence)]
    if evidence.licensed:
        seen = Check(AVAILABILITY, ok=True, detail="every GPU that takes a licence has one")
    else:
        seen = _without_license(evidence, {check.name: check.ok for check in others})
    return _with(seen, findings, [])


def _without_license(evidence: Evidence, others: dict[str, bool | None]) -> Check:
    """Return what is known of the licences that are left, where the log says nothing of them."""
    seen = _seen(evidence)
    wrong = [name for name, ok in others.items() if ok is False]
    ok, detail, remedy = None, evidence.unseen.get(LOG, "the log does not say why"), ""
    if wrong:
        detail = f"not known while this is not right: {', '.join(wrong)}"
        remedy = "see the other checks first"
    elif not _reports(evidence):
        return Check(
            AVAILABILITY,
            ok=None,
            detail=seen,
            remedy="install the guest driver of the vGPU release, and see that it loads",
        )
    elif is_pending(evidence.events or ()):
        detail = "a licence was asked for, and there is no answer yet"
        remedy = "wait for it"
    elif all(others[name] for name in (CONFIGURATION, SERVICE, REACHABILITY)):
        ok, detail = False, "and the other checks found nothing: there may be no licence left"
        remedy = _free(evidence)
    return Check(AVAILABILITY, ok, f"{seen}; {detail}", remedy or None)


def _taken_findings(evidence: Evidence) -> Iterator[Finding]:
    """Find a server that refuses, and a licence that has ended."""
    said = list(_last_of_each(evidence.complaints_of(AVAILABILITY)))[-1:]
    for message in said:
        yield Finding(f"the log says: {message}", _free(evidence))
    now = evidence.clock.now if evidence.clock else None
    for license_ in evidence.licenses or ():
        if license_.has_expired(now):
            name = license_.address or license_.name or "a GPU"
            yield Finding(
                f"the licence of {name} has ended: {license_.expiry}",
                f"{_restart(evidence)}, which renews it, and see that the server is reached",
            )


def _reports(evidence: Evidence) -> bool:
    return any(license_.status is not None for license_ in evidence.licenses or ())


def _seen(evidence: Evidence) -> str:
    if evidence.licenses is None:
        logged = ", though the log tells of a licence" if has_license(evidence.events or ()) else ""
        why = evidence.unseen.get(NVIDIA_SMI, "nvidia-smi -q has told nothing")
        return f"the status of the licence is not known{logged}: {why}"
    statuses = [license_.status for license_ in evidence.licenses if license_.status]
    if not statuses:
        return "no GPU reports the status of a licence"
    return f"the driver says {', '.join(dict.fromkeys(statuses))}"


def _free(evidence: Evidence) -> str:
    products = dict.fromkeys(
        license_.product for license_ in evidence.licenses or () if license_.product
    )
    of_what = f" of {', '.join(products)}" if products else " of the type that is asked for"
    return f"see on the license server whether licences{of_what} are left, and free or add some"
