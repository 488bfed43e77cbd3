# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions dealt out to guests, whatever there is and whatever is wanted."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.choose import choose
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.definition import host_device
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.guests import Guest
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.state import State
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.wishes import (
    GuestWish,
    Wanted,
    Wish,
    fits,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.xml import Element
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.address import PciAddress
from ansible_collections.hwaccel.virt.plugins.module_utils._pci.function import PciFunction
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.denylist import VfioPci
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.holders import Holders
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import GEN4
from hypothesis import given, settings
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.hwaccel.virt.plugins.module_utils._libvirt.choose import Shares

NAMES = ("one", "two", "three")
PFS = (PciAddress(0, 1, 0, 0), PciAddress(0, 0x6B, 0, 0))
VFS = [PciAddress(0, pf.bus, 1, number) for pf in PFS for number in range(5)]


def vf(address: PciAddress, node: int, group: int | None, driver: str | None) -> PciFunction:
    pf = PciAddress(0, address.bus, 0, 0)
    return PciFunction(address, GEN4.vf_id, 0, driver, node, group, pf)


def domain(name: str, addresses: Iterable[PciAddress], state: State) -> Element:
    """Return a description with functions."""
    devices = tuple(host_device(address, state) for address in addresses)
    return Element("domain", {}, (Element("name", text=name), Element("devices", {}, devices)))


def adopted(state: State, shares: Shares) -> State:
    """Return what there is when all have got what they are to have, and are defined so."""
    guests = dict(state.guests)
    for name, addresses in shares.items():
        guest, whole = guests.get(name, Guest(name)), domain(name, addresses, state)
        guests[name] = replace(guest, defined=whole, live=whole if guest.running else None)
    return replace(state, guests=guests)


@st.composite
def states(draw: st.DrawFn) -> State:
    """Draw a host: some VFs at some nodes, some in one group, some in use, some with guests."""
    there = draw(st.lists(st.sampled_from(VFS), unique=True, max_size=10).map(sorted))
    functions = {
        address: vf(
            address,
            draw(st.integers(0, 1)),
            draw(st.sampled_from([number, number, number, 0, None])),
            draw(st.sampled_from([None, None, None, "vfio-pci", "4xxxvf"])),
        )
        for number, address in enumerate(there, 1)
    }
    empty = State(
        functions=functions,
        guests={},
        holders=Holders(),
        bound=frozenset(draw(st.lists(st.sampled_from(VFS), max_size=2))),
        reserved=frozenset(draw(st.lists(st.sampled_from(VFS), max_size=1))),
        vfio_pci=VfioPci(loaded=True, built_in=False, denies=False, used=False),
        locked=False,
    )
    guests = {}
    some = st.lists(st.sampled_from(VFS), unique=True, max_size=4)
    running_have: set[PciAddress] = set()
    for name in (*NAMES, "other"):
        if draw(st.booleans()):
            continue
        held = [each for each in draw(some) if each in functions and each not in running_have]
        live = draw(st.booleans())
        if live:
            running_have |= set(held)
        guests[name] = Guest(
            name,
            domain(name, draw(some), empty),
            domain(name, held, empty) if live else None,
            77 if live else None,
        )
    return replace(empty, guests=guests)


_BY_FAMILY = st.builds(
    Wish,
    family=st.just("4xxx"),
    count=st.integers(1, 3),
    numa_node=st.sampled_from([None, None, 0, 1]),
    same_numa_node=st.booleans(),
)


@st.composite
def tasks(draw: st.DrawFn) -> Wanted:
    """Draw what guests are to have."""
    named = draw(st.lists(st.sampled_from(VFS), unique=True, max_size=3))
    owners = {address: draw(st.sampled_from(NAMES)) for address in named}
    guests = []
    for name in NAMES[: draw(st.integers(1, 3))]:
        wishes = [Wish(address=address) for address, owner in owners.items() if owner == name]
        wishes += draw(st.lists(_BY_FAMILY, max_size=3))
        guests.append(GuestWish(name, tuple(wishes), None, draw(st.booleans())))
    return Wanted(tuple(guests), 32, draw(st.booleans()), accept_mps_loss=False)


def shares_of(wanted: Wanted, state: State) -> Shares | None:
    """Return what is dealt out, None where it is refused."""
    try:
        return choose(wanted, state)
    except RefusedError:
        return None


@settings(max_examples=300)
@given(states(), tasks())
def test_no_function_goes_to_two(state: State, wanted: Wanted) -> None:
    shares = shares_of(wanted, state)
    if shares is None:
        return
    dealt = [address for addresses in shares.values() for address in addresses]
    assert len(dealt) == len(set(dealt))
    for name, addresses in shares.items():
        assert list(addresses) == sorted(addresses)
        for address in addresses:
            assert address in state.functions
            # What nobody else of the host has, unless the guest holds it at this moment.
            known = state.guests.get(name)
            if known is None or address not in known.now:
                assert address not in state.reserved
                assert state.functions[address].iommu_group is not None
                others = set(state.owners.get(address, ())) - {name}
                if known is not None and address in known.own:
                    # Two may be defined with one function, of which one at a time runs.
                    assert not any(address in state.guests[other].now for other in others)
                else:
                    assert others <= {each.name for each in wanted.guests}


@settings(max_examples=300)
@given(states(), tasks())
def test_a_guest_gets_as_many_as_it_wishes(state: State, wanted: Wanted) -> None:
    shares = shares_of(wanted, state)
    if shares is None:
        return
    for guest in wanted.guests:
        got = [state.functions[address] for address in shares[guest.name]]
        assert len(got) == sum(wish.count for wish in guest.wishes)
        for wish in guest.wishes:
            fitting = [function for function in got if fits(wish, function)]
            assert len(fitting) >= wish.count
            if wish.same_numa_node:
                nodes = [function.numa_node for function in fitting]
                assert max(map(nodes.count, nodes)) >= wish.count


@settings(max_examples=300)
@given(states(), tasks())
def test_everything_stays_in_a_second_run(state: State, wanted: Wanted) -> None:
    shares = shares_of(wanted, state)
    if shares is not None:
        assert choose(wanted, adopted(state, shares)) == shares


def host_with(nodes: dict[int, int]) -> State:
    """Return a host with VFs of one PF, by function number at NUMA nodes, that nobody has."""
    functions = {
        VFS[number]: vf(VFS[number], node, number + 1, None) for number, node in nodes.items()
    }
    return State(
        functions=functions,
        guests={},
        holders=Holders(),
        bound=frozenset(),
        reserved=frozenset(),
        vfio_pci=VfioPci(loaded=True, built_in=False, denies=False, used=False),
        locked=False,
    )


def running(name: str, numbers: Iterable[int], state: State) -> State:
    """Return a host where a guest runs with some VFs."""
    whole = domain(name, [VFS[number] for number in numbers], state)
    return replace(state, guests={name: Guest(name, whole, whole, 77)})


@pytest.mark.parametrize(
    ("nodes", "has", "counts"),
    [
        # The one that is alone at its node is for the wish for one, which comes first.
        ({0: 1, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0}, (0, 1, 2), (1, 2)),
        ({0: 1, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0}, (0, 1, 2), (2, 1)),
        # Not where it fits best.
        ({0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 1, 6: 1, 7: 1, 8: 1}, range(9), (2, 2, 5)),
        ({0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 1, 7: 1, 8: 1}, range(9), (2, 3, 2, 2)),
    ],
)
def test_a_running_guest_keeps_what_serves_all_its_wishes(
    nodes: dict[int, int], has: Iterable[int], counts: tuple[int, ...]
) -> None:
    state = running("one", has, host_with(nodes))
    wishes = tuple(Wish("4xxx", count=count, same_numa_node=True) for count in counts)
    wanted = Wanted((GuestWish("one", wishes),), 32, allow_hot_remove=False, accept_mps_loss=False)
    assert choose(wanted, state) == {"one": tuple(VFS[number] for number in has)}


@settings(max_examples=200)
@given(states(), st.lists(st.integers(0, 4), min_size=3, max_size=3))
def test_nobody_gives_up_more_than_wished(state: State, numbers: list[int]) -> None:
    """Who asks for as many of a family as it has, or more, keeps all that it holds now."""
    wanted = Wanted(
        tuple(
            GuestWish(name, (Wish("4xxx", count=number),))
            for name, number in zip(NAMES, numbers)
            if number
        ),
        32,
        allow_hot_remove=False,
        accept_mps_loss=False,
    )
    shares = shares_of(wanted, state)
    for guest in wanted.guests if shares else ():
        assert shares is not None
        known = state.guests.get(guest.name)
        now = [address for address in (known.now if known else ()) if address in state.functions]
        if len(now) <= guest.wishes[0].count:
            assert set(now) <= set(shares[guest.name])


@given(states(), tasks())
def test_the_order_of_guests_in_libvirt_does_not_matter(state: State, wanted: Wanted) -> None:
    turned = replace(state, guests=dict(reversed(list(state.guests.items()))))
    assert shares_of(wanted, state) == shares_of(wanted, turned)
