# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the licensing daemon logs: C(nvidia-gridd) on Linux, the display container on Windows.

The daemon complains while it starts, of keys that it can do without too, and may still get its
licence: the last word counts, and a new start makes all that was said before it history.

Sources of the wordings: the vendor's GRID Licensing User Guide, 2.3; nvidia-docker issue 1787;
azure-docs issue 32746; the notes and the FAQ of fastapi-dls; the logs that users of service
providers, of Proxmox VE and of fnOS have published.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from .._errors import InputError
from .address import check_server_address
from .state import Expiry

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CONFIGURATION: t.Final = "configuration"
REACHABILITY: t.Final = "reachability"
CLOCK: t.Final = "clock"
AVAILABILITY: t.Final = "availability"

STARTED: t.Final = "started"
STOPPED: t.Final = "stopped"
ACQUIRING: t.Final = "acquiring"
ACQUIRED: t.Final = "acquired"
RETURNED: t.Final = "returned"
FAILED: t.Final = "failed"
UNLICENSED: t.Final = "unlicensed"
OTHER: t.Final = "other"

_NLS = "NLS initialized"

# What the lines begin with: syslog, ISO 8601 (journalctl -o short-iso), the log on Windows.
_LINE = re.compile(
    r"""
    (?:(?P<time>
        \d{4}-\d\d-\d\dT[0-9:.,]+(?:Z|[+-]\d\d:?\d\d)?
      | [A-Z][a-z]{2}[ ]+\d{1,2}[ ]\d\d:\d\d:\d\d
    )[ ]+\S+[ ]+)?
    (?:[^\s:\[]*/)?(?P<program>[A-Za-z][\w@.-]*)(?:\[(?P<pid>\d+)\])?:[ ]+(?P<message>.*)
    """,
    re.VERBOSE | re.ASCII,
)
_WINDOWS = re.compile(
    r"(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d \d{4}):<(?P<pid>\d+)>:"
    r"[ ]*(?P<message>.*)",
    re.ASCII,
)
_DAEMON = "nvidia-gridd"
_MANAGER = "systemd"
_ABOUT = re.compile(r"gridd|Grid Daemon", re.IGNORECASE)
_MANAGER_STARTS = re.compile(r"Starting .*(?:gridd|Grid Daemon)", re.IGNORECASE)
_STARTED = re.compile(r"Started \((\d+)\)")
_STOPPED = re.compile(r"Shutdown \(\d+\)|Stopped .{0,100}(?:gridd|Grid Daemon)", re.IGNORECASE)

# The first that is found in a message counts.
_CAUSES: t.Final = {
    CLOCK: r"""
        wind[ ]?back
        # What a server answers to a clock that is off; fastapi-dls, FAQ.
        | allowed[ ]time[ ]to[ ]process[ ]response[ ]has[ ]expired
        | (?:system|local|client)[ ](?:clock|time|date)
        | token[ ](?:is[ ])?not[ ](?:yet[ ])?valid[ ](?:yet|before)
    """,
    CONFIGURATION: r"""
        configuration[ ]parameter
        | gridd\.conf
        | (?:address|port|feature[ ]?type)\S*[ ](?:is[ ])?not[ ]set
        | invalid[ ](?:feature|server|configuration|port|address|value)
        | configuration[ ]token|signature[ ]from[ ]token
        | set[ ]?up[ ]cloud[ ]license[ ]manager
        # Server keys and a token at once; nvidia-docker issue 1787.
        | local[ ]trusted[ ]store
    """,
    AVAILABILITY: r"""
        no[ ]pool[ ]features
        | features?[ ](?:was[ ]|were[ ]|is[ ]|are[ ])?(?:not[ ](?:found|available)|unavailable)
        | no[ ](?:free[ ]|available[ ]|more[ ]|remaining[ ])?(?:licen[sc]es?|seats?|features?)\b
        | no[ ].{0,40}(?:licen[sc]es?|seats?)[ ](?:is[ ]|are[ ])?(?:left|available|found)
        | licen[sc]es?[ ](?:is[ ]|are[ ])?(?:not[ ]available|unavailable|exhausted)
        | (?:insufficient|not[ ]enough|exceeded|exhausted|out[ ]of)\b.{0,40}
          \b(?:licen[sc]es?|seats?|features?|count|entitlements?)
        | all[ ](?:licen[sc]es?|seats?)[ ](?:are[ ])?in[ ]use
        | licen[sc]es?[ ](?:has[ ]|have[ ])?expired
    """,
    REACHABILITY: r"""
        (?:resolve|resolving)[ ](?:host|the|server|name)
        | name[ ]resolution|name[ ]or[ ]service[ ]not[ ]known
        | connection[ ](?:refused|reset|timed[ ]out|failed|error|aborted)|timed?[ ]?out
        | (?:could[ ]not|couldn.t|cannot|can.t|failed[ ]to|unable[ ]to)
          [ ](?:connect|reach|communicate)
        | unreachable|no[ ]route[ ]to[ ]host|network[ ]error
        | communicat\w+[ ](?:error|fail)
        | (?:ssl|tls|certificate|peer)\b.{0,40}\b(?:fail|error|verif|invalid)
    """,
}
_CAUSE = {
    cause: re.compile(pattern, re.IGNORECASE | re.VERBOSE) for cause, pattern in _CAUSES.items()
}

