# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to security: its play stops where it is to, and what it says of root and secrets."""

from __future__ import annotations

import copy
import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.hwaccel.virt.tests.unit.plugins.every_module import modules, spec_of

if t.TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs/docsite/rst/guide_security.rst").read_text(encoding="utf-8")
# As accelerator_info tells it, of a host that is fit.
FIT: dict[str, t.Any] = {
    "iommu": {"active": True, "interrupt_remapping": True, "unsafe_interrupts": False},
    "kernel": {"command_line": "root=/dev/sda1 intel_iommu=on iommu=pt"},
    "devices": [
        {"kind": "qat_pf", "generation": 4.0, "driver": "4xxx"},
        {"kind": "qat_pf", "generation": 2.0, "driver": None},
        {"kind": "qat_vf", "generation": 2.0, "driver": "c6xxvf"},
        {"kind": "qat_vf", "generation": 4.0, "driver": "vfio-pci"},
        {"kind": "gpu", "generation": None, "driver": "vfio-pci"},
    ],
}
UNFIT: dict[str, tuple[tuple[str | int, ...], object]] = {
    "no IOMMU": (("iommu", "active"), False),
    "interrupts as they come": (("iommu", "interrupt_remapping"), False),
    "unsafe interrupts": (("iommu", "unsafe_interrupts"), True),
    "override": (("kernel", "command_line"), "quiet pcie_acs_override=downstream"),
    "unsafe interrupts to come": (
        ("kernel", "command_line"),
        "vfio_iommu_type1.allow_unsafe_interrupts=1",
    ),
    "whole card": (("devices", 0, "driver"), "vfio-pci"),
    "VF of a variant driver": (("devices", 2, "driver"), "qat_vfio_pci"),
    "VF of an early generation": (("devices", 2, "driver"), "vfio-pci"),
}
# Names that secrets have, of which a module gets no more than the path.
SECRET = re.compile(r"token|secret|passw|key\b|private|credential")


def is_fit(seen: dict[str, t.Any]) -> bool:
    """Tell what the play of the guide makes of a host."""
    block = re.search(r"^    # tenants\.yml\n((?:    .*\n|\n)+)", GUIDE, re.MULTILINE)
    assert block is not None
    _look, stop = yaml.safe_load(block[1])[0]["tasks"]
    given = {name: trust_as_template(value) for name, value in stop["vars"].items()}
    templar = Templar(DataLoader(), {"seen": seen, **given})
    told = [
        templar.template(trust_as_template(f"{{{{ {condition} }}}}"))
        for condition in stop["ansible.builtin.assert"]["that"]
    ]
    assert set(told) <= {True, False}
    return all(told)


@pytest.mark.parametrize("remapping", [True, None])
def test_a_host_that_is_fit_for_tenants(remapping: object) -> None:
    assert is_fit({**FIT, "iommu": {**FIT["iommu"], "interrupt_remapping": remapping}})


@pytest.mark.parametrize("kind", UNFIT)
def test_a_host_that_is_not(kind: str) -> None:
    (*way, last), value = UNFIT[kind]
    seen = copy.deepcopy(FIT)
    inside: t.Any = seen
    for step in way:
        inside = inside[step]
    inside[last] = value
    assert not is_fit(seen)


def test_modules_that_need_no_root() -> None:
    told = re.search(r"^   \* - (``\w+``(?:, ``\w+``)+)\n     - any user", GUIDE, re.MULTILINE)
    assert told is not None
    named = re.findall(r"``(\w+)``", told[1])
    assert named == [name for name in modules() if name.endswith("_info")]


def options_of(spec: dict[str, t.Any]) -> Iterator[tuple[str, dict[str, t.Any]]]:
    """Yield options, those within others too."""
    for name, option in spec.items():
        yield name, option
        yield from options_of(option.get("options", {}))


def test_no_module_is_given_a_secret() -> None:
    found = {
        (module, name): option.get("type", "str")
        for module in modules()
        for name, option in options_of(spec_of(module))
        if SECRET.search(name) or option.get("no_log")
    }
    assert found
    # A mapping of settings that anybody may read, and what to do with files.
    assert set(found.values()) <= {"path", "bool"}, found
