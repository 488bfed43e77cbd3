# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the diagnosis of a guest without a licence rests on, gathered on Linux or on Windows."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from .._errors import InputError
from .events import Event, complaints, has_license, parse_events, present
from .keys import SERVER_ADDRESS, TOKEN_PATH, spelled
from .state import GpuLicense, all_licensed, parse_licenses

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LINUX: t.Final = "linux"
WINDOWS: t.Final = "windows"
PLATFORMS: t.Final = (LINUX, WINDOWS)

_GATHERED = ("log", "settings", "tokens", "service", "servers", "clock", "platform")
_NUMBER = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,12})?", re.ASCII)


@dataclass(frozen=True)
class Service:
    """The service that gets the licence; whether it is there and runs is None when not known.

    Args:
        is_old: whether it was started before its configuration was last changed.
    """

    name: str
    exists: bool | None = None
    running: bool | None = None
    is_old: bool = False


@dataclass(frozen=True)
class Server:
    """A license server as it is seen from the guest; None stands for what is not known.

    Args:
        resolved: whether its name leads to an address.
        connected: whether it takes TCP connections at its port.
        ping: whether it answers a ping, which a firewall may keep from it.
        error: what the network said.
    """

    address: str
    port: int
    resolved: bool | None = None
    connected: bool | None = None
    ping: bool | None = None
    error: str | None = None

    def __str__(self) -> str:
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{shown}:{self.port}"


@dataclass(frozen=True)
class Clock:
    """The clock of the guest; None stands for what is not known.

    Args:
        now: what it says, in seconds since 1970.
        server: what a license server's said at that moment.
        synchronized: whether a time service keeps it.
    """

    now: float | None = None
    server: float | None = None
    synchronized: bool | None = None


@dataclass(frozen=True)
class Token:
    """A client configuration token by the name of its file, with what is wrong with it.

    Args:
        fault: names the file too.
    """

    name: str
    fault: str | None = None


@dataclass(frozen=True)
class Evidence:
    """All that the checks look at; None stands for what was not seen.

    Args:
        licenses: what nvidia-smi told, None where it could not be asked.
        events: what the daemon logged.
        settings: the keys that count.
        ignored: lines of the file that do not count.
        missing: the path of the file, where there is none.
        tokens: the tokens in the folder that the daemon looks into.
        unseen: why something was not seen: by check, and C(log), C(tokens) and
            C(nvidia-smi).
    """

    licenses: tuple[GpuLicense, ...] | None = None
    events: tuple[Event, ...] | None = None
    settings: Mapping[str, str] | None = None
    ignored: tuple[str, ...] = ()
    missing: str | None = None
    tokens: tuple[Token, ...] | None = None
    service: Service | None = None
    servers: tuple[Server, ...] | None = None
    clock: Clock | None = None
    platform: str = LINUX
    unseen: Mapping[str, str] = field(default_factory=dict)

    @property
    def licensed(self) -> bool:
        """Whether a GPU reports a status, and every one that does is licensed."""
        return all_licensed(self.licenses or ())

    @property
    def complaints(self) -> tuple[Event, ...]:
        """What the daemon complains of now.

        Where the driver says that it is licensed and the log knows of no licence, the log is not
        all of it, as on Windows, where two daemons write to one.
        """
        events = self.events or ()
        return () if self.licensed and not has_license(events) else complaints(events)

    def complaints_of(self, cause: str) -> tuple[Event, ...]:
        """Return what the daemon complains of now, as far as it is one cause."""
        return tuple(event for event in self.complaints if event.cause == cause)

    @property
    def asks_server(self) -> bool:
        """Whether the daemon has found a server to ask since its last start."""
        return any(event.server for event in present(self.events or ()))

    @property
    def uses_token(self) -> bool:
        """Whether the daemon takes a token, which wins over a server in the configuration."""
        by_path = self.value(TOKEN_PATH) is not None and self.value(SERVER_ADDRESS) is None
        return bool(self.tokens) or by_path

    def value(self, key: str) -> str | None:
        """Return the value of a key, None where it is not set, or empty."""
        return (self.settings or {}).get(key) or None


