# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module iommu_kernel_arg: what its peers' users complain of, refusals, reboots, the way back."""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.tests.unit.plugins.boot_runs import (
    BOOT_ID,
    DROP_IN,
    GRUB,
    MENU,
    Debian,
    menu,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

MODULE = "iommu_kernel_arg"
ENTRIES = "boot/loader/entries"
WANTED = ["intel_iommu=on", "iommu=pt"]


def write_entry(machine: Machine, name: str, options: str) -> None:
    machine.write(f"{ENTRIES}/{name}.conf", f"title {name}\nlinux /vmlinuz\noptions {options}\n")


@pytest.fixture
def debian(machine: Machine) -> Debian:
    return Debian(machine)


@pytest.fixture
def red_hat(machine: Machine) -> Machine:
    """Make a Red Hat host without grubby, with entries of the Boot Loader Specification."""
    machine.write("etc/os-release", "ID=rhel\n")
    machine.write("sys/firmware/acpi/tables/DMAR", b"")
    return machine


# -- what users of peers complain of -----------------------------------------------------------


def test_no_reboot_on_each_run(debian: Debian, run_module: ModuleRunner) -> None:
    """A peer finds a difference at every run, and boots the same machine every time."""
    first = run_module(MODULE, running=debian)
    assert (first["changed"], first["reboot_required"]) == (True, True)
    debian.boot("second")
    for _run in range(3):
        again = run_module(MODULE, running=debian)
        assert (again["changed"], again["reboot_required"]) == (False, False)
    assert debian.commands == [("update-grub",)]


def test_no_literal_none(debian: Debian, run_module: ModuleRunner) -> None:
    """A peer without GRUB_CMDLINE_LINUX_DEFAULT writes the kernel argument None."""
    debian.machine.write(GRUB, "GRUB_TIMEOUT=5\n")
    run_module(MODULE, running=debian)
    assert "None" not in debian.machine.read(DROP_IN)
    assert "None" not in debian.machine.read(MENU)


def test_arguments_are_not_reordered(red_hat: Machine, run_module: ModuleRunner) -> None:
    """A peer orders the arguments anew at each run, so that each run is a change."""
    write_entry(red_hat, "one", "z=1 iommu=pt a=1 intel_iommu=on m=1")
    assert not run_module(MODULE)["changed"]


def test_scalable_mode_is_left_alone(red_hat: Machine, run_module: ModuleRunner) -> None:
    """A peer sees no intel_iommu=on in intel_iommu=on,sm_on, and boots for ever."""
    write_entry(red_hat, "one", "intel_iommu=on,sm_on iommu=pt")
    red_hat.write("proc/cmdline", "intel_iommu=on,sm_on iommu=pt\n")
    result = run_module(MODULE)
    assert (result["changed"], result["reboot_required"]) == (False, False)


def test_part_of_a_list_is_not_the_argument(red_hat: Machine, run_module: ModuleRunner) -> None:
    """A peer takes isolcpus=1 to be there where isolcpus=1,3 is."""
    write_entry(red_hat, "one", "isolcpus=1,3 intel_iommu=on iommu=pt")
    red_hat.write("proc/cmdline", "isolcpus=1,3 intel_iommu=on iommu=pt\n")
    result = run_module(MODULE, {"extra": ["isolcpus=1"]})
    assert result["changed"]
    assert result["not_running"] == ["isolcpus=1"]
    assert red_hat.read(f"{ENTRIES}/one.conf").endswith("iommu=pt isolcpus=1\n")


def test_no_argument_twice(red_hat: Machine, run_module: ModuleRunner) -> None:
    """A peer piles up arguments that are there in another spelling."""
    write_entry(red_hat, "one", 'intel-iommu=on iommu=pt "dyndbg=file x +p"')
    assert not run_module(MODULE, {"extra": ['dyndbg="file x +p"']})["changed"]


