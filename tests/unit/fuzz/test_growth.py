# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Growth of time, told apart by what a parser does."""

from __future__ import annotations

import re
import time

import pytest
from ansible_collections.hwaccel.virt.tests.fuzz.growth import check_growth, grown


class Clock:
    """Processor time that passes when it is told to."""

    def __init__(self) -> None:
        """Begin at its start."""
        self.now = 0.0

    def process_time(self) -> float:
        """Return it."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "process_time", clock.process_time)
    return clock


def test_a_part_is_repeated_up_to_a_length() -> None:
    assert grown("<", "ab", ">", 8) == "<ababab>"
    assert grown("<", "ab", ">", 0) == "<ab>"


def test_a_square_is_found(clock: Clock) -> None:
    def square(text: str) -> None:
        clock.now += len(text) ** 2 / 1e8

    with pytest.raises(AssertionError, match=r"4000 characters take 16\.0 times as long as 1000"):
        check_growth(square, "", "a", "")


def test_what_is_slow_and_linear_passes(clock: Clock) -> None:
    def line(text: str) -> None:
        clock.now += len(text) / 1e3

    check_growth(line, "", "a", "")


def test_a_machine_that_is_slow_for_a_while_is_no_finding(clock: Clock) -> None:
    slow = iter([3] * 5)

    def line(text: str) -> None:
        clock.now += len(text) / 1e3 * (next(slow, 1) if len(text) == 500 else 1)

    check_growth(line, "", "a", "")
    assert next(slow, None) is None


def test_a_real_one_is_found() -> None:
    # Eight times over, so that a fast machine notices it too.
    pattern = re.compile("|".join(rf"(.*?) *{letter}" for letter in "abcdefgh"))
    before = time.process_time()
    with pytest.raises(AssertionError, match="times as long as"):
        check_growth(pattern.fullmatch, "", " ", "")
    assert time.process_time() - before < 30
