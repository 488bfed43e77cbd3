# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether time grows with the length of an input, and not with its square."""

from __future__ import annotations

import time
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable

# Characters; a file of configuration is not longer, and a square of it is seconds.
LENGTHS = (500, 1000, 2000, 4000, 8000, 16000)
_NOTICED_SECONDS = 0.1
# Four times the length: four times the time where it is linear, 16 times where it is a square.
# Twice the length would not do: a loaded machine is twice as slow for one as for the other.
_PART = 4
_TOO_MANY_TIMES = 9.0
# What else runs on the machine, or in this process, makes some too long, and none too short.
_FEWEST, _MOST = 3, 12


def grown(start: str, unit: str, end: str, length: int) -> str:
    """Return a text in which one part is repeated up to a length."""
    return start + unit * max(1, (length - len(start) - len(end)) // len(unit)) + end


def check_growth(parse: Callable[[str], object], start: str, unit: str, end: str) -> None:
    """Raise where four times the length takes much more than four times the time."""
    for length in LENGTHS:
        if _seconds(parse, grown(start, unit, end, length)) < _NOTICED_SECONDS:
            continue
        times = _times(parse, start, unit, end, length)
        assert times < _TOO_MANY_TIMES, (
            f"{length} characters take {times:.1f} times as long as {length // _PART}: "
            f"{start!r} + n * {unit!r} + {end!r}"
        )
        return


def _times(parse: Callable[[str], object], start: str, unit: str, end: str, length: int) -> float:
    """Return how many times as long a length takes as a part of it; by the least of several each.

    It goes on for as long as that is too many.
    """
    texts = [grown(start, unit, end, size) for size in (length, length // _PART)]
    least = [float("inf")] * len(texts)
    times = least[0]
    for count in range(_MOST):
        # In turn: where the machine is slow for a while, it is for both.
        least = [min(known, _seconds(parse, text)) for known, text in zip(least, texts)]
        times = least[0] / max(least[1], 1e-6)
        if count + 1 >= _FEWEST and times < _TOO_MANY_TIMES:
            break
    return times


def _seconds(parse: Callable[[str], object], text: str) -> float:
    before = time.process_time()
    parse(text)
    return time.process_time() - before
