# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why there is no IOMMU: one cause and one remedy each."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._iommu.groups import Iommu
from ansible_collections.hwaccel.virt.plugins.module_utils._iommu.problems import (
    firmware_setting,
    iommu_problems,
)

GROUPS = (1,)


def iommu(
    announced: str | None = None,
    units: tuple[str, ...] = (),
    groups: tuple[int, ...] = (),
) -> Iommu:
    return Iommu(announced, None, None, units, groups)


def test_an_active_one_is_no_problem() -> None:
    found = iommu("intel", ("dmar0",), GROUPS)
    assert iommu_problems(found, cpu_vendor="intel", arguments=["intel_iommu=off"]) == []


@pytest.mark.parametrize(
    ("announced", "cpu", "line", "why", "remedy"),
    [
        (None, "intel", "", "the firmware announces none", "VT-d"),
        (None, "amd", "", "the firmware announces none", "AMD-Vi"),
        (None, None, "", "the firmware announces none", "VT-d, AMD-Vi or SMMU"),
        ("intel", "amd", "", "did not turn it on", "add intel_iommu=on iommu=pt"),
        ("intel", "intel", "quiet intel_iommu=off", "intel_iommu=off", "take intel_iommu=off off"),
        ("amd", "amd", "amd_iommu=off", "amd_iommu=off", "take amd_iommu=off off"),
        ("intel", "intel", "iommu=off", "iommu=off", "take iommu=off off"),
        ("amd", "amd", "", "did not turn it on", "kernel log for AMD-Vi"),
        ("arm", "arm", "", "did not turn it on", "SMMU"),
        # The last one counts, and the other vendor's does not.
        (
            "intel",
            None,
            "intel_iommu=off intel_iommu=on",
            "did not turn it on",
            "kernel log for DMAR",
        ),
        ("intel", None, "intel_iommu=on intel_iommu=off", "intel_iommu=off", "take intel_iommu"),
        ("intel", None, "amd_iommu=off", "did not turn it on", "add intel_iommu=on"),
        # Part of another word is no switch.
        ("intel", "intel", "xintel_iommu=off", "did not turn it on", "add intel_iommu=on"),
    ],
)
def test_causes(announced: str | None, cpu: str | None, line: str, why: str, remedy: str) -> None:
    (problem,) = iommu_problems(iommu(announced), cpu_vendor=cpu, arguments=line.split())
    assert problem.what.startswith("no working IOMMU")
    assert why in problem.why
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("announced", "units", "groups"),
    list(itertools.product((None, "intel", "amd", "arm"), ((), ("unit0",)), ((), GROUPS))),
)
def test_no_text_says_none(
    announced: str | None, units: tuple[str, ...], groups: tuple[int, ...]
) -> None:
    found = iommu(announced, units, groups)
    for problem in iommu_problems(found, cpu_vendor=None, arguments=[]):
        assert "None" not in " ".join(problem.as_result().values())


@pytest.mark.parametrize(
    ("line", "why", "remedy"),
    [
        ("quiet", "names no remapped chip", "turn on interrupt remapping"),
        ("intremap=off quiet", "started with intremap=off", "take intremap=off off"),
        ("intremap=nosid,off", "started with intremap=nosid,off", "take intremap=nosid,off off"),
        ("nointremap", "started with nointremap", "take nointremap off"),
        ("intremap=on", "names no remapped chip", "allow_unsafe_interrupts=1"),
    ],
)
def test_interrupts_that_are_not_remapped(line: str, why: str, remedy: str) -> None:
    found = replace(iommu("intel", ("dmar0",), GROUPS), interrupt_remapping=False)
    (problem,) = iommu_problems(found, cpu_vendor="intel", arguments=line.split())
    assert problem.check == "iommu"
    assert problem.what.startswith("interrupts are not remapped")
    assert why in problem.why
    assert remedy in problem.remedy


@pytest.mark.parametrize("remapped", [True, None])
def test_remapped_interrupts_and_those_not_told_are_no_problem(*, remapped: bool | None) -> None:
    found = replace(iommu("arm", ("smmu3",), GROUPS), interrupt_remapping=remapped)
    assert iommu_problems(found, cpu_vendor="arm", arguments=["intremap=off"]) == []


def test_an_operator_may_do_without_remapping() -> None:
    found = replace(
        iommu("intel", ("dmar0",), GROUPS), interrupt_remapping=False, unsafe_interrupts=True
    )
    assert iommu_problems(found, cpu_vendor="intel", arguments=[]) == []


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        ("vfio_iommu_type1.allow_unsafe_interrupts=1", 0),
        ("vfio-iommu-type1.allow_unsafe_interrupts=Y", 0),
        ("vfio_iommu_type1.allow_unsafe_interrupts=0", 1),
        ("allow_unsafe_interrupts=1", 1),
    ],
)
def test_vfio_may_not_be_loaded_yet(line: str, problems: int) -> None:
    found = replace(iommu("intel", ("dmar0",), GROUPS), interrupt_remapping=False)
    assert len(iommu_problems(found, cpu_vendor="intel", arguments=line.split())) == problems


def test_without_an_iommu_that_is_the_only_problem() -> None:
    found = replace(iommu("intel"), interrupt_remapping=False)
    (problem,) = iommu_problems(found, cpu_vendor="intel", arguments=[])
    assert problem.what.startswith("no working IOMMU")


def test_firmware_settings_by_vendor() -> None:
    assert "VT-d (" in firmware_setting("intel")
    assert firmware_setting("amd") != firmware_setting("arm") == "SMMU"
    assert firmware_setting("other") == firmware_setting(None)
