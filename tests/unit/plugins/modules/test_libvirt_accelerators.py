# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module libvirt_accelerators as Ansible calls it: who gets what, and who keeps it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.rules import HostVfs, SriovRule
from ansible_collections.hwaccel.virt.plugins.module_utils._qatlib.rules import RULES, render_rules
from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import (
    MODULE,
    functions,
    guest,
    new,
    some,
    xml,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import GEN4, OTHER, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.vfio_runs import (
    GPU,
    NIC,
    add_gpu,
    add_nic,
    add_vfs,
    move_to_group,
)

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import GuestTasks
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

SECOND = "0000:6b:00.0"
LOCKDOWN = "sys/kernel/security/lockdown"
WHOLE = {"family": "4xxx", "kind": "pf"}


def at_node(machine: Machine, node: int, *addresses: str) -> None:
    for address in addresses:
        machine.write(f"{machine.device(address)}/numa_node", f"{node}\n")


def reserve(machine: Machine, *vfs: str) -> None:
    """Let qat_sriov keep VFs for the host at every boot."""
    addresses = tuple(map(PciAddress.parse, vfs))
    kept = HostVfs(addresses, GEN4.vf_id, str(GEN4.vf_driver))
    rule = SriovRule(
        PciAddress.parse(PF), GEN4.pf_id, str(GEN4.driver), 16, autoprobe=False, host_vfs=kept
    )
    machine.write(rule.path, rule.render())


# -- picking ---------------------------------------------------------------------------------


def test_guests_get_functions_by_address(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    one, two = guests.deal(new("one", some(2)), new("two", some(3)))
    assert functions(one) == vfs[:2]
    assert functions(two) == vfs[2:5]
    assert (one["defined"], one["running"], one["differs"]) == (False, False, True)
    assert (one["added"], one["removed"]) == (vfs[:2], [])
    assert one["functions"][0] == {
        "address": vfs[0],
        "id": str(GEN4.vf_id),
        "family": "4xxx",
        "kind": "vf",
        "managed": True,
        "iommu_group": machine.group(vfs[0]),
        "numa_node": 0,
        "held": False,
    }


def test_a_task_that_plugs_nothing_changes_nothing(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    result = guests.run(new("one", some(2)))
    assert (result["changed"], result["diff"]) == (False, [])
    assert guests.running.fed == []
    assert (result["payload_pfs"], result["payload_unheld"]) == ([], [])


def test_no_guests(guests: GuestTasks) -> None:
    assert guests() == []


def test_a_guest_without_functions(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    (told,) = guests.deal(new("one"))
    assert (told["functions"], told["differs"]) == ([], True)
    guests.deal(new("one", some(2)))
    (told,) = guests.deal(guest("one"))
    assert (told["functions"], len(told["removed"])) == ([], 2)


def test_what_one_loses_another_gets(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=4)
    guests.deal(new("one", some(4)))
    one, two = guests.deal(guest("one", vfs[0], vfs[1]), new("two", vfs[3]))
    assert (functions(one), one["removed"]) == (vfs[:2], vfs[2:])
    assert (functions(two), two["added"]) == ([vfs[3]], [vfs[3]])


def test_numbers_as_text_and_names_in_capitals(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    at_node(machine, 1, *vfs[:4])
    wish = {"family": "4XXX", "count": "2", "kind": "VF", "numa_node": "0", "same_numa_node": None}
    (told,) = guests.deal(new("one", wish))
    assert functions(told) == vfs[4:6]


def test_one_without_a_number(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    (told,) = guests.deal(new("one", {"family": "4xxx"}))
    assert functions(told) == vfs[:1]


def test_an_address_in_its_short_form(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    wish = {"address": vfs[5].upper().removeprefix("0000:"), "id": "8086:4941"}
    (told,) = guests.deal(new("one", wish))
    assert functions(told) == [vfs[5]]


def test_addresses_come_before_families(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=3)
    one, two = guests.deal(new("one", some(2)), new("two", vfs[0]))
    assert (functions(one), functions(two)) == (vfs[1:], vfs[:1])


def test_a_whole_card(machine: Machine, guests: GuestTasks) -> None:
    machine.add_pf("4xxx", PF, driver=None)
    (told,) = guests.deal(new("one", WHOLE))
    assert functions(told) == [PF]
    assert (told["functions"][0]["kind"], told["functions"][0]["family"]) == ("pf", "4xxx")


def test_a_vf_is_no_whole_card(machine: Machine, guests: GuestTasks) -> None:
    machine.add_pf("4xxx", SECOND, driver=None, vfs=2, group=2)
    message = guests.refusal(new("one", WHOLE))
    assert f"{SECOND}: it has 2 VFs, which would go with it" in message
    assert machine.vfs(SECOND)[0] not in message


def test_families_are_told_apart(machine: Machine, guests: GuestTasks) -> None:
    machine.add_pf("401xx", SECOND, vfs=2, group=2)
    vfs = add_vfs(machine, number=2)
    one, two = guests.deal(new("one", some(2, "401xx")), new("two", some(2)))
    assert functions(one) == machine.vfs(SECOND)
    assert functions(two) == vfs


def test_what_is_no_accelerator(machine: Machine, guests: GuestTasks) -> None:
    machine.add_function("0000:05:00.0", OTHER, group=5)
    (told,) = guests.deal(new("one", "05:00.0"))
    shown = told["functions"][0]
    assert (shown["address"], shown["family"], shown["kind"]) == ("0000:05:00.0", None, None)


# -- NUMA nodes --------------------------------------------------------------------------------


def test_at_a_node(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    at_node(machine, 1, vfs[3], vfs[6])
    (told,) = guests.deal(new("one", some(2, numa_node=1)))
    assert functions(told) == [vfs[3], vfs[6]]
    assert [each["numa_node"] for each in told["functions"]] == [1, 1]
    message = guests.refusal(guest("one", some(3, numa_node=1)))
    assert "guest one: 3 VF of 4xxx at NUMA node 1 wanted, 1 to be picked and 0 free" in message


def test_one_who_says_where_comes_first(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=3)
    at_node(machine, 1, vfs[0])
    (told,) = guests.deal(new("one", some(2), some(1, numa_node=1)))
    assert functions(told) == vfs


def test_all_at_one_node(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    at_node(machine, 1, vfs[1], vfs[2], vfs[4])
    at_node(machine, 2, vfs[0], vfs[3])
    at_node(machine, 3, *vfs[5:])
    (told,) = guests.deal(new("one", some(3, same_numa_node=True)))
    assert functions(told) == [vfs[1], vfs[2], vfs[4]]
    message = guests.refusal(new("two", some(4, same_numa_node=True)))
    assert "4 to be picked at one NUMA node and 3 free" in message


def test_more_at_the_same_node(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    at_node(machine, 1, *vfs[4:])
    guests.deal(new("one", vfs[5]))
    (told,) = guests.deal(guest("one", some(3, same_numa_node=True)))
    assert functions(told) == [vfs[4], vfs[5], vfs[6]]


def test_what_is_at_two_nodes_is_brought_together(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    at_node(machine, 1, *vfs[4:])
    guests.deal(new("one", vfs[0], vfs[4], vfs[5]))
    (told,) = guests.deal(guest("one", some(3, same_numa_node=True)))
    assert functions(told) == vfs[4:7]
    assert (told["added"], told["removed"]) == ([vfs[6]], [vfs[0]])


def test_a_node_that_is_not_known(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    at_node(machine, -1, *vfs)
    (told,) = guests.deal(new("one", some(2, same_numa_node=True)))
    assert functions(told) == vfs[:2]
    assert told["functions"][0]["numa_node"] is None
    assert "0 free" in guests.refusal(guest("one", some(2, numa_node=0)))


# -- what a guest has stays --------------------------------------------------------------------


def test_what_a_guest_has_stays(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    guests.deal(new("two", vfs[6], vfs[3]))
    one, two = guests.deal(new("one", some(2)), guest("two", some(3)))
    assert (functions(one), functions(two)) == (vfs[:2], [vfs[2], vfs[3], vfs[6]])
    assert (two["added"], two["removed"]) == ([vfs[2]], [])
    (one,) = guests.deal(guest("one", some(1)))
    assert (functions(one), one["removed"]) == (vfs[:1], vfs[1:2])


@pytest.mark.parametrize("number", [0, 1])
def test_a_function_taken_out_by_hand(machine: Machine, guests: GuestTasks, number: int) -> None:
    vfs = add_vfs(machine)
    guests.deal(new("one", some(2)))
    guests.libvirt.drop("one", number=number)
    (told,) = guests.deal(new("one", some(2)))
    assert (functions(told), told["differs"]) == (vfs[:2], True)
    assert told["added"] == [vfs[number]]


def test_a_definition_that_was_replaced_by_hand(machine: Machine, guests: GuestTasks) -> None:
    """A guest that runs keeps what it has, whatever its definition says by now."""
    vfs = add_vfs(machine)
    guests.deal(new("one", vfs[4], vfs[5]))
    guests.libvirt.start("one")
    places = [guests.libvirt.place("one", vf, live=True) for vf in vfs[4:6]]
    guests.libvirt.drop("one")
    guests.libvirt.drop("one")
    guests.libvirt.edit("one", ">65536</memory>", ">131072</memory>")
    (told,) = guests.deal(new("one", some(2)))
    assert (functions(told), told["differs"], told["added"]) == (vfs[4:6], True, [])
    assert [each["held"] for each in told["functions"]] == [True, True]
    assert guests.running.fed == []
    assert [guests.libvirt.place("one", vf) for vf in vfs[4:6]] == places
    assert ">65536</memory>" in guests.libvirt.dump("one")


def test_a_function_of_the_definition_alone(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    guests.deal(new("one", vfs[4]))
    guests.libvirt.start("one")
    guests.libvirt.stop("one")
    assert functions(guests.deal(guest("one", some()))[0]) == [vfs[4]]


def test_another_function_put_in_by_hand(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    guests.deal(new("one", some(2)))
    place = '<address domain="0x0000" bus="0x01" slot="0x01" function="0x{}"'
    guests.libvirt.edit("one", place.format(1), place.format(6))
    (told,) = guests.deal(guest("one", vfs[0], vfs[1]))
    assert (told["added"], told["removed"]) == ([vfs[1]], [vfs[6]])


def test_a_vf_that_vanished_is_replaced(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=4)
    guests.deal(new("one", some(4)))
    machine.remove_vfs(PF)
    machine.make_vfs(PF, 3)
    machine.add_pf("4xxx", SECOND, vfs=2, group=2)
    (told,) = guests.deal(guest("one", some(4)))
    assert functions(told) == [*vfs[:3], machine.vfs(SECOND)[0]]
    assert (told["added"], told["removed"]) == ([machine.vfs(SECOND)[0]], [vfs[3]])


def test_what_the_host_took_meanwhile_is_replaced(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    guests.deal(new("one", some(2)))
    reserve(machine, vfs[0])
    (told,) = guests.deal(guest("one", some(2)))
    assert functions(told) == vfs[1:3]


def test_two_domains_that_have_one_function(machine: Machine, guests: GuestTasks) -> None:
    """The one that runs has it; libvirt lets two be defined with it."""
    vfs = add_vfs(machine)
    guests.deal(new("two", some(1)))
    guests.libvirt.start("two")
    machine.write("tmp/two", guests.libvirt.dump("two"))
    text = guests.libvirt.dump("two").replace("<name>two<", "<name>one<")
    old = text[text.index("<uuid>") : text.index("</uuid>")]
    guests.libvirt.define(text.replace(f"{old}</uuid>", ""))
    assert guests.libvirt.has("one") == vfs[:1]
    one, two = guests.deal(guest("one", some(1)), guest("two", some(1)))
    assert (functions(one), functions(two)) == (vfs[1:2], vfs[:1])


# -- what is never picked ----------------------------------------------------------------------


def test_functions_of_the_host_are_never_picked(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=12)
    reserve(machine, vfs[0])
    machine.write(f"{machine.device(vfs[1])}/driver_override", f"{GEN4.vf_driver}\n")
    machine.bind(vfs[2], GEN4.vf_driver)
    machine.hold(vfs[3], pid=77)
    machine.add_domain("defined", vfs[4])
    machine.add_domain("running", vfs[5], pid=78)
    machine.add_domain("transient", vfs[6], pid=79)
    machine.at("etc/libvirt/qemu/transient.xml").unlink()
    move_to_group(machine, vfs[7], machine.group(vfs[4]))
    add_nic(machine)
    move_to_group(machine, vfs[8], 31)
    group = machine.at(machine.device(vfs[9])) / "iommu_group"
    group.unlink()
    (told,) = guests.deal(new("one", some(2)))
    assert functions(told) == vfs[10:]
    message = guests.refusal(guest("one", some(3)))
    assert "guest one: 3 VF of 4xxx wanted, 1 to be picked and 0 free: " in message
    reasons = [
        (vfs[0], "the host keeps it for itself (qat_sriov, host_vfs; or qatlib_service)"),
        (vfs[1], "the host keeps it for itself (qat_sriov, host_vfs; or qatlib_service)"),
        (vfs[2], "the host uses it (driver 4xxxvf)"),
        (vfs[3], "held by process qemu-system-x86 (pid 77)"),
        (vfs[4], "domain defined has it"),
        (vfs[5], "domain running (pid 78) has it"),
        (vfs[6], "domain transient (pid 79) has it"),
        (vfs[7], f"{vfs[4]} of its IOMMU group belongs to domain defined"),
        (vfs[8], f"{NIC} of its IOMMU group stands on igb"),
        (vfs[9], "it has no IOMMU group: no IOMMU is on (module iommu_kernel_arg)"),
        (vfs[10], "given to domain one"),
        (vfs[11], "given to domain one"),
    ]
    # A driver of the host is a holder as well.
    table = message.partition(" free: ")[2].replace("held by driver 4xxxvf", reasons[2][1])
    assert table == "; ".join(f"{address}: {reason}" for address, reason in reasons)
    # By its address neither.
    for address, reason in reasons[:10]:
        told_of = guests.refusal(guest("one", address))
        assert told_of.startswith(f"guest one: {address}: ")
        if address != vfs[2]:
            assert reason in told_of


def test_functions_of_qatlib_are_never_picked(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=4)
    machine.write(RULES, render_rules(map(PciAddress.parse, vfs[:2])) or b"")
    (told,) = guests.deal(new("one", some(1)))
    assert functions(told) == vfs[2:3]
    reason = "the host keeps it for itself (qat_sriov, host_vfs; or qatlib_service)"
    message = guests.refusal(guest("one", some(3)))
    for vf in vfs[:2]:
        assert f"{vf}: {reason}" in message
        assert reason in guests.refusal(guest("one", vf))


@pytest.mark.parametrize("driver", [None, "vfio-pci", "qat_vfio_pci", "pci-stub"])
def test_what_stands_on_no_driver_of_the_host(
    machine: Machine, guests: GuestTasks, driver: str | None
) -> None:
    vfs = add_vfs(machine, number=2)
    for vf in vfs:
        machine.bind(vf, driver)
    move_to_group(machine, vfs[1], machine.group(vfs[0]))
    (told,) = guests.deal(new("one", some(1)))
    assert functions(told) == vfs[:1]


def test_a_group_goes_to_one_guest(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=4)
    move_to_group(machine, vfs[1], machine.group(vfs[0]))
    one, two = guests.deal(new("one", some(1)), new("two", some(2)))
    assert (functions(one), functions(two)) == (vfs[:1], vfs[2:])
    message = guests.refusal(guest("one", some(1)), guest("two", some(3)))
    assert f"{vfs[1]}: {vfs[0]} of its IOMMU group " in message
    one, _two = guests.deal(guest("one", some(2)), guest("two", some(2)))
    assert functions(one) == vfs[:2]


def test_a_bridge_counts_in_no_group(machine: Machine, guests: GuestTasks) -> None:
    machine.add_vfio()
    add_gpu(machine)
    for address in (GPU, "0000:65:00.1"):
        machine.bind(address, "vfio-pci")
    (told,) = guests.deal(new("one", GPU))
    assert functions(told) == [GPU]


def test_the_denylist(machine: Machine, guests: GuestTasks) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine, "c62x", 16)
    told = "vfio-pci refuses it (denylist): bind it with vfio_passthrough and allow_denylisted"
    assert told in guests.refusal(new("one", some(1, "c62x")))
    machine.bind(vfs[2], "vfio-pci")
    (found,) = guests.deal(new("one", some(1, "c62x")))
    assert functions(found) == [vfs[2]]


def test_a_denylist_that_is_off(machine: Machine, guests: GuestTasks) -> None:
    machine.add_vfio(parameter="Y")
    vfs = add_vfs(machine, "c62x", 16)
    assert functions(guests.deal(new("one", some(1, "c62x")))[0]) == vfs[:1]


def test_who_is_named_for_another(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    guests.deal(new("one", vfs[0]))
    message = guests.refusal(new("two", vfs[0]))
    assert message == f"guest two: {vfs[0]}: domain one has it"
    guests.libvirt.start("one", 99)
    message = guests.refusal(new("two", vfs[0]))
    assert message == f"guest two: {vfs[0]}: domain one (pid 99) has it"
    message = guests.refusal(new("two", vfs[0]), guest("one"))
    assert "domain one (pid 99) has it and would have to let go of it while it runs" in message


def test_an_address_with_nothing_there(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=2)
    message = guests.refusal(
        new("one", "0000:99:00.0", {"address": vfs[0], "id": "8086:37c9"}), new("two", vfs[1])
    )
    assert message == (
        "guest one: 0000:99:00.0: no PCI function at this address. "
        f"guest one: {vfs[0]}: 8086:4941 sits there, not 8086:37c9"
    )


def test_all_that_is_lacking_is_told_at_once(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=3)
    message = guests.refusal(new("one", some(2)), new("two", some(2)), new("three", WHOLE))
    assert "guest two: 2 VF of 4xxx wanted, 2 to be picked and 1 free" in message
    assert f"{vfs[0]}: given to domain one; {vfs[1]}: given to domain one; {vfs[2]}: free" in (
        message
    )
    assert "guest three: 1 PF of 4xxx wanted, 1 to be picked and 0 free: " in message
    assert f"{PF}: it has 3 VFs, which would go with it" in message


def test_no_such_accelerator(guests: GuestTasks) -> None:
    message = guests.refusal(new("one", some(1, "6xxx")))
    assert message == (
        "guest one: 1 VF of 6xxx wanted, 1 to be picked and 0 free: this host has none"
    )


# -- limits ------------------------------------------------------------------------------------


def test_as_many_as_allowed(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine, number=4)
    guests.deal(new("one", some(3)), max_functions=3)
    message = guests.refusal(guest("one", some(4)), max_functions=3)
    assert "guest one: 4 functions wanted, 3 are allowed (max_functions)" in message


def test_thirty_two_are_allowed_unless_told(machine: Machine, guests: GuestTasks) -> None:
    for number in range(3):
        machine.add_pf("4xxx", f"0000:{number + 0x10:02x}:00.0", vfs=16, group=100 + number)
        for vf in machine.vfs(f"0000:{number + 0x10:02x}:00.0"):
            machine.write(f"{machine.device(vf)}/vendor", "0x8086\n")
    guests(new("one", some(32)))
    assert "33 functions wanted, 32 are allowed" in guests.refusal(new("one", some(33)))


@pytest.mark.parametrize("level", ["integrity", "confidentiality"])
def test_lockdown(machine: Machine, guests: GuestTasks, level: str) -> None:
    machine.add_pf("c62x", PF, driver="vfio-pci")
    wish = {"family": "c62x", "kind": "pf"}
    machine.write(LOCKDOWN, "[none] integrity confidentiality\n")
    result = guests.run(new("one", wish))
    assert (result["payload_pfs"], result["payload_unheld"]) == ([PF], [PF])
    machine.write(LOCKDOWN, f"none [{level}]\n")
    message = guests.refusal(new("one", wish))
    assert message.startswith(f"guest one: {PF}: a reset loses its Max Payload Size")
    assert "accept_mps_loss: true" in message
    (told,) = guests.deal(new("one", wish), accept_mps_loss=True)
    assert functions(told) == [PF]
    guests.libvirt.start("one")
    result = guests.run(new("one", wish), accept_mps_loss=True)
    assert (result["payload_pfs"], result["payload_unheld"]) == ([PF], [])


def test_lockdown_and_what_keeps_its_payload_size(machine: Machine, guests: GuestTasks) -> None:
    machine.write(LOCKDOWN, "none [integrity] confidentiality\n")
    machine.add_pf("4xxx", PF, driver="vfio-pci")
    machine.add_pf("c62x", SECOND, vfs=16, group=2)
    result = guests.run(new("one", WHOLE, some(1, "c62x")))
    assert "failed" not in result
    assert (result["payload_pfs"], result["payload_unheld"]) == ([], [])


def test_a_domain_that_is_not_there(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    message = guests.refusal(guest("one", some()), guest("two"))
    told = "libvirt has no such domain, and xml is not given to define it"
    assert message == f"guest one: {told}. guest two: {told}"


# -- another root ------------------------------------------------------------------------------


def test_a_tree(machine: Machine, guests: GuestTasks, run_module: ModuleRunner) -> None:
    vfs = add_vfs(machine)
    guests.deal(new("one", some(2)), new("two", some(1)))
    guests.libvirt.start("one")
    before = machine.files()
    options = {"guests": [guest("one", some(3)), guest("two", some(2))]}
    result = run_module(MODULE, options)
    assert result["changed"]
    assert machine.files() == before
    assert result["pending_writes"] == []
    # By its UUID: virsh would take a number for an id before it takes it for a name.
    uuid = guests.libvirt.status("one").findtext("domain/uuid")
    command = ["virsh", "--connect", "qemu:///system", "attach-device", "--domain", uuid]
    assert result["pending_commands"] == [[*command, "--file", "/dev/stdin", "--live"]]
    one, two = result["guests"]
    assert (functions(one), functions(two)) == ([*vfs[:2], vfs[3]], [vfs[2], vfs[4]])
    assert [each["held"] for each in one["functions"]] == [True] * 3
    assert run_module(MODULE, options, check=True)["guests"] == result["guests"]
    again = guests.run(*options["guests"])
    assert again["guests"] == result["guests"]


def test_a_description_that_cannot_be_read(machine: Machine, guests: GuestTasks) -> None:
    add_vfs(machine)
    machine.write("etc/libvirt/qemu/broken.xml", "<domain>")
    message = guests.refusal(new("one", some()))
    assert message.startswith("/etc/libvirt/qemu/broken.xml: not a description of a domain (")


def test_a_status_with_a_bad_process(machine: Machine, guests: GuestTasks) -> None:
    machine.write("run/libvirt/qemu/one.xml", f"<domstatus pid='x'>{xml('one')}</domstatus>")
    assert "/run/libvirt/qemu/one.xml: the pid 'x' is no number" in guests.refusal(new("one"))


def test_what_else_lies_in_the_folders_of_libvirt(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    machine.write("etc/libvirt/qemu/net.xml", "<network><name>one</name></network>")
    machine.write("etc/libvirt/qemu/one.xml.bak", "<domain>")
    machine.write("run/libvirt/qemu/one.pid", "12")
    machine.write("run/libvirt/qemu/other.xml", "<domstatus/>")
    assert functions(guests.deal(new("one", some()))[0]) == vfs[:1]


# -- managed -----------------------------------------------------------------------------------


def test_who_binds_a_function(
    machine: Machine, guests: GuestTasks, run_module: ModuleRunner
) -> None:
    machine.add_vfio()
    vfs = add_vfs(machine, number=3)
    machine.at("etc/modules-load.d").mkdir(parents=True)
    bound = run_module("vfio_passthrough", {"devices": vfs[:1]}, running=guests.running)
    assert "failed" not in bound, bound["msg"]
    # Somebody else has bound the second: libvirt leaves it without a driver in the end.
    machine.bind(vfs[1], "vfio-pci")
    (told,) = guests.deal(new("one", some(3)))
    assert [each["managed"] for each in told["functions"]] == [False, True, True]
    assert guests.libvirt.dump("one").count('managed="no"') == 1
    guests.libvirt.start("one")
    (told,) = guests.deal(guest("one", some(3)))
    assert [each["managed"] for each in told["functions"]] == [False, True, True]
    guests.libvirt.stop("one")
    assert [machine.driver(vf) for vf in vfs] == ["vfio-pci", None, None]
    gone = run_module(
        "vfio_passthrough",
        {"devices": vfs[:1], "state": "absent", "force": True},
        running=guests.running,
    )
    assert "failed" not in gone, gone["msg"]
    (told,) = guests(guest("one", some(3)))
    assert [each["managed"] for each in told["functions"]] == [True] * 3
    assert told["differs"]


def test_functions_bound_at_boot_alone(
    machine: Machine, guests: GuestTasks, run_module: ModuleRunner
) -> None:
    """What only the rules of vfio_passthrough remember is bound by it all the same."""
    machine.add_vfio()
    vfs = add_vfs(machine, number=1)
    machine.at("etc/modules-load.d").mkdir(parents=True)
    run_module("vfio_passthrough", {"devices": vfs}, running=guests.running)
    machine.at("var/lib/hwaccel/undo.json").unlink()
    assert guests(new("one", some()))[0]["functions"][0]["managed"] is False
