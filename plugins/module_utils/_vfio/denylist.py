# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The denylist of vfio-pci: what it refuses by id, and whether it does here.

Linux C(drivers/vfio/pci/vfio_pci.c), since 5.9 and wherever a distribution took it over. Its
parameter C(disable_denylist) can be set when the module is loaded, and not later.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._boot.cmdline import running
from .._errors import HwaccelError
from .._pci.address import PciAddress
from .._pci.function import DRIVERS
from .variants import VFIO_PCI, module_of

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._host import Host

PARAMETER = "disable_denylist"
OPTION = f"{PARAMETER}=1"
KERNEL_ARGUMENT = f"{VFIO_PCI}.{OPTION}"
REASON = (
    "an untrusted guest can hang the device with a malformed request (Intel's erratum QATE-7495), "
    "and the whole machine with a bad address (QATE-39220), so give it to guests only that you "
    "trust"
)

_MODULE = "/sys/module/vfio_pci"
# Of files with the same name the first one counts: modprobe.d(5).
_FOLDERS = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
_SETTING = re.compile(rf"{PARAMETER}(?:=(.*))?", re.ASCII)
# How the kernel reads one (lib/kstrtox.c, kstrtobool); without a value it is on.
_ON = re.compile(r"[yYtT1].*|[oO][nN].*", re.ASCII)


@dataclass(frozen=True)
class VfioPci:
    """The module vfio-pci as it is now.

    Args:
        loaded: or built in.
        built_in: whether only the kernel command line can set its parameters.
        denies: whether it refuses what is on its denylist; for one that is not loaded, whether it
            would when loaded as it is configured.
        used: whether functions stand on it, so that it cannot be loaded anew.
    """

    loaded: bool
    built_in: bool
    denies: bool
    used: bool


def read_vfio_pci(host: Host) -> VfioPci:
    """Observe the module."""
    driver = f"{DRIVERS}/{VFIO_PCI}"
    names = host.names(driver)
    loaded = host.exists(_MODULE) or bool(names)
    parameter = host.attribute(f"{_MODULE}/parameters/{PARAMETER}")
    if loaded:
        denies = parameter == "N"
    else:
        said = [found[1] for found in map(_SETTING.fullmatch, _configured(host)) if found]
        # Of several the last one counts.
        denies = _knows_denylist(host) and not (said and _is_on(said[-1]))
    counted = host.attribute(f"{_MODULE}/refcnt")
    return VfioPci(
        loaded=loaded,
        # A module that was loaded has a state.
        built_in=loaded and host.exists(_MODULE) and not host.exists(f"{_MODULE}/initstate"),
        denies=denies,
        used=any(map(PciAddress.looks_like, names)) or counted not in (None, "0"),
    )


def _is_on(value: str | None) -> bool:
    return value is None or _ON.fullmatch(value) is not None


def _knows_denylist(host: Host) -> bool:
    """Ask the module on disk for its parameters; where that cannot be, the list is expected."""
    if not host.live:
        return True
    try:
        return PARAMETER in host.run(("modinfo", "--field", "parm", VFIO_PCI))
    except HwaccelError:
        return True


def _configured(host: Host) -> Iterator[str]:
    """Yield the options that modprobe gives the module: of its files, then of the command line."""
    for path in _files(host):
        # As libkmod splits them: a line goes on behind a backslash, without a blank.
        text = (host.read_text(path) or "").replace("\\\n", "").replace("\t", " ")
        for words in (list(filter(None, line.split(" "))) for line in text.split("\n")):
            if words[:1] == ["options"] and module_of("".join(words[1:2])) == module_of(VFIO_PCI):
                yield from words[2:]
    for argument in running(host).plain:
        module, dot, option = argument.partition(".")
        if dot and module_of(module) == module_of(VFIO_PCI):
            yield option


def _files(host: Host) -> Iterable[str]:
    found: dict[str, str] = {}
    for folder in reversed(_FOLDERS):
        found.update(
            (name, f"{folder}/{name}") for name in host.names(folder) if name.endswith(".conf")
        )
    return [found[name] for name in sorted(found)]
