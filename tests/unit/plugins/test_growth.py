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
    from pathlib import Path
    from types import FrameType

    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

SIZES = (32, 64, 128)
OURS = "hwaccel/virt"


class Lines:
    """Counts the lines of the collection that run, each turn of a loop on one line too."""

    def __init__(self) -> None:
        self.number = 0

    def __enter__(self) -> Lines:
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, _event: str, _argument: object) -> t.Any:
        # What dataclasses have made stands in no file.
        name = frame.f_code.co_filename
        return self._line if OURS in name or name == "<string>" else None

    def _line(self, _frame: FrameType, event: str, _argument: object) -> t.Any:
        self.number += event == "line"
        return self._line


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
    lines = {}
    for size in SIZES:
        root = tmp_path / str(size)
        root.mkdir()
        wanted = options(module, root, trees.build(root, size), one_by_one=one_by_one)
        run_module(module, wanted)
        with Lines() as counted:
            result = run_module(module, wanted)
        assert result["changed"] is False, result
        lines[size] = counted.number
    first, second = lines[64] - lines[32], lines[128] - lines[64]
    assert 0 < second <= 2.1 * first, lines
