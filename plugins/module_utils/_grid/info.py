# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module gridd_license_info tells: the licences of a Linux guest, and what keeps them.

Everything that could take long has a bound: the driver, the log, the resolver, the servers.
"""

from __future__ import annotations

import contextlib
import errno
import time
import typing as t
from dataclasses import dataclass, replace

from .._errors import HostError, HwaccelError, InputError
from .._net import Network
from .._systemd import read_service, read_start
from .configuration import TOKEN_SUFFIX, folder_of
from .diagnosis import LOG, NVIDIA_SMI, SERVICE, TOKENS, judge
from .document import GriddDocument
from .events import CLOCK, CONFIGURATION, REACHABILITY, parse_events
from .evidence import Clock, Evidence, Server, Service, Token, read_moment
from .keys import DEFAULT_TOKEN_FOLDER
from .servers import servers_to_ask
from .state import all_licensed, parse_licenses
from .token import check_token

if t.TYPE_CHECKING:
    from .._host import Host
    from .._net import Reply
    from .events import Event
    from .state import GpuLicense

GRIDD_CONF: t.Final = "/etc/nvidia/gridd.conf"
DAEMON: t.Final = "nvidia-gridd"

_LOGS = ("/var/log/messages", "/var/log/syslog")
_LOG_BYTES = 512 * 1024
_LOG_LINES = 500
_MARK = "gridd"
# With several GPUs, and without a daemon that keeps them initialised, it takes that long.
_DRIVER_SECONDS = 30.0
_SECONDS = 15.0
_LOOK_SECONDS = 2.0
_DAY = 24 * 3600


@dataclass(frozen=True)
class Asked:
    """The options of the module, checked."""

    wait: int
    nvidia_smi: str
    path: str
    service: str
    diagnose: bool

    @classmethod
    def parse(cls, options: dict[str, t.Any]) -> Asked:
        """Check the options.

        Raises:
            InputError: naming the option, the value and what is accepted.
        """
        wait, program, path = options["wait"], options["nvidia_smi"], options["path"]
        service = options["service"]
        if not 0 <= wait <= _DAY:
            raise InputError("wait", wait, f"a number of seconds from 0 to {_DAY}")
        if not program or ("/" in program and not program.startswith("/")):
            raise InputError("nvidia_smi", program, "a name that the PATH has, or an absolute path")
        if not path.startswith("/"):
            raise InputError("path", path, "an absolute path")
        if not service or not service.isprintable() or set(service) & set(" /*?["):
            raise InputError("service", service, "the name of a systemd service")
        return cls(wait, program, path, service, options["diagnose"])

    @property
    def unit(self) -> str:
        """The systemd unit of the service."""
        return self.service if self.service.endswith(".service") else f"{self.service}.service"


def gather(options: dict[str, t.Any], host: Host) -> dict[str, t.Any]:
    """Return the licences of a guest, the daemon's log and the diagnosis."""
    asked = Asked.parse(options)
    guest = _Guest(host, asked)
    evidence = guest.state()
    if asked.diagnose:
        evidence = guest.surroundings(evidence)
    return judge(evidence, diagnose=asked.diagnose)


