# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which distribution it is, by os-release(5)."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .._host import Host

_PATHS = ("/etc/os-release", "/usr/lib/os-release")


def is_family(host: Host, *names: str) -> bool:
    """Tell whether a host is one of these distributions, or says to be like one."""
    text = next(filter(None, (host.read_text(path) for path in _PATHS)), "")
    pairs = (line.partition("=") for line in text.splitlines())
    told = {key: value.strip("\"' ") for key, _equals, value in pairs}
    return not {told.get("ID", ""), *told.get("ID_LIKE", "").split()}.isdisjoint(names)
