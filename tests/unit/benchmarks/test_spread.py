# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Median and quartiles, and ratios pair by pair."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.tests.benchmarks.spread import Spread, ratios, spread


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], Spread(3, 3, 3, 1)),
        ([1.0, 3.0], Spread(2, 1.5, 2.5, 2)),
        ([5.0, 1.0, 3.0, 2.0, 4.0], Spread(3, 2, 4, 5)),
    ],
)
def test_spread(values: list[float], expected: Spread) -> None:
    assert spread(values) == expected


def test_a_slow_minute_hits_both_of_a_pair() -> None:
    assert ratios([(2, 1), (200, 100), (20, 10)]) == Spread(2, 2, 2, 3)
