# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of a function: what was found before the first task, and what was made."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import HostError
from .._pci.gone import recorded_places
from .._undo import UNDO_PATH, UndoEntry
from .binding import Binding
from .holders import is_vfio_driver

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._pci.address import PciAddress, PciId
    from .._pci.function import PciFunction
    from .._undo import UndoRecord

_MODULE = "vfio_passthrough"


@dataclass(frozen=True)
class Remembered:
    """What is known of one function.

    Args:
        found: what it had before the first task.
        given_back: whether that was brought back already.
        companion_of: addresses of the functions for whose group it was bound, none for one that
            a task named.
    """

    id: str
    found: Binding
    given_back: bool = False
    companion_of: tuple[str, ...] = ()


def recall(undo: UndoRecord, function: PciFunction) -> Remembered | None:
    """Return what is remembered of the function that is at its address now.

    Raises:
        HostError: when the record is not as this module writes it.
    """
    entry = undo.entry(_MODULE, str(function.address))
    if entry is None or entry.found.get("id") != str(function.id):
        return None
    made = entry.made or {}
    try:
        found = Binding(entry.found["driver"], entry.found["override"])
        companions = tuple(map(str, made.get("companion_of", ())))
    except (KeyError, TypeError) as error:
        message = f"{UNDO_PATH}: the entry of {function.address} is not as this module writes it"
        raise HostError(message) from error
    return Remembered(str(function.id), found, entry.made is None, companions)


def remember(
    undo: UndoRecord,
    function: PciFunction,
    found: Binding,
    made: Binding,
    companion_of: tuple[str, ...],
) -> UndoRecord:
    """Return the record with what a task makes; what was found first stays as it is."""
    known = recall(undo, function)
    if known is not None and not known.given_back:
        found = known.found
        # Named once, a function stands for itself.
        companion_of = companion_of if known.companion_of else ()
    entry = UndoEntry(
        {"id": str(function.id), **_document(found)},
        {**_document(made), "companion_of": list(companion_of)},
    )
    return undo.with_entry(_MODULE, str(function.address), entry)


def forget(undo: UndoRecord, function: PciFunction) -> UndoRecord:
    """Return the record after what was found is back.

    Where a VFIO driver was found, that stays known: a second task without a record would take it.
    """
    known = recall(undo, function)
    if known is None:
        # Of another function that was at the address once, if of any.
        return forget_place(undo, function.address)
    if is_vfio_driver(known.found.driver) or known.found.override is not None:
        found = {"id": known.id, **_document(known.found)}
        return undo.with_entry(_MODULE, str(function.address), UndoEntry(found, None))
    return undo.without_entry(_MODULE, str(function.address))


def forget_place(undo: UndoRecord, address: PciAddress) -> UndoRecord:
    """Return the record without what is remembered of an address."""
    known = undo.entry(_MODULE, str(address))
    return undo if known is None else undo.without_entry(_MODULE, str(address))


def is_bound_by_us(undo: UndoRecord, address: str) -> bool:
    """Tell whether a task has bound what is at an address, and none has given it back."""
    entry = undo.entry(_MODULE, address)
    return entry is not None and entry.made is not None


def remembered_places(undo: UndoRecord) -> Iterator[tuple[PciAddress, PciId]]:
    """Yield where something is remembered, and of which function."""
    return recorded_places(undo, _MODULE)


def _document(binding: Binding) -> dict[str, str | None]:
    return {"driver": binding.driver, "override": binding.override}
