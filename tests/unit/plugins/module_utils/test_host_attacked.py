# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paths that are written, where somebody else has a hand in them: links, races, modes."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils import _folders
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host, Permissions

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Owned = Callable[[Path, int], None]

BOB, EVE = 4242, 4343
# Swaps a folder and a link out of the tree for as long as it is let, 20 seconds at most.
SWAPPER = """\
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
folder, link = map(os.fsencode, sys.argv[1:])
at_cwd, exchange = -100, 2
end = time.monotonic() + 20
print("swapping", flush=True)
while time.monotonic() < end:
    if libc.renameat2(at_cwd, folder, at_cwd, link, exchange):
        raise OSError(ctypes.get_errno(), "renameat2")
"""


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the disk out of it, which may be slow."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return the host of a tree with a folder."""
    (tmp_path / "root/etc/ours").mkdir(parents=True)
    return Host(tmp_path / "root")


@pytest.fixture
def etc(host: Host) -> Path:
    return Path(host.root) / "etc"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder outside of the tree, with a file that nobody is to touch."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(b"secret")
    (folder / "secret").chmod(0o600)
    return folder


@pytest.fixture
def owned(monkeypatch: pytest.MonkeyPatch) -> Owned:
    """Return what gives a file to a user, as this process sees it, root or not."""
    users: dict[tuple[int, int], int] = {}

    def owner(found: os.stat_result) -> int:
        return users.get((found.st_dev, found.st_ino), 0)

    def give(path: Path, user: int) -> None:
        found = path.lstat()
        users[found.st_dev, found.st_ino] = user

    monkeypatch.setattr(_folders, "_owner", owner)
    return give


