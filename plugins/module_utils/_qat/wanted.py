# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks of QAT PFs, and what that means for each of them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .rules import SriovRule
from .selectors import Selector, parse_selectors

if t.TYPE_CHECKING:
    from .._undo import UndoRecord
    from .observe import Pf

_MODULE = "qat_sriov"


@dataclass(frozen=True)
class Wanted:
    """What the task asks for, parsed; C(num_vfs) None means the maximum."""

    selectors: tuple[Selector, ...]
    present: bool
    num_vfs: int | None
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
        return cls(
            selectors=parse_selectors(options["devices"]),
            present=options["state"] == "present",
            num_vfs=_parse_count(options["num_vfs"]),
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
class Target:
    """What one PF is to become.

    Args:
        requested: the number of VFs asked for.
        num_vfs: the number that there will be, which the driver may coerce.
        autoprobe: None leaves it alone.
    """

    requested: int
    num_vfs: int
    autoprobe: bool | None
    rule: bytes | None

    @property
    def coerced(self) -> bool:
        """Whether the driver makes another number than was asked for."""
        return self.requested != self.num_vfs


def target_of(wanted: Wanted, pf: Pf, undo: UndoRecord) -> Target:
    """Return what a PF is to become."""
    return _present_target(wanted, pf) if wanted.present else _absent_target(pf, undo)


def _present_target(wanted: Wanted, pf: Pf) -> Target:
    requested = pf.total_vfs if wanted.num_vfs is None else wanted.num_vfs
    number = _reachable(pf, requested)
    autoprobe = None if pf.autoprobe is None else wanted.autoprobe
    rule = None
    if wanted.persistent and number and pf.function.driver:
        rule = SriovRule(pf.address, pf.function.id, pf.function.driver, number, autoprobe).render()
    return Target(requested, number, autoprobe, rule)


def _absent_target(pf: Pf, undo: UndoRecord) -> Target:
    """Return what was found before us, or the kernel's own defaults without a record."""
    record = found_before(pf, undo)
    if record is None:
        return Target(0, 0, None if pf.autoprobe is None else True, None)
    rule = record["rule"]
    return Target(
        requested=record["num_vfs"],
        num_vfs=_reachable(pf, record["num_vfs"]),
        autoprobe=None if pf.autoprobe is None else record["autoprobe"],
        rule=None if rule is None else rule.encode("utf-8", "surrogateescape"),
    )


def _reachable(pf: Pf, number: int) -> int:
    """Return the number of VFs that asking for C(number) gives."""
    fixed = pf.ignores_requested_number and number not in (0, pf.num_vfs)
    return pf.total_vfs if fixed else number


def found_before(pf: Pf, undo: UndoRecord) -> dict[str, t.Any] | None:
    """Return what was found at a PF before us, unless another device sat there then."""
    entry = undo.entry(_MODULE, str(pf.address))
    found = None if entry is None else t.cast("dict[str, t.Any]", entry["found"])
    return found if found is not None and found["id"] == str(pf.function.id) else None


def remembered(undo: UndoRecord, pf: Pf, rule: bytes | None, target: Target) -> UndoRecord:
    """Return the undo record with what is there now, unless what was there first is known."""
    key = str(pf.address)
    if found_before(pf, undo) is None:
        undo = undo.without_entry(_MODULE, key)
    there = {
        "id": str(pf.function.id),
        "num_vfs": pf.num_vfs,
        "autoprobe": pf.autoprobe,
        "rule": _as_text(rule),
    }
    made = {
        "num_vfs": target.num_vfs,
        "autoprobe": target.autoprobe,
        "rule": _as_text(target.rule),
    }
    return undo.with_entry(_MODULE, key, found=there, made=made)


def forgotten(undo: UndoRecord, pf: Pf) -> UndoRecord:
    """Return the undo record without a PF."""
    return undo.without_entry(_MODULE, str(pf.address))


def _as_text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "surrogateescape")
