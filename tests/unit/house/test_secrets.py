# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks that move a secret say nothing of it, and no value of a role is matched in part."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

if t.TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
# What carries files, and so the content of a secret one, in its result or its diff.
CARRIERS = ("copy", "win_copy", "template", "win_template", "slurp", "fetch")
SECRET = re.compile(r"vgpu_license_token_(?:file|src)|\.tok\b|signing_key")
LOOKUP = re.compile(r"license_token'[^)]*\)(?!\s*\|\s*length)")
# A dollar sign matches before a line break at the end, too.
LOOSE = re.compile(r"\bmatch'?[(,] ?(?:'[^']*\$'|\"[^\"]*\$\")\)")


def task_files() -> list[Path]:
    found = [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("roles/*/handlers/*.yml")]
    return sorted([*found, *ROOT.glob("playbooks/**/*.yml")])


def tasks_of(document: object) -> Iterator[dict[str, t.Any]]:
    """Yield every task of a file, those in blocks too."""
    if isinstance(document, list):
        for each in document:
            yield from tasks_of(each)
    elif isinstance(document, dict):
        inside = ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers")
        for name in inside:
            yield from tasks_of(document.get(name))
        if not set(document) & set(inside):
            yield document


def faults(task: dict[str, t.Any]) -> list[str]:
    """Return what is wrong with a task as to secrets."""
    module = next((key for key in task if key.rpartition(".")[2] in CARRIERS), None)
    if module is None or not SECRET.search(str(task[module])):
        return []
    found = [] if task.get("no_log") is True else ["no_log"]
    return found if task.get("diff") is False else [*found, "diff"]


@pytest.mark.parametrize("path", task_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_secrets_are_moved_in_silence(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    assert [task for task in tasks_of(document) if faults(task)] == []
    assert LOOKUP.findall(text) == []
    assert LOOSE.findall(text) == []


def test_faults_are_found() -> None:
    copied = {"ansible.builtin.copy": {"src": "{{ vgpu_license_token_file }}"}}
    assert faults(copied) == ["no_log", "diff"]
    assert faults({**copied, "no_log": True, "diff": False}) == []
    assert faults({"ansible.builtin.file": {"path": "a.tok"}}) == []
    assert list(tasks_of([{"block": [{"a": 1}]}, {"tasks": [{"b": 2}]}])) == [{"a": 1}, {"b": 2}]
    assert LOOSE.search("that: x is match('[a-z]+$')")
    assert LOOSE.search("that: x | reject('ansible.builtin.match', '[a-z]+$') | length == 0")
    assert not LOOSE.search(r"that: x is match('[a-z]+\Z')")
    assert LOOKUP.search("msg: lookup('hwaccel.virt.license_token', path)")
    assert not LOOKUP.search("lookup('hwaccel.virt.license_token', path) | length > 0")
