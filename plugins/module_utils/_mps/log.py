# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the watcher says to the journal: with a priority, and once as long as it stays the same."""

from __future__ import annotations

import sys
import typing as t

# Of syslog(3); systemd takes them from the start of a line (SyslogLevelPrefix=).
ERROR, WARNING, NOTICE, INFO = 3, 4, 5, 6

Log = t.Callable[[int, str], None]


def to_journal(priority: int, text: str) -> None:
    """Write a line to the standard output of a service."""
    # What no encoding has, such as an odd byte in a name, must not end the service.
    line = " ".join(text.splitlines()).encode("utf-8", "backslashreplace").decode()
    sys.stdout.write(f"<{priority}>{line}\n")
    sys.stdout.flush()


def to_terminal(priority: int, text: str) -> None:
    """Write a line for who reads it now."""
    del priority
    sys.stdout.write(f"{text}\n")


class Once:
    """Says what is the matter with a thing when that changes, and not each time it is seen."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._told: dict[str, str] = {}

    def tell(self, thing: str, priority: int, text: str) -> None:
        """Say it, unless it was the last that was said of the thing."""
        if self._told.get(thing) != text:
            self._told[thing] = text
            self._log(priority, text)

    def settle(self, thing: str, text: str) -> None:
        """Say that nothing is the matter any more, where something was."""
        if self._told.pop(thing, None) is not None:
            self._log(INFO, text)

    def forget(self, thing: str) -> None:
        """Take nothing as said."""
        self._told.pop(thing, None)
