# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test server_address."""

from __future__ import annotations

DOCUMENTATION = r"""
name: server_address
short_description: Whether a text can be the address of a license server
version_added: 0.1.0
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
description:
  - Tells, on the controller and before a host is touched, whether a text is a host name by RFC
    1123, an IPv4 or an IPv6 address, as O(hwaccel.virt.gridd_license#module:server_address) takes
    it. A scheme, a port, brackets, spaces and a newline make it none.
requirements:
  - netaddr on the controller
options:
  _input:
    description: The text.
    type: raw
    required: true
seealso:
  - module: hwaccel.virt.gridd_license
"""

EXAMPLES = r"""
- name: Refuse what is no address
  ansible.builtin.assert:
    that: license_server is hwaccel.virt.server_address
  vars:
    license_server: gridlicense.example.com
"""

RETURN = r"""
_value:
  description: Whether it is an address.
  type: bool
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.address import is_host_name

try:
    import netaddr
except ImportError:
    HAS_NETADDR = False
else:
    HAS_NETADDR = True


def server_address(value: object) -> bool:
    """Tell whether a value is a host name or an IP address."""
    if not HAS_NETADDR:
        raise AnsibleFilterError(
            "server_address: the controller has no Python package netaddr: install it there"
        )
    # What the system's own parser cannot take is no address either.
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
        return False
    is_address = netaddr.valid_ipv4(value, netaddr.INET_PTON) or netaddr.valid_ipv6(value)
    return is_address or is_host_name(value)


class TestModule:
    """The test, by the name that Ansible asks for."""

    def tests(self) -> dict[str, t.Callable[[object], bool]]:
        """Return it."""
        return {"server_address": server_address}
