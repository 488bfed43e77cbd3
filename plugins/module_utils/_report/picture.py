# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the VFs of a PF are drawn and listed, small enough for a page of many hosts."""

from __future__ import annotations

import typing as t

from .fleet import USES, Result

if t.TYPE_CHECKING:
    from collections.abc import Sequence

_COLUMNS: t.Final = 16
_STEP: t.Final = 12
_SIZE: t.Final = 10
# Each use has a shape of its own, which tells it without colour: a full square, a triangle, a
# frame, a dot. They start in the upper left corner of their cell.
_SHAPES: t.Final = {
    "held": "h10v10h-10z",
    "host": "m0 10l5-10 5 10z",
    "free": "h10v10h-10zm2 2v6h6v-6z",
    "unbound": "m3 3h4v4h-4z",
}


def picture(vfs: Sequence[Result]) -> Result:
    """Return C(width), C(height), C(text) and one SVG path by use, not an element for each VF."""
    paths: dict[str, list[str]] = {}
    for index, vf in enumerate(vfs):
        row, column = divmod(index, _COLUMNS)
        start = f"M{column * _STEP} {row * _STEP}{_SHAPES[vf['use']]}"
        paths.setdefault(vf["use"], []).append(start)
    rows = -(-len(vfs) // _COLUMNS)
    used = [use for use in USES if use in paths]
    return {
        "width": min(len(vfs), _COLUMNS) * _STEP - (_STEP - _SIZE),
        "height": rows * _STEP - (_STEP - _SIZE),
        "text": ", ".join(f"{len(paths[use])} {use}" for use in used),
        "paths": [{"use": use, "path": "".join(paths[use])} for use in used],
    }


def rows(vfs: Sequence[Result]) -> list[Result]:
    """Return VFs of the same use, driver and holder as one row each, by use and address."""
    found: dict[tuple[str, str, str], list[Result]] = {}
    for vf in vfs:
        key = (vf["use"], vf["driver"] or "", holder_text(vf["holder"]))
        found.setdefault(key, []).append(vf)
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
    return f"{holder['kind']} {holder['name']}{running}"
