# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qatlib's service on a host whose VFs are also for guests: what it may use, and nothing else."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._errors import HostError
from .._plan import Change, Command, Effect, FileChange, Plan
from .._undo import UNDO_PATH, UndoEntry
from .guard import check
from .rules import RULES, render_rules
from .state import LIMITS, Node, Settings, State, observe
from .unit import DROP_IN, GROUP, UNIT, render_drop_in
from .wanted import Wanted

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._host import Host
    from .._pci.address import PciAddress
    from .._undo import UndoRecord

_MODULE = "qatlib_service"
_LIMITS_COMMENT = "# Written by hwaccel.virt.qatlib_service; state: absent removes it."
_ROOT_GID = 0
_UDEV_SECONDS = 150.0


class QatlibService:
    """The work of the module qatlib_service."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.wanted = Wanted.parse(options)

    def observe(self, host: Host) -> State:
        """Read the service's files, the VFs meant for it, and who may open them."""
        return observe(host, self.wanted)

    def plan(self, state: State) -> Plan:
        """Decide what to write, or refuse."""
        if self.wanted.present:
            check(self.wanted, state)
        after = self._settings(state)
        changes = tuple(_changes(state, after, self._node_groups(state)))
        if self.wanted.present:
            record = _remembered(self.wanted, state).change()
            return Plan((*record, *changes), warnings=tuple(_warnings(state)))
        warnings = (f"{UNDO_PATH}: no record of {_MODULE}; its own files go, nothing else changes",)
        unknown = changes and state.undo.entry(_MODULE, UNIT) is None
        closing = state.undo.without_entry(_MODULE, UNIT).change()
        return Plan(changes, warnings if unknown else (), closing=closing)

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to."""
        groups = self._node_groups(state)
        nodes = {
            vf: replace(node, gid=groups.get(vf, node.gid)) for vf, node in state.nodes.items()
        }
        return replace(state, settings=self._settings(state), nodes=nodes)

    def unmet(self, before: State, after: State) -> str | None:
        """Compare what is there now with what was wanted."""
        wanted = self._settings(before)
        wrong = [
            path
            for path, content in _contents(wanted).items()
            if _contents(after.settings).get(path) != content
        ]
        if wrong:
            return f"{', '.join(wrong)}: not as written: something else writes there"
        for vf, gid in self._node_groups(before).items():
            node = after.nodes.get(vf)
            if node is not None and node.gid != gid:
                return (
                    f"{vf}: {node.path} has group {node.gid}, not {gid}: another udev rule sets "
                    f"it after {RULES}; see udevadm test {node.device}"
                )
        return None

    def report(self, before: State, after: State) -> dict[str, t.Any]:
        """Return the module's return values."""
        own = frozenset(after.own_vfs) if self.wanted.present else frozenset()
        read_at_start = (DROP_IN, RULES, after.settings.environment.path)
        changed = any(
            _contents(before.settings).get(path) != _contents(after.settings).get(path)
            for path in read_at_start
        )
        stale = changed or before.start.is_older_than(before.modified)
        return {
            "unit": UNIT,
            "environment_file": after.settings.environment.path,
            "policy": after.settings.environment.policy,
            "devices": [
                {
                    "address": str(pf.address),
                    "id": str(pf.function.id),
                    "family": pf.family.name,
                    "vfs": [
                        {"address": str(vf), "ready": _is_ready(after, vf)}
                        for vf in pf.vfs or ()
                        if vf in own
                    ],
                    "skipped": pf in after.skipped,
                }
                for pf in sorted((*after.pfs, *after.skipped), key=lambda pf: pf.address)
            ],
            "vfs": [str(vf) for vf in sorted(own)],
            "given_back": [str(vf) for vf in sorted(before.former - own)],
            "files": sorted(
                path for path, content in after.settings.files.items() if content is not None
            ),
            "restart_required": self.wanted.present and (stale or bool(self._node_groups(before))),
        }

    def _settings(self, state: State) -> Settings:
        """Return the files as they are to be."""
        settings, environment = state.settings, state.settings.environment
        if not self.wanted.present:
            found = _found_policy(state.undo)
            content = environment.content
            if found is not None and found[1] == environment.policy:
                content = environment.with_policy(found[0])
            return replace(settings, files={}).with_environment(content)
        memlock = self.wanted.memlock if state.own_vfs else None
        limits = f"{_LIMITS_COMMENT}\n@{GROUP} - memlock {memlock}\n".encode()
        files = {
            DROP_IN: render_drop_in(),
            RULES: render_rules(state.own_vfs),
            LIMITS: limits if memlock else None,
        }
        content = environment.content
        policy = self.wanted.policy
        if policy is not None and environment.policy != str(policy):
            content = environment.with_policy(str(policy))
        return replace(settings, files=files).with_environment(content)

    def _node_groups(self, state: State) -> dict[PciAddress, int]:
        """Return the groups that nodes have to get: that of qatlib's users, or root's again."""
        if state.gid is None:
            return {}
        own = state.own_vfs if self.wanted.present else ()
        wanted = {vf: state.gid if vf in own else _ROOT_GID for vf in state.nodes}
        return {
            vf: gid
            for vf, gid in wanted.items()
            if state.nodes[vf].gid != gid and state.gid in (gid, state.nodes[vf].gid)
        }


