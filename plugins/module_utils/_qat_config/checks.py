# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a configuration file may not say, with the reason; and what is worth a warning."""

from __future__ import annotations

import typing as t

from .._errors import InputError, RefusedError
from . import services
from .instances import COMPRESSION, CRYPTO
from .keys import GENERAL
from .numbers import VF

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .state import ConfigFile

_SRIOV = "SRIOV_Enabled"


def check(file: ConfigFile) -> None:
    """Refuse a file that the driver would not take, as it is to become.

    Raises:
        InputError: for services that the device cannot have.
        RefusedError: naming the file, what is wrong and the remedy.
    """
    _check_numbers(file)
    _check_services(file)
    _check_related(file)
    _check_rings(file)


def _check_numbers(file: ConfigFile) -> None:
    for section in file.sections:
        for key in section.unreadable():
            raise RefusedError(
                f"{file.path}: {key} of [{section.name}] is {section.values[key]!r}, which is no "
                "number: correct it there, or declare the section in option sections"
            )


def _check_services(file: ConfigFile) -> None:
    """Look whether the device can have the services, and the instances have theirs."""
    text = file.document.value(GENERAL, services.KEY)
    enabled = file.services
    if text is None or enabled is None:
        return
    if not services.is_possible(text, file.target.generation):
        accepted = f"{services.accepted(file.target.generation)} ({file.path})"
        raise InputError(f"general.{services.KEY}", text, accepted)
    for section in file.sections:
        lacking = None
        if section.number(CRYPTO) and not services.has_crypto(enabled):
            lacking = f"{section.number(CRYPTO)} crypto", "cy, sym or asym"
        elif section.number(COMPRESSION) and services.DC not in enabled:
            lacking = f"{section.number(COMPRESSION)} compression", services.DC
        if lacking is not None:
            raise RefusedError(
                f"{file.path}: [{section.name}] has {lacking[0]} instances, and {services.KEY} is "
                f"{text}: add {lacking[1]} to general.{services.KEY}, or declare none of them"
            )


def _check_related(file: ConfigFile) -> None:
    """Look whether PF and VFs agree: a VF has no service that its PF does not have."""
    mine = file.services
    if mine is None:
        return
    for other in file.related:
        theirs = services.parse(other.services) or frozenset()
        vf_side, pf_side = (mine, theirs) if file.kind == VF else (theirs, mine)
        lacking = services.told(vf_side - pf_side)
        if not lacking:
            continue
        if file.kind == VF:
            raise RefusedError(
                f"{file.path}: {lacking} is not enabled in {other.path} ({services.KEY} = "
                f"{other.services}) of its PF {other.address}, and a VF has no service that its PF "
                f"does not have: enable it there first (kind: pf), or leave it out here"
            )
        raise RefusedError(
            f"{file.path}: {lacking} would not be enabled, and {other.path} of its VF "
            f"{other.address} enables it ({services.KEY} = {other.services}): keep it here, or "
            "leave it out there first (kind: vf)"
        )


def _check_rings(file: ConfigFile) -> None:
    if file.budget is None or file.rings <= file.budget:
        return
    sums = [section.arithmetic for section in file.sections if section.rings]
    total = f"; together {file.rings}" if len(sums) > 1 else ""
    raise RefusedError(
        f"{file.path}: its instances need {file.rings} rings, and a VF has {file.budget}: "
        f"{'; '.join(sums)}{total}. Declare fewer instances or processes, enable only the services "
        "that are used, or use more VFs"
    )


def warnings(file: ConfigFile) -> Iterator[str]:
    """Yield what an operator should know of a file."""
    having = [f"[{section.name}]" for section in file.sections if section.has_instances]
    if file.kind == VF:
        kernel = [each for each in file.sections if each.is_kernel and each.has_instances]
        if kernel and len(kernel) < len(having):
            yield (
                f"{file.path}: {' and '.join(having)} have instances: a VF has those of the kernel "
                "or those of processes, not both; use another VF for one of them"
            )
        return
    enabled = file.document.value(GENERAL, _SRIOV) == "1"
    if having and (enabled or file.has_vfs):
        why = f"{_SRIOV} = 1" if enabled and not file.has_vfs else "the PF has VFs"
        yield (
            f"{file.path}: the instances of {' and '.join(having)} are not made: with SR-IOV "
            f"({why}) the driver ignores those of a PF; configure VFs that the host keeps (kind: "
            "vf, and host_vfs of module qat_sriov)"
        )
