# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks of qatlib's service."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .._qat.selectors import Selector, parse_selectors

# qatlib's own bound: "Configuration and Tuning", Policy.
_MOST = 512
_ALL = "all"
_NUMBER = re.compile(r"[0-9]{1,18}")
UNLIMITED: t.Final = "unlimited"


@dataclass(frozen=True)
class Wanted:
    """What the task asks for, parsed.

    Args:
        vfs: how many VFs of each PF, from the first on; None for all.
        policy: how many VFs a process gets, 0 for one of each PF; None leaves it as it is.
        memlock: KiB that users of qatlib may lock, or C(unlimited); None sets no limit.
    """

    present: bool
    selectors: tuple[Selector, ...]
    vfs: int | None
    policy: int | None
    memlock: str | None
    missing_ok: bool

    @classmethod
    def parse(cls, options: dict[str, t.Any]) -> Wanted:
        """Parse module options.

        Raises:
            InputError: naming the option that cannot be right.
        """
        policy = options["policy"]
        if policy is not None and not 0 <= policy <= _MOST:
            raise InputError("policy", policy, f"a whole number from 0 to {_MOST}")
        return cls(
            present=options["state"] == "present",
            selectors=parse_selectors(options["devices"]) if options["devices"] else (),
            vfs=_parse_vfs(options["vfs"]),
            policy=policy,
            memlock=_parse_memlock(options["memlock"]),
            missing_ok=options["missing_ok"],
        )


def _parse_vfs(value: str) -> int | None:
    text = value.strip().lower()
    if text == _ALL:
        return None
    number = int(text) if _NUMBER.fullmatch(text) else 0
    if not number:
        raise InputError("vfs", value, f"{_ALL} or a whole number from 1 on")
    return number


def _parse_memlock(value: str) -> str | None:
    text = value.strip().lower()
    if text == UNLIMITED:
        return text
    if _NUMBER.fullmatch(text):
        return str(int(text)) if int(text) else None
    raise InputError("memlock", value, f"a number of KiB, {UNLIMITED}, or 0 for no limit of ours")