class _Guest:
    """Reads a guest, and remembers what could not be seen of it."""

    def __init__(self, host: Host, asked: Asked) -> None:
        self._host = host
        self._asked = asked
        self._unseen: dict[str, str] = {}

    def state(self) -> Evidence:
        """Read the licences, after waiting for them, and the log."""
        licenses = self._await_licenses()
        return Evidence(
            licenses=licenses,
            events=self._events(),
            clock=Clock(now=time.time()) if self._host.live else None,
            unseen=self._unseen,
        )

    def surroundings(self, evidence: Evidence) -> Evidence:
        """Read what the licence depends on."""
        evidence = replace(evidence, **self._configuration())
        evidence = replace(evidence, service=self._service())
        if not self._host.live:
            why = f"not asked: {self._host.root} is not the root of the running machine"
            for name in (REACHABILITY, CLOCK):
                self._unseen[name] = why
            return evidence
        with contextlib.closing(Network()) as network:
            replies = [(target, network.ask(*target)) for target in servers_to_ask(evidence)]
        return replace(
            evidence,
            servers=tuple(self._server(*target, reply) for target, reply in replies),
            clock=self._clock([reply for _target, reply in replies]),
        )

    # -- the driver and the log ------------------------------------------------------------

    def _await_licenses(self) -> tuple[GpuLicense, ...] | None:
        """Read the licences until all are there, or the time is over."""
        deadline = time.monotonic() + self._asked.wait
        while True:
            licenses, is_hopeless = self._licenses()
            left = deadline - time.monotonic()
            if is_hopeless or left <= 0 or all_licensed(licenses or ()):
                return licenses
            time.sleep(min(_LOOK_SECONDS, left))

    def _licenses(self) -> tuple[tuple[GpuLicense, ...] | None, bool]:
        """Ask the driver, and tell whether asking again makes no sense."""
        program = self._asked.nvidia_smi
        self._unseen.pop(NVIDIA_SMI, None)
        if not self._host.live:
            self._unseen[NVIDIA_SMI] = "the driver of another root is not asked"
            return None, True
        try:
            told = self._host.run_guarded([program, "-q"], seconds=_DRIVER_SECONDS)
        except HostError as error:
            is_missing = error.number == errno.ENOENT
            self._unseen[NVIDIA_SMI] = f"{program} is not there" if is_missing else str(error)
            return None, is_missing
        return parse_licenses(told), False

    def _events(self) -> tuple[Event, ...] | None:
        """Read the log, the journal before the files of syslog."""
        events, is_seen = self._journal()
        for path in _LOGS:
            if events:
                break
            try:
                content = self._host.read_end(path, _LOG_BYTES)
            except HostError:
                continue
            if content is not None:
                is_seen = True
                lines = content.decode("utf-8", "surrogateescape").splitlines()
                events = parse_events(line for line in lines if _MARK in line)
        if events or (is_seen and self._host.privileged):
            return events
        known = "the journal" if self._host.live else "no log"
        files = f"{', '.join(_LOGS)} and {known}"
        self._unseen[LOG] = f"nothing of {DAEMON} was seen in {files}, which are for root to read"
        return None

    def _journal(self) -> tuple[tuple[Event, ...], bool]:
        """Read the journal, by the unit, or else by the name of the daemon."""
        is_seen = False
        for chosen in (f"--unit={self._asked.unit}", f"--identifier={DAEMON}"):
            if not self._host.live:
                break
            command = ["journalctl", chosen, f"--lines={_LOG_LINES}", "--output=short-iso"]
            try:
                told = self._host.run(
                    [*command, "--utc", "--no-pager", "--quiet"], seconds=_SECONDS
                )
            except HostError:
                continue
            is_seen = True
            events = parse_events(told.splitlines())
            if events:
                return events, True
        return (), is_seen

    # -- the configuration -----------------------------------------------------------------

    def _configuration(self) -> dict[str, t.Any]:
        """Read the file and the tokens."""
        path = self._asked.path
        try:
            text = self._host.read_text(path)
        except HostError as error:
            self._unseen[CONFIGURATION] = str(error)
            return {"tokens": self._tokens(DEFAULT_TOKEN_FOLDER)}
        document = GriddDocument.parse(text or "")
        folder = folder_of(document)
        return {
            "settings": document.effective(),
            "ignored": tuple(document.ignored()),
            "missing": path if text is None else None,
            "tokens": self._tokens(folder if folder.startswith("/") else DEFAULT_TOKEN_FOLDER),
        }

    def _tokens(self, folder: str) -> tuple[Token, ...] | None:
        """Read the tokens of a folder: their names, and whether they are tokens."""
        try:
            names = [name for name in self._host.names(folder) if name.endswith(TOKEN_SUFFIX)]
        except HostError as error:
            self._unseen[TOKENS] = str(error)
            return None
        return tuple(self._token(folder, name) for name in names)

    def _token(self, folder: str, name: str) -> Token:
        try:
            check_token(name, self._host.read_bytes(f"{folder}/{name}") or b"")
        except HostError as error:
            self._unseen[TOKENS] = str(error)
        except HwaccelError as error:
            return Token(name, fault=str(error))
        return Token(name)

    # -- the service -----------------------------------------------------------------------

    def _service(self) -> Service:
        """Look for the unit, and for a daemon that runs without one."""
        host, unit = self._host, self._asked.unit
        found = read_service(host, [unit])
        if not host.live:
            self._unseen[SERVICE] = "what runs is not seen in another root"
            return Service(self._asked.service, exists=found.unit is not None)
        return Service(
            self._asked.service,
            exists=found.unit is not None,
            running=found.running or self._has_daemon(),
            is_old=found.running
            and read_start(host, unit).is_older_than(host.modified(self._asked.path)),
        )

    def _has_daemon(self) -> bool:
        pids = (name for name in self._host.names("/proc") if name.isdecimal())
        return any(self._host.attribute(f"/proc/{pid}/comm") == DAEMON for pid in pids)

    # -- servers and clock -----------------------------------------------------------------

    def _server(self, address: str, port: int, reply: Reply) -> Server:
        is_silent = reply.resolved and reply.connected is False
        return Server(
            address=address,
            port=port,
            resolved=reply.resolved,
            connected=reply.connected,
            ping=self._ping(address) if is_silent else None,
            error=reply.error,
        )

    def _ping(self, address: str) -> bool | None:
        """Ping once, where there is the tool; that nothing comes back says little."""
        try:
            self._host.run(["ping", "-c", "1", "-W", "2", address], seconds=_SECONDS)
        except HostError as error:
            return False if "packet loss" in str(error) else None
        return True

    def _clock(self, replies: list[Reply]) -> Clock:
        synchronized = self._is_synchronized()
        for reply in replies:
            server = read_moment(reply.date) if reply.date else None
            if server is not None:
                return Clock(now=reply.at, server=server, synchronized=synchronized)
        return Clock(now=time.time(), synchronized=synchronized)

    def _is_synchronized(self) -> bool | None:
        """Ask systemd, which knows of every time service, or else chrony."""
        ask = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        told = self._told(ask).strip()
        if told in {"yes", "no"}:
            return told == "yes"
        for line in self._told(["chronyc", "-n", "tracking"]).splitlines():
            name, _colon, value = (part.strip().lower() for part in line.partition(":"))
            if name == "leap status":
                return value != "not synchronised"
        return None

    def _told(self, command: list[str]) -> str:
        try:
            return self._host.run(command, seconds=_SECONDS)
        except HostError:
            return ""
