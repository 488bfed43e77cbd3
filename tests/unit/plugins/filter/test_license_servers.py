# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which servers a guest asks, by its settings, its token and its log."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.filter.license_servers import (
    FilterModule,
    license_servers,
)

ACQUIRED = (
    "Sun Nov 22 08:00:00 2026:<1>:License acquired successfully. "
    "(Info: http://dls.example.com/request; NVIDIA RTX Virtual Workstation)"
)
NAMED = ("dls.example.com", 443)


@pytest.mark.parametrize(
    ("settings", "gathered", "asked"),
    [
        ({}, {}, []),
        ({"ServerAddress": "a.example.com"}, {}, [("a.example.com", 7070)]),
        ({"serveraddress": "10.0.0.1", "ServerPort": "80"}, {}, [("10.0.0.1", 80)]),
        (
            {"ServerAddress": "a", "BackupServerAddress": "::1", "BackupServerPort": 1},
            {},
            [("a", 7070), ("::1", 1)],
        ),
        ({"ServerAddress": "a", "BackupServerAddress": "a"}, {}, [("a", 7070)]),
        ({"ServerAddress": "not one"}, {}, []),
        ({"ServerAddress": "a", "ServerPort": 0}, {}, []),
        ({"ServerPort": 7070}, {}, []),
        ({}, {"log": ACQUIRED, "tokens": ["a.tok"]}, [NAMED]),
        ({}, {"log": [ACQUIRED, ACQUIRED]}, [NAMED]),
        ({"ServerAddress": "a"}, {"log": ACQUIRED}, [("a", 7070)]),
    ],
)
def test_servers(
    settings: dict[str, object], gathered: dict[str, t.Any], asked: list[tuple[str, int]]
) -> None:
    found = license_servers(settings, **gathered)
    assert [(each["address"], each["port"]) for each in found] == asked


def test_what_cannot_be_right_is_named() -> None:
    assert FilterModule().filters() == {"license_servers": license_servers}
    with pytest.raises(AnsibleFilterError, match="license_servers: option settings"):
        license_servers("text")
    with pytest.raises(AnsibleFilterError, match="license_servers: option tokens"):
        license_servers({}, tokens="a.tok")
