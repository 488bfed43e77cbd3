# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What libvirt_accelerators once did otherwise than it should: each test here has failed."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.definition import covers
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.xml import Element
from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import (
    functions,
    guest,
    new,
    no_waiting,
    some,
    xml,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.vfio_runs import add_vfs, move_to_group

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import GuestTasks
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

SOURCE = "<source><address domain='0x0000' bus='0x01' slot='0x01' function='0x{}'/></source>"
DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/b.img'/>"
    "<target dev='vdb' bus='virtio'/></disk>"
)


# -- who has it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "device",
    [
        f"<interface type='hostdev' managed='yes'>{SOURCE}</interface>",
        f"<interface type='network'><actual type='hostdev'>{SOURCE}</actual></interface>",
    ],
)
@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize("by_address", [False, True])
def test_a_function_that_is_an_interface_of_a_guest(
    machine: Machine, guests: GuestTasks, device: str, *, runs: bool, by_address: bool
) -> None:
    vfs = add_vfs(machine)
    domain = f"<domain><name>a</name><devices>{device.format(0)}</devices></domain>"
    path, text = "etc/libvirt/qemu/a.xml", domain
    if runs:
        path, text = "run/libvirt/qemu/a.xml", f"<domstatus pid='7'>{domain}</domstatus>"
    machine.write(path, text)
    if by_address:
        assert "domain a" in guests.refusal(new("one", vfs[0]))
    else:
        assert functions(guests.deal(new("one", some(1)))[0]) == [vfs[1]]


