# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of gridd.conf and what they take."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.keys import (
    BY_NAME,
    BY_OPTION,
    FEATURE_TYPES,
    KEYS,
    SERVER_KEYS,
    feature_type,
    spelled,
)


def test_the_table_is_as_the_template() -> None:
    assert [key.name for key in KEYS] == [
        "ServerAddress",
        "ServerPort",
        "BackupServerAddress",
        "BackupServerPort",
        "FeatureType",
        "EnableUI",
        "LicenseInterval",
        "LingerInterval",
        "ClientConfigTokenPath",
    ]
    assert len(BY_NAME) == len(BY_OPTION) == len(KEYS)
    assert tuple(key.name for key in KEYS[:4]) == SERVER_KEYS


@pytest.mark.parametrize(
    ("option", "given", "text"),
    [
        ("server_port", 1, "1"),
        ("server_port", "65535", "65535"),
        ("license_interval", 10, "10"),
        ("license_interval", 10080, "10080"),
        ("linger_interval", 0, "0"),
        ("enable_ui", True, "TRUE"),
        ("enable_ui", "false", "FALSE"),
        ("feature_type", "vws", "2"),
        ("feature_type", 0, "0"),
        ("client_config_token_path", "/opt/my tokens/", "/opt/my tokens/"),
        ("server_address", "10.0.0.1", "10.0.0.1"),
    ],
)
def test_what_is_written(option: str, given: object, text: str) -> None:
    assert BY_OPTION[option].text(given) == text


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("server_port", True),
        ("server_port", "7070 "),
        ("server_port", "\u0667"),
        ("server_port", "0x1"),
        ("server_port", "1" * 30),
        ("enable_ui", "yes"),
        ("enable_ui", 1),
        ("feature_type", True),
        ("feature_type", "VWS"),
        ("feature_type", None),
        ("client_config_token_path", "/a\nb"),
        ("client_config_token_path", '/a"b'),
        ("client_config_token_path", "/a #b"),
        ("client_config_token_path", 5),
    ],
)
def test_what_is_refused(option: str, given: object) -> None:
    with pytest.raises(InputError) as caught:
        BY_OPTION[option].text(given, "other")
    assert str(caught.value).startswith(f"option other: {given!r} is not accepted, use ")


def test_feature_types_by_word_and_number() -> None:
    for word, number in FEATURE_TYPES.items():
        assert feature_type(word) == feature_type(number) == feature_type(str(number)) == number


def test_how_keys_are_spelled() -> None:
    assert spelled("SERVERADDRESS") == "ServerAddress"
    assert spelled("ignoresp") == "IgnoreSP"
    assert spelled("LicenseServer") is None
