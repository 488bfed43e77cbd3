# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Descriptions of guests, as libvirt keeps them."""

from __future__ import annotations

import contextlib
import typing as t
from xml.etree import ElementTree as ET

from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.definition import covers
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.guests import (
    functions_of,
    functions_otherwise,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.xml import Element
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.domains import parse_domain
from ansible_collections.hwaccel.virt.tests.fuzz.target import Choices, Target

if t.TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS = (
    "<domain type='kvm'>",
    "<name>a</name>",
    "<devices>",
    "<hostdev mode='subsystem' type='pci' managed='yes'>",
    "<source>",
    "<address domain='0x0000' bus='0x3d' slot='0x01' function='0x2'/>",
    "<interface type='hostdev'>",
    "<disk type='nvme'><source type='pci'>",
    "<domstatus pid='7'>",
    "</",
    "/>",
    "<![CDATA[",
    "<!-- ",
    "&amp;",
    "&#10;",
    "<!DOCTYPE a [<!ENTITY b 'c'>]>",
    "<?xml version='1.0' encoding='latin-1'?>",
)


def check_xml(data: bytes) -> None:
    """Check that a document is read as another parser does, and written so that it is the same."""
    try:
        element = Element.parse(data)
    except ValueError:
        return
    assert Element.parse(str(element)) == element
    assert covers(element, element)
    with contextlib.suppress(ET.ParseError, LookupError, ValueError):
        other = ET.fromstring(data)  # noqa: S314 (what has entities has been refused)
        if "{" not in "".join(_names(other)):
            assert _same(element, other)


def _names(element: ET.Element) -> Iterator[str]:
    for each in element.iter():
        yield each.tag
        yield from each.attrib


def _same(element: Element, other: ET.Element) -> bool:
    """Tell whether two parsers have read the same."""
    text = "".join([other.text or "", *(child.tail or "" for child in other)]).strip()
    # The other one takes declarations of namespaces for no attributes.
    given = element.attributes.items()
    own = {name: value for name, value in given if name.partition(":")[0] != "xmlns"}
    return (
        (element.tag, own, element.text) == (other.tag, other.attrib, text)
        and len(element.children) == len(other)
        and all(map(_same, element.children, other))
    )


def check_domain(data: bytes) -> None:
    """Check that both readers of domains find the same functions, which can be."""
    domain = parse_domain(data)
    if domain is None:
        return
    for address in domain.functions:
        assert PciAddress.parse(str(address)) == address
    assert domain.pid is None or domain.pid > 0
    root = Element.parse(data)
    whole = root.find("domain") if root.tag == "domstatus" else root
    if whole is not None and whole.tag == "domain":
        own = {address for address, _device in functions_of(whole)}
        assert own | set(functions_otherwise(whole)) <= set(domain.functions)


def check_definition(data: bytes) -> None:
    """Check that what libvirt adds to a definition leaves it what was wanted."""
    choices = Choices(data)
    wanted = _element(choices, 0)
    assert covers(wanted, wanted)
    # Whatever the answer is, there is one.
    covers(_element(choices, 0), wanted)
    actual = _with_more(choices, wanted)
    assert covers(actual, wanted)
    assert Element.parse(str(actual)) == actual


_TAGS = ("os", "vcpu", "memory", "serial", "disk", "interface", "source", "target", "graphics")
_NAMES = ("type", "machine", "unit", "model", "bus")
_TEXTS = ("", "a", "4096", "2", "<&'\"", "é\t", "bytes", "9" * 5000)


def _element(choices: Choices, depth: int) -> Element:
    """Return an element as a task may want it."""
    children = choices.some(lambda: _element(choices, depth + 1), 3) if depth < 3 else []
    return Element(
        "devices" if depth == 1 and choices.flag() else choices.pick(_TAGS),
        {choices.pick(_NAMES): choices.pick(_TEXTS) for _each in range(choices.number(2))},
        tuple(children),
        choices.pick(_TEXTS).strip(),
    )


def _with_more(choices: Choices, wanted: Element) -> Element:
    """Return an element as libvirt may give it back: with more of what it adds by itself."""
    children = [_with_more(choices, child) for child in wanted.children]
    if wanted.tag != "os":
        added = choices.some(lambda: Element("controller", {"index": "0"}), 2)
        at = choices.number(len(children))
        children[at:at] = added
    more = {"alias": "x"} if choices.flag() else {}
    return Element(wanted.tag, {**more, **wanted.attributes}, tuple(children), wanted.text)


TARGETS = (
    Target(
        "libvirt_xml",
        "read as another parser does, and the same when it is written and read again",
        check_xml,
        runs=800,
        words=_WORDS,
    ),
    Target(
        "libvirt_domain",
        "both readers of domains find the same functions, at addresses that can be",
        check_domain,
        runs=800,
        words=_WORDS,
    ),
    Target(
        "libvirt_definition",
        "a definition stays what was wanted, whatever libvirt adds to it",
        check_definition,
        runs=500,
        longest=128,
    ),
)
