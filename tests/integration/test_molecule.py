# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every molecule scenario of the checkout, as a test of its own."""

from __future__ import annotations

import typing as t

import pytest

if t.TYPE_CHECKING:
    from pytest_ansible.molecule import MoleculeScenario

_BEFORE, _AFTER = 15, 60


def test_scenario(molecule_scenario: MoleculeScenario, request: pytest.FixtureRequest) -> None:
    live = request.config.getoption("capture") == "no"
    capture = None if live else request.getfixturevalue("capfd")
    result = molecule_scenario.test()
    if result.returncode and capture:
        said = "".join(capture.readouterr()).splitlines()
        request.node.add_report_section("call", "molecule", "\n".join(said))
        # What went wrong stands somewhere in many thousand lines: the last task that failed.
        failures = [number for number, line in enumerate(said) if "fatal: [" in line]
        at = failures[-1] if failures else len(said)
        told = "\n".join(said[max(at - _BEFORE, 0) : at + _AFTER])
        pytest.fail(f"molecule scenario {molecule_scenario.name} failed:\n{told}", pytrace=False)
    assert result.returncode == 0, f"molecule scenario {molecule_scenario.name} failed"
