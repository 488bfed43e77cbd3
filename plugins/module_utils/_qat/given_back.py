# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which VFs get back the driver and the override that they had before a task of ours."""

from __future__ import annotations

import typing as t

from .._vfio.binding import Binding
from .rules import SriovRule

if t.TYPE_CHECKING:
    from .observe import Pf
    from .record import Remembered, SriovRecord
    from .target import Place, Target


def given_up(pf: Pf, target: Target, found: SriovRecord, kept: int) -> dict[Place, Binding]:
    """Return the VFs that an earlier task kept and this one does not: others may have them."""
    if target.remakes(pf):
        return {}
    result: dict[Place, Binding] = {}
    for vf in pf.vfs[target.host_vfs : kept]:
        override = found.overrides.get(str(vf.address))
        stays = vf.driver != pf.family.vf_driver or target.autoprobe
        former = Binding(override or (vf.driver if stays else None), override)
        # Those that an operator had reserved before us stay as they are.
        if vf.reserved and override != vf.override:
            result[vf.address] = former
    return result


def as_found(
    pf: Pf, target: Target, found: SriovRecord, kept: int, *, changed: bool
) -> dict[Place, Binding]:
    """Return the VFs that tasks have changed; what others did to a VF since then stays."""
    result: dict[Place, Binding] = {}
    for index, vf in enumerate(pf.vfs[target.host_vfs :], target.host_vfs):
        plain = vf.override is None and vf.driver in (None, pf.family.vf_driver)
        ours = (index < kept and vf.reserved) or (changed and plain)
        if ours and vf.binding != (former := found.former(vf)):
            result[vf.address] = former
    return result


def made_as_found(pf: Pf, target: Target, found: SriovRecord) -> dict[Place, Binding]:
    """Return the VFs that do not come up as they were found, when they are made anew."""
    if pf.autoprobe is None:
        # What driver they come up with cannot be told.
        return {}
    made = target.vfs(pf)
    native = pf.family.vf_driver if target.autoprobe else None
    former = {vf.address: found.former(vf) for vf in made}
    if all(was == Binding(native, None) for was in former.values()):
        return {}
    others = [vf.address for vf in made[target.host_vfs :]]
    return {at: former[at] for at in others if former[at] != Binding(None, None)}


def kept_by_us(rule: bytes | None, entry: Remembered | None) -> int:
    """Return how many VFs an earlier task kept for the host; an operator's own do not count."""
    standing = SriovRule.parse(rule or b"")
    recorded = entry.made.host_vfs if entry and entry.made else 0
    return max(recorded, len(standing.host_vfs.addresses) if standing and standing.host_vfs else 0)
