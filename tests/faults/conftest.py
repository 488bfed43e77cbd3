# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of faults share: how many moments they try, and machines to try them on.

pytest may load this before pytest-ansible has made the collection importable, so that it is
imported where it is used.
"""

from __future__ import annotations

import importlib
import typing as t

import pytest

if t.TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.hwaccel.virt.tests.faults.bench import Bench, Scenario
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

_UNIT = "ansible_collections.hwaccel.virt.tests.unit.plugins"
# In a run of all tests.
_FIXED_CHOICE = 2


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every", action="store_true", help="try faults at every moment, not at a fixed choice"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "thorough: left out of a fixed choice")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is much like something else out of a fixed choice."""
    if config.getoption("--every"):
        return
    left_out = [item for item in items if item.get_closest_marker("thorough")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


class MakeBench(t.Protocol):
    """What lays a machine for a scenario."""

    def __call__(self, scenario: Scenario) -> Bench:
        """Lay it."""


class Choose(t.Protocol):
    """What chooses some of the moments at which there can be a fault."""

    def __call__(self, count: int, most: int = _FIXED_CHOICE) -> list[int]:
        """Return some of the numbers from 1 on, the first and the last among them, or all."""


@pytest.fixture
def make_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> MakeBench:
    def make(scenario: Scenario) -> Bench:
        bench = importlib.import_module("ansible_collections.hwaccel.virt.tests.faults.bench")
        return t.cast("Bench", bench.Bench(scenario, tmp_path, monkeypatch, capsys))

    return make


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    module = importlib.import_module(f"{_UNIT}.machine")
    return t.cast("Machine", module.Machine(tmp_path / "root"))


@pytest.fixture
def run_module(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> ModuleRunner:
    module = importlib.import_module(f"{_UNIT}.runner")
    return t.cast("ModuleRunner", module.ModuleRunner(machine, monkeypatch, capsys))


@pytest.fixture
def every(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--every"))


@pytest.fixture
def moments(*, every: bool) -> Choose:
    def choose(count: int, most: int = _FIXED_CHOICE) -> list[int]:
        if every or count <= most:
            return list(range(1, count + 1))
        return sorted({1 + round(step * (count - 1) / (most - 1)) for step in range(most)})

    return choose
