# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services that a configuration file enables: C(ServicesEnabled).

The vendor's programmer's guide, "General Section" and "Maximum Number of Process Calculations":
C(cy) is symmetric and asymmetric cryptography together, and unknown to the package for
generation 4, which has two of the three services at most. Each service of an instance takes a pair
of rings.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

KEY = "ServicesEnabled"
CY, SYM, ASYM, DC = "cy", "sym", "asym", "dc"
WORDS = (CY, SYM, ASYM, DC)
_CRYPTO = frozenset({SYM, ASYM})
RINGS_PER_SERVICE = 2
# From this generation on there is no cy, and two services are the most.
_FIRST_SINGLE = 4
_MOST = 2

Services = frozenset[str]


def split(text: str) -> tuple[str, ...]:
    """Return the words of a value."""
    return tuple(word for word in (part.strip() for part in text.split(";")) if word)


def parse(text: str | None) -> Services | None:
    """Return the services of a value, C(cy) as the two that it is; None where it is not told."""
    if text is None or not split(text):
        return None
    words = frozenset(split(text))
    return (words - {CY}) | (_CRYPTO if CY in words else frozenset())


def are_same(one: str, other: str) -> bool:
    """Tell whether two values enable the same: their order means nothing."""
    return frozenset(split(one)) == frozenset(split(other))


def rings_of_crypto(services: Services | None) -> int:
    """Return the rings of one crypto instance; where no service is told, those of C(cy)."""
    enabled = _CRYPTO if services is None else services & _CRYPTO
    return RINGS_PER_SERVICE * len(enabled or _CRYPTO)


def has_crypto(services: Services) -> bool:
    """Tell whether cryptography of any kind is enabled."""
    return bool(services & _CRYPTO)


def told(services: Iterable[str]) -> str:
    """Return services as the file has them."""
    return ";".join(sorted(services, key=lambda word: WORDS.index(word) if word in WORDS else 9))


def accepted(generation: float | None) -> str:
    """Return what a device of a generation takes."""
    if generation is not None and generation >= _FIRST_SINGLE:
        return "one or two of sym, asym, dc, joined by ';' (generation 4 has no cy)"
    return "one or more of cy, sym, asym, dc, joined by ';'"


def is_possible(text: str, generation: float | None) -> bool:
    """Tell whether a device of a generation can have these services."""
    if generation is None or generation < _FIRST_SINGLE:
        return True
    words = set(split(text))
    return CY not in words and len(words) <= _MOST


def usual(generation: float | None, *, crypto: bool, compression: bool) -> str | None:
    """Return the services of a file that is made anew, None where there is no telling.

    Before generation 4 all are enabled, as in the vendor's samples. After that, cryptography unless
    only compression is asked for; for both there is no room.
    """
    if generation is None:
        return None
    if generation < _FIRST_SINGLE:
        return f"{CY};{DC}"
    if crypto and compression:
        return None
    return DC if compression else f"{SYM};{ASYM}"
