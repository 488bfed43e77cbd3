# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions of the host for libvirt's guests: who gets which, plugged into those that run."""

from __future__ import annotations

import typing as t

from .._plan import Plan
from .choose import choose
from .guard import check
from .outcome import predicted, report, unmet
from .state import State, observe
from .steps import steps
from .wishes import Wanted

if t.TYPE_CHECKING:
    from .._host import Host


class LibvirtAccelerators:
    """The work of the module libvirt_accelerators."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.wanted = Wanted.parse(options)

    def observe(self, host: Host) -> State:
        """Read the functions of the host, and what libvirt's guests have."""
        return observe(host, self.wanted)

    def plan(self, state: State) -> Plan:
        """Decide for all guests before any is touched."""
        shares = choose(self.wanted, state)
        check(self.wanted, state, shares)
        return Plan(tuple(steps(state, shares)))

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to."""
        return predicted(state, choose(self.wanted, state))

    def unmet(self, before: State, after: State) -> str | None:
        """Compare what the guests have now with their shares."""
        return unmet(after, choose(self.wanted, before))

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        return report(self.wanted, before, after, choose(self.wanted, before))
