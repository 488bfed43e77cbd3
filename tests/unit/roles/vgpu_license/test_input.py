# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be right for one guest stops the run before any guest is touched."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.unit.playbook_runs import run_playbook

if t.TYPE_CHECKING:
    from pathlib import Path

PAGE = "<html><title>Sign in</title></html>" * 9


def run(folder: Path, wrong: dict[str, t.Any]) -> str:
    """Run the playbook for two guests that answer to nothing, and return what it says."""
    # Whatever touched a guest would fail, and say so.
    there = {"ansible_connection": "local", "ansible_python_interpreter": "/nonexistent"}
    right = {"vgpu_license_server_address": "gridlicense.example.com"}
    hosts = {"right": {**there, **right}, "wrong": {**there, **wrong}}
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    return run_playbook(
        folder,
        *("-vvv", "-i", inventory.name, "hwaccel.virt.license", "-e", "target=all"),
        ANSIBLE_FORKS="1",
    ).stdout


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"vgpu_license_server_address": "https://a.example.com"}, r"is not accepted, use a host"),
        ({"vgpu_license_token_src": "page.tok"}, r"a saved web page \(HTML or XML\), and no token"),
    ],
)
def test_no_guest_is_touched(tmp_path: Path, wrong: dict[str, t.Any], says: str) -> None:
    (tmp_path / "page.tok").write_text(PAGE, encoding="utf-8")
    if "vgpu_license_token_src" in wrong:
        wrong = {**wrong, "vgpu_license_token_src": str(tmp_path / "page.tok")}
    said = run(tmp_path, wrong)
    assert re.search(says, said), said
    assert "Learn which system it is" not in said
    assert "/nonexistent" not in said
    assert "Sign in" not in said


def test_what_is_right_goes_on_to_the_guests(tmp_path: Path) -> None:
    said = run(tmp_path, {"vgpu_license_vgpu_type": "K2", "vgpu_license_feature_type": "1"})
    assert "Learn which system it is" in said
    assert "/nonexistent" in said
