# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task of every module that changes something, with the machine that it is for."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import yaml
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.unit import COMMENT, UNIT_PATH
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.boot_rules import EARLY_RULES
from ansible_collections.hwaccel.virt.tests.faults.bench import Scenario
from ansible_collections.hwaccel.virt.tests.unit.plugins import (
    config_runs,
    libvirt_runs,
    license_runs,
    mps_runs,
    package_runs,
    qatlib_runs,
    vfio_runs,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.boot_runs import Debian
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import (
    GEN4,
    PF,
    RELEASE,
    RunningHost,
)

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

TREES = Path(__file__).parents[1] / "unit/plugins/module_utils/_boot/trees"
ABSENT = {"state": "absent"}
UNDO = "var/lib/hwaccel/undo.json"
# What systemd has read of a unit.
_READ = "run/systemd/read"
_HOOK = vfio_runs.TOOLS["update-initramfs"][1]
# Of a PF, where real ones have 16: each is one more moment of the same kind.
_VFS = 3
_GUEST = "one"
_GUEST_PORTS = 12


def _license(machine: Machine, _patch: pytest.MonkeyPatch) -> None:
    machine.write(license_runs.PATH.lstrip("/"), "# of the image\nServerAddress=old\n")
    machine.write(f"{license_runs.TOKENS}/a.tok".lstrip("/"), license_runs.TOKEN)


def _boot_tree(path: Path) -> Scenario:
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))

    def prepare(machine: Machine, _patch: pytest.MonkeyPatch) -> None:
        for name, text in tree["before"].items():
            machine.write(name, text)
        for name, target in tree.get("links", {}).items():
            place = machine.root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)

    back = {**tree["options"], **ABSENT}
    kept = (UNDO, *tree["absent"])
    name = f"iommu_kernel_arg-{path.stem}"
    return Scenario(name, "iommu_kernel_arg", tree["options"], prepare, back, kept=kept)


def _debian(machine: Machine, _patch: pytest.MonkeyPatch) -> RunningHost:
    return Debian(machine)


def _config(machine: Machine, _patch: pytest.MonkeyPatch) -> None:
    machine.write(config_runs.PF_FILE.lstrip("/"), config_runs.sample())


def _payload(machine: Machine, _patch: pytest.MonkeyPatch) -> RunningHost:
    mps_runs.add_card(machine)
    mps_runs.add_card(machine, "0000:03:00.0")
    return RunningHost(machine)


def _payload_lost(machine: Machine, patch: pytest.MonkeyPatch) -> RunningHost:
    host = _payload(machine, patch)
    for address in (PF, "0000:03:00.0"):
        mps_runs.set_sizes(machine, address, mps=128)
    return host


class _Systemd(RunningHost):
    """A host whose systemd has read a unit, which it does again only when it is told to."""

    unit = UNIT_PATH

    def read_unit(self) -> None:
        """Read it."""
        self.machine.write(_READ, self.recording.read_bytes(self.unit) or b"")

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play systemctl."""
        if tuple(command) == ("systemctl", "daemon-reload"):
            self.read_unit()
        if tuple(command[:2]) != ("systemctl", "show"):
            return super().run(command, seconds=seconds)
        same = self.machine.at(_READ).read_bytes() == (self.recording.read_bytes(self.unit) or b"")
        return f"ActiveState=inactive\nNeedDaemonReload={'no' if same else 'yes'}\n"


class _SystemdOfQatlib(_Systemd, qatlib_runs.QatlibHost):
    """The same with the service of qatlib."""

    unit = qatlib_runs.DROP_IN


class _Initramfs(RunningHost):
    """A host whose initramfs has what was there when it was made."""

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play update-initramfs."""
        if command[0] == "update-initramfs":
            parts = (self.recording.read_bytes(path) or b"" for path in (_HOOK, EARLY_RULES))
            self.machine.write("boot/initrd", b"".join(parts))
        return super().run(command, seconds=seconds)


def _watcher(machine: Machine, _patch: pytest.MonkeyPatch) -> RunningHost:
    machine.write("usr/bin/systemctl", "")
    machine.write(f"usr/bin/{sys.executable}", "")
    # An older one is there.
    machine.write(UNIT_PATH.lstrip("/"), f"{COMMENT}[Unit]\n")
    host = _Systemd(machine)
    host.read_unit()
    return host


def _package(machine: Machine, patch: pytest.MonkeyPatch) -> RunningHost:
    tasks = package_runs.PackageTasks(machine, t.cast("t.Any", None), patch)
    tasks.unpack()
    return tasks.host


def _old_qat(machine: Machine, _patch: pytest.MonkeyPatch) -> RunningHost:
    machine.add_pf("c62x", total=_VFS)
    machine.add_pf("c62x", "0000:03:00.0", total=_VFS, vfs=_VFS)
    return RunningHost(machine)


def _new_qat(machine: Machine, _patch: pytest.MonkeyPatch) -> RunningHost:
    machine.add_pf("4xxx", total=_VFS, vfs=_VFS)
    machine.add_services()
    return RunningHost(machine)


