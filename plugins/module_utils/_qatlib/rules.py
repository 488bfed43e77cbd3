# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The udev rules that give the VFIO groups of some VFs to the users of qatlib.

A VFIO group has a number that differs from boot to boot and no link to the function, so that each
rule looks whether the function is in the group, and whether its PF has what the kernel's drivers
of generation 4 and later offer: another card at the address has not.
"""

from __future__ import annotations

import re
import typing as t

from .._errors import InputError
from .._pci.address import PciAddress
from .unit import GROUP

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from .._host import Host

RULES: t.Final = "/etc/udev/rules.d/81-hwaccel-qatlib.rules"
GROUPS: t.Final = "/sys/kernel/iommu_groups"

# Later releases of qatlib bring a rule that has C(qat_init.sh) give all VFs to the group at every
# event of VFIO (C(quickassist/utilities/service/99-qat-vfio.rules.in)). Of files of one name udev
# takes that in /etc.
_PACKAGED = "udev/rules.d/99-qat-vfio.rules"
PACKAGED_MASK: t.Final = f"/etc/{_PACKAGED}"
_PACKAGE_FOLDERS = ("/usr/local/lib", "/usr/lib", "/lib")

_COMMENT = "# Written by hwaccel.virt.qatlib_service; state: absent removes it."
_LINE = re.compile(r'TEST=="/sys/kernel/iommu_groups/%k/devices/([^/"]+)/physfn/qat"')


def render_rules(vfs: Iterable[PciAddress]) -> bytes | None:
    """Return the content of the rules for some VFs, None for none."""
    lines = [
        f'SUBSYSTEM=="vfio", KERNEL=="[0-9]*", TEST=="{GROUPS}/%k/devices/{vf}/physfn/qat", '
        f'GROUP="{GROUP}", MODE="0660"'
        for vf in vfs
    ]
    return "".join(f"{line}\n" for line in [_COMMENT, *lines]).encode() if lines else None


def read_packaged(host: Host) -> str | None:
    """Return the rule of the package that would give all VFs away, None without or for a mask."""
    if host.link_target(PACKAGED_MASK) is not None or host.exists(PACKAGED_MASK):
        return None
    places = (f"{folder}/{_PACKAGED}" for folder in _PACKAGE_FOLDERS)
    return next((place for place in places if host.exists(place)), None)


def read_own_vfs(host: Host) -> frozenset[PciAddress]:
    """Return the VFs that programs of the host use through qatlib, as the rules have it."""
    text = host.read_text(RULES) or ""
    found = set()
    for line in text.splitlines():
        told = None if line.lstrip().startswith("#") else _LINE.search(line)
        try:
            found |= {PciAddress.parse(told[1])} if told else set()
        except InputError:
            continue
    return frozenset(found)
