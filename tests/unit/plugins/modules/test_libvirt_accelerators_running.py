# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module libvirt_accelerators with guests that run."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import (
    functions,
    guest,
    new,
    no_waiting,
    some,
    xml,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.vfio_runs import GPU, add_gpu, add_vfs

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import GuestTasks
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

PORTS = 12


def start(guests: GuestTasks, name: str, *accelerators: object, pid: int = 4242) -> None:
    """Define a guest that has root ports to spare, and start it."""
    guests.deal(new(name, *accelerators, xml=xml(name, ports=PORTS)))
    guests.libvirt.start(name, pid)


def test_a_function_is_plugged_in(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    start(guests, "one", some(1))
    result = guests.run(guest("one", some(3)))
    assert result["changed"]
    assert result["diff"] == [
        {
            "before_header": "functions of domain one",
            "after_header": "functions of domain one",
            "before": f"{vfs[0]}\n",
            "after": f"{vfs[0]}\n{vfs[1]}\n{vfs[2]}\n",
        }
    ]
    assert guests.running.plugged == [("attach", "one", vfs[1]), ("attach", "one", vfs[2])]
    (told,) = result["guests"]
    assert (told["running"], told["defined"], told["differs"]) == (True, True, True)
    assert (functions(told), told["added"]) == (vfs[:3], vfs[1:3])
    assert [each["held"] for each in told["functions"]] == [True] * 3
    assert guests.libvirt.held("one") == vfs[:3]
    # To have it at its next start is libvirt's to define.
    assert guests.libvirt.has("one") == vfs[:1]


def test_check_tells_what_a_run_does(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    start(guests, "one", some(2))
    start(guests, "two", some(1), pid=43)
    one, two, three = guests.deal(
        guest("one", vfs[1], vfs[5]),
        guest("two", some(2)),
        new("three", some(1)),
        allow_hot_remove=True,
    )
    assert guests.libvirt.held("one") == [vfs[1], vfs[5]]
    assert (functions(two), functions(three)) == (vfs[2:4], [vfs[4]])
    assert (one["added"], one["removed"]) == ([vfs[5]], [vfs[0]])
    assert not three["running"]


def test_removals_come_first(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    start(guests, "one", vfs[0], vfs[1])
    start(guests, "two", vfs[2], pid=43)
    result = guests.run(guest("one", vfs[3], vfs[1]), guest("two", vfs[4]), allow_hot_remove=True)
    assert guests.running.plugged == [
        ("detach", "one", vfs[0]),
        ("detach", "two", vfs[2]),
        ("attach", "one", vfs[3]),
        ("attach", "two", vfs[4]),
    ]
    assert [entry["before_header"] for entry in result["diff"]] == [
        "functions of domain one",
        "functions of domain two",
    ]


def test_from_one_running_guest_to_another(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=2)
    start(guests, "one", vfs[0], vfs[1])
    start(guests, "two", pid=43)
    message = guests.refusal(guest("one", vfs[1]), guest("two", vfs[0]))
    assert f"guest two: {vfs[0]}: domain one (pid 4242) has it and would have to let go" in message
    one, two = guests.deal(guest("one", vfs[1]), guest("two", vfs[0]), allow_hot_remove=True)
    assert (functions(one), functions(two)) == ([vfs[1]], [vfs[0]])
    assert guests.running.plugged == [("detach", "one", vfs[0]), ("attach", "two", vfs[0])]
    assert (one["removed"], two["added"]) == ([vfs[0]], [vfs[0]])


def test_from_a_stopped_guest_to_a_running_one(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=2)
    guests.deal(new("one", vfs[0], vfs[1]))
    start(guests, "two", pid=43)
    one, two = guests.deal(guest("one", some(1)), guest("two", vfs[0]))
    assert (functions(one), functions(two)) == ([vfs[1]], [vfs[0]])


def test_what_a_running_guest_has_is_not_picked_from_the_rest(
    machine: Machine, guests: GuestTasks
) -> None:
    """A guest that runs keeps what it has, before one that does not."""
    vfs = add_vfs(machine, number=2)
    guests.deal(new("one", some(1)))
    start(guests, "two", vfs[1])
    guests.libvirt.edit(
        "one",
        '<address domain="0x0000" bus="0x01" slot="0x01" function="0x0"',
        '<address domain="0x0000" bus="0x01" slot="0x01" function="0x1"',
    )
    one, two = guests.deal(guest("one", some(1)), guest("two", some(1)))
    assert (functions(one), functions(two)) == ([vfs[0]], [vfs[1]])


def test_the_device_as_libvirt_is_told_of_it(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    start(guests, "one")
    guests.run(guest("one", vfs[3]))
    assert guests.running.fed[0].splitlines() == [
        "<hostdev mode='subsystem' type='pci' managed='yes'>",
        "  <source>",
        "    <address domain='0x0000' bus='0x01' slot='0x01' function='0x3'/>",
        "  </source>",
        "</hostdev>",
    ]
    guests.run(guest("one"), allow_hot_remove=True)
    # libvirt's own description, with the alias that it finds the device by.
    assert "<alias name='hostdev" in guests.running.fed[1]
    assert machine.driver(vfs[3]) is None


def test_nothing_is_taken_without_leave(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    start(guests, "one", some(3))
    message = guests.refusal(guest("one", some(1)))
    assert message == (
        f"guest one: it would have to let go of {vfs[1]}, {vfs[2]}; allow_hot_remove: true asks "
        "it to, else: it runs (pid 4242): shut it down first"
    )
    guests.libvirt.stop("one")
    (told,) = guests.deal(guest("one", some(1)))
    assert told["removed"] == vfs[1:3]


def test_whole_cards_are_not_plugged(machine: Machine, guests: GuestTasks) -> None:
    machine.add_pf("4xxx", PF, driver=None)
    start(guests, "one")
    told = f"{PF}: only VFs are plugged into or out of a running guest; it runs (pid 4242): shut"
    assert told in guests.refusal(guest("one", PF))
    guests.libvirt.stop("one")
    guests.deal(guest("one", PF))
    guests.libvirt.start("one")
    assert told in guests.refusal(guest("one"), allow_hot_remove=True)
    (kept,) = guests.deal(guest("one", {"family": "4xxx", "kind": "pf"}))
    assert functions(kept) == [PF]


def test_a_gpu_is_not_plugged(machine: Machine, guests: GuestTasks) -> None:
    add_gpu(machine)
    for address in (GPU, "0000:65:00.1"):
        machine.bind(address, "vfio-pci")
    start(guests, "one")
    assert f"{GPU}: only VFs are plugged" in guests.refusal(guest("one", GPU))


@pytest.mark.parametrize("number", [1, 3])
def test_a_shared_bus_is_not_plugged(machine: Machine, guests: GuestTasks, number: int) -> None:
    add_vfs(machine)
    guests.deal(new("one", some(2), xml=xml("one", ports=PORTS), shared_bus=True))
    guests.libvirt.start("one")
    message = guests.refusal(guest("one", some(number), shared_bus=True), allow_hot_remove=True)
    assert "the functions of a shared bus come and go together (shared_bus); it runs (pid" in (
        message
    )
    assert not guests(guest("one", some(2), shared_bus=True))[0]["differs"]


def test_too_few_root_ports(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    # Network, disk, USB and the balloon take four of seven.
    guests.deal(new("one", xml=xml("one", ports=7)))
    guests.libvirt.start("one")
    message = guests.refusal(guest("one", some(4)))
    assert "4 functions to plug in and 3 free PCIe ports (controllers of model" in message
    guests.deal(guest("one", some(3)))
    assert guests.libvirt.held("one") == vfs[:3]
    assert "1 functions to plug in and 0 free" in guests.refusal(guest("one", some(4)))


def test_a_machine_without_ports(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine, number=2)
    guests.deal(new("one", xml=xml("one", machine="pc-i440fx-10.0")))
    guests.libvirt.start("one")
    guests.deal(guest("one", some(2)))
    assert guests.libvirt.held("one") == vfs


def test_every_reason_is_told(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    start(guests, "one", some(2))
    message = guests.refusal(guest("one", vfs[5]), guest("two"), max_functions=1)
    first, second = message.split(". guest ")
    assert first.startswith(f"guest one: it would have to let go of {vfs[0]}, {vfs[1]}; allow_hot")
    assert second == "two: libvirt has no such domain, and xml is not given to define it"


# -- guests that do not ------------------------------------------------------------------------


def test_a_guest_that_does_not_let_go(
    machine: Machine, guests: GuestTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    vfs = add_vfs(machine)
    start(guests, "one", some(3))
    guests.libvirt.stubborn.add("one")
    with no_waiting(monkeypatch, guests.libvirt) as slept:
        result = guests.failure(guest("one", some(1)), allow_hot_remove=True)
        assert 30 <= sum(slept) <= 60
    assert result["msg"].startswith(f"guest one was asked to let go of {vfs[1]}")
    assert "and has not: its own system has to answer" in result["msg"]
    (told,) = result["guests"]
    assert (functions(told), told["removed"]) == (vfs[:1], vfs[1:3])
    assert (told["running"], told["functions"][0]["held"]) == (True, True)
    assert guests.libvirt.held("one") == vfs[:3]
    # Once it can, it does.
    guests.libvirt.stubborn.clear()
    guests.deal(guest("one", some(1)), allow_hot_remove=True)
    assert guests.libvirt.held("one") == vfs[:1]


@pytest.mark.parametrize("looks", [1, 59])
def test_a_guest_that_lets_go_later(
    machine: Machine, guests: GuestTasks, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    vfs = add_vfs(machine)
    start(guests, "one", some(2))
    guests.libvirt.slow["one"] = looks
    with no_waiting(monkeypatch, guests.libvirt) as slept:
        guests.deal(guest("one", some(1)), allow_hot_remove=True)
        assert slept == [0.5] * looks
    assert guests.libvirt.held("one") == vfs[:1]


def test_a_guest_that_waits_for_another(
    machine: Machine, guests: GuestTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function is plugged into the one guest when the other has let go, and not before."""
    vfs = add_vfs(machine, number=1)
    start(guests, "one", vfs[0])
    start(guests, "two", pid=43)
    guests.libvirt.slow["one"] = 20
    with no_waiting(monkeypatch, guests.libvirt):
        guests.deal(guest("one"), guest("two", vfs[0]), allow_hot_remove=True)
    assert guests.libvirt.held("two") == vfs


def test_a_guest_that_waits_in_vain(
    machine: Machine, guests: GuestTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    vfs = add_vfs(machine, number=1)
    start(guests, "one", vfs[0])
    start(guests, "two", pid=43)
    guests.libvirt.stubborn.add("one")
    with no_waiting(monkeypatch, guests.libvirt):
        result = guests.failure(guest("one"), guest("two", vfs[0]), allow_hot_remove=True)
    assert vfs[0] in result["msg"]
    assert [told["name"] for told in result["guests"]] == ["one", "two"]
    assert result["guests"][1]["functions"][0]["held"] is False


def test_virsh_fails(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    start(guests, "one", some(2))
    guests.libvirt.broken.add("attach-device")
    result = guests.failure(guest("one", vfs[1], vfs[2]), allow_hot_remove=True)
    assert result["msg"].startswith("virsh --connect qemu:///system attach-device --domain ")
    assert f"it says why; {vfs[2]} into guest one: see the log of libvirt's daemon" in result["msg"]
    assert f"Already run: detach-device {vfs[0]} (guest one)" in result["msg"]
    (told,) = result["guests"]
    assert [each["held"] for each in told["functions"]] == [True, False]
    assert guests.libvirt.held("one") == [vfs[1]]


def test_a_function_that_does_not_arrive(
    machine: Machine, guests: GuestTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    vfs = add_vfs(machine)
    start(guests, "one")
    monkeypatch.setattr(guests.libvirt, "_attach", lambda _name, _device: None)
    result = guests.failure(guest("one", some(2)))
    assert result["msg"] == f"guest one has not got {vfs[0]}, {vfs[1]}: see libvirt's log"
    assert [each["held"] for each in result["guests"][0]["functions"]] == [False, False]


def test_a_guest_that_ended_meanwhile(
    machine: Machine, guests: GuestTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not run any more has nothing to let go of."""
    add_vfs(machine)
    start(guests, "one", some(2))
    monkeypatch.setattr(guests.libvirt, "_detach", lambda name, _device: guests.libvirt.stop(name))
    result = guests.run(guest("one", some(1)), allow_hot_remove=True)
    assert "failed" not in result, result["msg"]
    (told,) = result["guests"]
    assert (told["running"], told["functions"][0]["held"]) == (False, False)


# -- transient guests --------------------------------------------------------------------------


def test_a_transient_guest(machine: Machine, guests: GuestTasks) -> None:
    vfs = add_vfs(machine)
    start(guests, "one", some(1))
    guests.libvirt.undefine("one")
    (told,) = guests(guest("one", some(2)))
    assert (told["defined"], told["running"], told["differs"]) == (False, True, True)
    assert guests.libvirt.held("one") == vfs[:2]


def test_a_guest_that_is_not_of_the_task_is_left_alone(
    machine: Machine, guests: GuestTasks
) -> None:
    vfs = add_vfs(machine)
    start(guests, "other", some(2))
    start(guests, "one", pid=43)
    before = guests.libvirt.dump("other")
    guests.deal(guest("one", some(1)), allow_hot_remove=True)
    assert guests.libvirt.held("one") == [vfs[2]]
    assert guests.libvirt.held("other") == vfs[:2]
    assert guests.libvirt.dump("other") == before
    assert {name for _verb, name, _function in guests.running.plugged} == {"one"}
