# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proxmox VE: what its boot partitions are made from."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot import proxmox
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import Delta
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Command, FileChange

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.loader import Loader, Steps
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

INTEL = Wanted.of("intel", passthrough=True, extra=[])
OWN = "intel_iommu=on iommu=pt"
UUIDS, CMDLINE = "etc/kernel/proxmox-boot-uuids", "etc/kernel/cmdline"
DEFAULT, DROP_IN = "etc/default/grub", "etc/default/grub.d/zz-hwaccel-virt.cfg"
INFO = "sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
ZFS = "root=ZFS=rpool/ROOT/pve-1 boot=zfs"
REFRESH = ["proxmox-boot-tool", "refresh"]


def lay(machine: Machine, **files: str) -> Loader:
    names = {"uuids": UUIDS, "cmdline": CMDLINE, "grub": DEFAULT}
    for name, content in files.items():
        machine.write(names[name], content)
    machine.write("etc/os-release", "ID=debian\n")
    machine.write("usr/sbin/update-grub", "")
    return proxmox.observe(machine.host, reason="why")


def booted_by(machine: Machine, name: str) -> None:
    machine.write(INFO, b"\6\0\0\0" + f"{name}\0".encode("utf-16-le"))


def apply(machine: Machine, steps: Steps) -> list[list[str]]:
    for change in steps.changes:
        if isinstance(change, FileChange):
            change.apply(machine.host)
    return [list(change.arguments) for change in steps.changes if isinstance(change, Command)]


def test_what_is_there_of_both_is_set_and_taken_back(machine: Machine) -> None:
    grub = f'GRUB_CMDLINE_LINUX="{ZFS}"\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'
    # Without a final newline, and with a second line, which nobody reads.
    loader = lay(machine, uuids="1A2B-3C4D\n", cmdline=f"{ZFS}\nquiet", grub=grub)
    assert (loader.name, [each.id for each in loader.entries]) == (
        "proxmox",
        ["systemd-boot", "GRUB"],
    )
    assert [str(each.line) for each in loader.entries] == [ZFS, f"{ZFS} quiet"]
    steps = loader.present(INTEL, None)
    assert apply(machine, steps) == [REFRESH]
    assert machine.read(CMDLINE) == f"{ZFS} {OWN}\nquiet"
    assert OWN in machine.read(DROP_IN)
    assert machine.read(DEFAULT) == grub
    again = proxmox.observe(machine.host, reason="why")
    assert all(INTEL.met(each.line) for each in again.entries)
    assert again.present(INTEL, steps.record).changes == ()
    assert apply(machine, again.absent(steps.record)) == [REFRESH]
    assert machine.read(CMDLINE) == f"{ZFS}\nquiet"
    assert not machine.at(DROP_IN).exists()
    gone = proxmox.observe(machine.host, reason="why")
    assert apply(machine, gone.absent(steps.record)) == []


def test_without_a_record_what_our_files_have_goes(machine: Machine) -> None:
    loader = lay(machine, uuids="", cmdline=f"{ZFS}\n", grub='GRUB_CMDLINE_LINUX=""\n')
    apply(machine, loader.present(INTEL, None))
    now = proxmox.observe(machine.host, reason="")
    assert now.assumed(INTEL).delta == Delta(added=INTEL.arguments)
    apply(machine, now.absent(now.assumed(INTEL)))
    assert machine.read(CMDLINE) == f"{ZFS}\n"
    assert not machine.at(DROP_IN).exists()


@pytest.mark.parametrize(
    ("cmdline", "grub"),
    [(f"{ZFS} iommu=pt\n", "a=1"), (f"{ZFS}\n", "iommu=pt"), (f"{ZFS} {OWN}\n", "intel_iommu=on")],
)
def test_an_operators_own_argument_is_expected_to_stay(
    machine: Machine, cmdline: str, grub: str
) -> None:
    loader = lay(machine, uuids="", cmdline=cmdline, grub=f'GRUB_CMDLINE_LINUX="{grub}"\n')
    steps = loader.present(INTEL, None)
    apply(machine, steps)
    again = proxmox.observe(machine.host, reason="")
    expected = [entry.line.plain for entry in again.entries_without(steps.record)]
    apply(machine, again.absent(steps.record))
    found = [entry.line.plain for entry in proxmox.observe(machine.host, reason="").entries]
    assert found == expected
    assert machine.read(CMDLINE) == cmdline


