# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ratios of two things that were measured in turn, by median and quartiles."""

from __future__ import annotations

import statistics
import typing as t


class Spread(t.NamedTuple):
    """The middle of some values, and the range that the middle half of them lies in."""

    median: float
    low: float
    high: float
    pairs: int


def spread(values: t.Sequence[float]) -> Spread:
    """Return the median and the quartiles of one value or more."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], 1)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high, len(values))


def ratios(pairs: t.Iterable[tuple[float, float]]) -> Spread:
    """Return the spread of numerator by denominator, pair by pair: both met the same load."""
    return spread([numerator / denominator for numerator, denominator in pairs])
