# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of C(gridd.conf) that drivers are known to read, with what they take.

From the template that drivers install, and from the vendor's GRID Licensing User Guide. What
a driver takes for a key that is not set has changed with the drivers, so that no default stands
here besides those of the port and the token folder, which have not.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .address import check_server_address

if t.TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT = 7070
DEFAULT_TOKEN_FOLDER = "/etc/nvidia/ClientConfigToken"  # noqa: S105 (a folder, no secret)

FEATURE_TYPES: t.Final[Mapping[str, int]] = {
    "unlicensed": 0,
    "vgpu": 1,
    "vws": 2,
    "compute": 4,
}

ADDRESS: t.Final = "address"
PORT: t.Final = "port"
FEATURE: t.Final = "feature"
FLAG: t.Final = "flag"
MINUTES: t.Final = "minutes"
FOLDER: t.Final = "folder"

Value = t.Union[str, int, bool]


@dataclass(frozen=True)
class Key:
    """A key that has an option.

    Args:
        name: the key in the file.
        option: the option of the module.
        kind: C(address), C(port), C(feature), C(flag), C(minutes) or C(folder).
        least: the lowest number that it takes.
        most: the highest one.
    """

    name: str
    option: str
    kind: str
    least: int = 0
    most: int = 0

    def value(self, given: object, option: str | None = None) -> Value:
        """Return a value that was given, checked: an int, a bool, or else a str.

        Args:
            option: what errors call it, its own option unless given.

        Raises:
            InputError: naming the option, the value and what is accepted.
        """
        told = option or self.option
        if self.kind == ADDRESS:
            return check_server_address(told, given)
        if self.kind == FEATURE:
            return feature_type(given, told)
        if self.kind == FLAG:
            return _flag(told, given)
        if self.kind == FOLDER:
            return _folder(told, given)
        return self._number(told, given)

    def text(self, given: object, option: str | None = None) -> str:
        """Return a value that was given, checked, as the file has it."""
        value = self.value(given, option)
        return str(value).upper() if isinstance(value, bool) else str(value)

    def _number(self, option: str, given: object) -> int:
        text = "" if isinstance(given, bool) else str(given)
        if _NUMBER.fullmatch(text) is None or not self.least <= int(text) <= self.most:
            unit = " minutes" if self.kind == MINUTES else ""
            raise InputError(option, given, f"{self.least} to {self.most}{unit}")
        return int(text)


_PORTS = (1, 65535)
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)
_FLAGS = {"true": True, "false": False}

# In the order of the template.
KEYS: t.Final = (
    Key("ServerAddress", "server_address", ADDRESS),
    Key("ServerPort", "server_port", PORT, *_PORTS),
    Key("BackupServerAddress", "backup_server_address", ADDRESS),
    Key("BackupServerPort", "backup_server_port", PORT, *_PORTS),
    Key("FeatureType", "feature_type", FEATURE, 0, 4),
    Key("EnableUI", "enable_ui", FLAG),
    Key("LicenseInterval", "license_interval", MINUTES, 10, 10080),
    Key("LingerInterval", "linger_interval", MINUTES, 0, 10080),
    Key("ClientConfigTokenPath", "client_config_token_path", FOLDER),
)
BY_NAME: t.Final[Mapping[str, Key]] = {key.name: key for key in KEYS}
BY_OPTION: t.Final[Mapping[str, Key]] = {key.option: key for key in KEYS}

SERVER_ADDRESS: t.Final = "ServerAddress"
TOKEN_PATH: t.Final = "ClientConfigTokenPath"  # noqa: S105 (a key, no secret)
# What a licence server is told by, and what a token replaces.
SERVER_KEYS: t.Final = tuple(key.name for key in KEYS if key.kind in {ADDRESS, PORT})

# IgnoreSP has no option: images of service providers set it.
KNOWN: t.Final = (*BY_NAME, "IgnoreSP")
_SPELLED = {name.lower(): name for name in KNOWN}


def spelled(name: str) -> str | None:
    """Return a known key as drivers spell it, None for one that is not known."""
    return _SPELLED.get(name.lower())


def feature_type(given: object, option: str = "feature_type") -> int:
    """Return the number of a feature, given as a word or as a number.

    Raises:
        InputError: naming the option, the value and what is accepted.
    """
    text = "" if isinstance(given, bool) else str(given)
    for word, number in FEATURE_TYPES.items():
        if text in {word, str(number)}:
            return number
    words = ", ".join(FEATURE_TYPES)
    numbers = ", ".join(str(number) for number in FEATURE_TYPES.values())
    raise InputError(option, given, f"one of {words}, {numbers}")


def _flag(option: str, given: object) -> bool:
    flag = given if isinstance(given, bool) else _FLAGS.get(str(given).lower())
    if flag is None:
        raise InputError(option, given, "true or false")
    return flag


def _folder(option: str, given: object) -> str:
    """Return an absolute path that a line of the file can hold."""
    is_plain = isinstance(given, str) and given.startswith("/") and given.isprintable()
    if not is_plain or set(str(given)) & set("\"'#"):
        raise InputError(
            option, given, "the absolute path of a folder, with no quotes and no '#' in it"
        )
    return str(given)
