# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The image builder: names of images, and what it refuses."""

from __future__ import annotations

import shutil
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


def test_the_image_that_is_there_is_taken(
    build_image: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = recipe(build_image)
    (tmp_path / wanted.key()).mkdir()
    (tmp_path / wanted.key() / "image.json").write_text("{}")
    monkeypatch.setattr(build_image, "build_in", pytest.fail)
    assert build_image.build(wanted, tmp_path) == wanted.key()


def test_a_build_that_fails_leaves_nothing_that_looks_like_an_image(
    build_image: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = recipe(build_image)

    def half(work: Path, _unused: object) -> None:
        (work / "disk.qcow2").write_text("half")
        raise build_image.BuildError("the mirror is away")

    monkeypatch.setattr(build_image, "build_in", half)
    with pytest.raises(build_image.BuildError, match="mirror is away"):
        build_image.build(wanted, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f".{wanted.key()}.lock"]


def test_what_an_interrupted_build_left_is_removed(
    build_image: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = recipe(build_image)
    left = tmp_path / f".{wanted.key()}.partial-abc"
    left.mkdir()

    def whole(work: Path, _unused: object) -> None:
        (work / "disk.qcow2").write_text("whole")
        (work / "tree.json").write_text('{"kernel": "6.12"}')

    monkeypatch.setattr(build_image, "build_in", whole)
    build_image.build(wanted, tmp_path)
    assert not left.exists()
    assert (tmp_path / wanted.key() / "image.json").exists()


def test_all_modules_of_the_makefile_are_taken(build_image: ModuleType) -> None:
    assert build_image.module_names(FILES / "kernel/Makefile") == [
        "qat_emulation",
        "qat_c62x",
        "qat_c62xvf",
    ]


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
