# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place that touches a machine: paths, bounded reads, whole writes, commands."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils import _host
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import BlockedError, HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._host import BLOCKED, Host, Permissions

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The children of Host are forked; the test runner's own threads are none of their business.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

SHORT = 0.15


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return the host of an empty tree."""
    (tmp_path / "root").mkdir()
    return Host(tmp_path / "root")


@pytest.fixture
def live() -> Host:
    """Return the running machine, with little patience."""
    return Host(read_seconds=SHORT)


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Return a maker of files that do not answer until the test ends."""
    made: list[Path] = []

    def make(name: str) -> str:
        os.mkfifo(tmp_path / name)
        made.append(tmp_path / name)
        return str(tmp_path / name)

    yield make
    for path in made:
        # Both ends at once: whoever waits for the other end goes on.
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def left_over(folder: Path) -> list[str]:
    """Return the temporary files of a folder."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".hwaccel-")]


# -- paths -----------------------------------------------------------------------------------


def test_the_running_machine(live: Host) -> None:
    assert live.live
    assert live.locate("/etc/passwd") == "/etc/passwd"
    assert Host("/tmp/..").live


@pytest.mark.parametrize("name", ["//", "/.", "///"])
def test_other_names_of_the_root_are_the_running_machine(name: str) -> None:
    assert Host(name).live


def test_a_link_to_the_root_is_the_running_machine(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    assert Host(tmp_path / "link").live


def test_a_tree_is_not_the_running_machine(host: Host) -> None:
    assert not host.live


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/etc/x", "etc/x"),
        ("/", ""),
        ("//etc//./x", "etc/x"),
        ("/../../etc/x", "etc/x"),
        ("/etc/../../../x", "x"),
        ("/absolute/x", "etc/x"),
        ("/upwards/x", "etc/x"),
        ("/sub/relative/x", "etc/x"),
        ("/etc/up/x", "x"),
        ("/chain/x", "etc/x"),
        ("/etc/file", "etc/real"),
        ("/etc/dangling", "nowhere/at/all"),
    ],
)
def test_links_never_lead_out(host: Host, path: str, inside: str) -> None:
    root = Path(host.root)
    (root / "etc").mkdir()
    (root / "sub").mkdir()
    (root / "absolute").symlink_to("/etc")
    (root / "upwards").symlink_to("../../../../../../../../etc")
    (root / "sub/relative").symlink_to("../etc")
    (root / "etc/up").symlink_to("..")
    (root / "chain").symlink_to("/absolute")
    (root / "etc/file").symlink_to("/etc/real")
    (root / "etc/dangling").symlink_to("/nowhere/at/all")
    assert host.locate(path) == str(root / inside).rstrip("/")


def test_the_last_link_is_kept_when_asked(host: Host) -> None:
    root = Path(host.root)
    (root / "folder").symlink_to("/real")
    (root / "real").mkdir()
    (root / "real/link").symlink_to("/etc/passwd")
    assert host.locate("/folder/link", follow=False) == str(root / "real/link")
    assert host.link_target("/folder/link") == "/etc/passwd"
    assert host.link_name("/folder/link") == "passwd"
    assert host.link_target("/real") is None
    assert host.link_name("/nowhere") is None


def test_a_loop_of_links(host: Host) -> None:
    root = Path(host.root)
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(HostError) as caught:
        host.read_bytes("/a")
    assert caught.value.number == errno.ELOOP
    assert "/a" in str(caught.value)
    assert host.link_target("/a") == "b"


def test_a_loop_of_links_leads_to_nothing(host: Host, live: Host) -> None:
    loop = Path(host.root) / "a"
    loop.symlink_to("a")
    assert not live.exists(str(loop))
    assert not host.exists("/a")


def test_nothing_outside_is_seen(host: Host, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    (Path(host.root) / "link").symlink_to(tmp_path / "secret")
    (Path(host.root) / "up").symlink_to("../secret")
    assert host.read_text("/link") is None
    assert host.read_text("/up") is None
    assert host.read_text("/../secret") is None
    assert not host.exists("/link")


def test_nothing_outside_is_written(host: Host, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (Path(host.root) / "etc").symlink_to(tmp_path / "outside")
    host.write_file("/etc/x", b"inside", 0o644)
    assert list((tmp_path / "outside").iterdir()) == []
    assert host.read_bytes("/etc/x") == b"inside"


def test_canonical_paths(host: Host, tmp_path: Path, live: Host) -> None:
    root = Path(host.root)
    (root / "sys").mkdir()
    (root / "link").symlink_to("/sys")
    assert host.canonical("/link/x") == "/sys/x"
    (tmp_path / "link").symlink_to(tmp_path / "root")
    assert live.canonical(str(tmp_path / "link")) == os.path.realpath(root)


def test_device_nodes(live: Host, host: Host, tmp_path: Path) -> None:
    (tmp_path / "null").symlink_to(os.devnull)
    assert live.device_node(str(tmp_path / "null")) == (False, 1, 3)
    assert live.device_node(str(tmp_path)) is None
    assert host.device_node("/dev/null") is None


@pytest.mark.parametrize(
    ("number", "claimed"),
    [(errno.EBUSY, True), (errno.ENOENT, False), (errno.EACCES, False), (errno.ENXIO, False)],
)
def test_a_block_device_that_is_claimed(
    live: Host, monkeypatch: pytest.MonkeyPatch, number: int, *, claimed: bool
) -> None:
    def refuse(path: str, flags: int) -> int:
        # Only a plain open that asks for it alone tells, and it changes nothing.
        assert (path, flags & (os.O_EXCL | os.O_CREAT | os.O_ACCMODE)) == ("/dev/sdx", os.O_EXCL)
        raise OSError(number, "refused")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        found = live.is_claimed("/dev/sdx")
    assert found == claimed


def test_what_is_not_claimed_is_let_go(live: Host, tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"")
    before = sorted(os.listdir("/proc/self/fd"))
    assert not live.is_claimed(str(tmp_path / "disk"))
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_nothing_of_a_tree_is_claimed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.delattr(os, "open")
        claimed = host.is_claimed("/dev/sda")
    assert not claimed


# -- reading ---------------------------------------------------------------------------------


def test_reading(host: Host) -> None:
    root = Path(host.root)
    (root / "value").write_bytes(b"  16 \n")
    (root / "bytes").write_bytes(b"a\xff\r\n")
    assert host.read_bytes("/bytes") == b"a\xff\r\n"
    assert host.read_text("/bytes") == "a\udcff\r\n"
    assert host.attribute("/value") == "16"
    assert host.names("/") == ["bytes", "value"]
    assert host.exists("/value")


@pytest.mark.parametrize("path", ["/nowhere", "/value/below"])
def test_what_is_not_there(host: Host, path: str) -> None:
    (Path(host.root) / "value").write_text("16")
    assert host.read_bytes(path) is None
    assert host.read_text(path) is None
    assert host.attribute(path) is None
    assert host.names(path) == []
    assert not host.exists(path)


def test_a_folder_is_no_file(host: Host) -> None:
    with pytest.raises(HostError, match=r"cannot read /: Is a directory \(EISDIR\)"):
        host.read_bytes("/")


def test_a_folder_that_may_not_be_listed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(errno.EACCES, "no", path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(HostError, match=r"cannot list /etc: .*EACCES"):
        host.names("/etc")


def test_a_piece_of_a_file(host: Host) -> None:
    host.write_file("/etc/image", b"0123456789", 0o644)
    assert host.read_piece("/etc/image", 3, 4) == b"3456"
    assert host.read_piece("/etc/image", 8, 4) == b"89"
    assert host.read_piece("/etc/none", 0, 4) == b""


def test_when_a_file_was_changed(host: Host) -> None:
    host.write_file("/etc/image", b"", 0o644)
    os.utime(host.locate("/etc/image"), (5, 7))
    assert host.modified("/etc/image") == pytest.approx(7)
    assert host.modified("/etc/none") is None


def test_whose_group_a_file_is(host: Host) -> None:
    host.write_file("/etc/image", b"", 0o644)
    host.write_link("/etc/link", "image")
    own = os.stat(host.locate("/etc/image")).st_gid
    assert (host.group_of("/etc/image"), host.group_of("/etc/link")) == (own, own)
    if os.geteuid() == 0:
        os.chown(host.locate("/etc/image"), -1, own + 7)
        assert (host.group_of("/etc/image"), host.group_of("/etc/link")) == (own + 7, own + 7)
    host.write_link("/etc/loop", "loop")
    assert (host.group_of("/etc/none"), host.group_of("/etc/loop")) == (None, None)


def test_owner_group_and_mode(host: Host) -> None:
    host.write_file("/etc/image", b"", 0o640)
    found = host.permissions("/etc/image")
    assert found == host.new_permissions(0o640)
    assert host.permissions("/etc/none") is None
    host.set_permissions("/etc/image", replace(found, mode=0o4700))
    assert host.permissions("/etc/image") == replace(found, mode=0o4700)
    if os.geteuid() == 0:
        given = Permissions(12, 34, 0o4755)
        host.set_permissions("/etc/image", given)
        assert host.permissions("/etc/image") == given
    with pytest.raises(HostError, match=r"cannot set permissions of /etc/none: .*ENOENT"):
        host.set_permissions("/etc/none", found)
    assert str(Permissions(0, 7, 0o44)) == "owner 0, group 7, mode 0044"


def test_names_of_a_tree_and_of_the_machine(host: Host, live: Host) -> None:
    root = Path(host.root) / "etc"
    root.mkdir(parents=True, exist_ok=True)
    (root / "passwd").write_text("# none\nnv:x:1234:55:::\nodd:x:y:1:::\n")
    (root / "group").write_text("nv:x:4321:\n")
    assert (host.user_id("nv"), host.group_id("nv")) == (1234, 4321)
    assert (host.user_id("root"), host.user_id("odd"), host.group_id("root")) == (None, None, None)
    assert (live.user_id("root"), live.group_id("root")) == (0, 0)
    assert (live.user_id("no such user"), live.group_id("no such group")) == (None, None)
    assert (live.user_id("a\0b"), live.group_id("a\0b")) == (None, None)


def test_room_on_a_file_system(host: Host) -> None:
    found = os.statvfs(host.root)
    room = host.free_bytes("/")
    assert room is not None
    assert room == pytest.approx(found.f_bfree * found.f_frsize, rel=0.1)
    assert host.free_bytes("/none") is None


def test_programs_of_root_are_found(live: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    told = live.run(["sh", "-c", "echo $PATH"]).strip().split(":")
    assert told == ["/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]


@pytest.mark.parametrize(
    ("content", "size", "end"),
    [
        (b"", 10, b""),
        (b"one\ntwo\n", 100, b"one\ntwo\n"),
        (b"one\ntwo\n", 8, b"one\ntwo\n"),
        # A line that is cut off at its beginning is none.
        (b"one\ntwo\n", 6, b"two\n"),
        (b"one\ntwo", 5, b"two"),
        (b"one two", 3, b""),
    ],
)
def test_the_end_of_a_file(host: Host, content: bytes, size: int, end: bytes) -> None:
    Path(host.root, "log").write_bytes(content)
    assert host.read_end("/log", size) == end


def test_the_end_of_no_file(host: Host) -> None:
    assert host.read_end("/log", 10) is None
    with pytest.raises(HostError, match="EISDIR"):
        host.read_end("/", 10)


def test_a_guarded_command(live: Host, host: Host) -> None:
    assert live.run_guarded(["printf", r"a\377b"], seconds=20) == "a\udcffb"
    with pytest.raises(HostError, match=r"false failed with status 1"):
        live.run_guarded(["false"], seconds=20)
    with pytest.raises(HostError) as missing:
        live.run_guarded(["/nowhere/tool"], seconds=20)
    assert missing.value.number == errno.ENOENT
    with pytest.raises(HostError, match="commands are not run"):
        host.run_guarded(["true"], seconds=20)


def test_a_guarded_command_that_does_not_end(live: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BlockedError, match=r"sleep 20 did not end within 0.1 s"):
        live.run_guarded(["sleep", "20"], seconds=SHORT - 0.05)
    # One that no signal ends keeps the child that waits for it, and nobody else.
    monkeypatch.setattr(_host, "_CHILD_SECONDS", SHORT)
    monkeypatch.setattr(live, "run", lambda *_words, **_more: time.sleep(20))
    stuck = Host()
    stuck.run = live.run  # type: ignore[method-assign]
    began = time.monotonic()
    with pytest.raises(BlockedError, match="cannot be ended"):
        stuck.run_guarded(["true"], seconds=SHORT)
    assert time.monotonic() - began < 10


def test_guarded_reads(live: Host, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("16\n")
    paths = [str(tmp_path / name) for name in ("a", "missing")]
    assert live.guarded_attributes(paths) == dict(zip(paths, ["16", None]))
    assert live.guarded_attributes([]) == {}


@pytest.mark.parametrize("order", [("stuck", "a", "b"), ("a", "stuck", "b"), ("a", "b", "stuck")])
def test_a_read_that_does_not_answer_keeps_none_of_the_others(
    live: Host, tmp_path: Path, stuck: Callable[[str], str], order: tuple[str, ...]
) -> None:
    stuck("stuck")
    (tmp_path / "a").write_text("1\n")
    (tmp_path / "b").write_text("2\n")
    begin = time.monotonic()
    found = live.guarded_attributes([str(tmp_path / name) for name in order])
    assert time.monotonic() - begin < 20 * SHORT
    assert {Path(path).name: value for path, value in found.items()} == {
        "stuck": BLOCKED,
        "a": "1",
        "b": "2",
    }
    assert repr(BLOCKED) == "<blocked>"


def test_a_guarded_read_that_fails(live: Host, tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        live.guarded_attributes([str(tmp_path)])
    assert caught.value.number == errno.EISDIR
    assert not isinstance(caught.value, BlockedError)


def test_a_guarded_read_leaves_no_child_and_no_descriptor(live: Host, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    live.guarded_attributes([str(tmp_path / "a")])
    before = sorted(os.listdir("/proc/self/fd"))
    live.guarded_attributes([str(tmp_path / "a")])
    assert sorted(os.listdir("/proc/self/fd")) == before
    with contextlib.suppress(ChildProcessError):
        assert os.waitpid(-1, os.WNOHANG) == (0, 0)


def test_a_tree_is_read_without_a_child(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path(host.root) / "a").write_text("1\n")
    monkeypatch.delattr(os, "fork")
    assert host.guarded_attributes(["/a", "/b"]) == {"/a": "1", "/b": None}


# -- devices ---------------------------------------------------------------------------------


def test_writing_an_attribute(live: Host, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("0\n")
    live.write_attribute(str(tmp_path / "a"), "16", seconds=5)
    # Not truncated: an attribute takes a write as a whole.
    assert (tmp_path / "a").read_text() == "16"


def test_a_write_that_does_not_answer(live: Host, stuck: Callable[[str], str]) -> None:
    path = stuck("sriov_numvfs")
    with pytest.raises(BlockedError) as caught:
        live.write_attribute(path, "0", seconds=SHORT)
    assert path in str(caught.value)
    assert "did not end within 0.15 s" in str(caught.value)
    assert caught.value.number == errno.EBUSY


def test_a_write_that_fails_carries_the_errno(live: Host, tmp_path: Path) -> None:
    for path, number in ((tmp_path, errno.EISDIR), (tmp_path / "gone", errno.ENOENT)):
        with pytest.raises(HostError) as caught:
            live.write_attribute(str(path), "7", seconds=5)
        assert caught.value.number == number
        assert f"cannot write '7' to {path}: " in str(caught.value)
        assert errno.errorcode[number] in str(caught.value)
    # An attribute is never made.
    assert not (tmp_path / "gone").exists()


def test_a_read_only_attribute_of_the_kernel(live: Host) -> None:
    path = Path("/proc/sys/kernel/osrelease")
    with pytest.raises(HostError) as caught:
        live.write_attribute(str(path), path.read_text().strip(), seconds=5)
    assert caught.value.number in (errno.EACCES, errno.EPERM, errno.EROFS)


def test_what_the_kernel_answers_to_the_write_itself(live: Host) -> None:
    with pytest.raises(HostError) as caught:
        live.write_attribute("/dev/full", "1", seconds=5)
    assert caught.value.number == errno.ENOSPC


def test_devices_of_a_tree_are_not_written(host: Host) -> None:
    (Path(host.root) / "a").write_text("0\n")
    with pytest.raises(HostError, match="devices are not written below"):
        host.write_attribute("/a", "1", seconds=5)
    assert (Path(host.root) / "a").read_text() == "0\n"


def test_writing_a_piece(live: Host, tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"0123456789")
    live.write_piece(str(tmp_path / "config"), 4, b"\x00\xff", seconds=5)
    assert (tmp_path / "config").read_bytes() == b"0123\x00\xff6789"


def test_a_piece_is_told_by_its_place(
    live: Host, host: Host, tmp_path: Path, stuck: Callable[[str], str]
) -> None:
    with pytest.raises(HostError) as caught:
        live.write_piece(str(tmp_path / "gone"), 0x7C, b"ab", seconds=5)
    assert f"cannot write 2 bytes at 0x7c to {tmp_path}/gone: " in str(caught.value)
    assert caught.value.number == errno.ENOENT
    assert not (tmp_path / "gone").exists()
    with pytest.raises(BlockedError, match=r"writing 2 bytes at 0x7c to .* did not end within"):
        live.write_piece(stuck("config"), 0x7C, b"ab", seconds=SHORT)
    (Path(host.root) / "config").write_bytes(b"0123")
    with pytest.raises(HostError, match="devices are not written below"):
        host.write_piece("/config", 0, b"ab", seconds=5)
    assert (Path(host.root) / "config").read_bytes() == b"0123"


def test_a_piece_that_is_taken_in_part(
    live: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_bytes(b"0123")
    monkeypatch.setattr(os, "pwrite", lambda _handle, data, _offset: len(data) - 1)
    with pytest.raises(HostError) as caught:
        live.write_piece(str(tmp_path / "config"), 0, b"ab", seconds=5)
    assert caught.value.number == errno.EIO


# -- files -----------------------------------------------------------------------------------


def test_a_new_file_gets_its_mode_and_its_folder(host: Host) -> None:
    host.write_file("/etc/new/x", b"content", 0o640)
    place = Path(host.root) / "etc/new/x"
    assert place.read_bytes() == b"content"
    assert stat.S_IMODE(place.stat().st_mode) == 0o640
    assert left_over(place.parent) == []


def test_an_old_file_keeps_its_mode(host: Host) -> None:
    place = Path(host.root) / "x"
    place.write_bytes(b"old")
    place.chmod(0o604)
    inode = place.stat().st_ino
    host.write_file("/x", b"new", 0o640)
    assert place.read_bytes() == b"new"
    assert stat.S_IMODE(place.stat().st_mode) == 0o604
    assert place.stat().st_ino != inode


def test_an_old_file_keeps_its_owner_and_context(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(host.root) / "x"
    place.write_bytes(b"old")
    given: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + 1)
    monkeypatch.setattr(os, "fchown", lambda _handle, *ids: given.append(ids))
    monkeypatch.setattr(
        os, "getxattr", lambda file, name: f"{os.readlink(f'/proc/self/fd/{file}')} {name}".encode()
    )
    monkeypatch.setattr(os, "setxattr", lambda _handle, *value: given.append(value))
    host.write_file("/x", b"new", 0o640)
    assert given == [
        (place.stat().st_uid, place.stat().st_gid),
        ("security.selinux", f"{place} security.selinux".encode()),
    ]


@pytest.mark.parametrize("running", [False, True])
def test_a_link_stays_one(host: Host, live: Host, *, running: bool) -> None:
    root = Path(host.root)
    (root / "real").write_bytes(b"old")
    (root / "link").symlink_to("real")
    if running:
        live.write_file(str(root / "link"), b"new", 0o644)
    else:
        host.write_file("/link", b"new", 0o644)
    assert (root / "real").read_bytes() == b"new"
    assert (root / "link").is_symlink()


def test_a_failed_write_leaves_the_old_file_and_no_other(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(host.root) / "x"
    place.write_bytes(b"old")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HostError, match=r"cannot write /x: .*ENOSPC") as caught:
        host.write_file("/x", b"new", 0o644)
    assert caught.value.number == errno.ENOSPC
    assert place.read_bytes() == b"old"
    assert left_over(place.parent) == []


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/boot/menu", ["/boot/menu", "/boot"]),
        ("/boot", ["/boot/image", "/boot/menu", "/boot"]),
        ("/boot/gone", ["/boot"]),
        ("/gone/gone", []),
    ],
)
def test_what_a_command_has_written_is_flushed(
    host: Host, monkeypatch: pytest.MonkeyPatch, path: str, kept: list[str]
) -> None:
    boot = Path(host.root) / "boot"
    (boot / "deeper").mkdir(parents=True)
    for name in ("image", "menu"):
        (boot / name).write_bytes(b"x")
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
    )
    host.flush(path)
    assert sorted(synced[:-1]) + synced[-1:] == [f"{host.root}{each}" for each in kept]


def test_what_is_read_at_boot_is_written_home(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, bytes]] = []

    def ioctl(handle: int, number: int, flags: bytes) -> None:
        asked.append((str(Path(f"/proc/self/fd/{handle}").readlink()), number, flags))
        raise OSError(errno.ENOTTY, "not ext4")

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    # Nothing boots from a tree that does not run.
    host.write_file("/boot/grub/grub.cfg", b"", 0o644)
    assert asked == []
    host.live = True
    monkeypatch.setattr(host, "locate", lambda path, **_options: f"{host.root}{path}")
    host.write_file("/boot/loader/entries/a.conf", b"", 0o644)
    host.write_link("/boot/vmlinuz", "vmlinuz-1")
    host.flush("/boot/grub/grub.cfg")
    host.flush("/boot")
    host.remove_file("/boot/loader/entries/a.conf")
    host.write_file("/bootx", b"", 0o644)
    entries, boot, grub = (f"{host.root}/boot{name}" for name in ("/loader/entries", "", "/grub"))
    assert asked == [(each, 0x4004662B, bytes(4)) for each in (entries, boot, grub, boot, entries)]


def test_a_flush_that_fails_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path(host.root) / "x").write_bytes(b"x")

    def broken(_handle: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(HostError, match=r"cannot flush /x: .*EIO"):
        host.flush("/x")


def test_a_folder_in_the_place_of_a_file(host: Host) -> None:
    (Path(host.root) / "x/y").mkdir(parents=True)
    with pytest.raises(HostError, match="cannot write /x"):
        host.write_file("/x", b"new", 0o644)
    assert left_over(Path(host.root)) == []


def test_a_file_in_the_place_of_a_folder(host: Host) -> None:
    (Path(host.root) / "x").write_bytes(b"old")
    with pytest.raises(HostError, match="cannot write /x/y"):
        host.write_file("/x/y", b"new", 0o644)
    assert (Path(host.root) / "x").read_bytes() == b"old"


def test_what_a_killed_run_left_behind_goes(host: Host) -> None:
    root = Path(host.root)
    others = [".hwaccel-mine", ".hwaccel-a1b2c3d4e", "hwaccel-a1b2c3d4", ".a1b2c3d4"]
    writes: list[Callable[[], None]] = [
        lambda: host.write_file("/x", b"new", 0o644),
        lambda: host.write_link("/link", "x"),
        lambda: host.remove_file("/x"),
    ]
    for write in writes:
        for name in [".hwaccel-a1b2c3d4", ".hwaccel-_x_y_z_0", *others]:
            (root / name).write_bytes(b"half")
        write()
        assert {path.name for path in root.iterdir()} - {"x", "link"} == set(others)


def test_a_log_that_cannot_be_written() -> None:
    with pytest.raises(HostError, match=r"cannot write /dev/full: .*ENOSPC"):
        Host().run_logged(("true",), "/dev/full", folder="/", seconds=30.0)


def test_removing(host: Host) -> None:
    root = Path(host.root)
    (root / "x").write_bytes(b"old")
    (root / "link").symlink_to("x")
    host.remove_file("/link")
    assert [path.name for path in root.iterdir()] == ["x"]
    host.remove_file("/x")
    host.remove_file("/x")
    host.remove_file("/nowhere/x")
    assert list(root.iterdir()) == []


def test_removing_what_is_no_file(host: Host) -> None:
    (Path(host.root) / "x").mkdir()
    with pytest.raises(HostError, match="cannot remove /x"):
        host.remove_file("/x")


# -- commands --------------------------------------------------------------------------------


def test_a_command_speaks_english(live: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("KEPT", "yes")
    assert live.run(["sh", "-c", "echo $LC_ALL $LANGUAGE $KEPT"]) == "C C yes\n"


def test_a_command_has_no_shell_and_no_input(live: Host) -> None:
    assert live.run(["echo", "$HOME; *"]) == "$HOME; *\n"
    assert live.run(["cat"]) == ""


@pytest.mark.parametrize(
    ("script", "told"), [("echo no >&2; exit 3", "no"), ("echo only out; exit 3", "only out")]
)
def test_a_command_that_fails(live: Host, script: str, told: str) -> None:
    with pytest.raises(HostError) as caught:
        live.run(["sh", "-c", script])
    assert str(caught.value) == f"sh -c {script} failed with status 3: {told}"


def test_a_command_that_does_not_end(live: Host) -> None:
    begin = time.monotonic()
    with pytest.raises(BlockedError, match=r"sleep 5 did not end within 0\.15 s") as caught:
        live.run(["sleep", "5"], seconds=SHORT)
    assert time.monotonic() - begin < 3
    assert caught.value.number == errno.ETIMEDOUT


def test_a_command_that_is_not_there(
    live: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="cannot run hwaccel-no-such-command: ") as caught:
        live.run(["hwaccel-no-such-command"])
    assert caught.value.number == errno.ENOENT


def test_a_command_that_prints_bytes_of_no_encoding(live: Host) -> None:
    assert live.run(["printf", r"a\377"]).startswith("a")


def test_no_commands_for_a_tree(host: Host) -> None:
    with pytest.raises(HostError, match="true: commands are not run for the tree"):
        host.run(["true"])


# -- lock ------------------------------------------------------------------------------------


@pytest.fixture
def lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lock"
    monkeypatch.setattr(_host, "_LOCK", str(path))
    return path


def test_two_runs_wait_for_each_other(live: Host, lock_file: Path) -> None:
    with live.lock():
        assert stat.S_IMODE(lock_file.stat().st_mode) == 0o600
        with pytest.raises(BlockedError, match="another run"), live.lock(seconds=0):
            pytest.fail("two runs at once")
    with live.lock(seconds=0):
        pass


def test_the_lock_is_freed_after_an_error(live: Host, lock_file: Path) -> None:
    with pytest.raises(KeyError), live.lock():
        raise KeyError
    with lock_file.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_child_that_hangs_does_not_keep_the_lock(
    live: Host, lock_file: Path, tmp_path: Path
) -> None:
    # Opening a FIFO waits for its other end, as the kernel waits for a guest.
    silent = tmp_path / "silent"
    os.mkfifo(silent)
    live.read_seconds = 0.2
    with live.lock():
        assert live.guarded_attributes([str(silent)]) == {str(silent): BLOCKED}
    try:
        with live.lock(seconds=0):
            assert lock_file.exists()
    finally:
        os.close(os.open(silent, os.O_WRONLY))


def test_a_tree_is_locked_without_a_file(host: Host, lock_file: Path) -> None:
    with host.lock():
        assert not lock_file.exists()
        assert list(Path(host.root).iterdir()) == []
        with pytest.raises(BlockedError, match=f"holds {host.root} "), host.lock(seconds=0):
            pytest.fail("two runs at once")
    with host.lock(seconds=0):
        pass


def test_a_lock_that_cannot_be_made(
    live: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_host, "_LOCK", str(tmp_path / "gone/lock"))
    with pytest.raises(HostError, match="cannot open"), live.lock():
        pytest.fail("no lock")


LOG = "var/log/hwaccel/build.log"


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / LOG)


def run_logged(log: str, script: str, *, seconds: float = 30.0) -> None:
    """Run a script on the running machine in the folder above its log."""
    folder = str(Path(log).parents[3])
    Host().run_logged(("sh", "-c", script), log, folder=folder, seconds=seconds)


def test_a_long_command_adds_all_that_it_says_to_its_log(log: str, tmp_path: Path) -> None:
    run_logged(log, "echo one; echo two >&2; pwd")
    assert Path(log).read_text() == f"$ sh -c echo one; echo two >&2; pwd\none\ntwo\n{tmp_path}\n"
    assert stat.S_IMODE(Path(log).stat().st_mode) == 0o600
    run_logged(log, "cat")
    assert Path(log).read_text().endswith(f"{tmp_path}\n$ sh -c cat\n")


def test_a_long_command_that_fails_tells_its_own_last_lines(log: str) -> None:
    run_logged(log, "echo of an earlier command")
    with pytest.raises(HostError) as told:
        run_logged(log, "seq 100; printf 'b\\377d'; exit 3")
    lines = str(told.value).splitlines()
    assert "failed with status 3" in lines[0]
    assert lines[0].endswith(f"the end of {log}:")
    assert lines[1:] == [*map(str, range(82, 101)), "b\udcffd"]
    with pytest.raises(HostError) as told:
        run_logged(log, "exit 1")
    assert "of an earlier command" not in str(told.value)


def test_a_long_command_past_its_bound_is_killed_with_its_children(
    log: str, tmp_path: Path
) -> None:
    script = "echo begun; (sleep 60; touch late) & echo $! >child; wait"
    begun = time.monotonic()
    with pytest.raises(BlockedError, match=r"did not end within 0.5 s; the end of .*\n.*\nbegun"):
        run_logged(log, script, seconds=0.5)
    assert time.monotonic() - begun < 30
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists():
        state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_long_command_that_is_not_there(log: str, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"cannot run in /nowhere \./configure: .*ENOENT"):
        Host().run_logged(("./configure",), log, folder="/nowhere", seconds=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match=r"cannot write .*ENOTDIR|cannot write .*EEXIST"):
        Host().run_logged(("true",), str(tmp_path / "file" / "a.log"), folder="/", seconds=1)


def test_a_long_command_is_not_run_for_a_tree(host: Host) -> None:
    with pytest.raises(HostError, match="commands are not run for the tree"):
        host.run_logged(("true",), "/a.log", folder="/", seconds=1)
