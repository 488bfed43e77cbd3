# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Descriptions of options as plain text: Ansible's markup taken out of them."""

from __future__ import annotations

import re
import typing as t

# Semantic markup may hold a closing bracket behind a backslash, the older kind may not.
_SEMANTIC = re.compile(r"\b([EOPV]|RV)\(((?:[^\\)]|\\.)*)\)")
_PLAIN = re.compile(r"\b[BCIMU]\(([^)]*)\)")
_LINK = re.compile(r"\b([LR])\(([^,)]*),\s*([^)]*)\)")
_LINE = re.compile(r"\bHORIZONTALLINE\b")
_ESCAPED = re.compile(r"\\(.)")
_SPACES = re.compile(r"\s+")


def plain_text(description: object) -> str:
    """Return a description, a text or a list of paragraphs, as one line of plain text."""
    paragraphs = description if isinstance(description, list) else [description]
    text = " ".join(str(paragraph) for paragraph in paragraphs if paragraph is not None)
    text = _SEMANTIC.sub(_semantic, text)
    text = _LINK.sub(_link, text)
    text = _PLAIN.sub(r"\1", text)
    return _SPACES.sub(" ", _LINE.sub(" ", text)).strip()


def _semantic(found: t.Match[str]) -> str:
    """Return what semantic markup is about: a name without the plugin that has it, a value."""
    kind, inner = found[1], _ESCAPED.sub(r"\1", found[2])
    if kind == "P":
        return inner.partition("#")[0]
    if kind in {"O", "RV"}:
        plugin, colon, name = inner.partition(":")
        return name if colon and "#" in plugin else inner
    return inner


def _link(found: t.Match[str]) -> str:
    """Return the text of a link, with its address where it has one that can be followed."""
    return f"{found[2]} ({found[3]})" if found[1] == "L" else found[2]
