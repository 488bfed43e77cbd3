# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-builder makes of the guide's definition, and of what the collection tells."""

from __future__ import annotations

import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/docsite/rst/guide_awx.rst").read_text(encoding="utf-8")
TOLD = [
    "meta/execution-environment.yml",
    "meta/ee-requirements.txt",
    "meta/ee-bindep.txt",
    "galaxy.yml",
]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the build context that the definition of the guide gives."""
    folder = tmp_path_factory.mktemp("environment")
    block = re.search(r"^    # execution-environment.yml\n((?:    .*\n)+)", PAGE, re.MULTILINE)
    assert block is not None
    (folder / "execution-environment.yml").write_text(
        re.sub("^    ", "", block[1], flags=re.MULTILINE), encoding="utf-8"
    )
    subprocess.run(
        ["ansible-builder", "create", "--output-filename", "Containerfile"],
        cwd=folder,
        check=True,
        timeout=60,
    )
    return folder / "context"


def test_context(context: Path) -> None:
    build = (context / "Containerfile").read_text(encoding="utf-8")
    assert 'ARG EE_BASE_IMAGE="quay.io/centos/centos:stream10"' in build
    assert "ansible-core>=2.20,<2.21" in build
    assert "ansible-galaxy collection install" in build
    wanted = yaml.safe_load((context / "_build/requirements.yml").read_text(encoding="utf-8"))
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert [each["name"] for each in wanted["collections"]] == [galaxy["repository"]]
    assert (context / "_build/requirements.txt").read_text(encoding="utf-8").split() == ["pypsrp"]


def test_introspection(context: Path, tmp_path: Path) -> None:
    """The script that runs in the image finds what the collection tells, and reads it."""
    place = tmp_path / "ansible_collections/hwaccel/virt"
    (place / "meta").mkdir(parents=True)
    for name in TOLD:
        shutil.copy(ROOT / name, place / name)
    script = context / "_build/scripts/introspect.py"
    command = ["python3", str(script), "introspect", str(tmp_path)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout
    found = t.cast("dict[str, list[str]]", yaml.safe_load(said))
    told = {kind: [line.partition("  #")[0] for line in lines] for kind, lines in found.items()}
    assert told == {
        "python": ["netaddr>=1.3"],
        "system": ["openssh-clients [platform:rpm]", "openssh-client [platform:dpkg]"],
    }


def test_what_is_told_is_in_the_archive() -> None:
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    assert not [name for name in TOLD if name.split("/", maxsplit=1)[0] in ignored]