# The first that is found in a message counts; nothing else is a failure.
_KINDS = {
    STARTED: re.compile(rf"{_STARTED.pattern}|{_NLS}"),
    STOPPED: _STOPPED,
    ACQUIRED: re.compile(
        r"licen[sc]e (?:acquired|renewed) successfully|system is licensed for", re.IGNORECASE
    ),
    RETURNED: re.compile(r"licen[sc]es? (?:returned|released) successfully", re.IGNORECASE),
    ACQUIRING: re.compile(r"\A(?:acquiring|renewing|requesting) licen[sc]e", re.IGNORECASE),
    UNLICENSED: re.compile(
        r"valid (?:grid |vgpu )?licen[sc]e not found|currently .{0,20}unlicensed"
        r"|system does not have a valid",
        re.IGNORECASE,
    ),
}
_FAILURE = re.compile(
    r"\b(?:failed|failure|unable|could not|cannot|error|invalid)\b", re.IGNORECASE
)
# Said on the way to a licence too, where a token or a service provider tells of the server.
_HARMLESS = re.compile(
    r"configuration parameter \(|unable to open directory|gridd\.conf|not set$", re.IGNORECASE
)

_INFO = re.compile(r"\(Info: ?", re.IGNORECASE)
_FROM = re.compile(r"license (?:from|to) (\S+)", re.IGNORECASE)
_URL = re.compile(r"Server URL ?: ?(\S+)", re.IGNORECASE)
_EXPIRY = re.compile(r"; ?Expiry: ?([^;)]*)$", re.IGNORECASE)
_REASON = re.compile(r"(?:^|- ?)Error: ?(.*)$", re.IGNORECASE)
_LICENSED_FOR = re.compile(r"system is licensed for (.*?)\.?$", re.IGNORECASE)


