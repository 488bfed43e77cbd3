# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host uses a function for: networks, disks, displays, or its driver as such."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciId
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import read_functions
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.uses import HostUses, Use
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, OTHER, PF

if t.TYPE_CHECKING:
    from collections.abc import Collection

    from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.holders import Node
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SECOND = "0000:02:00.0"
NVIDIA = PciId(0x10DE, 0x21C4)
ROUTES = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
MOUNT = "29 1 {number} / {point} rw,relatime shared:1 - {kind} {source} rw\n"


class HostWithNodes(Host):
    """A tree with device nodes, which only root can make, some of them claimed."""

    def __init__(self, machine: Machine, nodes: dict[str, Node], claimed: Collection[str]) -> None:
        """Give kinds and numbers to paths."""
        super().__init__(machine.root)
        self.nodes = nodes
        self.claimed = claimed

    def device_node(self, path: str) -> Node | None:
        """Return that of a node, or of what a process has open."""
        return self.nodes.get(self.link_target(path) or path)

    def is_claimed(self, path: str) -> bool:
        """Tell it of those that are."""
        return path in self.claimed


def uses(
    machine: Machine,
    address: str = PF,
    *,
    nodes: dict[str, Node] | None = None,
    claimed: Collection[str] = (),
) -> list[Use]:
    host = HostWithNodes(machine, nodes or {}, claimed)
    found = HostUses(host, read_functions(host).values()).read()
    return [use for at, each in found.items() for use in each if str(at) == address]


def told(machine: Machine, address: str = PF, *, nodes: dict[str, Node] | None = None) -> list[str]:
    return [str(use) for use in uses(machine, address, nodes=nodes)]


def folder_of(machine: Machine, address: str) -> str:
    """Return where sysfs has a function, no link in between."""
    return str(machine.at(machine.device(address)).relative_to(machine.root))


def shows(
    machine: Machine,
    kind: str,
    name: str,
    *,
    number: str | None = None,
    below: str = "",
    address: str = PF,
) -> str:
    """Let the driver of a function show what it made, and return where that is in sysfs."""
    folder = f"{folder_of(machine, address)}/{below}{kind}/{name}"
    machine.write(f"{folder}/uevent", "")
    if number is not None:
        machine.write(f"{folder}/dev", f"{number}\n")
    machine.link(f"sys/class/{kind}/{name}", folder)
    return folder


def mount(machine: Machine, number: str, source: str, kind: str = "ext4") -> None:
    lines = MOUNT.format(number="0:22", point="/proc", kind="proc", source="proc")
    lines += MOUNT.format(number=number, point="/srv", kind=kind, source=source)
    machine.write("proc/self/mountinfo", lines)


# -- drivers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        (None, []),
        ("vfio-pci", []),
        ("mlx5_vfio_pci", []),
        ("pci-stub", []),
        ("xen-pciback", []),
        ("xhci_hcd", ["driver xhci_hcd"]),
        ("snd_hda_intel", ["driver snd_hda_intel"]),
    ],
)
def test_a_driver_that_shows_nothing(
    machine: Machine, driver: str | None, expected: list[str]
) -> None:
    machine.add_function(PF, OTHER, driver=driver)
    assert told(machine) == expected
    assert not any(use.vital for use in uses(machine))


def test_nothing_is_read_where_no_driver_is(machine: Machine) -> None:
    class Quiet(Host):
        """Has no classes to list."""

        def names(self, path: str) -> list[str]:
            assert not path.startswith(("/sys/class", "/proc"))
            return super().names(path)

    machine.add_function(PF, OTHER, driver="vfio-pci")
    host = Quiet(machine.root)
    assert HostUses(host, read_functions(host).values()).read() == {}


def test_each_function_has_its_own(machine: Machine) -> None:
    machine.add_function(PF, OTHER, driver="e1000e", class_code=0x020000)
    machine.add_function(SECOND, OTHER, driver="e1000e", class_code=0x020000)
    shows(machine, "net", "eth0")
    shows(machine, "net", "eth1", address=SECOND)
    machine.write("proc/net/route", f"{ROUTES}eth1\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\n")
    assert told(machine) == []
    assert told(machine, SECOND) == ["network interface eth1 with addresses and routes"]


