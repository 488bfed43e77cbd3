# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services of QAT generation 4 and later: which there are, and which a PF offers.

The attributes C(qat/state), C(qat/cfg_services) and C(qat/auto_reset) and their rules:
Linux C(Documentation/ABI/testing/sysfs-driver-qat). The order of the words does not matter to
the driver; kernels up to 6.4 take C(sym;asym) and C(dc) only, spelled so.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InputError, RefusedError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._host import Blocked
    from .devices import QatFamily

# In the order in which they are written and returned.
SERVICES: t.Final = ("sym", "asym", "dc", "dcc", "decomp")
UP, DOWN = "up", "down"
STATE, CFG_SERVICES, AUTO_RESET = "qat/state", "qat/cfg_services", "qat/auto_reset"
ATTRIBUTES: t.Final = (STATE, CFG_SERVICES, AUTO_RESET)

_SEPARATOR = ";"
# Chains compression with hashing on the device, and leaves no room for another service.
_ALONE = "dcc"
_DECOMPRESSION_ONLY, _FIRST_WITH_DECOMPRESSION_ONLY = "decomp", 6
_MOST, _MOST_OF_GENERATION_6 = 2, 3


@dataclass(frozen=True)
class ServiceState:
    """What the driver of a PF says about its services.

    Args:
        state: C(up) or C(down).
        services: None where C(qat/cfg_services) is missing.
        auto_reset: None where C(qat/auto_reset) is missing, before Linux 6.9.
    """

    state: str
    services: tuple[str, ...] | None
    auto_reset: bool | None

    @classmethod
    def parse(cls, answers: Mapping[str, str | Blocked | None]) -> ServiceState | None:
        """Parse attributes by name; None for a driver without them, and for one that is blocked."""
        state, services, auto_reset = (answers.get(name) for name in ATTRIBUTES)
        if not isinstance(state, str):
            return None
        return cls(
            state=state,
            services=split_services(services) if isinstance(services, str) else None,
            auto_reset=auto_reset == switch_word(on=True) if isinstance(auto_reset, str) else None,
        )


def service_result(state: ServiceState | None) -> dict[str, t.Any]:
    """Return the services of a PF as modules return them, null where its driver tells none."""
    services = state.services if state else None
    return {
        "qat_state": state.state if state else None,
        "services": None if services is None else list(services),
        "auto_reset": state.auto_reset if state else None,
    }


def switch_word(*, on: bool) -> str:
    """Return a switch as C(qat/auto_reset) has it."""
    return "on" if on else "off"


def in_order(services: Iterable[str]) -> tuple[str, ...]:
    """Return services in the order in which they are written; ones not known come last."""
    return tuple(sorted(services, key=lambda word: (*SERVICES, word).index(word)))


def split_services(text: str) -> tuple[str, ...]:
    """Return the services of C(qat/cfg_services), in our order."""
    return in_order(word for word in text.split(_SEPARATOR) if word)


def join_services(services: Iterable[str]) -> str:
    """Return services as C(qat/cfg_services) takes them."""
    return _SEPARATOR.join(in_order(services))


def parse_services(value: list[str] | None) -> tuple[str, ...] | None:
    """Parse the option C(services), before anything is read from a device.

    Raises:
        InputError: for a word that is no service, one given twice, or a set that no device has.
    """
    if value is None:
        return None
    accepted = f"one to {_MOST_OF_GENERATION_6} of {', '.join(SERVICES)}, {_ALONE} alone"
    unknown = set(value) - set(SERVICES)
    alone = _ALONE in value and len(value) > 1
    if unknown or alone or not 1 <= len(value) <= _MOST_OF_GENERATION_6:
        raise InputError("services", value, accepted)
    if len(set(value)) < len(value):
        raise InputError("services", value, f"{accepted}, each once")
    return in_order(value)


def check_services(where: str, family: QatFamily, services: tuple[str, ...]) -> None:
    """Refuse services that a family does not have.

    Raises:
        RefusedError: naming the PF and what its family takes.
    """
    told = join_services(services)
    if not family.has_services:
        message = (
            f"{where}: option services: {told}: {family.name} has no choice of services "
            "(generation 4 and later have); leave these PFs out of option devices, for example by "
            "devices: [gen4]"
        )
        raise RefusedError(message)
    newest = family.generation >= _FIRST_WITH_DECOMPRESSION_ONLY
    most = _MOST_OF_GENERATION_6 if newest else _MOST
    if len(services) > most:
        message = f"{where}: option services: {told}: {family.name} takes {most} services at most"
        raise RefusedError(message)
    if _DECOMPRESSION_ONLY in services and not newest:
        message = (
            f"{where}: option services: {told}: {_DECOMPRESSION_ONLY} needs generation "
            f"{_FIRST_WITH_DECOMPRESSION_ONLY}, {family.name} is of generation {family.generation}"
        )
        raise RefusedError(message)
