# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a configuration file: with what is asked for, or without it."""

from __future__ import annotations

import typing as t

from .._errors import RefusedError
from . import services
from .document import Document
from .instances import KERNEL, NUMBERS, keys_of
from .keys import GENERAL

if t.TYPE_CHECKING:
    from .wanted import Wanted

_MARK = "# Written by hwaccel.virt, module qat_config."
_VERSION = "ConfigVersion"
_VERSION_OF_TODAY = "2"


def edited(wanted: Wanted, text: str) -> str:
    """Return the file with what is asked for, and every other byte as it is."""
    document = Document.parse(text)
    for key, value in wanted.general.items():
        document = _with_general(document, key, value)
    for section in wanted.sections:
        if section.gone:
            document = document.without_section(section.name)
            continue
        changes = tuple(section.values(document))
        document = document.with_section(section.name)
        for key, value in changes:
            document = (
                document.without_value(section.name, key)
                if value is None
                else document.with_value(section.name, key, value)
            )
    return str(document)


def _with_general(document: Document, key: str, value: str | None) -> Document:
    if value is None:
        return document.without_value(GENERAL, key)
    there = document.value(GENERAL, key)
    if key == services.KEY and there is not None and services.are_same(there, value):
        return document
    return document.with_value(GENERAL, key, value)


def without(wanted: Wanted, text: str) -> str:
    """Return the file without what would have been set: for one of which nothing is recorded."""
    document = Document.parse(text)
    for key, value in wanted.general.items():
        there = document.value(GENERAL, key)
        if value is not None and there is not None and _are_same(key, there, value):
            document = document.without_value(GENERAL, key)
    for section in wanted.sections:
        if section.gone or section.name not in document.sections():
            continue
        for key in keys_of(document, section.name):
            document = document.without_value(section.name, key)
        if not document.values(section.name):
            document = document.without_section(section.name)
    return str(document)


def _are_same(key: str, there: str, value: str) -> bool:
    if key == services.KEY:
        return services.are_same(there, value)
    return Document.parse(f"[{GENERAL}]\n{key} = {value}").value(GENERAL, key) == there


def new_text(wanted: Wanted, path: str, generation: float | None, enabled: str | None) -> str:
    """Return a file with what every file needs, and no instances.

    The kernel's section is there in all of the vendor's samples, and C(ConfigVersion) says how the
    instances below are written.

    Args:
        enabled: the services of its PF, None where they are not known.
    """
    text = wanted.services or enabled
    if text is None:
        crypto, compression = wanted.asks_for_crypto, wanted.asks_for_compression
        text = services.usual(generation, crypto=crypto, compression=compression)
    if text is None:
        raise RefusedError(
            f"{path}: there is no such file, and the services that it should enable are not "
            f"known: say which with general.{services.KEY}, {services.accepted(generation)}"
        )
    lines = [
        _MARK,
        f"[{GENERAL}]",
        f"{services.KEY} = {text}",
        f"{_VERSION} = {_VERSION_OF_TODAY}",
        "",
        f"[{KERNEL}]",
        *(f"{NUMBERS[kind]} = 0" for kind in NUMBERS),
        "",
    ]
    return "\n".join(lines)
