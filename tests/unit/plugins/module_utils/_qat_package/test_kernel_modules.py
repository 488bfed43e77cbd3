# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules: those of the package, those of the kernel's own tree, and signatures."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_package.kernel_modules import (
    find_built,
    is_newer,
    is_signed,
    module_name,
    newest_kernel,
    read_installed,
    read_loaded,
    render_blacklist,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import RELEASE

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine


def test_the_blacklist_names_every_driver_once() -> None:
    lines = render_blacklist().decode().splitlines()
    names = [line.split()[1] for line in lines if not line.startswith("#")]
    assert names[0] == "intel_qat"
    assert names[1:] == sorted(set(names[1:]))
    assert {"qat_c62x", "qat_c62xvf", "qat_4xxx", "qat_420xx", "qat_d15xxvf"} < set(names)
    # Only the package has this one, and nothing loads it for a device.
    assert "usdm_drv" not in names


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("updates/drivers/crypto/qat/qat_common/intel_qat.ko", "intel_qat"),
        ("kernel/drivers/crypto/qat-4xxx.ko.xz", "qat_4xxx"),
        ("a/usdm_drv.ko.zst", "usdm_drv"),
        ("usdm_drv.ko.gz", "usdm_drv"),
        ("intel_qat.ko.bak", None),
        ("intel_qat", None),
    ],
)
def test_names(path: str, name: str | None) -> None:
    assert module_name(path) == name


def test_installed_modules_are_those_from_elsewhere(machine: Machine) -> None:
    paths = [
        "kernel/drivers/crypto/intel/qat/qat_420xx/qat_420xx.ko.xz",
        "updates/drivers/crypto/qat/qat_common/intel_qat.ko",
        "kernel/drivers/usdm_drv.ko",
        "updates/dkms/other.ko",
        "updates/gone/qat_4xxx.ko",
    ]
    for path in paths[:-1]:
        machine.write(f"{machine.modules}/{path}", "")
    machine.write(f"{machine.modules}/modules.dep", "".join(f"{path}: a.ko\n" for path in paths))
    found = read_installed(machine.host, RELEASE)
    assert list(found) == [f"/{machine.modules}/{path}" for path in paths[1:3]]
    assert read_installed(machine.host, "6.2.0") == {}


def test_loaded_modules(machine: Machine) -> None:
    machine.write("sys/module/intel_qat/refcnt", "3\n")
    machine.write("sys/module/intel_qat/holders/qat_c62x", "")
    machine.write("sys/module/qat_c62x/refcnt", "0\n")
    machine.write("sys/module/usdm_drv/taint", "OE\n")
    machine.write("sys/module/ext4/refcnt", "1\n")
    machine.write(f"{machine.modules}/modules.builtin", "kernel/drivers/crypto/intel_qat.ko\n")
    driver, helper, core = read_loaded(machine.host, RELEASE)
    assert (driver.name, driver.in_tree, driver.is_used) == ("qat_c62x", True, False)
    assert (helper.name, helper.in_tree, helper.built_in) == ("usdm_drv", False, False)
    assert (core.name, core.users, core.is_used, core.built_in) == ("intel_qat", 3, True, True)


def test_a_negative_count_is_none(machine: Machine) -> None:
    machine.write("sys/module/qat_c62x/refcnt", "-1\n")
    [driver] = read_loaded(machine.host, RELEASE)
    assert driver.users == 0


def test_signatures(machine: Machine) -> None:
    machine.write("a.ko", b"\x7fELF...~Module signature appended~\n")
    machine.write("b.ko", b"\x7fELF")
    found = [is_signed(machine.host, path) for path in ("/a.ko", "/b.ko", "/none.ko", "/a.ko.xz")]
    assert found == [True, False, False, None]


def test_built_modules_are_found_without_links(machine: Machine) -> None:
    for path in ("src/build/b.ko", "src/drivers/qat/a.ko", "src/drivers/qat/a.o", "src/Makefile"):
        machine.write(path, "")
    machine.link("src/loop", "src")
    assert sorted(find_built(machine.host, "/src")) == ["/src/build/b.ko", "/src/drivers/qat/a.ko"]


def test_the_newest_kernel(machine: Machine) -> None:
    assert newest_kernel(machine.host) is None
    for release in ("6.1.0-9-amd64", "6.1.0-18-amd64"):
        machine.write(f"lib/modules/{release}/modules.dep", "")
    machine.write("lib/modules/6.12.0/build", "")
    assert newest_kernel(machine.host) == "6.1.0-18-amd64"
    assert is_newer("6.1.0-18-amd64", "6.1.0-9-amd64")
    assert not is_newer("6.1.0-9-amd64", "6.1.0-9-amd64")
