# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers: what they are made from, and how their supervisor follows what is no systemd."""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from types import ModuleType

FILES = Path(__file__).resolve().parents[3] / "roles/emulated_host/files"

HYBRID = """\
30 28 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu
40 30 0:36 / /sys/fs/cgroup/unified rw,relatime shared:10 - cgroup2 cgroup2 rw
"""
UNIFIED = "30 28 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.mark.parametrize(
    ("mounts", "place"),
    [(HYBRID, "/sys/fs/cgroup/unified"), (UNIFIED, "/sys/fs/cgroup")],
)
def test_the_unified_hierarchy_is_found(container: ModuleType, mounts: str, place: str) -> None:
    assert container.unified(mounts) == Path(place)


def test_a_machine_without_the_unified_hierarchy_is_refused(container: ModuleType) -> None:
    with pytest.raises(container.MachineError, match="mount -t cgroup2"):
        container.unified(HYBRID.replace("cgroup2", "cgroup"))


def test_who_is_not_root_is_refused(
    container: ModuleType,
    container_image: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(container.MachineError, match="wants root"):
        container.refuse()
    with pytest.raises(container_image.build_image.BuildError, match="wants root"):
        container_image.build(recipe(container_image), tmp_path)
    assert list(tmp_path.iterdir()) == []


def recipe(container_image: ModuleType) -> t.Any:
    return container_image.ContainerRecipe("trixie", "http://mirror.example/debian", ("a",), 0)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("container/etc/motd", "container"),
        ("container_image.py", "container"),
        ("build_image.py", "container machine"),
        ("image/etc/ssh/sshd_config.d/emulated-host.conf", "container machine"),
        ("image/etc/motd", "machine"),
        ("kernel/qat_4xxx.c", "machine"),
        ("container.py", ""),
    ],
)
def test_each_kind_has_an_image_of_its_own_files(
    container_image: ModuleType, tmp_path: Path, name: str, kinds: str
) -> None:
    files = tmp_path / "files"
    shutil.copytree(FILES, files, ignore=shutil.ignore_patterns("__pycache__"))
    machine = container_image.build_image.Recipe("trixie", "", (), 0)
    recipes = {"container": recipe(container_image), "machine": machine}
    before = {kind: one.key(files) for kind, one in recipes.items()}
    with (files / name).open("a") as file:
        file.write("\n")
    changed = [kind for kind, one in recipes.items() if one.key(files) != before[kind]]
    assert changed == kinds.split()


def test_the_tree_is_staged_with_what_a_machine_has_too(
    container_image: ModuleType, tmp_path: Path
) -> None:
    container_image.stage(tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert "image/etc/ssh/sshd_config.d/emulated-host.conf" in found
    assert (tmp_path / "image/etc/motd").read_text() == (FILES / "container/etc/motd").read_text()
    assert not any("emulated-qat" in name for name in found)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    folder = tmp_path / "images/0123456789abcdef"
    (folder / "tree").mkdir(parents=True)
    (folder / "host_key.pub").write_text("ssh-ed25519 AAAA root@nowhere\n")
    (folder / "id_ed25519").write_text("a key\n")
    return folder


def test_a_new_container_differs_from_its_tree_in_name_and_port(
    container: ModuleType, tmp_path: Path, image: Path
) -> None:
    folder = tmp_path / "m"
    (folder / "upper/left").mkdir(parents=True)
    container.prepare(folder, image, name="builder", port=20100)
    upper = folder / "upper"
    assert (folder / "image").resolve() == image / "tree"
    assert not (upper / "left").exists()
    assert (upper / "etc/hostname").read_text() == "builder\n"
    listen = upper / "etc/ssh/sshd_config.d/container.conf"
    assert listen.read_text() == "ListenAddress 127.0.0.1:20100\n"
    assert len((upper / "etc/machine-id").read_text()) == 33
    assert json.loads((folder / "created.json").read_text()) == {
        "image": image.name,
        "ssh_port": 20100,
        "kind": "container",
    }
    assert (folder / "known_hosts").read_text() == "builder ssh-ed25519 AAAA\n"


def test_nobody_enters_a_container_that_does_not_run(container: ModuleType, tmp_path: Path) -> None:
    # As after a supervisor that was killed.
    (tmp_path / "init.pid").write_text("1")
    with pytest.raises(container.MachineError, match="does not run"):
        container.enter(tmp_path, [])


@pytest.fixture
def group(container: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep the control groups of this machine out of it; the list is what was done to them."""
    done: list[str] = []
    monkeypatch.setattr(container, "group_of", lambda _folder: tmp_path / "group")
    monkeypatch.setattr(container, "make_group", lambda _group: done.append("made"))

    def remove(_group: Path) -> bool:
        done.append("removed")
        return False

    monkeypatch.setattr(container, "remove_group", remove)
    return done


def test_stopping_a_folder_that_is_gone_is_no_fault(
    container: ModuleType, tmp_path: Path, group: list[str]
) -> None:
    assert container.stop(tmp_path / "gone", 1.0) is False
    assert group == ["removed"]


def run(container: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, *acts: str) -> int:
    """Have a container end in these ways, one after the other; return how often it was started."""
    left = list(acts)

    def spawn(_self: object, console: int) -> subprocess.Popen[bytes]:
        # Who runs tests in the background may have signals ignored.
        argv = ["env", "--default-signal=HUP,INT", "sh", "-c", f"echo booting; {left.pop(0)}"]
        return subprocess.Popen(argv, stdout=console, stderr=console)

    monkeypatch.setattr(container.Supervisor, "_spawn", spawn)
    try:
        container.Supervisor(folder, lambda: None).run()
    finally:
        started = len(acts) - len(left)
    return started


REBOOT, POWER_OFF = "kill -HUP $$", "kill -INT $$"


def test_a_container_that_reboots_starts_again_and_one_that_powers_off_does_not(
    container: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: list[str]
) -> None:
    assert run(container, tmp_path, monkeypatch, REBOOT, POWER_OFF, REBOOT) == 2
    assert group == ["removed", "made", "removed"] * 2
    assert (tmp_path / "console.log").read_bytes() == b"booting\r\n" * 2


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    ("acts", "said"), [(["exit 1"], "ended with 1"), ([REBOOT] * 9, "does not boot: 7 reboots")]
)
def test_a_container_that_does_not_boot_is_given_up(
    container: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    acts: list[str],
    said: str,
) -> None:
    with pytest.raises(container.MachineError, match=said):
        run(container, tmp_path, monkeypatch, *acts)


def test_a_control_group_is_removed_from_below(container: ModuleType, tmp_path: Path) -> None:
    group = tmp_path / "group"
    assert container.remove_group(group) is False
    container.make_group(group)
    (group / "payload/system.slice").mkdir()
    (group / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    with pytest.raises(OSError, match="not empty"):
        # A file system of another kind keeps its files; the folders below are gone.
        container.remove_group(group)
    assert (group / "cgroup.kill").read_text() == "1"
    assert [path for path in group.iterdir() if path.is_dir()] == []
