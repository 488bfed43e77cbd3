# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of ansible-playbook, for tests of roles and playbooks."""

from __future__ import annotations

import os
import subprocess
import typing as t

if t.TYPE_CHECKING:
    from pathlib import Path

# None of them takes half as long on a machine that has other work too.
SECONDS = 300


def run_playbook(
    folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook in a folder; its errors are in its output, and lines are not broken."""
    return subprocess.run(
        ["ansible-playbook", *arguments],
        cwd=folder,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "COLUMNS": "999", **environment},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