@pytest.fixture(params=[0o000, 0o022, 0o077])
def mask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Have the process take bits from the modes of what it makes."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def _written(host: Host) -> bool:
    with contextlib.suppress(HostError):
        host.write_file("/etc/ours/x", b"new", 0o644)
        return True
    return False


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# -- links -----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["write", "link", "remove", "permissions"])
@pytest.mark.parametrize("absolute", [True, False])
def test_links_of_an_image_do_not_lead_out_of_it(
    host: Host, etc: Path, outside: Path, action: str, *, absolute: bool
) -> None:
    told = str(outside) if absolute else os.path.relpath(outside, etc)
    (etc / "folder").symlink_to(told)
    path = "/etc/folder/secret"
    if action == "write":
        host.write_file(path, b"new", 0o644)
    elif action == "link":
        host.write_link(path, "elsewhere")
    elif action == "remove":
        host.remove_file(path)
    else:
        with pytest.raises(HostError, match="ENOENT"):
            host.set_permissions(path, Permissions(0, 0, 0o666))
    assert left(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert mode(outside / "secret") == 0o600


def test_a_dangling_link_is_followed_within_the_tree(host: Host, etc: Path, outside: Path) -> None:
    (etc / "x").symlink_to(outside / "new")
    host.write_file("/etc/x", b"new", 0o644)
    assert left(outside) == ["secret"]
    assert (Path(host.root) / str(outside).lstrip("/") / "new").read_bytes() == b"new"


@pytest.mark.parametrize("path", ["/", "/etc/..", "/etc/root", "/etc/../.."])
def test_what_is_no_place_of_a_file(host: Host, etc: Path, path: str) -> None:
    (etc / "root").symlink_to("/")
    with pytest.raises(HostError, match="EISDIR"):
        host.write_file(path, b"new", 0o644)
    assert left(Path(host.root)) == ["etc", "ours", "root"]


def test_a_loop_of_links_is_not_written(host: Host, etc: Path) -> None:
    (etc / "a").symlink_to("b")
    (etc / "b").symlink_to("a")
    with pytest.raises(HostError, match="ELOOP"):
        host.write_file("/etc/a/x", b"new", 0o644)


def test_links_of_root_are_followed(host: Host, etc: Path) -> None:
    (etc / "to").symlink_to("ours")
    (etc / "file").symlink_to("to/real")
    host.write_file("/etc/file", b"new", 0o644)
    assert (etc / "ours/real").read_bytes() == b"new"
    assert (etc / "file").is_symlink()


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("by", ["a link of theirs", "a folder of theirs", "a link for the file"])
def test_another_user_cannot_lead_a_write_elsewhere(
    host: Host, etc: Path, owned: Owned, by: str, *, running: bool
) -> None:
    (etc / "theirs").mkdir()
    target = etc / "ours"
    link = etc / ("link" if by == "a link of theirs" else "theirs/link")
    if by == "a link for the file":
        link.symlink_to(target / "x" if running else "/etc/ours/x")
    else:
        link.symlink_to(target if running else "/etc/ours")
    if by == "a link of theirs":
        owned(link, BOB)
    else:
        owned(etc / "theirs", BOB)
    tail = str(link.relative_to(etc)) + ("" if by == "a link for the file" else "/x")
    acting = Host() if running else host
    path = f"{etc}/{tail}" if running else f"/etc/{tail}"
    told = f"user {BOB} can have the link link on the way lead anywhere"
    with pytest.raises(HostError, match=f"cannot write .*{told}.*folder of user 0"):
        acting.write_file(path, b"new", 0o644)
    if by != "a link for the file":
        with pytest.raises(HostError, match=told):
            acting.write_file(f"{path}/new/folder", b"new", 0o644)
        with pytest.raises(HostError, match=told):
            acting.remove_file(path)
        with pytest.raises(HostError, match=told):
            acting.write_link(path, "x")
    with pytest.raises(HostError, match=told):
        acting.set_permissions(path, Permissions(0, 0, 0o666))
    assert left(etc / "ours") == []


def test_another_user_may_lead_to_what_is_theirs(host: Host, etc: Path, owned: Owned) -> None:
    for name in ("theirs", "theirs/real", "hers"):
        (etc / name).mkdir()
    (etc / "theirs/link").symlink_to("real")
    (etc / "theirs/hers").symlink_to("../hers")
    for path, user in (
        ("theirs", BOB),
        ("theirs/real", BOB),
        ("theirs/link", BOB),
        ("theirs/hers", BOB),
        ("hers", EVE),
    ):
        owned(etc / path, user)
    host.write_file("/etc/theirs/link/x", b"new", 0o644)
    assert (etc / "theirs/real/x").read_bytes() == b"new"
    with pytest.raises(HostError, match=f"user {BOB} can have .* folder of user {EVE}"):
        host.write_file("/etc/theirs/hers/x", b"new", 0o644)


def test_a_file_of_root_in_a_folder_of_another_user(host: Host, etc: Path, owned: Owned) -> None:
    # What an earlier run has made there.
    owned(etc / "ours", BOB)
    host.write_file("/etc/ours/x", b"one", 0o644)
    host.write_file("/etc/ours/x", b"two", 0o644)
    host.set_permissions("/etc/ours/x", Permissions(os.geteuid(), os.getegid(), 0o640))
    assert mode(etc / "ours/x") == 0o640


def test_a_second_name_of_a_file_of_root(host: Host, etc: Path, owned: Owned) -> None:
    owned(etc / "ours", BOB)
    (etc / "shadow").write_bytes(b"secret")
    (etc / "shadow").chmod(0o600)
    os.link(etc / "shadow", etc / "ours/x")
    with pytest.raises(HostError, match=f"user {BOB} owns the folder"):
        host.set_permissions("/etc/ours/x", Permissions(os.geteuid(), os.getegid(), 0o666))
    host.write_file("/etc/ours/x", b"new", 0o644)
    assert (etc / "shadow").read_bytes() == b"secret"
    assert mode(etc / "shadow") == 0o600


# -- races -----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["write", "link"])
def test_a_folder_that_becomes_a_link_after_the_check(
    host: Host, etc: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    name = _folders._temporary_name

    def swapped() -> str:
        (etc / "ours").rename(etc / "away")
        (etc / "ours").symlink_to(outside)
        return name()

    monkeypatch.setattr(_folders, "_temporary_name", swapped)
    if action == "write":
        host.write_file("/etc/ours/secret", b"new", 0o644)
    else:
        host.write_link("/etc/ours/secret", "elsewhere")
    assert left(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert left(etc / "away") == ["secret"]


def test_a_temporary_file_that_becomes_a_link(
    host: Host, etc: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, take_over = outside / "secret", _folders._take_over
    old = etc / "ours/x"
    old.write_bytes(b"old")
    old.chmod(0o666)
    given: list[tuple[int, ...]] = []

    def swapped(folder: int, name: str, new: int, mode: int) -> None:
        (temporary,) = (etc / "ours").glob(".hwaccel-*")
        temporary.unlink()
        temporary.symlink_to(victim)
        take_over(folder, name, new, mode)

    # The owner is not the one that acts, so that it is taken over.
    monkeypatch.setattr(os, "geteuid", lambda: old.stat().st_uid + 1)
    monkeypatch.setattr(
        os, "fchown", lambda handle, *_ids: given.append((os.fstat(handle).st_ino,))
    )
    monkeypatch.setattr(_folders, "_take_over", swapped)
    host.write_file("/etc/ours/x", b"new", 0o644)
    assert mode(victim) == 0o600
    assert given
    assert (victim.stat().st_ino,) not in given


def test_a_folder_that_is_swapped_all_the_time(host: Host, etc: Path, outside: Path) -> None:
    (etc / "link").symlink_to(outside)
    arguments = [str(etc / "ours"), str(etc / "link")]
    with subprocess.Popen(
        [sys.executable, "-c", SWAPPER, *arguments], stdout=subprocess.PIPE
    ) as swapper:
        try:
            assert swapper.stdout is not None
            assert swapper.stdout.readline() == b"swapping\n"
            done = sum(_written(host) for _each in range(200))
            assert swapper.poll() is None
        finally:
            swapper.kill()
    # Where the folder is a link between two looks, the write fails and nothing is done.
    assert done
    assert left(outside) == ["secret"]


# -- what is no file -------------------------------------------------------------------------


def test_a_fifo_in_the_place_of_a_file(host: Host, etc: Path) -> None:
    os.mkfifo(etc / "x")
    for read in (host.read_bytes, host.read_text, host.attribute):
        with pytest.raises(HostError, match="cannot read /etc/x: a FIFO is there, and no file"):
            read("/etc/x")
    with pytest.raises(HostError, match="a FIFO is there"):
        host.read_end("/etc/x", 10)
    with pytest.raises(HostError, match="cannot write /etc/x: a FIFO is there, and no file"):
        host.write_file("/etc/x", b"new", 0o644)
    with pytest.raises(HostError, match="a FIFO is there"):
        host.set_permissions("/etc/x", Permissions(0, 0, 0o666))
    assert left(etc) == ["ours", "x"]
    host.remove_file("/etc/x")
    assert left(etc) == ["ours"]


def test_a_fifo_in_the_place_of_a_log(etc: Path) -> None:
    os.mkfifo(etc / "log")
    with pytest.raises(HostError, match=r"cannot write .*ENXIO"):
        Host().run_logged(("true",), str(etc / "log"), folder="/", seconds=5)


def test_devices_are_neither_read_nor_written(etc: Path) -> None:
    for name in ("zero", "null"):
        (etc / name).symlink_to(f"/dev/{name}")
    with pytest.raises(HostError, match="a device is there, and no file"):
        Host().read_bytes(str(etc / "zero"))
    # A masked unit or rule is one without content, and stays masked.
    assert Host().read_bytes(str(etc / "null")) == b""
    for name, told in (("zero", "a device is there"), ("null", "/dev/null, which masks it")):
        before = os.stat(f"/dev/{name}")
        with pytest.raises(HostError, match=told):
            Host().write_file(str(etc / name), b"new", 0o644)
        after = os.stat(f"/dev/{name}")
        assert (before.st_ino, before.st_rdev) == (after.st_ino, after.st_rdev)


def test_what_is_masked_in_a_tree_stays_so(host: Host, etc: Path) -> None:
    # An image has no /dev/null before it runs.
    (etc / "null").symlink_to("/dev/null")
    dev = Path(host.root) / "dev"
    dev.mkdir()
    assert host.read_bytes("/etc/null") == b""
    told = "/etc/null: /dev/null, which masks it, is there"
    with pytest.raises(HostError, match=told):
        host.write_file("/etc/null", b"new", 0o644)
    with pytest.raises(HostError, match=told):
        host.remove_file("/etc/null")
    assert left(dev) == []
    assert os.readlink(etc / "null") == "/dev/null"


def test_a_link_does_not_take_the_place_of_a_fifo(host: Host, etc: Path) -> None:
    os.mkfifo(etc / "x")
    with pytest.raises(
        HostError, match="cannot make the link /etc/x: a FIFO is there, and no file"
    ):
        host.write_link("/etc/x", "/etc/ours")
    assert (etc / "x").is_fifo()


def test_a_piece_of_a_fifo_is_not_waited_for(host: Host, etc: Path) -> None:
    os.mkfifo(etc / "x")
    with pytest.raises(HostError, match="cannot read /etc/x: a FIFO is there, and no file"):
        host.read_piece("/etc/x", 0, 4)


# -- modes -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("mask")
def test_modes_do_not_depend_on_the_mask(host: Host, etc: Path) -> None:
    host.write_file("/etc/a/b/x", b"new", 0o640)
    host.write_link("/etc/c/d/link", "elsewhere")
    assert mode(etc / "a/b/x") == 0o640
    for folder in ("a", "a/b", "c", "c/d"):
        assert mode(etc / folder) == 0o755


@pytest.mark.usefixtures("mask")
def test_the_log_of_a_command_is_for_root(etc: Path) -> None:
    Host().run_logged(("true",), str(etc / "logs/a/b.log"), folder="/", seconds=20)
    assert mode(etc / "logs/a/b.log") == 0o600
    assert mode(etc / "logs") == mode(etc / "logs/a") == 0o755


@pytest.mark.usefixtures("mask")
@pytest.mark.parametrize("old", [None, 0o604])
def test_nobody_reads_a_file_before_it_is_whole(
    host: Host, etc: Path, monkeypatch: pytest.MonkeyPatch, old: int | None
) -> None:
    if old is not None:
        (etc / "ours/x").write_bytes(b"old")
        (etc / "ours/x").chmod(old)
    found: list[int] = []
    take_over = _folders._take_over

    def looked(folder: int, name: str, new: int, mode: int) -> None:
        found.append(os.fstat(new).st_mode & 0o777)
        take_over(folder, name, new, mode)

    monkeypatch.setattr(_folders, "_take_over", looked)
    host.write_file("/etc/ours/x", b"new", 0o600)
    assert found == [0o600]
    assert mode(etc / "ours/x") == (0o600 if old is None else old)
