# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drivers of PCI functions, and the kernel modules that have them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress, PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.drivers import (
    Alias,
    is_in_tree,
    is_registered,
    kernel_release,
    module_available,
    modules_for,
    native_driver,
    native_modules,
    read_aliases,
    read_modalias,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import (
    PciFunction,
    read_functions,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, PF, RELEASE

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

NVME = PciId(0x144D, 0xA808)
NVME_MODALIAS = "v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02"
BY_CLASS = "alias pci:v*d*sv*sd*bc01sc08i02* nvme"
BY_ID = "alias pci:v0000144Dd0000A808sv*sd*bc*sc*i* nvme_quirk"
ALIASES = f"lib/modules/{RELEASE}/modules.alias"


def disk(machine: Machine, *lines: str) -> PciFunction:
    """Add an NVMe disk, and lines to modules.alias."""
    machine.add_function(PF, NVME, class_code=0x010802)
    machine.write(f"{machine.device(PF)}/modalias", f"pci:{NVME_MODALIAS}\n")
    machine.write(ALIASES, "".join(f"{line}\n" for line in lines))
    return read_functions(machine.host)[PciAddress.parse(PF)]


# -- modules -------------------------------------------------------------------------------------


def test_the_release(machine: Machine) -> None:
    assert kernel_release(machine.host) == RELEASE
    machine.at("proc/sys/kernel/osrelease").unlink()
    assert kernel_release(machine.host) == ""


@pytest.mark.parametrize("file", ["modules.dep", "modules.builtin"])
@pytest.mark.parametrize(
    ("line", "module", "available"),
    [
        ("kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko", "vfio_pci", True),
        ("kernel/drivers/vfio/pci/vfio-pci.ko", "vfio-pci", True),
        ("kernel/drivers/vfio/pci/vfio-pci.ko.xz:", "vfio_pci", True),
        ("updates/dkms/vfio-pci.ko.zst:", "vfio_pci", True),
        ("kernel/drivers/vfio/pci/qat/qat_vfio_pci.ko:", "qat_vfio_pci", True),
        ("kernel/drivers/vfio/pci/qat/qat_vfio_pci.ko:", "qat-vfio-pci", True),
        ("kernel/drivers/vfio/pci/hisilicon/hisi-acc-vfio-pci.ko:", "hisi_acc_vfio_pci", True),
        ("kernel/drivers/vfio/pci/vfio-pci-core.ko:", "vfio_pci", False),
        ("kernel/drivers/vfio/pci/mlx5/mlx5-vfio-pci.ko:", "vfio_pci", False),
        ("kernel/drivers/vfio/pci/vfio-pci.ko:", "vfio", False),
        ("", "vfio_pci", False),
        ("kernel/drivers/vfio/pci/vfio-pci.ko:", None, False),
    ],
)
def test_is_a_module_there(
    machine: Machine, file: str, line: str, module: str | None, *, available: bool
) -> None:
    assert not module_available(machine.host, RELEASE, module)
    machine.write(f"lib/modules/{RELEASE}/{file}", f"{line}\n")
    assert module_available(machine.host, RELEASE, module) == available
    # Of another kernel it does not count.
    assert not module_available(machine.host, "6.12.0", module)


def test_registered(machine: Machine) -> None:
    machine.add_driver("vfio-pci", "vfio_pci")
    assert is_registered(machine.host, "vfio-pci")
    assert not is_registered(machine.host, "vfio_pci")
    assert not is_registered(machine.host, None)


@pytest.mark.parametrize(
    ("taint", "in_tree"),
    [("", True), ("OE", False), ("O", False), ("POE", False), ("E", True), ("CE", True)],
)
def test_in_tree_by_the_taint(machine: Machine, taint: str, *, in_tree: bool) -> None:
    machine.add_driver(str(C62X.driver), C62X.module)
    machine.write(f"sys/module/{C62X.module}/taint", f"{taint}\n")
    assert is_in_tree(machine.host, C62X.driver) == in_tree


def test_in_tree_without_a_taint(machine: Machine) -> None:
    # Built in, not loaded, or none at all.
    machine.add_driver("ahci")
    for driver in ("ahci", "absent", None):
        assert is_in_tree(machine.host, driver)
    machine.add_driver("nvme", "nvme")
    machine.at("sys/module/nvme/taint").unlink()
    assert is_in_tree(machine.host, "nvme")


# -- modules.alias -------------------------------------------------------------------------------


def test_aliases_in_the_order_of_the_file(machine: Machine) -> None:
    machine.write(
        ALIASES,
        "# Aliases extracted from modules themselves.\n"
        "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n"
        "alias pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_core\n"
        "alias cpu:type:x86,ven*fam*mod*:feature:*00C0* kvm\n"
        "alias vfio_pci:v*d*sv*sd*bc*sc*i*\n"
        "alias vfio_pci: of three words\n"
        "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci",
    )
    assert read_aliases(machine.host, RELEASE, "vfio_pci:") == [
        Alias("v000015B3d0000101Esv*sd*bc*sc*i*", "mlx5_vfio_pci"),
        Alias("v*d*sv*sd*bc*sc*i*", "vfio_pci"),
    ]
    assert read_aliases(machine.host, RELEASE, "pci:v000015B3") == [
        Alias("v000015B3d0000101Esv*sd*bc*sc*i*", "mlx5_core")
    ]
    assert read_aliases(machine.host, RELEASE, "pci:v*") == []


def test_no_aliases(machine: Machine) -> None:
    assert read_aliases(machine.host, RELEASE, "pci:") == []
    machine.write(ALIASES, b"alias pci:\xff\xfe x\nalias pci:")
    assert [alias.module for alias in read_aliases(machine.host, RELEASE, "pci:")] == ["x"]


def test_wildcards() -> None:
    assert Alias("v*d*sv*sd*bc*sc*i*", "vfio_pci").wildcards == 7
    assert Alias("v0000144Dd0000A808sv*sd*bc*sc*i*", "nvme").wildcards == 5


def test_modules_by_how_close_they_are() -> None:
    aliases = [
        Alias("v*d*sv*sd*bc*sc*i*", "anything"),
        Alias("v0000144Dd*sv*sd*bc*sc*i*", "vendor"),
        Alias("v0000144Dd0000A808sv*sd*bc*sc*i*", "first"),
        Alias("v0000144Dd0000A808sv*sd*bc*sc*i*", "second"),
        Alias("v0000144Dd0000A809sv*sd*bc*sc*i*", "other"),
        Alias("v*d*sv*sd*bc01sc08i*", "vendor"),
    ]
    found = modules_for(NVME_MODALIAS, aliases)
    assert found == ["first", "second", "vendor", "anything"]
    assert modules_for("", aliases) == []


# -- what a function is --------------------------------------------------------------------------


def test_what_a_function_is(machine: Machine) -> None:
    function = disk(machine)
    assert read_modalias(machine.host, function) == NVME_MODALIAS
    # A recording may lack it; its subsystem is not known then.
    machine.at(f"{machine.device(PF)}/modalias").unlink()
    expected = "v0000144Dd0000A808sv00000000sd00000000bc01sc08i02"
    assert read_modalias(machine.host, function) == expected
    machine.write(f"{machine.device(PF)}/modalias", "acpi:PNP0A08:\n")
    assert read_modalias(machine.host, function) == expected


# -- the driver that the kernel would choose -----------------------------------------------------


def chosen(machine: Machine, function: PciFunction) -> str | None:
    modules = native_modules(machine.host, RELEASE, function)
    return native_driver(machine.host, modules)


def test_a_driver_by_class(machine: Machine) -> None:
    function = disk(machine, BY_CLASS)
    assert chosen(machine, function) is None
    machine.add_driver("nvme", "nvme")
    assert chosen(machine, function) == "nvme"


def test_a_driver_with_another_name_than_its_module(machine: Machine) -> None:
    machine.add_function(PF, C62X.pf_id)
    machine.write(ALIASES, f"alias pci:v00008086d000037C8sv*sd*bc*sc*i* {C62X.module}\n")
    machine.add_driver(str(C62X.driver), C62X.module)
    function = read_functions(machine.host)[PciAddress.parse(PF)]
    assert chosen(machine, function) == C62X.driver == "c6xx"


def test_one_that_is_loaded_before_one_that_is_not(machine: Machine) -> None:
    function = disk(machine, BY_CLASS, BY_ID)
    machine.add_driver("nvme", "nvme")
    assert chosen(machine, function) == "nvme"
    machine.add_driver("nvme-quirk", "nvme_quirk")
    assert chosen(machine, function) == "nvme-quirk"


def test_no_driver_is_for_it(machine: Machine) -> None:
    other = "alias pci:v00008086d000037C8sv*sd*bc*sc*i* qat_c62x"
    function = disk(machine, other, BY_CLASS.replace("sc08", "sc06"))
    machine.add_driver("c6xx", "qat_c62x")
    machine.add_driver("nvme", "nvme")
    assert chosen(machine, function) is None


def test_variants_of_vfio_are_no_drivers_of_the_host(machine: Machine) -> None:
    function = disk(machine, "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci")
    machine.add_driver("vfio-pci", "vfio_pci")
    assert chosen(machine, function) is None


def test_one_that_is_built_in_is_not_found(machine: Machine) -> None:
    function = disk(machine, BY_CLASS)
    machine.add_driver("nvme")
    assert chosen(machine, function) is None