@dataclass(frozen=True)
class Event:
    """One line that the daemon logged.

    Args:
        message: what it says, without what the log puts before it.
        kind: what it tells of, one of the words above.
        time: as the log has it, which may be without a year or a zone; None without one.
        run: which start of the daemon it belongs to, counted from the first that is seen.
        cause: which of the four causes it names, None for none.
        harmless: whether a licence may be had in spite of it.
        server: host name or address of the license server, None where it names none.
        product: the product that is licensed.
        expiry: the end of the licence.
        reason: what the server or the network answered.
    """

    message: str
    kind: str
    time: str | None = None
    run: int = 0
    cause: str | None = None
    harmless: bool = False
    server: str | None = None
    product: str | None = None
    expiry: Expiry | None = None
    reason: str | None = None

    def as_result(self) -> dict[str, t.Any]:
        """Return it as modules return it."""
        return {
            "time": self.time,
            "kind": self.kind,
            "cause": self.cause,
            "message": self.message,
            "server": self.server,
            "product": self.product,
            "expiry": str(self.expiry) if self.expiry else None,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class _Line:
    message: str
    time: str | None = None
    pid: str | None = None
    is_manager: bool = False
    is_windows: bool = False


def parse_events(lines: Iterable[str]) -> tuple[Event, ...]:
    """Return what the daemon says in the lines of a log, in their order; others are left out."""
    return tuple(_events(lines))


def present(events: Sequence[Event]) -> tuple[Event, ...]:
    """Return the events since the last start of the daemon."""
    last = events[-1].run if events else 0
    return tuple(event for event in events if event.run == last)


def complaints(events: Sequence[Event]) -> tuple[Event, ...]:
    """Return what went wrong since the last start, and since the last licence."""
    since: list[Event] = []
    for event in present(events):
        if event.kind in (ACQUIRED, RETURNED):
            since = []
        elif event.kind == FAILED:
            since.append(event)
    return tuple(since)


def has_license(events: Sequence[Event]) -> bool:
    """Tell whether a licence was got since the last start, and not given back."""
    turns = [event.kind for event in present(events) if event.kind in (ACQUIRED, RETURNED)]
    return turns[-1:] == [ACQUIRED]


def is_pending(events: Sequence[Event]) -> bool:
    """Tell whether the last that was tried has no outcome yet."""
    kinds = (STARTED, ACQUIRING, ACQUIRED, RETURNED, FAILED, STOPPED)
    words = [event for event in present(events) if event.kind in kinds and not event.harmless]
    return bool(words) and words[-1].kind in (STARTED, ACQUIRING)


def _events(lines: Iterable[str]) -> Iterator[Event]:
    runs = _Runs()
    for text in lines:
        line = _parse_line(text.rstrip("\r\n"))
        if line is None:
            continue
        run = runs.place(line)
        if not line.is_manager or _STOPPED.match(line.message):
            yield _event(line, run)


class _Runs:
    """Counts the starts of the daemon.

    What it says may come before it says that it has started: where the log has its pid, that
    tells them apart.
    """

    def __init__(self) -> None:
        self._number = 0
        self._pid: str | None = None
        self._spoken = False
        self._initialized: set[str | None] = set()

    def place(self, line: _Line) -> int:
        """Return the number of the run that a line belongs to."""
        if line.is_manager:
            if _MANAGER_STARTS.match(line.message):
                self._begin()
            return self._number
        started = _STARTED.match(line.message)
        pid = line.pid or (started[1] if started else None)
        if line.is_windows:
            # Two daemons write to one log there; each says this once for each start.
            if line.message.startswith(_NLS):
                if pid in self._initialized:
                    self._begin()
                self._initialized.add(pid)
        elif (pid and self._pid and pid != self._pid) or (started and not line.pid):
            self._begin()
        self._pid = pid or self._pid
        self._spoken = True
        return self._number

    def _begin(self) -> None:
        if self._spoken:
            self._number += 1
        self._pid, self._spoken, self._initialized = None, False, set()


def _parse_line(text: str) -> _Line | None:
    """Return what a line says, None for one of another program, or without anything."""
    found = _WINDOWS.match(text)
    if found:
        return _Line(found["message"].strip(), found["time"], found["pid"], is_windows=True)
    found = _LINE.match(text)
    if found and (found["time"] or found["program"] in (_DAEMON, _MANAGER)):
        is_manager = found["program"] == _MANAGER
        is_ours = found["program"] == _DAEMON or (is_manager and _ABOUT.search(found["message"]))
        message = found["message"].strip()
        return _Line(message, found["time"], found["pid"], is_manager) if is_ours else None
    bare = text.strip()
    # Lines that somebody has cut; what journalctl says about itself is none.
    return _Line(bare) if bare and not bare.startswith("-- ") else None


def _event(line: _Line, run: int) -> Event:
    message = line.message
    event = _informed(Event(message, OTHER, time=line.time, run=run))
    for kind, pattern in _KINDS.items():
        if pattern.search(message):
            return replace(event, kind=kind)
    cause = next((cause for cause, pattern in _CAUSE.items() if pattern.search(message)), None)
    if cause is None and not _FAILURE.search(message):
        return event
    harmless = _HARMLESS.search(message) is not None
    return replace(event, kind=FAILED, cause=cause, harmless=harmless)


def _informed(event: Event) -> Event:
    """Add what stands in a message: server, product, end and reason."""
    inside = _inside(event.message)
    expiry, reason = _EXPIRY.search(inside), _REASON.search(inside)
    parts = [inside]
    if expiry:
        parts = [inside[: expiry.start()]]
    elif reason:
        parts = [inside[: reason.start()]]
    # "server; product" before the licence, "server, product; Expiry: ..." with it, and the
    # product alone where the server stands before the parenthesis.
    parts = [part.strip() for part in re.split(r"[;,]", parts[0], maxsplit=1) if part.strip()]
    named = _FROM.search(event.message) or _URL.search(event.message)
    licensed_for = _LICENSED_FOR.search(event.message)
    server = _host(named[1]) if named else None
    if server is None and parts:
        server = _host(parts[0])
        if server is not None or len(parts) > 1:
            parts = parts[1:]
    product = licensed_for[1] if licensed_for else (parts[0] if parts else None)
    return replace(
        event,
        server=server,
        product=product or None,
        expiry=Expiry.parse(expiry[1].strip()) if expiry else None,
        reason=reason[1].strip() if reason else None,
    )


def _inside(message: str) -> str:
    """Return what stands in the parentheses at the end of a message."""
    body = message.rstrip(". ")
    found = _INFO.search(body) if body.endswith(")") else None
    return body[found.end() : -1] if found else ""


def _host(text: str) -> str | None:
    """Return the host of a URL or the address that a message names, None for anything else."""
    bare = re.sub(r"^[a-z]+://", "", text.rstrip(".,;"), flags=re.IGNORECASE)
    bare = re.sub(r"[/?#].*$", "", bare)
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?", bare)
    if bracketed:
        bare = bracketed[1]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return check_server_address("server", bare)
    except InputError:
        return None