def test_entries_that_differ(red_hat: Machine, run_module: ModuleRunner) -> None:
    """A peer looks at one entry and takes the others to be like it."""
    write_entry(red_hat, "new", "ro intel_iommu=on iommu=pt")
    write_entry(red_hat, "old", "ro $tuned_params")
    write_entry(red_hat, "rescue", "ro intel_iommu=on")
    result = run_module(MODULE)
    assert [entry["id"] for entry in result["entries"]] == ["new", "old", "rescue"]
    assert red_hat.read(f"{ENTRIES}/old.conf").endswith(
        "options ro $tuned_params intel_iommu=on iommu=pt\n"
    )
    assert red_hat.read(f"{ENTRIES}/rescue.conf").endswith("options ro intel_iommu=on iommu=pt\n")

    gone = run_module(MODULE, {"state": "absent"})
    assert gone["changed"]
    assert red_hat.read(f"{ENTRIES}/new.conf").endswith("options ro intel_iommu=on iommu=pt\n")
    assert red_hat.read(f"{ENTRIES}/old.conf").endswith("options ro $tuned_params\n")
    assert red_hat.read(f"{ENTRIES}/rescue.conf").endswith("options ro intel_iommu=on\n")
    # The operator's own stays, however often.
    assert not run_module(MODULE, {"state": "absent"})["changed"]
    assert red_hat.read(f"{ENTRIES}/new.conf").endswith("options ro intel_iommu=on iommu=pt\n")


def test_a_stale_entry_of_an_old_kernel_and_one_that_comes_later(
    red_hat: Machine,
    run_module: ModuleRunner,
) -> None:
    """An old kernel's entry gets the arguments, and a new kernel's gives back what it inherited."""
    write_entry(red_hat, "6.1", "ro")
    write_entry(red_hat, "3.10-stale", "ro intel_iommu=off")
    run_module(MODULE)
    assert "off" not in red_hat.read(f"{ENTRIES}/3.10-stale.conf")
    write_entry(red_hat, "6.2", "ro intel_iommu=on iommu=pt")
    run_module(MODULE, {"state": "absent"})
    assert red_hat.read(f"{ENTRIES}/6.2.conf").endswith("options ro\n")
    assert red_hat.read(f"{ENTRIES}/3.10-stale.conf").endswith("options ro intel_iommu=off\n")
    assert red_hat.read(f"{ENTRIES}/6.1.conf").endswith("options ro\n")


# -- whose IOMMU -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "vendor", "arguments"),
    [
        ("DMAR", "auto", WANTED),
        ("IVRS", "auto", ["iommu=pt"]),
        ("IORT", "auto", []),
        ("IVRS", "intel", WANTED),
        ("DMAR", "arm", []),
    ],
)
def test_vendor(
    machine: Machine,
    run_module: ModuleRunner,
    table: str,
    vendor: str,
    arguments: list[str],
) -> None:
    machine.write(GRUB, "")
    machine.write(f"sys/firmware/acpi/tables/{table}", b"")
    result = run_module(MODULE, {"vendor": vendor})
    assert result["arguments"] == arguments
    assert result["warnings"] == []


def test_without_a_table_the_processor_tells(machine: Machine, run_module: ModuleRunner) -> None:
    machine.write(GRUB, "")
    result = run_module(MODULE)
    assert result["arguments"] == WANTED
    assert result["announced"] is None
    (warning,) = result["warnings"]
    assert "VT-d (Intel Virtualization Technology for Directed I/O)" in warning


def test_a_tree_that_tells_no_vendor(machine: Machine, run_module: ModuleRunner) -> None:
    machine.write(GRUB, "")
    (machine.root / "proc/cpuinfo").unlink()
    result = run_module(MODULE)
    assert result["arguments"] == WANTED
    assert len(result["warnings"]) == 1
    assert "Give the option vendor" in result["warnings"][0]
    assert run_module(MODULE, {"state": "absent"})["changed"]
    assert run_module(MODULE, {"vendor": "amd"})["arguments"] == ["iommu=pt"]
    assert run_module(MODULE, {"state": "absent"})["warnings"] == []