def test_two_guests_that_name_functions_of_one_group(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    move_to_group(machine, vfs[1], machine.group(vfs[0]))
    message = guests.refusal(new("one", vfs[0]), new("two", vfs[1]))
    assert "of its IOMMU group" in message


def test_a_guest_that_gets_more_of_the_group_it_holds(machine: Machine, guests: GuestTasks) -> None:
    """Its own QEMU has the group open: nobody else does."""
    vfs = add_vfs(machine)
    move_to_group(machine, vfs[1], machine.group(vfs[0]))
    guests.deal(new("one", vfs[0], xml=xml("one", ports=12)))
    guests.libvirt.start("one")
    guests.deal(guest("one", vfs[0], vfs[1]))


# -- NUMA nodes --------------------------------------------------------------------------------


def test_one_node_beside_a_function_by_address(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    for vf in vfs[4:]:
        machine.write(f"{machine.device(vf)}/numa_node", "1\n")
    guests.deal(new("one", vfs[0]))
    (told,) = guests.deal(guest("one", vfs[7], some(2, same_numa_node=True)))
    assert functions(told) == [vfs[0], vfs[1], vfs[7]]


# -- running guests ----------------------------------------------------------------------------


def test_a_guest_whose_name_is_the_id_of_another(machine: Machine, guests: GuestTasks) -> None:
    """Virsh takes a number for the id of a domain first, and for its name at last."""
    vfs = add_vfs(machine)
    guests.deal(new("other", xml=xml("other", ports=12)), new("1", xml=xml("1", ports=12)))
    guests.libvirt.start("other", 7)
    guests.libvirt.start("1", 8)
    other = guests.libvirt.status("other").find("domain")
    assert other is not None
    assert other.get("id") == "1"
    guests.run(guest("1", some(1)))
    assert guests.libvirt.held("other") == []
    assert guests.libvirt.held("1") == vfs[:1]


def test_a_port_that_gets_free_in_the_same_task(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    guests.deal(new("one", vfs[0], xml=xml("one", ports=5)))
    guests.libvirt.start("one")
    guests.deal(guest("one", vfs[1]), allow_hot_remove=True)
    assert guests.libvirt.held("one") == [vfs[1]]


def test_who_did_not_let_go_is_told_of(
    machine: Machine, guests: GuestTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    vfs = add_vfs(machine, number=1)
    ports = {name: xml(name, ports=12) for name in ("one", "two")}
    guests.deal(new("one", vfs[0], xml=ports["one"]), new("two", xml=ports["two"]))
    guests.libvirt.start("one", 7)
    guests.libvirt.start("two", 8)
    guests.libvirt.stubborn.add("one")
    with no_waiting(monkeypatch, guests.libvirt):
        result = guests.failure(guest("one"), guest("two", vfs[0]), allow_hot_remove=True)
    assert f"guest one was asked to let go of {vfs[0]} and has not" in result["msg"]


def test_check_tells_who_binds_what_is_plugged(
    machine: Machine, guests: GuestTasks, run_module: ModuleRunner
) -> None:
    """A VF made anew has a rule for the next boot and no driver: libvirt binds it."""
    machine.add_vfio()
    vfs = add_vfs(machine, number=1)
    machine.at("etc/modules-load.d").mkdir(parents=True)
    run_module("vfio_passthrough", {"devices": vfs}, running=guests.running)
    machine.bind(vfs[0], None)
    guests.deal(new("one", xml=xml("one", ports=12)))
    guests.libvirt.start("one")
    guests.deal(guest("one", some(1)))


# -- definitions -------------------------------------------------------------------------------


def test_the_first_of_a_shared_bus_is_given_up(machine: Machine, guests: GuestTasks) -> None:
    """A guest looks for further functions of a slot only where it finds function 0."""
    vfs = add_vfs(machine)
    guests.deal(new("one", *vfs[:3], shared_bus=True))
    guests.deal(guest("one", *vfs[1:3], shared_bus=True))
    assert guests.libvirt.unseen("one") == []


def test_a_shared_bus_that_is_not_shared_any_more(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    guests.deal(new("one", *vfs[:2], shared_bus=True))
    guests.deal(guest("one", vfs[1]))
    assert guests.libvirt.unseen("one") == []


def test_a_place_that_was_taken_by_hand(machine: Machine, guests: GuestTasks) -> None:
    """While the guest runs, its function is taken out and a disk put in, which gets its place."""
    vfs = add_vfs(machine)
    guests.deal(new("one", some(1), xml=xml("one", ports=8)))
    guests.libvirt.start("one")
    guests.libvirt.drop("one")
    bus = guests.libvirt.place("one", vfs[0], live=True).partition(":")[0]
    at = f"<address type='pci' domain='0x0000' bus='0x0{bus}' slot='0x00' function='0x0'/></disk>"
    guests.libvirt.edit("one", "</devices>", f"{DISK.replace('</disk>', at)}</devices>")
    guests.deal(guest("one", some(1)))


def test_ports_without_an_index(machine: Machine, guests: GuestTasks) -> None:
    """Libvirt numbers them; they are the same ones in the next run."""
    add_vfs(machine)
    ports = "<controller type='pci' model='pcie-root'/>" + (
        "<controller type='pci' model='pcie-root-port'/>" * 8
    )
    entry = new("one", some(2), xml=xml("one", ports))
    guests.deal(entry)


def test_another_machine_type(machine: Machine, guests: GuestTasks) -> None:
    """The controllers of the one are none of the other."""
    add_vfs(machine)
    guests.deal(new("one", some(1), xml=xml("one", machine="pc-i440fx-10.0")))
    guests.deal(new("one", some(1), xml=xml("one", machine="q35")))


def test_a_bus_below_a_bridge_is_no_port(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    bridge = "<controller type='pci' index='1' model='pcie-to-pci-bridge'/>"
    (told,) = guests(new("one", some(2), xml=xml("one", bridge), shared_bus=True))
    assert told["definition"].count("type='pci' index='1'") == 1


@pytest.mark.parametrize("bus", ["zz", "08", "0x", "-"])
def test_an_address_that_is_no_number(machine: Machine, guests: GuestTasks, bus: str) -> None:
    add_vfs(machine)
    nic = f"<interface type='user'><address type='pci' bus='{bus}'/></interface>"
    message = guests.refusal(new("one", some(1), xml=xml("one", nic)))
    assert message.startswith("option guests[].xml: ")


@pytest.mark.parametrize("value", ["a\nb", "a\tb", "a\rb"])
def test_white_space_in_an_attribute(value: str) -> None:
    assert Element.parse(str(Element("a", {"b": value}))) == Element("a", {"b": value})


# What virsh dumpxml --inactive of libvirt 11.3.0 said of what was defined.
@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ("<memory unit='MiB'>512</memory>", "<memory unit='KiB'>524288</memory>"),
        (
            "<currentMemory unit='MiB'>256</currentMemory>",
            "<currentMemory unit='KiB'>262144</currentMemory>",
        ),
        (
            "<uuid>AE805C5E-A5DC-4030-8597-CCB198AC2399</uuid>",
            "<uuid>ae805c5e-a5dc-4030-8597-ccb198ac2399</uuid>",
        ),
        (
            "<os><type arch='x86_64' machine='pc'>hvm</type></os>",
            "<os><type arch='x86_64' machine='pc-i440fx-10.0'>hvm</type><boot dev='hd'/></os>",
        ),
        (
            (
                "<devices><interface type='network'><mac address='52:54:00:AA:BB:CC'/></interface>"
                "</devices>"
            ),
            (
                "<devices><interface type='network'><mac address='52:54:00:aa:bb:cc'/></interface>"
                "</devices>"
            ),
        ),
        (
            "<devices><rng><address type='pci' bus='3' slot='0' function='0'/></rng></devices>",
            (
                "<devices><rng><address type='pci' domain='0x0000' bus='0x03' slot='0x00' "
                "function='0x0'/></rng></devices>"
            ),
        ),
        (
            "<devices><console type='pty'/></devices>",
            (
                "<devices><serial type='pty'><target type='isa-serial' port='0'/></serial>"
                "<console type='pty'><target type='serial' port='0'/></console></devices>"
            ),
        ),
        (
            "<devices><graphics type='vnc'/></devices>",
            (
                "<devices><graphics type='vnc' port='-1' autoport='yes'><listen type='address'/>"
                "</graphics><video><model type='cirrus' vram='16384'/></video>"
                "</devices>"
            ),
        ),
    ],
)
def test_what_libvirt_writes_otherwise_is_no_difference(asked: str, made: str) -> None:
    found = (Element.parse(f"<domain>{text}</domain>") for text in (made, asked))
    assert covers(*found)


def test_another_order_of_boot_devices() -> None:
    one, two = "<boot dev='network'/>", "<boot dev='hd'/>"
    found = (Element.parse(f"<os><type/>{text}</os>") for text in (one + two, two + one))
    assert not covers(*found)


def test_a_network_card_of_another_model_keeps_its_address(
    machine: Machine, guests: GuestTasks
) -> None:
    """The guest's network is set up for that MAC address."""
    add_vfs(machine)
    mac = "<mac address='52:54:00:12:34:56'/>"
    nic = "<interface type='network'><source network='default'/>{}<model type='{}'/></interface>"
    guests.deal(new("one", some(1), xml=xml("one", nic.format(mac, "virtio"))))
    (told,) = guests(new("one", some(1), xml=xml("one", nic.format("", "e1000e"))))
    assert told["differs"]
    assert "52:54:00:12:34:56" in told["definition"]


# -- what a reading of the whole found ---------------------------------------------------------


@pytest.mark.parametrize("gone", [False, True])
def test_what_a_guest_lets_go_of_is_for_others_of_the_task(
    machine: Machine, guests: GuestTasks, *, gone: bool
) -> None:
    """A guest that is to be absent, or to have less, is shut off."""
    vfs = add_vfs(machine, number=3)
    guests.deal(new("one", some(2)), new("two", some(1)))
    told = guests.deal(guest("one", *([] if gone else [some(1)])), guest("two", some(2)))
    assert functions(told[1]) == [vfs[0 if gone else 1], vfs[2]]


def test_what_nobody_has_comes_first(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=4)
    guests.deal(new("one", some(2)), new("two", some(1)))
    told = guests.deal(guest("one", some(1)), guest("two", some(2)))
    assert functions(told[1]) == [vfs[2], vfs[3]]


def test_a_running_guest_is_not_taken_from_unasked(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine, number=3)
    guests.deal(new("one", some(2)), new("two", some(1)))
    guests.libvirt.start("one")
    message = guests.refusal(guest("one", some(1)), guest("two", some(2)))
    assert "domain one (pid" in message


def test_a_wish_with_a_node_comes_first_whoever_has_it(
    machine: Machine, guests: GuestTasks
) -> None:
    vfs = add_vfs(machine, number=2)
    machine.write(f"{machine.device(vfs[0])}/numa_node", "0\n")
    machine.write(f"{machine.device(vfs[1])}/numa_node", "1\n")
    told = guests.deal(new("one", some(1)), new("two", some(1, numa_node=0)))
    assert [functions(each) for each in told] == [[vfs[1]], [vfs[0]]]


def test_a_guest_moves_to_a_node_where_there_is_enough(
    machine: Machine, guests: GuestTasks
) -> None:
    vfs = add_vfs(machine, number=3)
    for vf, node in zip(vfs, (0, 1, 1)):
        machine.write(f"{machine.device(vf)}/numa_node", f"{node}\n")
    guests.deal(new("one", vfs[0]))
    (told,) = guests.deal(guest("one", some(2, same_numa_node=True)))
    assert functions(told) == vfs[1:]


def test_a_disk_is_not_exchanged(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    guests.deal(new("one", xml=xml("one")))
    other = xml("one").replace("one.qcow2", "other.qcow2")
    message = guests.refusal(new("one", xml=other))
    assert "one.qcow2, and xml wants" in message


def test_a_password_is_not_shown(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    guests.deal(new("one", xml=xml("one")))
    path = "etc/libvirt/qemu/one.xml"
    text = machine.read(path)
    shown = "<graphics type='vnc' passwd='abc'/></devices>"
    machine.write(path, text.replace("</devices>", shown))
    message = guests.refusal(guest("one", some(1)))
    assert "has a password" in message
    assert "abc" not in message


def test_two_functions_do_not_get_one_place(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    guests.deal(new("one", vfs[0], xml=xml("one", ports=12)))
    guests.libvirt.start("one")
    bus = guests.libvirt.place("one", vfs[0], live=True).partition(":")[0]
    text = machine.read("etc/libvirt/qemu/one.xml")
    there, other = f"bus='0x0{bus}' slot='0x00'", "bus='0x0b' slot='0x00'"
    assert text.count(there.replace("'", '"')) + text.count(there) == 1
    moved = text.replace(there, other).replace(there.replace("'", '"'), other)
    machine.write("etc/libvirt/qemu/one.xml", moved)
    (told,) = guests(guest("one", vfs[0], vfs[1]))
    assert told["definition"].count("bus='0x0b'") == 1


def test_what_libvirt_lends_to_the_host_stays(machine: Machine, guests: GuestTasks) -> None:
    """A managed card goes back to its driver while its guest does not run."""
    vfs = add_vfs(machine)
    guests.deal(new("one", some(1)))
    machine.add_driver("c6xxvf", "qat_c62xvf")
    machine.bind(vfs[0], "c6xxvf")
    (told,) = guests.deal(guest("one", some(1)))
    assert functions(told) == [vfs[0]]
