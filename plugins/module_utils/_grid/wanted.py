# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks of the daemon's configuration file."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .document import is_key, is_value
from .keys import BY_NAME, SERVER_ADDRESS, SERVER_KEYS, TOKEN_PATH, spelled
from .permissions import Wish

if t.TYPE_CHECKING:
    from collections.abc import Mapping

AUTO: t.Final = "auto"
SERVER: t.Final = "server"
TOKEN: t.Final = "token"  # noqa: S105 (a word, no secret)
METHODS: t.Final = (AUTO, SERVER, TOKEN)

_NAMES = "letters, digits and underscores, with no digit at the start"
_VALUES = "one line with no quotes inside and no comment, or null to comment the key out"


@dataclass(frozen=True)
class Wanted:
    """What the task asks for, parsed.

    Args:
        values: keys with their values as the file is to have them, None for one that is to be
            commented out.
        others: the keys of option C(settings), which count whether or not they are known.
        licensing: C(server) or C(token), C(auto) where both are left alone.
    """

    path: str
    template: str
    values: Mapping[str, str | None]
    others: tuple[str, ...]
    licensing: str
    remove_tokens: bool
    present: bool
    permissions: Wish
    backup: bool

    @classmethod
    def parse(cls, options: Mapping[str, t.Any]) -> Wanted:
        """Parse module options.

        Raises:
            InputError: naming the option that cannot be right.
        """
        for name in ("path", "template"):
            if not options[name].startswith("/") or options[name].endswith("/"):
                raise InputError(name, options[name], "the absolute path of a file")
        settings = _settings(options)
        values: dict[str, str | None] = {
            key.name: key.text(options[key.option])
            for key in BY_NAME.values()
            if options[key.option] is not None
        }
        values.update(settings)
        licensing = find_licensing(options["licensing"], values)
        for key in {SERVER: (TOKEN_PATH,), TOKEN: SERVER_KEYS}.get(licensing, ()):
            values[key] = None
        return cls(
            path=options["path"],
            template=options["template"],
            values=values,
            others=tuple(settings),
            licensing=licensing,
            remove_tokens=options["remove_tokens"],
            present=options["state"] == "present",
            permissions=Wish.parse(options),
            backup=options["backup"],
        )


def _settings(options: Mapping[str, t.Any]) -> dict[str, str | None]:
    given = options["settings"] or {}
    return {_key(name, options): _value(str(name), given[name]) for name in given}


def _key(given: object, options: Mapping[str, t.Any]) -> str:
    key = str(given)
    if not is_key(key):
        raise InputError("settings", key, f"keys of {_NAMES}")
    known = spelled(key) or key
    if known != key:
        raise InputError("settings", key, f"{known}, spelled so")
    option = BY_NAME[key].option if key in BY_NAME else None
    if option is not None and options[option] is not None:
        raise InputError("settings", key, f"option {option} alone, which is given too")
    return key


def _value(key: str, given: object) -> str | None:
    """Return a value as it is given; one of a key that has an option is held to what that takes."""
    option = f"settings.{key}"
    if given is None:
        return None
    if key in BY_NAME:
        return BY_NAME[key].text(given, option)
    if isinstance(given, bool):
        return str(given).upper()
    text = str(given) if isinstance(given, (str, int, float)) else ""
    if not isinstance(given, (str, int, float)) or not is_value(text):
        raise InputError(option, given, _VALUES)
    return text


def find_licensing(given: str, values: Mapping[str, str | None]) -> str:
    """Return which way to license is meant; what is given for the other one is an error."""
    servers = [name for name in SERVER_KEYS if values.get(name) is not None]
    token = values.get(TOKEN_PATH) is not None
    if given == AUTO:
        if servers and token:
            told = " and ".join(_told(name) for name in (*servers, TOKEN_PATH))
            raise InputError("licensing", given, f"a server or a token: {told} exclude each other")
        if values.get(SERVER_ADDRESS) is not None:
            return SERVER
        return TOKEN if token else AUTO
    if given == SERVER and token:
        raise InputError("licensing", given, f"token, or leave {_told(TOKEN_PATH)} out")
    if given == TOKEN and servers:
        told = " and ".join(_told(name) for name in servers)
        raise InputError("licensing", given, f"server, or leave {told} out")
    return given


def _told(name: str) -> str:
    return BY_NAME[name].option
