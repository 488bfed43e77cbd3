# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a benchmark finds: figures with their goals, and orders of magnitude beside them."""

from __future__ import annotations

import typing as t

from ansible_collections.hwaccel.virt.tests.benchmarks.spread import Spread


class MeasureError(Exception):
    """What was measured is not what was to be measured."""


class Figure(t.NamedTuple):
    """A ratio or a count, and the most that it may be.

    Args:
        at: the size that it holds for, such as C(8 VFs).
    """

    name: str
    at: str
    ratio: Spread
    goal: float | None = None

    @property
    def met(self) -> bool:
        """Whether the goal is met; no goal is missed by nobody."""
        return self.goal is None or self.ratio.median <= self.goal


class Order(t.NamedTuple):
    """How much of something it was, for the order of magnitude only: its unit is in its name."""

    name: str
    at: str
    value: Spread


class Outcome(t.NamedTuple):
    """All that one benchmark has found."""

    figures: list[Figure]
    orders: list[Order]

    def as_document(self) -> dict[str, t.Any]:
        """Return it as JSON has it."""
        return {
            "figures": [[*each[:2], [*each.ratio], each.goal] for each in self.figures],
            "orders": [[*each[:2], [*each.value]] for each in self.orders],
        }

    @classmethod
    def parse(cls, document: dict[str, t.Any]) -> Outcome:
        """Parse what C(as_document) has made."""
        return cls(
            [
                Figure(name, at, Spread(*ratio), goal)
                for name, at, ratio, goal in document["figures"]
            ],
            [Order(name, at, Spread(*value)) for name, at, value in document["orders"]],
        )
