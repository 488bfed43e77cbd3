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

COMMENT: t.Final = "# Written by hwaccel.virt.qatlib_service; state: absent removes it."
# Later releases of qatlib bring a rule that has C(qat_init.sh) give all VFs to the group at every
# event of VFIO (C(quickassist/utilities/service/99-qat-vfio.rules.in)). Of files of one name udev
# takes that in /etc.
MASK: t.Final = "/etc/udev/rules.d/99-qat-vfio.rules"
_MASK_TEXT = f"""\
{COMMENT}
# It stands in for the rule of qatlib of this name, which gives all VFs to the group {GROUP}.
""".encode()

_LINE = re.compile(r'TEST=="/sys/kernel/iommu_groups/%k/devices/([^/"]+)/physfn/qat"')


def render_rules(vfs: Iterable[PciAddress]) -> bytes | None:
    """Return the content of the rules for some VFs, None for none."""
    lines = [
        f'SUBSYSTEM=="vfio", KERNEL=="[0-9]*", TEST=="{GROUPS}/%k/devices/{vf}/physfn/qat", '
        f'GROUP="{GROUP}", MODE="0660"'
        for vf in vfs
    ]
    return "".join(f"{line}\n" for line in [COMMENT, *lines]).encode() if lines else None


def is_ours(content: bytes | None) -> bool:
    """Tell whether this module has written a file."""
    return content is not None and content.startswith(COMMENT.encode())


def mask_to_be(found: bytes | None, *, present: bool) -> bytes | None:
    """Return what is to stand in place of the package's rule; an operator's own file stays."""
    if found is not None and not is_ours(found):
        return found
    return _MASK_TEXT if present else None


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
