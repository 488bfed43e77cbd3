# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compiled code is kept by the hash of its source, and nothing depends on it."""

from __future__ import annotations

import marshal
import os
import stat
import subprocess
import sys
import typing as t
import zipfile
from pathlib import Path

import pytest

FOLDER = (
    Path(__file__).resolve().parents[3]
    / "roles/emulated_host/files/image/usr/lib/python3/dist-packages"
)
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
import emulated_host_bytecode
emulated_host_bytecode.FOLDER = sys.argv[2]
sys.path.insert(0, sys.argv[3])
import sample
print(sample.answer(), sample.answer.__code__.co_filename)
"""


class Archive(t.NamedTuple):
    """An archive with one module, and the folder for compiled code."""

    path: Path
    kept: Path

    def write(self, answer: str) -> None:
        """Make the archive anew, with a module that gives this answer."""
        with zipfile.ZipFile(self.path, "w") as file:
            file.writestr("sample.py", f"def answer():\n    return {answer}\n")

    def says(self) -> str:
        """Return the answer and where Python says that its code stands."""
        argv = [sys.executable, "-IB", "-c", RUN, str(FOLDER), str(self.kept), str(self.path)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "one.zip", tmp_path / "kept")
    made.kept.mkdir()
    made.write("42")
    return made


def test_what_was_compiled_is_taken_again(archive: Archive) -> None:
    assert archive.says() == f"42 {archive.path}/sample.py"
    (kept,) = archive.kept.iterdir()
    kept.write_bytes(marshal.dumps(compile("def answer():\n    return 7\n", "old", "exec")))
    assert archive.says() == f"7 {archive.path}/sample.py"


def test_other_source_is_compiled_anew(archive: Archive) -> None:
    archive.says()
    archive.write("43")
    assert archive.says().startswith("43 ")
    assert len(list(archive.kept.iterdir())) == 2


def test_an_archive_elsewhere_has_its_own_name(archive: Archive, tmp_path: Path) -> None:
    archive.says()
    moved = archive._replace(path=archive.path.rename(tmp_path / "two.zip"))
    assert moved.says() == f"42 {moved.path}/sample.py"
    assert len(list(archive.kept.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"\xe3", b"nonsense", b"N"])
def test_a_spoilt_file_is_written_anew(archive: Archive, content: bytes) -> None:
    archive.says()
    (kept,) = archive.kept.iterdir()
    kept.write_bytes(content)
    assert archive.says().startswith("42 ")
    assert kept.read_bytes() != content


def test_nobody_else_may_write_what_is_kept(archive: Archive) -> None:
    before = os.umask(0)
    try:
        archive.says()
    finally:
        os.umask(before)
    (kept,) = archive.kept.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_without_the_folder_nothing_is_kept(archive: Archive) -> None:
    archive.kept.rmdir()
    assert archive.says().startswith("42 ")
    assert not archive.kept.exists()


def test_the_methods_of_dataclasses_are_kept_too(archive: Archive) -> None:
    source = (
        "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Sample:\n    one: int\n"
    )
    with zipfile.ZipFile(archive.path, "w") as file:
        file.writestr("sample.py", f"{source}def answer():\n    return Sample(5)\n")
    assert archive.says() == f"Sample(one=5) {archive.path}/sample.py"
    kept = list(archive.kept.iterdir())
    assert len(kept) > 1
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert archive.says() == f"Sample(one=5) {archive.path}/sample.py"
    assert {path: path.stat().st_mtime_ns for path in archive.kept.iterdir()} == before


def test_python_takes_it_at_its_start() -> None:
    (pth,) = FOLDER.glob("*.pth")
    assert pth.read_text().strip() == "import emulated_host_bytecode"
