# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which boot loader owns the command line, and why it is taken to be that one."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.detect import detect, read_loader
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import RefusedError

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

INTEL = Wanted.of("intel", passthrough=True, extra=[])
ENTRY = "boot/loader/entries/a.conf"
LOADER_INFO = "sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
SYSTEMD_BOOT = b"\x06\0\0\0" + "systemd-boot 256\0".encode("utf-16-le")
GRUB_BLI = b"\x06\0\0\0" + "GRUB 2.12\0".encode("utf-16-le")


@pytest.mark.parametrize(
    ("files", "found", "why"),
    [
        ({"etc/default/grub": ""}, "grub", "/etc/default/grub is there"),
        (
            {"etc/default/grub": "", "usr/sbin/grub-mkconfig": ""},
            "grub",
            "/usr/sbin/grub-mkconfig and /etc/default/grub are there",
        ),
        (
            {ENTRY: "", "etc/default/grub": "", "usr/sbin/grubby": ""},
            "grubby",
            "/usr/sbin/grubby and entries in /boot/loader/entries are there",
        ),
        # RHEL 7, or entries that GRUB is told to leave alone.
        (
            {"etc/default/grub": "", "usr/sbin/grub2-mkconfig": "", "usr/sbin/grubby": ""},
            "grub",
            "/usr/sbin/grub2-mkconfig and /etc/default/grub are there",
        ),
        (
            {
                ENTRY: "",
                "etc/default/grub": "GRUB_ENABLE_BLSCFG=false\n",
                "usr/sbin/grub2-mkconfig": "",
                "usr/sbin/grubby": "",
            },
            "grub",
            "grub2-mkconfig",
        ),
        # Fedora's systemd-boot with a grubby of its own.
        ({"usr/sbin/grubby": "", LOADER_INFO: SYSTEMD_BOOT}, "kernel-install", "LoaderInfo"),
        ({"usr/sbin/grub-mkconfig": "", "boot/grub/grub.cfg": ""}, "grub", "grub.cfg are there"),
        ({ENTRY: "", "etc/os-release": "ID=rocky\nID_LIKE='rhel fedora'\n"}, "bls", "has entries"),
        ({ENTRY: "", "boot/grub2/grub.cfg": "blscfg\n"}, "bls", "has entries"),
        ({ENTRY: "", "etc/default/grub": "GRUB_ENABLE_BLSCFG=true\n"}, "bls", "has entries"),
        ({ENTRY: "", "etc/zipl.conf": ""}, "bls", "has entries"),
        # Left over entries, which GRUB does not read.
        ({ENTRY: "", "etc/default/grub": "", "usr/bin/grub-mkconfig": ""}, "grub", "grub-mkconfig"),
        ({ENTRY: ""}, "kernel-install", "/boot has systemd-boot or its entries"),
        ({"efi/EFI/systemd/systemd-bootx64.efi": ""}, "kernel-install", "/efi has systemd-boot"),
        # Both installed: what started the system tells.
        (
            {"etc/default/grub": "", "usr/bin/grub-mkconfig": "", LOADER_INFO: SYSTEMD_BOOT},
            "kernel-install",
            "EFI variable LoaderInfo",
        ),
        (
            {"etc/default/grub": "", "usr/bin/grub-mkconfig": "", LOADER_INFO: GRUB_BLI, ENTRY: ""},
            "grub",
            "grub-mkconfig",
        ),
        ({"usr/sbin/pbl": ""}, "pbl", "no LOADER_TYPE"),
        (
            {
                "usr/sbin/pbl": "",
                "usr/bin/sdbootutil": "",
                "etc/sysconfig/bootloader": 'A=1\nLOADER_TYPE="grub2-bls"\n',
            },
            "sdbootutil",
            "LOADER_TYPE=grub2-bls in /etc/sysconfig/bootloader",
        ),
        (
            {
                "usr/sbin/pbl": "",
                "usr/bin/sdbootutil": "",
                "etc/sysconfig/bootloader": 'LOADER_TYPE="grub2-efi"\n',
            },
            "pbl",
            "LOADER_TYPE=grub2-efi",
        ),
        ({"usr/bin/sdbootutil": ""}, "sdbootutil", "/usr/bin/sdbootutil is there"),
        (
            {"usr/bin/pveversion": "", "etc/default/grub": ""},
            "proxmox",
            "/usr/bin/pveversion is there",
        ),
        ({"usr/bin/kernelstub": "", ENTRY: ""}, "kernelstub", "/usr/bin/kernelstub is there"),
        ({"run/ostree-booted": "", "usr/sbin/grubby": ""}, "rpm-ostree", "/run/ostree-booted"),
        ({"usr/lib/bootc/x": "", "usr/sbin/grubby": ""}, "rpm-ostree", "an image of bootc"),
        ({"usr/lib/bootc/x": "", "usr/sbin/grubby": "", ENTRY: ""}, "grubby", "grubby and entries"),
    ],
)
def test_detected(
    machine: Machine,
    files: dict[str, str | bytes],
    found: str,
    why: str,
) -> None:
    for path, content in files.items():
        machine.write(path, content)
    name, reason = detect(machine.host, INTEL)
    assert name == found
    assert why in reason


def test_asked_for(machine: Machine) -> None:
    machine.write("etc/default/grub", "")
    machine.write("usr/sbin/grubby", "")
    loader = read_loader(machine.host, "grub", INTEL)
    assert (loader.name, loader.reason) == ("grub", "asked for by the option bootloader")


def test_unknown(machine: Machine) -> None:
    machine.write("boot/limine.conf", "")
    with pytest.raises(RefusedError, match=r"found /boot/limine\.conf \(Limine: each cmdline\)"):
        detect(machine.host, INTEL)
