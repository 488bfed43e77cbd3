# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GRUB without Boot Loader Specification entries: everything comes from C(/etc/default/grub).

Debian's grub-mkconfig reads C(/etc/default/grub.d/*.cfg) after it, others do not; the installed
script tells.
"""

from __future__ import annotations

import errno
import typing as t
from dataclasses import replace

from .._errors import HostError
from .._plan import Command
from .._shell.evaluate import Dialect
from .drop_in import DropInLoader, read_drop_in
from .grub_cfg import grub_entries
from .grub_default import GRUB_DEFAULT, GrubDefault
from .loader import TAKEN_BACK, Loader
from .release import is_family

if t.TYPE_CHECKING:
    from .._host import Host
    from .linefile import Delta
    from .loader import Entry

_SCRIPTS = tuple(
    f"{folder}/{name}"
    for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/usr/local/sbin")
    for name in ("grub-mkconfig", "grub2-mkconfig")
)
_UPDATE_GRUB = ("/usr/sbin/update-grub", "/sbin/update-grub")
_OUTPUTS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
_DROP_INS = "/etc/default/grub.d"
_RECOVERY = ("single", "recovery")
_DEBIAN = ("debian", "ubuntu")
_MKCONFIG_SECONDS = 900.0


def observe(host: Host, *, reason: str) -> Loader:
    """Read GRUB's sources and the entries that it made of them last."""
    script = next((path for path in _SCRIPTS if host.exists(path)), None)
    output = next((path for path in _OUTPUTS if host.exists(path)), _OUTPUTS[0])
    entries = grub_entries(host, output)
    command = _command(host, script, output)
    content = host.read_bytes(output) or b""
    room = host.free_bytes(output.rpartition("/")[0]) if host.live else None

    def mkconfig(delta: Delta) -> tuple[Command, ...]:
        del delta
        _check_room(output, len(content), room)
        return (Command(command, seconds=_MKCONFIG_SECONDS, hint=TAKEN_BACK),)

    dialect = mkconfig_dialect(host, script)
    recovery = any(map(_for_recovery, entries))
    if reads_drop_ins(host, script):
        found = replace(read_drop_in(host, _DROP_INS, dialect), recovery=recovery)
        return DropInLoader("grub", reason, entries, tool=mkconfig, output=output, drop_in=found)
    default = GrubDefault(GRUB_DEFAULT, host.read_bytes(GRUB_DEFAULT), dialect, recovery)
    return Loader("grub", reason, entries, files=(default,), tool=mkconfig, output=output)


def _for_recovery(entry: Entry) -> bool:
    """Tell whether an entry is one of those that C(10_linux) makes without the default's part."""
    texts = {argument.text for argument in entry.line.arguments}
    return "recovery" in entry.id or not texts.isdisjoint(_RECOVERY)


def reads_drop_ins(host: Host, script: str | None) -> bool:
    """Tell whether grub-mkconfig reads C(/etc/default/grub.d), by its own text."""
    if script is None:
        return host.exists(_DROP_INS) or is_family(host, *_DEBIAN)
    return "default/grub.d" in (host.read_text(script) or "")


def mkconfig_dialect(host: Host, script: str | None) -> Dialect:
    """Return what shell runs grub-mkconfig: that of its first line, which may be a link."""
    first = (host.read_text(script) or "").split("\n", 1)[0] if script else ""
    words = first[2:].split() if first.startswith("#!") else []
    shell = words[0] if words else "/bin/sh"
    name = host.canonical(shell).rpartition("/")[2]
    if name == "bash":
        return Dialect.BASH
    if name == "sh" and not is_family(host, *_DEBIAN):
        # No link to follow; most distributions call bash so.
        return Dialect.BASH
    return Dialect.DASH


def _command(host: Host, script: str | None, output: str) -> tuple[str, ...]:
    if any(map(host.exists, _UPDATE_GRUB)):
        return ("update-grub",)
    name = script.rpartition("/")[2] if script else "grub-mkconfig"
    return (name, "-o", output)


def _check_room(output: str, size: int, room: int | None) -> None:
    """Refuse to start what a full file system would cut off half way.

    grub-mkconfig writes the new file beside the old one and then copies it over the old one.
    """
    needed = 2 * size + (1 << 16)
    if room is not None and room < needed:
        message = (
            f"{output}: {room} bytes are free on its file system and making it anew takes "
            f"{needed}; nothing was changed. Remove old kernels first"
        )
        raise HostError(message, errno.ENOSPC)
