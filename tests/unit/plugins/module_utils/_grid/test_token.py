# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be no token is refused, and no other file is; nothing of its content is told."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.token import (
    TokenError,
    check_token,
)
from hypothesis import given
from hypothesis import strategies as st

NAME = "/src/client_configuration_token_10-22-2026-09-30-00.tok"


def signed(payload: bytes = b"x" * 900) -> bytes:
    """Return a signed JSON text in compact form, as license servers give it out."""
    header = json.dumps({"alg": "RS256", "typ": "JWT"}).encode()
    parts = (header, payload, b"s" * 256)
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)


@pytest.mark.parametrize(
    "data",
    [
        signed(),
        signed(b"{}"),
        signed() + b"\n",
        b"\xef\xbb\xbf" + signed() + b"\r\n",
        base64.b64encode(bytes(range(256))),
        bytes(range(256)),
        b"\x80" + b"two words " * 20,
    ],
)
def test_tokens(data: bytes) -> None:
    check_token(NAME, data)
    check_token("client_configuration_token.tok", data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty"),
        (b" \r\n\0"[:3], "the file is empty"),
        (b"\xef\xbb\xbf\n", "the file is empty"),
        (b"<!DOCTYPE html><html>secret</html>" * 9, "a saved web page (HTML or XML)"),
        (b"\n  <HTML>secret</HTML>" * 9, "a saved web page (HTML or XML)"),
        (b"\xef\xbb\xbf<html>secret</html>" * 9, "a saved web page (HTML or XML)"),
        (b'{"detail": "secret"}' * 9, "a saved answer of a program (JSON)"),
        (b"-----BEGIN CERTIFICATE-----\nsecret" * 9, "a certificate or a key (PEM)"),
        (b"secret 404 page not found" * 9, "a text of several words, such as an error message"),
        (b"ServerAddress=secret\nServerPort=7070\n" * 9, "a text of several words"),
        (b"secret", "a file of 6 bytes, which are too few"),
        (b"a.b.c", "a file of 5 bytes, which are too few"),
        (b"W10.secret.c", "a file of 12 bytes, which are too few"),
    ],
)
def test_what_is_no_token(data: bytes, told: str) -> None:
    with pytest.raises(TokenError) as caught:
        check_token(NAME, data)
    message = str(caught.value)
    assert message.startswith(f"{NAME}: {told}")
    assert message.endswith(
        "and no token; get it again from the license server or the licensing portal"
    )
    assert "secret" not in message


@pytest.mark.parametrize("name", ["gridd.conf", "a.tok.html", ".tok", "/x.tok/a", "token.TOK"])
def test_names_that_the_daemon_does_not_look_for(name: str) -> None:
    with pytest.raises(TokenError, match=r"no name of a token, which ends with .tok"):
        check_token(name, signed())


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(data: bytes) -> None:
    try:
        check_token(NAME, data)
    except TokenError as error:
        assert str(error).startswith(NAME)  # noqa: PT017 (what is no error passes too)
