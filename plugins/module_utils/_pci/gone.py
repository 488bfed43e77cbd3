# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions that rules or records of ours are about, and that are not at their place any more."""

from __future__ import annotations

import typing as t

from .address import PciAddress, PciId
from .function import PciFunction

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .._undo import UndoRecord

    Place = tuple[PciAddress, PciId]


def recorded_places(undo: UndoRecord, module: str) -> Iterator[Place]:
    """Yield where a module has recorded something, and of which function."""
    for text, entry in undo.modules.get(module, {}).items():
        pci_id = str(entry.found.get("id"))
        if PciAddress.looks_like(text) and PciId.looks_like(pci_id):
            yield PciAddress.parse(text), PciId.parse(pci_id)


def gone_functions(
    functions: Mapping[PciAddress, PciFunction], places: Iterable[Place]
) -> tuple[PciFunction, ...]:
    """Return what is not there any more, sorted; whatever sits there now is none of it.

    Args:
        places: where something of ours stands, and for which function; one of those of an address
            that is still there is the one that counts.
    """
    ids: dict[PciAddress, list[PciId]] = {}
    for address, pci_id in places:
        known = ids.setdefault(address, [])
        known += [pci_id] if pci_id not in known else []
    return tuple(
        PciFunction(address, pci_id, class_code=0)
        for address, known in sorted(ids.items())
        if address not in functions or functions[address].id not in known
        for pci_id in known
    )
