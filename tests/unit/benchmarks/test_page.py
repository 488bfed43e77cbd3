# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Goals, the page, the plot, and what is kept of a benchmark."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.benchmarks import __main__ as program
from ansible_collections.hwaccel.virt.tests.benchmarks import store
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import (
    Figure,
    MeasureError,
    Order,
    Outcome,
)
from ansible_collections.hwaccel.virt.tests.benchmarks.page import page
from ansible_collections.hwaccel.virt.tests.benchmarks.plot import Scale, plot
from ansible_collections.hwaccel.virt.tests.benchmarks.spread import Spread
from ansible_collections.hwaccel.virt.tests.benchmarks.texts import REASONS, WAYS
from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import read

if t.TYPE_CHECKING:
    from pathlib import Path

MET = Figure("fast / ping", "8 VFs", Spread(1.2, 1.1, 1.3, 7), 1.25)
MISSED = Figure("slow <module> / ping", "8 VFs", Spread(2.0, 1.9, 2.5, 3), 1.25)
AGAIN = Figure("fast / ping", "32 VFs", Spread(1.4, 1.4, 1.4, 1))
ORDER = Order("task ping, ms", "8 VFs", Spread(1000, 900, 1100, 7))


def entry(*figures: Figure) -> store.Entry:
    return store.Entry(Outcome([*figures], [ORDER]), "2026-01-02", {"QEMU": "version 10"})


def test_page_names_goals_and_what_they_were_measured_on() -> None:
    text = page({"unchanged": entry(MET, MISSED), "payload": entry(AGAIN)})
    rows = text.splitlines()
    assert "| fast / ping | 8 VFs | 1.20 (1.10 to 1.30) | 1.25: met | 7 |" in rows
    assert "| slow <module> / ping | 8 VFs | 2.00 (1.90 to 2.50) | 1.25: missed | 3 |" in rows
    # One value has no quartiles, and figures with one name stand together.
    assert rows.index("| fast / ping | 32 VFs | 1.40 |  | 1 |") == 1 + next(
        number for number, row in enumerate(rows) if row.startswith("| fast / ping | 8 VFs")
    )
    assert "| task ping, ms | 8 VFs | 1000 (900 to 1100) |" in rows
    assert "| QEMU | version 10 |" in rows
    assert "| *payload* | 2026-01-02 |" in rows
    assert REASONS["unchanged"] in text
    assert REASONS["payload"] not in text
    assert "![Figures as shares of their goals](benchmarks.svg)" in rows
    assert not any(line.endswith(" ") for line in rows)
    assert "\n\n\n" not in text


def test_page_without_anything_missed_says_so() -> None:
    assert "Every goal that was measured is met." in page({"peers": entry(MET)})


def test_every_benchmark_is_described() -> None:
    assert set(program.BENCHMARKS) == set(WAYS)
    assert set(REASONS) <= set(WAYS)


def test_plot_has_a_mark_left_of_the_goal_for_what_is_met() -> None:
    root = read(plot([MET, MISSED, AGAIN]))
    marks = root.findall("circle")
    assert [mark.get("class") for mark in marks] == ["met", "missed"]
    (goal,) = (line for line in root.findall("line") if line.get("class") == "goal")
    met, missed = (float(mark.get("cx", 0)) for mark in marks)
    assert met < float(goal.get("x1", 0)) < missed
    assert "slow <module> / ping, 8 VFs" in [text.text for text in root.findall("text")]


@pytest.mark.parametrize(
    ("shares", "ticks"),
    [([0.5, 2], [0.3, 1, 3]), ([1], [1]), ([], [1]), ([0.0001, 900], list(range(10)))],
)
def test_scale_has_every_share_and_the_goal(shares: list[float], ticks: list[float]) -> None:
    scale = Scale.over(shares)
    assert len(scale.ticks()) == len(ticks)
    places = [scale.at(share) for share in sorted([*shares, 1])]
    assert places == sorted(places)


def test_what_was_found_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_rounds: int) -> Outcome:
        raise MeasureError("the machine has gone")

    rounds: list[int] = []

    def find(number: int) -> Outcome:
        rounds.append(number)
        return Outcome([MET], [ORDER])

    monkeypatch.setattr(program, "versions", lambda **_which: {"QEMU": "version 10"})
    monkeypatch.setitem(program.BENCHMARKS, "peers", find)
    monkeypatch.setitem(program.BENCHMARKS, "growth", find)
    assert program.attempt(["peers"], None, tmp_path) == []
    monkeypatch.setitem(program.BENCHMARKS, "peers", fail)
    assert program.attempt(["peers", "growth"], 2, tmp_path) == ["peers"]
    assert rounds == [program.ROUNDS["peers"], 2]
    kept = store.load(tmp_path / "benchmarks.json")
    # In the order of the page, whatever was measured first.
    assert list(kept) == ["growth", "peers"]
    assert kept["peers"].outcome == Outcome([MET], [ORDER])
    assert kept["peers"].measured_on == {"QEMU": "version 10"}
    assert (tmp_path / "benchmarks.md").read_text(encoding="utf-8") == page(kept)


def test_nothing_was_found_yet(tmp_path: Path) -> None:
    assert store.load(tmp_path / "benchmarks.json") == {}
