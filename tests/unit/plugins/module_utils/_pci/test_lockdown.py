# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the kernel is locked down."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.lockdown import (
    is_locked,
    read_lockdown,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine


@pytest.mark.parametrize(
    ("text", "level", "locked"),
    [
        ("[none] integrity confidentiality\n", "none", False),
        ("none [integrity] confidentiality\n", "integrity", True),
        ("none integrity [confidentiality]\n", "confidentiality", True),
        ("", None, False),
        (None, None, False),
    ],
)
def test_the_level(machine: Machine, text: str | None, level: str | None, *, locked: bool) -> None:
    if text is not None:
        machine.write("sys/kernel/security/lockdown", text)
    assert read_lockdown(machine.host) == level
    assert is_locked(machine.host) == locked
