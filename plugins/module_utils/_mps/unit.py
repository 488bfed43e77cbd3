# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The systemd unit of the watcher."""

from __future__ import annotations

UNIT: str = "hwaccel-mps-watcher.service"
UNIT_PATH: str = f"/etc/systemd/system/{UNIT}"
WANTS: str = f"/etc/systemd/system/multi-user.target.wants/{UNIT}"
PROGRAM: str = "/usr/local/lib/hwaccel-virt/mps-watcher.pyz"

COMMENT = "# Written by hwaccel.virt.qat_mps_watcher; state: absent removes it.\n"
# The monolithic daemon of libvirt and the one for QEMU alone. Where both are installed, one of them
# is not to run: order alone, and whose socket is there starts when the watcher connects.
_LIBVIRT = "libvirtd.service virtqemud.service"
# /sys stays writable, where configuration space is; reading all of it takes CAP_SYS_ADMIN.
_TEXT = """\
{comment}[Unit]
Description=Keep the PCI Express Max Payload Size of cards that guests have
After={libvirt}
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={command}
Restart=always
RestartSec=2
TimeoutStopSec=10
CapabilityBoundingSet=CAP_SYS_ADMIN
LockPersonality=yes
MemoryDenyWriteExecute=yes
PrivateDevices=yes
PrivateNetwork=yes
PrivateTmp=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectKernelModules=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""


def render_unit(interpreter: str) -> bytes:
    """Return the unit that runs the program with an interpreter."""
    command = " ".join((_quoted(interpreter), "-I", PROGRAM))
    text = _TEXT.format(comment=COMMENT, libvirt=_LIBVIRT, command=command)
    return text.encode("utf-8", "surrogateescape")


def is_ours(content: bytes) -> bool:
    """Tell whether the module has written a unit."""
    return content.startswith(COMMENT.encode())


def _quoted(word: str) -> str:
    """Return a word of a command line as systemd reads it: systemd.service(5), Command Lines."""
    escaped = word.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if set(word) & set(" \t'\"\\;") else escaped
