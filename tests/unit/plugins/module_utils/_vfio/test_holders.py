# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds a function: found by what a process has open, by libvirt, by its driver."""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_functions
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.holders import (
    Holder,
    find_open,
    is_vfio_driver,
    read_holders,
    uses_it_itself,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import OTHER, PF

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.holders import Node
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SECOND, THIRD = "0000:02:00.0", "0000:03:00.0"


def holder_of(host: Host, address: str = PF) -> Holder | None:
    functions = read_functions(host)
    return read_holders(host, functions.values()).of(functions[PciAddress.parse(address)])


@pytest.fixture
def card(machine: Machine) -> Machine:
    machine.add_function(PF, OTHER, driver="vfio-pci", group=7)
    return machine


def test_nobody(card: Machine) -> None:
    card.open("/dev/null")
    card.open("socket:[123]")
    card.open("/dev/vfio/70")
    card.open("/dev/vfio/vfio")
    assert holder_of(card.host) is None


def test_a_process_with_the_group_open(card: Machine) -> None:
    card.open("/dev/null", pid=41)
    card.open("/dev/null", pid=42, name="dpdk-testpmd")
    card.open("/dev/vfio/7", pid=42, name="dpdk-testpmd")
    holder = holder_of(card.host)
    assert holder == Holder("process", "dpdk-testpmd", 42)
    assert holder.keeps_it_open
    assert str(holder) == "process dpdk-testpmd (pid 42)"
    assert holder.as_result() == {"kind": "process", "name": "dpdk-testpmd", "pid": 42}


def test_a_process_with_the_device_of_iommufd_open(card: Machine) -> None:
    card.write(f"{card.device(PF)}/vfio-dev/vfio3/dev", "511:3\n")
    card.open("/dev/vfio/devices/vfio4", pid=41)
    assert holder_of(card.host) is None
    card.open("/dev/vfio/devices/vfio3", pid=42)
    assert holder_of(card.host) == Holder("process", "qemu-system-x86", 42)


def test_a_process_for_which_the_kernel_waits(card: Machine) -> None:
    # Seen on Linux 6.12: while sriov_numvfs=0 waits for it, the VF has no link to its driver.
    card.bind(PF, None)
    card.open("/dev/vfio/7", pid=42)
    assert holder_of(card.host) is None
    card.write("dev/vfio/7", "")
    assert holder_of(card.host) == Holder("process", "qemu-system-x86", 42)


class NumberedHost(Host):
    """A tree with device numbers, which only root can make."""

    def __init__(self, machine: Machine, numbers: dict[str, int]) -> None:
        """Give numbers to paths."""
        super().__init__(machine.root)
        self.numbers = numbers

    def device_node(self, path: str) -> tuple[bool, int, int] | None:
        """Return the number of a node, or of what a process has open."""
        number = self.numbers.get(self.link_target(path) or path)
        return None if number is None else (False, 240, number)


def test_a_node_that_a_container_names_otherwise(card: Machine) -> None:
    card.open("/data/group", pid=42)
    card.open("/data/other", pid=41)
    numbers = {"/dev/vfio/7": 0xF1, "/data/group": 0xF1, "/data/other": 0xF2}
    assert holder_of(NumberedHost(card, numbers)) == Holder("process", "qemu-system-x86", 42)
    assert holder_of(NumberedHost(card, {**numbers, "/data/group": 0xF3})) is None


def test_a_node_without_a_number_is_not_every_file(card: Machine) -> None:
    card.open("/etc/passwd", pid=42)
    assert holder_of(NumberedHost(card, {})) is None


def test_a_process_that_ends_meanwhile(card: Machine) -> None:
    (card.root / "proc/41").mkdir()
    card.open("/dev/vfio/7", pid=42)
    card.at("proc/42/comm").unlink()
    assert holder_of(card.host) == Holder("process", "?", 42)


def test_a_process_of_another_user(card: Machine) -> None:
    class Private(Host):
        def names(self, path: str) -> list[str]:
            if path == "/proc/41/fd":
                raise HostError.from_os("list", path, errno.EACCES)
            return super().names(path)

    card.open("/dev/vfio/7", pid=41)
    assert holder_of(Private(card.root)) is None
    card.open("/dev/vfio/7", pid=42)
    assert holder_of(Private(card.root)) == Holder("process", "qemu-system-x86", 42)


def test_a_running_domain_comes_before_its_process(card: Machine) -> None:
    card.open("/dev/vfio/7", pid=42)
    card.add_domain("guest", PF, pid=42)
    holder = holder_of(card.host)
    assert holder == Holder("domain", "guest", 42)
    assert holder.keeps_it_open


def test_a_process_comes_before_a_stopped_domain(card: Machine) -> None:
    card.add_domain("guest", PF)
    assert holder_of(card.host) == Holder("domain", "guest", None)
    card.open("/dev/vfio/7", pid=42)
    assert holder_of(card.host) == Holder("process", "qemu-system-x86", 42)


def test_a_stopped_domain_keeps_nothing_open(card: Machine) -> None:
    card.add_domain("guest", PF)
    holder = holder_of(card.host)
    assert holder is not None
    assert not holder.keeps_it_open
    assert str(holder) == "domain guest"


def test_a_running_domain_comes_before_another_that_is_stopped(card: Machine) -> None:
    card.add_domain("a-runs", PF, pid=9)
    card.add_domain("z-stopped", PF)
    assert holder_of(card.host) == Holder("domain", "a-runs", 9)


def test_a_driver_that_uses_its_device(machine: Machine) -> None:
    machine.add_function(PF, OTHER, driver="native", group=7)
    assert holder_of(machine.host) == Holder("driver", "native", None)
    # A domain that is defined with it has the better claim.
    machine.add_domain("guest", PF)
    assert holder_of(machine.host) == Holder("domain", "guest", None)


@pytest.mark.parametrize(
    ("driver", "vfio", "uses"),
    [
        (None, False, False),
        ("native", False, True),
        ("pci-stub", False, False),
        ("xen-pciback", False, False),
        ("vfio-pci", True, False),
        ("qat_vfio_pci", True, False),
        ("mlx5_vfio_pci", True, False),
        ("myvfiodriver", False, True),
    ],
)
def test_drivers(machine: Machine, driver: str | None, *, vfio: bool, uses: bool) -> None:
    assert is_vfio_driver(driver) == vfio
    assert uses_it_itself(driver) == uses
    machine.add_function(PF, OTHER, driver=driver, group=7)
    machine.open("/dev/vfio/7", pid=42)
    expected = Holder("driver", str(driver)) if uses else None
    assert holder_of(machine.host) == (
        Holder("process", "qemu-system-x86", 42) if vfio else expected
    )


def test_processes_are_not_read_where_nothing_is_on_vfio(machine: Machine) -> None:
    class Quiet(Host):
        def names(self, path: str) -> list[str]:
            assert path != "/proc"
            return super().names(path)

    machine.add_function(PF, OTHER, driver="native", group=7)
    assert holder_of(Quiet(machine.root)) is not None


@pytest.fixture
def uio(machine: Machine) -> Machine:
    machine.add_function(PF, OTHER, driver="uio_pci_generic", group=7)
    machine.add_node("uio", "uio0", PF, dev="240:0")
    machine.add_function(SECOND, OTHER, driver="igb_uio", group=8)
    machine.add_node("uio", "uio1", SECOND, dev="240:1")
    machine.add_node("uio", "uio2", SECOND, dev="240:2")
    return machine


def test_a_process_with_a_node_of_uio_open(uio: Machine) -> None:
    assert holder_of(uio.host) == Holder("driver", "uio_pci_generic")
    uio.open("/dev/uio2", pid=42, name="dpdk-testpmd")
    assert holder_of(uio.host) == Holder("driver", "uio_pci_generic")
    assert holder_of(uio.host, SECOND) == Holder("process", "dpdk-testpmd", 42)
    uio.add_domain("guest", PF)
    assert holder_of(uio.host) == Holder("domain", "guest")
    uio.open("/dev/uio0", pid=43, name="spdk")
    assert holder_of(uio.host) == Holder("process", "spdk", 43)
    uio.add_domain("guest", PF, pid=9)
    assert holder_of(uio.host) == Holder("domain", "guest", 9)


def test_a_node_of_uio_that_a_container_names_otherwise(uio: Machine) -> None:
    uio.open("/data/queue", pid=42)
    # The node of the host need not be there: sysfs has its number.
    assert holder_of(NumberedHost(uio, {"/data/queue": 0})) == Holder(
        "process", "qemu-system-x86", 42
    )
    assert holder_of(NumberedHost(uio, {"/data/queue": 3})) == Holder("driver", "uio_pci_generic")


def test_processes_are_read_once_for_vfio_and_uio(uio: Machine) -> None:
    class Counting(Host):
        passes = 0

        def names(self, path: str) -> list[str]:
            self.passes += path == "/proc"
            return super().names(path)

    uio.add_function(THIRD, OTHER, driver="vfio-pci", group=9)
    host = Counting(uio.root)
    assert holder_of(host) == Holder("driver", "uio_pci_generic")
    assert host.passes == 1


# -- other nodes ---------------------------------------------------------------------------------


def test_who_has_nodes_open(machine: Machine) -> None:
    machine.open("/dev/dri/card0", pid=41, name="Xorg")
    machine.open("/dev/dri/card0", pid=42, name="second")
    machine.open("/dev/sda", pid=43, name="mkfs")
    host = NumberedHost(machine, {"/dev/dri/card0": 0, "/dev/sda": 1})
    wanted: list[Node] = [(False, 240, 0), (False, 240, 2), (True, 240, 1)]
    # A block device and a character device may have the same number.
    assert find_open(host, wanted) == {(False, 240, 0): Holder("process", "Xorg", 41)}
    assert find_open(host, [(False, 240, 1)]) == {(False, 240, 1): Holder("process", "mkfs", 43)}


def test_processes_are_not_read_for_no_nodes(machine: Machine) -> None:
    class Quiet(Host):
        def names(self, path: str) -> list[str]:
            raise AssertionError(path)

    assert find_open(Quiet(machine.root), []) == {}
