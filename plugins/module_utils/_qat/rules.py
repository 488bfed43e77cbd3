# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The udev rules that bring a PF into its state again at every boot, one file for each PF.

They act when the PF has its driver: at C(bind), and at C(add) for a driver bound in the
initramfs, since systemd-udev-trigger replays C(add) only. They check that the same device still
sits at the address, and that no VFs are there, before they write: the services where they
differ, then the rest, VFs at the end. A rule of their own gives the VFs that the host keeps
their driver. All stand aside while the collection itself works on the PF, which a file below
C(/run) tells.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from itertools import permutations

from .._errors import HwaccelError
from .._pci.address import PciAddress, PciId
from .._pci.function import AUTOPROBE, COUNT, OVERRIDE
from .services import (
    AUTO_RESET,
    CFG_SERVICES,
    DOWN,
    STATE,
    UP,
    in_order,
    join_services,
    split_services,
    switch_word,
)

if t.TYPE_CHECKING:
    from .._host import Host

_FOLDER = "/etc/udev/rules.d"
_NAME = re.compile(r"80-hwaccel-qat-(.+)\.rules")
_DRIVER = re.compile(r"[\w.-]+", re.ASCII)
_PAIR = re.compile(r'([A-Z]+(?:\{(?:\[[a-z/]+\])?[a-z_/]+\})?)(==|!=|=)"([^"]*)"')
_COMMENT = "# Written by hwaccel.virt.qat_sriov; state: absent or persistent: false removes it."
_PROBE = "[subsystem/pci]drivers_probe"


@dataclass(frozen=True)
class HostVfs:
    """The VFs that the host keeps: where they are, what they are, and their native driver."""

    addresses: tuple[PciAddress, ...]
    id: PciId
    driver: str


@dataclass(frozen=True)
class SriovRule:
    """What a PF gets at boot.

    Args:
        num_vfs: 0 makes none.
        autoprobe: None leaves C(sriov_drivers_autoprobe) alone, on kernels without it.
        services: None leaves C(qat/cfg_services) alone.
        auto_reset: None leaves C(qat/auto_reset) alone.
        host_vfs: None when the host keeps no VF.
    """

    address: PciAddress
    id: PciId
    driver: str
    num_vfs: int
    autoprobe: bool | None
    services: tuple[str, ...] | None = None
    auto_reset: bool | None = None
    host_vfs: HostVfs | None = None

    @property
    def path(self) -> str:
        """The file of this rule."""
        return rule_path(self.address)

    def render(self) -> bytes:
        """Return the file's content.

        Raises:
            HwaccelError: for a driver's name that would say something else in a rule.
        """
        native = self.host_vfs.driver if self.host_vfs else self.driver
        for name in (self.driver, native):
            if not _DRIVER.fullmatch(name):
                message = f"{self.address}: driver {name!r} has no name that a udev rule can hold"
                raise HwaccelError(message)
        rules = []
        if self.services:
            rules.append([*self._match_pf(), *_services_rule(self.services)])
        if assignments := self._assignments():
            rules.append([*self._match_pf(), *assignments])
        if self.host_vfs:
            rules.append(self._host_vfs_rule(self.host_vfs))
        lines = [_COMMENT, *(", ".join(rule) for rule in rules)]
        return "".join(f"{line}\n" for line in lines).encode()

    def _match_pf(self) -> list[str]:
        return [
            'ACTION=="add|bind"',
            'SUBSYSTEM=="pci"',
            f'KERNEL=="{self.address}"',
            f'DRIVER=="{self.driver}"',
            *_match_id(self.id),
            f'ATTR{{{COUNT}}}=="0"',
            f'TEST!="{marker_path(self.address)}"',
        ]

    def _assignments(self) -> list[str]:
        """Return what is written beside services, in order."""
        written: list[tuple[str, str]] = []
        if self.auto_reset is not None:
            written.append((AUTO_RESET, switch_word(on=self.auto_reset)))
        if self.num_vfs and self.autoprobe is not None:
            written.append((AUTOPROBE, f"{self.autoprobe:d}"))
        if self.num_vfs:
            written.append((COUNT, str(self.num_vfs)))
        return [_assign(name, value) for name, value in written]

    def _host_vfs_rule(self, kept: HostVfs) -> list[str]:
        return [
            'ACTION=="add"',
            'SUBSYSTEM=="pci"',
            f'KERNEL=="{"|".join(map(str, kept.addresses))}"',
            *_match_id(kept.id),
            f'TEST!="{marker_path(self.address)}"',
            _assign(OVERRIDE, kept.driver),
            _assign(_PROBE, "$kernel"),
        ]

    @classmethod
    def parse(cls, content: bytes) -> SriovRule | None:
        """Parse what C(render) wrote, None for anything else."""
        lines = [
            line for line in content.decode("utf-8", "replace").splitlines() if line[:1] != "#"
        ]
        try:
            rule = cls._parse([_pairs(line) for line in lines])
            return rule if rule.render() == content else None
        except (HwaccelError, KeyError, ValueError):
            return None

    @classmethod
    def _parse(cls, rules: list[dict[str, str]]) -> SriovRule:
        overrides = [rule for rule in rules if f"ATTR{{{OVERRIDE}}}=" in rule]
        pf = {key: text for rule in rules if rule not in overrides for key, text in rule.items()}
        kept = overrides[0] if overrides else None
        autoprobe, services = pf.get(f"ATTR{{{AUTOPROBE}}}="), pf.get(f"ATTR{{{CFG_SERVICES}}}=")
        auto_reset = pf.get(f"ATTR{{{AUTO_RESET}}}=")
        host_vfs = None
        if kept is not None:
            addresses = tuple(PciAddress.parse(text) for text in kept["KERNEL=="].split("|"))
            host_vfs = HostVfs(addresses, _id(kept), kept[f"ATTR{{{OVERRIDE}}}="])
        return cls(
            address=PciAddress.parse(pf["KERNEL=="]),
            id=_id(pf),
            driver=pf["DRIVER=="],
            num_vfs=int(pf.get(f"ATTR{{{COUNT}}}=", "0")),
            autoprobe=None if autoprobe is None else autoprobe == "1",
            services=None if services is None else split_services(services),
            auto_reset=None if auto_reset is None else auto_reset == switch_word(on=True),
            host_vfs=host_vfs,
        )


