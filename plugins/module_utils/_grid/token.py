# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a file is a client configuration token, and not what a download left in its place.

License servers give a token out as a signed JSON text (RFC 7515, compact form): three parts of
base64url between dots, of some thousand bytes. The format is the vendor's own, so that only what
can be no token is refused: its content is the daemon's to judge.
"""

from __future__ import annotations

import base64
import binascii
import json
import re

from .._errors import HwaccelError
from .configuration import TOKEN_SUFFIX

_SHORTEST = 100
_COMPACT = re.compile(rb"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_STARTS = {
    b"<": "a saved web page (HTML or XML)",
    b"{": "a saved answer of a program (JSON)",
    b"[": "a saved answer of a program (JSON)",
    b"-----BEGIN": "a certificate or a key (PEM)",
}
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_REMEDY = "get it again from the license server or the licensing portal"


class TokenError(HwaccelError):
    """A file is no token; its content is never told."""


def check_token(name: str, data: bytes) -> None:
    """Refuse what cannot be a token.

    Raises:
        TokenError: naming the file and what is wrong with it.
    """
    wrong = _fault(name.rsplit("/", 1)[-1], data)
    if wrong is not None:
        raise TokenError(f"{name}: {wrong}")


def _fault(name: str, data: bytes) -> str | None:
    """Return what is wrong with a file, None for nothing."""
    if not name.endswith(TOKEN_SUFFIX) or name == TOKEN_SUFFIX:
        return (
            f"no name of a token, which ends with {TOKEN_SUFFIX}, such as "
            f"client_configuration_token_10-22-2026-09-30-00{TOKEN_SUFFIX}"
        )
    content = data.strip()
    for mark in _MARKS:
        content = content.removeprefix(mark).strip()
    what = _taken_for(content)
    return None if what is None else f"{what}, and no token; {_REMEDY}"


def _taken_for(content: bytes) -> str | None:
    """Return what a file is by its looks, None for what may be a token."""
    if not content:
        return "the file is empty"
    for start, what in _STARTS.items():
        if content.startswith(start):
            return what
    if _is_prose(content):
        return "a text of several words, such as an error message"
    if len(content) < _SHORTEST and not _is_signed(content):
        return f"a file of {len(content)} bytes, which are too few"
    return None


def _is_prose(content: bytes) -> bool:
    """Tell whether a file is plain text with blanks in it."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return False
    return len(text.split()) > 1 and all(each.isprintable() or each.isspace() for each in text)


def _is_signed(content: bytes) -> bool:
    """Tell whether a file is a signed JSON text in compact form, whatever its length."""
    if _COMPACT.fullmatch(content) is None:
        return False
    head = content.split(b".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(header, dict) and "alg" in header
