# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that are killed (SIGKILL) at each of their changes: nothing half, a rerun finishes."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

import pytest
from ansible_collections.hwaccel.virt.tests.faults.bench import halves, is_temporary
from ansible_collections.hwaccel.virt.tests.faults.scenarios import ALL

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.faults.bench import Bench, Course, Files, Scenario
    from ansible_collections.hwaccel.virt.tests.faults.conftest import Choose, MakeBench
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import Result

_THERE_AND_BACK = [*ALL, *(each.way_back() for each in ALL if each.back is not None)]
# Boot loaders that stand for all of them.
_LOADERS = ("-debian", "-rhel9-bls", "-proxmox-systemd-boot", "-fedora-silverblue")


def _case(scenario: Scenario) -> object:
    tree = scenario.name.removesuffix("-absent")
    like_others = tree.startswith("iommu_kernel_arg-") and not tree.endswith(_LOADERS)
    return pytest.param(scenario, marks=[pytest.mark.thorough] if like_others else [])


@dataclass(frozen=True)
class _Story:
    """How a task goes that nobody stops.

    Args:
        gone: the files after the way back as well.
    """

    start: Files
    end: Files
    gone: Files
    devices: dict[str, tuple[object, ...]]
    devices_gone: dict[str, tuple[object, ...]]
    course: Course


def _story(bench: Bench) -> _Story:
    """Let a task end, and go back."""
    scenario, start, found = bench.scenario, bench.own_files(), bench.devices()
    course = bench.stop_at(0)
    end, devices = bench.own_files(), bench.devices()
    assert (end, devices) != (start, found)
    assert not [*filter(is_temporary, end)]
    if scenario.back is not None:
        _run(bench, back=True)
        gone = bench.own_files()
        others = {path for path in {*gone, *start} if not path.startswith(scenario.kept or "/")}
        assert {path: gone.get(path) for path in others} == {
            path: start.get(path) for path in others
        }
    story = _Story(start, end, bench.own_files(), devices, bench.devices(), course)
    bench.restart()
    return story


def _run(bench: Bench, *, check: bool = False, back: bool = False) -> Result:
    result = bench.run(bench.scenario.back if back else None, check=check)
    assert "failed" not in result, result["msg"]
    return result


def _told(result: Result, untold: tuple[str, ...]) -> Result:
    return {key: each for key, each in result.items() if key not in ("invocation", *untold)}


@pytest.mark.parametrize("scenario", [*map(_case, _THERE_AND_BACK)], ids=str)
def test_a_module_that_is_killed(
    scenario: Scenario, make_bench: MakeBench, moments: Choose
) -> None:
    bench = make_bench(scenario)
    story = _story(bench)
    for moment in moments(story.course.changes, 3):
        bench.restart()
        bench.stop_at(moment)
        _check_whole(bench, story)
        _check_rerun(bench, story)


def _check_whole(bench: Bench, story: _Story) -> None:
    """See that every file is the old one or the new one, to the byte."""
    assert halves(bench.own_files(), story.course, story.start, story.end) == []


def _check_rerun(bench: Bench, story: _Story) -> None:
    """See that the next run tells what there is, finishes, and leaves nothing behind."""
    scenario = bench.scenario
    stopped, devices = bench.own_files(), bench.devices()
    check = _run(bench, check=True)
    assert (bench.own_files(), bench.devices()) == (stopped, devices)
    real = _run(bench)
    assert _told(real, scenario.untold) == _told(check, scenario.untold)
    assert bench.own_files() == story.end
    assert bench.devices() == story.devices
    again = _run(bench)
    assert (again["changed"], again["diff"]) == (False, [])
    assert bench.own_files() == story.end
    if scenario.back is not None:
        _run(bench, back=True)
        assert bench.own_files() == story.gone
        assert bench.devices() == story.devices_gone
        assert not _run(bench, back=True)["changed"]
