# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What qatlib's policy was before us, what we made of it, and the VFs that were ever chosen."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._errors import HostError
from .._pci.address import PciAddress
from .._undo import UNDO_PATH, UndoEntry
from .unit import UNIT

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from .._undo import UndoRecord
    from .environment import Environment

MODULE: t.Final = "qatlib_service"
_STRANGE = (
    f"{UNDO_PATH}: {MODULE}, {UNIT}: not as this release writes it; move the file away to go on "
    "without it"
)


@dataclass(frozen=True)
class PolicyRecord:
    """What is remembered of the policy.

    Args:
        line: the line that counted before us, None for none.
        file: whether there was a file.
        made: the policy that was set last, None where none was ever set.
    """

    line: str | None = None
    file: bool = True
    made: str | None = None

    def then(self, environment: Environment, policy: int | None) -> PolicyRecord:
        """Return what to remember once a policy is set; None sets none.

        What was found first counts: a policy other than the last one may be left from a task that
        was cut off.
        """
        if policy is None:
            return self
        if self.made is not None:
            return replace(self, made=str(policy))
        line = environment.policy_line
        return PolicyRecord(
            line=None if line is None else line.decode("utf-8", "surrogateescape"),
            file=environment.content is not None,
            made=str(policy),
        )

    def taken_back(self, environment: Environment) -> bytes | None:
        """Return the content without our policy; what others have set since stays."""
        if self.made is None or self.made != environment.policy:
            return environment.content
        line = self.line
        content = environment.with_policy_line(
            None if line is None else line.encode("utf-8", "surrogateescape")
        )
        return content if content or self.file else None


def read_record(undo: UndoRecord) -> PolicyRecord | None:
    """Return what is remembered, None without a record.

    Raises:
        HostError: when the record is not as this module writes it.
    """
    entry = undo.entry(MODULE, UNIT)
    if entry is None:
        return None
    line, file = entry.found.get("line"), entry.found.get("file")
    made = (entry.made or {}).get("policy")
    texts = all(isinstance(text, (str, type(None))) for text in (line, made))
    if not texts or not isinstance(file, bool):
        raise HostError(_STRANGE)
    return PolicyRecord(line, file, made)


def read_vfs(undo: UndoRecord) -> frozenset[PciAddress]:
    """Return the VFs that were chosen at any time since the module first wrote its files.

    The rules name those of the last run alone, while one that an earlier run had chosen may still
    be on VFIO for programs of the host.

    Raises:
        HostError: when the record is not as this module writes it.
    """
    entry = undo.entry(MODULE, UNIT)
    vfs = (entry.made or {}).get("vfs", []) if entry else []
    if not isinstance(vfs, list):
        raise HostError(_STRANGE)
    if not all(isinstance(vf, str) and PciAddress.looks_like(vf) for vf in vfs):
        raise HostError(_STRANGE)
    return frozenset(map(PciAddress.parse, vfs))


def with_record(
    undo: UndoRecord, record: PolicyRecord, vfs: Iterable[PciAddress] = ()
) -> UndoRecord:
    """Return the undo record with what is remembered, and some VFs beside those that it has."""
    found = {"line": record.line, "file": record.file}
    ever = sorted({*read_vfs(undo), *vfs})
    made = {"policy": record.made, "vfs": [str(vf) for vf in ever]}
    return undo.with_entry(MODULE, UNIT, UndoEntry(found, made))
