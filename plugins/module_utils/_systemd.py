# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services of systemd: whether they are there and run, from files alone, and since when."""

from __future__ import annotations

import math
import time
import typing as t
from dataclasses import dataclass, field

from ._errors import HostError

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ._host import Host

_PROPERTIES = ("ActiveState", "ActiveEnterTimestampMonotonic", "NeedDaemonReload")
_ACTIVE = ("active", "reloading")
_BOOT_TIME = "btime"
_SECONDS = 15.0
_MICROSECONDS = 1_000_000
# The kernel tells the time of the boot in whole seconds.
_SLACK = 1.0

_CGROUPS = ("/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice")
_UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    # What systemd makes of init scripts.
    "/run/systemd/generator.late",
)


@dataclass(frozen=True)
class Service:
    """A systemd service: its unit's name, None when it is not installed."""

    unit: str | None
    enabled: bool
    running: bool


@dataclass(frozen=True)
class ServiceStart:
    """When a service was started.

    Args:
        since: seconds since 1970, None for one that does not run, or of which nothing is known.
        reload_due: whether systemd has not read its unit again since a file of it changed, as after
            a run that was killed before it could ask for that.
        now: when this was looked at.
    """

    since: float | None = None
    reload_due: bool = False
    now: float = field(default=math.inf, compare=False)

    def is_older_than(self, modified: float | None) -> bool:
        """Tell whether the service runs, and was started before a file was last changed.

        Args:
            modified: seconds since 1970, None for no file.
        """
        if self.since is None or modified is None:
            return False
        # Where the clock was set back, a file seems to come from the future: it tells nothing, and
        # would make every start seem too old.
        return self.since + _SLACK < modified <= self.now + _SLACK

    def is_newer_than(self, before: ServiceStart) -> bool:
        """Tell whether the service runs, and was started after it was looked at before."""
        if self.since is None:
            return False
        return before.since is None or self.since > before.since + _SLACK


def read_start(host: Host, unit: str) -> ServiceStart:
    """Ask systemd when a service was started; a tree that does not run has no services."""
    if not host.live:
        return ServiceStart()
    try:
        asked = ["systemctl", "show", unit, f"--property={','.join(_PROPERTIES)}"]
        answer = host.run(asked, seconds=_SECONDS)
    except HostError:
        return ServiceStart()
    found = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
    state, entered, reload_due = (found.get(name, "") for name in _PROPERTIES)
    boot, due = _boot_time(host), reload_due == "yes"
    if state not in _ACTIVE or not entered.isdecimal() or boot is None:
        return ServiceStart(reload_due=due)
    since = boot + int(entered) / _MICROSECONDS
    return ServiceStart(since, reload_due=due, now=time.time())


def _boot_time(host: Host) -> int | None:
    """Return when the machine was booted, in seconds since 1970."""
    for line in (host.read_text("/proc/stat") or "").splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == _BOOT_TIME and words[1].isdecimal():
            return int(words[1])
    return None


def read_service(host: Host, units: Sequence[str]) -> Service:
    """Read a service that has one of several names: the first in use, else the first installed."""
    installed = [
        Service(unit, _is_enabled(host, unit), _is_running(host, unit))
        for unit in units
        if any(host.exists(f"{folder}/{unit}") for folder in _UNIT_FOLDERS)
    ]
    used = [service for service in installed if service.enabled or service.running]
    return next(iter([*used, *installed]), Service(None, enabled=False, running=False))


def _is_enabled(host: Host, unit: str) -> bool:
    """Tell whether a boot starts a service, or the socket that starts it when it is asked for."""
    folder = _UNIT_FOLDERS[0]
    wants = [name for name in host.names(folder) if name.endswith((".wants", ".requires"))]
    names = (unit, unit.replace(".service", ".socket"))
    links = [f"{folder}/{want}/{name}" for want in wants for name in names]
    return any(host.link_target(link) is not None and not host.is_mask(link) for link in links)


def _is_running(host: Host, unit: str) -> bool:
    """Tell from the service's control group, which systemd removes when it ends."""
    for folder in _CGROUPS:
        events = host.read_text(f"{folder}/{unit}/cgroup.events")
        if events is not None:
            return "populated 1" in events
        if host.attribute(f"{folder}/{unit}/cgroup.procs"):
            return True
    return False
