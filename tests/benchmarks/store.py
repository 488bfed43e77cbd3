# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was found by each benchmark, kept so that one of them can be repeated alone."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.hwaccel.virt.tests.benchmarks.figures import Outcome

if t.TYPE_CHECKING:
    from pathlib import Path


class Entry(t.NamedTuple):
    """One benchmark: what it has found, when, and on what."""

    outcome: Outcome
    date: str
    measured_on: dict[str, str]


def load(path: Path) -> dict[str, Entry]:
    """Return what stands in the file, nothing where there is none."""
    if not path.exists():
        return {}
    return {
        name: Entry(Outcome.parse(entry), entry["date"], entry["measured_on"])
        for name, entry in json.loads(path.read_text(encoding="utf-8")).items()
    }


def save(path: Path, entries: dict[str, Entry]) -> None:
    """Write the file, a line a figure, so that a change of one can be seen."""
    blocks = []
    for name, entry in entries.items():
        document = entry.outcome.as_document()
        lists = [
            f'"{key}": [\n' + ",\n".join(f"   {json.dumps(each)}" for each in values) + "\n  ]"
            for key, values in document.items()
        ]
        head = (
            f'"date": {json.dumps(entry.date)},\n  "measured_on": {json.dumps(entry.measured_on)}'
        )
        blocks.append(f' "{name}": {{\n  {head},\n  ' + ",\n  ".join(lists) + "\n }")
    path.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")
