# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the watcher looks, and why."""

from __future__ import annotations

from dataclasses import dataclass

# libvirt tells of an event before or after the reset that goes with it, by a moment.
_AFTER_AN_EVENT = (0.0, 0.1, 0.25, 0.5, 1.0)
_AGAIN_SECONDS = 0.1
# A reset that the guest's own driver makes raises no event.
_COMPARE_SECONDS = 2.0
# A look at a function that nobody uses wakes it up: seldom.
_SURVEY_SECONDS = 60.0


@dataclass(frozen=True)
class Reason:
    """Why PFs are looked at.

    Args:
        what: what happened, or what the look itself is.
        at: when it happened, by a clock that only goes forward; None for no event.
    """

    what: str
    at: float | None = None


COMPARISON = Reason("comparison")


@dataclass(frozen=True)
class Look:
    """A look that is due.

    Args:
        everything: whether at every recorded PF, rather than at those that a guest has.
    """

    reason: Reason
    everything: bool


class Agenda:
    """The looks that are to come.

    Args:
        now: by the clock of the events.
    """

    def __init__(self, now: float) -> None:
        self._planned: list[tuple[float, Reason]] = []
        self._comparison = now + _COMPARE_SECONDS
        self._survey = now + _SURVEY_SECONDS

    def add(self, reason: Reason, now: float) -> None:
        """Plan the looks after an event."""
        start = now if reason.at is None else reason.at
        self._planned += [(start + delay, reason) for delay in _AFTER_AN_EVENT]

    def add_again(self, reason: Reason, now: float) -> None:
        """Plan one more look soon, at what could not be read."""
        self._planned.append((now + _AGAIN_SECONDS, reason))

    def wait(self, now: float) -> float:
        """Return the seconds until the next look."""
        times = [self._comparison, self._survey, *(at for at, _reason in self._planned)]
        return max(0.0, min(times) - now)

    def take(self, now: float) -> Look | None:
        """Return the look that is due; one is enough for all that are."""
        due = [reason for at, reason in self._planned if at <= now]
        self._planned = [(at, reason) for at, reason in self._planned if at > now]
        survey, comparison = now >= self._survey, now >= self._comparison
        if survey:
            self._survey = now + _SURVEY_SECONDS
        if comparison:
            self._comparison = now + _COMPARE_SECONDS
        if due:
            return Look(max(due, key=lambda reason: reason.at or 0.0), everything=True)
        return Look(COMPARISON, everything=survey) if survey or comparison else None
