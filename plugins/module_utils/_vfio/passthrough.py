# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI functions on a VFIO driver for guests: now, and again after every boot."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._plan import Plan
from .binding import Binding
from .guard import check
from .observe import observe
from .outcome import predicted, report, unmet, warnings
from .record import forget, forget_place, remember
from .steps import steps
from .target import targets_of
from .wanted import Wanted

if t.TYPE_CHECKING:
    from .._host import Host
    from .._pci.function import PciFunction
    from .state import State


class VfioPassthrough:
    """The work of the module vfio_passthrough."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.wanted = Wanted.parse(options)
        self._gone: tuple[PciFunction, ...] = ()

    def observe(self, host: Host) -> State:
        """Read the chosen functions, what shares their groups, and who holds them."""
        state = observe(host, self.wanted, self._gone)
        self._gone = self._gone or state.orphans
        return state

    def plan(self, state: State) -> Plan:
        """Decide for every function before any is changed."""
        wanted, targets = self.wanted, targets_of(self.wanted, state)
        check(wanted, state, targets)
        devices = Plan(
            tuple(steps(wanted, state, targets)),
            warnings=tuple(warnings(wanted, state, targets)),
        )
        undo = state.around.undo
        for device in state.devices:
            if wanted.present:
                made = Binding(device.best, device.best)
                function, found = device.function, device.binding
                undo = remember(undo, function, found, made, device.companion_of)
            else:
                undo = forget(undo, device.function)
        if not wanted.present:
            for orphan in state.orphans:
                undo = forget_place(undo, orphan.address)
        record = undo.change()
        if wanted.present:
            # What was found is on disk before the first function changes.
            return Plan(record).and_then(devices)
        return replace(devices, closing=record)

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to."""
        return predicted(state, targets_of(self.wanted, state))

    def unmet(self, before: State, after: State) -> str | None:
        """Compare what is there now with what was wanted."""
        return unmet(after, targets_of(self.wanted, before))

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        return report(self.wanted, before, after)