def read_evidence(text: object, gathered: Mapping[str, object]) -> Evidence:
    """Read what a playbook has gathered, as the filter license_state takes it.

    Raises:
        InputError: naming the argument that cannot be right.
    """
    if text is not None and not isinstance(text, str):
        raise InputError("text", text, "the output of nvidia-smi -q, or none")
    for name in gathered:
        if name not in _GATHERED:
            raise InputError(name, gathered[name], f"none but {', '.join(_GATHERED)}")
    log, settings, tokens, service, servers, clock = (gathered.get(name) for name in _GATHERED[:-1])
    platform = str(gathered.get("platform", LINUX))
    if platform not in PLATFORMS:
        raise InputError("platform", platform, " or ".join(PLATFORMS))
    return Evidence(
        licenses=parse_licenses(text) if text and text.strip() else None,
        events=None if log is None else parse_events(_lines(log)),
        settings=None if settings is None else _settings(settings),
        tokens=None if tokens is None else tuple(Token(name) for name in _words("tokens", tokens)),
        service=None if service is None else _service(service, platform),
        servers=None if servers is None else _servers(servers),
        clock=None if clock is None else _clock(clock),
        platform=platform,
    )


def _settings(given: object) -> dict[str, str]:
    """Return keys as drivers spell them, with values as text."""
    return {
        spelled(str(name)) or str(name): str(value).strip()
        for name, value in _mapping("settings", given).items()
        if value is not None
    }


def _lines(log: object) -> list[str]:
    if isinstance(log, str):
        return log.splitlines()
    return [line for text in _words("log", log) for line in text.splitlines()]


def _service(given: object, platform: str) -> Service:
    values = _mapping("service", given)
    usual = "NVDisplay.ContainerLocalSystem" if platform == WINDOWS else "nvidia-gridd"
    return Service(
        name=str(values.get("name") or usual),
        exists=_flag("service.exists", values.get("exists")),
        running=_flag("service.running", values.get("running")),
    )


def _servers(given: object) -> tuple[Server, ...]:
    if not _is_list(given):
        raise InputError("servers", given, "a list of mappings with address and port")
    return tuple(_server(each) for each in t.cast("Sequence[object]", given))


def _server(given: object) -> Server:
    values = _mapping("servers", given)
    address, port = values.get("address"), values.get("port")
    if not isinstance(address, str) or not address:
        raise InputError("servers.address", address, "a host name or an address")
    if isinstance(port, bool) or not str(port).isdecimal():
        raise InputError("servers.port", port, "a port")
    error = values.get("error")
    return Server(
        address=address,
        port=int(str(port)),
        resolved=_flag("servers.resolved", values.get("resolved")),
        connected=_flag("servers.connected", values.get("connected")),
        ping=_flag("servers.ping", values.get("ping")),
        error=str(error).strip() if error else None,
    )


def _clock(given: object) -> Clock:
    values = _mapping("clock", given)
    return Clock(
        now=_moment("clock.now", values.get("now")),
        server=_moment("clock.server", values.get("server")),
        synchronized=_flag("clock.synchronized", values.get("synchronized")),
    )


def _moment(name: str, given: object) -> float | None:
    """Return seconds since 1970: given as such, as ISO 8601, or as HTTP has it."""
    if given is None or given == "":
        return None
    moment = read_moment(given)
    if moment is None:
        raise InputError(name, given, "seconds since 1970, ISO 8601, or an HTTP date")
    return moment


def read_moment(given: object) -> float | None:
    """Return seconds since 1970 of a number, an ISO 8601 or an HTTP date, None for none of them.

    What names no zone is in UTC.
    """
    if isinstance(given, bool):
        return None
    text = str(given).strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    for parse in (_from_iso, parsedate_to_datetime):
        try:
            moment = parse(text)
        except (ValueError, TypeError, IndexError):
            continue
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return zoned.timestamp()
    return None


def _from_iso(text: str) -> datetime:
    """Parse ISO 8601, which Python 3.9 takes without C(Z) and with six digits of a second."""
    head, dot, rest = text.replace("Z", "+00:00").partition(".")
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        text = f"{head}.{digits[:6].ljust(6, '0')}{rest[len(digits) :]}"
    else:
        text = head
    return datetime.fromisoformat(text)


def _mapping(name: str, given: object) -> Mapping[str, t.Any]:
    if not hasattr(given, "items"):
        raise InputError(name, given, "a mapping")
    return t.cast("Mapping[str, t.Any]", given)


def _words(name: str, given: object) -> list[str]:
    if not _is_list(given) or not all(
        isinstance(each, str) for each in t.cast("Sequence[object]", given)
    ):
        raise InputError(name, given, "a list of str")
    return list(t.cast("Sequence[str]", given))


def _is_list(given: object) -> bool:
    return isinstance(given, (list, tuple))


def _flag(name: str, given: object) -> bool | None:
    if given is None or isinstance(given, bool):
        return given
    if str(given).lower() in {"true", "yes", "1"}:
        return True
    if str(given).lower() in {"false", "no", "0"}:
        return False
    raise InputError(name, given, "true, false or none")
