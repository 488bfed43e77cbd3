# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks of vfio_passthrough: tried in check mode, done, done again; and the cards for them."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import GEN4, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner, Result

MODULE = "vfio_passthrough"
GPU, AUDIO = "0000:65:00.0", "0000:65:00.1"
GPU_ID, AUDIO_ID = PciId(0x10DE, 0x2204), PciId(0x10DE, 0x1AEF)
NIC, NIC_ID = "0000:41:00.0", PciId(0x8086, 0x1521)
DISK, DISK_ID = "0000:42:00.0", PciId(0x144D, 0xA808)
BRIDGE, BRIDGE_ID = "0000:64:00.0", PciId(0x8086, 0x2030)
VFIO = "vfio-pci"
VARIANT = "qat_vfio_pci"
BIND = f"/sys/bus/pci/drivers/{VFIO}/bind"
TOOLS = {
    "update-initramfs": (
        ("update-initramfs", "-u", "-k", "all"),
        "/etc/initramfs-tools/hooks/hwaccel-vfio",
        "force_load vfio_pci\n",
    ),
    "dracut": (
        ("dracut", "--force", "--regenerate-all"),
        "/etc/dracut.conf.d/hwaccel-vfio.conf",
        'force_drivers+=" vfio_pci "\n',
    ),
    "mkinitcpio": (
        ("mkinitcpio", "-P"),
        "/etc/mkinitcpio.conf.d/hwaccel-vfio.conf",
        "MODULES+=(vfio_pci)\n",
    ),
}
_OWN_FOLDERS = ("etc", "var", "usr", "lib", "run")


@dataclass
class Tasks:
    """Runs tasks of the module on a machine that runs."""

    machine: Machine
    running: RunningHost
    run_module: ModuleRunner

    def __call__(self, *devices: object, **options: t.Any) -> Result:
        """Do a task after a check run that tells the same, and once more without any change."""
        before, done = self.machine.files(), len(self.running.written)
        check = self.run(*devices, check=True, **options)
        assert self.machine.files() == before
        assert len(self.running.written) == done
        real = self.run(*devices, **options)
        assert "failed" not in real, real["msg"]
        assert _told(real) == _told(check)
        after, done = self.machine.files(), len(self.running.written)
        again = self.run(*devices, **options)
        assert (again["changed"], again["diff"]) == (False, [])
        assert self.machine.files() == after
        assert len(self.running.written) == done
        for key in ("reboot_required", "kernel_arguments"):
            assert again[key] == real[key]
        # What went along with another one is not known any more once it is given back.
        shown = [each for each in real["devices"] if not each["sibling"]]
        assert _after(again["devices"], shown) == _after(shown, shown)
        return real

    def run(self, *devices: object, check: bool = False, **options: t.Any) -> Result:
        """Run the module once."""
        given = {"devices": list(devices), **options}
        return self.run_module(MODULE, given, check=check, running=self.running)

    def refusal(self, *devices: object, **options: t.Any) -> str:
        """Return why a task is refused: alike in check mode, and with nothing changed."""
        before, done = self.machine.files(), len(self.running.written)
        told = []
        for check in (True, False):
            result = self.run(*devices, check=check, **options)
            assert result.get("failed"), result
            told.append(str(result["msg"]))
            assert self.machine.files() == before
            assert len(self.running.written) == done
        assert told[0] == told[1]
        return told[0]

    def failure(self, *devices: object, **options: t.Any) -> Result:
        """Do a task that fails half way, and return what is told."""
        result = self.run(*devices, **options)
        assert result.get("failed") is True
        return result


def _told(result: Result) -> Result:
    return {key: value for key, value in result.items() if key != "invocation"}


def _after(devices: list[Result], shown: list[Result]) -> list[Result]:
    """Return what a result tells of some devices without what was there before the run."""
    wanted = {each["address"] for each in shown}
    return [{**each, "driver_before": None} for each in devices if each["address"] in wanted]


def standing(machine: Machine) -> dict[str, bytes | str | None]:
    """Return everything outside of sysfs and procfs, folders of /etc too."""
    found: dict[str, bytes | str | None] = {
        path: content for path, content in machine.files().items() if path.startswith(_OWN_FOLDERS)
    }
    for folder, _folders, _names in os.walk(machine.root / "etc"):
        found.setdefault(os.path.relpath(folder, machine.root), None)
    return found


