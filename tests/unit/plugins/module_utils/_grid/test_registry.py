# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of the Windows registry: table 5 of the guide, typed here once more."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.filter.license_registry import (
    FilterModule,
    license_registry,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.keys import KEYS
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.registry import (
    DRIVER_ROOT,
    ENTRIES,
    GUIDE_ROOT,
    RegistryValue,
    registry_values,
)

# Name, type, option, value given, value in the registry.
Row = tuple[str, str, str, object, object]
TABLE_5: list[Row] = [
    ("ServerAddress", "REG_SZ", "server_address", "10.31.20.45", "10.31.20.45"),
    ("ServerPort", "REG_SZ", "server_port", 7070, "7070"),
    ("FeatureType", "REG_DWORD", "feature_type", "vws", 2),
    ("NvCplDisableManageLicensePage", "REG_DWORD", "hide_page", True, 1),
    ("LicenseInterval", "REG_DWORD", "license_interval", 10080, 10080),
]
FURTHER: list[Row] = [
    ("BackupServerAddress", "REG_SZ", "backup_server_address", "2001:db8::7", "2001:db8::7"),
    ("BackupServerPort", "REG_SZ", "backup_server_port", "7071", "7071"),
    ("ClientConfigTokenPath", "REG_SZ", "client_config_token_path", r"D:\t", r"D:\t"),
]


def there(options: dict[str, object]) -> list[RegistryValue]:
    return [value for value in registry_values(options) if value.data is not None]


@pytest.mark.parametrize(("name", "kind", "option", "given", "data"), TABLE_5 + FURTHER)
def test_each_option_has_its_value(
    name: str, kind: str, option: str, given: object, data: object
) -> None:
    (value,) = there({option: given})
    assert value == RegistryValue(GUIDE_ROOT, name, kind, t.cast("t.Any", data))
    assert type(value.data) is type(data)
    assert registry_values({option: None}) == ()


def test_entries_are_those_of_the_table() -> None:
    assert [(each.name, each.type) for each in ENTRIES if each.in_guide] == [
        row[:2] for row in TABLE_5
    ]
    assert [(each.name, each.type) for each in ENTRIES if not each.in_guide] == [
        row[:2] for row in FURTHER
    ]


@pytest.mark.parametrize(("given", "data"), [(0, 0), ("1", 1), ("compute", 4), ("unlicensed", 0)])
def test_feature_types_are_numbers(given: object, data: int) -> None:
    assert [value.data for value in registry_values({"feature_type": given})] == [data]


@pytest.mark.parametrize(("given", "data"), [(True, 1), (False, 0)])
def test_page_is_hidden_or_shown(given: bool, data: int) -> None:  # noqa: FBT001
    assert [value.data for value in registry_values({"hide_page": given})] == [data]


def test_roots_get_the_same() -> None:
    both = registry_values({"feature_type": 1}, roots=[GUIDE_ROOT, DRIVER_ROOT])
    assert [(value.path, value.name, value.data) for value in both] == [
        (GUIDE_ROOT, "FeatureType", 1),
        (DRIVER_ROOT, "FeatureType", 1),
    ]


def test_absent_takes_all_of_them_out() -> None:
    values = registry_values({"server_address": "a.example.com"}, state="absent")
    assert [(value.name, value.data) for value in values] == [
        (entry.name, None) for entry in ENTRIES
    ]


def test_ways_exclude_each_other() -> None:
    def gone(**options: t.Any) -> list[str]:
        return [value.name for value in registry_values(**options) if value.data is None]

    assert gone(options={"server_address": "10.0.0.1"}) == ["ClientConfigTokenPath"]
    servers = ["ServerAddress", "ServerPort", "BackupServerAddress", "BackupServerPort"]
    assert gone(options={"client_config_token_path": r"C:\t"}) == servers
    assert gone(options={}, licensing="token") == servers
    assert gone(options={}, licensing="server") == ["ClientConfigTokenPath"]
    assert gone(options={"feature_type": 1}) == []
    with pytest.raises(InputError, match="exclude each other"):
        registry_values({"server_address": "10.0.0.1", "client_config_token_path": r"C:\t"})


def test_options_of_linux_alone_are_left_out() -> None:
    assert registry_values({"enable_ui": True, "linger_interval": 5}) == ()
    known = {entry.option for entry in ENTRIES} | {"enable_ui", "linger_interval"}
    assert {key.option for key in KEYS} | {"hide_page"} == known


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"server_port": 0}, "server_port"),
        ({"server_port": 65536}, "server_port"),
        ({"backup_server_port": "70 70"}, "backup_server_port"),
        ({"license_interval": 9}, "license_interval"),
        ({"license_interval": 10081}, "license_interval"),
        ({"feature_type": 3}, "feature_type"),
        ({"feature_type": True}, "feature_type"),
        ({"hide_page": "yes"}, "hide_page"),
        ({"server_address": "http://a.example.com"}, "server_address"),
        ({"server_address": "a.example.com\n"}, "server_address"),
        ({"client_config_token_path": "/etc/nvidia/ClientConfigToken"}, "client_config_token_path"),
        ({"client_config_token_path": "C:"}, "client_config_token_path"),
        ({"client_config_token_path": 'C:\\a"b'}, "client_config_token_path"),
        ({"colour": "green"}, "colour"),
    ],
)
def test_what_cannot_be_right_is_named(options: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=f"option {named}: "):
        registry_values(options)
    with pytest.raises(AnsibleFilterError, match=f"license_registry: option {named}: "):
        license_registry(options)


@pytest.mark.parametrize(
    "folder", ["C:\\t", r"\\server\share\tokens", r"D:\Program Files (x86)\a", "C:\\t\\"]
)
def test_folders_of_windows(folder: str) -> None:
    (value,) = there({"client_config_token_path": folder})
    assert value.data == folder.rstrip("\\")


@pytest.mark.parametrize(
    "wrong", [{"state": "gone"}, {"licensing": "both"}, {"roots": ["HKLM:\\SOFTWARE"]}]
)
def test_arguments_are_checked(wrong: dict[str, t.Any]) -> None:
    with pytest.raises(InputError, match="option"):
        registry_values({}, **wrong)


def test_filter_gives_options_of_win_regedit() -> None:
    assert FilterModule().filters() == {"license_registry": license_registry}
    assert license_registry({"server_port": 7070}) == [
        {
            "path": GUIDE_ROOT,
            "name": "ServerPort",
            "type": "string",
            "data": "7070",
            "state": "present",
        }
    ]
    assert license_registry({}, licensing="server")[0]["state"] == "absent"
    for wrong in ("text", None):
        with pytest.raises(AnsibleFilterError, match="a mapping of options"):
            license_registry(wrong)
    with pytest.raises(AnsibleFilterError, match="a list"):
        license_registry({}, roots=GUIDE_ROOT)
