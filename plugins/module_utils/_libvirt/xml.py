# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""XML as a value: read, compared and written.

Comments and processing instructions are not kept: libvirt drops them too. White space around
text does not count, as in none of libvirt's elements that matter here.
"""

from __future__ import annotations

import io
import typing as t
from dataclasses import dataclass, field, replace
from xml.parsers import expat

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
# Those of libvirt are about ten deep. What reads and compares elements calls itself for each level.
_DEEPEST = 100
# A parser makes spaces of these, where they stand as they are.
_ESCAPES.update({letter: f"&#{ord(letter)};" for letter in "\t\n\r"})


@dataclass(frozen=True)
class Element:
    """An element: what it is called, its attributes, its text and its children in order."""

    tag: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Element, ...] = ()
    text: str = ""

    @classmethod
    def parse(cls, document: bytes | str) -> Element:
        """Parse a document.

        Raises:
            ValueError: when it is no XML, or declares entities.
        """
        reader = _Reader()
        content = document.encode() if isinstance(document, str) else document
        try:
            reader.parser.ParseFile(io.BytesIO(content))
        except (expat.ExpatError, LookupError) as error:
            raise ValueError(str(error)) from error
        return reader.root

    def all(self, *path: str) -> Iterator[Element]:
        """Yield the elements that a path of tags leads to."""
        if not path:
            yield self
            return
        for child in self.children:
            if child.tag == path[0]:
                yield from child.all(*path[1:])

    def find(self, *path: str) -> Element | None:
        """Return the first element that a path of tags leads to."""
        return next(self.all(*path), None)

    def get(self, name: str) -> str | None:
        """Return an attribute, None without it."""
        return self.attributes.get(name)

    def having(self, *children: Element) -> Element:
        """Return the element with further children at its end."""
        return replace(self, children=(*self.children, *children))

    def __str__(self) -> str:
        return "\n".join(_lines(self, "")) + "\n"


def _lines(element: Element, indent: str) -> Iterator[str]:
    said = "".join(f" {name}='{_escape(value)}'" for name, value in element.attributes.items())
    start, text = f"{indent}<{element.tag}{said}", _escape(element.text)
    if element.children:
        yield f"{start}>{text}"
        for child in element.children:
            yield from _lines(child, f"{indent}  ")
        yield f"{indent}</{element.tag}>"
    else:
        yield f"{start}>{text}</{element.tag}>" if text else f"{start}/>"


def _escape(text: str) -> str:
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


@dataclass
class _Open:
    """An element of which the end has not been met."""

    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def element(self) -> Element:
        """Return it as it is at its end."""
        text = "".join(self.texts).strip()
        return Element(self.tag, self.attributes, tuple(self.children), text)


class _Reader:
    """Builds elements from what expat meets."""

    def __init__(self) -> None:
        self.root = Element("")
        self._open: list[_Open] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._said
        self.parser.EntityDeclHandler = self._refuse

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) == _DEEPEST:
            message = f"elements more than {_DEEPEST} deep are not accepted"
            raise ValueError(message)
        self._open.append(_Open(tag, attributes))

    def _said(self, text: str) -> None:
        self._open[-1].texts.append(text)

    def _end(self, _tag: str) -> None:
        done = self._open.pop().element()
        if self._open:
            self._open[-1].children.append(done)
        else:
            self.root = done

    @staticmethod
    def _refuse(*_declared: object) -> None:
        message = "entities are not accepted"
        raise ValueError(message)
