# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks of QAT PFs, and what that means for each of them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .._errors import InputError
from .record import Remembered, SriovRecord, entry_of
from .rules import HostVfs, SriovRule
from .selectors import Selector, parse_selectors
from .services import parse_services

if t.TYPE_CHECKING:
    from .._pci.address import PciAddress
    from .._undo import UndoRecord
    from .observe import Pf, Vf

    Place = t.Optional[PciAddress]


@dataclass(frozen=True)
class Wanted:
    """What the task asks for, parsed.

    Args:
        num_vfs: None means the maximum.
        services: None leaves them as they are; so does it with C(auto_reset).
    """

    selectors: tuple[Selector, ...]
    present: bool
    num_vfs: int | None
    host_vfs: int
    services: tuple[str, ...] | None
    auto_reset: bool | None
    autoprobe: bool
    persistent: bool
    coerced_ok: bool
    force: bool
    missing_ok: bool

    @classmethod
    def parse(cls, options: dict[str, t.Any]) -> Wanted:
        """Parse module options.

        Raises:
            InputError: naming the option that cannot be right.
        """
        num_vfs, host_vfs = _parse_count(options["num_vfs"]), options["host_vfs"]
        if not 0 <= host_vfs <= (host_vfs if num_vfs is None else num_vfs):
            most = "num_vfs" if num_vfs is None else f"the {num_vfs} of num_vfs"
            raise InputError("host_vfs", host_vfs, f"a whole number from 0 to {most}")
        return cls(
            selectors=parse_selectors(options["devices"]),
            present=options["state"] == "present",
            num_vfs=num_vfs,
            host_vfs=host_vfs,
            services=parse_services(options["services"]),
            auto_reset=options["auto_reset"],
            autoprobe=options["autoprobe"],
            persistent=options["persistent"],
            coerced_ok=options["coerced_ok"],
            force=options["force"],
            missing_ok=options["missing_ok"],
        )


def _parse_count(value: object) -> int | None:
    text = str(value).strip()
    if text.lower() == "max":
        return None
    if not (text.isascii() and text.isdecimal()):
        raise InputError("num_vfs", value, "max or a whole number from 0 on")
    return int(text)


@dataclass(frozen=True)
class Former:
    """What a VF had before a task of ours, and gets again."""

    override: str | None
    driver: str | None

    @classmethod
    def of(cls, vf: Vf, found: SriovRecord) -> Former:
        """Return what a VF had when it was found."""
        return cls(found.overrides.get(str(vf.address)), found.drivers.get(str(vf.address)))


@dataclass(frozen=True)
class Target:
    """What one PF is to become.

    Args:
        requested: the number of VFs asked for.
        num_vfs: the number that there will be, which the driver may coerce.
        host_vfs: how many of them, from the first on, the host keeps.
        services: None leaves them alone.
        auto_reset: None leaves it alone.
        autoprobe: None leaves it alone.
        rule: the content of the file of its udev rules, None without.
        given_back: the VFs that get back what they had before, but for those of the host.
    """

    requested: int
    num_vfs: int
    host_vfs: int
    services: tuple[str, ...] | None
    auto_reset: bool | None
    autoprobe: bool | None
    rule: bytes | None
    given_back: dict[Place, Former] = field(default_factory=dict)

    @property
    def coerced(self) -> bool:
        """Whether the driver makes another number than was asked for."""
        return self.requested != self.num_vfs

    def changes_services(self, pf: Pf) -> bool:
        """Tell whether the PF has to go down for other services."""
        there = pf.service_state.services if pf.service_state else None
        return self.services is not None and set(self.services) != set(there or ())

    def remakes(self, pf: Pf) -> bool:
        """Tell whether the VFs that are there have to go; a PF that goes down loses them."""
        return self.num_vfs != pf.num_vfs or self.changes_services(pf)

    def coerced_by(self, pf: Pf) -> Target:
        """Return it with the number of VFs that the driver makes when it makes some."""
        makes_all = pf.ignores_requested_number and self.num_vfs and self.remakes(pf)
        return replace(self, num_vfs=pf.total_vfs) if makes_all else self

    def makes_vfs_quietly(self, pf: Pf) -> bool:
        """Tell whether VFs are made with autoprobe off and get their drivers one by one."""
        return bool(self.autoprobe and self.given_back and self.remakes(pf))

    def vfs(self, pf: Pf) -> tuple[Vf, ...]:
        """Return the VFs that there will be, before the host keeps any of them."""
        return pf.expected_vfs(self.num_vfs) if self.remakes(pf) else pf.vfs


def target_of(wanted: Wanted, pf: Pf, rule: bytes | None, undo: UndoRecord) -> Target:
    """Return what a PF is to become.

    Args:
        rule: the udev rules that stand for it now.
    """
    entry = entry_of(pf, undo)
    target = _target(wanted, pf, rule, entry)
    found = entry.found if entry else SriovRecord.default(pf)
    if wanted.present:
        given_back = _given_back(pf, target, found, _kept_by_us(rule, entry))
    elif target.remakes(pf):
        given_back = _made_as_found(pf, target, found)
    elif entry and entry.made is None:
        given_back = {}
    else:
        changed = bool(entry and entry.made and entry.made.vfs_changed)
        given_back = _as_found(pf, target, found, _kept_by_us(rule, entry), changed=changed)
    return replace(target, given_back=given_back)


