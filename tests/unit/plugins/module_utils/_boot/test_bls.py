# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Red Hat's boot entries, edited in place."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot import bls
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.record import BootRecord
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Command, FileChange

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.loader import Loader, Steps
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

INTEL = Wanted.of("intel", passthrough=True, extra=[])
FOLDER = "boot/loader/entries"
OWN = "intel_iommu=on iommu=pt"
GRUBENV = "# GRUB Environment Block\nsaved_entry=a\nkernelopts=root=1 ro \n"
RHEL8 = {
    f"{FOLDER}/m-4.18.0-2.conf": "version 4.18.0-2\nlinux /v2\noptions $kernelopts $tuned_params\n",
    f"{FOLDER}/m-4.18.0-1.conf": "version 4.18.0-1\nlinux /v1\noptions $kernelopts $tuned_params\n",
    f"{FOLDER}/m-0-rescue.conf": "version 0-rescue\nlinux /r\noptions $kernelopts iommu=off\n",
    "boot/grub2/grubenv": GRUBENV.ljust(1024, "#"),
    "etc/default/grub": 'GRUB_CMDLINE_LINUX="ro"\nGRUB_ENABLE_BLSCFG=true\n',
}
RHEL9 = {
    f"{FOLDER}/m-5.14.0-9.conf": "version 5.14.0-9\nlinux /v9\noptions root=1 ro $tuned_params\n",
    f"{FOLDER}/m-5.14.0-70.conf": "version 5.14.0-70\nlinux /v70\noptions root=1 ro new\n",
    f"{FOLDER}/m-0-rescue.conf": "version 0-rescue\nlinux /r\noptions root=1 rescue\n",
    "boot/grub2/grubenv": GRUBENV.ljust(1024, "#"),
    "etc/default/grub": 'GRUB_CMDLINE_LINUX="ro"\nGRUB_ENABLE_BLSCFG=true\n',
}


def lay(machine: Machine, files: dict[str, str]) -> Loader:
    for path, content in files.items():
        machine.write(path, content)
    return bls.observe(machine.host, reason="why")


def apply(machine: Machine, steps: Steps) -> list[list[str]]:
    for change in steps.changes:
        if isinstance(change, FileChange):
            change.apply(machine.host)
    return [list(change.arguments) for change in steps.changes if isinstance(change, Command)]


def changed(machine: Machine, files: dict[str, str]) -> dict[str, str]:
    return {path: machine.read(path) for path in files if machine.read(path) != files[path]}


def test_kernelopts_of_rhel_8_are_set_where_they_are(machine: Machine) -> None:
    loader = lay(machine, RHEL8)
    assert (loader.name, loader.reason) == ("bls", "why")
    assert [entry.id for entry in loader.entries] == [
        "m-0-rescue",
        "m-4.18.0-1",
        "m-4.18.0-2",
    ]
    assert str(loader.entries[1].line).split() == ["root=1", "ro"]
    steps = loader.present(INTEL, None)
    assert apply(machine, steps) == []
    assert changed(machine, RHEL8) == {
        f"{FOLDER}/m-0-rescue.conf": "version 0-rescue\nlinux /r\noptions $kernelopts\n",
        "boot/grub2/grubenv": GRUBENV.replace("ro ", f"ro {OWN} ").ljust(1024, "#"),
        "etc/default/grub": RHEL8["etc/default/grub"].replace('"ro"', f'"ro {OWN}"'),
    }
    # New kernels take $kernelopts again.
    assert not machine.at("etc/kernel/cmdline").exists()
    again = bls.observe(machine.host, reason="why")
    assert all(INTEL.met(entry.line) for entry in again.entries)
    assert again.present(INTEL, steps.record).changes == ()
    apply(machine, again.absent(steps.record))
    assert changed(machine, RHEL8) == {}


def test_every_entry_of_rhel_9_is_edited_and_grubenv_is_not(machine: Machine) -> None:
    loader = lay(machine, RHEL9)
    steps = loader.present(INTEL, None)
    assert apply(machine, steps) == []
    assert set(changed(machine, RHEL9)) == set(RHEL9) - {"boot/grub2/grubenv"}
    assert machine.read(f"{FOLDER}/m-5.14.0-9.conf") == (
        f"version 5.14.0-9\nlinux /v9\noptions root=1 ro $tuned_params {OWN}\n"
    )
    # Without it the next kernel would start from what this boot was started with.
    assert machine.read("etc/kernel/cmdline") == f"root=1 ro new {OWN}\n"
    again = bls.observe(machine.host, reason="why")
    assert again.present(INTEL, steps.record).changes == ()
    apply(machine, again.absent(steps.record))
    assert changed(machine, RHEL9) == {}
    assert not machine.at("etc/kernel/cmdline").exists()


def test_a_kernel_that_came_later_is_taken_back_too(machine: Machine) -> None:
    steps = lay(machine, RHEL9).present(INTEL, None)
    apply(machine, steps)
    machine.write(f"{FOLDER}/m-6.conf", f"linux /v6\noptions root=1 ro new {OWN}\n")
    apply(machine, bls.observe(machine.host, reason="why").absent(steps.record))
    assert machine.read(f"{FOLDER}/m-6.conf") == "linux /v6\noptions root=1 ro new\n"


@pytest.mark.parametrize("sign", ["etc/zipl.conf", "usr/sbin/zipl", "sbin/zipl"])
def test_zipl_writes_down_what_has_changed_and_replaces_no_variables(
    machine: Machine, sign: str
) -> None:
    machine.write(sign, "")
    entry = f"{FOLDER}/m-5.conf"
    loader = lay(machine, {entry: "version 5\nlinux /v\noptions root=1 $tuned_params\n"})
    assert str(loader.entries[0].line) == "root=1 $tuned_params"
    steps = loader.present(INTEL, None)
    assert apply(machine, steps) == [["zipl"]]
    assert machine.read(entry).endswith(f"options root=1 $tuned_params {OWN}\n")
    again = bls.observe(machine.host, reason="why")
    assert again.present(INTEL, steps.record).changes == ()
    assert apply(machine, again.absent(steps.record)) == [["zipl"]]
    assert apply(machine, bls.observe(machine.host, reason="").absent(BootRecord())) == []


@pytest.mark.parametrize("own", ["root=1 iommu=pt", "$kernelopts iommu=pt"])
def test_an_operators_own_argument_is_expected_to_stay(machine: Machine, own: str) -> None:
    other = own.replace(" iommu=pt", "")
    files = {
        f"{FOLDER}/a.conf": f"version 1\nlinux /v\noptions {own}\n",
        f"{FOLDER}/b.conf": f"version 2\nlinux /v\noptions {other}\n",
        "boot/grub2/grubenv": GRUBENV.ljust(1024, "#"),
    }
    steps = lay(machine, files).present(INTEL, None)
    apply(machine, steps)
    again = bls.observe(machine.host, reason="")
    expected = [set(entry.line.plain) for entry in again.entries_without(steps.record)]
    apply(machine, again.absent(steps.record))
    found = [set(entry.line.plain) for entry in bls.observe(machine.host, reason="").entries]
    assert found == expected
    assert changed(machine, files) == {}
