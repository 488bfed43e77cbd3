# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the functions of a host are drawn and listed, small enough for a page of many hosts."""

from __future__ import annotations

import typing as t

from .fleet import USES, Result

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_COLUMNS: t.Final = 16
_STEP: t.Final = 12
_SIZE: t.Final = 10
# Guests beyond these share a colour; the list below the picture names each.
_COLOURS: t.Final = 6
# Some network cards can have hundreds of VFs. What is not made is drawn up to here.
_MOST_CELLS: t.Final = 32
# Each use has a shape of its own, which tells it without colour: a full square, a triangle, a
# frame, a diamond. They start in the upper left corner of their cell.
_SHAPES: t.Final = {
    "held": "h10v10h-10z",
    "host": "m0 10l5-10 5 10z",
    "free": "h10v10h-10zm2 2v6h6v-6z",
    "unbound": "m5 1l4 4-4 4-4-4z",
}
_NOT_MADE: t.Final = "m4 4h2v2h-2z"


def colours(devices: Iterable[Result]) -> dict[str, int]:
    """Return a colour for each who holds something on a host, the same on all of its PFs."""
    functions = [each for device in devices for each in (device, *device.get("vfs", ()))]
    names = sorted({_name(each["holder"]) for each in functions if each["use"] == "held"})
    return {name: index % _COLOURS for index, name in enumerate(names)}


def picture(
    functions: Sequence[Result],
    colour_of: Mapping[str, int] | None = None,
    possible: int | None = 0,
) -> Result:
    """Return C(width), C(height), C(text) and C(paths), one SVG path for all that are alike.

    Args:
        functions: they are drawn in their order.
        colour_of: the colours of those who hold them.
        possible: how many there could be.
    """
    paths: dict[tuple[str, str, str], list[str]] = {}
    colour: dict[str, int | None] = {}
    for index, function in enumerate(functions):
        paths.setdefault(_key(function), []).append(_cell(index) + _SHAPES[function["use"]])
        if function["use"] == "held":
            holder = function["holder"]
            colour[holder_text(holder)] = (colour_of or {}).get(_name(holder))
    cells = max(len(functions), min(possible or 0, _MOST_CELLS))
    drawn = [
        {
            "use": use,
            "colour": colour.get(holder),
            "text": _text(len(parts), use, driver, holder),
            "path": "".join(parts),
        }
        for (use, driver, holder), parts in sorted(paths.items(), key=_by_use)
    ]
    if cells > len(functions):
        path = "".join(_cell(index) + _NOT_MADE for index in range(len(functions), cells))
        missing = (possible or 0) - len(functions)
        text = f"{missing} not made"
        drawn.append({"use": "missing", "colour": None, "text": text, "path": path})
    rows_drawn = -(-cells // _COLUMNS)
    return {
        "width": max(min(cells, _COLUMNS) * _STEP - (_STEP - _SIZE), 0),
        "height": max(rows_drawn * _STEP - (_STEP - _SIZE), 0),
        "text": "; ".join(str(part["text"]) for part in drawn),
        "paths": drawn,
    }


def drawing(device: Result, colour_of: Mapping[str, int]) -> Result:
    """Return the picture of a device: its VFs, those not made too, or itself where it has none."""
    # Whole network cards are seldom given away in VFs, and a PF of a guest has none.
    possible = device["total_vfs"] if (device["kind"], device["use"]) == ("qat_pf", "host") else 0
    if device["vfs"] or possible:
        return picture(device["vfs"], colour_of, possible)
    return picture([device], colour_of)


def rows(vfs: Sequence[Result]) -> list[Result]:
    """Return VFs of the same use, driver and holder as one row each, by use and address."""
    found: dict[tuple[str, str, str], list[Result]] = {}
    for vf in vfs:
        found.setdefault(_key(vf), []).append(vf)
    return [
        {"use": use, "driver": driver, "holder": holder, "vfs": alike}
        for (use, driver, holder), alike in sorted(
            found.items(), key=lambda item: (USES.index(item[0][0]), item[1][0]["address"])
        )
    ]


def holder_text(holder: Result | None) -> str:
    """Return who holds a function, empty where nobody does but its driver."""
    if not holder or holder["kind"] == "driver":
        return ""
    running = f" (pid {holder['pid']})" if holder.get("pid") else ", not running"
    return _name(holder) + running


def _name(holder: Result) -> str:
    return f"{holder['kind']} {holder['name']}"


def _key(function: Result) -> tuple[str, str, str]:
    return function["use"], function["driver"] or "", holder_text(function["holder"])


def _by_use(item: tuple[tuple[str, str, str], object]) -> tuple[int, tuple[str, str, str]]:
    return USES.index(item[0][0]), item[0]


def _cell(index: int) -> str:
    row, column = divmod(index, _COLUMNS)
    return f"M{column * _STEP} {row * _STEP}"


def _text(count: int, use: str, driver: str, holder: str) -> str:
    if use == "held":
        return f"{count} held by {holder}"
    if use == "unbound":
        return f"{count} without a driver"
    return f"{count} {'used by the host' if use == 'host' else 'free'}, driver {driver}"