def _services_rule(services: tuple[str, ...]) -> list[str]:
    """Return what sets services: only while down, and only where the PF has others.

    A PF without VFs meets the rules again whenever its events are replayed.
    """
    same = "|".join(";".join(words) for words in permutations(in_order(services)))
    return [
        f'ATTR{{{CFG_SERVICES}}}!="{same}"',
        _assign(STATE, DOWN),
        _assign(CFG_SERVICES, join_services(services)),
        _assign(STATE, UP),
    ]


def _match_id(number: PciId) -> list[str]:
    return [
        f'ATTR{{vendor}}=="0x{number.vendor:04x}"',
        f'ATTR{{device}}=="0x{number.device:04x}"',
    ]


def _assign(name: str, value: str) -> str:
    return f'ATTR{{{name}}}="{value}"'


def _pairs(line: str) -> dict[str, str]:
    return {f"{key}{operator}": value for key, operator, value in _PAIR.findall(line)}


def _id(pairs: dict[str, str]) -> PciId:
    return PciId(int(pairs["ATTR{vendor}=="], 16), int(pairs["ATTR{device}=="], 16))


def rule_path(address: PciAddress) -> str:
    """Return where the rules of a PF stand."""
    return f"{_FOLDER}/80-hwaccel-qat-{address}.rules"


def marker_path(address: PciAddress) -> str:
    """Return the file that keeps the rules of a PF from acting while it stands."""
    return f"/run/hwaccel/working-on-{address}"


def read_rules(host: Host) -> list[SriovRule]:
    """Return the rules that stand on a host, sorted by address."""
    paths = [f"{_FOLDER}/{name}" for name in host.names(_FOLDER) if _NAME.fullmatch(name)]
    rules = (SriovRule.parse(host.read_bytes(path) or b"") for path in paths)
    return sorted((rule for rule in rules if rule), key=lambda rule: rule.address)
