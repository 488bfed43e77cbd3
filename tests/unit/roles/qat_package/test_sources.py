# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources that are there already: taken for the role's own where nobody but root made them."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.hwaccel.virt.tests.unit.playbook_runs import run_playbook

ROLE = Path(__file__).resolve().parents[4] / "roles/qat_package"
DIGEST = "0123456789abcdef" * 4
FOLDER = f"/usr/local/src/hwaccel/qat/{DIGEST}"
MARK = f"{FOLDER}/.unpacked"
Stat = dict[str, t.Any]
ABSENT: Stat = {"exists": False}


def found(path: str, mode: int, uid: int = 0) -> Stat:
    """Return what ansible.builtin.stat tells of a file, as far as it is of interest."""
    bits = {"wgrp": bool(mode & stat.S_IWGRP), "woth": bool(mode & stat.S_IWOTH)}
    return {"exists": True, "path": path, "uid": uid, **bits}


def value_of(name: str, *stats: Stat) -> t.Any:
    """Return what a variable of the role is with folder and mark as they were found."""
    variables = {
        **yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8")),
        **yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8")),
        "qat_package_checksum": f"sha256:{DIGEST.upper()}",
        "qat_package_unpacked": {"results": [{"stat": each} for each in stats]},
    }
    trusted = {
        key: trust_as_template(value) if isinstance(value, str) else value
        for key, value in variables.items()
    }
    return Templar(DataLoader(), trusted).template(trust_as_template(f"{{{{ {name} }}}}"))


def test_the_folder_has_the_whole_checksum_as_its_name() -> None:
    assert value_of("qat_package_source") == FOLDER
    assert value_of("qat_package_mark") == MARK


@pytest.mark.parametrize(
    ("folder", "mark", "foreign"),
    [
        (ABSENT, ABSENT, []),
        (found(FOLDER, 0o700), ABSENT, []),
        (found(FOLDER, 0o755), found(MARK, 0o600), []),
        (found(FOLDER, 0o700, uid=1000), ABSENT, [FOLDER]),
        (found(FOLDER, 0o775), ABSENT, [FOLDER]),
        (found(FOLDER, 0o757), found(MARK, 0o600), [FOLDER]),
        # A link.
        (found(FOLDER, 0o777), ABSENT, [FOLDER]),
        (found(FOLDER, 0o700), found(MARK, 0o600, uid=1000), [MARK]),
        (found(FOLDER, 0o700), found(MARK, 0o620), [MARK]),
        (found(FOLDER, 0o777, uid=1000), found(MARK, 0o666, uid=1000), [FOLDER, MARK]),
    ],
)
def test_what_others_could_have_made(folder: Stat, mark: Stat, foreign: list[str]) -> None:
    assert value_of("qat_package_foreign", folder, mark) == foreign
    assert value_of("qat_package_is_there", folder, mark) is mark["exists"]


def play_present(folder: Path) -> str:
    """Run the tasks of the role that come before a build, and return what is said."""
    tasks = yaml.safe_load((ROLE / "tasks/present.yml").read_text(encoding="utf-8"))
    names = [task["name"] for task in tasks]
    before = tasks[: names.index("Unpack the archive")]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars/main.yml")],
        "vars": {
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "qat_package_archive": "package.tar.gz",
            "qat_package_checksum": f"sha256:{DIGEST}",
            "qat_package_folder": str(folder),
        },
        "tasks": before,
    }
    (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    return run_playbook(folder, "--inventory", "localhost,", "play.yml").stdout


def test_it_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    source = tmp_path / DIGEST
    source.mkdir()
    source.chmod(0o777)
    said = play_present(tmp_path)
    assert "TASK [Stop where others could have put it there or changed it]" in said, said
    assert f"{source} can be changed by others than root" in said
    assert f"remove {source}, and run again. Nothing was changed." in said
