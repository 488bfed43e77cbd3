# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files as documents: back to the byte, and edited line by line."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.document import Document
from ansible_collections.hwaccel.virt.tests.unit.plugins.config_runs import PREFIXES, sample
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
VALUES = st.from_regex(r"[A-Za-z0-9;_./-]{1,8}|\"[A-Za-z0-9 ]{0,8}\"", fullmatch=True)
NAMES = st.sampled_from(["GENERAL", "KERNEL", "SSL"])
LINES = st.one_of(
    st.builds("[{}]".format, NAMES),
    st.builds("  [{}]  # {}".format, NAMES, KEYS),
    st.builds("{} = {}".format, KEYS, VALUES),
    st.builds("\t{}={}# {}".format, KEYS, VALUES, KEYS),
    st.builds("{} =".format, KEYS),
    st.builds("# {} = {}".format, KEYS, VALUES),
    st.sampled_from(["", "   ", "rubbish", "[", "]", "= 1", '"', "[]"]),
)
TEXTS = st.builds(
    lambda lines, ending, end: ending.join(lines) + (ending if end else ""),
    st.lists(LINES, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_files_of_every_family_come_back(prefix: str, ending: str) -> None:
    text = sample(prefix).replace("\n", ending)
    for each in (text, text.rstrip("\r\n")):
        assert str(Document.parse(each)) == each
        assert Document.parse(each).sections() == ("GENERAL", "KERNEL", "SSL")


@given(st.text() | TEXTS)
def test_every_text_comes_back(text: str) -> None:
    assert str(Document.parse(text)) == text


@given(TEXTS, NAMES, KEYS, VALUES)
def test_a_value_is_set_and_nothing_else(text: str, section: str, key: str, value: str) -> None:
    document = Document.parse(text)
    after = Document.parse(str(document.with_value(section, key, value)))
    assert after.value(section, key) == value.strip('"')
    for name in document.sections():
        others = {each: found for each, found in document.values(name).items() if each != key}
        assert {each: found for each, found in after.values(name).items() if each != key} == others
    assert after.with_value(section, key, value) == after
    assert str(after).endswith("\n") == (text.endswith("\n") or text == "")


@given(TEXTS, NAMES, KEYS, VALUES)
def test_what_was_added_goes_again(text: str, section: str, key: str, value: str) -> None:
    document = Document.parse(text)
    if document.raw(section, key) is not None:
        return
    added = document.with_value(section, key, value)
    is_new = section not in document.sections()
    back = added.without_section(section) if is_new else added.without_value(section, key)
    assert str(back) == text


@pytest.mark.parametrize(
    ("line", "value", "after"),
    [
        ("A = 1", "2", "A = 2"),
        ("A=1", "2", "A=2"),
        ("  A\t=\t1  ", "2", "  A\t=\t2  "),
        ("A = 1 # why", "2", "A = 2 # why"),
        ("A = 1# why", "2", "A = 2# why"),
        ('A = "x y"', "z", 'A = "z"'),
        ('A = "x" # why', '"z"', 'A = "z" # why'),
        ("A = x", '"z"', 'A = "z"'),
        ("A =", "2", "A = 2"),
        ("A = # why", "2", "A = 2 # why"),
        ("A = 1\r", "2", "A = 2\r"),
        ('A = "2"', "2", 'A = "2"'),
        ("A = 2#", "2", "A = 2#"),
    ],
)
def test_a_value_is_set_in_its_place(line: str, value: str, after: str) -> None:
    document = Document.parse(f"[GENERAL]\nB = 1\n{line}\nC = 3")
    assert str(document.with_value("GENERAL", "A", value)) == f"[GENERAL]\nB = 1\n{after}\nC = 3"


def test_only_the_section_that_is_meant() -> None:
    document = Document.parse("A = 0\n[X]\nA = 1\n[Y]\nA = 2\n")
    assert str(document.with_value("Y", "A", "3")) == "A = 0\n[X]\nA = 1\n[Y]\nA = 3\n"
    assert document.values("X") == {"A": "1"}
    assert document.raw("Z", "A") is None


def test_a_key_given_twice_ends_up_once() -> None:
    document = Document.parse("[X]\nA = 1\nB = 1\nA = 2\n[Y]\n[X]\nA = 3\n")
    assert document.value("X", "A") == "1"
    assert str(document.with_value("X", "A", "4")) == "[X]\nA = 4\nB = 1\n[Y]\n[X]\n"
    same = Document.parse("[X]\nA = 1\nA = 1\n")
    assert same.with_value("X", "A", "1") == same


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("[X]\nA = 1\n\n# Y\n[Y]\n", "[X]\nA = 1\nB = 2\n\n# Y\n[Y]\n"),
        ("[X]\n\n[Y]\n", "[X]\nB = 2\n\n[Y]\n"),
        ("[X]\r\n  A = 1\r\n", "[X]\r\n  A = 1\r\n  B = 2\r\n"),
        ("[X]\nA = 1", "[X]\nA = 1\nB = 2"),
        ("[X]\r\nA = 1", "[X]\r\nA = 1\r\nB = 2"),
        ("[Y]\nA = 1\n", "[Y]\nA = 1\n\n[X]\nB = 2\n"),
        ("[Y]\nA = 1", "[Y]\nA = 1\n\n[X]\nB = 2"),
        ("[Y]\n\n", "[Y]\n\n\n[X]\nB = 2\n"),
        ("", "[X]\nB = 2\n"),
    ],
)
def test_where_a_new_key_goes(text: str, after: str) -> None:
    assert str(Document.parse(text).with_value("X", "B", "2")) == after


def test_keys_of_instances_stay_together() -> None:
    text = "[X]\nCy0Name = a\nDc0Name = b\nOther = 1\n"
    assert str(Document.parse(text).with_value("X", "Cy1Name", "c")) == (
        "[X]\nCy0Name = a\nCy1Name = c\nDc0Name = b\nOther = 1\n"
    )


def test_a_section_goes_and_its_comments_stay() -> None:
    document = Document.parse("[X]\nA = 1\n\n[Y]\n# why\nB = 1\n\n# Z\n[Z]\nC = 1")
    assert str(document.without_section("Y")) == "[X]\nA = 1\n# why\n\n# Z\n[Z]\nC = 1"
    assert str(document.without_section("Z")) == "[X]\nA = 1\n\n[Y]\n# why\nB = 1\n\n# Z"


@pytest.mark.parametrize(
    "line",
    ['A = "x', "A = x y = z # w", "A == 1", "A : 1", "#A = 1", "; A = 1 #", "A", '"A" = 1'],
)
def test_odd_lines_stay(line: str) -> None:
    document = Document.parse(f"[X]\n{line}\nB = 1\n")
    assert str(document.with_value("X", "B", "2")) == f"[X]\n{line}\nB = 2\n"
