# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The initramfs, for functions that a driver in it would take: the boot display, and disks.

Each distribution has a tool of its own. It gets a drop-in that copies our rules and loads the
driver, and it makes the initramfs anew. Sources: initramfs-tools(7), dracut.conf(5),
mkinitcpio(8).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._plan import Command
from .boot_rules import COMMENT, EARLY_RULES
from .variants import module_of

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .._host import Host

_IMAGES = "/boot"
# Stands while the initramfs is still to be made of files that were changed for it.
DUE_PATH: t.Final = "/var/lib/hwaccel/initramfs-due"
_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
_SECONDS = 1800.0
_HINT = (
    "the initramfs is as it was, or was made in part: run the command by hand to see more before "
    "the next boot"
)
_HOOK = """\
#!/bin/sh
{comment}set -e
if [ "${{1:-}}" = prereqs ]; then
    echo udev
    exit 0
fi
. /usr/share/initramfs-tools/hook-functions
mkdir -p "$DESTDIR/etc/udev/rules.d"
cp {rules} "$DESTDIR/etc/udev/rules.d/"
{modules}"""


@dataclass(frozen=True)
class Initramfs:
    """The tool that makes the initramfs of a host.

    Args:
        command: what makes it anew.
        path: where a drop-in of ours stands.
        mode: of that file.
        text: makes its content from the names of modules.
        needs: a file beside the program that the tool has.
    """

    command: tuple[str, ...]
    path: str
    mode: int
    text: t.Callable[[Sequence[str]], str]
    needs: str | None = None

    @property
    def marks(self) -> list[list[str]]:
        """Return the files by which it is known; of each list there has to be one."""
        programs = [f"{folder}/{self.command[0]}" for folder in _FOLDERS]
        return [programs, [self.needs]] if self.needs else [programs]

    def render(self, drivers: Sequence[str]) -> bytes | None:
        """Return the content of the drop-in, None where no function has to be caught so early."""
        modules = sorted({*map(module_of, drivers)})
        return self.text(modules).encode() if modules else None

    def rebuild(self) -> Command:
        """Return what makes it anew, which takes a minute or more."""
        return Command(self.command, seconds=_SECONDS, hint=_HINT, lasting=True, written=(_IMAGES,))


def _initramfs_tools(modules: Sequence[str]) -> str:
    loads = "".join(f"force_load {module}\n" for module in modules)
    return _HOOK.format(comment=COMMENT, rules=EARLY_RULES, modules=loads)


def _dracut(modules: Sequence[str]) -> str:
    return f'{COMMENT}force_drivers+=" {" ".join(modules)} "\ninstall_items+=" {EARLY_RULES} "\n'


def _mkinitcpio(modules: Sequence[str]) -> str:
    return f"{COMMENT}MODULES+=({' '.join(modules)})\nFILES+=({EARLY_RULES})\n"


_TOOLS = (
    Initramfs(
        ("update-initramfs", "-u", "-k", "all"),
        "/etc/initramfs-tools/hooks/hwaccel-vfio",
        0o755,
        _initramfs_tools,
        # Debian's dracut has a program of the same name.
        needs="/usr/share/initramfs-tools/hook-functions",
    ),
    Initramfs(
        ("dracut", "--force", "--regenerate-all"),
        "/etc/dracut.conf.d/hwaccel-vfio.conf",
        0o644,
        _dracut,
    ),
    Initramfs(
        ("mkinitcpio", "-P"),
        "/etc/mkinitcpio.conf.d/hwaccel-vfio.conf",
        0o644,
        _mkinitcpio,
    ),
)


def find_initramfs(host: Host) -> Initramfs | None:
    """Return the tool of this host, None where none of the known ones is."""
    found = (tool for tool in _TOOLS if all(any(map(host.exists, each)) for each in tool.marks))
    return next(found, None)
