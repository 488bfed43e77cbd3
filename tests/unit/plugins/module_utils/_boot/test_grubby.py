# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Red Hat's boot entries with grubby: what it is told to do, and what is put right behind it."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot import grubby
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.grubby import GrubbyLoader
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import Delta
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.record import BootRecord
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import (
    Command,
    FileChange,
    Foretold,
)

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.loader import Steps
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

INTEL = Wanted.of("intel", passthrough=True, extra=[])
OWN = "intel_iommu=on iommu=pt"
FOLDER = "boot/loader/entries"
NEW, OLD, RESCUE = (f"{FOLDER}/m-{name}.conf" for name in ("5.14.0-70", "5.14.0-9", "0-rescue"))
DEFAULT, CMDLINE, GRUBENV = "etc/default/grub", "etc/kernel/cmdline", "boot/grub2/grubenv"


def entry(version: str, options: str) -> str:
    return f"title A\nversion {version}\nlinux /vmlinuz-{version}\noptions {options}\n"


def block(kernelopts: str) -> str:
    return f"# GRUB Environment Block\nkernelopts={kernelopts}\n".ljust(1024, "#")


RHEL9 = {
    NEW: entry("5.14.0-70", "root=1 ro $tuned_params"),
    OLD: entry("5.14.0-9", "root=1 ro $tuned_params"),
    RESCUE: entry("0-rescue", "root=1 ro"),
    DEFAULT: 'GRUB_CMDLINE_LINUX="ro \\\n  quiet" # iommu=off\nGRUB_ENABLE_BLSCFG=true\n',
    CMDLINE: "# mine\nroot=1 ro\n",
}
RHEL8 = {
    NEW: entry("4.18.0-2", "$kernelopts $tuned_params"),
    OLD: entry("4.18.0-1", "$kernelopts $tuned_params"),
    GRUBENV: block("root=1 ro "),
}


@dataclass
class Grubby:
    """What the script does with entries and the files that new kernels inherit."""

    machine: Machine
    commands: list[list[str]] = field(default_factory=list)

    def run(self, arguments: Sequence[str]) -> None:
        """Do what the command does."""
        self.commands.append([*arguments])
        if arguments[0] != "grubby":
            return
        told = dict(each.split("=", 1) for each in arguments[1:])
        assert told["--update-kernel"] == "ALL"
        self.add, self.remove = (told.get(name, "").split() for name in ("--args", "--remove-args"))
        for name in self.machine.host.names(f"/{FOLDER}"):
            self._edit(f"{FOLDER}/{name}", r"(?m)^(options )(.*)", variables="$kernelopts")
        if self.machine.at(GRUBENV).exists():
            self._edit(GRUBENV, r"(?m)^(kernelopts=)(.*)")
            text = self.machine.read(GRUBENV)
            self.machine.write(GRUBENV, text.rstrip("#").ljust(1024, "#"))
        if self.machine.at(DEFAULT).exists():
            self._edit(DEFAULT, r"(?m)^(GRUB_CMDLINE_LINUX=)(.*)")
        if not self.machine.at(CMDLINE).exists():
            self.machine.write(CMDLINE, "made by grubby\n")
        first = self.machine.read(CMDLINE).split("\n")[0]
        self.machine.write(CMDLINE, self._updated(first) + "\n")

    def _edit(self, path: str, pattern: str, variables: str = "\0") -> None:
        def edited(found: re.Match[str]) -> str:
            kept = variables in found[2]
            return found[1] + (found[2] if kept else self._updated(found[2]))

        self.machine.write(path, re.sub(pattern, edited, self.machine.read(path)))

    def _updated(self, options: str) -> str:
        words = options.replace("&", "options").split()
        for unwanted in self.remove:
            if "=" in unwanted:
                words = [word for word in words if word != unwanted]
            else:
                words = [word for word in words if word.split("=")[0] != unwanted]
        names = {word.split("=")[0] for word in self.add}
        return " ".join([*(word for word in words if word.split("=")[0] not in names), *self.add])


def lay(machine: Machine, files: dict[str, str]) -> GrubbyLoader:
    for path, content in files.items():
        machine.write(path, content)
    return observed(machine)


def observed(machine: Machine, *, live: bool = True) -> GrubbyLoader:
    loader = grubby.observe(machine.host, reason="why")
    assert isinstance(loader, GrubbyLoader)
    assert not loader.live
    return replace(loader, live=live)


