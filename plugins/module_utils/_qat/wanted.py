# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks of QAT PFs, and what that means for each of them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .._undo import UndoEntry
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


def target_of(wanted: Wanted, pf: Pf, rule: bytes | None, undo: UndoRecord) -> Target:
    """Return what a PF is to become.

    Args:
        rule: the udev rule that stands for it now.
    """
    if wanted.present:
        return _present_target(wanted, pf)
    entry = entry_of(pf, undo)
    if entry is not None and entry.made is None:
        # Brought back already: what came after that is the operator's.
        return Target(pf.num_vfs or 0, pf.num_vfs or 0, pf.autoprobe, rule)
    return _absent_target(pf, _default_state(pf) if entry is None else entry.found)


def _present_target(wanted: Wanted, pf: Pf) -> Target:
    requested = pf.total_vfs if wanted.num_vfs is None else wanted.num_vfs
    number = _reachable(pf, requested)
    autoprobe = None if pf.autoprobe is None else wanted.autoprobe
    rule = None
    if wanted.persistent and number and pf.function.driver:
        rule = SriovRule(pf.address, pf.function.id, pf.function.driver, number, autoprobe).render()
    return Target(requested, number, autoprobe, rule)


def _absent_target(pf: Pf, found: dict[str, t.Any]) -> Target:
    rule = found["rule"]
    return Target(
        requested=found["num_vfs"],
        num_vfs=_reachable(pf, found["num_vfs"]),
        autoprobe=None if pf.autoprobe is None else found["autoprobe"],
        rule=None if rule is None else rule.encode("utf-8", "surrogateescape"),
    )


def _reachable(pf: Pf, number: int) -> int:
    """Return the number of VFs that asking for C(number) gives."""
    fixed = pf.ignores_requested_number and number not in (0, pf.num_vfs)
    return pf.total_vfs if fixed else number


def entry_of(pf: Pf, undo: UndoRecord) -> UndoEntry | None:
    """Return what is recorded of a PF, unless another device sat at its address then."""
    entry = undo.entry(_MODULE, str(pf.address))
    return entry if entry is not None and entry.found["id"] == str(pf.function.id) else None


def remembered(undo: UndoRecord, pf: Pf, rule: bytes | None, target: Target) -> UndoRecord:
    """Return the undo record with what is there now, unless what was there first is known."""
    entry = entry_of(pf, undo)
    known = entry is not None and entry.made is not None
    there = _state(pf, num_vfs=pf.num_vfs, autoprobe=pf.autoprobe, rule=rule)
    made = _state(
        pf,
        num_vfs=target.num_vfs,
        autoprobe=target.autoprobe,
        rule=target.rule,
    )
    found = entry.found if entry is not None and known else there
    return undo.with_entry(_MODULE, str(pf.address), UndoEntry(found, made))


def reverted(undo: UndoRecord, pf: Pf) -> UndoRecord:
    """Return the undo record once a PF is back to what was found.

    An entry stays only where that differs from the kernel's defaults, which C(state: absent)
    would otherwise set at its next run.
    """
    entry = entry_of(pf, undo)
    if entry is None or entry.found == _default_state(pf):
        return undo.without_entry(_MODULE, str(pf.address))
    return undo.with_entry(_MODULE, str(pf.address), UndoEntry(entry.found, None))


def _default_state(pf: Pf) -> dict[str, t.Any]:
    """Return what a PF has that nobody has touched."""
    autoprobe = None if pf.autoprobe is None else True
    return _state(pf, num_vfs=0, autoprobe=autoprobe, rule=None)


def _state(
    pf: Pf,
    *,
    num_vfs: int | None,
    autoprobe: bool | None,
    rule: bytes | None,
) -> dict[str, t.Any]:
    return {
        "id": str(pf.function.id),
        "num_vfs": num_vfs,
        "autoprobe": autoprobe,
        "rule": _as_text(rule),
    }


def _as_text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "surrogateescape")
