# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No tracked file names a path of the machine that it was written on."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# A developer's own folders: interpreters, caches, checkouts in a home.
PERSONAL = r"/(?:root|home/[\w.-]+)/\.(?:pyenv|cache|local|venv|cargo)\b"
# Folders that say nothing about a machine, when a checkout lies in them.
COMMON = frozenset(
    {"/", "/builds", "/home", "/mnt", "/opt", "/root", "/src", "/srv", tempfile.gettempdir()}
)


def tracked(root: Path) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return [path for name in names.split("\0") if name and (path := root / name).is_file()]


def own_folders(checkout: Path, interpreter: Path) -> list[str]:
    """Return the folders whose names would tell that a file was written here."""
    folders = {str(checkout), str(checkout.parent)}
    if not interpreter.is_relative_to("/usr"):
        folders.add(str(interpreter))
    return sorted(folders - COMMON)


def path_faults(paths: list[Path], folders: list[str]) -> list[str]:
    """Return every place that names one of the folders, or a personal one."""
    own = [rf"(?<![\w.]){re.escape(folder)}(?:/|\b)" for folder in folders]
    pattern = re.compile("|".join([*own, PERSONAL]))
    return [
        f"{path.name}: {found.group()}"
        for path in paths
        for found in pattern.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]


def test_no_tracked_file_names_this_machine() -> None:
    paths = tracked(ROOT)
    assert len(paths) > 1
    assert path_faults(paths, own_folders(ROOT, Path(sys.base_prefix))) == []


def test_common_folders_are_no_clue() -> None:
    assert own_folders(Path("/srv/virt"), Path("/usr")) == ["/srv/virt"]
    assert own_folders(Path("/a/b"), Path("/c")) == ["/a", "/a/b", "/c"]


@pytest.mark.parametrize("text", ["see /a/notes", "cd /a/b", "'HOME/.cache/x'", "HOME/.venv"])
def test_paths_are_found(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.md"
    # Put together here: this file is tracked too.
    file.write_text(text.replace("HOME", "/home/me"), encoding="utf-8")
    assert len(path_faults([file], ["/a", "/a/b"])) == 1


@pytest.mark.parametrize("text", ["lib/a/notes", "/alpha", "/root/.ssh/authorized_keys"])
def test_other_paths_pass(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.md"
    file.write_text(text, encoding="utf-8")
    assert path_faults([file], ["/a"]) == []