# -- networks ------------------------------------------------------------------------------------


@pytest.fixture
def nic(machine: Machine) -> Machine:
    machine.add_function(PF, OTHER, driver="e1000e", class_code=0x020000)
    shows(machine, "net", "eth0")
    machine.write("proc/net/route", ROUTES)
    machine.write("sys/devices/virtual/net/lo/uevent", "")
    machine.link("sys/class/net/lo", "sys/devices/virtual/net/lo")
    return machine


def test_an_interface_without_use(nic: Machine) -> None:
    assert told(nic) == []
    nic.at("proc/net/route").unlink()
    assert told(nic) == []


@pytest.mark.parametrize(
    ("name", "used"), [("eth0", True), ("eth00", False), ("eth", False), ("eth0.5", False)]
)
def test_routes(nic: Machine, name: str, *, used: bool) -> None:
    line = f"{name}\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"
    nic.write("proc/net/route", ROUTES + line)
    assert told(nic) == (["network interface eth0 with addresses and routes"] if used else [])


@pytest.mark.parametrize(
    ("scope", "name", "used"),
    [
        ("00", "eth0", True),
        ("40", "eth0", True),
        # Every interface that is up gives itself one of these.
        ("20", "eth0", False),
        ("00", "eth1", False),
        ("10", "lo", False),
    ],
)
def test_ipv6(nic: Machine, scope: str, name: str, *, used: bool) -> None:
    line = f"20010db8000000000000000000000001 02 40 {scope} 80 {name:>8}\nshort line\n"
    nic.write("proc/net/if_inet6", line)
    assert told(nic) == (["network interface eth0 with IPv6 addresses"] if used else [])


@pytest.mark.parametrize(
    ("link", "used"),
    [("master", True), ("upper_vlan5", True), ("lower_eth9", False), ("queues", False)],
)
def test_what_stands_on_an_interface(nic: Machine, link: str, *, used: bool) -> None:
    nic.link(f"{folder_of(nic, PF)}/net/eth0/{link}", "sys/devices/virtual/net/br0")
    assert told(nic) == (["network interface eth0 below a bridge, bond or VLAN"] if used else [])


def test_an_interface_that_a_container_has(nic: Machine) -> None:
    # It is in no class of this network namespace, so its driver counts.
    nic.at("sys/class/net").joinpath("eth0").unlink()
    assert told(nic) == ["driver e1000e"]


def test_a_device_behind_a_bus_of_its_own(machine: Machine) -> None:
    machine.add_function(PF, PciId(0x1AF4, 0x1041), driver="virtio-pci", class_code=0x020000)
    shows(machine, "net", "eth0", below="virtio0/")
    assert told(machine) == []


def test_rdma(nic: Machine) -> None:
    shows(nic, "infiniband", "mlx5_0")
    assert uses(nic) == [Use("RDMA device mlx5_0")]


# -- disks ---------------------------------------------------------------------------------------


@pytest.fixture
def disk(machine: Machine) -> Machine:
    """Return a machine with an NVMe disk of two partitions."""
    machine.add_function(PF, OTHER, driver="nvme", class_code=0x010802)
    shows(machine, "nvme", "nvme0", number="240:0")
    below = "nvme/nvme0/"
    shows(machine, "block", "nvme0n1", number="259:0", below=below)
    shows(machine, "block", "nvme0n1p1", number="259:1", below=below)
    shows(machine, "block", "nvme0n1p2", number="259:2", below=below)
    machine.write("proc/swaps", SWAPS)
    mount(machine, "8:1", "/dev/sda1")
    return machine


def test_a_disk_without_use(disk: Machine) -> None:
    assert told(disk) == []
    disk.at("proc/swaps").unlink()
    disk.at("proc/self/mountinfo").unlink()
    assert told(disk) == []


