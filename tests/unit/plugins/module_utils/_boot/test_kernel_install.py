# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd-boot: entries of this system, unified kernel images, and what new kernels inherit."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot import kernel_install
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Command, FileChange
from ansible_collections.hwaccel.virt.tests.unit.plugins.module_utils._boot.test_uki import image

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.loader import Loader, Steps
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

INTEL = Wanted.of("intel", passthrough=True, extra=[])
OWN = "intel_iommu=on iommu=pt"
ID = "5c1d9e0f5c1d9e0f5c1d9e0f5c1d9e0f"
FOLDER, IMAGES = "efi/loader/entries", "efi/EFI/Linux"


def entry(version: str, options: str, machine_id: str = ID) -> str:
    return (
        f"version {version}\nmachine-id {machine_id}\noptions {options}\nlinux /{version}/linux\n"
    )


def uki(line: str) -> bytes:
    return image((".cmdline", line.encode()), (".linux", b"kernel"))


def observed(machine: Machine) -> Loader:
    machine.write("etc/machine-id", f"{ID}\n")
    machine.write("etc/os-release", 'NAME="Arch"\nID=arch\nIMAGE_ID="appliance"\nVERSION_ID=1\n')
    return kernel_install.observe(machine.host, reason="why")


def apply(machine: Machine, steps: Steps) -> list[list[str]]:
    for change in steps.changes:
        if isinstance(change, FileChange):
            change.apply(machine.host)
    return [list(change.arguments) for change in steps.changes if isinstance(change, Command)]


def test_entries_are_edited_and_new_kernels_start_from_the_newest(machine: Machine) -> None:
    old = entry("6.9.1", "root=1 old")
    new = entry("6.10.1", f"initrd=\\a BOOT_IMAGE=b root=1 new systemd.machine_id={ID}")
    machine.write(f"{FOLDER}/{ID}-6.9.1.conf", old)
    machine.write(f"{FOLDER}/{ID}-6.10.1.conf", new)
    loader = observed(machine)
    assert (loader.name, loader.reason) == ("kernel-install", "why")
    steps = loader.present(INTEL, None)
    assert apply(machine, steps) == []
    assert machine.read("etc/kernel/cmdline") == f"root=1 new {OWN}\n"
    assert machine.read(f"{FOLDER}/{ID}-6.9.1.conf") == old.replace(" old", f" old {OWN}")
    again = observed(machine)
    assert all(INTEL.met(each.line) for each in again.entries)
    second = again.present(INTEL, steps.record)
    assert (second.changes, second.record) == ((), steps.record)
    apply(machine, again.absent(second.record))
    assert machine.read(f"{FOLDER}/{ID}-6.10.1.conf") == new
    assert not machine.at("etc/kernel/cmdline").exists()


def test_the_vendors_command_line_is_what_new_kernels_start_from(machine: Machine) -> None:
    machine.write(f"{FOLDER}/a.conf", entry("1", "root=1"))
    machine.write("usr/lib/kernel/cmdline", "# image\nroot=LABEL=root\nquiet")
    apply(machine, observed(machine).present(INTEL, None))
    assert machine.read("etc/kernel/cmdline") == f"# image\nroot=LABEL=root\nquiet {OWN}"
    assert machine.read("usr/lib/kernel/cmdline") == "# image\nroot=LABEL=root\nquiet"


@pytest.mark.parametrize(("machine_id", "count"), [(ID, 2), ("", 3)])
def test_another_systems_entries_are_not_ours(
    machine: Machine, machine_id: str, count: int
) -> None:
    machine.write(f"{FOLDER}/a.conf", entry("1", "root=1"))
    machine.write(f"{FOLDER}/b.conf", entry("1", "root=1", "0" * 32))
    machine.write("boot/loader/entries/c.conf", "linux /c\noptions root=1\n")
    machine.write("etc/machine-id", machine_id)
    assert len(kernel_install.read_esp_entries(machine.host)) == count


def test_one_partition_at_two_places_is_read_once(machine: Machine) -> None:
    machine.write(f"{FOLDER}/a.conf", entry("1", "root=1"))
    (machine.root / "boot").mkdir()
    (machine.root / "boot/efi").symlink_to("/efi")
    machine.write("boot/loader/entries/b.conf", entry("2", "root=1"))
    assert [each.path for each in observed(machine).entries] == [
        "/efi/loader/entries/a.conf",
        "/boot/loader/entries/b.conf",
    ]


def test_images_are_made_anew_from_the_command_line(machine: Machine) -> None:
    machine.write(f"{IMAGES}/arch-linux.efi", uki("root=1 quiet\n"))
    machine.write(f"{IMAGES}/{ID}-6.12.EFI", uki(f"root=1 {OWN}"))
    machine.write(f"{IMAGES}/appliance-1.efi", uki("root=1"))
    machine.write(f"{IMAGES}/token-1.efi", uki("root=1"))
    machine.write("etc/kernel/entry-token", "token\n")
    machine.write(f"{IMAGES}/other-linux.efi", uki("root=2"))
    machine.write(f"{IMAGES}/tokens-1.efi", uki("root=2"))
    machine.write(f"{IMAGES}/arch-shell.efi", image((".text", b"")))
    machine.write(f"{IMAGES}/arch-linux.efi.extra.d/x.addon.efi", b"")
    loader = observed(machine)
    assert [(each.id, each.path, str(each.line)) for each in loader.entries] == [
        (f"{ID}-6.12", f"/{IMAGES}/{ID}-6.12.EFI", f"root=1 {OWN}"),
        ("appliance-1", f"/{IMAGES}/appliance-1.efi", "root=1"),
        ("arch-linux", f"/{IMAGES}/arch-linux.efi", "root=1 quiet"),
        ("token-1", f"/{IMAGES}/token-1.efi", "root=1"),
    ]
    machine.write("etc/kernel/cmdline", "root=1 quiet\n")
    steps = observed(machine).present(INTEL, None)
    assert apply(machine, steps) == [["kernel-install", "add-all"]]
    assert machine.read("etc/kernel/cmdline") == f"root=1 quiet {OWN}\n"
    # As long as an image lacks something, though the file has it.
    assert apply(machine, observed(machine).present(INTEL, steps.record)) == [
        ["kernel-install", "add-all"]
    ]
    for each in observed(machine).entries:
        machine.write(each.path or "", uki(f"root=1 quiet {OWN}"))
    again = observed(machine)
    assert again.present(INTEL, steps.record).changes == ()
    assert apply(machine, again.absent(steps.record)) == [["kernel-install", "add-all"]]
    assert machine.read("etc/kernel/cmdline") == "root=1 quiet\n"


def test_images_alone_are_something_to_start_from(machine: Machine) -> None:
    machine.write(f"{IMAGES}/arch-linux.efi", uki("root=1 quiet"))
    apply(machine, observed(machine).present(INTEL, None))
    assert machine.read("etc/kernel/cmdline") == f"root=1 quiet {OWN}\n"


def test_nothing_at_all_is_no_place_for_a_file(machine: Machine) -> None:
    assert observed(machine).present(INTEL, None).changes == ()
