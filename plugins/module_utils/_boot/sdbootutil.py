# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SUSE's boot entries, which sdbootutil makes from C(/etc/kernel/cmdline).

C(update-all-entries) rewrites the C(options) of the running snapshot's entries and has the TPM
expect them. Entries of other snapshots stay as they are, and are edited here.
"""

from __future__ import annotations

import re
import typing as t

from .._plan import Command
from .cmdline import CommandLine, running
from .entries import newest
from .kernel_cmdline import read_kernel_cmdline
from .kernel_install import read_esp_entries
from .loader import TAKEN_BACK, Loader

if t.TYPE_CHECKING:
    from .._host import Host
    from .linefile import Delta

_SNAPSHOT = re.compile(r"rootflags=\S*?subvol=\S*?/\.snapshots/(\d+)/snapshot", re.ASCII)
_SECONDS = 600.0


def observe(host: Host, *, reason: str) -> Loader:
    """Read the entries and what they are made from."""
    entries = read_esp_entries(host)
    here = _snapshot(running(host))
    own = tuple(entry for entry in entries if _snapshot(entry.line) in (None, here))
    latest = newest(own or entries)
    return Loader(
        "sdbootutil",
        reason,
        tuple(entry.entry for entry in entries),
        files=(
            *read_kernel_cmdline(host, latest.line if latest is not None else None),
            *(entry for entry in entries if entry not in own),
        ),
        tool_files=own,
        tool=_update,
    )


def _snapshot(line: CommandLine) -> str | None:
    """Return the number of the snapshot that a command line mounts."""
    found = _SNAPSHOT.search(str(line))
    return found[1] if found else None


def _update(delta: Delta) -> tuple[Command, ...]:
    del delta
    return (Command(("sdbootutil", "update-all-entries"), seconds=_SECONDS, hint=TAKEN_BACK),)