def _contents(settings: Settings) -> dict[str, bytes | None]:
    environment = settings.environment
    files = {path: settings.files.get(path) for path in (DROP_IN, RULES, LIMITS)}
    return {**files, environment.path: environment.content}


def _changes(state: State, after: Settings, groups: dict[PciAddress, int]) -> Iterator[Change]:
    """Yield what is to do, nothing where all is as wanted."""
    before, wanted = _contents(state.settings), _contents(after)
    for path, content in wanted.items():
        if before[path] != content:
            yield FileChange(path, before[path], content)
    if before[DROP_IN] != wanted[DROP_IN]:
        yield Command(("systemctl", "daemon-reload"), seconds=90.0)
    if before[RULES] != wanted[RULES]:
        yield Command(("udevadm", "control", "--reload"))
    ours = [state.nodes[vf] for vf, gid in groups.items() if gid == state.gid]
    others = [state.nodes[vf] for vf, gid in groups.items() if gid != state.gid]
    if ours:
        devices = (node.device for node in ours)
        arguments = ("udevadm", "trigger", "--action=change", "--settle", *devices)
        yield Command(arguments, seconds=_UDEV_SECONDS)
    for node in others:
        yield Command(("chgrp", "root", node.path))
        yield Command(("chmod", "g-rw", node.path))
    for node in sorted({*ours, *others}, key=lambda node: node.path):
        yield _effect(node, is_ours=node in ours)


def _effect(node: Node, *, is_ours: bool) -> Effect:
    names = ("root", GROUP) if is_ours else (GROUP, "root")
    return Effect(node.path, *(f"group: {name}\n" for name in names))


def _is_ready(state: State, vf: PciAddress) -> bool:
    """Tell whether programs of the host can open a VF now."""
    node = state.nodes.get(vf)
    return node is not None and node.gid is not None and node.gid == state.gid


def _warnings(state: State) -> Iterator[str]:
    environment = state.settings.environment
    if environment.services is not None:
        yield (
            f"{environment.path}: ServicesEnabled={environment.services} has no effect: qat_init "
            "does not run here, and services are set with qat_sriov; take the line out"
        )


def _remembered(wanted: Wanted, state: State) -> UndoRecord:
    """Return the record with what was found before the first task, and what was set last."""
    found = _found_policy(state.undo)
    policy = state.settings.environment.policy
    made = found[1] if found else None
    if wanted.policy is not None:
        if found is None or found[1] is None:
            found = (policy, None)
        made = str(wanted.policy)
    first = found[0] if found else None
    entry = UndoEntry({"policy": first}, {"policy": made})
    return state.undo.with_entry(_MODULE, UNIT, entry)


def _found_policy(undo: UndoRecord) -> tuple[str | None, str | None] | None:
    """Return the policy before the first task and the one that was set, None without a record.

    Raises:
        HostError: when the record is not as this module writes it.
    """
    entry = undo.entry(_MODULE, UNIT)
    if entry is None:
        return None
    found, made = entry.found.get("policy"), (entry.made or {}).get("policy")
    if not isinstance(found, (str, type(None))) or not isinstance(made, (str, type(None))):
        raise HostError(f"{UNDO_PATH}: the entry of {_MODULE} is not as this module writes it")
    return found, made
