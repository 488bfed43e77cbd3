# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to faults has every test of them, with what runs it, and none that there is not."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
FIXTURES, PARTS = "tests/faults", "molecule/faults/tasks"
CELLS = re.compile(r"^     - ", re.MULTILINE)
TABLE = re.compile(r"^\.\. faults-start\n(.*?)^\.\. faults-end$", re.DOTALL | re.MULTILINE)
ALWAYS, AT_LENGTH = "``make test``", "``make faults``"


@dataclass(frozen=True)
class Row:
    """A fault, the tests that show it, and the cell that says what runs them."""

    fault: str
    tests: tuple[str, ...]
    run_by: str


@cache
def rows() -> tuple[Row, ...]:
    page = (ROOT / "docs/docsite/rst/guide_faults.rst").read_text(encoding="utf-8")
    found = []
    for table in TABLE.findall(page):
        for row in re.split(r"^   \* - ", table, flags=re.MULTILINE)[2:]:
            cells = [" ".join(cell.split()) for cell in CELLS.split(row)]
            fault, made, happens, shown, run_by = cells
            assert made, fault
            assert happens, fault
            found.append(Row(fault, tuple(re.findall(r"``(.*?)``", shown)), run_by))
    return tuple(found)


def named() -> dict[str, Row]:
    return {test: row for row in rows() for test in row.tests}


def fixture_tests() -> dict[str, set[str]]:
    """Return what each test of faults on fixtures asks for, by file and name."""
    return {
        f"{FIXTURES}/{file.name}::{node.name}": {
            each.arg for each in (*node.args.args, *node.args.kwonlyargs)
        }
        for file in (ROOT / FIXTURES).glob("test_*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def parts(which: str) -> list[str]:
    """Return parts of the scenario: C(faults_chosen) always run, C(faults_more) do not."""
    (play,) = yaml.safe_load((ROOT / "molecule/faults/converge.yml").read_text(encoding="utf-8"))
    return [f"{PARTS}/{name}.yml" for name in play["vars"][which]]


def all_parts() -> list[str]:
    return [*parts("faults_chosen"), *parts("faults_more")]


def test_every_row_is_shown_by_tests_that_there_are() -> None:
    known = fixture_tests()
    assert len(rows()) > 20
    for row in rows():
        assert row.tests, row.fault
        for test in row.tests:
            assert (ROOT / test).is_file() or test in known, test
    assert sum(len(row.tests) for row in rows()) == len(named())


def test_every_test_of_faults_is_in_a_row() -> None:
    tests = {test for test in fixture_tests() if test.partition("::")[0] not in named()}
    assert {*tests, *all_parts()} - named().keys() == set()


def test_every_part_of_the_scenario_runs_or_is_part_of_one() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / PARTS).glob("*.yml")]
    for path in (ROOT / PARTS).glob("*.yml"):
        included = any(f"include_tasks: {path.name}" in text for text in texts)
        assert included or f"{PARTS}/{path.name}" in all_parts(), path.name


def test_what_runs_them_is_told() -> None:
    more, asked = parts("faults_more"), fixture_tests()
    for test, row in named().items():
        has_more = any(
            {"moments", "every"} & wants for name, wants in asked.items() if name.startswith(test)
        )
        assert row.run_by.startswith(AT_LENGTH if test in more else ALWAYS), test
        assert test in all_parts() or (AT_LENGTH in row.run_by) == has_more, test
