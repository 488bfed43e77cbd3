# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of qatlib's settings."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.environment import (
    Environment,
    read_environment,
)
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

PATH = "/etc/sysconfig/qat"
UNIT = "systemd/system/qat.service"
PIECES = st.sampled_from(
    [b"A=1", b"POLICY=4", b' POLICY = "0"', b"#POLICY=7", b"POLICY", b"\n", b"\r\n", b"\r", b" "]
)
CONTENTS = st.lists(st.one_of(PIECES, st.binary(max_size=6)), max_size=12).map(b"".join)
OTHERS = st.lists(st.sampled_from([b"A=1", b"#POLICY=7", b"\xff", b"PO"]), max_size=3)
ENDINGS = st.sampled_from([b"\n", b"\r\n"])


def settings(content: bytes | None) -> Environment:
    return Environment(PATH, content)


@pytest.mark.parametrize(
    ("content", "policy"),
    [
        (None, None),
        (b"", None),
        (b"POLICY=2", "2"),
        (b"POLICY=2\r\n", "2"),
        (b" \tPOLICY = '2' \n", "2"),
        (b'POLICY=1\nA=2\nPOLICY="3"\n', "3"),
        (b"#POLICY=2\n;POLICY=2\nXPOLICY=2\nPOLICYX=2\nA=POLICY=2\n", None),
        (b"POLICY=\n", ""),
        (b"POLICY=\xff\n", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_the_policy(content: bytes | None, policy: str | None) -> None:
    assert settings(content).policy == policy


def test_the_line_that_counts() -> None:
    assert settings(b"POLICY=1\n POLICY = '2' \r\nA=1").policy_line == b" POLICY = '2' "
    assert settings(None).policy_line is None


def test_the_services() -> None:
    assert settings(b"ServicesEnabled=sym;asym\nPOLICY=2\n").services == "sym;asym"
    assert settings(b"#ServicesEnabled=dc\n").services is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, b"POLICY=2\n"),
        (b"", b"POLICY=2\n"),
        (b"A=1\n", b"A=1\nPOLICY=2\n"),
        (b"A=1", b"A=1\nPOLICY=2"),
        (b"A=1\r\n", b"A=1\r\nPOLICY=2\r\n"),
        (b"A=1\r\nB=2", b"A=1\r\nB=2\r\nPOLICY=2"),
        (b"POLICY=1\nA=1\nPOLICY='0'\r\nB", b"POLICY=1\nA=1\nPOLICY=2\r\nB"),
    ],
)
def test_another_policy(before: bytes | None, after: bytes) -> None:
    assert settings(before).with_policy("2") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, None),
        (b"A=1", b"A=1"),
        (b"POLICY=2", b""),
        (b"POLICY=2\nA=1\n", b"A=1\n"),
        (b"POLICY=2\r\nA=1\r\n", b"A=1\r\n"),
        (b"A=1\r\nPOLICY=2\r\n", b"A=1\r\n"),
        (b"A=1\nPOLICY=2", b"A=1"),
        (b"POLICY=1\nPOLICY=2\n", b"POLICY=1\n"),
    ],
)
def test_without_the_line_that_counts(before: bytes | None, after: bytes | None) -> None:
    assert settings(before).with_policy(None) == after


@given(CONTENTS, st.integers(0, 512))
def test_all_other_bytes_stay(content: bytes, policy: int) -> None:
    before = settings(content)
    after = settings(before.with_policy(str(policy)))
    assert after.policy == str(policy)
    if before.policy_line is None:
        # No line before: what was added is taken out again.
        assert after.with_policy(None) == content
        assert (after.content or b"").startswith(content)
    else:
        assert after.with_policy_line(before.policy_line) == content


@given(OTHERS, st.sampled_from([b"POLICY=2", b" POLICY = '\xff'"]), OTHERS, ENDINGS, ENDINGS)
def test_a_line_that_is_taken_out_leaves_the_others(
    above: list[bytes], line: bytes, below: list[bytes], ending: bytes, last: bytes
) -> None:
    before, after = (b"".join(each + ending for each in lines) for lines in (above, below))
    found = settings(before + line + last + after)
    assert found.policy_line == line
    assert found.with_policy(None) == before + after


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("EnvironmentFile=-/etc/default/qat", "/etc/default/qat"),
        ("EnvironmentFile=/etc/default/qat ", "/etc/default/qat"),
        ("EnvironmentFile=/etc/one\nEnvironmentFile=-/etc/two", "/etc/two"),
        ("#EnvironmentFile=/etc/one", PATH),
        ("Environment=POLICY=0", PATH),
    ],
)
def test_the_file_that_the_unit_names(machine: Machine, line: str, path: str) -> None:
    machine.write(f"usr/lib/{UNIT}", f"[Service]\n{line}\n")
    machine.write(path, "POLICY=2\n")
    assert read_environment(machine.host) == Environment(path, b"POLICY=2\n")


def test_an_operators_own_unit_counts(machine: Machine) -> None:
    machine.write(f"usr/lib/{UNIT}", "EnvironmentFile=/etc/one\n")
    machine.write(f"etc/{UNIT}", "EnvironmentFile=/etc/two\n")
    assert read_environment(machine.host) == Environment("/etc/two", None)


def test_before_the_package_is_there(machine: Machine) -> None:
    assert read_environment(machine.host) == Environment(PATH, None)
