# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A licensed guest for tests: its driver, its journal, its services and license servers."""

from __future__ import annotations

import errno
import socket
import threading
import typing as t
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

from ansible_collections.hwaccel.virt.plugins.module_utils._errors import BlockedError, HostError
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

PRODUCT = "NVIDIA RTX Virtual Workstation"
GPU = "00000000:02:00.0"
HEADINGS = ("vGPU Software Licensed Product", "GRID Licensed Product")
SERVER = "license.example.com"

STARTED = "Started (837)"
ACQUIRING = f"Acquiring license. (Info: {SERVER}; {PRODUCT})"
ACQUIRED = (
    f"License acquired successfully. (Info: {SERVER}, {PRODUCT}; Expiry: 2026-11-23 6:51:17 GMT)"
)
NOT_SET = "Configuration parameter ( ServerAddress  FeatureType) not set"
NO_FILE = "Failed to open file /etc/nvidia/gridd.conf (No such file or directory)"
WINDBACK = (
    f"Failed to acquire license from {SERVER} (Info: {PRODUCT} - Error: Clock windback has been "
    "detected)"
)
NO_POOL = (
    f"Failed to acquire license from {SERVER} (Info: {PRODUCT} - Error: No pool features found "
    f"for : {PRODUCT})"
)
REFUSED = f"Failed to acquire license from {SERVER} (Info: {PRODUCT} - Error: Connection refused)"


def smi(status: str | None = "Licensed", *, heading: str = HEADINGS[0], gpu: str = GPU) -> str:
    """Return what nvidia-smi -q prints of a guest with one GPU, shortened."""
    block = f"""\
    {heading}
        Product Name                      : {PRODUCT}
        License Status                    : {status}
"""
    return f"""
==============NVSMI LOG==============

Timestamp                                 : Sun Nov 22 07:03:02 2026
Driver Version                            : 550.54.14
CUDA Version                              : 12.4

Attached GPUs                             : 1
GPU {gpu}
    Product Name                          : GRID M60-2Q
    Product Brand                         : {PRODUCT}
    GPU UUID                              : GPU-1b2c
    GPU Virtualization Mode
        Virtualization Mode               : VGPU
        Host VGPU Mode                    : N/A
{block if status is not None else ""}    IBMNPU
        Relaxed Ordering Mode             : N/A
    PCI
        Bus                               : 0x02
"""


def journal(*messages: str, pid: int = 837) -> list[str]:
    """Return lines of the journal, as systemd and the daemon write them."""
    at = "2026-11-22T07:03:0{}+0000 guest"
    return [
        f"{at.format(0)} systemd[1]: Starting NVIDIA Grid Daemon...",
        *(f"{at.format(1)} nvidia-gridd[{pid}]: {message}" for message in messages),
        f"{at.format(1)} systemd[1]: Started NVIDIA Grid Daemon.",
    ]


@dataclass
class Answers:
    """What the commands of a guest print; None for one that is not there.

    Attributes:
        smi: what nvidia-smi prints, one after the other; the last one stays.
        hangs: commands that do not end.
    """

    smi: list[str] = field(default_factory=lambda: [smi()])
    journal: list[str] | None = field(default_factory=lambda: journal(STARTED, ACQUIRED))
    synchronized: str | None = "yes"
    chrony: str | None = None
    ping: bool | None = None
    started: int = 0
    hangs: set[str] = field(default_factory=set)

    def pinged(self) -> str | None:
        """Return what ping prints."""
        if self.ping is False:
            raise HostError("ping failed with status 1: 1 packets transmitted, 100% packet loss")
        return None if self.ping is None else "1 received"


class GridHost(RunningHost):
    """A running guest with the driver and its daemon."""

    def __init__(self, machine: Machine) -> None:
        """Have a driver that is licensed, and a service that runs."""
        super().__init__(machine)
        self.answers_of = Answers()
        # Started after every file of the test was written.
        machine.write("proc/stat", "btime 4000000000\n")
        self.set_service(running=True)

    def set_service(self, *, running: bool, name: str = "nvidia-gridd.service") -> None:
        """Have a unit, and let it run or not."""
        self.machine.write(f"usr/lib/systemd/system/{name}", "[Service]\n")
        events = f"populated {running:d}\nfrozen 0\n"
        self.machine.write(f"sys/fs/cgroup/system.slice/{name}/cgroup.events", events)

    def run_guarded(self, command: Sequence[str], *, seconds: float) -> str:
        """Play the driver's tool."""
        return self.run(command, seconds=seconds)

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play a command."""
        assert seconds > 0
        self.commands.append(tuple(command))
        name = command[0]
        if name in self.answers_of.hangs:
            raise BlockedError(f"{name} did not end within {seconds:g} s", errno.ETIMEDOUT)
        told = self._printed(name, tuple(command))
        if told is None:
            raise HostError.from_os("run", name, errno.ENOENT)
        return told

    def _printed(self, name: str, command: tuple[str, ...]) -> str | None:
        answers = self.answers_of
        if name.rsplit("/", 1)[-1] == "nvidia-smi":
            assert command[1:] == ("-q",)
            return answers.smi.pop(0) if len(answers.smi) > 1 else next(iter(answers.smi), None)
        if name == "ping":
            return answers.pinged()
        if name == "journalctl":
            assert "--output=short-iso" in command
        told = {
            "journalctl": None if answers.journal is None else "\n".join(answers.journal),
            "timedatectl": answers.synchronized,
            "chronyc": answers.chrony,
            "systemctl": f"ActiveState=active\nActiveEnterTimestampMonotonic={answers.started}\n",
        }
        return told[name]


class LicenseServer:
    """A server on the loopback device that answers HTTP with a date of its own.

    Attributes:
        date: what it says of the time; None for no such header.
    """

    def __init__(self) -> None:
        """Listen at a port that is free."""
        self.date: str | None = None
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 2

            def do_HEAD(self) -> None:
                outer.requests.append(self.path)
                self.send_response_only(404)
                if outer.date is not None:
                    self.send_header("Date", outer.date)
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                """Print nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self.server.server_address[1])

    def end(self) -> None:
        """Stop, and wait for it."""
        self.server.shutdown()
        self._thread.join(5)
        self.server.server_close()


def closed_port() -> int:
    """Return a port of the loopback device that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
