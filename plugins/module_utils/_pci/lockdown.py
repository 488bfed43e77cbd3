# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the kernel is locked down, so that nobody writes to configuration space.

man kernel_lockdown.7; it is so from the level C(integrity) on.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from .._host import Host

LOCKED: t.Final = ("integrity", "confidentiality")
UNLOCK: t.Final = (
    "turn Secure Boot off in the firmware setup, or take lockdown= and module.sig_enforce off the "
    "kernel command line, then boot again"
)
_LOCKDOWN = "/sys/kernel/security/lockdown"


def read_lockdown(host: Host) -> str | None:
    """Return the level of lockdown, None where the kernel does not tell."""
    told = re.search(r"\[([a-z]+)\]", host.read_text(_LOCKDOWN) or "")
    return told[1] if told else None


def is_locked(host: Host) -> bool:
    """Tell whether root may not change the running kernel, or let devices do so."""
    return read_lockdown(host) in LOCKED
