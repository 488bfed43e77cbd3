# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an archive tells of its version."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_package.version import parse_version
from ansible_collections.hwaccel.virt.tests.unit.plugins.package_runs import load_generator
from hypothesis import given
from hypothesis import strategies as st

NUMBER = "PACKAGE_VERSION_{}_NUMBER={}\n"


def versionfile(*numbers: str) -> str:
    names = ("MAJOR", "MINOR", "PATCH", "BUILD")
    return "".join(map(NUMBER.format, names, numbers))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "PACKAGE_TYPE=QAT\nPACKAGE_OS=L\n" + versionfile("4", "28", "0", "00004"),
            "QAT.L.4.28.0-00004",
        ),
        ("PACKAGE_TYPE=QAT20\nPACKAGE_OS=L\n" + versionfile("1", "0", "50"), "QAT20.L.1.0.50"),
        (versionfile("4", "28", "0", "00004"), "4.28.0-00004"),
        (versionfile("4").replace("=4", ' = "4"').replace("\n", "\r\n"), "4"),
        (versionfile("4") + versionfile("5"), "5"),
        ("PACKAGE_TYPE=QAT\nPACKAGE_OS=L\n", None),
        ("PACKAGE_VERSION_MAJOR_NUMBER=\n", None),
        ("# PACKAGE_VERSION_MAJOR_NUMBER=4\n", None),
        ("PACKAGE_VERSION_MAJOR_NUMBER=$(date)\n", None),
        ("", None),
    ],
)
def test_versions(text: str, version: str | None) -> None:
    assert parse_version(text) == version


@given(st.text())
def test_any_text_is_a_version_or_none(text: str) -> None:
    version = parse_version(text)
    assert version is None or version.isascii()


NUMBERS = st.integers(min_value=0, max_value=99999)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_the_stand_in_tells_its_version(major: int, minor: int, patch: int, build: int) -> None:
    version = f"{major}.{minor}.{patch}-{build:05}"
    assert parse_version(load_generator().render_versionfile(version)) == f"QAT.L.{version}"