def apply(machine: Machine, steps: Steps) -> list[list[str]]:
    tool = Grubby(machine)
    for change in steps.changes:
        if isinstance(change, FileChange):
            change.apply(machine.host)
        elif isinstance(change, Command):
            tool.run(change.arguments)
    return tool.commands


def changed(machine: Machine, files: dict[str, str]) -> dict[str, str]:
    return {path: machine.read(path) for path in files if machine.read(path) != files[path]}


def told(steps: Steps) -> dict[str, bytes | None]:
    return {
        change.path: change.after
        for change in steps.changes
        if isinstance(change, Foretold) or (isinstance(change, FileChange) and change.shown)
    }


def run_and_back(machine: Machine, files: dict[str, str], wanted: Wanted = INTEL) -> list[str]:
    """Run, look, run again, take back; return what grubby was told."""
    steps = lay(machine, files).present(wanted, None)
    commands = apply(machine, steps)
    again = observed(machine)
    assert all(wanted.met(each.line) for each in again.entries)
    for path, content in told(steps).items():
        # But for blanks, the diff says what is there in the end.
        said, there = (content or b"").decode(), machine.read(path)
        assert said.rstrip("#").split() == there.rstrip("#").split(), path
    assert again.present(wanted, steps.record).changes == ()
    commands += apply(machine, again.absent(steps.record))
    assert changed(machine, files) == {}
    assert machine.at(CMDLINE).exists() == (CMDLINE in files)
    return [" ".join(command) for command in commands]


def test_grubby_edits_the_entries_of_rhel_9(machine: Machine) -> None:
    steps = lay(machine, RHEL9).present(INTEL, None)
    assert [type(change) for change in steps.changes] == [
        *[Foretold] * 3,
        Command,
        *[FileChange] * 2,
    ]
    assert apply(machine, steps) == [["grubby", "--update-kernel=ALL", f"--args={OWN}"]]
    assert changed(machine, RHEL9) == {
        NEW: entry("5.14.0-70", f"root=1 ro $tuned_params {OWN}"),
        OLD: entry("5.14.0-9", f"root=1 ro $tuned_params {OWN}"),
        RESCUE: entry("0-rescue", f"root=1 ro {OWN}"),
        # Behind grubby, which knows neither continued lines nor comments.
        DEFAULT: RHEL9[DEFAULT].replace("quiet", f"quiet {OWN}"),
        CMDLINE: f"# mine\nroot=1 ro {OWN}\n",
    }


def test_and_takes_it_back(machine: Machine) -> None:
    assert run_and_back(machine, RHEL9) == [
        f"grubby --update-kernel=ALL --args={OWN}",
        f"grubby --update-kernel=ALL --remove-args={OWN}",
    ]


def test_kernelopts_of_rhel_8_are_in_grubenv(machine: Machine) -> None:
    steps = lay(machine, RHEL8).present(INTEL, None)
    assert set(told(steps)) == {f"/{GRUBENV}"}
    written = {change.path for change in steps.changes if isinstance(change, FileChange)}
    assert written == {f"/{GRUBENV}", f"/{CMDLINE}"}
    assert apply(machine, steps) == [["grubby", "--update-kernel=ALL", f"--args={OWN}"]]
    assert changed(machine, RHEL8) == {GRUBENV: block(f"root=1 ro {OWN} ")}
    # grubby would make it of some entry.
    assert not machine.at(CMDLINE).exists()


def test_and_are_taken_back_there(machine: Machine) -> None:
    run_and_back(machine, RHEL8)


def test_without_a_file_new_kernels_get_the_newest_entry(machine: Machine) -> None:
    files = {path: text for path, text in RHEL9.items() if path != CMDLINE}
    apply(machine, lay(machine, files).present(INTEL, None))
    assert machine.read(CMDLINE) == f"root=1 ro $tuned_params {OWN}\n"
    machine.at(CMDLINE).unlink()
    run_and_back(machine, files)


def test_grubenv_that_no_entry_takes_anything_from_is_left_alone(machine: Machine) -> None:
    files = {**RHEL9, GRUBENV: block("root=1 ro")}
    apply(machine, lay(machine, files).present(INTEL, None))
    assert machine.read(GRUBENV) == files[GRUBENV]
    run_and_back(machine, files)