def test_a_working_iommu_is_seen(debian: Debian, run_module: ModuleRunner) -> None:
    assert run_module(MODULE, running=debian)["iommu_active"] is False
    debian.machine.add_iommu(table=None)
    debian.machine.add_pf()
    assert run_module(MODULE, running=debian)["iommu_active"] is True


# -- running and configured --------------------------------------------------------------------


def test_running_is_what_the_kernel_takes(debian: Debian, run_module: ModuleRunner) -> None:
    debian.boot(line='ro  x="a b" -- intel_iommu=on iommu=pt')
    result = run_module(MODULE, running=debian)
    assert result["running"] == ["ro", 'x="a b"']
    assert result["not_running"] == WANTED
    assert result["reboot_required"]


@pytest.mark.parametrize("line", ["intel_iommu=on iommu=pt intel_iommu=off", "iommu=off"])
def test_what_turns_it_off_is_running(
    debian: Debian,
    run_module: ModuleRunner,
    line: str,
) -> None:
    debian.boot(line=line)
    assert run_module(MODULE, running=debian)["reboot_required"]


def test_bytes_that_are_no_text(debian: Debian, run_module: ModuleRunner) -> None:
    debian.machine.write("proc/cmdline", b"ro x=\xff\n")
    debian.machine.write("etc/default/grub.d/a\udcff.cfg", b"GRUB_CMDLINE_LINUX=\xff\n")
    result = run_module(MODULE, running=debian)
    assert result["running"] == ["ro", "x=\\xff"]
    assert [place["file"] for place in result["overridden_by"]] == [
        "/etc/default/grub.d/a\\xff.cfg"
    ]


def test_a_working_iommu_without_a_table_is_no_warning(
    debian: Debian,
    run_module: ModuleRunner,
) -> None:
    (debian.machine.root / "sys/firmware/acpi/tables/DMAR").unlink()
    assert len(run_module(MODULE, running=debian)["warnings"]) == 1
    debian.machine.add_iommu(table=None, units=("virtio0",))
    debian.machine.add_pf()
    assert run_module(MODULE, running=debian)["warnings"] == []


def test_extra_arguments_that_are_not_running(debian: Debian, run_module: ModuleRunner) -> None:
    result = run_module(MODULE, {"extra": ["nosmt", "quiet"]}, running=debian)
    assert result["not_running"] == [*WANTED, "nosmt"]
    assert result["extra_not_running"] == ["nosmt"]


def test_tasks_with_other_values_replace_and_do_not_pile_up(
    red_hat: Machine,
    run_module: ModuleRunner,
) -> None:
    write_entry(red_hat, "one", "ro a=0")
    for value in ("1", "2", "1"):
        run_module(MODULE, {"extra": [f"a={value}"]})
    options = red_hat.read(f"{ENTRIES}/one.conf").rpartition("options ")[2]
    assert options == "ro a=0 intel_iommu=on iommu=pt a=1\n"
    run_module(MODULE, {"state": "absent"})
    assert red_hat.read(f"{ENTRIES}/one.conf").endswith("options ro a=0\n")


def test_nothing_that_could_get_the_arguments(machine: Machine, run_module: ModuleRunner) -> None:
    machine.write("boot/EFI/systemd/systemd-bootx64.efi", "")
    message = run_module.failure(MODULE, {"vendor": "intel"})
    assert message.startswith("kernel-install (/boot has systemd-boot")
    assert "no boot entry is there" in message


def test_a_boot_that_did_not_help_is_known(debian: Debian, run_module: ModuleRunner) -> None:
    first = run_module(MODULE, running=debian)
    same = run_module(MODULE, running=debian)
    debian.boot("second", line="started by something else")
    other = run_module(MODULE, running=debian)
    told = [(each["reboot_required"], each["rebooted_since"]) for each in (first, same, other)]
    assert told == [(True, False), (True, False), (True, True)]
    # Something new to configure is worth another boot.
    more = run_module(MODULE, {"extra": ["nosmt"]}, running=debian)
    assert (more["changed"], more["rebooted_since"]) == (True, False)


