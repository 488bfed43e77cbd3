# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every molecule scenario of the checkout, as a test of its own."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from pytest_ansible.molecule import MoleculeScenario


def test_scenario(molecule_scenario: MoleculeScenario) -> None:
    result = molecule_scenario.test()
    assert result.returncode == 0, f"molecule scenario {molecule_scenario.name} failed"