@pytest.mark.parametrize(
    "options",
    [
        "root=1 intel_iommu=on,sm_on",
        "root=1 intel_iommu=igfx_off",
        "root=1 iommu=nopt console=tty0 console=ttyS0",
        "root=1 --  single",
        'root=1 "dyndbg=file  x +p"',
        "root=1 a&b",
        "root=1\noptions quiet",
        "$kernelopts intel_iommu=off",
        f"root=1 {OWN}",
    ],
)
def test_what_grubby_would_spoil_is_put_right_behind_it(machine: Machine, options: str) -> None:
    files = {**RHEL9, OLD: entry("5.14.0-9", options), GRUBENV: block("root=1")}
    loader = lay(machine, files)
    before = {each.id: each.line for each in loader.entries}
    steps = loader.present(INTEL, None)
    assert apply(machine, steps)
    after = {each.id: each.line for each in observed(machine).entries}
    for name, line in after.items():
        assert set(line.arguments) == set(INTEL.settled(before[name]).arguments)
    run_and_back(machine, files)


@pytest.mark.parametrize("text", ["linux /v\n", "linux /v\n options root=1\n"])
def test_entries_that_grubby_cannot_read_are_written_behind_it(machine: Machine, text: str) -> None:
    run_and_back(machine, {**RHEL9, OLD: text})


def test_an_operators_own_argument_in_one_entry_stays_when_ours_go(machine: Machine) -> None:
    files = {**RHEL9, OLD: entry("5.14.0-9", f"root=1 {OWN}")}
    assert run_and_back(machine, files)


def test_turned_off_is_taken_out_by_grubby(machine: Machine) -> None:
    files = {**RHEL9, OLD: entry("5.14.0-9", "root=1 iommu=off intel_iommu=off")}
    assert run_and_back(machine, files)[0] == (
        f"grubby --update-kernel=ALL --remove-args=iommu=off intel_iommu=off --args={OWN}"
    )


@pytest.mark.parametrize("extra", ['dyndbg="file x +p"', "a++b=1", "console=tty1", "isolcpus=1"])
def test_extras_reach_every_entry_with_grubby_or_without(machine: Machine, extra: str) -> None:
    wanted = Wanted.of("arm", passthrough=True, extra=[extra])
    options = "root=1 console=tty0 isolcpus=1,3 a++b=2 vfio=1"
    files = {**RHEL9, OLD: entry("5.14.0-9", options)}
    commands = run_and_back(machine, files, wanted)
    assert bool(commands) == ('"' not in extra and "+" not in extra)


def test_where_grubby_would_do_harm_it_is_not_left_to_be_run(machine: Machine) -> None:
    lay(machine, RHEL9)
    steps = observed(machine, live=False).present(INTEL, None)
    assert [type(change) for change in steps.changes].count(Command) == 1
    machine.write(OLD, entry("5.14.0-9", "root=1 intel_iommu=on,sm_on"))
    steps = observed(machine, live=False).present(INTEL, None)
    assert [change for change in steps.changes if isinstance(change, Command)] == []
    assert {change.path for change in steps.changes if isinstance(change, FileChange)} >= {
        f"/{OLD}"
    }
    nothing = Wanted.of("arm", passthrough=True, extra=[])
    assert observed(machine, live=False).present(nothing, None).changes == ()


def test_zipl_runs_behind_everything(machine: Machine) -> None:
    machine.write("etc/zipl.conf", "")
    files = {NEW: entry("5.14.0-70", "root=1"), OLD: entry("5.14.0-9", "root=1 iommu=nopt")}
    steps = lay(machine, files).present(INTEL, None)
    assert isinstance(steps.changes[-1], Command)
    assert apply(machine, steps) == [
        ["grubby", "--update-kernel=ALL", f"--args={OWN}"],
        ["zipl"],
    ]
    assert machine.read(OLD) == entry("5.14.0-9", f"root=1 iommu=nopt {OWN}")
    commands = apply(machine, observed(machine).absent(steps.record))
    assert [command[0] for command in commands] == ["grubby", "zipl"]
    assert changed(machine, files) == {}


def test_without_entries_it_is_no_place_for_grubby(machine: Machine) -> None:
    with pytest.raises(RefusedError, match=r"RHEL 7.*bootloader: grub"):
        grubby.observe(machine.host, reason="")


def test_a_change_of_other_files_alone_needs_no_grubby(machine: Machine) -> None:
    files = {**RHEL9, **{path: entry("1", OWN) for path in (NEW, OLD, RESCUE)}}
    steps = lay(machine, files).present(INTEL, None)
    assert {type(change) for change in steps.changes} == {FileChange}
    assert observed(machine).tool(Delta()) == ()
    assert observed(machine).absent(BootRecord()).changes == ()
