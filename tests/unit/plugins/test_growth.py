# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules do on larger hosts: counted in lines that run, which are the same each time."""

from __future__ import annotations

import sys
import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.benchmarks import growth, trees

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner, Result

SIZES = (32, 64, 128)
OURS = "hwaccel/virt"


def lines_of(work: Callable[[], object]) -> int:
    """Return how many lines of the collection run, each turn of a loop on one line too."""
    number = 0

    def called(frame: FrameType, _event: str, _argument: object) -> t.Any:
        return line if OURS in frame.f_code.co_filename else None

    def line(_frame: FrameType, event: str, _argument: object) -> t.Any:
        nonlocal number
        number += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(called)
    try:
        work()
    finally:
        sys.settrace(before)
    return number


def options(module: str, root: Path, vfs: list[str], *, one_by_one: bool) -> dict[str, t.Any]:
    found = trees.options(module, root, vfs)
    return {**found, "devices": vfs} if one_by_one else found


@pytest.mark.parametrize(
    ("module", "one_by_one"),
    [*((module, False) for module in growth.MODULES), ("vfio_passthrough", True)],
)
def test_work_grows_as_the_functions_do(
    module: str, tmp_path: Path, run_module: ModuleRunner, *, one_by_one: bool
) -> None:
    def lines_at(size: int) -> int:
        root = tmp_path / str(size)
        root.mkdir()
        wanted = options(module, root, trees.build(root, size), one_by_one=one_by_one)
        run_module(module, wanted)
        results: list[Result] = []
        lines = lines_of(lambda: results.append(run_module(module, wanted)))
        assert results[0]["changed"] is False, results
        return lines

    small, middle, large = map(lines_at, SIZES)
    assert 0 < large - middle <= 2.1 * (middle - small), (small, middle, large)
