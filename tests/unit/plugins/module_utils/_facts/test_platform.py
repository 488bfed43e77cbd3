# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processor, kernel and services, from files alone."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._facts.platform import (
    Cpu,
    Kernel,
    read_cpu,
    read_kernel,
    read_services,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._systemd import Service
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import RELEASE

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

WANTS = "etc/systemd/system/multi-user.target.wants"


def test_the_first_processor_counts(machine: Machine) -> None:
    assert read_cpu(machine.host) == Cpu("intel", "Emulated", "vmx")


@pytest.mark.parametrize(
    ("text", "cpu"),
    [
        ("vendor_id\t: AuthenticAMD\nflags\t: svm\n", Cpu("amd", None, "svm")),
        ("vendor_id\t: HygonGenuine\nmodel name\t: C86\n", Cpu("amd", "C86", None)),
        ("vendor_id\t: GenuineIntel\nflags\t: fpu ssvm vmxx\n", Cpu("intel", None, None)),
        ("CPU implementer\t: 0x41\nFeatures\t: fp\n", Cpu("arm", None, None)),
        ("vendor_id\t: IBM/S390\n", Cpu(None, None, None)),
        ("", Cpu(None, None, None)),
    ],
)
def test_processors(machine: Machine, text: str, cpu: Cpu) -> None:
    machine.write("proc/cpuinfo", text)
    assert read_cpu(machine.host) == cpu


def test_a_kernel(machine: Machine) -> None:
    machine.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    machine.write(SECURE_BOOT, b"\x06\0\0\0\x01")
    kernel = read_kernel(machine.host)
    assert (kernel.release, kernel.lockdown, kernel.secure_boot) == (RELEASE, "integrity", True)
    assert kernel.is_locked
    assert kernel.signed_modules
    assert kernel.command_line.startswith("BOOT_IMAGE=")
    assert not kernel.command_line.endswith("\n")


@pytest.mark.parametrize(
    ("lockdown", "sig_enforce", "signed"),
    [
        ("[none] integrity confidentiality\n", "N\n", False),
        ("[none] integrity confidentiality\n", "Y\n", True),
        ("none integrity [confidentiality]\n", "N\n", True),
        ("", "", False),
    ],
)
def test_signed_modules(machine: Machine, lockdown: str, sig_enforce: str, *, signed: bool) -> None:
    machine.write("sys/kernel/security/lockdown", lockdown)
    machine.write("sys/module/module/parameters/sig_enforce", sig_enforce)
    assert read_kernel(machine.host).signed_modules is signed


@pytest.mark.parametrize(("content", "on"), [(b"\x06\0\0\0\0", False), (b"", None)])
def test_secure_boot(machine: Machine, content: bytes, *, on: bool | None) -> None:
    machine.write(SECURE_BOOT, content)
    assert read_kernel(machine.host).secure_boot is on


def test_a_kernel_that_tells_nothing(machine: Machine) -> None:
    machine.at("proc/sys/kernel/osrelease").unlink()
    machine.at("proc/cmdline").unlink()
    assert read_kernel(machine.host) == Kernel("", "", None, None)
    assert read_kernel(machine.host).version == ()


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.1.0-18-amd64", (6, 1, 0)), ("6.12", (6, 12)), ("2.6.32-754.el6", (2, 6, 32)), ("x", ())],
)
def test_versions(release: str, version: tuple[int, ...]) -> None:
    assert Kernel(release, "", None, None).version == version


def test_a_service_that_its_socket_starts(machine: Machine) -> None:
    machine.add_service("libvirtd.service")
    machine.link(
        "etc/systemd/system/sockets.target.wants/libvirtd.socket",
        "usr/lib/systemd/system/libvirtd.socket",
    )
    libvirt = read_services(machine.host)["libvirt"]
    assert libvirt == Service("libvirtd.service", enabled=True, running=False)


def test_a_service_that_is_installed_beside_the_one_in_use(machine: Machine) -> None:
    machine.add_service("libvirtd.service")
    machine.add_service("virtqemud.service", enabled=True)
    assert read_services(machine.host)["libvirt"].unit == "virtqemud.service"


def test_a_masked_service(machine: Machine) -> None:
    machine.add_service("qat.service")
    (machine.root / WANTS).mkdir(parents=True)
    (machine.root / WANTS / "qat.service").symlink_to("/dev/null")
    assert not read_services(machine.host)["qat"].enabled


def test_services(machine: Machine) -> None:
    machine.add_service("virtqemud.service", enabled=True, running=True)
    machine.add_service("qat_service.service")
    assert read_services(machine.host) == {
        "qat": Service("qat_service.service", enabled=False, running=False),
        "libvirt": Service("virtqemud.service", enabled=True, running=True),
        "nvidia-gridd": Service(None, enabled=False, running=False),
    }


def test_the_first_that_is_installed_counts(machine: Machine) -> None:
    machine.add_service("virtqemud.service", running=True)
    machine.add_service("libvirtd.service", enabled=True)
    libvirt = read_services(machine.host)["libvirt"]
    assert libvirt == Service("libvirtd.service", enabled=True, running=False)


@pytest.mark.parametrize(
    ("path", "content", "running"),
    [
        ("system.slice/qat.service/cgroup.events", "populated 1\nfrozen 0\n", True),
        ("system.slice/qat.service/cgroup.events", "populated 0\nfrozen 0\n", False),
        ("systemd/system.slice/qat.service/cgroup.procs", "812\n", True),
        ("systemd/system.slice/qat.service/cgroup.procs", "", False),
        ("system.slice/other.service/cgroup.procs", "812\n", False),
    ],
)
def test_control_groups(machine: Machine, path: str, content: str, *, running: bool) -> None:
    machine.add_service("qat.service")
    machine.write(f"sys/fs/cgroup/{path}", content)
    assert read_services(machine.host)["qat"].running == running


@pytest.mark.parametrize(
    "folder", ["etc/systemd/system", "run/systemd/system", "lib/systemd/system"]
)
def test_where_units_stand(machine: Machine, folder: str) -> None:
    machine.write(f"{folder}/qat.service", "[Service]\n")
    assert read_services(machine.host)["qat"].unit == "qat.service"
