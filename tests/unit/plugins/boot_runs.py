# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A running Debian with GRUB, for tests of what is done to its command line."""

from __future__ import annotations

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

GRUB = "etc/default/grub"
DROP_IN = "etc/default/grub.d/zz-hwaccel-virt.cfg"
MENU = "boot/grub/grub.cfg"
BOOT_ID = "proc/sys/kernel/random/boot_id"


class Debian(RunningHost):
    """A running Debian whose update-grub makes the menu of the two values, as it stands.

    Attributes:
        stubborn: whether something keeps the menu from getting what the files say.
    """

    def __init__(self, machine: Machine) -> None:
        """Install GRUB."""
        super().__init__(machine)
        self.stubborn = False
        machine.write("etc/os-release", "ID=debian\n")
        machine.write("usr/sbin/update-grub", "")
        machine.write("usr/sbin/grub-mkconfig", "#!/bin/sh\n. default/grub.d\n")
        machine.write("sys/firmware/acpi/tables/DMAR", b"")
        machine.write(BOOT_ID, "first\n")
        machine.write(GRUB, 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="ro"\n')
        machine.write(MENU, menu("ro quiet"))
        self.boot()

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play update-grub: our file appends."""
        if tuple(command) != ("update-grub",):
            return super().run(command, seconds=seconds)
        self.commands.append(tuple(command))
        if "update-grub" in self.failing:
            raise HostError("update-grub failed with status 1: No space left on device")
        ours = self.machine.root / DROP_IN
        text = ours.read_text() if ours.exists() and not self.stubborn else ""
        added = text.rpartition("LINUX} ")[2].partition('"')[0]
        self.machine.write(MENU, menu(" ".join(f"ro {added} quiet".split())))
        return ""

    def boot(self, boot_id: str = "first", *, line: str | None = None) -> None:
        """Start the kernel with what the menu says, or with something else."""
        told = self.machine.read(MENU).partition("vmlinuz ")[2].partition("\n")[0]
        self.machine.write("proc/cmdline", f"{told if line is None else line}\n")
        self.machine.write(BOOT_ID, f"{boot_id}\n")


def menu(line: str) -> str:
    """Return a menu with one entry."""
    return f"menuentry 'Debian' {{\n\tlinux /vmlinuz {line}\n}}\n"
