# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The definitions that the module libvirt_accelerators returns, as libvirt takes them."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import (
    functions,
    guest,
    new,
    some,
    xml,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.vfio_runs import add_vfs

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import GuestTasks
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

SECOND = "0000:6b:00.0"
NIC = """\
<interface type='bridge'>
  <source bridge='br{}'/>
  <model type='virtio'/>
</interface>
"""
EXTRA_DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/b.img'/>"
    "<target dev='vdb' bus='virtio'/></disk>"
)


def places(guests: GuestTasks, name: str) -> dict[str, str]:
    return {address: guests.libvirt.place(name, address) for address in guests.libvirt.has(name)}


def macs(text: str) -> list[str]:
    return re.findall(r"mac address=.([0-9a-f:]+)", text)


def differs(guests: GuestTasks, entry: dict[str, t.Any]) -> bool:
    """Tell whether a guest's definition is not the one it is to have, and put that right."""
    (told,) = guests.deal(entry)
    return bool(told["differs"])


# -- what differs ------------------------------------------------------------------------------


@pytest.mark.parametrize("machine_type", ["q35", "pc-q35-10.0", "pc-q35-7.2", "pc-i440fx-10.0"])
@pytest.mark.parametrize("number", [0, 1, 5])
def test_what_libvirt_adds_is_no_difference(
    machine: Machine, guests: GuestTasks, machine_type: str, number: int
) -> None:
    add_vfs(machine)
    wishes = [some(number)] if number else []
    entry = new("one", *wishes, xml=xml("one", NIC.format(0), machine=machine_type))
    assert differs(guests, entry)
    assert not differs(guests, entry)
    assert not differs(guests, guest("one", *wishes))


@pytest.mark.parametrize(
    ("old", "new_text"),
    [
        (">65536</memory>", ">131072</memory>"),
        (">2</vcpu>", ">4</vcpu>"),
        ("<acpi />", "<apic />"),
        ('mode="maximum"', 'mode="host-passthrough"'),
        (">2</vcpu>", " current='1'>2</vcpu>"),
        ("</interface>", "<link state='down'/></interface>"),
        ('network="default"', 'network="other"'),
        ('<model type="virtio"', '<model type="e1000e"'),
        ('managed="yes"', 'managed="no"'),
        ("</devices>", f"{EXTRA_DISK}</devices>"),
        ("</devices>", f"{NIC.format(1)}</devices>"),
        ("</devices>", "<hostdev mode='subsystem' type='usb'><source/></hostdev></devices>"),
        ("pc-q35-10.0", "pc-i440fx-10.0"),
    ],
)
def test_what_was_changed_by_hand_is_brought_back(
    machine: Machine, guests: GuestTasks, old: str, new_text: str
) -> None:
    vfs = add_vfs(machine)
    entry = new("one", some(2))
    guests.deal(entry)
    text = guests.libvirt.dump("one")
    assert old in text
    # As an editor leaves it: libvirt itself would not have it every time.
    machine.write("etc/libvirt/qemu/one.xml", text.replace(old, new_text, 1))
    assert guests.run(entry)["guests"][0]["differs"]
    (told,) = guests.deal(entry)
    assert functions(told) == vfs[:2]
    back = guests.libvirt.dump("one")
    assert text.count("<disk ") == back.count("<disk ")
    assert (">65536</memory>" in back, "<link" in back) == (True, False)


@pytest.mark.parametrize("kind", ["disk", "interface", "serial"])
def test_a_device_taken_out_by_hand(machine: Machine, guests: GuestTasks, kind: str) -> None:
    add_vfs(machine)
    entry = new("one", some(1))
    guests.deal(entry)
    guests.libvirt.drop("one", kind)
    assert differs(guests, entry)


def test_what_only_the_guest_says_stays(machine: Machine, guests: GuestTasks) -> None:
    """Without xml the definition is the guest's own, whatever is in it."""
    vfs = add_vfs(machine)
    guests.deal(new("one", some(1)))
    guests.libvirt.edit("one", "</devices>", f"{EXTRA_DISK}</devices>")
    assert not differs(guests, guest("one", some(1)))
    (told,) = guests.deal(guest("one", some(2)))
    assert (functions(told), told["differs"]) == (vfs[:2], True)
    assert "/srv/b.img" in guests.libvirt.dump("one")


# -- what is kept of the former definition -----------------------------------------------------


