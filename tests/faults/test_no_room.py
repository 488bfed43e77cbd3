# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File systems that are full, from the first write on or later, and such as are read-only."""

from __future__ import annotations

import os
import shutil
import typing as t
from functools import partial

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.initramfs import DUE_PATH
from ansible_collections.hwaccel.virt.tests.faults.bench import differing, is_temporary
from ansible_collections.hwaccel.virt.tests.faults.processes import (
    bind,
    in_namespace,
    mount_tmpfs,
    read_only,
)
from ansible_collections.hwaccel.virt.tests.faults.scenarios import BOOT, EACH, GUEST, RESTORED

if t.TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.hwaccel.virt.tests.faults.bench import Bench, Scenario
    from ansible_collections.hwaccel.virt.tests.faults.conftest import Choose, MakeBench
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import Result

_PAGE = 4096
_SIZE = 4 << 20
# What is on the file system; boot loaders' own folders are where the tree has them.
_FOLDERS = ("etc", "var", "usr", "lib")
_TREES = [tree for tree in BOOT if tree.name.endswith(("-debian", "-rhel9-bls", "-proxmox-grub"))]
# Those that write files.
_SCENARIOS = [*(each for each in EACH if each not in (GUEST, RESTORED)), *_TREES]
# What stays once a device was changed.
_RECORDS = {"var/lib/hwaccel/undo.json", DUE_PATH.lstrip("/")}
_End = tuple[dict[str, t.Any], dict[str, t.Any]]
# A build needs more than the pages that are tried here.
_MOST_PAGES = 40


class _Disk:
    """A file system that has the folders of a machine, and nothing of the kernel's."""

    def __init__(self, bench: Bench) -> None:
        """Move them there."""
        root = bench.machine.root
        self.place = root.parent / "disk"
        self.place.mkdir(exist_ok=True)
        mount_tmpfs(self.place, _SIZE)
        self.folders: list[Path] = []
        for name in _FOLDERS:
            (root / name).mkdir(exist_ok=True)
            shutil.copytree(root / name, self.place / name, symlinks=True)
            bind(self.place / name, root / name)
            self.folders.append(root / name)

    def fill(self, pages: int) -> None:
        """Leave room for some pages alone."""
        filler = os.open(self.place / "filler", os.O_WRONLY | os.O_CREAT, 0o600)
        found = os.statvfs(self.place)
        os.posix_fallocate(filler, 0, (found.f_bfree - pages) * _PAGE)
        os.close(filler)

    def make_room(self) -> None:
        """Remove what fills it."""
        (self.place / "filler").unlink()


@pytest.mark.parametrize("scenario", _SCENARIOS, ids=str)
def test_no_space_is_left(scenario: Scenario, make_bench: MakeBench, moments: Choose) -> None:
    """Full from the start, or after some pages: refused or undone, and finished once there is."""
    bench = make_bench(scenario)
    end, pages = _end(bench), _pages(bench)
    assert pages
    for each in moments(pages):
        # The devices are on no file system of the namespace.
        bench.restart()
        in_namespace(partial(_fill_and_run, bench, end, each - 1))


def _pages(bench: Bench) -> int:
    """Return how many pages a run needs, or the most that are tried."""

    def needed() -> int:
        disk = _Disk(bench)
        for pages in range(_MOST_PAGES):
            disk.fill(pages)
            result = bench.run()
            disk.make_room()
            if "failed" not in result:
                return pages
        return _MOST_PAGES

    return int(in_namespace(needed)) if bench.scenario.module != "qat_package" else 1


def _fill_and_run(bench: Bench, end: _End, pages: int) -> None:
    disk, before = _Disk(bench), (bench.own_files(), bench.devices())
    disk.fill(pages)
    result = bench.run()
    message = _message(result)
    assert "ENOSPC" in message, message
    assert "make room" in message, message
    assert "could not be undone" not in message, message
    _check_undone(bench, before, end, message)
    disk.make_room()
    _check_finished(bench, end)


def _message(result: Result) -> str:
    assert result.get("failed"), "there was room"
    return str(result["msg"])


def _check_undone(bench: Bench, before: _End, end: _End, message: str) -> None:
    """See that files are as before, but for records of devices that have changed."""
    (start, found), files = before, bench.own_files()
    assert not [*filter(is_temporary, files)]
    if "All else is done" in message:
        assert differing(files, end[0]) <= _RECORDS
        assert bench.devices() == end[1]
    elif bench.devices() != found:
        assert "Already done and left as it is" in message, message
        assert differing(files, start) <= _RECORDS
    else:
        assert not differing(files, start), message


def _check_finished(bench: Bench, end: _End) -> None:
    """See that a run that nothing keeps from it comes to the same end as one from the start."""
    result = bench.run()
    assert "failed" not in result, result["msg"]
    assert not [*filter(is_temporary, bench.own_files())]
    files, devices = bench.own_files(), bench.devices()
    assert (differing(files, end[0]), devices) == (set(), end[1])
    assert not bench.run()["changed"]


def _end(bench: Bench) -> _End:
    """Return what a run comes to that nothing keeps from it, and start anew."""
    assert "failed" not in bench.run()
    end = bench.own_files(), bench.devices()
    bench.restart()
    return end


@pytest.mark.parametrize("which", [("etc", "var", "usr", "lib"), ("etc", "usr")], ids="-".join)
@pytest.mark.parametrize("scenario", _SCENARIOS, ids=str)
def test_a_file_system_is_read_only(
    scenario: Scenario, make_bench: MakeBench, which: tuple[str, ...]
) -> None:
    """All of it, or all but where records are: refused or undone, and finished after a remount."""
    bench = make_bench(scenario)
    if scenario.module in ("qat_mps", "qat_package") and "var" not in which:
        which = ("var",)
    in_namespace(partial(_run_read_only, bench, _end(bench), which))


def _run_read_only(bench: Bench, end: _End, which: tuple[str, ...]) -> None:
    disk, before = _Disk(bench), (bench.own_files(), bench.devices())
    with read_only([folder for folder in disk.folders if folder.name in which]):
        message = _message(bench.run())
    assert "EROFS" in message, message
    assert "read-only" in message.lower(), message
    assert any(f"/{name}/" in message for name in which), message
    _check_undone(bench, before, end, message)
    _check_finished(bench, end)
