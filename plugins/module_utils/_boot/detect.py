# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which boot loader owns the kernel command line, and what on the host tells so."""

from __future__ import annotations

import re
import typing as t

from .._errors import RefusedError
from . import bls, grub, grubby, kernel_install, kernelstub, pbl, proxmox, rpm_ostree, sdbootutil
from .entries import ENTRIES, ESPS
from .grub_default import GRUB_DEFAULT
from .release import is_family, loader_info, suse_loader_type

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._host import Host
    from .loader import Loader
    from .wanted import Wanted

_OBSERVERS: t.Final = {
    "grub": grub.observe,
    "grubby": grubby.observe,
    "bls": bls.observe,
    "pbl": pbl.observe,
    "sdbootutil": sdbootutil.observe,
    "kernel-install": kernel_install.observe,
    "proxmox": proxmox.observe,
    "rpm-ostree": rpm_ostree.observe,
    "kernelstub": kernelstub.observe,
}
BOOTLOADERS: t.Final = ("auto", *_OBSERVERS)

_BIN = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")
_GRUB_SOURCES = (GRUB_DEFAULT, "/etc/default/grub.d", "/boot/grub/grub.cfg")
_BOOTC = "/usr/lib/bootc"
_RED_HAT = ("rhel", "fedora", "centos")
# Boot loaders that nobody but their operator configures, and where their arguments stand.
_BY_HAND = {
    "/boot/extlinux/extlinux.conf": "extlinux or U-Boot: each append line",
    "/etc/update-extlinux.conf": "extlinux of Alpine: default_kernel_opts, then update-extlinux",
    "/boot/syslinux/syslinux.cfg": "syslinux: each APPEND line",
    "/boot/refind_linux.conf": "rEFInd: each line",
    "/boot/limine.conf": "Limine: each cmdline",
    "/boot/firmware/cmdline.txt": "the firmware of a Raspberry Pi: the one line",
    "/etc/lilo.conf": "LILO: each append, then run lilo",
}


def read_loader(host: Host, bootloader: str, wanted: Wanted) -> Loader:
    """Observe the boot loader that is asked for, or that the host has.

    Raises:
        RefusedError: when the host has none that is known; says what to do by hand.
    """
    reason = "asked for by the option bootloader"
    if bootloader == "auto":
        bootloader, reason = detect(host, wanted)
    return _OBSERVERS[bootloader](host, reason=reason)


def detect(host: Host, wanted: Wanted) -> tuple[str, str]:
    """Return the boot loader of a host and why it is taken to be that one."""
    found = next(_signs(host), None)
    if found is None:
        raise RefusedError(_by_hand(host, wanted))
    return found


def _signs(host: Host) -> Iterator[tuple[str, str]]:
    """Yield what is found, what owns the others' files first."""
    for name, path in (
        ("rpm-ostree", "/run/ostree-booted"),
        ("rpm-ostree", "/ostree/deploy"),
        ("proxmox", _tool(host, "proxmox-boot-tool")),
        ("proxmox", _tool(host, "pveversion")),
        ("kernelstub", _tool(host, "kernelstub")),
    ):
        if path and host.exists(path):
            yield name, f"{path} is there"
    if host.exists(_BOOTC) and not _has_entries(host):
        # A package of bootc on a host of packages brings the folder too.
        yield "rpm-ostree", f"{_BOOTC} is there, and {ENTRIES} has no entries: an image of bootc"
    yield from _suse_signs(host)
    yield from _entry_signs(host)
    tool = _tool(host, "grub-mkconfig") or _tool(host, "grub2-mkconfig")
    source = next(filter(host.exists, _GRUB_SOURCES), None)
    if tool and source:
        yield "grub", f"{tool} and {source} are there"
    for esp in ESPS:
        if host.exists(f"{esp}/loader/entries") or host.exists(f"{esp}/EFI/systemd"):
            yield "kernel-install", f"{esp} has systemd-boot or its entries"
    if source:
        yield "grub", f"{source} is there"


def _entry_signs(host: Host) -> Iterator[tuple[str, str]]:
    """Yield who keeps entries of the Boot Loader Specification."""
    systemd_boot = (loader_info(host) or "").startswith("systemd-boot")
    tool = _tool(host, "grubby")
    if _has_entries(host) and not systemd_boot and _blscfg(host) != "false":
        if tool:
            yield "grubby", f"{tool} and entries in {ENTRIES} are there"
        if _uses_bls(host):
            yield "bls", f"{ENTRIES} has entries, and no grubby is there"
    if systemd_boot:
        yield "kernel-install", "systemd-boot started this system (EFI variable LoaderInfo)"


def _suse_signs(host: Host) -> Iterator[tuple[str, str]]:
    """Yield SUSE's tools; C(LOADER_TYPE) says which boot loader they serve."""
    kind = suse_loader_type(host)
    sdbootutil_tool, pbl_tool = _tool(host, "sdbootutil"), _tool(host, "pbl")
    said = f"LOADER_TYPE={kind} in /etc/sysconfig/bootloader" if kind else "no LOADER_TYPE"
    if sdbootutil_tool and (kind in ("systemd-boot", "grub2-bls") or not pbl_tool):
        yield "sdbootutil", f"{sdbootutil_tool} is there, {said}"
    if pbl_tool:
        yield "pbl", f"{pbl_tool} is there, {said}"


def _has_entries(host: Host) -> bool:
    return any(name.endswith(".conf") for name in host.names(ENTRIES))


def _uses_bls(host: Host) -> bool:
    """Tell whether the entries are what is booted, rather than left over.

    Red Hat's and SUSE's GRUB read them when grub.cfg says C(blscfg); zipl reads nothing else.
    """
    if host.exists("/etc/zipl.conf") or is_family(host, *_RED_HAT):
        return True
    texts = [host.read_text(path) or "" for path in ("/boot/grub2/grub.cfg", "/boot/grub/grub.cfg")]
    if any("blscfg" in text for text in texts):
        return True
    return _blscfg(host) == "true"


def _blscfg(host: Host) -> str | None:
    """Return what Red Hat's GRUB is told of the entries."""
    default = host.read_text(GRUB_DEFAULT) or ""
    told = re.search(r"""^GRUB_ENABLE_BLSCFG=["']?(\w+)""", default, re.MULTILINE)
    return told[1] if told else None


def _tool(host: Host, name: str) -> str | None:
    return next(
        (path for path in (f"{folder}/{name}" for folder in _BIN) if host.exists(path)), None
    )


def _by_hand(host: Host, wanted: Wanted) -> str:
    """Return what an operator can do on a host whose boot loader is not known."""
    arguments = " ".join(map(str, wanted.arguments)) or "no argument at all"
    found = [f"{path} ({what})" for path, what in sorted(_BY_HAND.items()) if host.exists(path)]
    where = f"found {'; '.join(found)}" if found else "found no configuration of any"
    return (
        f"no boot loader that this module knows ({where}). By hand: put {arguments} on the kernel "
        "command line of every boot entry, and where new kernels take theirs from; take "
        "intel_iommu=off, amd_iommu=off and iommu=off off it; boot, and look at /proc/cmdline. Or "
        f"name the boot loader in the option bootloader: {', '.join(BOOTLOADERS[1:])}"
    )