def _qatlib(machine: Machine, _patch: pytest.MonkeyPatch) -> RunningHost:
    qatlib_runs.add_qatlib(machine)
    vfs = qatlib_runs.add_pf(machine)
    host = _SystemdOfQatlib(machine)
    host.read_unit()
    host.bind(*vfs)
    return host


def _gpu(machine: Machine, _patch: pytest.MonkeyPatch) -> RunningHost:
    vfio_runs.add_host(machine)
    machine.add_vfio()
    vfio_runs.add_gpu(machine, boot=True)
    vfio_runs.add_tool(machine, "update-initramfs")
    return _Initramfs(machine)


def _vfs(machine: Machine, _patch: pytest.MonkeyPatch) -> RunningHost:
    vfio_runs.add_host(machine)
    machine.add_vfio()
    vfio_runs.add_vfs(machine, number=3)
    return RunningHost(machine)


def _guest(machine: Machine, _patch: pytest.MonkeyPatch) -> RunningHost:
    machine.add_iommu()
    libvirt = libvirt_runs.Libvirt(machine)
    vfio_runs.add_vfs(machine)
    libvirt.define(libvirt_runs.xml(_GUEST, ports=_GUEST_PORTS))
    libvirt.start(_GUEST)
    return libvirt_runs.LibvirtHost(machine, libvirt)


def _wish(*wishes: object) -> dict[str, t.Any]:
    return {"guests": [libvirt_runs.guest(_GUEST, *wishes)], "allow_hot_remove": True}


LICENSE = Scenario(
    "gridd_license",
    "gridd_license",
    {
        "server_address": "new",
        "license_interval": 1440,
        "licensing": "server",
        "remove_tokens": True,
        "mode": "0640",
        "backup": True,
    },
    _license,
    ABSENT,
    kept=(UNDO, "etc/nvidia/"),
)
BOOT = tuple(map(_boot_tree, sorted(TREES.glob("*.yml"))))
DEBIAN = Scenario("iommu_kernel_arg", "iommu_kernel_arg", {}, _debian, ABSENT)
CONFIG = Scenario(
    "qat_config",
    "qat_config",
    {"path": config_runs.PF_FILE, "sections": {"SSL": {"crypto": 2}}, "backup": True},
    _config,
    {"path": config_runs.PF_FILE, **ABSENT},
    kept=(UNDO, "etc/c6xx_dev0.conf."),
)
SAVED = Scenario("qat_mps-saved", "qat_mps", {"state": "saved"}, _payload)
RESTORED = Scenario("qat_mps-restored", "qat_mps", {"state": "restored"}, _payload_lost)
WATCHER = Scenario(
    "qat_mps_watcher",
    "qat_mps_watcher",
    {},
    _watcher,
    ABSENT,
    kept=(UNIT_PATH.lstrip("/"), _READ),
)
PACKAGE = Scenario(
    "qat_package",
    "qat_package",
    {"source": package_runs.SOURCE},
    _package,
    {"source": package_runs.SOURCE, **ABSENT},
    untold=("modules", "findings"),
    kept=(f"lib/modules/{RELEASE}/modules.dep",),
    scratch=(package_runs.SOURCE.lstrip("/"),),
)
OLD_QAT = Scenario(
    "qat_sriov-c62x", "qat_sriov", {}, _old_qat, ABSENT, kept=(UNDO,), untold=("devices",)
)
NEW_QAT = Scenario(
    "qat_sriov-4xxx",
    "qat_sriov",
    {"services": ["sym", "dc"], "autoprobe": False},
    _new_qat,
    ABSENT,
    kept=(UNDO,),
    untold=("devices",),
)
QATLIB = Scenario(
    "qatlib_service",
    "qatlib_service",
    {"devices": ["all"], "vfs": "4", "policy": 2},
    _qatlib,
    ABSENT,
    kept=(_READ,),
)
GPU = Scenario(
    "vfio_passthrough-gpu",
    "vfio_passthrough",
    {"devices": [vfio_runs.GPU], "siblings": "bind", "force": True},
    _gpu,
    {"devices": [vfio_runs.GPU], **ABSENT},
    kept=("boot/initrd",),
)
VFS = Scenario(
    "vfio_passthrough-vfs",
    "vfio_passthrough",
    {"devices": ["qat"]},
    _vfs,
    {"devices": ["qat"], **ABSENT},
)
GUEST = Scenario(
    "libvirt_accelerators",
    "libvirt_accelerators",
    _wish(libvirt_runs.some(3, GEN4.name)),
    _guest,
    _wish(),
)

# One of each module, and all there are.
EACH = (
    LICENSE,
    DEBIAN,
    CONFIG,
    SAVED,
    RESTORED,
    WATCHER,
    PACKAGE,
    OLD_QAT,
    NEW_QAT,
    QATLIB,
    GPU,
    VFS,
    GUEST,
)
ALL = (*EACH, *BOOT)
