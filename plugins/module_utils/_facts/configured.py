# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What our rules make at boot, compared with what is there."""

from __future__ import annotations

import typing as t

from .._errors import Problem
from .._qat.services import join_services

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .._qat.observe import Pf
    from .._qat.rules import SriovRule


class _Setting(t.NamedTuple):
    """One thing that a rule sets: how it is told, and where rule and PF have it.

    A rule that has None leaves it alone.
    """

    text: str
    configured: t.Callable[[SriovRule], object]
    found: t.Callable[[Pf], object]


def _joined(services: tuple[str, ...] | None) -> str | None:
    return None if services is None else join_services(services)


def _services(pf: Pf) -> str | None:
    return _joined(pf.service_state.services) if pf.service_state else None


def _auto_reset(pf: Pf) -> bool | None:
    return pf.service_state.auto_reset if pf.service_state else None


def _host_vfs(rule: SriovRule) -> str:
    """Return the VFs that a rule keeps for the host; none is told too, for VFs that still are."""
    return _addresses(rule.host_vfs.addresses if rule.host_vfs else ())


def _kept_vfs(pf: Pf) -> str:
    return _addresses(vf.address for vf in pf.vfs if vf.reserved)


def _addresses(addresses: Iterable[object]) -> str:
    return ", ".join(map(str, addresses)) or "none"


_SETTINGS: t.Final = (
    _Setting("{} VFs", lambda rule: rule.num_vfs, lambda pf: pf.num_vfs),
    _Setting("autoprobe {}", lambda rule: rule.autoprobe, lambda pf: pf.autoprobe),
    _Setting("services {}", lambda rule: _joined(rule.services), _services),
    _Setting("auto_reset {}", lambda rule: rule.auto_reset, _auto_reset),
    _Setting("VFs of the host {}", _host_vfs, _kept_vfs),
)


def rule_problems(
    rules: Sequence[SriovRule],
    functions: Mapping[PciAddress, PciFunction],
    pfs: Mapping[PciAddress, Pf],
) -> list[Problem]:
    """Compare what our rules make at boot with what is there."""
    problems = []
    for rule in rules:
        there = functions.get(rule.address)
        if there is None or there.id != rule.id:
            problems.append(_elsewhere(rule, there))
            continue
        pf = pfs.get(rule.address)
        differences = _differences(rule, pf) if pf and not pf.blocked else []
        if differences:
            problems.append(_different(rule, differences))
    return problems


def _differences(rule: SriovRule, pf: Pf) -> list[str]:
    """Tell what a rule and its PF do not agree on."""
    if pf.function.driver not in (None, rule.driver):
        # Nothing else of the rule applies.
        return [f"driver {pf.function.driver}, the rule waits for {rule.driver}"]
    compared = (
        (setting.text, setting.configured(rule), setting.found(pf)) for setting in _SETTINGS
    )
    return [
        f"{text.format(_word(found))}, {_word(configured)} configured"
        for text, configured, found in compared
        if configured not in (None, found)
    ]


def _word(value: object) -> str:
    """Return a value as an operator writes it."""
    return str(value).lower()


def _elsewhere(rule: SriovRule, there: PciFunction | None) -> Problem:
    found = str(there.id) if there else "nothing"
    return Problem(
        "configured",
        f"{rule.address}: configured for {rule.id}, found {found}",
        f"{rule.path} names a device that is not at this address",
        "addresses move when cards are added: run qat_sriov with state: absent for this address, "
        "then with state: present for the PFs that are there",
    )


def _different(rule: SriovRule, differences: Sequence[str]) -> Problem:
    return Problem(
        "configured",
        f"{rule.address}: {'; '.join(differences)}",
        f"{rule.path} and the device differ",
        "see the kernel log and udev's (udevadm test) for the cause, or run qat_sriov",
    )
