# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modes as tasks give them, against chmod(1) itself."""

from __future__ import annotations

import stat
import subprocess
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.permissions import Mode

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("given", "number"),
    [("0644", 0o644), ("644", 0o644), ("0o600", 0o600), (0o640, 0o640), ("4755", 0o4755), (0, 0)],
)
def test_octal_modes(given: object, number: int) -> None:
    assert Mode.parse(given).of(0o777) == number


@pytest.mark.parametrize("given", [True, 1.5, "", "8", "rw", "u+q", "u=rw;g=r", 0o10000, -1, "0o9"])
def test_what_is_no_mode(given: object) -> None:
    with pytest.raises(InputError, match=r"option mode: .* is not accepted, use an octal number"):
        Mode.parse(given)


@pytest.mark.parametrize("before", [0o644, 0o751, 0o4600])
def test_symbolic_modes_as_chmod_has_them(tmp_path: Path, before: int) -> None:
    place = tmp_path / "file"
    place.write_text("")
    for text in (
        "u=rw,g=r,o=",
        "a+r",
        "go-rwx",
        "u+X",
        "o+X-r",
        "ug=rws",
        "a+t",
        "u-s",
        "+t,o=w",
        "u+t,o+s",
    ):
        place.chmod(before)
        subprocess.run(["chmod", text, place], check=True)
        assert Mode.parse(text).of(before) == stat.S_IMODE(place.stat().st_mode), text