@pytest.mark.parametrize(
    ("number", "source", "kind", "name"),
    [
        ("259:1", "/dev/nvme0n1p1", "ext4", "nvme0n1p1"),
        ("259:0", "/dev/nvme0n1", "xfs", "nvme0n1"),
        ("259:2", "/dev/root", "ext4", "nvme0n1p2"),
        ("259:2", "/dev/disk/by-uuid/1234", "vfat", "nvme0n1p2"),
        # Btrfs has numbers that no disk has.
        ("0:30", "/dev/nvme0n1p2", "btrfs", "nvme0n1p2"),
    ],
)
def test_a_mounted_disk(disk: Machine, number: str, source: str, kind: str, name: str) -> None:
    mount(disk, number, source, kind)
    assert uses(disk) == [Use(f"disk {name}, which is mounted", vital=True)]


@pytest.mark.parametrize(
    ("number", "source"), [("259:10", "/dev/nvme0n1p10"), ("25:91", "/dev/x"), ("0:30", "nvme0n1")]
)
def test_another_mounted_disk(disk: Machine, number: str, source: str) -> None:
    mount(disk, number, source)
    assert uses(disk) == []


def test_swap_space(disk: Machine) -> None:
    line = "/dev/nvme0n1p2                          partition\t8388604\t\t0\t\t-2\n"
    disk.write("proc/swaps", SWAPS + line.replace("p2 ", "p20"))
    assert uses(disk) == []
    disk.write("proc/swaps", SWAPS + line)
    assert uses(disk) == [Use("disk nvme0n1p2, which is swap space", vital=True)]


def test_a_part_of_a_volume_or_an_array(disk: Machine) -> None:
    folder = f"{folder_of(disk, PF)}/nvme/nvme0/block/nvme0n1p1/holders"
    disk.at(folder).mkdir()
    assert uses(disk) == []
    disk.link(f"{folder}/dm-0", "sys/devices/virtual/block/dm-0")
    expected = [Use("disk nvme0n1p1, which a volume or an array is made of", vital=True)]
    assert uses(disk) == expected


def test_a_disk_that_somebody_has_claimed(disk: Machine) -> None:
    assert uses(disk, claimed=["/dev/sda1", "/dev/nvme0n1p10"]) == []
    expected = [Use("disk nvme0n1p2, which a file system or a volume has claimed", vital=True)]
    assert uses(disk, claimed=["/dev/nvme0n1p2"]) == expected


def test_who_has_claimed_a_part_of_a_volume_is_known(disk: Machine) -> None:
    holders = f"{folder_of(disk, PF)}/nvme/nvme0/block/nvme0n1p1/holders"
    disk.link(f"{holders}/dm-0", "sys/devices/virtual/block/dm-0")
    expected = [Use("disk nvme0n1p1, which a volume or an array is made of", vital=True)]
    assert uses(disk, claimed=["/dev/nvme0n1p1"]) == expected


def test_a_further_disk_of_a_btrfs(disk: Machine) -> None:
    # mountinfo names one disk of a file system, sysfs names all of them.
    mount(disk, "0:30", "/dev/sda1", "btrfs")
    disk.at("sys/fs/btrfs/features").mkdir(parents=True)
    disk.link("sys/fs/btrfs/1234-abcd/devices/sda1", "proc")
    assert uses(disk) == []
    partition = f"{folder_of(disk, PF)}/nvme/nvme0/block/nvme0n1p2"
    disk.link("sys/fs/btrfs/1234-abcd/devices/nvme0n1p2", partition)
    expected = [Use("disk nvme0n1p2, which is part of a mounted Btrfs", vital=True)]
    assert uses(disk) == expected


def test_a_disk_that_somebody_has_open(disk: Machine) -> None:
    nodes: dict[str, Node] = {
        "/dev/nvme0n1": (True, 259, 0),
        "/dev/watched": (False, 259, 0),
        "/dev/nvme0": (False, 240, 0),
    }
    disk.open("/dev/watched", pid=40, name="other")
    assert uses(disk, nodes=nodes) == []
    disk.open("/dev/nvme0n1", pid=41, name="qemu")
    assert uses(disk, nodes=nodes) == [Use("nvme0n1, open in process qemu (pid 41)")]
    disk.open("/dev/nvme0", pid=42, name="nvme")
    assert told(disk, nodes=nodes)[1:] == ["nvme0, open in process nvme (pid 42)"]