def bindings(machine: Machine) -> dict[str, tuple[str | None, str]]:
    """Return driver and override of every function."""
    names = sorted(os.listdir(machine.at("sys/bus/pci/devices")))
    return {name: (machine.driver(name), machine.override(name)) for name in names}


def drivers(result: Result) -> list[str | None]:
    """Return the drivers that a result tells of."""
    return [device["driver"] for device in result["devices"]]


def add_host(machine: Machine) -> None:
    """Have an IOMMU, and the folders of /etc that every distribution has."""
    machine.add_iommu()
    for folder in ("modules-load.d", "modprobe.d", "systemd/system/multi-user.target.wants"):
        machine.at(f"etc/{folder}").mkdir(parents=True)


def add_vfs(
    machine: Machine,
    family: str = "4xxx",
    number: int = 8,
    *,
    autoprobe: bool = False,
    native: bool = False,
    out_of_tree: bool = True,
) -> list[str]:
    """Add a PF with VFs, on their native driver where the kernel is to have one."""
    row = FAMILIES[family]
    machine.add_pf(
        family,
        PF,
        vfs=number,
        autoprobe=autoprobe,
        out_of_tree=out_of_tree,
        vf_driver=row.vf_driver if native else None,
    )
    if native:
        assert row.vf_module
        machine.add_driver(str(row.vf_driver), row.vf_module)
        machine.add_alias("pci", row.vf_id, row.vf_module)
    return machine.vfs()


def add_gpu(machine: Machine, *, driver: str = "nouveau", boot: bool = False) -> None:
    """Add a GPU with its audio function and the bridge above them, all in one group."""
    machine.add_function(BRIDGE, BRIDGE_ID, class_code=0x060400, driver="pcieport", group=30)
    machine.add_card(GPU, GPU_ID, 0x030000, driver, driver, group=30, bridge=BRIDGE)
    machine.add_card(
        AUDIO, AUDIO_ID, 0x040300, "snd_hda_intel", "snd_hda_intel", group=30, bridge=BRIDGE
    )
    machine.write(f"{machine.device(GPU)}/boot_vga", f"{boot:d}\n")
    machine.add_node("drm", "card0", GPU, dev="226:0")
    machine.add_node("sound", "card1", AUDIO)


def add_nic(machine: Machine, *, address: str = NIC, routes: bool = False) -> None:
    """Add a network card with an interface."""
    machine.add_card(address, NIC_ID, 0x020000, "igb", "igb", group=31)
    machine.add_node("net", "eth0", address)
    line = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" if routes else ""
    machine.write("proc/net/route", f"Iface\tDestination\tGateway\n{line}")


def add_disk(machine: Machine, *, mounted: bool = False) -> None:
    """Add an NVMe disk."""
    machine.add_card(DISK, DISK_ID, 0x010802, "nvme", "nvme", group=32)
    machine.add_node("nvme", "nvme0", DISK, dev="240:0")
    machine.add_node("block", "nvme0n1", DISK, dev="259:0")
    line = "25 1 259:0 / /srv rw - ext4 /dev/nvme0n1 rw\n" if mounted else ""
    machine.write("proc/self/mountinfo", line)


def add_tool(machine: Machine, tool: str) -> None:
    """Install what makes an initramfs."""
    machine.write(f"usr/bin/{tool}", "")
    machine.at(TOOLS[tool][1]).parent.mkdir(parents=True)
    if tool == "update-initramfs":
        machine.write("usr/share/initramfs-tools/hook-functions", "")


def add_variant(machine: Machine) -> None:
    """Have the variant of QAT VFs on disk."""
    machine.add_module(VARIANT)
    machine.add_alias("vfio_pci", GEN4.vf_id, VARIANT)


def move_to_group(machine: Machine, address: str, number: int) -> None:
    """Have a function in the IOMMU group of others."""
    device = machine.at(machine.device(address)).relative_to(machine.root)
    (machine.root / device / "iommu_group").unlink()
    machine.link(f"{device}/iommu_group", f"sys/kernel/iommu_groups/{number}")