def _given_back(pf: Pf, target: Target, found: SriovRecord, kept: int) -> dict[Place, Former]:
    """Return the VFs that an earlier task kept and this one does not: others may have them."""
    if target.remakes(pf):
        return {}
    result: dict[Place, Former] = {}
    for vf in pf.vfs[target.host_vfs : kept]:
        override = found.overrides.get(str(vf.address))
        stays = vf.driver != pf.family.vf_driver or target.autoprobe
        former = Former(override, override or (vf.driver if stays else None))
        # Those that an operator had reserved before us stay as they are.
        if vf.reserved and override != vf.override:
            result[vf.address] = former
    return result


def _as_found(
    pf: Pf, target: Target, found: SriovRecord, kept: int, *, changed: bool
) -> dict[Place, Former]:
    """Return the VFs that tasks have changed; what others did to a VF since then stays."""
    result: dict[Place, Former] = {}
    for index, vf in enumerate(pf.vfs[target.host_vfs :], target.host_vfs):
        plain = vf.override is None and vf.driver in (None, pf.family.vf_driver)
        ours = (index < kept and vf.reserved) or (changed and plain)
        if ours and Former(vf.override, vf.driver) != (former := Former.of(vf, found)):
            result[vf.address] = former
    return result


def _made_as_found(pf: Pf, target: Target, found: SriovRecord) -> dict[Place, Former]:
    """Return the VFs that do not come up as they were found, when they are made anew."""
    if pf.autoprobe is None:
        # What driver they come up with cannot be told.
        return {}
    made = target.vfs(pf)
    native = pf.family.vf_driver if target.autoprobe else None
    former = {vf.address: Former.of(vf, found) for vf in made}
    if all(was == Former(None, native) for was in former.values()):
        return {}
    others = [vf.address for vf in made[target.host_vfs :]]
    return {at: former[at] for at in others if former[at] != Former(None, None)}


def _kept_by_us(rule: bytes | None, entry: Remembered | None) -> int:
    """Return how many VFs an earlier task kept for the host; an operator's own do not count."""
    standing = SriovRule.parse(rule or b"")
    recorded = entry.made.host_vfs if entry and entry.made else 0
    return max(recorded, len(standing.host_vfs.addresses) if standing and standing.host_vfs else 0)


def _target(wanted: Wanted, pf: Pf, rule: bytes | None, entry: Remembered | None) -> Target:
    if wanted.present:
        return _present_target(wanted, pf, rule)
    if entry is not None and entry.made is None:
        # Brought back already: what came after that is the operator's.
        there = SriovRecord.of(pf, rule)
        return _absent_target(pf, replace(there, services=None, auto_reset=None))
    return _absent_target(pf, SriovRecord.default(pf) if entry is None else entry.to_revert())


def _present_target(wanted: Wanted, pf: Pf, rule: bytes | None) -> Target:
    requested = pf.total_vfs if wanted.num_vfs is None else wanted.num_vfs
    target = Target(
        requested=requested,
        num_vfs=requested,
        host_vfs=wanted.host_vfs,
        services=wanted.services,
        auto_reset=wanted.auto_reset,
        # Of no consequence where no VFs are made, and then no rule would keep it.
        autoprobe=wanted.autoprobe if requested and pf.autoprobe is not None else None,
        rule=None,
    ).coerced_by(pf)
    if not wanted.persistent:
        return target
    return replace(target, rule=_rule(pf, target, SriovRule.parse(rule or b"")))


def _rule(pf: Pf, target: Target, standing: SriovRule | None) -> bytes | None:
    """Return the rules that bring a PF into a state at boot, None where there is nothing to do.

    Args:
        standing: the rules of an earlier run; what this one leaves alone stays in them.
    """
    services, auto_reset = target.services, target.auto_reset
    if standing is not None and standing.id == pf.function.id:
        services = standing.services if services is None else services
        auto_reset = standing.auto_reset if auto_reset is None else auto_reset
    if pf.function.driver is None or not (target.num_vfs or services or auto_reset is not None):
        return None
    kept = tuple(vf.address for vf in target.vfs(pf)[: target.host_vfs] if vf.address)
    native = pf.family.vf_driver
    return SriovRule(
        address=pf.address,
        id=pf.function.id,
        driver=pf.function.driver,
        num_vfs=target.num_vfs,
        autoprobe=target.autoprobe,
        services=services,
        auto_reset=auto_reset,
        host_vfs=HostVfs(kept, pf.family.vf_id, native) if kept and native else None,
    ).render()


def _absent_target(pf: Pf, found: SriovRecord) -> Target:
    return Target(
        requested=found.num_vfs,
        num_vfs=found.num_vfs,
        host_vfs=found.host_vfs,
        # Without its driver there is nothing left of what was set there.
        services=found.services if pf.service_state else None,
        auto_reset=found.auto_reset if pf.service_state else None,
        autoprobe=None if pf.autoprobe is None else found.autoprobe,
        rule=found.rule,
    ).coerced_by(pf)
