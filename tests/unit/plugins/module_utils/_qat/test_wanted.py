# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks for: parsed before anything is read."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.target import Target
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.wanted import Wanted
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import SRIOV_OPTIONS
from hypothesis import given
from hypothesis import strategies as st


def parse(**changed: object) -> Wanted:
    return Wanted.parse({**SRIOV_OPTIONS, **changed})


@pytest.mark.parametrize(
    ("value", "number"),
    [("max", None), ("MAX", None), (" max ", None), (0, 0), (16, 16), ("16", 16), (" 4 ", 4)],
)
def test_numbers(value: object, number: int | None) -> None:
    assert parse(num_vfs=value).num_vfs == number


@pytest.mark.parametrize(
    "value",
    [-1, "-1", "+4", "", "many", "4.0", 4.5, "0x10", "1_6", True, None, [4], "\u0664", "4 4"],
)
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(InputError) as caught:
        parse(num_vfs=value)
    assert str(caught.value) == (
        f"option num_vfs: {value!r} is not accepted, use max or a whole number from 0 on"
    )


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans()))
def test_any_value_is_a_number_or_an_input_error(value: object) -> None:
    try:
        number = parse(num_vfs=value).num_vfs
    except InputError:
        return
    assert number is None or number >= 0


def test_options_that_go_through() -> None:
    wanted = parse(state="absent", autoprobe=True, persistent=False, force=True, missing_ok=True)
    assert not wanted.present
    assert (wanted.autoprobe, wanted.persistent, wanted.force) == (True, False, True)
    assert (wanted.missing_ok, wanted.coerced_ok) == (True, True)
    assert [selector.word for selector in wanted.selectors] == ["all"]


def test_devices_are_parsed_too() -> None:
    with pytest.raises(InputError, match="option devices: 'c63x'"):
        parse(devices=["c63x"])


def target(**changed: t.Any) -> Target:
    return replace(Target(16, 16, 0, None, None, None, None), **changed)


def test_coercion() -> None:
    assert target(requested=4).coerced
    assert not target().coerced


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        ({"host_vfs": -1}, "a whole number from 0 to num_vfs"),
        ({"host_vfs": 3, "num_vfs": 2}, "a whole number from 0 to the 2 of num_vfs"),
        ({"host_vfs": 1, "num_vfs": 0}, "a whole number from 0 to the 0 of num_vfs"),
    ],
)
def test_host_vfs_that_cannot_be(options: dict[str, int], accepted: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(**options)
    assert str(caught.value) == (
        f"option host_vfs: {options['host_vfs']} is not accepted, use {accepted}"
    )


@pytest.mark.parametrize("number", ["max", 2, 16])
def test_host_vfs(number: object) -> None:
    assert parse(num_vfs=number, host_vfs=2).host_vfs == 2
