# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The denylist of vfio-pci: loaded, built in, or as modprobe would load it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.denylist import (
    KERNEL_ARGUMENT,
    OPTION,
    VfioPci,
    read_vfio_pci,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import OTHER, PF, RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

MODULE = "sys/module/vfio_pci"
PARAMETER = f"{MODULE}/parameters/disable_denylist"
ABSENT = VfioPci(loaded=False, built_in=False, denies=True, used=False)


def load(machine: Machine, parameter: str | None = "N", *, refcnt: str | None = "0") -> None:
    """Have vfio-pci loaded; without a count of its users it is built in."""
    machine.add_driver("vfio-pci", "vfio_pci")
    if parameter is not None:
        machine.write(PARAMETER, f"{parameter}\n")
    if refcnt is not None:
        machine.write(f"{MODULE}/initstate", "live\n")
        machine.write(f"{MODULE}/refcnt", f"{refcnt}\n")


def denies(machine: Machine) -> bool:
    return read_vfio_pci(machine.host).denies


def test_names() -> None:
    assert OPTION == "disable_denylist=1"
    assert KERNEL_ARGUMENT == "vfio-pci.disable_denylist=1"


# -- loaded --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("parameter", "refuses"), [("N", True), ("Y", False), (None, False)])
def test_loaded(machine: Machine, parameter: str | None, *, refuses: bool) -> None:
    load(machine, parameter)
    expected = VfioPci(loaded=True, built_in=False, denies=refuses, used=False)
    assert read_vfio_pci(machine.host) == expected


def test_what_is_configured_does_not_matter_any_more(machine: Machine) -> None:
    load(machine, "N")
    machine.write("etc/modprobe.d/vfio.conf", f"options vfio-pci {OPTION}\n")
    machine.write("proc/cmdline", KERNEL_ARGUMENT)
    assert denies(machine)


@pytest.mark.parametrize("parameter", ["N", "Y", None])
def test_built_in(machine: Machine, parameter: str | None) -> None:
    load(machine, parameter, refcnt=None)
    found = read_vfio_pci(machine.host)
    assert (found.loaded, found.built_in, found.used) == (True, True, False)
    assert found.denies == (parameter == "N")


def test_used_by_a_function(machine: Machine) -> None:
    load(machine)
    # The kernel has links to the functions beside its attributes.
    machine.write("sys/bus/pci/drivers/vfio-pci/new_id", "")
    assert not read_vfio_pci(machine.host).used
    machine.link(f"sys/bus/pci/drivers/vfio-pci/{PF}", machine.device(PF))
    assert read_vfio_pci(machine.host).used


@pytest.mark.parametrize(("refcnt", "used"), [("0", False), ("1", True), ("17", True)])
def test_used_by_whom_sysfs_does_not_show(machine: Machine, refcnt: str, *, used: bool) -> None:
    load(machine, refcnt=refcnt)
    assert read_vfio_pci(machine.host).used == used


# -- not loaded ----------------------------------------------------------------------------------


def test_not_loaded(machine: Machine) -> None:
    machine.add_function(PF, OTHER, driver="native")
    assert read_vfio_pci(machine.host) == ABSENT


@pytest.mark.parametrize(
    "line",
    [
        f"options vfio-pci {OPTION}",
        f"options vfio_pci {OPTION}",
        f"options  vfio-pci\tids=8086:37c9   {OPTION} ",
        f"options vfio-pci {OPTION} ids=8086:37c9",
        f"options vfio-pci \\\n    {OPTION}",
        f"# ours\noptions other x=1\noptions vfio-pci ids=1:2\noptions vfio-pci {OPTION}",
        "options vfio-pci disable_denylist",
        "options vfio-pci disable_denylist=Y",
        "options vfio-pci disable_denylist=yes",
        "options vfio-pci disable_denylist=on",
    ],
)
def test_an_option_turns_it_off(machine: Machine, line: str) -> None:
    machine.write("etc/modprobe.d/vfio.conf", f"{line}\n")
    assert not denies(machine)


@pytest.mark.parametrize(
    "line",
    [
        "",
        f"# options vfio-pci {OPTION}",
        f"options vfio_pci_core {OPTION}",
        f"options vfio {OPTION}",
        "options vfio-pci disable_denylist=0",
        "options vfio-pci disable_denylist=N",
        "options vfio-pci disable_denylist=off",
        "options vfio-pci disable_denylisted=1",
        "options vfio-pci",
        "options",
        f"softdep vfio-pci pre: {OPTION}",
    ],
)
def test_other_lines(machine: Machine, line: str) -> None:
    machine.write("etc/modprobe.d/vfio.conf", f"{line}\n")
    assert denies(machine)


