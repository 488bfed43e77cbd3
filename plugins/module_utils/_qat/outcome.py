# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes out of the steps of a PF: predicted before them, compared with what is there after."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._pci.function import AUTOPROBE, COUNT
from .._vfio.holders import Holder, uses_it_itself
from .observe import Pf, Vf, blocked_message
from .rules import rule_path
from .services import AUTO_RESET, CFG_SERVICES, STATE, UP, join_services, switch_word

if t.TYPE_CHECKING:
    from .._vfio.binding import Binding
    from .target import Target

_LOG = "see the kernel log for what its driver says"


@dataclass(frozen=True)
class PfState:
    """A PF with the rules that stand for it.

    Args:
        marked: whether a run that was killed left word that it works on the PF.
        native_driver: whether the host has the native driver of the VFs, loaded or not.
        module_available: whether the running kernel has the module of a driver that is missing.
    """

    pf: Pf
    rule: bytes | None
    marked: bool
    native_driver: bool
    module_available: bool


def predicted(found: PfState, target: Target) -> PfState:
    """Return the state that the steps of a PF lead to."""
    pf = found.pf
    there = pf.service_state
    if there is not None:
        up = target.num_vfs or target.services
        there = replace(
            there,
            state=UP if up else there.state,
            services=there.services if target.services is None else target.services,
            auto_reset=there.auto_reset if target.auto_reset is None else target.auto_reset,
        )
    pf = replace(
        pf,
        num_vfs=target.num_vfs,
        vfs=_vfs_after(pf, target),
        autoprobe=pf.autoprobe if target.autoprobe is None else target.autoprobe,
        service_state=there,
    )
    return replace(found, pf=pf, rule=target.rule, marked=False)


def _vfs_after(pf: Pf, target: Target) -> tuple[Vf, ...]:
    """Return the VFs that there will be, those that the host keeps on their native driver."""
    native = pf.family.vf_driver
    result = []
    for index, vf in enumerate(target.vfs(pf)):
        after = vf
        if index < target.host_vfs and not (vf.reserved and vf.driver == native):
            holder = _domain(vf) or Holder("driver", str(native))
            after = replace(vf, driver=native, holder=holder, override=native, reserved=True)
        elif vf.address in target.given_back:
            after = _given_back(vf, native, target.given_back[vf.address])
        result.append(after)
    return tuple(result)


def _given_back(vf: Vf, native: str | None, former: Binding) -> Vf:
    holder = vf.holder if former.driver == vf.driver else _domain(vf)
    if holder is None and uses_it_itself(former.driver):
        holder = Holder("driver", str(former.driver))
    reserved = former.override is not None and former.override == native
    return replace(
        vf,
        override=former.override,
        reserved=reserved,
        driver=former.driver,
        holder=holder,
    )


def _domain(vf: Vf) -> Holder | None:
    """Return the domain that has a VF, whatever driver the VF is on."""
    return vf.holder if vf.holder and vf.holder.kind == "domain" else None


def unmet(found: PfState, target: Target) -> str | None:
    """Tell what of the wanted state is not there, with what the kernel has instead."""
    pf = found.pf
    if pf.blocked:
        return blocked_message(pf)
    if target.num_vfs != pf.num_vfs or len(pf.vfs) != pf.num_vfs:
        return (
            f"{pf.address}: {COUNT} was set to {target.num_vfs}, reads {pf.num_vfs}, and "
            f"{len(pf.vfs)} VFs are there; the kernel log tells what {pf.function.driver} did"
        )
    if target.autoprobe not in (None, pf.autoprobe):
        reads = "nothing" if pf.autoprobe is None else f"{pf.autoprobe:d}"
        wanted = f"was set to {target.autoprobe:d}, reads {reads}"
        return f"{pf.address}: {AUTOPROBE} {wanted}; {_LOG}"
    if target.rule != found.rule:
        return f"{rule_path(pf.address)}: not as it was written; something else changes it"
    return _unmet_services(pf, target) or _unmet_host_vfs(pf, target)


def _unmet_services(pf: Pf, target: Target) -> str | None:
    there = pf.service_state
    if target.changes_services(pf):
        found = "nothing" if there is None else join_services(there.services or ())
        wanted = join_services(target.services or ())
        return f"{pf.address}: {CFG_SERVICES} was set to {wanted}, reads {found}; {_LOG}"
    if there is None:
        return None
    if target.auto_reset not in (None, there.auto_reset):
        wanted, found = (switch_word(on=bool(on)) for on in (target.auto_reset, there.auto_reset))
        return f"{pf.address}: {AUTO_RESET} was set to {wanted}, reads {found}; {_LOG}"
    if there.state != UP and (target.num_vfs or target.services):
        return f"{pf.address}: {STATE} was set to {UP}, reads {there.state}; {_LOG}"
    return None


def _unmet_host_vfs(pf: Pf, target: Target) -> str | None:
    native = pf.family.vf_driver
    for vf in pf.vfs[: target.host_vfs]:
        if not vf.reserved or vf.driver != native:
            return (
                f"{vf.address}: VF of {pf.address} that the host is to keep: wanted driver "
                f"{native}, found {vf.driver}; {_LOG}"
            )
    for vf in pf.vfs:
        former = target.given_back.get(vf.address)
        if former and vf.override != former.override:
            wanted = f"was set to {former.override}, reads {vf.override}"
            return f"{vf.address}: driver_override {wanted}; {_LOG}"
        if former and vf.driver != former.driver:
            return (
                f"{vf.address}: wanted driver {former.driver}, which it had before, found "
                f"{vf.driver}; load its module (modprobe {former.driver}) and run again, or {_LOG}"
            )
    return None
