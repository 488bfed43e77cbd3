# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup license_token: one token, checked, as bytes, and never in an error."""

from __future__ import annotations

import base64
import typing as t

import pytest
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.loader import lookup_loader

if t.TYPE_CHECKING:
    from pathlib import Path

TOKEN = bytes(range(256))
NAME = "client_configuration_token_10-22-2026-09-30-00.tok"


def look(*terms: str, **options: t.Any) -> list[str]:
    plugin = lookup_loader.get("hwaccel.virt.license_token", loader=DataLoader())
    return t.cast("list[str]", plugin.run(list(terms), variables={}, **options))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / NAME).write_bytes(TOKEN)
    (tmp_path / "readme.txt").write_text("not a token")
    return tmp_path


def test_a_token_to_the_byte(folder: Path) -> None:
    for place in (folder, folder / NAME):
        assert base64.b64decode(look(str(place))[0]) == TOKEN
        assert look(str(place), part="name") == [NAME]


def test_an_encrypted_token(folder: Path) -> None:
    secrets: t.Any = [("default", VaultSecret(b"password"))]
    (folder / NAME).write_bytes(VaultLib(secrets).encrypt(TOKEN))
    loader = DataLoader()
    loader.set_vault_secrets(secrets)
    plugin = lookup_loader.get("hwaccel.virt.license_token", loader=loader)
    assert base64.b64decode(plugin.run([str(folder)], variables={})[0]) == TOKEN


def test_two_at_once(folder: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="one token is needed, and 2 paths are given"):
        look(str(folder / NAME), str(folder / NAME))
    (folder / "b.tok").write_bytes(TOKEN)
    with pytest.raises(AnsibleLookupError, match=rf"found b\.tok, {NAME}; name the one"):
        look(str(folder))


def test_none_at_all(folder: Path) -> None:
    (folder / NAME).unlink()
    with pytest.raises(AnsibleLookupError, match=r"one file \*\.tok is needed there, found none"):
        look(str(folder))
    with pytest.raises(AnsibleLookupError, match="no such file or folder"):
        look(str(folder / NAME))
    with pytest.raises(AnsibleLookupError, match="0 paths"):
        look()


@pytest.mark.parametrize(
    "data", [b"", b"<html>secret</html>" * 20, b"secret"], ids=["empty", "page", "short"]
)
def test_what_is_no_token(folder: Path, data: bytes) -> None:
    (folder / NAME).write_bytes(data)
    with pytest.raises(AnsibleLookupError, match="and no token; get it again") as caught:
        look(str(folder))
    assert "secret" not in str(caught.value)


def test_another_part(folder: Path) -> None:
    with pytest.raises(AnsibleError, match="part"):
        look(str(folder), part="size")
