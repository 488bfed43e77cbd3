# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trees of every boot loader: before, after, and as before again, with the commands."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.detect import BOOTLOADERS

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner, Result

MODULE = "iommu_kernel_arg"
TREES = sorted((Path(__file__).parent / "trees").glob("*.yml"))
OURS = "var/lib/hwaccel/"
Tree = dict[str, t.Any]


def load(path: Path) -> Tree:
    return t.cast("Tree", yaml.safe_load(path.read_text(encoding="utf-8")))


def lay(machine: Machine, tree: Tree) -> None:
    """Make the files and links of a tree."""
    for path, text in tree["before"].items():
        machine.write(path, text)
    for path, target in tree.get("links", {}).items():
        place = machine.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)


def with_differences(files: dict[str, t.Any], changes: dict[str, str | None]) -> dict[str, t.Any]:
    """Return files with some of them changed, new, or gone."""
    changed = {path: text.encode() for path, text in changes.items() if text is not None}
    gone = {path for path, text in changes.items() if text is None}
    return {path: text for path, text in {**files, **changed}.items() if path not in gone}


def files_of(machine: Machine) -> dict[str, t.Any]:
    """Return the files but for the collection's own record."""
    return {path: text for path, text in machine.files().items() if not path.startswith(OURS)}


@pytest.fixture(params=TREES, ids=lambda path: path.stem)
def tree(request: pytest.FixtureRequest, machine: Machine) -> Tree:
    found = load(request.param)
    lay(machine, found)
    return found


def run(run_module: ModuleRunner, tree: Tree, *, check: bool = False, **options: object) -> Result:
    result = run_module(MODULE, {**tree["options"], **options}, check=check)
    assert "msg" not in result, result["msg"]
    return result


def test_every_boot_loader_has_a_tree() -> None:
    assert {load(path)["bootloader"] for path in TREES} == set(BOOTLOADERS) - {"auto"}


def test_before_after_and_before_again(
    tree: Tree,
    machine: Machine,
    run_module: ModuleRunner,
) -> None:
    before = files_of(machine)
    after = with_differences(before, tree["after"])
    rehearsed = run(run_module, tree, check=True)
    assert machine.files() == before
    made = run(run_module, tree)
    assert files_of(machine) == after
    assert made == rehearsed
    assert made["changed"]
    assert made["bootloader"] == tree["bootloader"]
    assert made["bootloader_reason"]
    assert made["pending_commands"] == tree["commands"]["present"]
    assert [entry["id"] for entry in made["entries"]] == tree["entries"]
    assert made["files"] == sorted(f"/{path}" for path in tree["after"])
    assert made["overridden_by"] == tree.get("overridden_by", [])
    assert [argument for entry in made["entries"] for argument in entry["missing"]] == []

    again = run(run_module, tree)
    assert not again["changed"]
    assert (again["files"], again["diff"]) == ([], [])
    assert files_of(machine) == after

    rehearsed = run(run_module, tree, check=True, state="absent")
    assert files_of(machine) == after
    gone = run(run_module, tree, state="absent")
    assert files_of(machine) == with_differences(before, tree["absent"])
    assert gone == rehearsed
    assert gone["pending_commands"] == tree["commands"]["absent"]

    assert not run(run_module, tree, state="absent")["changed"]
    assert files_of(machine) == with_differences(before, tree["absent"])


def test_absent_without_a_record_takes_nothing_else(
    tree: Tree,
    machine: Machine,
    run_module: ModuleRunner,
) -> None:
    """An operator who set nothing loses nothing."""
    before = files_of(machine)
    result = run(run_module, tree, state="absent")
    assert files_of(machine) == before
    assert not result["changed"]
    assert result["warnings"] == []
