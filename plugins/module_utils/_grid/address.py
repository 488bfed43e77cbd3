# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be the address of a license server: a host name, an IPv4 or an IPv6 address."""

from __future__ import annotations

import ipaddress
import re

from .._errors import InputError

ACCEPTED = (
    "a host name (RFC 1123), an IPv4 or an IPv6 address, without scheme, port, brackets or spaces"
)

_LONGEST = 253
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
# ipaddress takes anything behind a %, which names an interface of one host alone.
_IP = re.compile(r"[0-9A-Fa-f:.]+", re.ASCII)


def is_host_name(text: str) -> bool:
    """Tell whether a text is a host name by RFC 1123, 2.1; a dot may end it, as in the DNS.

    A name whose last label is a number is none: it would be read as an IPv4 address.
    """
    labels = text[: -len(".")].split(".") if text.endswith(".") else text.split(".")
    return (
        len(".".join(labels)) <= _LONGEST
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )


def is_ip_address(text: str) -> bool:
    """Tell whether a text is an IPv4 or IPv6 address, without an interface."""
    if _IP.fullmatch(text) is None:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def check_server_address(option: str, value: object) -> str:
    """Return the address of a license server as it was given.

    Raises:
        InputError: for what is none, naming the option, the value and what is accepted.
    """
    if not isinstance(value, str) or not (is_ip_address(value) or is_host_name(value)):
        raise InputError(option, value, ACCEPTED)
    return value
