# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every tracked input of every fuzz target: what was found once is found again."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.fuzz.inputs import read_input, write_input
from ansible_collections.hwaccel.virt.tests.fuzz.runs import CORPUS, corpus_of
from ansible_collections.hwaccel.virt.tests.fuzz.table import TARGETS

if t.TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.hwaccel.virt.tests.fuzz.target import Target

INPUTS = [
    pytest.param(target, path, id=f"{target.name}-{path.stem}")
    for target in TARGETS.values()
    for path in corpus_of(target)
]


@pytest.mark.parametrize(("target", "path"), INPUTS)
def test_the_property_holds(target: Target, path: Path) -> None:
    target.check(read_input(path))


def test_every_target_has_inputs_and_every_folder_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(map(corpus_of, TARGETS.values()))


@pytest.mark.parametrize(
    "data", [b"a = \\ b\n", b"\r\n", b"\xff\\x00\x00", b"", "\u2028\u00e9".encode()]
)
def test_an_input_is_a_plain_file_and_read_as_it_was(tmp_path: Path, data: bytes) -> None:
    path = write_input(tmp_path / "target", "name", data)
    assert read_input(path) == data
    assert set(path.read_bytes()) <= {*b"\t\n", *range(0x20, 0x7F)}