@pytest.mark.parametrize(
    ("name", "entries", "told"),
    [
        ("systemd-boot 252.31", ["systemd-boot"], "systemd-boot 252.31 started it"),
        ("GRUB 2.12", ["GRUB"], "GRUB 2.12 started it"),
    ],
)
def test_the_firmware_tells_which_one_counts(
    machine: Machine, name: str, entries: list[str], told: str
) -> None:
    booted_by(machine, name)
    loader = lay(machine, uuids="", cmdline=f"{ZFS}\n", grub='GRUB_CMDLINE_LINUX=""\n')
    assert [each.id for each in loader.entries] == entries
    assert loader.reason.startswith(f"why; {told}")
    assert len(apply(machine, loader.present(INTEL, None))) == 1
    assert machine.at(DROP_IN).exists()
    assert OWN in machine.read(CMDLINE)


@pytest.mark.parametrize(
    ("files", "expected", "told"),
    [
        ([INFO], True, "systemd-boot 252"),
        (["sys/firmware/efi/fw_platform_size"], None, "UEFI, and no EFI variable"),
        (["sys/firmware/acpi/tables/DMAR"], False, "legacy BIOS"),
        ([], None, "not running"),
    ],
)
def test_what_tells_whether_systemd_boot_started_it(
    machine: Machine, files: list[str], expected: object, told: str
) -> None:
    for path in files:
        machine.write(path, "")
        if path == INFO:
            booted_by(machine, "systemd-boot 252")
    found, evidence = proxmox.boots_with_systemd_boot(machine.host)
    assert (found, told in evidence) == (expected, True)


def test_without_boot_partitions_it_is_grub_as_on_debian(machine: Machine) -> None:
    loader = lay(machine, cmdline=f"{ZFS}\n", grub='GRUB_CMDLINE_LINUX=""\n')
    assert loader.name == "proxmox"
    assert "GRUB alone" in loader.reason
    assert apply(machine, loader.present(INTEL, None)) == [["update-grub"]]
    assert machine.read(CMDLINE) == f"{ZFS}\n"


def test_a_missing_file_is_made_of_what_is_running_where_it_counts(machine: Machine) -> None:
    machine.write("proc/cmdline", f"initrd=\\EFI\\initrd.img {ZFS}\n")
    booted_by(machine, "systemd-boot 252")
    apply(machine, lay(machine, uuids="").present(INTEL, None))
    assert machine.read(CMDLINE) == f"{ZFS} {OWN}\n"


def test_a_missing_file_is_not_made_where_grub_may_start_it(machine: Machine) -> None:
    loader = lay(machine, uuids="", grub=f'GRUB_CMDLINE_LINUX="{ZFS}"\n')
    assert [each.id for each in loader.entries] == ["GRUB"]
    assert apply(machine, loader.present(INTEL, None)) == [REFRESH]
    assert not machine.at(CMDLINE).exists()


@pytest.mark.parametrize("content", ["", "quiet\nroot=1\n", "# mine\nroot=1\n", "nfsroot=1\n"])
def test_a_first_line_that_the_tool_stops_at_is_refused(machine: Machine, content: str) -> None:
    with pytest.raises(RefusedError, match=r"/etc/kernel/cmdline: .*first line"):
        lay(machine, uuids="", cmdline=content)


def test_without_either_file_it_says_so(machine: Machine) -> None:
    with pytest.raises(RefusedError, match="neither /etc/kernel/cmdline nor /etc/default/grub"):
        lay(machine, uuids="")


def test_a_condition_in_grubs_files_is_an_entry_each(machine: Machine) -> None:
    grub = 'GRUB_CMDLINE_LINUX="a"\nif [ -e /x ]; then\nGRUB_CMDLINE_LINUX="b"\nfi\n'
    loader = lay(machine, uuids="", grub=grub)
    assert {each.id for each in loader.entries} == {"GRUB", "GRUB 2"}
    assert {str(each.line).strip() for each in loader.entries} == {"a", "b"}
