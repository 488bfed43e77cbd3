# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of a PF: what was found before the first change, and what was made of it."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, field, replace

from .._errors import HostError
from .._pci.gone import recorded_places
from .._undo import UNDO_PATH, UndoEntry
from .._vfio.binding import Binding
from .rules import SriovRule

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._pci.address import PciAddress, PciId
    from .._undo import UndoRecord
    from .observe import Pf, Vf
    from .target import Target

_MODULE = "qat_sriov"


@dataclass(frozen=True)
class SriovRecord:
    """A state of a PF, as the undo record keeps it.

    Args:
        id: of the device that was at the address then.
        host_vfs: how many VFs, from the first on, the host keeps.
        services: None where they are left alone; so it is with C(auto_reset).
        autoprobe: None on kernels without it.
        rule: content of the file of its udev rules, None without.
        overrides: C(driver_override) by the address of a VF, where one was set.
        drivers: by the address of a VF, where it had one.
        vfs_changed: whether a task made VFs anew or gave some back, without what they had first.
    """

    id: str
    num_vfs: int
    host_vfs: int
    services: tuple[str, ...] | None
    auto_reset: bool | None
    autoprobe: bool | None
    rule: bytes | None
    overrides: dict[str, str] = field(default_factory=dict)
    drivers: dict[str, str] = field(default_factory=dict)
    vfs_changed: bool = False

    @classmethod
    def of(cls, pf: Pf, rule: bytes | None) -> SriovRecord:
        """Return what a PF has now."""
        there, native = pf.service_state, pf.family.vf_driver
        kept = [vf.reserved and vf.driver == native for vf in pf.vfs]
        return cls(
            id=str(pf.function.id),
            num_vfs=pf.num_vfs or 0,
            host_vfs=[*kept, False].index(False),
            services=there.services if there else None,
            auto_reset=there.auto_reset if there else None,
            autoprobe=pf.autoprobe,
            rule=rule,
            overrides={str(vf.address): vf.override for vf in pf.vfs if vf.override},
            drivers={str(vf.address): vf.driver for vf in pf.vfs if vf.driver},
        )

    @classmethod
    def default(cls, pf: Pf) -> SriovRecord:
        """Return what a PF has that nobody has touched; what its driver chooses is left alone."""
        autoprobe = None if pf.autoprobe is None else True
        return cls(str(pf.function.id), 0, 0, None, None, autoprobe, None)

    @classmethod
    def wanted(cls, pf: Pf, target: Target) -> SriovRecord:
        """Return what a PF is to have."""
        return cls(
            id=str(pf.function.id),
            num_vfs=target.num_vfs,
            host_vfs=target.host_vfs,
            services=target.services,
            auto_reset=target.auto_reset,
            autoprobe=target.autoprobe,
            rule=target.rule,
            vfs_changed=target.remakes(pf) or bool(target.given_back),
        )

    @classmethod
    def parse(cls, document: dict[str, t.Any]) -> SriovRecord:
        """Parse what C(as_document) gave."""
        services, rule = document["services"], document["rule"]
        return cls(
            id=document["id"],
            num_vfs=document["num_vfs"],
            host_vfs=document["host_vfs"],
            services=None if services is None else tuple(services),
            auto_reset=document["auto_reset"],
            autoprobe=document["autoprobe"],
            rule=None if rule is None else rule.encode("utf-8", "surrogateescape"),
            overrides=document["overrides"],
            drivers=document["drivers"],
            vfs_changed=document["vfs_changed"],
        )

    def as_document(self) -> dict[str, t.Any]:
        """Return it as the file has it."""
        rule = None if self.rule is None else self.rule.decode("utf-8", "surrogateescape")
        return {**asdict(self), "rule": rule}

    def only_what(self, made: SriovRecord) -> SriovRecord:
        """Return it without what a task may leave alone and has left alone."""
        return replace(
            self,
            services=None if made.services is None else self.services,
            auto_reset=None if made.auto_reset is None else self.auto_reset,
        )

    def with_earlier(self, made: SriovRecord) -> SriovRecord:
        """Return it with what an earlier run set and this one leaves alone."""
        return replace(
            self,
            services=made.services if self.services is None else self.services,
            auto_reset=made.auto_reset if self.auto_reset is None else self.auto_reset,
            vfs_changed=made.vfs_changed or self.vfs_changed,
        )

    def former(self, vf: Vf) -> Binding:
        """Return what a VF had."""
        return Binding(self.drivers.get(str(vf.address)), self.overrides.get(str(vf.address)))

    def without_vfs(self) -> SriovRecord:
        """Return it without what it tells of single VFs."""
        return replace(self, overrides={}, drivers={})