def test_what_an_operator_configured_is_worth_one_boot(
    debian: Debian,
    run_module: ModuleRunner,
) -> None:
    debian.machine.write(GRUB, 'GRUB_CMDLINE_LINUX="intel_iommu=on iommu=pt"\n')
    debian.machine.write(MENU, menu("intel_iommu=on iommu=pt"))
    first = run_module(MODULE, running=debian)
    assert not first["changed"]
    assert (first["reboot_required"], first["rebooted_since"]) == (True, False)
    debian.boot("second", line="ro")
    assert run_module(MODULE, running=debian)["rebooted_since"]
    gone = run_module(MODULE, {"state": "absent"}, running=debian)
    assert not gone["changed"]


def test_a_menu_that_is_older_than_the_files(debian: Debian, run_module: ModuleRunner) -> None:
    run_module(MODULE, running=debian)
    debian.machine.write(MENU, menu("ro quiet"))
    again = run_module(MODULE, running=debian)
    assert again["changed"]
    assert again["files"] == [f"/{MENU}"]
    assert [entry["missing"] for entry in again["entries"]] == [[]]
    assert not run_module(MODULE, running=debian)["changed"]


def test_entries_that_do_not_take_it_are_a_failure(
    debian: Debian,
    run_module: ModuleRunner,
) -> None:
    debian.stubborn = True
    message = run_module.failure(MODULE, running=debian)
    assert message.startswith(f"/{MENU}: boot entry Debian lacks intel_iommu=on iommu=pt")


def test_a_tool_that_fails_leaves_the_files_as_they_were(
    debian: Debian,
    run_module: ModuleRunner,
) -> None:
    debian.failing.add("update-grub")
    before = debian.machine.files()
    message = run_module.failure(MODULE, running=debian)
    assert "No space left on device; what was written for it is taken back" in message
    after = debian.machine.files()
    assert after == before


