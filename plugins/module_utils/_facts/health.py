# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a QAT device is alive, where its driver tells.

Linux C(Documentation/ABI/testing/debugfs-driver-qat), since 6.6. The driver does not watch the
device: reading C(heartbeat/status) is the query. It calls a device unhealthy that made no
progress in three queries; then it tells the VFs, and with C(auto_reset) on it resets the device
(C(adf_heartbeat.c), C(adf_aer.c)). So where that is on it is not asked here, where nothing is to
be changed, and only the counters of others' queries are read.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import HostError, Problem

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._host import Host
    from .._pci.address import PciAddress
    from .._qat.observe import Pf

_DEBUGFS = "/sys/kernel/debug"
_HEALTHY, _UNHEALTHY = "0", "-1"
# The driver counts the end of the string as part of the answer.
_PADDING = " \n\0"


@dataclass(frozen=True)
class Health:
    """What the driver tells of a device.

    Args:
        status: C(healthy), C(unhealthy), or None where it was not asked or did not say.
        queries_sent: how often it was asked since it came up.
        queries_failed: how often it found the device unresponsive.
    """

    status: str | None
    queries_sent: int | None
    queries_failed: int | None


def read_health(host: Host, pfs: Iterable[Pf]) -> dict[PciAddress, Health]:
    """Ask the drivers that can tell; reading debugfs takes root."""
    names = {name.rpartition("_")[2]: name for name in _debugfs_names(host)}
    found = [
        (pf, f"{_DEBUGFS}/{names[str(pf.address)]}/heartbeat")
        for pf in pfs
        if str(pf.address) in names
    ]
    told = [(pf, folder) for pf, folder in found if host.exists(f"{folder}/status")]
    before = {folder: _counter(host, f"{folder}/queries_failed") for _pf, folder in told}
    answers = _ask(host, [f"{folder}/status" for pf, folder in told if _may_ask(pf)])
    health = {}
    for pf, folder in told:
        failed = _counter(host, f"{folder}/queries_failed")
        # It also says -1 while it restarts, and when others asked just now; that counts nothing.
        counted = failed != before[folder] if host.live else bool(failed)
        health[pf.address] = Health(
            status=_status(answers.get(f"{folder}/status"), counted=counted),
            queries_sent=_counter(host, f"{folder}/queries_sent"),
            queries_failed=failed,
        )
    return health


def _debugfs_names(host: Host) -> list[str]:
    try:
        return [name for name in host.names(_DEBUGFS) if name.startswith("qat_")]
    except HostError:
        return []


def _may_ask(pf: Pf) -> bool:
    return not pf.blocked and not (pf.service_state and pf.service_state.auto_reset)


def _ask(host: Host, paths: list[str]) -> Mapping[str, object]:
    try:
        return host.guarded_attributes(paths)
    except HostError:
        return {}


def _status(answer: object, *, counted: bool) -> str | None:
    text = answer.strip(_PADDING) if isinstance(answer, str) else None
    if text == _HEALTHY:
        return "healthy"
    return "unhealthy" if text == _UNHEALTHY and counted else None


def _counter(host: Host, path: str) -> int | None:
    try:
        text = (host.attribute(path) or "").strip(_PADDING)
    except HostError:
        return None
    return int(text) if text.isdecimal() else None


def health_problems(pfs: Iterable[Pf], health: Mapping[PciAddress, Health]) -> list[Problem]:
    """Return the devices that do not respond."""
    found = ((pf, health.get(pf.address)) for pf in pfs)
    return [_problem(pf, told) for pf, told in found if told and told.status == "unhealthy"]


def _problem(pf: Pf, told: Health) -> Problem:
    restart = "unbind the PF from its driver and bind it again"
    if pf.family.has_services:
        restart = (
            f"write down and then up to {pf.attribute('qat/state')} (qat/auto_reset on lets the "
            "driver do so by itself; never write to the PF's reset)"
        )
    return Problem(
        "driver",
        f"{pf.address} ({pf.family.name}): does not respond",
        f"its firmware made no progress: {told.queries_failed} of {told.queries_sent} heartbeat "
        "queries failed",
        f"detach its VFs from their guests, then {restart}; boot again when that fails",
    )
