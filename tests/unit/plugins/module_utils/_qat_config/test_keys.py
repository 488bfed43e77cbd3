# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Known keys with what they take, and unknown ones as they are given."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.document import Document
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.keys import (
    LONGEST,
    parse_general,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("key", "value", "written"),
    [
        ("ServicesEnabled", "CY; dc", "cy;dc"),
        ("ServicesEnabled", ["sym", "asym", "sym"], "sym;asym"),
        ("CyNumConcurrentSymRequests", 64, "64"),
        ("CyNumConcurrentAsymRequests", "65536", "65536"),
        ("DcNumConcurrentRequests", " 512 ", "512"),
        ("DcIntermediateBufferSizeInKB", 32, "32"),
        ("HeartbeatTimer", "0201", "201"),
        ("AutoResetOnError", True, "1"),
        ("statsSym", "0", "0"),
        ("ServicesProfile", "CUSTOM1", "CUSTOM1"),
        ("ConfigVersion", 2, "2"),
        ("Unknown_1", "a b;c", "a b;c"),
        ("Unknown", '"a # b"', '"a # b"'),
        ("Unknown", 1.5, "1.5"),
        ("Unknown", None, None),
        ("ServicesEnabled", None, None),
    ],
)
def test_what_is_accepted(key: str, value: object, written: str | None) -> None:
    assert parse_general({key: value}) == {key: written}


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("ServicesEnabled", "cy;dc;rsa", "one or more of cy, sym, asym, dc"),
        ("ServicesEnabled", "", "one or more of cy, sym, asym, dc"),
        ("ServicesEnabled", [], "one or more of cy, sym, asym, dc"),
        ("CyNumConcurrentSymRequests", 500, "one of 64, 128, 256"),
        ("CyNumConcurrentAsymRequests", 32, "32768, 65536"),
        ("DcNumConcurrentRequests", 131072, "one of 64"),
        ("DcIntermediateBufferSizeInKB", 48, "one of 32, 64"),
        ("HeartbeatTimer", 200, "milliseconds above 200"),
        ("HeartbeatTimer", "1s", "milliseconds above 200"),
        ("AutoResetOnError", 2, "one of 0, 1"),
        ("statsSym", "yes", "one of 0, 1"),
        ("ServicesProfile", "crypto", "one of DEFAULT, CRYPTO"),
        ("ConfigVersion", 1, "one of 2"),
        ("Unknown", "", "one line"),
        ("Unknown", "a\n[KERNEL]", "one line"),
        ("Unknown", "a # b", "one line"),
        ("Unknown", 'a"b', "one line"),
        ("Unknown", '"a', "one line"),
        ("Unknown", {"a": 1}, "one line"),
        ("Unknown", "x" * (LONGEST + 1), f"at most {LONGEST} characters"),
    ],
)
def test_what_is_not(key: str, value: object, accepted: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_general({key: value})
    assert str(caught.value).startswith(f"option general.{key}: {value!r} is not accepted")
    assert accepted in str(caught.value)


@pytest.mark.parametrize(
    ("key", "accepted"),
    [
        ("servicesenabled", "ServicesEnabled, spelled so"),
        ("StatsSym", "statsSym, spelled so"),
        ("", "letters, digits and underscores"),
        ("[X", "letters, digits and underscores"),
        ("A = 1\nB", "letters, digits and underscores"),
        ("x" * (LONGEST + 1), "letters, digits and underscores"),
    ],
)
def test_keys_that_are_none(key: str, accepted: str) -> None:
    with pytest.raises(InputError, match="option general: ") as caught:
        parse_general({key: 1})
    assert accepted in str(caught.value)


@given(st.text(max_size=12) | st.integers() | st.booleans())
def test_what_is_written_is_read_back(value: object) -> None:
    try:
        written = parse_general({"Unknown": value})["Unknown"]
    except InputError:
        return
    document = Document.parse("[X]\n[Y]\n").with_value("X", "Unknown", written or "")
    assert Document.parse(str(document)).raw("X", "Unknown") == written
    assert Document.parse(str(document)).sections() == ("X", "Y")
