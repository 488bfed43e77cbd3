# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a systemd service was started, and whether it knows a file as it is now."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ._errors import HostError

if t.TYPE_CHECKING:
    from ._host import Host

_PROPERTIES = ("ActiveState", "ActiveEnterTimestampMonotonic")
_ACTIVE = ("active", "reloading")
_BOOT_TIME = "btime"
_SECONDS = 15.0
_MICROSECONDS = 1_000_000
# The kernel tells the time of the boot in whole seconds.
_SLACK = 1.0


@dataclass(frozen=True)
class ServiceStart:
    """When a service was started.

    Args:
        since: seconds since 1970, None for one that does not run, or of which nothing is known.
    """

    since: float | None = None

    def is_older_than(self, modified: float | None) -> bool:
        """Tell whether the service runs, and was started before a file was last changed.

        Args:
            modified: seconds since 1970, None for no file.
        """
        if self.since is None or modified is None:
            return False
        return modified > self.since + _SLACK


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
    state, entered = (found.get(name, "") for name in _PROPERTIES)
    boot = _boot_time(host)
    if state not in _ACTIVE or not entered.isdecimal() or boot is None:
        return ServiceStart()
    return ServiceStart(boot + int(entered) / _MICROSECONDS)


def _boot_time(host: Host) -> int | None:
    """Return when the machine was booted, in seconds since 1970."""
    for line in (host.read_text("/proc/stat") or "").splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == _BOOT_TIME and words[1].isdecimal():
            return int(words[1])
    return None
