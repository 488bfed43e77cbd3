# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which software makes QAT devices usable."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import FAMILIES
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_software.choice import (
    METHODS,
    Choice,
    choose,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_software.state import observe
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF, RELEASE

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SECOND = "0000:03:00.0"
LATER = sorted(name for name, row in FAMILIES.items() if row.has_services)
EARLIER = sorted(name for name, row in FAMILIES.items() if not row.has_services)
PACKAGED = sorted(name for name, row in FAMILIES.items() if row.config_prefix)
IN_TREE = sorted(name for name, row in FAMILIES.items() if row.in_tree_since)


def chosen(
    machine: Machine, method: str = "auto", *, guest: bool = False, archive: bool = False
) -> Choice:
    return choose(observe(machine.host), method, guest=guest, has_archive=archive)


def refusal(machine: Machine, method: str = "auto", **options: bool) -> str:
    with pytest.raises(RefusedError) as caught:
        chosen(machine, method, **options)
    return str(caught.value)


def add_vf(machine: Machine, family: str = "4xxx", *, group: int | None = 3) -> None:
    """Have a guest's VF."""
    machine.add_function(PF, FAMILIES[family].vf_id, group=group)


# -- nothing to do ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_host_without_devices(machine: Machine, method: str) -> None:
    assert chosen(machine, method) == Choice("none", "it has no QAT device")


@pytest.mark.parametrize("method", METHODS)
def test_a_host_whose_cards_are_all_guests(machine: Machine, method: str) -> None:
    machine.add_pf("c62x", driver="vfio-pci")
    machine.add_pf("4xxx", SECOND, driver="qat_vfio_pci")
    assert chosen(machine, method) == Choice("none", "its PFs are all passed through whole")


@pytest.mark.parametrize("method", METHODS)
def test_a_guest_without_devices(machine: Machine, method: str) -> None:
    told = refusal(machine, method, guest=True)
    assert told.startswith("this guest has no QAT device: look on the host of this guest")


# -- by itself -------------------------------------------------------------------------------


@pytest.mark.parametrize("family", LATER)
@pytest.mark.parametrize("archive", [False, True])
def test_later_ones_take_qatlib(machine: Machine, family: str, *, archive: bool) -> None:
    machine.add_pf(family)
    choice = chosen(machine, archive=archive)
    assert choice.method == "qatlib"
    assert choice.why == (f"{PF} (PF of {family}) is of generation {FAMILIES[family].generation}")


@pytest.mark.parametrize("family", EARLIER)
def test_earlier_ones_take_the_package_where_there_is_one(machine: Machine, family: str) -> None:
    machine.add_function(PF, FAMILIES[family].pf_id)
    if family in PACKAGED:
        choice = chosen(machine, archive=True)
        assert choice.method == "package"
        assert (
            choice.why == f"qatlib does not support {PF} (PF of {family}), and an archive was given"
        )
    else:
        told = refusal(machine, archive=True)
        assert told.startswith(f"the vendor's package has no driver for {PF} (PF of {family})")


@pytest.mark.parametrize("family", EARLIER)
def test_earlier_ones_take_the_driver_without(machine: Machine, family: str) -> None:
    row = FAMILIES[family]
    machine.add_function(PF, row.pf_id)
    told = refusal(machine)
    assert told.startswith(f"kernel {RELEASE} has no driver for {PF} (PF of {family}), module ")
    # Only ways that there are.
    assert (f"Linux {row.in_tree_since} and later" in told) == (family in IN_TREE)
    assert ("method package" in told) == (family in PACKAGED)
    assert "the whole card for one guest" in told
    if row.driver:
        machine.add_driver(row.driver, row.module)
        choice = chosen(machine)
        assert choice == Choice(
            "driver", f"qatlib does not support {PF} (PF of {family}), and no archive was given"
        )


def test_both_beside_each_other(machine: Machine) -> None:
    machine.add_pf("c62x")
    machine.add_pf("4xxx", SECOND)
    assert chosen(machine).method == "qatlib"
    told = refusal(machine, archive=True)
    assert told == (
        f"{SECOND} (PF of 4xxx) takes qatlib and {PF} (PF of c62x) the vendor's package, and both "
        "at once can crash a host: choose qatlib, package or driver as the method"
    )
    for method in ("qatlib", "package", "driver"):
        assert chosen(machine, method, archive=True).method == method
    # What a guest has whole does not count.
    machine.bind(PF, "vfio-pci")
    assert chosen(machine, archive=True).method == "qatlib"
    machine.bind(PF, "c6xx")
    machine.bind(SECOND, "vfio-pci")
    assert chosen(machine, archive=True).method == "package"


@pytest.mark.parametrize("family", LATER)
def test_a_kernel_without_drivers_of_generation_4(machine: Machine, family: str) -> None:
    machine.add_pf(family, driver=None)
    for method in ("auto", "qatlib", "driver"):
        told = refusal(machine, method)
        assert f"has no driver for {PF} (PF of {family}), module {FAMILIES[family].module}" in told
        assert f"(Linux {FAMILIES[family].in_tree_since} and later can" in told
        assert ("method package" in told) == (family in PACKAGED)
        assert "the whole card for one guest" in told
    machine.add_module(FAMILIES[family].module)
    assert chosen(machine).method == "qatlib"


# -- in a guest ------------------------------------------------------------------------------


@pytest.mark.parametrize("family", LATER)
def test_a_guest_needs_no_driver_for_qatlib(machine: Machine, family: str) -> None:
    add_vf(machine, family)
    assert chosen(machine, guest=True).method == "qatlib"
    # Nor does it matter that the VF is on VFIO: that is how qatlib has it.
    machine.bind(PF, "vfio-pci")
    assert chosen(machine, guest=True).method == "qatlib"


def test_a_guest_without_an_iommu(machine: Machine) -> None:
    add_vf(machine, group=None)
    for method in ("auto", "qatlib"):
        told = refusal(machine, method, guest=True)
        assert told.startswith(f"{PF} (VF of 4xxx) has no IOMMU group, which qatlib needs")


def test_a_guest_with_a_vf_of_generation_1(machine: Machine) -> None:
    add_vf(machine, "c62x", group=None)
    told = refusal(machine, guest=True)
    assert told.startswith(f"kernel {RELEASE} has no driver for {PF} (VF of c62x)")
    assert "the whole card" not in told
    machine.add_module("qat_c62xvf")
    assert chosen(machine, guest=True).method == "driver"
    assert chosen(machine, guest=True, archive=True).method == "package"


def test_a_guest_whose_kernel_can_have_no_driver(machine: Machine) -> None:
    add_vf(machine, "420xx")
    told = refusal(machine, "driver", guest=True)
    # Linux has none for VFs of generation 4 and later.
    assert told.endswith("Ways: none that is known here")


def test_a_guest_with_a_whole_card(machine: Machine) -> None:
    machine.add_pf("4xxx")
    machine.bind(PF, "vfio-pci")
    assert chosen(machine, guest=True).method == "qatlib"


# -- as it was asked for ---------------------------------------------------------------------


def test_what_was_asked_for(machine: Machine) -> None:
    machine.add_pf("4xxx")
    for method in ("qatlib", "driver"):
        assert chosen(machine, method) == Choice(method, "it was asked for")
    assert chosen(machine, "package", archive=True) == Choice("package", "it was asked for")
    assert "no archive of it was given" in refusal(machine, "package")


def test_qatlib_for_earlier_ones(machine: Machine) -> None:
    machine.add_pf("c62x")
    assert refusal(machine, "qatlib") == (
        f"qatlib does not support {PF} (PF of c62x) (generation 1.7): it is for generation 4 and "
        "later; choose the vendor's package, or the driver alone"
    )


def test_a_package_that_has_no_driver(machine: Machine) -> None:
    machine.add_pf("420xx", driver=None)
    told = refusal(machine, "package", archive=True)
    assert told.endswith(f"kernel {RELEASE} has to have it (module qat_420xx)")


def test_every_device_is_looked_at(machine: Machine) -> None:
    machine.add_pf("4xxx")
    machine.add_pf("420xx", SECOND, driver=None)
    for method in ("auto", "qatlib", "driver"):
        assert f"has no driver for {SECOND}" in refusal(machine, method)
    assert f"no driver for {SECOND}" in refusal(machine, "package", archive=True)
