# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tools of the house: what make lists, how a step ends, which settings of pip are kept."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)


def test_help_lists_every_public_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    listed = re.findall(r"^  make (\S+)", run("scripts/help", "Makefile").stdout, re.MULTILINE)
    assert phony is not None
    assert sorted(listed) == sorted(phony.group(1).split())


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("false", 1)])
def test_step_hands_the_exit_code_on(command: str, code: int) -> None:
    result = run("scripts/step", "name", command)
    assert result.returncode == code
    assert re.search(rf"=== name: {'passed' if code == 0 else 'FAILED'} in \d+ s", result.stdout)


def test_pip_settings_of_the_environment_win() -> None:
    spec = importlib.util.spec_from_file_location("sanity", ROOT / "tools" / "sanity.py")
    assert spec is not None
    assert spec.loader is not None
    sanity = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sanity)
    settings = sanity.pip_settings(
        "global.cert='/a'\ninstall.cert='/b'\ninstall.no-index='x=y'\n:env:.cert='/c'\n"
    )
    assert {name: dict(settings[name]) for name in settings.sections()} == {
        "global": {"cert": "/c"},
        "install": {"no-index": "x=y"},
    }
