# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The image builder: names of images, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import time
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from types import ModuleType

FILES = Path(__file__).resolve().parents[3] / "roles/emulated_host/files"


def recipe(build_image: ModuleType, **changes: object) -> t.Any:
    options: dict[str, object] = {
        "suite": "trixie",
        "mirror": "http://mirror.example/debian",
        "packages": ("b", "a"),
        "disk_mib": 8192,
    }
    return build_image.Recipe(**{**options, **changes})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    copy = tmp_path / "files"
    shutil.copytree(FILES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_the_order_of_packages_does_not_count(build_image: ModuleType) -> None:
    again = recipe(build_image, packages=("a", "b", "a"))
    assert again.key() == recipe(build_image).key()


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "forky"},
        {"mirror": "http://other.example/debian"},
        {"packages": ("a",)},
        {"disk_mib": 4096},
        {"iommufd": True},
    ],
)
def test_another_recipe_is_another_image(
    build_image: ModuleType, change: dict[str, object]
) -> None:
    assert recipe(build_image, **change).key() != recipe(build_image).key()


@pytest.mark.parametrize(
    "name", ["kernel/qat_emulation.c", "image/etc/motd", "build_image.py", "kernel/Makefile"]
)
def test_a_changed_file_is_another_image(build_image: ModuleType, files: Path, name: str) -> None:
    before = recipe(build_image).key(files)
    with (files / name).open("a") as file:
        file.write("\n")
    assert recipe(build_image).key(files) != before


def test_a_file_that_becomes_a_program_is_another_image(
    build_image: ModuleType, files: Path
) -> None:
    before = recipe(build_image).key(files)
    (files / "image/etc/motd").chmod(0o755)
    assert recipe(build_image).key(files) != before


def test_the_supervisor_is_not_in_the_image(build_image: ModuleType, files: Path) -> None:
    before = recipe(build_image).key(files)
    (files / "supervisor.py").write_text("")
    assert recipe(build_image).key(files) == before


def test_the_image_that_is_there_is_taken(build_image: ModuleType, tmp_path: Path) -> None:
    wanted = recipe(build_image)
    (tmp_path / wanted.key()).mkdir()
    (tmp_path / wanted.key() / "image.json").write_text("{}")
    assert build_image.build(wanted, tmp_path, pytest.fail) == wanted.key()


def test_a_build_that_fails_leaves_nothing_that_looks_like_an_image(
    build_image: ModuleType, tmp_path: Path
) -> None:
    wanted = recipe(build_image)

    def half(work: Path) -> None:
        (work / "disk.qcow2").write_text("half")
        raise build_image.BuildError("the mirror is away")

    with pytest.raises(build_image.BuildError, match="mirror is away"):
        build_image.build(wanted, tmp_path, half)
    assert [path.name for path in tmp_path.iterdir()] == [f".{wanted.key()}.lock"]


def test_what_an_interrupted_build_left_is_removed(build_image: ModuleType, tmp_path: Path) -> None:
    wanted = recipe(build_image)
    left = tmp_path / f".{wanted.key()}.partial-abc"
    left.mkdir()

    def whole(work: Path) -> dict[str, object]:
        (work / "disk.qcow2").write_text("whole")
        return {"kernel": "6.12"}

    build_image.build(wanted, tmp_path, whole)
    assert not left.exists()
    manifest = json.loads((tmp_path / wanted.key() / "image.json").read_text())
    assert (manifest["kernel"], manifest["key"]) == ("6.12", wanted.key())


def image(
    build_image: ModuleType, images: Path, name: str, *, age: float = 7200, **changes: object
) -> Path:
    folder = images / name
    (folder / "machines").mkdir(parents=True)
    manifest = {"key": name, "recipe": recipe(build_image).text(), **changes}
    (folder / "image.json").write_text(json.dumps(manifest))
    then = time.time() - age
    for path in (folder / "image.json", folder / "machines"):
        os.utime(path, (then, then))
    return folder


def machine(folder: Path, on: Path, *, image: str) -> None:
    folder.mkdir(parents=True)
    (folder / "created.json").write_text(json.dumps({"image": image}))
    (on / "machines" / folder.name).symlink_to(folder)
    then = time.time() - 7200
    os.utime(on / "machines", (then, then))


