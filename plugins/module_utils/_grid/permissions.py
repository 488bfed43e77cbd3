# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Owner, group and mode of a file, as tasks give them to ansible.builtin.copy."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import InputError, is_number

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._host import Host, Permissions

_OCTAL = re.compile(r"(?:0o?)?[0-7]{1,4}", re.ASCII)
_CLAUSE = re.compile(r"(?P<who>[ugoa]*)(?P<how>(?:[-+=][rwxXst]*)+)", re.ASCII)
_ACTION = re.compile(r"([-+=])([rwxXst]*)", re.ASCII)
_ACCEPTED = "an octal number in quotes such as '0644', or a symbolic mode such as u=rw,g=r,o=r"
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 0o4, "w": 0o2, "x": 0o1}
# What s means for user and group, and t for others.
_SPECIAL = {"u": 0o4000, "g": 0o2000, "o": 0o1000}
_LETTERS = {"u": "s", "g": "s", "o": "t"}
_HIGHEST = 0o7777
# The number above it stands for none: chown(2).
_HIGHEST_ID = 0xFFFFFFFE


@dataclass(frozen=True)
class Mode:
    """A mode as a task gives it: octal, or changes of what a file has."""

    text: str

    @classmethod
    def parse(cls, given: object) -> Mode:
        """Parse option C(mode).

        Raises:
            InputError: for what is no mode.
        """
        text = str(given)
        if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= _HIGHEST:
            # YAML reads 0644 as the number 420.
            text = f"{given:04o}"
        elif not isinstance(given, str):
            raise InputError("mode", given, _ACCEPTED)
        if not _OCTAL.fullmatch(text) and not all(map(_CLAUSE.fullmatch, text.split(","))):
            raise InputError("mode", given, _ACCEPTED)
        return cls(text)

    def of(self, mode: int) -> int:
        """Return the mode of a file that has another one now."""
        if _OCTAL.fullmatch(self.text):
            return int(self.text.lower().replace("o", ""), 8)
        for clause in self.text.split(","):
            found = _CLAUSE.fullmatch(clause)
            if found is not None:
                for sign, letters in _ACTION.findall(found["how"]):
                    mode = _acted(mode, found["who"], sign, letters)
        return mode


def _acted(mode: int, who: str, sign: str, letters: str) -> int:
    """Return a mode after one action of chmod(1)."""
    users = "ugo" if not who or "a" in who else who
    bits = mask = 0
    for user in users:
        mask |= 0o7 << _SHIFTS[user] | _SPECIAL[user]
        for letter in letters:
            if letter in _BITS or (letter == "X" and mode & 0o111):
                bits |= _BITS.get(letter, _BITS["x"]) << _SHIFTS[user]
            elif letter == _LETTERS[user]:
                bits |= _SPECIAL[user]
    if sign == "-":
        return mode & ~bits
    return (mode & ~mask if sign == "=" else mode) | bits


@dataclass(frozen=True)
class Wish:
    """Which of owner, group and mode a task gives; None for what is left as it is."""

    owner: str | None = None
    group: str | None = None
    mode: Mode | None = None

    @classmethod
    def parse(cls, options: Mapping[str, t.Any]) -> Wish:
        """Parse module options."""
        mode = options["mode"]
        return cls(options["owner"], options["group"], None if mode is None else Mode.parse(mode))

    def of(self, host: Host, found: Permissions) -> Permissions:
        """Return what a file is to have that has something else now.

        Raises:
            InputError: for an owner or a group that the host does not know.
        """
        return type(found)(
            uid=found.uid if self.owner is None else _number("owner", self.owner, host.user_id),
            gid=found.gid if self.group is None else _number("group", self.group, host.group_id),
            mode=found.mode if self.mode is None else self.mode.of(found.mode),
        )


def _number(option: str, given: str, ask: t.Callable[[str], int | None]) -> int:
    number = int(given) if is_number(given) else ask(given)
    if number is None or number > _HIGHEST_ID:
        what = "a user" if option == "owner" else "a group"
        raise InputError(option, given, f"{what} that the host knows, by name or by number")
    return number
