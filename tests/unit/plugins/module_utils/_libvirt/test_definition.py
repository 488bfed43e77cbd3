# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A definition that is wanted, found in what libvirt made of it."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.definition import (
    covers,
    free_ports,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.guests import (
    functions_of,
    source_of,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.xml import Element
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import Libvirt, xml
from hypothesis import given, settings
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

# As a task gives it, and what virsh dumpxml --inactive of libvirt 11.3.0 with QEMU 10.0.13 says
# then, of a guest as the role kvm_guest defines it.
ASKED = """\
<domain type='qemu'>
  <name>utest-a</name>
  <memory unit='KiB'>524288</memory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
  <features><acpi/><apic/></features>
  <cpu mode='host-passthrough'/>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
      <source file='/var/lib/libvirt/images/utest-a.qcow2'/><target dev='vda' bus='virtio'/></disk>
    <interface type='network'><source network='default'/><model type='virtio'/></interface>
    <serial type='pty'/>
    <hostdev mode='subsystem' type='pci' managed='yes'><source>
      <address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/></source></hostdev>
    <hostdev mode='subsystem' type='pci' managed='no'><source>
      <address domain='0x0000' bus='0x01' slot='0x00' function='0x2'/></source></hostdev>
  </devices>
</domain>
"""
MADE = """\
<domain type='qemu'>
  <name>utest-a</name>
  <uuid>633f5ec5-b6db-45e5-acad-ae9efc7bdd30</uuid>
  <memory unit='KiB'>524288</memory>
  <currentMemory unit='KiB'>524288</currentMemory>
  <vcpu placement='static'>2</vcpu>
  <os>
    <type arch='x86_64' machine='pc-q35-10.0'>hvm</type>
    <boot dev='hd'/>
  </os>
  <features>
    <acpi/>
    <apic/>
  </features>
  <cpu mode='host-passthrough' check='none' migratable='on'/>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/var/lib/libvirt/images/utest-a.qcow2'/>
      <target dev='vda' bus='virtio'/>
      <address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/>
    </disk>
    <controller type='usb' index='0' model='qemu-xhci'>
      <address type='pci' domain='0x0000' bus='0x02' slot='0x00' function='0x0'/>
    </controller>
    <controller type='sata' index='0'>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x1f' function='0x2'/>
    </controller>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'>
      <model name='pcie-root-port'/>
      <target chassis='1' port='0x8'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x0' multifunction='on'/>
    </controller>
    <controller type='pci' index='2' model='pcie-root-port'>
      <model name='pcie-root-port'/>
      <target chassis='2' port='0x9'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x1'/>
    </controller>
    <controller type='pci' index='3' model='pcie-root-port'>
      <model name='pcie-root-port'/>
      <target chassis='3' port='0xa'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x2'/>
    </controller>
    <controller type='pci' index='4' model='pcie-root-port'>
      <model name='pcie-root-port'/>
      <target chassis='4' port='0xb'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x3'/>
    </controller>
    <controller type='pci' index='5' model='pcie-root-port'>
      <model name='pcie-root-port'/>
      <target chassis='5' port='0xc'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x4'/>
    </controller>
    <controller type='pci' index='6' model='pcie-root-port'>
      <model name='pcie-root-port'/>
      <target chassis='6' port='0xd'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x5'/>
    </controller>
    <controller type='pci' index='7' model='pcie-root-port'>
      <model name='pcie-root-port'/>
      <target chassis='7' port='0xe'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x6'/>
    </controller>
    <interface type='network'>
      <mac address='52:54:00:c4:9a:f1'/>
      <source network='default'/>
      <model type='virtio'/>
      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
    </interface>
    <serial type='pty'>
      <target type='isa-serial' port='0'>
        <model name='isa-serial'/>
      </target>
    </serial>
    <console type='pty'>
      <target type='serial' port='0'/>
    </console>
    <input type='mouse' bus='ps2'/>
    <input type='keyboard' bus='ps2'/>
    <audio id='1' type='none'/>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source>
        <address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/>
      </source>
      <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
    </hostdev>
    <hostdev mode='subsystem' type='pci' managed='no'>
      <source>
        <address domain='0x0000' bus='0x01' slot='0x00' function='0x2'/>
      </source>
      <address type='pci' domain='0x0000' bus='0x05' slot='0x00' function='0x0'/>
    </hostdev>
    <watchdog model='itco' action='reset'/>
    <memballoon model='virtio'>
      <address type='pci' domain='0x0000' bus='0x06' slot='0x00' function='0x0'/>
    </memballoon>
  </devices>
</domain>
"""

FIRST = Element.parse(ASKED)
SECOND = Element.parse(MADE)


def elements(
    root: Element, path: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[int, ...], Element]]:
    """Yield every element with the way to it."""
    yield path, root
    for number, child in enumerate(root.children):
        yield from elements(child, (*path, number))


