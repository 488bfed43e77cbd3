# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which functions a task is about beside those that it names."""

from __future__ import annotations

import typing as t

from .record import is_bound_by_us, recall
from .state import blocks_group, by_group

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .._undo import UndoRecord
    from .wanted import Wanted


def companions(
    wanted: Wanted,
    named: Iterable[PciFunction],
    functions: Mapping[PciAddress, PciFunction],
    undo: UndoRecord,
) -> Iterator[tuple[PciAddress, tuple[str, ...]]]:
    """Yield what is taken along: the rest of a group, or what came along when it is given back."""
    own = {function.address: function for function in named}
    groups = by_group(own.values())
    addresses = {*map(str, own)}
    # Without its own PF a VF is not there either.
    parents = {function.pf for function in own.values()}
    for function in functions.values():
        if function.address in own or function.address in parents or function.is_bridge:
            continue
        known = recall(undo, function)
        came = known.companion_of if known and not known.given_back else ()
        group = groups.get(-1 if function.iommu_group is None else function.iommu_group, ())
        near = tuple(str(each.address) for each in group)
        if wanted.present and near:
            binds = wanted.takes_siblings and (blocks_group(function) or came)
            if binds or (came and not wanted.persistent):
                yield function.address, near
        elif not wanted.present and _goes_back(came, addresses, undo):
            yield function.address, came


def _goes_back(came: Sequence[str], named: set[str], undo: UndoRecord) -> bool:
    """Tell whether the last of the functions is given back that another one came along with."""
    left = [address for address in came if address not in named]
    return len(left) < len(came) and not any(is_bound_by_us(undo, each) for each in left)
