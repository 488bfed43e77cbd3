# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide on licences says what the code does: its tables, and the variables of its examples."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.diagnosis import CHECKS
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.keys import FEATURE_TYPES
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.registry import ENTRIES, ROOTS
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.vgpu_types import (
    OFF_SCREEN,
    ONE_HEAD,
    TYPES,
)

ROOT = Path(__file__).resolve().parents[5]
PAGE = (ROOT / "docs/docsite/rst/guide_licensing.rst").read_text(encoding="utf-8")
SPECS = ROOT / "roles/vgpu_license/meta/argument_specs.yml"
OPTIONS = yaml.safe_load(SPECS.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]


def rows(part: str) -> list[list[str]]:
    """Return the rows of the first table in a part of the page, without its heading."""
    table = part.split(".. list-table::", 1)[1]
    cells: list[list[str]] = []
    for line in table.splitlines()[1:]:
        if line.startswith("   * - "):
            cells.append([line.removeprefix("   * - ")])
        elif line.startswith("     - "):
            cells[-1].append(line.removeprefix("     - "))
        elif line and not line.startswith("   "):
            break
    return cells[1:]


def marked(name: str) -> list[list[str]]:
    start, end = f".. {name}-start", f".. {name}-end"
    return rows(PAGE.split(start, 1)[1].split(end, 1)[0])


def section(title: str) -> list[list[str]]:
    return rows(PAGE.split(f"\n{title}\n---", 1)[1])


def test_registry_values() -> None:
    told = [
        (name, kind, variable, where == "table 5")
        for name, kind, variable, where in marked("registry-values")
    ]
    prefixes = {"hide_page": "vgpu_license_windows_"}
    assert told == [
        (
            f"``{entry.name}``",
            entry.type,
            f"``{prefixes.get(entry.option, 'vgpu_license_')}{entry.option}``",
            entry.in_guide,
        )
        for entry in ENTRIES
    ]
    for root in ROOTS:
        assert f"``{root.replace('HKLM:', 'HKEY_LOCAL_MACHINE')}``" in PAGE


def test_vgpu_types() -> None:
    told = {
        name.strip("`"): (int(memory), heads, resolution, edition)
        for names, memory, heads, resolution, edition in marked("vgpu-types")
        for name in names.split(", ")
    }
    assert told == {
        each.name: (
            each.frame_buffer_mib,
            f"{each.heads}{' (1)' if ONE_HEAD in each.footnotes else ''}",
            f"{each.resolution}{' (2)' if OFF_SCREEN in each.footnotes else ''}",
            each.edition.title.removeprefix("GRID ") if each.edition else None,
        )
        for each in TYPES
        if each.frame_buffer_mib is not None
    }


def test_features_and_checks() -> None:
    features = {word.strip("`"): int(number) for word, number, _use in section("Which feature")}
    assert features == FEATURE_TYPES
    checks = [check.strip("`") for check, *_rest in section("Where no licence comes")]
    assert checks == list(CHECKS)


def test_variables_are_those_of_the_role() -> None:
    named = set(re.findall(r"\bvgpu_license_\w+", PAGE))
    assert named - set(OPTIONS) == set()
    assert set(re.findall(r"vgpu_license_windows_\w+", PAGE)) <= set(OPTIONS)


def test_examples_are_accepted() -> None:
    blocks = re.findall(r"\.\. code-block:: yaml\n\n((?:    .*\n|\n)+)", PAGE)
    given = [item for block in blocks for item in yaml.safe_load(block).items()]
    own = [(name, value) for name, value in given if name.startswith("vgpu_license_")]
    assert own
    kinds = {"str": "str", "int": "int", "bool": "bool", "dict": "dict", "path": "str"}
    for name, value in own:
        option = OPTIONS[name]
        assert value is None or value.__class__.__name__ == kinds[option["type"]]
        assert value in option.get("choices", [value])