def changed(
    root: Element, path: tuple[int, ...], change: t.Callable[[Element], Element | None]
) -> Element:
    """Return a description with one element changed, or taken out."""
    if not path:
        found = change(root)
        assert found is not None
        return found
    children = list(root.children)
    if len(path) == 1:
        found = change(children[path[0]])
        children[path[0] : path[0] + 1] = [] if found is None else [found]
    else:
        children[path[0]] = changed(children[path[0]], path[1:], change)
    return replace(root, children=tuple(children))


WANTED_PARTS = list(elements(FIRST))


def test_what_libvirt_made_of_it_is_no_difference() -> None:
    assert covers(SECOND, FIRST)
    assert covers(SECOND, SECOND)
    assert not covers(FIRST, SECOND)


def test_a_definition_of_the_player_is_as_libvirt_makes_it(machine: Machine) -> None:
    """The player of these tests is held against the real one."""
    libvirt = Libvirt(machine)
    made = Element.parse(libvirt.define(ASKED))

    def plain(root: Element) -> list[str]:
        dropped = ("uuid", "mac")
        return sorted(
            f"{each.tag} {sorted(each.attributes.items())} {each.text}"
            for _path, each in elements(root)
            if each.tag not in dropped
        )

    assert plain(made) == plain(SECOND)


@given(st.sampled_from(WANTED_PARTS[1:]))
def test_whatever_is_wanted_has_to_be_there(part: tuple[tuple[int, ...], Element]) -> None:
    path, _element = part
    without = changed(FIRST, path, lambda _each: None)
    assert not covers(without, FIRST)
    # But for devices, more may be there than is wanted.
    grown = changed(FIRST, path[:-1], lambda each: each.having(Element("other")))
    inside = FIRST
    for number in path[:-1]:
        inside = inside.children[number]
    assert covers(grown, FIRST) == (inside.tag != "devices")


@pytest.mark.parametrize(
    ("unit", "number", "same"),
    [
        ("KiB", "524288", True),
        ("MiB", "512", True),
        # The same number is another size.
        ("MiB", "524288", False),
        ("GiB", "524288", False),
        ("KiB0", "524288", False),
    ],
)
def test_sizes_are_compared_with_their_units(unit: str, number: str, *, same: bool) -> None:
    actual = Element("memory", {"unit": "KiB"}, (), "524288")
    assert covers(actual, Element("memory", {"unit": unit}, (), number)) is same
    assert covers(Element("memory", {"unit": unit}, (), number), actual) is same


@settings(max_examples=200)
@given(st.sampled_from(WANTED_PARTS), st.data())
def test_every_changed_value_is_a_difference(
    part: tuple[tuple[int, ...], Element], data: st.DataObject
) -> None:
    path, element = part
    words = st.text("abcdef0123456789", min_size=1, max_size=6)

    def change(each: Element) -> Element:
        names = [*each.attributes, *([None] if each.text else [])]
        name = data.draw(st.sampled_from(names or ["tag"]))
        word = data.draw(words)
        if name is None:
            return replace(each, text=each.text + word)
        if not names:
            return replace(each, tag=each.tag + word)
        gone = {key: value for key, value in each.attributes.items() if key != name}
        other = each.attributes[name] + word
        return replace(each, attributes=data.draw(st.sampled_from([gone, {**gone, name: other}])))

    different = changed(FIRST, path, change)
    assert covers(different, FIRST) is False, element
    # What is not said may be anything.
    extra = changed(
        FIRST, path, lambda each: replace(each, attributes={**each.attributes, "x": "y"})
    )
    assert covers(extra, FIRST)