def test_disks_of_an_ordinary_controller(machine: Machine) -> None:
    machine.add_function(PF, OTHER, driver="ahci", class_code=0x010601)
    assert told(machine) == ["driver ahci"]
    shows(machine, "block", "sda", number="8:0", below="ata1/host0/target0:0:0/0:0:0:0/")
    assert told(machine) == []
    mount(machine, "8:0", "/dev/sda")
    assert uses(machine) == [Use("disk sda, which is mounted", vital=True)]


def test_a_disk_that_is_reached_through_a_subsystem(machine: Machine) -> None:
    # With native multipath a namespace is shown at no controller.
    machine.add_function(PF, OTHER, driver="nvme", class_code=0x010802)
    machine.add_function(SECOND, OTHER, driver="nvme", class_code=0x010802)
    shows(machine, "nvme", "nvme0", number="240:0")
    shows(machine, "nvme", "nvme1", number="240:1", address=SECOND)
    for number, address in enumerate((PF, SECOND)):
        folder = f"sys/devices/virtual/nvme-subsystem/nvme-subsys{number}"
        machine.write(f"{folder}/nvme{number}n1/dev", f"259:{number}\n")
        machine.link(f"sys/class/block/nvme{number}n1", f"{folder}/nvme{number}n1")
        machine.link(f"{folder}/nvme{number}", f"{folder_of(machine, address)}/nvme/nvme{number}")
        machine.link(f"sys/class/nvme-subsystem/nvme-subsys{number}", folder)
    assert told(machine) == told(machine, SECOND) == []
    mount(machine, "259:1", "/dev/nvme1n1")
    assert told(machine) == []
    assert uses(machine, SECOND) == [Use("disk nvme1n1, which is mounted", vital=True)]


def add_subsystem(machine: Machine, *addresses: str) -> None:
    """Add a disk with a partition, reached through one controller or several."""
    folder = "sys/devices/virtual/nvme-subsystem/nvme-subsys0"
    for number, path in enumerate(("nvme0n1", "nvme0n1/nvme0n1p1")):
        machine.write(f"{folder}/{path}/dev", f"259:{number}\n")
        machine.link(f"sys/class/block/{path.split('/')[-1]}", f"{folder}/{path}")
    machine.write(f"{folder}/nvme0n1/queue/rotational", "0\n")
    machine.link("sys/class/nvme-subsystem/nvme-subsys0", folder)
    for number, address in enumerate(addresses):
        machine.add_function(address, OTHER, driver="nvme", class_code=0x010802)
        name = f"nvme{number}"
        controller = shows(machine, "nvme", name, number=f"240:{number}", address=address)
        machine.link(f"{folder}/{name}", controller)


def test_a_partition_of_a_disk_that_is_reached_through_a_subsystem(machine: Machine) -> None:
    add_subsystem(machine, PF)
    assert uses(machine) == []
    mount(machine, "259:1", "/dev/nvme0n1p1")
    assert uses(machine) == [Use("disk nvme0n1p1, which is mounted", vital=True)]


@pytest.mark.parametrize("name", ["nvme0n1", "nvme0n1p1"])
def test_a_disk_with_two_controllers_is_of_both(machine: Machine, name: str) -> None:
    add_subsystem(machine, PF, SECOND)
    node, number = f"/dev/{name}", int(name.endswith("p1"))
    nodes: dict[str, Node] = {node: (True, 259, number)}
    mount(machine, f"259:{number}", node)
    machine.open(node, pid=42, name="qemu")
    expected = [
        Use(f"disk {name}, which is mounted", vital=True),
        Use(f"{name}, open in process qemu (pid 42)"),
    ]
    assert uses(machine, nodes=nodes) == uses(machine, SECOND, nodes=nodes) == expected


# -- displays and sound --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "node"),
    [
        ("drm", "card0", "/dev/dri/card0"),
        ("drm", "renderD128", "/dev/dri/renderD128"),
        ("sound", "pcmC0D0p", "/dev/snd/pcmC0D0p"),
    ],
)
def test_a_node_that_somebody_has_open(machine: Machine, kind: str, name: str, node: str) -> None:
    machine.add_function(PF, OTHER, driver="amdgpu", class_code=0x030000)
    shows(machine, kind, name, number="226:7")
    # What has no number of its own: a connector, a card of sound.
    shows(machine, kind, "card0-DP-1")
    nodes: dict[str, Node] = {node: (False, 226, 7), "/dev/other": (False, 226, 8)}
    machine.open("/dev/other", pid=41)
    assert told(machine, nodes=nodes) == []
    machine.open(node, pid=42, name="Xorg")
    assert uses(machine, nodes=nodes) == [Use(f"{name}, open in process Xorg (pid 42)")]


