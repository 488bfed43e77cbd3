# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What arguments do to the IOMMU, by the rules of the kernel's own parsers."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._iommu.switches import (
    passed_through,
    switched_off,
    turned_on,
    without_off,
)


@pytest.mark.parametrize(
    ("line", "vendor", "off"),
    [
        ("", "intel", []),
        ("intel_iommu=off", "intel", ["intel_iommu=off"]),
        ("intel-iommu=off", "intel", ["intel-iommu=off"]),
        ("intel_iommu=off", "amd", []),
        ("intel_iommu=off intel_iommu=on", "intel", []),
        ("intel_iommu=on intel_iommu=off", "intel", ["intel_iommu=off"]),
        ("intel_iommu=on,off", "intel", ["intel_iommu=on,off"]),
        ("intel_iommu=off,on", "intel", []),
        ("intel_iommu=off,sm_on intel_iommu=igfx_off", "intel", ["intel_iommu=off,sm_on"]),
        ("iommu=off iommu=pt", "intel", ["iommu=off"]),
        ("iommu=pt,off", "amd", ["iommu=pt,off"]),
        ("amd_iommu=off amd_iommu=fullflush", "amd", ["amd_iommu=off"]),
        ("amd_iommu=off", "intel", []),
        ("amd_iommu_dump amd_iommu_intr=legacy", "amd", []),
        ("iommu=off", "arm", []),
        ("intel_iommu=off amd_iommu=off", None, ["intel_iommu=off", "amd_iommu=off"]),
        ("intel_iommu=official myiommu=off", "intel", []),
    ],
)
def test_what_keeps_it_off(line: str, vendor: str | None, off: list[str]) -> None:
    assert switched_off(line.split(), vendor) == off


@pytest.mark.parametrize(
    ("argument", "vendor", "left"),
    [
        ("intel_iommu=off", "intel", None),
        ("intel_iommu=off,sm_on", "intel", "intel_iommu=sm_on"),
        ("iommu=pt,off", "amd", "iommu=pt"),
        ("amd_iommu=off", "intel", "amd_iommu=off"),
        ("quiet", "intel", "quiet"),
    ],
)
def test_without_off(argument: str, vendor: str, left: str | None) -> None:
    assert without_off(argument, vendor) == left


@pytest.mark.parametrize(
    ("line", "on"),
    [
        ("", False),
        ("intel_iommu=on", True),
        ("intel_iommu=on,sm_on", True),
        ("intel_iommu=sm_on", False),
        ("intel_iommu=on intel_iommu=off", False),
        ("intel_iommu=off intel_iommu=on", True),
        ("intel_iommu=on iommu=off", False),
    ],
)
def test_turned_on(line: str, *, on: bool) -> None:
    assert turned_on(line.split()) is on


@pytest.mark.parametrize(
    ("line", "passes"),
    [
        ("", False),
        ("iommu=pt", True),
        ("iommu=noforce,pt", True),
        ("iommu=pt iommu=nopt", False),
        ("iommu=nopt iommu=pt", True),
        ("iommu.passthrough=1", True),
        ("iommu=pt iommu.passthrough=0", False),
        ("iommu.passthrough=0 iommu=pt", True),
        ("iommu=ptx", False),
    ],
)
def test_passed_through(line: str, *, passes: bool) -> None:
    assert passed_through(line.split()) is passes
