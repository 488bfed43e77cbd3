# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of C([GENERAL]) that are known, with what they take.

From the vendor's programmer's guide, "General Section", and the samples of its packages. Keys that
are not known are written as they are given.
"""

from __future__ import annotations

import re
import typing as t

from .._errors import InputError
from . import services

if t.TYPE_CHECKING:
    from collections.abc import Mapping

GENERAL = "GENERAL"
# The driver keeps names and values in 64 bytes (Linux adf_cfg_common.h, ADF_CFG_MAX_STR_LEN).
LONGEST = 63

_REQUESTS = tuple(str(1 << power) for power in range(6, 17))
_FLAG = ("0", "1")
_STATISTICS = (
    "Dc",
    "Dh",
    "Drbg",
    "Dsa",
    "Ecc",
    "General",
    "KeyGen",
    "Ln",
    "Misc",
    "Prime",
    "Rsa",
    "Sym",
)
_CHOICES: t.Final[Mapping[str, tuple[str, ...]]] = {
    "ConfigVersion": ("2",),
    "ServicesProfile": ("DEFAULT", "CRYPTO", "COMPRESSION", "CUSTOM1"),
    "CyNumConcurrentSymRequests": _REQUESTS,
    "CyNumConcurrentAsymRequests": _REQUESTS,
    "DcNumConcurrentRequests": _REQUESTS,
    "DcIntermediateBufferSizeInKB": ("32", "64"),
    "ServiceChainingEnabled": _FLAG,
    "AutoResetOnError": _FLAG,
    "PmIdleSupport": _FLAG,
    "SVMEnabled": _FLAG,
    "ATEnabled": _FLAG,
    "StorageEnabled": _FLAG,
    "PkeServiceDisabled": _FLAG,
    "ProcDebug": _FLAG,
    "SRIOV_Enabled": _FLAG,
    **{f"stats{what}": _FLAG for what in _STATISTICS},
}
_HEARTBEAT = "HeartbeatTimer"
_HEARTBEAT_ABOVE = 200
_KNOWN = {name.lower(): name for name in (*_CHOICES, services.KEY, _HEARTBEAT)}

_NAME = re.compile(rf"[A-Za-z0-9_]{{1,{LONGEST}}}", re.ASCII)
_VALUE = re.compile(r"\"[^\"]*\"|[^\s\"#](?:[^\"#]*[^\s\"#])?")
NAMES = f"letters, digits and underscores, {LONGEST} at most"


def is_name(text: str) -> bool:
    """Tell whether a text can be the name of a key or a section."""
    return _NAME.fullmatch(text) is not None


def parse_general(given: Mapping[t.Any, t.Any]) -> dict[str, str | None]:
    """Parse option C(general): None takes a key out.

    Raises:
        InputError: naming the key, the value and what is accepted.
    """
    return {_key(key): _value(f"general.{key}", str(key), value) for key, value in given.items()}


def _key(given: object) -> str:
    key = str(given)
    if not is_name(key):
        raise InputError("general", key, f"keys of {NAMES}")
    known = _KNOWN.get(key.lower(), key)
    if known != key:
        raise InputError("general", key, f"{known}, spelled so: the driver tells case apart")
    return key


def _value(option: str, key: str, given: object) -> str | None:
    if given is None:
        return None
    text = _services(option, given) if key == services.KEY else written(option, given)
    if key == _HEARTBEAT:
        if not text.isdecimal() or int(text) <= _HEARTBEAT_ABOVE:
            raise InputError(option, given, f"milliseconds above {_HEARTBEAT_ABOVE}")
        return str(int(text))
    choices = _CHOICES.get(key, ())
    if choices and text not in choices:
        raise InputError(option, given, f"one of {', '.join(choices)}")
    return text


def _services(option: str, given: object) -> str:
    """Return the value of C(ServicesEnabled), which may be given as a list."""
    words = [str(each) for each in given] if isinstance(given, (list, tuple)) else [str(given)]
    found = tuple(word.lower() for text in words for word in services.split(text))
    if not found or not set(found) <= set(services.WORDS):
        raise InputError(option, given, services.accepted(None))
    return ";".join(dict.fromkeys(found))


def written(option: str, given: object) -> str:
    """Return a value as the file has it.

    Raises:
        InputError: for one that would not be read back as it is given.
    """
    if isinstance(given, bool):
        return str(int(given))
    text = str(given).strip() if isinstance(given, (str, int, float)) else ""
    is_plain = text.isprintable() and _VALUE.fullmatch(text) is not None
    if not is_plain or len(text) > LONGEST:
        accepted = (
            f"one line of at most {LONGEST} characters with no '#' and no quotes inside, or null "
            "to take the key out"
        )
        raise InputError(option, given, accepted)
    return text