def test_identity_macs_and_places_are_kept(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    nics = NIC.format(0) + NIC.format(1)
    guests.deal(new("one", some(2), xml=xml("one", nics)))
    before, where = guests.libvirt.dump("one"), places(guests, "one")
    assert len(macs(before)) == 3
    guests.deal(new("one", some(3), xml=xml("one", nics, memory=131072)))
    after = guests.libvirt.dump("one")
    for pattern in ("<uuid>.*", "<mac .*", "(?s)<interface.*</interface>", "(?s)<disk.*</disk>"):
        assert re.findall(pattern, before) == re.findall(pattern, after)
    now = places(guests, "one")
    assert {vf: now[vf] for vf in vfs[:2]} == where
    assert now[vfs[2]] not in where.values()


def test_of_two_networks_each_keeps_its_address(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    guests.deal(new("one", xml=xml("one", NIC.format(0) + NIC.format(1))))
    first, second, third = macs(guests.libvirt.dump("one"))
    guests.deal(new("one", xml=xml("one", NIC.format(1))))
    assert macs(guests.libvirt.dump("one")) == [first, third]
    guests.deal(new("one", xml=xml("one", NIC.format(1) + NIC.format(2))))
    assert macs(guests.libvirt.dump("one"))[:2] == [first, third]
    assert second not in guests.libvirt.dump("one")


def test_a_mac_that_is_given_counts(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    guests.deal(new("one", xml=xml("one", NIC.format(0))))
    given = NIC.format(0).replace("<source", "<mac address='52:54:00:11:22:33'/><source")
    assert differs(guests, new("one", xml=xml("one", given)))
    assert macs(guests.libvirt.dump("one"))[1] == "52:54:00:11:22:33"


def test_ports_are_kept(machine: Machine, guests: GuestTasks) -> None:
    """Where what is given has fewer ports than the guest: something may be in the others."""
    add_vfs(machine)
    guests.deal(new("one", some(2), xml=xml("one", ports=10)))
    where = places(guests, "one")
    assert not differs(guests, new("one", some(2), xml=xml("one", ports=3)))
    assert differs(guests, new("one", some(2), xml=xml("one", ports=12)))
    assert places(guests, "one") == where


def test_text_is_written_as_xml(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    path = "/srv/a &amp; &lt;b&gt; &quot;c&quot; &apos;d&apos; é.qcow2"
    entry = new("one", some(1), xml=xml("one").replace("/srv/one.qcow2", path))
    guests.deal(entry)
    assert not differs(guests, entry)
    assert "/srv/a &amp; &lt;b&gt; &quot;c&quot; 'd' é.qcow2\"" in guests.libvirt.dump("one")


def test_comments_are_not_kept(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    text = xml("one").replace("<features>", "<?pi?><!-- <hostdev type='pci'/> --><features>")
    entry = new("one", some(1), xml=f"<?xml version='1.0'?>\n<!-- a -->\n{text}")
    (told,) = guests.deal(entry)
    assert "<!--" not in told["definition"]
    assert not differs(guests, entry)


def test_an_own_identity(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    uuid = "<uuid>11111111-2222-3333-4444-555555555555</uuid>"
    entry = new("one", some(1), xml=xml("one").replace("<memory", f"{uuid}<memory"))
    guests.deal(entry)
    guests.deal(new("one", some(2)))
    assert uuid in guests.libvirt.dump("one")


# -- one bus -----------------------------------------------------------------------------------


def shared(name: str, *accelerators: object, **options: t.Any) -> dict[str, t.Any]:
    return new(name, *accelerators, shared_bus=True, **options)


def test_the_vfs_of_one_pf_share_a_bus(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    (told,) = guests.deal(shared("one", some(8)))
    assert places(guests, "one") == {vf: f"1:0:{number}" for number, vf in enumerate(vfs)}
    hostdevs = told["definition"].split("<hostdev")[1:]
    assert [("multifunction='on'" in each) for each in hostdevs] == [True] + [False] * 7
    guests.libvirt.start("one")
    assert guests.libvirt.held("one") == vfs
    assert not differs(guests, shared("one", some(8)))


def test_eight_at_most_are_on_one_bus(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=11)
    guests.deal(shared("one", some(10)))
    found = places(guests, "one")
    assert [found[vf] for vf in vfs[:10]] == [f"1:0:{n}" for n in range(8)] + ["2:0:0", "2:0:1"]
    assert functions(guests.deal(shared("one", some(9)))[0]) == vfs[:9]


def test_each_pf_has_its_own_bus(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=2)
    machine.add_pf("4xxx", SECOND, vfs=3, group=2)
    others = machine.vfs(SECOND)
    guests.deal(shared("one", some(5)))
    found = places(guests, "one")
    assert [found[vf] for vf in (*vfs, *others)] == ["1:0:0", "1:0:1", "2:0:0", "2:0:1", "2:0:2"]


def test_few_pfs_serve(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=2)
    machine.add_pf("4xxx", SECOND, vfs=3, group=2)
    others = machine.vfs(SECOND)
    (told,) = guests.deal(shared("one", some(3)))
    assert functions(told) == others
    (told,) = guests.deal(shared("two", some(2)))
    assert functions(told) == vfs
    guests.libvirt.undefine("one")
    # The rest comes from where some of it is already.
    (told,) = guests.deal(shared("three", others[2]))
    (told,) = guests.deal(shared("three", others[2], some(1)))
    assert functions(told) == others[1:] or functions(told) == [others[0], others[2]]


def test_a_lone_function_goes_where_it_will(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    (told,) = guests.deal(shared("one", some(1)))
    assert "multifunction" not in told["definition"].split("<hostdev")[1]


def test_a_bus_stays_in_later_runs(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    guests.deal(shared("one", some(3)))
    found, text = places(guests, "one"), guests.libvirt.dump("one")
    guests.deal(shared("one", some(3), xml=xml("one", memory=131072)))
    assert places(guests, "one") == found
    assert macs(guests.libvirt.dump("one")) == macs(text)
    (told,) = guests.deal(shared("one", some(2)))
    assert functions(told) == vfs[:2]
    assert places(guests, "one") == {vf: found[vf] for vf in vfs[:2]}
    guests.libvirt.drop("one", number=1)
    guests.deal(shared("one", some(2)))
    assert len({place.split(":")[0] for place in places(guests, "one").values()}) == 1


def test_one_more_on_a_bus_moves_all_to_one(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    guests.deal(shared("one", some(2)))
    guests.deal(shared("one", some(3)))
    found = places(guests, "one")
    assert {place.split(":")[0] for place in found.values()} == {found[vfs[0]].split(":")[0]}
    assert [place.split(":")[2] for place in found.values()] == ["0", "1", "2"]


def test_functions_with_ports_of_their_own_move_together(
    machine: Machine, guests: GuestTasks
) -> None:
    vfs = add_vfs(machine)
    guests.deal(new("one", some(3)))
    before = guests.libvirt.dump("one")
    assert len({place.split(":")[0] for place in places(guests, "one").values()}) == 3
    guests.deal(guest("one", some(3), shared_bus=True))
    found = places(guests, "one")
    assert list(found) == vfs[:3]
    assert len({place.split(":")[0] for place in found.values()}) == 1
    after = guests.libvirt.dump("one")
    pattern = r"(?s)<(?:interface|disk|memballoon).*?</(?:interface|disk|memballoon)>"
    assert re.findall(pattern, before) == re.findall(pattern, after)


def test_others_keep_their_bus(machine: Machine, guests: GuestTasks) -> None:
    """The first bus that nothing else is on, with a port to it where there is none."""
    add_vfs(machine)
    guests.deal(new("one"))
    taken = set(re.findall(r'bus="(0x0[1-9])"', guests.libvirt.dump("one")))
    assert len(taken) == 4
    guests.deal(guest("one", some(4), shared_bus=True))
    buses = {place.split(":")[0] for place in places(guests, "one").values()}
    assert len(buses) == 1
    assert not buses & {str(int(bus, 0)) for bus in taken}
    guests.libvirt.start("one")


def test_a_port_is_added_where_all_are_taken(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    text = xml("one", ports=4)
    guests.deal(new("one", xml=text))
    assert guests.libvirt.dump("one").count('model="pcie-root-port"') == 4
    (told,) = guests.deal(guest("one", some(2), shared_bus=True))
    assert told["definition"].count("model='pcie-root-port'") == 5
    assert set(places(guests, "one").values()) == {"5:0:0", "5:0:1"}


def test_a_machine_without_pci_express_shares_anyway(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    entry = shared("one", some(3), xml=xml("one", machine="pc-i440fx-10.0"))
    (told,) = guests.deal(entry)
    assert "multifunction" not in told["definition"]
    assert {place.split(":")[0] for place in places(guests, "one").values()} == {"0"}
    assert not differs(guests, entry)


def test_whole_cards_do_not_share(machine: Machine, guests: GuestTasks) -> None:
    for address in (PF, SECOND):
        machine.add_pf("4xxx", address, driver=None, group=int(address[5:7], 16))
    guests.deal(shared("one", {"family": "4xxx", "kind": "pf", "count": 2}))
    assert len({place.split(":")[0] for place in places(guests, "one").values()}) == 2


def test_what_is_at_a_given_bus_stays_there(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    placed = NIC.format(0).replace(
        "<model",
        "<address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/><model",
    )
    guests.deal(shared("one", some(2), xml=xml("one", placed, ports=8)))
    assert set(places(guests, "one").values()) == {"2:0:0", "2:0:1"}


# -- in a name ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "vm-1.example.org", "A_b+c:d@e", "x" * 200])
def test_names(machine: Machine, guests: GuestTasks, name: str) -> None:
    vfs = add_vfs(machine)
    guests.deal(new(name, some(1)))
    guests.libvirt.start(name)
    guests.deal(guest(name, some(2)))
    assert guests.libvirt.held(name) == vfs[:2]
