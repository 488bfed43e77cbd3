# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks of QAT PFs, and what that means for each of them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._errors import InputError, is_number
from .given_back import as_found, given_up, kept_by_us, made_as_found
from .record import Remembered, SriovRecord, entry_of
from .rules import HostVfs, SriovRule
from .selectors import Selector, parse_selectors
from .services import parse_services
from .target import Target

if t.TYPE_CHECKING:
    from .._undo import UndoRecord
    from .observe import Pf


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
    if not is_number(text):
        raise InputError("num_vfs", value, "max or a whole number from 0 on")
    return int(text)


def target_of(wanted: Wanted, pf: Pf, rule: bytes | None, undo: UndoRecord) -> Target:
    """Return what a PF is to become.

    Args:
        rule: the udev rules that stand for it now.
    """
    entry = entry_of(pf, undo)
    target = _target(wanted, pf, rule, entry)
    found = entry.found if entry else SriovRecord.default(pf)
    if wanted.present:
        given_back = given_up(pf, target, found, kept_by_us(rule, entry))
    elif target.remakes(pf):
        given_back = made_as_found(pf, target, found)
    elif entry and entry.made is None:
        given_back = {}
    else:
        changed = bool(entry and entry.made and entry.made.vfs_changed)
        given_back = as_found(pf, target, found, kept_by_us(rule, entry), changed=changed)
    return replace(target, given_back=given_back)


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