@pytest.mark.parametrize("driver", ["amdgpu", "vfio-pci", None])
def test_the_display_of_the_boot(machine: Machine, driver: str | None) -> None:
    machine.add_function(PF, OTHER, driver=driver, class_code=0x030000)
    shows(machine, "drm", "card0", number="226:0")
    for flag, expected in (("0", []), ("1", [Use("the display that the machine booted with")])):
        machine.write(f"{machine.device(PF)}/boot_vga", f"{flag}\n")
        assert uses(machine) == expected


def test_a_flag_of_the_boot_where_no_display_is(machine: Machine) -> None:
    machine.add_function(PF, OTHER, class_code=0x040300)
    machine.write(f"{machine.device(PF)}/boot_vga", "1\n")
    assert uses(machine) == []


# -- nvidia --------------------------------------------------------------------------------------


@pytest.fixture
def gpu(machine: Machine) -> Machine:
    machine.add_function(PF, NVIDIA, driver="nvidia", class_code=0x030000)
    machine.write(
        f"proc/driver/nvidia/gpus/{PF}/information",
        "Model: \t\t NVIDIA GeForce GTX 1660 SUPER\nIRQ:   \t\t 130\n"
        f"Bus Location: \t {PF}\nDevice Minor: \t 3\nGPU Excluded:\t No\n",
    )
    return machine


NVIDIA_NODES: dict[str, Node] = {
    "/dev/nvidia3": (False, 195, 3),
    "/dev/nvidia4": (False, 195, 4),
    "/dev/nvidiactl": (False, 195, 255),
}


def test_nvidia_is_a_user_as_such(gpu: Machine) -> None:
    gpu.open("/dev/nvidia4", pid=41)
    gpu.open("/dev/nvidiactl", pid=41)
    assert uses(gpu, nodes=NVIDIA_NODES) == [Use("driver nvidia")]


def test_nvidia_waits_for_whoever_has_the_gpu_open(gpu: Machine) -> None:
    gpu.open("/dev/nvidia3", pid=42, name="python3")
    expected = [
        Use("nvidia3, open in process python3 (pid 42)", vital=True),
        Use("driver nvidia"),
    ]
    assert uses(gpu, nodes=NVIDIA_NODES) == expected


@pytest.mark.parametrize("information", ["", "Device Minor: \t ?\n", None])
def test_nvidia_tells_no_minor(gpu: Machine, information: str | None) -> None:
    path = f"proc/driver/nvidia/gpus/{PF}/information"
    if information is None:
        gpu.at(path).unlink()
    else:
        gpu.write(path, information)
    gpu.open("/dev/nvidia3", pid=42)
    assert uses(gpu, nodes=NVIDIA_NODES) == [Use("driver nvidia")]


# -- QAT -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("refcnt", "idle"), [("0", True), ("1", False), (None, False)])
def test_a_qat_pf_that_nobody_has_at_work(
    machine: Machine, refcnt: str | None, *, idle: bool
) -> None:
    machine.add_pf()
    if refcnt is not None:
        machine.write(f"sys/module/{C62X.module}/refcnt", f"{refcnt}\n")
    assert told(machine) == ([] if idle else [f"driver {C62X.driver}"])


def test_a_qat_vf_on_its_own_driver(machine: Machine) -> None:
    machine.add_pf(vfs=1, vf_driver=C62X.vf_driver)
    machine.write(f"sys/module/{C62X.module}/refcnt", "0\n")
    assert told(machine, machine.vfs()[0]) == [f"driver {C62X.vf_driver}"]


def test_a_qat_pf_on_a_driver_of_another_kind(machine: Machine) -> None:
    machine.add_pf(driver="igb_uio")
    machine.write(f"sys/module/{C62X.module}/refcnt", "0\n")
    assert told(machine) == ["driver igb_uio"]
