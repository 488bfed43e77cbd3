# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's task that installs a token, as verbosely as can be: the token is its file's alone.

Neither a process on the way has it in its arguments, where every user of a guest sees them, nor
what the playbook says of a guest where the task failed.
"""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import re
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.hwaccel.virt.tests.unit.playbook_runs import run_playbook

ROOT = Path(__file__).resolve().parents[4]
ROLE = ROOT / "roles/vgpu_license"
NAME = "client_configuration_token_11-22-2026-08-00-00.tok"
SECRET = "c2VjcmV0LW9mLXRoZS10b2tlbg"  # noqa: S105 (none in truth)
TOKEN = f"eyJhbGciOiJSUzI1NiJ9.{SECRET * 8}.{'QUJD' * 40}"
# Adds its arguments to a file before it is what it stands for.
RECORDER = """#!/bin/sh
printf '%s\\n' "$*" >> {log}
exec {program} "$@"
"""


def install_task() -> dict[str, t.Any]:
    """Return the task, for the user that runs the tests rather than root."""
    tasks = yaml.safe_load((ROLE / "tasks/linux.yml").read_text(encoding="utf-8"))
    task = next(each for each in tasks if each["name"] == "Install the token")
    copy = {
        **task["ansible.builtin.copy"],
        "owner": pwd.getpwuid(os.geteuid()).pw_name,
        "group": grp.getgrgid(os.getegid()).gr_name,
    }
    return {**task, "ansible.builtin.copy": copy}


def recorder(folder: Path, program: str) -> Path:
    """Return a program that records its arguments."""
    path = folder / f"record-{os.path.basename(program)}"
    path.write_text(RECORDER.format(log=folder / "arguments", program=program), encoding="utf-8")
    path.chmod(0o755)
    return path


def play(folder: Path) -> list[dict[str, t.Any]]:
    """Return a play of the task, and of what the playbook license says where it fails."""
    rescue = {
        "name": "Say what was refused",
        "ansible.builtin.import_tasks": str(ROOT / "playbooks/tasks/refused.yml"),
    }
    variables = {
        "vgpu_license_state": "present",
        "vgpu_license_licensing": "auto",
        "vgpu_license_token_src": str(folder / NAME),
        "vgpu_license_token_mode": "0600",
        "vgpu_license_configured": {"token_folder": "{{ folder_of_tokens }}"},
    }
    return [
        {
            "hosts": "all",
            "gather_facts": False,
            "vars": variables,
            "vars_files": [str(ROLE / "vars/main.yml")],
            "tasks": [{"name": "Have it", "block": [install_task()], "rescue": [rescue]}],
        }
    ]


@pytest.fixture
def said(tmp_path: Path) -> str:
    """Run the play for a guest that takes the token and one that cannot."""
    (tmp_path / NAME).write_text(TOKEN, encoding="utf-8")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / NAME).write_text(f"old {SECRET}", encoding="utf-8")
    (tmp_path / "a file").write_text("", encoding="utf-8")
    python = recorder(tmp_path, sys.executable)
    here = {"ansible_connection": "local", "ansible_python_interpreter": str(python)}
    hosts = {
        "takes": {**here, "folder_of_tokens": str(tmp_path / "taken")},
        "cannot": {**here, "folder_of_tokens": str(tmp_path / "a file/tokens")},
    }
    (tmp_path / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts}}), "utf-8")
    # Beside the templates that it looks up.
    (tmp_path / "templates").symlink_to(ROOT / "playbooks/templates")
    (tmp_path / "play.yml").write_text(json.dumps(play(tmp_path)), encoding="utf-8")
    return run_playbook(
        tmp_path,
        *("-vvvvv", "--diff", "-i", "inventory.json", "play.yml"),
        ANSIBLE_EXECUTABLE=str(recorder(tmp_path, "/bin/sh")),
        ANSIBLE_PIPELINING="0",
    ).stdout


def test_a_token_is_in_its_file_alone(tmp_path: Path, said: str) -> None:
    assert (tmp_path / "taken" / NAME).read_text(encoding="utf-8") == TOKEN, said
    assert re.search(r"^changed: \[takes\]", said, re.MULTILINE), said
    assert re.search(r"cannot: refused at .*Install the token", said), said
    assert "What it said is not shown, since the task knows secrets" in said
    arguments = (tmp_path / "arguments").read_text(encoding="utf-8")
    # Modules are started by both.
    assert "AnsiballZ_copy.py" in arguments
    for secret in (SECRET, base64.b64encode(TOKEN.encode()).decode()[:60]):
        assert secret not in said
        assert secret not in arguments
