# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What instances a file has, and the rings that they take.

The vendor's programmer's guide, "Maximum Number of Process Calculations".
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .instances import (
    COMPRESSION,
    CRYPTO,
    KERNEL_SECTIONS,
    KINDS,
    MOST,
    NUMBERS,
    POLLING,
    PROCESSES,
    count,
)
from .keys import GENERAL
from .services import RINGS_PER_SERVICE, rings_of_crypto

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .document import Document
    from .services import Services


@dataclass(frozen=True)
class Section:
    """The instances of a section as a file has them; what is no number counts as none.

    Args:
        rings_of_crypto: how many rings one crypto instance takes.
    """

    name: str
    values: Mapping[str, str]
    rings_of_crypto: int

    @classmethod
    def read(cls, document: Document, services: Services | None) -> tuple[Section, ...]:
        """Return all sections of a file but C([GENERAL])."""
        names = (name for name in document.sections() if name != GENERAL)
        return tuple(cls(name, document.values(name), rings_of_crypto(services)) for name in names)

    @property
    def is_kernel(self) -> bool:
        """Whether its instances are the kernel's."""
        return self.name in KERNEL_SECTIONS

    def number(self, kind: str) -> int:
        """Return how many instances of a kind each process has."""
        return count(self.values, NUMBERS[kind]) or 0

    @property
    def processes(self) -> int:
        """For how many processes there are instances."""
        if self.is_kernel:
            return 1
        found = count(self.values, PROCESSES, 1)
        return 1 if found is None else found

    @property
    def has_instances(self) -> bool:
        """Whether there is any instance."""
        return any(self.number(kind) for kind in KINDS)

    @property
    def rings(self) -> int:
        """How many rings its instances take."""
        each = self.number(CRYPTO) * self.rings_of_crypto
        return (each + self.number(COMPRESSION) * RINGS_PER_SERVICE) * self.processes

    @property
    def arithmetic(self) -> str:
        """How its rings add up."""
        per_kind = {CRYPTO: self.rings_of_crypto, COMPRESSION: RINGS_PER_SERVICE}
        terms = [
            f"{self.number(kind)} {word} x {per_kind[kind]}"
            for kind, word in KINDS.items()
            if self.number(kind)
        ]
        total = " + ".join(terms)
        if not self.is_kernel:
            total = (
                f"({total}) x {self.processes} {'process' if self.processes == 1 else 'processes'}"
            )
        return f"[{self.name}] {total} = {self.rings}"

    def unreadable(self) -> Iterator[str]:
        """Yield the keys whose values should be numbers, and are none."""
        for key in (*NUMBERS.values(), PROCESSES):
            if count(self.values, key) is None:
                yield key

    def as_result(self) -> dict[str, t.Any]:
        """Return it as the module returns it."""
        return {
            **{word: self.number(kind) for kind, word in KINDS.items()},
            "processes": None if self.is_kernel else self.processes,
            "rings": self.rings,
            "instances": [
                self._instance(kind, number)
                for kind in KINDS
                for number in range(min(self.number(kind), MOST))
            ],
        }

    def _instance(self, kind: str, number: int) -> dict[str, t.Any]:
        stem = f"{kind}{number}"
        polled = self.values.get(f"{stem}IsPolled")
        words = {value: word for word, value in POLLING.items()}
        return {
            "kind": KINDS[kind],
            "name": self.values.get(f"{stem}Name"),
            "polling": words.get(polled, polled) if polled is not None else None,
            "core": self.values.get(f"{stem}CoreAffinity"),
        }
