# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of the collection: a message names the device or file, the value and the remedy."""

from __future__ import annotations

import errno
import os
import typing as t
from dataclasses import dataclass
from types import MappingProxyType

# Longer ones are no numbers of anything, and Python refuses to convert some of them.
_MOST_DIGITS = 18


def is_number(text: str) -> bool:
    """Tell whether a text is a whole number from 0 on, of a length that numbers have."""
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


class HwaccelError(Exception):
    """What an operator has to know; the module runner alone turns it into a failed task.

    Attributes:
        found: what is there after a change that failed half way, as the module returns it.
    """

    found: t.Mapping[str, t.Any] = MappingProxyType({})


class InputError(HwaccelError):
    """An option cannot be right: named with its value and with what is accepted."""

    def __init__(self, option: str, value: object, accepted: str) -> None:
        super().__init__(f"option {option}: {value!r} is not accepted, use {accepted}")


class RefusedError(HwaccelError):
    """The change is possible but would harm; nothing was changed."""


class NotTakenError(HwaccelError):
    """The kernel did not take a change that was made."""


class HostError(HwaccelError):
    """The host refused a read, a write or a command; ``number`` is the errno, or 0."""

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.number = number

    @classmethod
    def from_os(cls, action: str, path: str, number: int) -> HostError:
        """Build the error of a failed system call on a path."""
        name = errno.errorcode.get(number, str(number))
        return cls(f"cannot {action} {path}: {os.strerror(number)} ({name})", number)


class BlockedError(HostError):
    """A kernel attribute did not answer within its bound; its process may stay in state D."""


CHECKS: t.Final = (
    "configured",
    "driver",
    "iommu",
    "kernel",
    "limits",
    "lockdown",
    "resources",
    "sriov",
    "virtualization",
)


@dataclass(frozen=True)
class Problem:
    """What keeps accelerators from use.

    Args:
        check: which check found it, one of C(CHECKS).
        what: what is seen.
        why: the cause.
        remedy: what an operator can do.
    """

    check: str
    what: str
    why: str
    remedy: str

    def as_result(self) -> dict[str, str]:
        """Return it as modules return it."""
        return {"check": self.check, "what": self.what, "why": self.why, "remedy": self.remedy}
