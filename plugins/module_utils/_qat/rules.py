# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The udev rule that makes a PF's VFs again at every boot, one file for each PF.

The rule acts when the PF has its driver: at C(bind), and at C(add) for a driver bound in the
initramfs, since systemd-udev-trigger replays C(add) only. It checks that the same device still
sits at the address, and that no VFs are there, before it writes.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import HwaccelError
from .._pci.address import PciAddress, PciId

if t.TYPE_CHECKING:
    from .._host import Host

_FOLDER = "/etc/udev/rules.d"
_NAME = re.compile(r"80-hwaccel-qat-(.+)\.rules")
_PAIR = re.compile(r'([A-Z]+(?:\{[a-z_]+\})?)(==|=)"([^"]*)"')


@dataclass(frozen=True)
class SriovRule:
    """What a PF gets at boot.

    Args:
        autoprobe: None leaves C(sriov_drivers_autoprobe) alone, on kernels without it.
    """

    address: PciAddress
    id: PciId
    driver: str
    num_vfs: int
    autoprobe: bool | None

    @property
    def path(self) -> str:
        """The file of this rule."""
        return rule_path(self.address)

    def render(self) -> bytes:
        """Return the file's content."""
        pairs = [
            'ACTION=="add|bind"',
            'SUBSYSTEM=="pci"',
            f'KERNEL=="{self.address}"',
            f'DRIVER=="{self.driver}"',
            f'ATTR{{vendor}}=="0x{self.id.vendor:04x}"',
            f'ATTR{{device}}=="0x{self.id.device:04x}"',
            'ATTR{sriov_numvfs}=="0"',
        ]
        if self.autoprobe is not None:
            pairs.append(f'ATTR{{sriov_drivers_autoprobe}}="{self.autoprobe:d}"')
        pairs.append(f'ATTR{{sriov_numvfs}}="{self.num_vfs}"')
        comment = (
            "# Written by hwaccel.virt.qat_sriov; state: absent or persistent: false removes it."
        )
        return f"{comment}\n{', '.join(pairs)}\n".encode()

    @classmethod
    def parse(cls, content: bytes) -> SriovRule | None:
        """Parse what C(render) wrote, None for anything else."""
        lines = [
            line for line in content.decode("utf-8", "replace").splitlines() if line[:1] != "#"
        ]
        pairs = _PAIR.findall(lines[0]) if len(lines) == 1 else []
        matched = {key: value for key, operator, value in pairs if operator == "=="}
        assigned = {key: value for key, operator, value in pairs if operator == "="}
        try:
            autoprobe = assigned.get("ATTR{sriov_drivers_autoprobe}")
            rule = cls(
                address=PciAddress.parse(matched["KERNEL"]),
                id=PciId(int(matched["ATTR{vendor}"], 16), int(matched["ATTR{device}"], 16)),
                driver=matched["DRIVER"],
                num_vfs=int(assigned["ATTR{sriov_numvfs}"]),
                autoprobe=None if autoprobe is None else autoprobe == "1",
            )
        except (HwaccelError, KeyError, ValueError):
            return None
        return rule if rule.render() == content else None


def rule_path(address: PciAddress) -> str:
    """Return where the rule of a PF stands."""
    return f"{_FOLDER}/80-hwaccel-qat-{address}.rules"


def read_rules(host: Host) -> list[SriovRule]:
    """Return the rules that stand on a host, sorted by address."""
    paths = [f"{_FOLDER}/{name}" for name in host.names(_FOLDER) if _NAME.fullmatch(name)]
    rules = (SriovRule.parse(host.read_bytes(path) or b"") for path in paths)
    return sorted((rule for rule in rules if rule), key=lambda rule: rule.address)
