# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which distribution it is, by os-release(5), and what started it."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from .._host import Host

_PATHS = ("/etc/os-release", "/usr/lib/os-release")
_LOADER_INFO = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
SUSE_SETTINGS = "/etc/sysconfig/bootloader"


def is_family(host: Host, *names: str) -> bool:
    """Tell whether a host is one of these distributions, or says to be like one."""
    told = read_release(host)
    return not {told.get("ID", ""), *told.get("ID_LIKE", "").split()}.isdisjoint(names)


def read_release(host: Host) -> dict[str, str]:
    """Return what os-release says, without quotes."""
    text = next(filter(None, (host.read_text(path) for path in _PATHS)), "")
    pairs = (line.partition("=") for line in text.splitlines())
    return {key: value.strip("\"' ") for key, _equals, value in pairs}


def loader_info(host: Host) -> str | None:
    """Return what the boot loader says of itself in an EFI variable, None without it."""
    told = host.read_bytes(_LOADER_INFO)
    # Text in UTF-16 after four bytes of attributes.
    return None if told is None else told[4:].decode("utf-16-le", "replace").rstrip("\0")


def suse_loader_type(host: Host) -> str | None:
    """Return which boot loader SUSE's tools serve."""
    settings = host.read_text(SUSE_SETTINGS) or ""
    told = re.search(r"""^LOADER_TYPE=["']?([\w-]+)""", settings, re.MULTILINE)
    return told[1] if told else None
