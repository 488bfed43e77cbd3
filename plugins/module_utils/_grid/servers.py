# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which license servers a guest asks."""

from __future__ import annotations

import typing as t

from .._errors import InputError
from .keys import BY_NAME, DEFAULT_PORT, SERVER_KEYS

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .evidence import Evidence

# Servers of the licensing system that takes tokens: the log names them, without a port.
_TOKEN_SERVER_PORT = 443


def servers_to_ask(evidence: Evidence) -> list[tuple[str, int]]:
    """Return the servers to ask: those configured, and with a token the one that the log names."""
    found = list(dict.fromkeys(_configured(evidence)))
    named = [event.server for event in evidence.events or () if event.server]
    # A token that is out of sight may be the reason that no server is configured.
    if named and (evidence.uses_token or (evidence.tokens is None and not found)):
        found.append((named[-1], _TOKEN_SERVER_PORT))
    return list(dict.fromkeys(found))


def _configured(evidence: Evidence) -> Iterator[tuple[str, int]]:
    for address_key, port_key in zip(SERVER_KEYS[::2], SERVER_KEYS[1::2]):
        address = evidence.value(address_key)
        if address is None:
            continue
        try:
            BY_NAME[address_key].value(address)
            port = BY_NAME[port_key].value(evidence.value(port_key) or DEFAULT_PORT)
        except InputError:
            continue
        yield address, int(port)
