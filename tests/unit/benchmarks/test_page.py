# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Figures, goals and the page."""

from __future__ import annotations

from ansible_collections.hwaccel.virt.tests.benchmarks.figures import (
    GOALS,
    Measured,
    figures,
    milliseconds,
)
from ansible_collections.hwaccel.virt.tests.benchmarks.page import page

ROUND = {"module": 2.0, "ping": 1.0, "refused": 1.5, "driverctl": 4.0, "shell": 1.0, "python": 0.1}
WHOLE = Measured(8, {"vfio_passthrough": [(1.2, 1.0)] * 3, "qat_sriov": [(2.0, 1.0)]}, [ROUND] * 4)
WITHOUT = Measured(32, {"qat_sriov": [(3.0, 1.0)]}, [{"ping": 1.0, "driverctl": 8.0}])


def test_every_goal_has_its_figure() -> None:
    found = {(f.name, f.vfs) for n in (8, 32) for f in figures(WHOLE._replace(vfs=n))}
    assert set(GOALS) <= found


def test_what_is_divided_by_what() -> None:
    ratio = {figure.name: figure.ratio.median for figure in figures(WHOLE)}
    assert ratio == {
        "unchanged vfio_passthrough / ping": 1.2,
        "unchanged qat_sriov / ping": 2,
        "binding by the module / driverctl": 0.5,
        "binding by the module / shell loop": 2,
        "the same without what an empty module costs / driverctl": 0.25,
        "the same without what an empty module costs / shell loop": 1,
        "the same without start, imports and options / driverctl": 0.125,
        "the same without start, imports and options / shell loop": 0.5,
        "an empty module (ping) / driverctl": 0.25,
        "an empty module (ping) / shell loop": 1,
    }


def test_what_was_not_measured_has_no_figure() -> None:
    assert [(f.name, f.goal) for f in figures(WITHOUT)] == [
        ("unchanged qat_sriov / ping", None),
        ("an empty module (ping) / driverctl", None),
    ]


def test_orders_of_magnitude_are_milliseconds() -> None:
    assert {name: value.median for name, value in milliseconds(WITHOUT).items()} == {
        "task ping": 1000,
        "task qat_sriov, unchanged": 3000,
        "on the host: ping": 1000,
        "on the host: driverctl": 8000,
    }


def test_page_names_goals_and_what_is_emulated() -> None:
    text = page([WHOLE, WITHOUT], {"QEMU": "version 10"}, "2026-01-02")
    assert "on 2026-01-02" in text
    assert "(TCG)" in text
    rows = text.splitlines()
    assert "| unchanged vfio_passthrough / ping | 8 | 1.20 (1.20 to 1.20) | 1.25: met | 3 |" in rows
    assert (
        "| binding by the module / driverctl | 8 | 0.50 (0.50 to 0.50) | 0.25: missed | 4 |" in rows
    )
    assert "| on the host: shell | 1000 (1000 to 1000) |  |" in rows
    assert "| QEMU | version 10 |" in rows
    assert not any(line.endswith(" ") for line in rows)
    assert "\n\n\n" not in text
