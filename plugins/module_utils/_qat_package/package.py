# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Intel's out-of-tree package on a host or in a guest: built, installed, and taken away again."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._plan import added
from .kernel_modules import render_blacklist
from .log import find_errors
from .record import INSTALLED
from .state import LOG_PATH, observe
from .steps import (
    brought_modules,
    builds,
    in_the_way,
    is_current,
    plan_absent,
    plan_present,
    wanted_entry,
)
from .wanted import Wanted

if t.TYPE_CHECKING:
    from .._host import Host
    from .._plan import Plan
    from .state import State

_TOLD_LINES = 20


class QatPackage:
    """The work of the module qat_package."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.wanted = Wanted.parse(options)
        # An installation that fails half way is told of too, and is none then.
        self._ended_well = False

    def observe(self, host: Host) -> State:
        """Read the sources, the record, the kernel, its modules and the logs."""
        return observe(host, self.wanted)

    def plan(self, state: State) -> Plan:
        """Decide what to build, install or remove, or refuse."""
        return plan_present(self.wanted, state) if self.wanted.present else plan_absent(state)

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to, as far as it can be told without a build."""
        present = self.wanted.present
        changes = builds(self.wanted, state) or not present
        return replace(
            state,
            blacklist=render_blacklist() if present else None,
            loaded=() if changes else state.loaded,
            predicted=True,
        )

    def unmet(self, before: State, after: State) -> str | None:
        """Tell what an installation that ended well has not done, and the errors in its logs."""
        unmet = self._unmet(before, after)
        self._ended_well = unmet is None
        return unmet

    def _unmet(self, before: State, after: State) -> str | None:
        if not self.wanted.present:
            return self._left(before, after)
        if not builds(self.wanted, before):
            return None
        found = self._findings(before, after) if self.wanted.strict else []
        if found:
            lines = "\n".join(found[-_TOLD_LINES:])
            return (
                f"the installation ended with status 0, but there are errors in {LOG_PATH} or "
                f"{self.wanted.installer_log}; it does not count as installed, and the next run "
                f"does it again. Set log_errors: show where they are harmless:\n{lines}"
            )
        unsigned = sorted(set(after.unsigned) & set(self._brought(before, after)))
        if unsigned and before.needs_signatures:
            return (
                f"{', '.join(unsigned)}: without a signature, and the kernel will not load them; "
                f"see {LOG_PATH}"
            )
        if after.in_tree:
            names = ", ".join(module.name for module in after.in_tree)
            return (
                f"{names}: loaded from the kernel's own tree by the installation; see {LOG_PATH}, "
                "and boot again before this is run again"
            )
        return None

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        wanted = self.wanted
        installs = builds(wanted, before)
        ended = installs and (self._ended_well or after.predicted)
        entry = wanted_entry(wanted, before, INSTALLED) if wanted.present else None
        return {
            "version": entry.version if entry else None,
            "installed": ended or (wanted.present and is_current(wanted, before)),
            "sriov": entry.sriov if entry else None,
            "kernel": before.release,
            "newer_kernel": before.newer_kernel if wanted.present else None,
            "source": wanted.source or None,
            "modules": self._modules(before, after),
            "log": LOG_PATH,
            "findings": self._findings(before, after) if installs else [],
            "restart_required": ended and not self._started(before, after),
            "reboot_required": self._reboot_required(before, after),
        }

    @staticmethod
    def _started(before: State, after: State) -> bool:
        """Tell whether the installation has started the service, as the last thing that it does."""
        if after.predicted:
            return before.systemd
        return after.service.is_newer_than(before.service)

    def _modules(self, before: State, after: State) -> list[str] | None:
        """Return the files of the kernel modules, None where only a build tells."""
        if not self.wanted.present:
            return []
        if builds(self.wanted, before):
            return None if after.predicted else list(self._brought(before, after))
        entry = before.record.entry
        return list(entry.modules) if entry and is_current(self.wanted, before) else []

    def _reboot_required(self, before: State, after: State) -> bool:
        """Tell whether modules are loaded beside those that should be."""
        if self.wanted.present:
            return bool(in_the_way(before)) or bool(after.in_tree)
        entry = before.record.entry
        names = (
            {path.rsplit("/", 1)[-1].partition(".")[0] for path in entry.modules}
            if entry
            else set()
        )
        return any(not module.in_tree and module.name in names for module in after.loaded)

    @staticmethod
    def _brought(before: State, after: State) -> tuple[str, ...]:
        return brought_modules(before.modules, after.modules)

    @staticmethod
    def _findings(before: State, after: State) -> list[str]:
        """Return the errors that this run has added to the logs."""
        found = [
            line
            for path, content in after.logs.items()
            for line in find_errors(added(content, len(before.logs[path])))
        ]
        return list(dict.fromkeys(found))

    @staticmethod
    def _left(before: State, after: State) -> str | None:
        """Tell which modules an uninstallation has left behind."""
        entry = before.record.entry
        left = sorted(set(entry.modules) & set(after.modules)) if entry else []
        if not left:
            return None
        return f"{', '.join(left)}: still there after make uninstall; see {LOG_PATH}"
