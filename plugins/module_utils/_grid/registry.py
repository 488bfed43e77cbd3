# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of the Windows registry that drivers read in place of C(gridd.conf).

Table 5 of the vendor's GRID Licensing User Guide (DU-07757-001 v4.9, 4.3) has five of them. Those
of a backup server and of the token folder are not in it. Their names are those of C(gridd.conf):
installers look for the ones of the backup server in both roots, that of the folder is not
confirmed. Their types are those of the like ones in the table.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .keys import BY_OPTION, FOLDER, KEYS, SERVER_KEYS, TOKEN_PATH
from .wanted import AUTO, METHODS, SERVER, TOKEN, find_licensing

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GUIDE_ROOT: t.Final = r"HKLM:\SOFTWARE\NVIDIA Corporation\Global\GridLicensing"
# Where drivers of later years have the same values; there on a guest whose driver is one of them.
DRIVER_ROOT: t.Final = r"HKLM:\SYSTEM\CurrentControlSet\Services\nvlddmkm\Global\GridLicensing"
ROOTS: t.Final = (GUIDE_ROOT, DRIVER_ROOT)

# Types as the registry names them, and as ansible.windows.win_regedit does.
SZ: t.Final = "REG_SZ"
DWORD: t.Final = "REG_DWORD"
TYPES: t.Final[Mapping[str, str]] = {SZ: "string", DWORD: "dword"}

PRESENT: t.Final = "present"
ABSENT: t.Final = "absent"
STATES: t.Final = (PRESENT, ABSENT)

_HIDE_PAGE = "hide_page"
_WINDOWS_FOLDER = re.compile(
    r"(?:[A-Za-z]:|\\\\[^\\/:*?\"<>|]+\\[^\\/:*?\"<>|]+)(?:\\[^\\/:*?\"<>|]+)+", re.ASCII
)


@dataclass(frozen=True)
class Entry:
    """A value that drivers read, with the option that sets it.

    Args:
        in_guide: whether table 5 of the guide has it.
    """

    name: str
    option: str
    type: str
    in_guide: bool = True

    def data(self, given: object) -> str | int:
        """Return what is given for the option, checked, as the registry has it.

        Raises:
            InputError: naming the option, the value and what is accepted.
        """
        key = BY_OPTION.get(self.option)
        if key is None:
            return int(_flag(self.option, given))
        if key.kind == FOLDER:
            return _folder(self.option, given)
        value = key.value(given)
        return str(value) if self.type == SZ else int(value)


# In the order of the table, the further ones after it.
ENTRIES: t.Final = (
    Entry("ServerAddress", "server_address", SZ),
    Entry("ServerPort", "server_port", SZ),
    Entry("FeatureType", "feature_type", DWORD),
    Entry("NvCplDisableManageLicensePage", _HIDE_PAGE, DWORD),
    Entry("LicenseInterval", "license_interval", DWORD),
    Entry("BackupServerAddress", "backup_server_address", SZ, in_guide=False),
    Entry("BackupServerPort", "backup_server_port", SZ, in_guide=False),
    Entry("ClientConfigTokenPath", "client_config_token_path", SZ, in_guide=False),
)
_BY_OPTION: t.Final[Mapping[str, Entry]] = {entry.option: entry for entry in ENTRIES}
# Options of gridd.conf that the registry has nothing for: an inventory may set them for all.
_LINUX_ONLY: t.Final = frozenset(key.option for key in KEYS) - frozenset(_BY_OPTION)


@dataclass(frozen=True)
class RegistryValue:
    """A value as it is to be in the registry.

    Args:
        path: the key, by its PowerShell path.
        type: C(REG_SZ) or C(REG_DWORD).
        data: None for one that is not to be there.
    """

    path: str
    name: str
    type: str
    data: str | int | None

    def as_result(self) -> dict[str, t.Any]:
        """Return it as options of ansible.windows.win_regedit."""
        return {
            "path": self.path,
            "name": self.name,
            "type": TYPES[self.type],
            "data": self.data,
            "state": ABSENT if self.data is None else PRESENT,
        }


def registry_values(
    options: Mapping[str, t.Any],
    *,
    state: str = PRESENT,
    licensing: str = AUTO,
    roots: Sequence[str] = (GUIDE_ROOT,),
) -> tuple[RegistryValue, ...]:
    """Return what is to be in the registry, root after root; what is not set is left alone.

    Args:
        options: options by the names of the module, and C(hide_page); None is unset.
        state: with C(absent) none of the values is to be there.
        licensing: C(server), C(token) or C(auto), which goes by the options.
        roots: the keys that the driver of the guest reads, of C(ROOTS).

    Raises:
        InputError: naming the option that cannot be right.
    """
    _check("state", state, STATES)
    _check("licensing", licensing, METHODS)
    for root in roots:
        _check("roots", root, ROOTS)
    data = _data(options, licensing)
    if state == ABSENT:
        data = dict.fromkeys((entry.name for entry in ENTRIES), None)
    return tuple(
        RegistryValue(root, entry.name, entry.type, data[entry.name])
        for root in dict.fromkeys(roots)
        for entry in ENTRIES
        if entry.name in data
    )


def _data(options: Mapping[str, t.Any], licensing: str) -> dict[str, str | int | None]:
    """Return the values by name, None for those of the way to license that is not meant."""
    for option in options:
        if option not in _BY_OPTION and option not in _LINUX_ONLY:
            raise InputError(option, options[option], f"one of {', '.join(_BY_OPTION)}")
    data: dict[str, str | int | None] = {
        entry.name: entry.data(options[entry.option])
        for entry in ENTRIES
        if options.get(entry.option) is not None
    }
    texts = {name: str(value) for name, value in data.items()}
    way = find_licensing(licensing, texts)
    for name in {SERVER: (TOKEN_PATH,), TOKEN: SERVER_KEYS}.get(way, ()):
        data[name] = None
    return data


def _check(option: str, given: object, accepted: Sequence[str]) -> None:
    if given not in accepted:
        raise InputError(option, given, f"one of {', '.join(accepted)}")


def _flag(option: str, given: object) -> bool:
    if not isinstance(given, bool):
        raise InputError(option, given, "true or false")
    return given


def _folder(option: str, given: object) -> str:
    """Return the absolute path of a folder on Windows or on a share."""
    text = str(given).rstrip("\\") if isinstance(given, str) else ""
    if _WINDOWS_FOLDER.fullmatch(text) is None or not text.isprintable():
        raise InputError(option, given, r"a folder such as C:\tokens or \\server\share\tokens")
    return text
