# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""gridd.conf to the byte, whatever stands in it. What tasks do to it: test_gridd_license."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.document import (
    GriddDocument,
    is_key,
    is_value,
    unquoted,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.keys import BY_NAME, KNOWN
from hypothesis import given
from hypothesis import strategies as st

# Files of lines as they are found, and of anything.
_PIECES = st.sampled_from(
    [
        "ServerAddress",
        "serveraddress",
        "FeatureType",
        "Other",
        "=",
        " = ",
        "#",
        " # ",
        '"',
        "'",
        "a",
        "7",
        " ",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "\udcff",
        "\0",
        "\u2028",
        "${X}",
    ]
)
FILES = st.lists(_PIECES, max_size=30).map("".join)
VALUES = st.text(st.characters(codec="utf-8"), max_size=10).filter(is_value)


@given(st.one_of(FILES, st.text()))
def test_every_text_is_a_document(text: str) -> None:
    document = GriddDocument.parse(text)
    assert str(document) == text
    assert set(document.effective()) <= set(KNOWN)
    counted = len(document.ignored()) + len(document.effective())
    assert counted == sum(
        bool(line.strip()) and not line.lstrip().startswith("#") for line in text.split("\n")
    )


@given(FILES, st.sampled_from(["ServerAddress", "FeatureType", "Other"]), VALUES)
def test_a_key_that_is_set_stands_once(text: str, key: str, value: str) -> None:
    document = GriddDocument.parse(text).set(key, value)
    assert document.effective([key])[key] == unquoted(value)
    assert document.set(key, value) == document
    assert not [
        line
        for line in document.ignored([key])
        if line.lstrip().lower().startswith(f"{key.lower()}=")
    ]
    others = {
        name: raw for name, raw in GriddDocument.parse(text).effective().items() if name != key
    }
    assert {name: raw for name, raw in document.effective().items() if name != key} == others


@given(FILES)
def test_a_key_that_is_commented_out_does_not_count(text: str) -> None:
    document = GriddDocument.parse(text)
    for key in BY_NAME:
        document = document.comment_out(key)
        assert document.comment_out(key) == document
    assert not set(document.effective()) & set(BY_NAME)
    assert len(document.lines) == text.count("\n") + 1


@given(FILES, VALUES)
def test_a_key_is_put_back(text: str, value: str) -> None:
    found = GriddDocument.parse(text)
    back = found.set("ServerAddress", value).put_back("ServerAddress", found)
    raw, again = found.raw("ServerAddress"), back.raw("ServerAddress")
    assert (raw is None) == (again is None)
    assert unquoted(raw or "") == unquoted(again or "")


@pytest.mark.parametrize("text", ["#x\r", "\r", "#x\n#y\r", "#x\r\n#y\r", "#x\r\n#y", "#x\n#y"])
def test_what_came_behind_a_last_line_without_newline_is_taken_off_again(text: str) -> None:
    found = GriddDocument.parse(text)
    assert found.set("EnableUI", "FALSE").put_back("EnableUI", found) == found


def test_a_commented_default_is_put_back_where_it_stood() -> None:
    found = GriddDocument.parse("# Show it\n## EnableUI = TRUE\n# Why\n")
    made = found.set("EnableUI", "FALSE")
    assert str(made) == "# Show it\nEnableUI = FALSE\n# Why\n"
    assert made.put_back("EnableUI", found) == found


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("ServerAddress=a", "a"),
        ("  ServerAddress\t=\ta b  ", "a b"),
        ('ServerAddress="a # b" # c', "a # b"),
        ("ServerAddress='a'", "a"),
        ('ServerAddress="a', '"a'),
        ('ServerAddress="a"b', '"a"b'),
        ("ServerAddress=a#b", "a#b"),
        ("ServerAddress=a #b", "a"),
        ("ServerAddress=", ""),
        ("ServerAddress= # none", ""),
        ("ServerAddress=${A}\r", "${A}"),
    ],
)
def test_values_as_they_are_found(line: str, value: str) -> None:
    assert GriddDocument.parse(line).effective() == {"ServerAddress": value}


@pytest.mark.parametrize("line", ["ServerAddress", "=a", "export ServerAddress=a", "a.b=c", "7=a"])
def test_lines_that_set_nothing(line: str) -> None:
    document = GriddDocument.parse(line)
    assert (document.effective(["a", "export"]), document.ignored()) == ({}, [line])


def test_what_can_be_written() -> None:
    assert is_key("IgnoreSP")
    assert not is_key("Ignore SP")
    assert not is_key("1")
    assert [
        text for text in ("a", '"a b"', "", "a b", "a\tb", '"a" #', "a\n") if is_value(text)
    ] == [
        "a",
        '"a b"',
        "",
        "a b",
    ]
