# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""XML as a value: what is read is what was written."""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree as ET

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.xml import Element
from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import read
from hypothesis import given
from hypothesis import strategies as st

_NAMES = st.from_regex(r"[a-z_][a-zA-Z0-9_.-]{0,8}", fullmatch=True)
# What XML can hold, white space aside: that of attributes and of line ends is not kept by XML.
_LETTERS = st.characters(
    exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff\u0085\u2028\u2029"
)
_TEXT = st.text(_LETTERS, max_size=12)
_LEAVES = st.builds(
    Element,
    _NAMES,
    st.dictionaries(_NAMES, _TEXT, max_size=3),
    st.just(()),
    _TEXT.map(str.strip),
)
ELEMENTS = st.recursive(
    _LEAVES,
    lambda children: st.builds(
        Element,
        _NAMES,
        st.dictionaries(_NAMES, _TEXT, max_size=3),
        st.lists(children, max_size=4).map(tuple),
        _TEXT.map(str.strip),
    ),
    max_leaves=12,
)


def as_tuple(element: ET.Element) -> tuple[t.Any, ...]:
    """Return what another reader finds, as a tuple."""
    children = tuple(map(as_tuple, element))
    text = (element.text or "") + "".join(child.tail or "" for child in element)
    return element.tag, dict(element.attrib), children, text.strip()


def own_tuple(element: Element) -> tuple[t.Any, ...]:
    children = tuple(map(own_tuple, element.children))
    return element.tag, dict(element.attributes), children, element.text.strip()


@given(ELEMENTS)
def test_what_is_written_is_read_again(element: Element) -> None:
    assert Element.parse(str(element)) == element
    assert Element.parse(str(element).encode()) == element


@given(ELEMENTS)
def test_others_read_the_same(element: Element) -> None:
    assert as_tuple(read(str(element))) == own_tuple(element)


@given(ELEMENTS)
def test_what_others_write_is_read(element: Element) -> None:
    """With white space in between, as libvirt writes it, and without."""
    root = read(str(element))
    assert Element.parse(ET.tostring(root)) == element
    ET.indent(root, "\t")
    assert own_tuple(Element.parse(ET.tostring(root, "unicode"))) == own_tuple(element)


@given(st.one_of(st.binary(), st.text()))
def test_any_content_is_read_or_refused(content: bytes | str) -> None:
    try:
        assert isinstance(Element.parse(content), Element)
    except (ValueError, UnicodeEncodeError):
        return


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "no element found"),
        ("no XML", "syntax error"),
        ("<a><b></a>", "mismatched tag"),
        ("<a/><b/>", "junk after document element"),
        ("<a>&b;</a>", "undefined entity"),
        ("<?xml version='1.0' encoding='none'?><a/>", "unknown encoding"),
    ],
)
def test_what_is_no_xml(document: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Element.parse(document)


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a "b">',
        '<!ENTITY a SYSTEM "file:///etc/shadow">',
        '<!ENTITY % a "b">',
        '<!ENTITY a "bbb"><!ENTITY c "&a;&a;">',
    ],
)
def test_entities_are_refused(declared: str) -> None:
    with pytest.raises(ValueError, match="entities are not accepted"):
        Element.parse(f"<!DOCTYPE x [{declared}]><x/>")


def test_letters_of_xml_are_escaped() -> None:
    written = str(Element("a", {"b": "<'\">&"}, (), "<&>'\""))
    assert written == ("<a b='&lt;&apos;&quot;&gt;&amp;'>&lt;&amp;&gt;&apos;&quot;</a>\n")


def test_comments_and_instructions_are_left_out() -> None:
    document = "<!-- a --><?b c?><a><!-- <b/> -->x<?d?><b/><!----></a><!-- e -->"
    assert Element.parse(document) == Element("a", {}, (Element("b"),), "x")


def test_sections_and_numbered_letters_are_text() -> None:
    assert Element.parse("<a b='&#65;&amp;'><![CDATA[<b/>]]>&#x42;</a>") == Element(
        "a", {"b": "A&"}, (), "<b/>B"
    )


def test_how_it_is_laid_out() -> None:
    element = Element("a", {"b": "1", "c": "2"}, (Element("d", {}, (), "e"), Element("f")))
    assert str(element) == "<a b='1' c='2'>\n  <d>e</d>\n  <f/>\n</a>\n"


def test_ways_through_it() -> None:
    root = Element.parse("<a><b n='1'><c/></b><d/><b n='2'><c x='y'/><c/></b></a>")
    assert [each.get("n") for each in root.all("b")] == ["1", "2"]
    assert [each.get("x") for each in root.all("b", "c")] == [None, "y", None]
    found = root.find("b", "c")
    assert found is not None
    assert found.get("x") is None
    assert root.find("c") is None
    assert root.find() is root


def test_further_children_come_last() -> None:
    root = Element("a", {}, (Element("b"),))
    assert root.having(Element("c"), Element("b")).children == (
        Element("b"),
        Element("c"),
        Element("b"),
    )
    assert root.children == (Element("b"),)
