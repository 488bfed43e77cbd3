# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qatlib's service on a host whose VFs are also for guests: what it may use, and nothing else."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._plan import Change, Command, Effect, FileChange, Plan
from .._undo import UNDO_PATH
from .guard import check
from .record import MODULE, PolicyRecord, read_record, with_record
from .rules import COMMENT, MASK, RULES, is_ours, mask_to_be, render_rules
from .state import LIMITS, Node, Settings, State, observe
from .unit import DROP_IN, GROUP, UNIT, render_drop_in
from .wanted import Wanted

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._host import Host
    from .._pci.address import PciAddress

_ROOT_GID = 0
_UDEV_SECONDS = 150.0
_RELOAD_RULES = Command(("udevadm", "control", "--reload"))


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
        known = read_record(state.undo)
        changes = tuple(_changes(state, self._settings(state), self._node_groups(state)))
        if self.wanted.present:
            environment = state.settings.environment
            record = (known or PolicyRecord()).then(environment, self.wanted.policy)
            # Before their rules go, since vfio_passthrough may have them still.
            vfs = {*state.former, *state.own_vfs}
            remembered = with_record(state.undo, record, vfs).change()
            return Plan((*remembered, *changes), warnings=tuple(_warnings(state)))
        unknown = f"{UNDO_PATH}: no record of {MODULE}; its own files go, nothing else changes"
        return Plan(
            changes,
            warnings=(unknown,) if changes and known is None else (),
            closing=state.undo.without_entry(MODULE, UNIT).change(),
        )

    def predict(self, state: State) -> State:
        """Return the state that the plan leads to."""
        groups = self._node_groups(state)
        nodes = {
            vf: replace(node, gid=groups.get(vf, node.gid)) for vf, node in state.nodes.items()
        }
        return replace(state, settings=self._settings(state), nodes=nodes)

    def unmet(self, before: State, after: State) -> str | None:
        """Compare what is there now with what was wanted."""
        there = after.settings.contents
        wanted = self._settings(before).contents
        wrong = [path for path, content in wanted.items() if there.get(path) != content]
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
        own = frozenset(after.own_vfs)
        changed = before.settings.read_at_start != after.settings.read_at_start
        stale = changed or before.start.is_older_than(before.modified)
        return {
            "unit": UNIT,
            "service": {
                "installed": after.service.unit is not None,
                "enabled": after.service.enabled,
                "running": after.service.running,
            },
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
            "given_back": [str(vf) for vf in sorted((before.former | before.earlier) - own)],
            "standing": bool(_files(before)) or read_record(before.undo) is not None,
            "files": _files(after),
            "restart_required": self.wanted.present and (stale or bool(self._node_groups(before))),
        }

    def _settings(self, state: State) -> Settings:
        """Return the files as they are to be."""
        environment = state.settings.environment
        mask = mask_to_be(state.settings.own.get(MASK), present=self.wanted.present)
        if not self.wanted.present:
            known = read_record(state.undo)
            content = known.taken_back(environment) if known else environment.content
            return Settings({MASK: mask}, environment).with_environment(content)
        memlock = self.wanted.memlock if state.own_vfs else None
        limits = f"{COMMENT}\n@{GROUP} - memlock {memlock}\n".encode()
        own = {
            DROP_IN: render_drop_in(),
            RULES: render_rules(state.own_vfs),
            MASK: mask,
            LIMITS: limits if memlock else None,
        }
        settings, policy = Settings(own, environment), self.wanted.policy
        if policy is None or environment.policy == str(policy):
            return settings
        return settings.with_environment(environment.with_policy(str(policy)))

    def _node_groups(self, state: State) -> dict[PciAddress, int]:
        """Return the groups that nodes have to get: that of qatlib's users, or root's again.

        As packaged, the service gives that group all VFs: all others are taken from it. Once this
        module is gone they are the service's business, and only those that we gave are taken.
        """
        if state.gid is None:
            return {}
        own = state.own_vfs if self.wanted.present else ()
        wanted = {
            vf: state.gid if vf in own else _ROOT_GID
            for vf in state.nodes
            if self.wanted.present or vf in state.former
        }
        return {
            vf: gid
            for vf, gid in wanted.items()
            if state.nodes[vf].gid != gid and state.gid in (gid, state.nodes[vf].gid)
        }


def _changes(state: State, after: Settings, groups: dict[PciAddress, int]) -> Iterator[Change]:
    """Yield what is to do, nothing where all is as wanted."""
    before, wanted = state.settings.contents, after.contents
    nodes = {state.nodes[vf]: gid == state.gid for vf, gid in groups.items()}
    ours = [node for node, to_us in nodes.items() if to_us]
    files = [
        FileChange(path, before[path], content)
        for path, content in wanted.items()
        if before[path] != content
    ]
    # The rules alone tell which nodes we gave away: they go once all of these are taken back.
    last = [file for file in files if file.path == RULES and file.after is None]
    yield from (file for file in files if file not in last)
    if before[DROP_IN] != wanted[DROP_IN] or state.start.reload_due:
        yield Command(("systemctl", "daemon-reload"), seconds=90.0)
    # udev looks names of groups up when it reads rules: the group may be younger than they are.
    rules = any(before[path] != wanted[path] for path in (RULES, MASK))
    if (rules or ours) and not last:
        yield _RELOAD_RULES
    if ours:
        devices = (node.device for node in ours)
        arguments = ("udevadm", "trigger", "--action=change", "--settle", *devices)
        yield Command(arguments, seconds=_UDEV_SECONDS)
    for node, to_us in nodes.items():
        if not to_us:
            yield Command(("chgrp", "root", node.path))
            yield Command(("chmod", "g-rw", node.path))
    if last:
        yield from last
        yield _RELOAD_RULES
    for node, to_us in nodes.items():
        yield _effect(node, to_us=to_us)


def _effect(node: Node, *, to_us: bool) -> Effect:
    names = ("root", GROUP) if to_us else (GROUP, "root")
    return Effect(node.path, *(f"group: {name}\n" for name in names))


def _files(state: State) -> list[str]:
    return sorted(path for path, content in state.settings.own.items() if is_ours(content))


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
