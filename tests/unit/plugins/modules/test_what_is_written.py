# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module leaves on a host: the modes of files and folders, and no secrets."""

from __future__ import annotations

import json
import os
import stat
import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.unit.plugins.every_module import BASES
from ansible_collections.hwaccel.virt.tests.unit.plugins.license_runs import TOKEN, TOKENS

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

FOLDER, FILE, PROGRAM, PRIVATE = 0o755, 0o644, 0o755, 0o600
# What is for root alone: records of what was found, logs of builds, copies of what was there.
PRIVATE_PLACES = ("var/lib/hwaccel/", "var/log/hwaccel/")
PROGRAMS = ("etc/initramfs-tools/hooks/",)
# What some modules take further than the tasks that just work.
MORE: dict[str, dict[str, t.Any]] = {
    "gridd_license": {"backup": True, "server_address": "license.example.com"},
    "iommu_kernel_arg": {"backup": True, "extra": ["quiet"]},
    "qat_config": {"backup": True},
}


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the disk out of it, which may be slow."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


@pytest.fixture(params=[0o000, 0o077])
def mask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Have the process take bits from the modes of what it makes."""
    before = os.umask(0o022)
    yield request.param
    os.umask(before)


def _modes(root: Path) -> dict[str, int]:
    return {
        str(path.relative_to(root)): stat.S_IMODE(path.lstat().st_mode)
        for path in root.rglob("*")
        if not path.is_symlink()
    }


def _wanted(root: Path, path: str) -> int:
    if (root / path).is_dir():
        return FOLDER
    if path.startswith(PRIVATE_PLACES) or path.endswith("~"):
        return PRIVATE
    return PROGRAM if path.startswith(PROGRAMS) else FILE


@pytest.mark.parametrize("module", BASES)
def test_modes(machine: Machine, run_module: ModuleRunner, module: str, mask: int) -> None:
    base = BASES[module]
    base.prepare(machine)
    before = _modes(machine.root)
    os.umask(mask)
    result = run_module(module, {**base.options, **MORE.get(module, {})})
    os.umask(0o022)
    assert not result.get("failed"), result["msg"]
    after = _modes(machine.root)
    new = {path: mode for path, mode in after.items() if path not in before}
    assert new == {path: _wanted(machine.root, path) for path in new}
    assert {path: after[path] for path in before if path in after} == {
        path: mode for path, mode in before.items() if path in after
    }
    assert bool(new) == result["changed"]
    assert not [path for path in new if "/.hwaccel-" in f"/{path}"]


@pytest.mark.parametrize("module", ["gridd_license", "gridd_license_info"])
@pytest.mark.parametrize("wrong", [False, True])
def test_tokens_are_told_nowhere(
    machine: Machine, run_module: ModuleRunner, module: str, *, wrong: bool
) -> None:
    base = BASES[module]
    base.prepare(machine)
    # One that is cut off in the middle is no token, and still a secret.
    secret = TOKEN[: len(TOKEN) // 8] if wrong else TOKEN
    machine.write(f"{TOKENS}/a.tok", secret).chmod(0o600)
    options: list[dict[str, t.Any]] = [{}]
    if module == "gridd_license":
        options = [
            {"licensing": "token"},
            {"server_address": "license.example.com"},
            {"server_address": "license.example.com", "remove_tokens": True, "backup": True},
        ]
    for each in options:
        given = {"_ansible_verbosity": 5, "_ansible_debug": False, **base.options, **each}
        for check in (True, False):
            told = json.dumps(run_module(module, given, check=check))
            for part in secret.decode().split("."):
                assert part[:24] not in told
    own = {path: content for path, content in machine.files().items() if "ConfigToken" not in path}
    assert secret not in b"".join(each for each in own.values() if isinstance(each, bytes))
