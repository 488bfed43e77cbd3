# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks of qatlib's service."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.selectors import Selector
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.wanted import Wanted

PLAIN: dict[str, t.Any] = {
    "devices": [],
    "vfs": "all",
    "policy": None,
    "memlock": "500000",
    "state": "present",
    "missing_ok": False,
}


def wanted(**options: object) -> Wanted:
    return Wanted.parse({**PLAIN, **options})


def test_a_task_that_asks_nothing() -> None:
    assert wanted() == Wanted(
        present=True, selectors=(), vfs=None, policy=None, memlock="500000", missing_ok=False
    )


def test_a_task_that_asks_everything() -> None:
    found = wanted(
        devices=["gen4"],
        vfs=" 12",
        policy=512,
        memlock=" Unlimited ",
        state="absent",
        missing_ok=True,
    )
    assert found == Wanted(
        present=False,
        selectors=(Selector("gen4", word="gen4"),),
        vfs=12,
        policy=512,
        memlock="unlimited",
        missing_ok=True,
    )


@pytest.mark.parametrize(("text", "limit"), [("0", None), ("000", None), ("0064", "64")])
def test_the_limit_as_a_number(text: str, limit: str | None) -> None:
    assert wanted(memlock=text).memlock == limit


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "max", "²", "\u0661", "9" * 5000])
def test_numbers_of_vfs_that_there_are_not(text: str) -> None:
    with pytest.raises(InputError, match=r"option vfs: .* use all or a whole number from 1 on"):
        wanted(vfs=text)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "64M", "²", "9" * 5000])
def test_limits_that_there_are_not(text: str) -> None:
    with pytest.raises(
        InputError, match=r"option memlock: .* use a number of KiB, unlimited, or 0"
    ):
        wanted(memlock=text)


@pytest.mark.parametrize("policy", [-1, 513])
def test_policies_that_there_are_not(policy: int) -> None:
    with pytest.raises(InputError, match=r"option policy: .* use a whole number from 0 to 512"):
        wanted(policy=policy)


@pytest.mark.parametrize("policy", [0, 512])
def test_policies_that_there_are(policy: int) -> None:
    assert wanted(policy=policy).policy == policy
