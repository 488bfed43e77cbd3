# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SUSE's boot entries, made by sdbootutil from one file."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot import sdbootutil
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import (
    Command,
    FileChange,
    Foretold,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.loader import Steps
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

INTEL = Wanted.of("intel", passthrough=True, extra=[])
OWN = "intel_iommu=on iommu=pt"
FOLDER, CMDLINE = "boot/efi/loader/entries", "etc/kernel/cmdline"
SNAPSHOTS = "rootflags=subvol=@/.snapshots/{}/snapshot"


def entry(options: str, version: str = "1@6.4.0") -> str:
    return f"version    {version}\noptions    {options}\nlinux      /linux\n"


def apply(machine: Machine, steps: Steps) -> list[list[str]]:
    for change in steps.changes:
        if isinstance(change, FileChange):
            change.apply(machine.host)
    return [list(change.arguments) for change in steps.changes if isinstance(change, Command)]


def kinds(steps: Steps) -> dict[str, type]:
    return {
        change.path: type(change)
        for change in steps.changes
        if isinstance(change, (FileChange, Foretold))
    }


def test_the_file_is_set_and_the_tool_sets_the_entries(machine: Machine) -> None:
    machine.write(f"{FOLDER}/a.conf", entry("root=1 quiet"))
    machine.write(CMDLINE, "root=1 quiet\n")
    loader = sdbootutil.observe(machine.host, reason="why")
    assert (loader.name, loader.reason) == ("sdbootutil", "why")
    steps = loader.present(INTEL, None)
    assert kinds(steps) == {f"/{CMDLINE}": FileChange, f"/{FOLDER}/a.conf": Foretold}
    assert apply(machine, steps) == [["sdbootutil", "update-all-entries"]]
    assert machine.read(CMDLINE) == f"root=1 quiet {OWN}\n"
    # Played.
    machine.write(f"{FOLDER}/a.conf", entry(f"root=1 quiet {OWN}"))
    again = sdbootutil.observe(machine.host, reason="")
    assert again.present(INTEL, steps.record).changes == ()
    assert apply(machine, again.absent(steps.record)) == [["sdbootutil", "update-all-entries"]]
    assert machine.read(CMDLINE) == "root=1 quiet\n"
    assert machine.read(f"{FOLDER}/a.conf") == entry("root=1 quiet")


@pytest.mark.parametrize(
    ("running", "edited"), [(16, ["a15"]), (15, ["a16"]), (99, ["a15", "a16"])]
)
def test_entries_of_other_snapshots_are_edited_here(
    machine: Machine, running: int, edited: list[str]
) -> None:
    for number in (15, 16):
        options = f"root=1 {SNAPSHOTS.format(number)}"
        machine.write(f"{FOLDER}/a{number}.conf", entry(options, f"{number}@6.4.0"))
    machine.write(CMDLINE, "root=1\n")
    machine.write("proc/cmdline", f"initrd=\\i root=1 {SNAPSHOTS.format(running)}\n")
    steps = sdbootutil.observe(machine.host, reason="").present(INTEL, None)
    written = [path for path, kind in kinds(steps).items() if kind is FileChange]
    assert written == [f"/{CMDLINE}", *(f"/{FOLDER}/{name}.conf" for name in edited)]


def test_without_the_file_it_starts_from_the_running_snapshots_newest_entry(
    machine: Machine,
) -> None:
    for number in (15, 16, 17):
        options = f"root=1 n={number} {SNAPSHOTS.format(number)}"
        machine.write(f"{FOLDER}/a{number}.conf", entry(options, f"{number}@6.4.0"))
    machine.write("proc/cmdline", f"root=1 {SNAPSHOTS.format(16)}\n")
    apply(machine, sdbootutil.observe(machine.host, reason="").present(INTEL, None))
    assert machine.read(CMDLINE) == f"root=1 n=16 {SNAPSHOTS.format(16)} {OWN}\n"
