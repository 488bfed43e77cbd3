# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of license servers: the module's rule and the controller's test agree."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.address import check_server_address
from ansible_collections.hwaccel.virt.plugins.test import server_address as plugin
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    import ipaddress

RIGHT = [
    "gridlicense.example.com",
    "gridlicense.example.com.",
    "GRID",
    "3com.example",
    "xn--bcher-kva.example",
    "a" * 63,
    ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61]),
    "10.31.20.45",
    "2001:db8::45",
    "::ffff:10.31.20.45",
    "::",
]
WRONG = [
    "",
    ".",
    "a..b",
    ".a",
    "-a",
    "a-",
    "a_b",
    "a" * 64,
    ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 62]),
    "bücher.example",
    "http://gridlicense.example.com",
    "gridlicense.example.com:7070",
    "gridlicense.example.com/x",
    "grid license",
    "gridlicense\n",
    "10.31.20.45\n",
    "10.31.20",
    "10.31.20.256",
    "010.31.20.45",
    "10.31.20.45.",
    "\u0663.31.20.45",
    "7070",
    "[2001:db8::45]",
    "fe80::1%eth0",
    "2001:db8::45::",
    "user@host",
    "a\0b",
]


@pytest.mark.parametrize("text", RIGHT)
def test_addresses(text: str) -> None:
    assert check_server_address("server_address", text) == text
    assert plugin.server_address(text) is True


@pytest.mark.parametrize("text", [*WRONG, None, 7070, ["a"]])
def test_what_is_no_address(text: object) -> None:
    with pytest.raises(InputError, match=r"option backup: .* is not accepted, use a host name"):
        check_server_address("backup", text)
    assert plugin.server_address(text) is False


@given(st.one_of(st.ip_addresses().map(str), st.text("a1-.:[ %\n", max_size=12)))
def test_module_and_controller_agree(text: str) -> None:
    try:
        check_server_address("server_address", text)
    except InputError:
        assert plugin.server_address(text) is False
    else:
        assert plugin.server_address(text) is True


@given(st.ip_addresses())
def test_every_ip_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert check_server_address("server_address", str(address)) == str(address)
