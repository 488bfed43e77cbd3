# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks of functions."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .selection import parse_devices
from .variants import AUTO, parse_driver

if t.TYPE_CHECKING:
    from .._qat.selectors import Selector


@dataclass(frozen=True)
class Wanted:
    """What the task asks for, parsed.

    Args:
        driver: None for the best one there is.
        takes_siblings: whether the rest of an IOMMU group is bound along.
    """

    selectors: tuple[Selector, ...]
    present: bool
    driver: str | None
    takes_siblings: bool
    allow_denylisted: bool
    persistent: bool
    force: bool
    missing_ok: bool

    @classmethod
    def parse(cls, options: dict[str, t.Any]) -> Wanted:
        """Parse module options.

        Raises:
            InputError: naming the option that cannot be right.
        """
        driver = parse_driver(options["driver"])
        return cls(
            selectors=parse_devices(options["devices"]),
            present=options["state"] == "present",
            driver=None if driver == AUTO else driver,
            takes_siblings=options["siblings"] == "bind",
            allow_denylisted=options["allow_denylisted"],
            persistent=options["persistent"],
            force=options["force"],
            missing_ok=options["missing_ok"],
        )