@pytest.mark.parametrize(
    "folder", ["etc", "run", "usr/local/lib", "usr/lib", "lib"], ids=lambda text: text[-3:]
)
def test_every_folder(machine: Machine, folder: str) -> None:
    machine.write(f"{folder}/modprobe.d/vfio.txt", f"options vfio-pci {OPTION}\n")
    assert denies(machine)
    machine.write(f"{folder}/modprobe.d/vfio.conf", f"options vfio-pci {OPTION}\n")
    assert not denies(machine)


@pytest.mark.parametrize(
    ("first", "second"),
    [("etc", "run"), ("run", "usr/local/lib"), ("usr/local/lib", "usr/lib"), ("usr/lib", "lib")],
)
def test_a_file_hides_another_of_its_name(machine: Machine, first: str, second: str) -> None:
    machine.write(f"{second}/modprobe.d/vfio.conf", f"options vfio-pci {OPTION}\n")
    assert not denies(machine)
    machine.write(f"{first}/modprobe.d/vfio.conf", "# nothing\n")
    assert denies(machine)
    machine.write(f"{second}/modprobe.d/other.conf", f"options vfio-pci {OPTION}\n")
    assert not denies(machine)


def test_a_file_that_is_masked(machine: Machine) -> None:
    machine.write("usr/lib/modprobe.d/vfio.conf", f"options vfio-pci {OPTION}\n")
    machine.link("etc/modprobe.d/vfio.conf", "dev/null")
    assert denies(machine)


@pytest.mark.parametrize(
    ("argument", "refuses"),
    [
        (KERNEL_ARGUMENT, False),
        ("vfio_pci.disable_denylist=1", False),
        ("vfio-pci.disable_denylist", False),
        ('"vfio-pci.disable_denylist=1"', False),
        ("vfio-pci.disable_denylist=0", True),
        ("vfio.disable_denylist=1", True),
        ("disable_denylist=1", True),
        (f"-- {KERNEL_ARGUMENT}", True),
    ],
)
def test_the_kernel_command_line(machine: Machine, argument: str, *, refuses: bool) -> None:
    machine.write("proc/cmdline", f"ro quiet {argument}\n")
    assert denies(machine) == refuses


@pytest.mark.parametrize(
    ("first", "second", "refuses"),
    [("=1", "=0", True), ("=0", "=1", False), ("", "=n", True), ("=off", "", False)],
)
def test_the_last_of_several_options_counts(
    machine: Machine, first: str, second: str, *, refuses: bool
) -> None:
    options = [f"disable_denylist{value}" for value in (first, second)]
    machine.write("etc/modprobe.d/vfio.conf", f"options vfio-pci {' '.join(options)}\n")
    assert denies(machine) == refuses
    # Files count in the order of their names, whatever folder they are in.
    machine.write("usr/lib/modprobe.d/a.conf", f"options vfio-pci {options[0]}\n")
    machine.write("run/modprobe.d/b.conf", f"options vfio-pci {options[1]}\n")
    machine.at("etc/modprobe.d/vfio.conf").unlink()
    assert denies(machine) == refuses


@pytest.mark.parametrize(("value", "refuses"), [("0", True), ("1", False)])
def test_the_kernel_command_line_counts_after_files(
    machine: Machine, value: str, *, refuses: bool
) -> None:
    other = "0" if value == "1" else "1"
    machine.write("etc/modprobe.d/vfio.conf", f"options vfio-pci disable_denylist={other}\n")
    machine.write("proc/cmdline", f"ro vfio-pci.disable_denylist={value}\n")
    assert denies(machine) == refuses


# -- the module on disk --------------------------------------------------------------------------


class WithModinfo(RunningHost):
    """A running machine that tells the parameters of a module."""

    told: str | None = ""

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play modinfo."""
        assert seconds > 0
        assert tuple(command) == ("modinfo", "--field", "parm", "vfio-pci")
        if self.told is None:
            raise HostError("modinfo failed with status 1: Module vfio-pci not found.")
        return self.told


@pytest.mark.parametrize(
    ("told", "refuses"),
    [
        ("ids:Initial PCI IDs to add (string)\ndisable_denylist:Disable use of (bool)\n", True),
        ("ids:Initial PCI IDs to add to the vfio driver (string)\n", False),
        ("", False),
        (None, True),
    ],
)
def test_the_module_tells(machine: Machine, told: str | None, *, refuses: bool) -> None:
    host = WithModinfo(machine)
    host.told = told
    assert read_vfio_pci(host).denies == refuses
    machine.write("etc/modprobe.d/vfio.conf", f"options vfio-pci {OPTION}\n")
    assert not read_vfio_pci(host).denies


def test_no_command_is_run_for_a_tree(machine: Machine) -> None:
    class Quiet(Host):
        """Runs nothing."""

        def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
            raise AssertionError((command, seconds))

    assert read_vfio_pci(Quiet(machine.root)) == ABSENT
