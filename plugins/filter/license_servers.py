# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter license_servers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: license_servers
short_description: Which license servers a guest with an NVIDIA GPU asks
version_added: 0.1.0
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
description:
  - Names the servers that reachability is to be tested of before
    P(hwaccel.virt.license_state#filter) judges a guest. These are those of the settings, at the
    port 7070 where they name none, and with a token the one that the log names, at port 443.
positional: log
options:
  _input:
    description: The keys that count with their values, named as in C(gridd.conf).
    type: dict
    required: true
  log:
    description: The log of the daemon, oldest line first, as a list of lines or as one text.
    type: raw
  tokens:
    description: The names of the token files in the folder that the daemon looks into.
    type: list
    elements: str
seealso:
  - plugin: hwaccel.virt.license_state
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Tell which servers a guest asks
  ansible.builtin.debug:
    msg: "{{ {'ServerAddress': 'gridlicense.example.com'} | hwaccel.virt.license_servers }}"
    # => [{'address': 'gridlicense.example.com', 'port': 7070}]
"""

RETURN = r"""
_value:
  description: The servers, each once.
  type: list
  elements: dict
  contains:
    address:
      description: A host name or an address.
      type: str
    port:
      description: Its port.
      type: int
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.evidence import read_evidence
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.servers import servers_to_ask


def license_servers(
    settings: object, log: object = None, tokens: object = None
) -> list[dict[str, t.Any]]:
    """Return the servers that a guest asks."""
    gathered = {"settings": settings, "log": log, "tokens": tokens}
    try:
        evidence = read_evidence(None, gathered)
    except InputError as error:
        raise AnsibleFilterError(f"license_servers: {error}") from error
    return [{"address": address, "port": port} for address, port in servers_to_ask(evidence)]


class FilterModule:
    """The filter, by the name that Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., object]]:
        """Return it."""
        return {"license_servers": license_servers}