def test_too_little_room_is_seen_before(
    debian: Debian,
    run_module: ModuleRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(debian, "free_bytes", lambda _path: 1000)
    before = debian.machine.files()
    message = run_module.failure(MODULE, running=debian)
    assert "1000 bytes are free" in message
    assert debian.machine.files() == before


def test_a_file_that_cannot_be_written(
    debian: Debian,
    run_module: ModuleRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(path: str, content: bytes, mode: int) -> None:
        if "grub.d" in path:
            raise HostError.from_os("write", path, errno.EPERM)
        debian.recording.write_file(path, content, mode)

    monkeypatch.setattr(debian, "write_file", refuse)
    before = debian.machine.files()
    message = run_module.failure(MODULE, running=debian)
    assert f"cannot write /{DROP_IN}: Operation not permitted (EPERM)" in message
    assert "lsattr" in message
    assert debian.machine.files() == before


# -- the way back ------------------------------------------------------------------------------


def test_back_and_a_reboot_is_required(debian: Debian, run_module: ModuleRunner) -> None:
    before = debian.machine.files()
    run_module(MODULE, running=debian)
    debian.boot("second")
    gone = run_module(MODULE, {"state": "absent"}, running=debian)
    assert (gone["changed"], gone["reboot_required"], gone["arguments"]) == (True, True, [])
    again = run_module(MODULE, {"state": "absent"}, running=debian)
    assert (again["changed"], again["reboot_required"]) == (False, True)
    debian.boot("first")
    assert not run_module(MODULE, {"state": "absent"}, running=debian)["reboot_required"]
    assert debian.machine.files() == before


def test_without_a_record_what_it_would_set_goes_with_a_warning(
    red_hat: Machine,
    run_module: ModuleRunner,
) -> None:
    write_entry(red_hat, "one", "ro intel_iommu=on iommu=pt quiet")
    result = run_module(MODULE, {"state": "absent"})
    assert result["changed"]
    assert red_hat.read(f"{ENTRIES}/one.conf").endswith("options ro quiet\n")
    (warning,) = result["warnings"]
    assert warning.startswith("no record of what was there before; intel_iommu=on iommu=pt")


def test_our_file_without_a_record_goes_with_a_warning(
    debian: Debian,
    run_module: ModuleRunner,
) -> None:
    run_module(MODULE, running=debian)
    (debian.machine.root / "var/lib/hwaccel/undo.json").unlink()
    result = run_module(MODULE, {"state": "absent"}, running=debian)
    assert len(result["warnings"]) == 1
    assert DROP_IN not in debian.machine.files()


def test_an_operator_s_change_since_stays(red_hat: Machine, run_module: ModuleRunner) -> None:
    write_entry(red_hat, "one", "ro intel_iommu=off")
    run_module(MODULE)
    write_entry(red_hat, "one", "ro nosmt intel_iommu=on iommu=pt")
    run_module(MODULE, {"extra": ["a=1"]})
    run_module(MODULE, {"state": "absent"})
    assert red_hat.read(f"{ENTRIES}/one.conf").endswith("options ro nosmt intel_iommu=off\n")


def test_what_an_operator_decides_anew_stays(red_hat: Machine, run_module: ModuleRunner) -> None:
    write_entry(red_hat, "one", "ro intel_iommu=off")
    run_module(MODULE)
    write_entry(red_hat, "one", "ro intel_iommu=on,sm_on iommu=pt")
    run_module(MODULE)
    run_module(MODULE, {"state": "absent"})
    assert red_hat.read(f"{ENTRIES}/one.conf").endswith("options ro intel_iommu=on,sm_on\n")


def test_an_operator_s_own_stays_whatever_the_options_of_the_way_back(
    red_hat: Machine,
    run_module: ModuleRunner,
) -> None:
    write_entry(red_hat, "one", "ro a=1 iommu=pt")
    before = red_hat.read(f"{ENTRIES}/one.conf")
    run_module(MODULE, {"extra": ["a=1", "b=2"]})
    for options in ({"passthrough": False}, {}, {"extra": ["a=1"]}, {"bootloader": "bls"}):
        run_module(MODULE, {"state": "absent", **options})
        assert red_hat.read(f"{ENTRIES}/one.conf") == before


def test_a_host_that_gets_grubby_meanwhile(red_hat: Machine, run_module: ModuleRunner) -> None:
    write_entry(red_hat, "one", "ro iommu=pt intel_iommu=off")
    before = red_hat.files()
    run_module(MODULE)
    red_hat.write("usr/sbin/grubby", "")
    gone = run_module(MODULE, {"state": "absent"})
    assert gone["warnings"] == []
    assert red_hat.read(f"{ENTRIES}/one.conf").encode() == before[f"{ENTRIES}/one.conf"]


def test_a_host_whose_boot_loader_has_changed(debian: Debian, run_module: ModuleRunner) -> None:
    run_module(MODULE, running=debian)
    write_entry(debian.machine, "one", "ro")
    debian.machine.write("usr/sbin/grubby", "")
    gone = run_module(MODULE, {"state": "absent"}, running=debian)
    assert (gone["bootloader"], gone["changed"]) == ("grub", True)
    assert DROP_IN not in debian.machine.files()


def test_a_way_back_where_nothing_can_have_been_done(run_module: ModuleRunner) -> None:
    result = run_module(MODULE, {"state": "absent"})
    assert (result["changed"], result["bootloader"]) == (False, "unknown")


# -- runs that were stopped --------------------------------------------------------------------


def test_a_run_that_was_stopped_before_its_tool_is_finished(
    debian: Debian,
    run_module: ModuleRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for state, arguments in (("present", "intel_iommu=on iommu=pt"), ("absent", "")):
        with monkeypatch.context() as patch:
            patch.setattr(debian, "run", _stopped)
            with pytest.raises(KeyboardInterrupt):
                run_module(MODULE, {"state": state}, running=debian)
        debian.machine.write(MENU, menu(f"ro {arguments} quiet" if state == "present" else "ro"))
        again = run_module(MODULE, {"state": state}, running=debian)
        assert again["changed"]
        assert debian.commands[-1] == ("update-grub",)
        count = len(debian.commands)
        assert not run_module(MODULE, {"state": state}, running=debian)["changed"]
        assert len(debian.commands) == count


def test_a_run_that_was_cut_off_is_worth_a_boot(
    debian: Debian,
    run_module: ModuleRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the power does in the middle of update-grub: the host boots what it booted before."""
    before = debian.machine.read(MENU)
    with monkeypatch.context() as patch:
        patch.setattr(debian, "run", _stopped)
        with pytest.raises(KeyboardInterrupt):
            run_module(MODULE, running=debian)
    debian.machine.write(MENU, before)
    debian.boot("second")
    again = run_module(MODULE, running=debian)
    told = (again["changed"], again["reboot_required"], again["rebooted_since"])
    assert told == (True, True, False)
    debian.boot("third", line="started by something else")
    assert run_module(MODULE, running=debian)["rebooted_since"]


def test_the_disk_has_what_the_tool_wrote_before_it_counts_as_done(
    debian: Debian,
    run_module: ModuleRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise a power cut within half a minute boots the old menu, and the record says done."""
    done: list[str] = []
    write_file = debian.write_file

    def noted(path: str, content: bytes, mode: int) -> None:
        done.append(path)
        write_file(path, content, mode)

    def run(command: Sequence[str], *, seconds: float = 60.0) -> str:
        done.append(command[0])
        return Debian.run(debian, command, seconds=seconds)

    monkeypatch.setattr(debian, "write_file", noted)
    monkeypatch.setattr(debian, "run", run)
    monkeypatch.setattr(debian, "flush", lambda path: done.append(f"flush {path}"))
    run_module(MODULE, running=debian)
    record = done[0]
    assert done == [record, f"/{DROP_IN}", "update-grub", f"flush /{MENU}", record]


def test_a_run_that_was_cut_off_between_two_files_is_worth_a_boot(
    red_hat: Machine,
    run_module: ModuleRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("one", "two"):
        write_entry(red_hat, name, "ro")
    red_hat.write(BOOT_ID, "first\n")
    red_hat.write("proc/cmdline", "ro\n")
    running = RunningHost(red_hat)

    def cut_off(path: str, content: bytes, mode: int) -> None:
        if path.endswith("two.conf"):
            raise KeyboardInterrupt(path)
        RunningHost.write_file(running, path, content, mode)

    with monkeypatch.context() as patch:
        patch.setattr(running, "write_file", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run_module(MODULE, running=running)
    red_hat.write(BOOT_ID, "second\n")
    again = run_module(MODULE, running=running)
    told = (again["changed"], again["reboot_required"], again["rebooted_since"])
    assert told == (True, True, False)
    assert not run_module(MODULE, running=running)["changed"]


def _stopped(command: Sequence[str], *, seconds: float = 60.0) -> str:
    raise KeyboardInterrupt(command, seconds)


class WithGrubby(RunningHost):
    """A Red Hat host whose grubby edits the first entry and then fails."""

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play half of grubby."""
        write_entry(self.machine, "a", "ro intel_iommu=on iommu=pt")
        raise HostError(f"{command[0]} failed with status 1 within {seconds} s")


def test_a_tool_that_fails_half_way_is_undone(red_hat: Machine, run_module: ModuleRunner) -> None:
    red_hat.write("usr/sbin/grubby", "")
    write_entry(red_hat, "a", "ro")
    write_entry(red_hat, "b", "ro")
    before = red_hat.files()
    run_module.failure(MODULE, running=WithGrubby(red_hat))
    assert red_hat.files() == before


def test_no_reboot_where_something_takes_the_arguments_out_before_each(
    debian: Debian,
    run_module: ModuleRunner,
) -> None:
    run_module(MODULE, running=debian)
    (debian.machine.root / DROP_IN).unlink()
    debian.machine.write(MENU, menu("ro quiet"))
    debian.boot("second")
    again = run_module(MODULE, running=debian)
    assert (again["changed"], again["reboot_required"], again["rebooted_since"]) == (
        True,
        True,
        True,
    )


# -- files -------------------------------------------------------------------------------------


def test_backup_of_our_own_file(debian: Debian, run_module: ModuleRunner) -> None:
    assert run_module(MODULE, {"backup": True}, running=debian)["backup_files"] == []
    more = run_module(MODULE, {"backup": True, "extra": ["nosmt"]}, running=debian)
    (path,) = more["backup_files"]
    assert "nosmt" not in debian.machine.read(path)
    # Not read by grub-mkconfig.
    assert not path.endswith(".cfg")


def test_backup_of_what_changes(red_hat: Machine, run_module: ModuleRunner) -> None:
    write_entry(red_hat, "one", "ro")
    before = red_hat.read(f"{ENTRIES}/one.conf")
    rehearsed = run_module(MODULE, {"backup": True}, check=True)
    result = run_module(MODULE, {"backup": True})
    (path,) = result["backup_files"]
    assert rehearsed == result
    assert path.startswith(f"/{ENTRIES}/one.conf.20")
    assert path.endswith("~")
    assert red_hat.read(path) == before
    assert run_module(MODULE, {"backup": True})["backup_files"] == []


def test_a_link_stays_a_link(machine: Machine, run_module: ModuleRunner) -> None:
    machine.write("srv/site/grub", "GRUB_CMDLINE_LINUX=ro\n")
    machine.link(GRUB, "srv/site/grub")
    machine.write("usr/sbin/grub-mkconfig", "#!/bin/bash\n")
    run_module(MODULE, {"vendor": "intel"})
    assert (machine.root / GRUB).is_symlink()
    assert machine.read("srv/site/grub") == 'GRUB_CMDLINE_LINUX=ro" intel_iommu=on iommu=pt"\n'


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"extra": ["a b"]}, "option extra: 'a b' is not accepted, use one argument"),
        ({"extra": ["a\nb"]}, "option extra: 'a\\nb' is not accepted"),
        ({"extra": ["iommu=off"]}, "arguments that do not turn the IOMMU off"),
        ({"extra": ["iommu=nopt"]}, "option extra: 'iommu=nopt' is not accepted"),
        ({"bootloader": "lilo"}, "value of bootloader must be one of: auto, grub, grubby"),
    ],
)
def test_bad_input(
    machine: Machine,
    run_module: ModuleRunner,
    options: dict[str, t.Any],
    says: str,
) -> None:
    before = machine.files()
    assert says in run_module.failure(MODULE, options)
    assert machine.files() == before


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (None, "found no configuration of any"),
        ("boot/extlinux/extlinux.conf", "found /boot/extlinux/extlinux.conf (extlinux or U-Boot"),
    ],
)
def test_an_unknown_boot_loader_says_what_to_do(
    machine: Machine,
    run_module: ModuleRunner,
    path: str | None,
    says: str,
) -> None:
    if path is not None:
        machine.write(path, "")
    message = run_module.failure(MODULE, {"extra": ["nosmt"]})
    assert says in message
    assert "By hand: put intel_iommu=on iommu=pt nosmt on the kernel command line" in message


def test_a_record_of_others_is_not_overwritten(debian: Debian, run_module: ModuleRunner) -> None:
    debian.machine.write("var/lib/hwaccel/undo.json", "{}")
    before = debian.machine.files()
    assert "not an undo record" in run_module.failure(MODULE, running=debian)
    assert debian.machine.files() == before
