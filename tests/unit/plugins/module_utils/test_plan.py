# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans: shown as they will be, made in order, and what a failure half way leaves."""

from __future__ import annotations

import errno
import stat
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import (
    BlockedError,
    HostError,
    RefusedError,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host, Permissions
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import (
    AttributeWrite,
    Change,
    Check,
    Command,
    ConfigWrite,
    FileChange,
    Foretold,
    Marker,
    PermissionsChange,
    Plan,
    added,
    copy_of,
)

if t.TYPE_CHECKING:
    from collections.abc import Sequence

COUNT = "/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs"


class Recorder(Host):
    """A running host that notes what is done to it, and fails where it is told to."""

    def __init__(self, root: Path, *, failing: dict[str, int] | None = None) -> None:
        """Fail with an errno where it is told to."""
        super().__init__(root)
        self.recording = Host(root)
        self.live = True
        self.done: list[str] = []
        self.failing = failing or {}

    def locate(self, path: str, *, follow: bool = True) -> str:
        """Stay below the root."""
        return self.recording.locate(path, follow=follow)

    def _do(self, what: str) -> None:
        number = self.failing.get(what)
        if number is not None:
            kind = BlockedError if number == errno.ETIMEDOUT else HostError
            raise kind(f"{what} failed", number)
        self.done.append(what)

    def write_attribute(self, path: str, value: str, *, seconds: float) -> None:
        """Note a device write."""
        assert seconds > 0
        self._do(f"{path.rsplit('/', 1)[-1]}={value}")

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        """Note a file and write it."""
        self._do(f"write {path}")
        self.recording.write_file(path, content, mode)

    def remove_file(self, path: str) -> None:
        """Note a file and remove it."""
        self._do(f"remove {path}")
        self.recording.remove_file(path)

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Note a command."""
        assert seconds > 0
        self._do(" ".join(command))
        return ""

    def run_logged(self, command: Sequence[str], log: str, *, folder: str, seconds: float) -> None:
        """Note a long command, which says more in a log of its own."""
        assert seconds > 0
        path = Path(self.locate("/own.log"))
        path.write_bytes((path.read_bytes() if path.exists() else b"") + b"it went wrong\n")
        self._do(f"{' '.join(command)} in {folder} to {log}")


def count(
    value: int, before: int | None, hints: dict[int, str] | None = None, after: str | None = None
) -> AttributeWrite:
    told = None if before is None else str(before)
    return AttributeWrite("0000:01:00.0", COUNT, str(value), told, after, hints=hints or {})


RULE = FileChange("/etc/rule", None, b"new\n")
RECORD = FileChange("/var/record", None, b"{}\n", mode=0o600, shown=False)


# -- shown -----------------------------------------------------------------------------------


def test_nothing_to_do() -> None:
    assert not Plan()
    assert Plan().diff() == []
    assert Plan().pending_writes() == []
    assert Plan().pending_commands() == []


def test_a_record_alone_is_no_change_and_not_shown() -> None:
    plan = Plan((RECORD,))
    assert not plan
    assert plan.diff() == []


@pytest.mark.parametrize("change", [RULE, count(1, 0), Command(("true",))])
def test_anything_else_is_a_change(change: Change) -> None:
    assert Plan((RECORD, change))


def test_writes_to_one_attribute_fold_into_first_and_last() -> None:
    plan = Plan((count(0, 4), count(16, 0)))
    assert plan.diff() == [
        {
            "before_header": "devices",
            "after_header": "devices",
            "before": "0000:01:00.0 sriov_numvfs: 4\n",
            "after": "0000:01:00.0 sriov_numvfs: 16\n",
        },
    ]
    assert plan.pending_writes() == [
        {"path": COUNT, "value": "0"},
        {"path": COUNT, "value": "16"},
    ]


def test_there_and_back_shows_nothing() -> None:
    assert Plan((count(0, 16), count(16, 0))).diff() == []


def test_what_is_read_after_a_write_may_be_another_value() -> None:
    (entry,) = Plan((count(4, None, after="16"),)).diff()
    assert entry["before"] == "0000:01:00.0 sriov_numvfs: \n"
    assert entry["after"] == "0000:01:00.0 sriov_numvfs: 16\n"


def test_devices_are_shown_sorted_then_files_in_order() -> None:
    other = AttributeWrite("0000:00:02.0", "/sys/x/state", "up", "down")
    plan = Plan((FileChange("/etc/z", b"a\xff", None), count(1, 0), other, RULE))
    assert [entry["before_header"] for entry in plan.diff()] == ["devices", "/etc/z", "(no file)"]
    assert plan.diff()[0]["before"].splitlines() == [
        "0000:00:02.0 state: down",
        "0000:01:00.0 sriov_numvfs: 0",
    ]
    assert plan.diff()[1] == {
        "before_header": "/etc/z",
        "after_header": "(no file)",
        "before": "a\\xff",
        "after": "",
    }
    assert plan.diff()[2]["after_header"] == "/etc/rule"
    assert plan.diff()[2]["after"] == "new\n"


def test_one_plan_after_another() -> None:
    plan = Plan((RULE,), ("one",)).and_then(Plan((RECORD,), ("two",)))
    assert plan == Plan((RULE, RECORD), ("one", "two"))


def test_what_ends_as_it_began_is_left_out() -> None:
    state = [AttributeWrite("a", "/sys/x/qat/state", word, "up") for word in ("down", "up")]
    services = AttributeWrite("a", "/sys/x/qat/cfg_services", "dc", "sym")
    (entry,) = Plan((state[0], services, state[1])).diff()
    assert entry["before"] == "a cfg_services: sym\n"
    assert entry["after"] == "a cfg_services: dc\n"


def test_a_label_stands_for_the_attribute() -> None:
    unbind = AttributeWrite("a", "/sys/x/driver/unbind", "a", "old", "", label="driver")
    probe = AttributeWrite("a", "/sys/y/drivers_probe", "a", "old", "new", label="driver")
    (entry,) = Plan((unbind, probe)).diff()
    assert (entry["before"], entry["after"]) == ("a driver: old\n", "a driver: new\n")
    assert (unbind.name, count(1, 0).name) == ("driver", "sriov_numvfs")


def test_a_marker_is_a_change_that_is_not_shown() -> None:
    plan = Plan((Marker("/run/x", standing=True),))
    assert plan
    assert (plan.diff(), plan.pending_writes(), plan.pending_commands()) == ([], [], [])


# -- made ------------------------------------------------------------------------------------


def test_changes_are_made_in_order(tmp_path: Path) -> None:
    host = Recorder(tmp_path)
    Plan((RECORD, count(0, 4), RULE, Command(("udevadm", "control", "-R")), count(16, 4))).apply(
        host
    )
    assert host.done == [
        "write /var/record",
        "sriov_numvfs=0",
        "write /etc/rule",
        "udevadm control -R",
        "sriov_numvfs=16",
    ]
    assert (tmp_path / "etc/rule").read_bytes() == b"new\n"
    assert stat.S_IMODE((tmp_path / "var/record").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "etc/rule").stat().st_mode) == 0o644


def test_below_another_root_files_alone_are_made(tmp_path: Path) -> None:
    plan = Plan((count(1, 0), RULE, Command(("true",))))
    plan.apply(Host(tmp_path))
    assert [path.name for path in tmp_path.rglob("*")] == ["etc", "rule"]
    assert plan.pending_writes() == [{"path": COUNT, "value": "1"}]
    assert plan.pending_commands() == [["true"]]


def failing(tmp_path: Path, plan: Plan, **how: int) -> tuple[HostError, Recorder]:
    host = Recorder(tmp_path, failing={key.replace("__", "="): how[key] for key in how})
    with pytest.raises(HostError) as caught:
        plan.apply(host)
    return caught.value, host


def test_a_failure_puts_files_back_and_tells_what_was_done(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/kept").write_bytes(b"old\n")
    (tmp_path / "etc/gone").write_bytes(b"old\n")
    changes = (
        FileChange("/etc/kept", b"old\n", b"new\n"),
        FileChange("/etc/gone", b"old\n", None),
        RULE,
        AttributeWrite("0000:01:00.0", "/sys/x/autoprobe", "0", "1"),
        count(16, 0),
        FileChange("/etc/never", None, b"never"),
    )
    error, host = failing(tmp_path, Plan(changes), sriov_numvfs__16=errno.EIO)
    assert str(error) == (
        "sriov_numvfs=16 failed. Already done and left as it is: 0000:01:00.0 autoprobe=0"
    )
    assert error.number == errno.EIO
    assert (tmp_path / "etc/kept").read_bytes() == b"old\n"
    assert (tmp_path / "etc/gone").read_bytes() == b"old\n"
    assert not (tmp_path / "etc/rule").exists()
    assert not (tmp_path / "etc/never").exists()
    # The last one made is the first one undone.
    assert host.done[-3:] == ["remove /etc/rule", "write /etc/gone", "write /etc/kept"]


def test_a_record_goes_back_when_no_device_was_changed(tmp_path: Path) -> None:
    error, _host = failing(tmp_path, Plan((RECORD, count(16, 0))), sriov_numvfs__16=errno.EIO)
    assert "Already done" not in str(error)
    assert not (tmp_path / "var/record").exists()


def test_a_record_stays_once_a_device_was_changed(tmp_path: Path) -> None:
    plan = Plan((RECORD, count(0, 4), RULE, count(16, 4)))
    failing(tmp_path, plan, sriov_numvfs__16=errno.EIO)
    assert (tmp_path / "var/record").read_bytes() == b"{}\n"
    assert not (tmp_path / "etc/rule").exists()


def test_what_a_command_makes_is_shown_and_not_made(tmp_path: Path) -> None:
    told = Foretold("/etc/entry", b"old\n", b"new\n")
    assert not Plan((told,))
    assert Plan((told,)).diff() == [
        {
            "before_header": "/etc/entry",
            "after_header": "/etc/entry",
            "before": "old\n",
            "after": "new\n",
        }
    ]
    host = Recorder(tmp_path)
    Plan((told,)).apply(host)
    assert host.done == []


def test_what_a_command_has_made_goes_back_when_it_fails(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/half").write_bytes(b"new\n")
    (tmp_path / "etc/not").write_bytes(b"old\n")
    told = [Foretold(f"/etc/{name}", b"old\n", b"new\n") for name in ("half", "not")]
    _error, host = failing(tmp_path, Plan((*told, Command(("tool",)))), tool=errno.EIO)
    assert (tmp_path / "etc/half").read_bytes() == b"old\n"
    assert host.done == ["write /etc/half"]


@pytest.mark.parametrize("lasting", [False, True])
def test_a_record_stays_once_a_command_that_lasts_was_run(tmp_path: Path, *, lasting: bool) -> None:
    plan = Plan((RECORD, Command(("first",), lasting=lasting), Command(("second",))))
    failing(tmp_path, plan, second=errno.EIO)
    assert (tmp_path / "var/record").exists() is lasting


def refuse(host: Host) -> None:
    """Find that a plan is not to go on."""
    message = f"not on, live: {host.live}"
    raise RefusedError(message)


def test_a_look_half_way_is_no_change_and_not_shown(tmp_path: Path) -> None:
    plan = Plan((Check(refuse),))
    assert not plan
    assert (plan.diff(), plan.pending_writes(), plan.pending_commands()) == ([], [], [])
    # Below another root nothing is done that could not be undone.
    plan.apply(Host(tmp_path))


def test_a_look_half_way_stops_what_comes_after_it(tmp_path: Path) -> None:
    host = Recorder(tmp_path)
    with pytest.raises(RefusedError, match=r"^not on, live: True$"):
        Plan((RULE, Check(refuse), Command(("b",)))).apply(host)
    assert host.done == ["write /etc/rule", "remove /etc/rule"]


def test_a_command_that_was_told_of_is_no_change() -> None:
    assert Plan((Command(("tool",)),))
    assert not Plan((Command(("tool",), known=True),))
    assert Plan((Command(("tool",), known=True),)).pending_commands() == [["tool"]]


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EPERM, "lsattr"),
        (errno.EROFS, "mounted read-only"),
        (errno.ENOSPC, "no space is left"),
    ],
)
def test_a_file_that_cannot_be_written_has_a_remedy(
    tmp_path: Path,
    number: int,
    hint: str,
) -> None:
    host = Recorder(tmp_path, failing={"write /etc/rule": number})
    with pytest.raises(HostError, match=hint) as caught:
        Plan((RULE,)).apply(host)
    assert caught.value.number == number


def test_what_cannot_be_undone_is_told(tmp_path: Path) -> None:
    host = Recorder(
        tmp_path,
        failing={"sriov_numvfs=16": errno.EIO, "remove /etc/rule": errno.EROFS},
    )
    with pytest.raises(HostError) as caught:
        Plan((FileChange("/etc/a", None, b"a"), RULE, count(16, 0))).apply(host)
    assert "sriov_numvfs=16 failed. This could not be undone: remove /etc/rule failed" in str(
        caught.value
    )
    assert not (tmp_path / "etc/a").exists()


def test_the_kind_of_an_error_is_kept(tmp_path: Path) -> None:
    error, _host = failing(tmp_path, Plan((RULE, count(0, 1))), sriov_numvfs__0=errno.ETIMEDOUT)
    assert isinstance(error, BlockedError)
    assert error.number == errno.ETIMEDOUT
    assert not (tmp_path / "etc/rule").exists()


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EACCES, "become root"),
        (errno.EBUSY, "crypto users"),
        (errno.EPERM, "lockdown"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "the device is gone"),
        (errno.ENODEV, "the device is gone"),
    ],
)
def test_remedies_by_errno(tmp_path: Path, number: int, hint: str) -> None:
    error, _host = failing(tmp_path, Plan((count(0, 1),)), sriov_numvfs__0=number)
    assert str(error).startswith("sriov_numvfs=0 failed; ")
    assert hint in str(error)


def test_a_remedy_of_the_attribute_comes_before_the_general_one(tmp_path: Path) -> None:
    write = count(0, 1, hints={errno.EBUSY: "ask its owner"})
    error, _host = failing(tmp_path, Plan((write,)), sriov_numvfs__0=errno.EBUSY)
    assert str(error) == "sriov_numvfs=0 failed; ask its owner"


def test_an_error_without_a_remedy(tmp_path: Path) -> None:
    error, _host = failing(tmp_path, Plan((count(0, 1),)), sriov_numvfs__0=errno.EIO)
    assert str(error) == "sriov_numvfs=0 failed"


def test_a_command_that_fails_undoes_files(tmp_path: Path) -> None:
    error, _host = failing(tmp_path, Plan((RULE, Command(("update-grub",)))), **{"update-grub": 0})
    assert str(error) == "update-grub failed"
    assert not (tmp_path / "etc/rule").exists()


# -- instead and rescue ----------------------------------------------------------------------


def attribute(value: str, **how: t.Any) -> AttributeWrite:
    return AttributeWrite("a", "/sys/x/state", value, "was", **how)


def test_what_has_the_same_effect_is_done_instead(tmp_path: Path) -> None:
    host = Recorder(tmp_path, failing={"sriov_numvfs=0": errno.EINVAL})
    others: tuple[Change, ...] = (attribute("down"), Command(("true",)), attribute("up"))
    write = AttributeWrite("a", COUNT, "0", "4", instead={errno.EINVAL: others})
    Plan((write, RULE)).apply(host)
    assert host.done == ["state=down", "true", "state=up", "write /etc/rule"]
    (entry,) = Plan((write,)).diff()
    assert (entry["before"], entry["after"]) == ("a sriov_numvfs: 4\n", "a sriov_numvfs: 0\n")
    assert Plan((write,)).pending_writes() == [{"path": COUNT, "value": "0"}]


def test_another_answer_does_nothing_instead(tmp_path: Path) -> None:
    write = AttributeWrite("a", COUNT, "0", "4", instead={errno.EINVAL: (attribute("down"),)})
    error, host = failing(tmp_path, Plan((write,)), sriov_numvfs__0=errno.EBUSY)
    assert (error.number, host.done) == (errno.EBUSY, [])


def test_what_is_done_instead_fails_too(tmp_path: Path) -> None:
    instead: dict[int, tuple[Change, ...]] = {
        errno.EINVAL: (attribute("down"), attribute("up", hints={errno.EFAULT: "see log"}))
    }
    write = AttributeWrite("a", COUNT, "0", "4", instead=instead)
    error, host = failing(
        tmp_path, Plan((RULE, write)), sriov_numvfs__0=errno.EINVAL, state__up=errno.EFAULT
    )
    assert str(error).startswith("state=up failed; see log")
    assert error.number == errno.EFAULT
    assert "state=down" in host.done
    assert not (tmp_path / "etc/rule").exists()


def test_a_device_is_brought_back_into_use(tmp_path: Path) -> None:
    write = AttributeWrite("a", COUNT, "4", "0", rescue=(attribute("up"), attribute("on")))
    error, host = failing(tmp_path, Plan((RULE, write)), sriov_numvfs__4=errno.EIO)
    assert str(error) == (
        "sriov_numvfs=4 failed. Brought back: a state=up. Brought back: a state=on"
    )
    assert error.number == errno.EIO
    assert host.done == ["write /etc/rule", "state=up", "state=on", "remove /etc/rule"]


def test_a_rescue_ends_where_it_fails(tmp_path: Path) -> None:
    write = AttributeWrite("a", COUNT, "4", "0", rescue=(attribute("up"), attribute("on")))
    error, host = failing(
        tmp_path, Plan((write,)), sriov_numvfs__4=errno.EIO, state__up=errno.EFAULT
    )
    assert str(error) == "sriov_numvfs=4 failed. Then a state=up failed too: state=up failed"
    assert host.done == []


def test_a_write_that_blocks_is_told_as_such_and_the_device_left_alone(tmp_path: Path) -> None:
    record = FileChange("/var/lib/undo", None, b"{}", shown=False)
    hints = {errno.EBUSY: "no"}
    write = AttributeWrite("a", COUNT, "0", "4", hints=hints, rescue=(attribute("up"),))
    error, host = failing(tmp_path, Plan((record, RULE, write)), sriov_numvfs__0=errno.ETIMEDOUT)
    assert isinstance(error, BlockedError)
    assert str(error).startswith("a: blocked: sriov_numvfs=0 failed; most often for a guest")
    # It may still take effect: what was found stays on record.
    assert host.done == ["write /var/lib/undo", "write /etc/rule", "remove /etc/rule"]


def test_what_a_rescue_would_bring_back_is_told_of_a_device_that_blocks(tmp_path: Path) -> None:
    write = AttributeWrite("a", COUNT, "0", "4", rescue=(attribute("up"),))
    error, host = failing(
        tmp_path, Plan((attribute("down"), write)), sriov_numvfs__0=errno.ETIMEDOUT
    )
    assert str(error).endswith("Already done and left as it is: a state=down")
    assert host.done == ["state=down"]


def test_the_record_stays_when_a_stand_in_fails_half_way(tmp_path: Path) -> None:
    record = FileChange("/var/lib/undo", None, b"{}", shown=False)
    write = AttributeWrite("a", COUNT, "0", "4", instead={errno.EINVAL: (attribute("up"),)})
    error, host = failing(
        tmp_path, Plan((record, write)), sriov_numvfs__0=errno.EINVAL, state__up=errno.EFAULT
    )
    assert str(error) == (
        "state=up failed. This was tried since the driver refused: sriov_numvfs=0 failed"
    )
    assert host.done == ["write /var/lib/undo"]


def test_what_closes_a_plan_waits_for_the_end(tmp_path: Path) -> None:
    record = FileChange("/var/lib/undo", b"{}", None, shown=False)
    host = Recorder(tmp_path)
    plan = Plan((RULE,)).and_then(Plan(closing=(record,)))
    plan.apply(host)
    assert host.done == ["write /etc/rule"]
    plan.close(host)
    assert host.done == ["write /etc/rule", "remove /var/lib/undo"]
    assert not Plan(closing=(record,))


# -- markers ---------------------------------------------------------------------------------

MARK, UNMARK = Marker("/run/x/mark", standing=True), Marker("/run/x/mark", standing=False)


def test_a_marker_stands_while_something_goes_on(tmp_path: Path) -> None:
    host = Recorder(tmp_path)
    Plan((MARK, count(0, 4), UNMARK)).apply(host)
    assert host.done == ["write /run/x/mark", "sriov_numvfs=0", "remove /run/x/mark"]
    assert not (tmp_path / "run/x/mark").exists()


def test_a_marker_goes_when_a_plan_fails(tmp_path: Path) -> None:
    plan = Plan((RECORD, MARK, count(0, 4), count(16, 0), UNMARK))
    error, _host = failing(tmp_path, plan, sriov_numvfs__16=errno.EIO)
    assert not (tmp_path / "run/x/mark").exists()
    assert (tmp_path / "var/record").exists()
    assert "This could not be undone" not in str(error)


def test_a_marker_that_cannot_go_is_told(tmp_path: Path) -> None:
    host = Recorder(
        tmp_path, failing={"sriov_numvfs=0": errno.EIO, "remove /run/x/mark": errno.EROFS}
    )
    with pytest.raises(HostError, match="This could not be undone: remove /run/x/mark failed"):
        Plan((MARK, count(0, 4))).apply(host)


def test_below_another_root_nothing_is_marked(tmp_path: Path) -> None:
    Plan((MARK, UNMARK)).apply(Host(tmp_path))
    assert list(tmp_path.iterdir()) == []


# -- configuration space ---------------------------------------------------------------------

CONFIG = "/sys/bus/pci/devices/0000:03:00.0/config"


def config_write(error: HostError | None = None) -> ConfigWrite:
    def write(host: Host) -> None:
        if error is not None:
            raise error
        host.write_piece(CONFIG, 0x7C, b"\x20\x00", seconds=5)

    return ConfigWrite("0000:03:00.0", CONFIG, "mps", "7c.w=0020:00e0", "128", "256", write)


def test_a_field_of_configuration_space(tmp_path: Path) -> None:
    plan = Plan((RECORD, config_write()))
    assert plan
    assert plan.diff() == [
        {
            "before_header": "devices",
            "after_header": "devices",
            "before": "0000:03:00.0 mps: 128\n",
            "after": "0000:03:00.0 mps: 256\n",
        },
    ]
    assert plan.pending_writes() == [{"path": CONFIG, "value": "7c.w=0020:00e0"}]
    # Below another root it stays undone.
    plan.apply(Host(tmp_path))
    assert (tmp_path / RECORD.path.lstrip("/")).exists()


def test_a_field_that_is_set_is_told_when_a_plan_fails(tmp_path: Path) -> None:
    host = Recorder(tmp_path)
    done: list[str] = []
    first = replace(config_write(), write=lambda _host: done.append("first"))
    refused = HostError("0000:04:00.0: no", errno.EPERM)
    with pytest.raises(HostError) as caught:
        Plan((RULE, RECORD, first, config_write(refused))).apply(host)
    assert done == ["first"]
    assert str(caught.value) == (
        "0000:04:00.0: no. Already done and left as it is: 0000:03:00.0 mps=256"
    )
    assert caught.value.number == errno.EPERM
    assert host.done == ["write /etc/rule", "write /var/record", "remove /etc/rule"]


@pytest.mark.parametrize(
    ("error", "record"),
    [
        (HostError("no", errno.EPERM), ["remove /var/record"]),
        # It may still take effect.
        (BlockedError("no", errno.EBUSY), []),
    ],
)
def test_a_record_when_a_field_cannot_be_set(
    tmp_path: Path, error: HostError, record: list[str]
) -> None:
    host = Recorder(tmp_path)
    with pytest.raises(HostError, match=r"^no$"):
        Plan((RECORD, config_write(error))).apply(host)
    assert host.done == ["write /var/record", *record]


def test_a_long_command_has_a_folder_and_a_log(tmp_path: Path) -> None:
    host = Recorder(tmp_path)
    Plan((Command(("make",), log="/a.log", folder="/usr/src"),)).apply(host)
    Plan((Command(("make",), log="/a.log"),)).apply(host)
    assert host.done == ["make in /usr/src to /a.log", "make in / to /a.log"]


def test_what_a_long_command_adds_to_other_logs_is_told_where_it_fails(tmp_path: Path) -> None:
    what = "make in / to /a.log"
    host = Recorder(tmp_path, failing={what: errno.EIO})
    (tmp_path / "own.log").write_text("of an earlier run\n")
    command = Command(("make",), log="/a.log", logs=("/own.log", "/no.log"), hint="see them")
    with pytest.raises(HostError) as told:
        Plan((command,)).apply(host)
    assert str(told.value) == f"{what} failed\nThe end of /own.log:\nit went wrong\nsee them"
    assert told.value.number == errno.EIO


def test_a_log_without_room_is_told_with_the_remedy(tmp_path: Path) -> None:
    host = Recorder(tmp_path, failing={"make in / to /a.log": errno.ENOSPC})
    with pytest.raises(HostError, match="make room and run again"):
        Plan((Command(("make",), log="/a.log"),)).apply(host)


def test_what_was_added_to_a_log() -> None:
    assert added(b"old new", 4) == b"new"
    assert added(b"old", 3) == b""
    assert added(b"begun anew", 100) == b"begun anew"


def test_a_change_of_permissions_is_one_and_goes_back(tmp_path: Path) -> None:
    place = tmp_path / "etc/rule"
    place.parent.mkdir()
    place.write_text("")
    place.chmod(0o600)
    found = Host(tmp_path).permissions("/etc/rule")
    assert found is not None
    change = PermissionsChange("/etc/rule", found, replace(found, mode=0o640))
    plan = Plan((change,))
    assert plan
    told = [f"owner {found.uid}, group {found.gid}, mode {mode}\n" for mode in ("0600", "0640")]
    assert plan.diff() == [
        {
            "before_header": "/etc/rule",
            "after_header": "/etc/rule",
            "before": told[0],
            "after": told[1],
        }
    ]
    # A tree that does not run has files too.
    plan.apply(Host(tmp_path))
    assert stat.S_IMODE(place.stat().st_mode) == 0o640
    change.revert(Host(tmp_path))
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    host = Recorder(tmp_path, failing={"make": errno.EIO})
    with pytest.raises(HostError):
        Plan((change, Command(("make",)))).apply(host)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    place.unlink()
    change.revert(host)


def test_permissions_that_cannot_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Permissions(0, 0, 0o600)

    def fail(_host: Host, path: str, _wanted: Permissions) -> None:
        raise HostError.from_os("set permissions of", path, errno.EPERM)

    monkeypatch.setattr(Host, "set_permissions", fail)
    with pytest.raises(HostError, match=r"^cannot set permissions of /x: .*immutable") as caught:
        PermissionsChange("/x", found, found).apply(Host(tmp_path))
    assert caught.value.number == errno.EPERM


def test_a_secret_file_is_shown_without_its_content() -> None:
    before = FileChange("/a.tok", b"secret", None, secret=True)
    after = FileChange("/b.tok", None, b"secret", secret=True)
    plan = Plan((before, after))
    assert plan
    assert [(entry["before"], entry["after"]) for entry in plan.diff()] == [
        ("(the content is secret)\n", ""),
        ("", "(the content is secret)\n"),
    ]


def test_a_copy_is_named_by_the_last_change() -> None:
    copy = copy_of("/etc/a", b"x", 86400.5)
    assert copy == FileChange("/etc/a.1970-01-02@00:00:00~", None, b"x", mode=0o600, shown=False)
    assert copy_of("/etc/a", b"x", None).path == "/etc/a.1970-01-01@00:00:00~"