@dataclass(frozen=True)
class Remembered:
    """What was found at a PF, and what was made of it: None once it is back to what was found."""

    found: SriovRecord
    made: SriovRecord | None

    def to_revert(self) -> SriovRecord:
        """Return what to bring back: what was found, where a task changed it."""
        return self.found if self.made is None else self.found.only_what(self.made)


def entry_of(pf: Pf, undo: UndoRecord) -> Remembered | None:
    """Return what is recorded of a PF, unless another device sat at its address then."""
    entry = undo.entry(_MODULE, str(pf.address))
    if entry is None or entry.found.get("id") != str(pf.function.id):
        return None
    try:
        made = None if entry.made is None else SriovRecord.parse(entry.made)
        return Remembered(SriovRecord.parse(entry.found), made)
    except (KeyError, TypeError, AttributeError) as error:
        message = (
            f"{UNDO_PATH}: {_MODULE}, {pf.address}: not as this release writes it ({error!r}); "
            "move the file away to go on without it"
        )
        raise HostError(message) from error


def remembered(undo: UndoRecord, pf: Pf, rule: bytes | None, target: Target) -> UndoRecord:
    """Return the undo record with what is there now, unless what was there first is known."""
    entry = entry_of(pf, undo)
    found, made = SriovRecord.of(pf, rule), SriovRecord.wanted(pf, target)
    standing = SriovRule.parse(rule or b"")
    if standing is not None:
        # Ours, so its record was lost: what came by it is not what was there before us.
        ours = entry is None and standing.id == pf.function.id
        found = SriovRecord.default(pf) if ours else replace(found, rule=None)
    if entry is not None and entry.made is not None:
        found, made = entry.found, made.with_earlier(entry.made)
    return _with(undo, pf, found, made)


def reverted(undo: UndoRecord, pf: Pf) -> UndoRecord:
    """Return the undo record once a PF is back to what was found.

    An entry stays only where that differs from the kernel's defaults, which C(state: absent)
    would otherwise set at its next run.
    """
    entry, default = entry_of(pf, undo), SriovRecord.default(pf)
    if entry is None or entry.found.only_what(default).without_vfs() == default:
        return undo.without_entry(_MODULE, str(pf.address))
    return _with(undo, pf, entry.found, None)


def remembered_places(undo: UndoRecord) -> Iterator[tuple[PciAddress, PciId]]:
    """Yield where something is remembered, and of which PF."""
    return recorded_places(undo, _MODULE)


def former_rule(undo: UndoRecord, address: PciAddress, rule: bytes | None) -> bytes | None:
    """Return the rules that a PF is to have which is gone: those from before us, of any content.

    Args:
        rule: those that stand now, which are an operator's where they are not ours.
    """
    entry = undo.entry(_MODULE, str(address))
    if entry is None or entry.made is None:
        return None if SriovRule.parse(rule or b"") else rule
    former = entry.found.get("rule")
    return former.encode("utf-8", "surrogateescape") if isinstance(former, str) else None


def forget_place(undo: UndoRecord, address: PciAddress) -> UndoRecord:
    """Return the undo record without what is remembered of an address."""
    return undo.without_entry(_MODULE, str(address))


def _with(
    undo: UndoRecord,
    pf: Pf,
    found: SriovRecord,
    made: SriovRecord | None,
) -> UndoRecord:
    entry = UndoEntry(found.as_document(), None if made is None else made.as_document())
    return undo.with_entry(_MODULE, str(pf.address), entry)