@pytest.mark.parametrize(
    "device",
    ["disk", "interface", "hostdev", "serial", "video", "graphics", "channel", "rng", "filesystem"],
)
def test_one_device_more(device: str) -> None:
    devices = SECOND.find("devices")
    assert devices is not None
    path = (SECOND.children.index(devices),)
    assert not covers(changed(SECOND, path, lambda each: each.having(Element(device))), FIRST)


@pytest.mark.parametrize("device", ["controller", "input", "audio", "watchdog", "memballoon"])
def test_one_device_more_that_libvirt_adds(device: str) -> None:
    devices = SECOND.find("devices")
    assert devices is not None
    path = (SECOND.children.index(devices),)
    assert covers(changed(SECOND, path, lambda each: each.having(Element(device))), FIRST)


@pytest.mark.parametrize(
    ("actual", "wanted", "same"),
    [
        ("pc-q35-10.0", "q35", True),
        ("pc-q35-rhel9.6.0", "q35", True),
        ("q35", "q35", True),
        ("pc-i440fx-10.0", "q35", False),
        ("pc-q35-10.0", "pc-q35-9.2", False),
        ("pc-q35-10.0", "pc-q35", False),
        ("microvm", "q35", False),
    ],
)
def test_machine_types(actual: str, wanted: str, *, same: bool) -> None:
    found = (Element("type", {"machine": each}) for each in (actual, wanted))
    assert covers(*found) == same


def test_two_alike_are_two() -> None:
    one, two = Element("a", {}, (Element("b"),)), Element("a", {}, (Element("b"), Element("b")))
    assert covers(two, one)
    assert not covers(one, two)


# -- root ports --------------------------------------------------------------------------------


def test_ports_that_are_free() -> None:
    # Seven, of which network, USB, disk, two functions and the balloon take six.
    assert free_ports(SECOND) == 1
    assert free_ports(Element.parse("<domain><devices/></domain>")) is None
    assert free_ports(Element.parse("<domain/>")) is None


def test_a_source_is_on_no_bus_of_the_guest() -> None:
    text = (
        "<domain><devices><controller type='pci' index='1' model='pcie-root-port'/>"
        "<hostdev type='pci'><source><address type='pci' bus='0x01'/></source></hostdev>"
        "<disk><address type='drive' bus='1'/></disk>{}</devices></domain>"
    )
    assert free_ports(Element.parse(text.format(""))) == 1
    assert free_ports(Element.parse(text.format("<rng><address type='pci' bus='1'/></rng>"))) == 0


# -- functions of the host ---------------------------------------------------------------------


@given(
    st.builds(
        PciAddress,
        st.integers(0, 0xFFFFF),
        st.integers(0, 0xFF),
        st.integers(0, 0x1F),
        st.integers(0, 7),
    )
)
def test_an_address_is_found_as_it_was_written(address: PciAddress) -> None:
    device = Element("hostdev", {"type": "pci"}, (source_of(address),))
    root = Element("domain", {}, (Element("devices", {}, (device,)),))
    assert dict(functions_of(Element.parse(str(root)))) == {address: device}


@pytest.mark.parametrize(
    ("device", "found"),
    [
        (
            "<hostdev type='pci'><source><address bus='61' slot='1'/></source></hostdev>",
            ["3d:01.0"],
        ),
        ("<hostdev type='pci'><source/><address type='pci' bus='0x3d'/></hostdev>", []),
        ("<hostdev type='usb'><source><address bus='1' device='2'/></source></hostdev>", []),
        ("<hostdev type='mdev'><source><address uuid='1'/></source></hostdev>", []),
        ("<disk type='pci'><source><address bus='1'/></source></disk>", []),
    ],
)
def test_what_is_a_function(device: str, found: list[str]) -> None:
    root = Element.parse(f"<domain><devices>{device}</devices></domain>")
    assert [str(at) for at, _device in functions_of(root)] == [f"0000:{at}" for at in found]


def test_a_description_without_functions() -> None:
    assert list(functions_of(None)) == []
    assert list(functions_of(Element.parse(xml("one")))) == []