def test_an_image_that_a_changed_role_left_behind_is_removed(
    build_image: ModuleType, tmp_path: Path
) -> None:
    image(build_image, tmp_path, "0123456789abcdef")
    image(build_image, tmp_path, recipe(build_image).key())
    assert build_image.prune(recipe(build_image), tmp_path) == ["0123456789abcdef"]
    assert [path.name for path in tmp_path.iterdir()] == [recipe(build_image).key()]


@pytest.mark.parametrize(
    "changes", [{"recipe": "another"}, {"recipe": None}, {"key": "another"}, {"age": 60}]
)
def test_an_image_of_someone_else_or_just_used_stays(
    build_image: ModuleType, tmp_path: Path, changes: dict[str, t.Any]
) -> None:
    image(build_image, tmp_path, "0123456789abcdef", **changes)
    assert build_image.prune(recipe(build_image), tmp_path) == []


def test_an_image_below_a_machine_stays_until_the_machine_is_gone(
    build_image: ModuleType, tmp_path: Path
) -> None:
    images, folder = tmp_path / "images", tmp_path / "elsewhere/m"
    old = image(build_image, images, "0123456789abcdef")
    machine(folder, old, image="0123456789abcdef")
    assert build_image.prune(recipe(build_image), images) == []
    shutil.rmtree(folder)
    assert build_image.prune(recipe(build_image), images) == ["0123456789abcdef"]


def test_a_machine_that_was_made_anew_keeps_its_new_image_only(
    build_image: ModuleType, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    old = image(build_image, images, "0123456789abcdef")
    machine(tmp_path / "m", old, image=recipe(build_image).key())
    assert build_image.prune(recipe(build_image), images) == ["0123456789abcdef"]


def test_an_image_without_a_list_of_its_machines_stays(
    build_image: ModuleType, tmp_path: Path
) -> None:
    old = image(build_image, tmp_path, "0123456789abcdef")
    (old / "machines").rmdir()
    assert build_image.prune(recipe(build_image), tmp_path) == []


def test_variants_hold_only_what_differs(build_image: ModuleType, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in build_image.VARIANTS]
    for folder in folders:
        (folder / "updates").mkdir(parents=True)
        (folder / "modules.builtin").write_text("same")
        (folder / "modules.alias").write_text(folder.name)
    build_image.drop_common(folders)
    for folder in folders:
        assert sorted(path.name for path in folder.iterdir()) == ["modules.alias", "updates"]


@pytest.mark.parametrize(
    ("variant", "iommufd", "expected"),
    [
        ("stand_in", "without", "stand_in/qat_emulation stand_in/qat_vfio_pci"),
        ("out_of_tree", "without", "out_of_tree/qat_emulation out_of_tree/qat_vfio_pci"),
        ("in_tree", "without", "stand_in/qat_emulation"),
        ("stand_in", "with", "iommufd/qat_vfio_pci iommufd/vfio stand_in/qat_emulation"),
        ("out_of_tree", "with", "iommufd/qat_vfio_pci iommufd/vfio out_of_tree/qat_emulation"),
        ("in_tree", "with", "iommufd/vfio stand_in/qat_emulation"),
    ],
)
def test_a_variant_driver_is_of_the_vfio_that_is_there(
    build_image: ModuleType, tmp_path: Path, variant: str, iommufd: str, expected: str
) -> None:
    made = {"stand_in": ["qat_emulation", "qat_vfio_pci"]}
    made["out_of_tree"] = made["stand_in"]
    made["iommufd"] = ["qat_vfio_pci", "vfio"] if iommufd == "with" else []
    for folder, names in made.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.ko").touch()
    found = build_image.modules_of(variant, tmp_path)
    assert [str(path.relative_to(tmp_path).with_suffix("")) for path in found] == expected.split()


@pytest.mark.parametrize("kernels", [[], ["6.12", "6.13"]])
def test_one_kernel_is_expected(
    build_image: ModuleType, tmp_path: Path, kernels: list[str]
) -> None:
    (tmp_path / "lib/modules").mkdir(parents=True)
    for name in kernels:
        (tmp_path / "lib/modules" / name).mkdir()
    with pytest.raises(build_image.BuildError, match="one kernel was expected"):
        build_image.the_kernel(tmp_path)


def test_a_failing_command_is_named_with_its_last_words(build_image: ModuleType) -> None:
    with pytest.raises(build_image.BuildError, match=r"sh -c .* ended with 3: no room"):
        build_image.run(["sh", "-c", "echo no room >&2; exit 3"])
