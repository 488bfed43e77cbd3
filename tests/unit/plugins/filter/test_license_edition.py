# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the guide, typed here once more, and the filter on them."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.filter.license_edition import (
    FilterModule,
    license_edition,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._grid import vgpu_types
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.vgpu_types import (
    OFF_SCREEN,
    ONE_HEAD,
    TYPES,
)

# Type, frame buffer, heads and footnote, resolution and footnote, license: tables 2 to 4.
TABLE = """\
8Q 8192 4 4096x2160 Workstation
4Q 4096 4 4096x2160 Workstation
2Q 2048 4 4096x2160 Workstation
1Q 1024 2 4096x2160 Workstation
0Q 512 2/1 2560x1600 Workstation
1B 1024 4 2560x1600 PC
0B 512 2/1 2560x1600 PC
8A 8192 1 1280x1024/2 Application
4A 4096 1 1280x1024/2 Application
2A 2048 1 1280x1024/2 Application
1A 1024 1 1280x1024/2 Application
"""
EDITIONS = ["application", "pc", "workstation"]


@pytest.mark.parametrize("board", ["M60", "M10", "M6"])
def test_the_tables_of_the_guide(board: str) -> None:
    for line in TABLE.splitlines():
        suffix, memory, heads, resolution, edition = line.split()
        notes = [ONE_HEAD] * heads.endswith("/1") + [OFF_SCREEN] * resolution.endswith("/2")
        found = license_edition(f"{board}-{suffix}")
        title = "Virtual " + edition
        assert found == {
            "type": f"{board}-{suffix}",
            "gpu": f"Tesla {board}",
            "edition": edition.lower(),
            "edition_title": f"GRID {title}",
            "editions": EDITIONS[EDITIONS.index(edition.lower()) :],
            "feature_types": ["vgpu", "vws"],
            "fits": None,
            "frame_buffer_mib": int(memory),
            "heads": int(heads.split("/")[0]),
            "resolution": resolution.split("/")[0],
            "footnotes": notes,
        }
    assert len(TYPES) == 3 * len(TABLE.splitlines())


@pytest.mark.parametrize("name", ["GRID M60-2Q", "NVIDIA GRID m60-2q", " Tesla M60-2Q\n", "M60-2Q"])
def test_the_brand_before_a_type(name: str) -> None:
    assert license_edition(name)["type"] == "M60-2Q"


@pytest.mark.parametrize("name", ["K1", "K2", "GRID K2", "K120Q", "GRID K260Q", "K200"])
def test_boards_that_need_no_license(name: str) -> None:
    found = license_edition(name, "unlicensed")
    assert (found["edition"], found["editions"], found["fits"]) == (None, [], True)
    assert found["gpu"] == f"GRID K{name.split('K')[1][0]}"
    assert license_edition(name, "vws")["fits"] is False


@pytest.mark.parametrize(
    ("feature", "fits"),
    [("vgpu", True), (1, True), ("vws", True), ("2", True), (4, False), ("unlicensed", False)],
)
def test_whether_a_feature_type_fits(feature: object, *, fits: bool) -> None:
    assert license_edition("M60-2Q", feature)["fits"] is fits


@pytest.mark.parametrize(
    "name", ["M60", "M60-3Q", "A40-8Q", "M60-2QX", "K3", "M10-2B", "", None, 5]
)
def test_types_that_the_guide_does_not_have(name: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"is not accepted, use M60-., M10-., M6-. with"):
        license_edition(name)


def test_no_feature_type() -> None:
    with pytest.raises(AnsibleFilterError, match="option feature_type: 3 is not accepted"):
        license_edition("M60-2Q", 3)


def test_ansible_finds_the_filter() -> None:
    assert FilterModule().filters() == {"license_edition": license_edition}


@pytest.mark.parametrize(
    ("at", "value", "told"),
    [
        (1, 4096, "M60-8Q: not what its name says"),
        (4, vgpu_types.EDITIONS[0], "M60-8Q: not what its name says"),
        (5, (OFF_SCREEN,), "M60-8Q: footnote 2"),
        (5, (ONE_HEAD,), "M60-8Q: footnote 1"),
    ],
)
def test_the_table_checks_itself(
    monkeypatch: pytest.MonkeyPatch, at: int, value: object, told: str
) -> None:
    row: list[t.Any] = list(vgpu_types._ROWS[0])
    row[at] = value
    wrong = vgpu_types.VgpuType(f"M60-{row[0]}", "Tesla M60", *row[1:])
    monkeypatch.setattr(vgpu_types, "TYPES", (wrong, *TYPES[1:]))
    with pytest.raises(ValueError, match=told):
        vgpu_types._check()


def test_a_type_that_stands_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgpu_types, "_ROWS", (*vgpu_types._ROWS, vgpu_types._ROWS[0]))
    with pytest.raises(ValueError, match="stands twice"):
        vgpu_types._check()
