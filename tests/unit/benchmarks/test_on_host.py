# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock that runs on the host."""

from __future__ import annotations

import sys
import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.benchmarks import on_host

if t.TYPE_CHECKING:
    from pathlib import Path

VFS = ["0000:01:00.1", "0000:01:00.2"]
# "Binding" here is a link, as the driver's in sysfs.
BIND = 'cd "$0"; for vf; do mkdir -p "$vf"; ln -s ../vfio-pci "$vf/driver"; done'
UNBIND = 'cd "$0"; for vf; do rm "$vf/driver"; done'


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "vfio-pci").mkdir()
    monkeypatch.setattr(on_host, "DEVICES", tmp_path)
    monkeypatch.setattr(on_host, "SETTLE", ["true"])
    return tmp_path


def in_folder(script: str, folder: Path, vfs: list[str]) -> list[str]:
    return ["sh", "-ec", script, str(folder), *vfs]


def test_a_way_is_timed_and_undone(devices: Path) -> None:
    way = on_host.Way(in_folder(BIND, devices, VFS), undo=in_folder(UNBIND, devices, VFS))
    assert on_host.measure("way", way, VFS) > 0
    assert on_host.bound(VFS) == []


def test_a_way_that_binds_too_few_is_refused(devices: Path) -> None:
    way = on_host.Way(in_folder(BIND, devices, VFS[:1]), undo=["true"])
    with pytest.raises(SystemExit, match=r"after way: bound are \['0000:01:00.1'\]"):
        on_host.measure("way", way, VFS)
    with pytest.raises(SystemExit, match="before next: bound are"):
        on_host.measure("next", way, VFS)


@pytest.mark.usefixtures("devices")
def test_a_way_that_fails_is_refused() -> None:
    with pytest.raises(SystemExit, match="ended with 3: lost"):
        on_host.measure("way", on_host.Way(["sh", "-c", "echo lost; exit 3"]), VFS)


def test_modules_come_through_the_standard_input(
    tmp_path: Path, devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_host, "PYTHON", sys.executable)
    for task, code in {"ping": 0, "present": 0, "absent": 0, "refused": 1}.items():
        path = tmp_path / "sent" / task / "ansible-tmp-1" / "AnsiballZ_any.py"
        path.parent.mkdir(parents=True)
        path.write_text(f"raise SystemExit({code})", encoding="utf-8")
        if task == "ping":
            assert set(on_host.ways(tmp_path / "sent", VFS)) == {
                "python",
                "shell",
                "driverctl",
                "ping",
            }
    found = on_host.ways(tmp_path / "sent", VFS)
    assert set(found) == {"python", "shell", "driverctl", "ping", "refused", "module"}
    assert on_host.measure("refused", found["refused"], VFS) > 0
    with pytest.raises(SystemExit, match=r"after module: bound are \[\]"):
        on_host.measure("module", found["module"], VFS)
    assert devices.is_dir()
