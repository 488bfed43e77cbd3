# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which guest gets which functions: what it has stays with it, the rest is picked from the free.

What a guest names by address is dealt out first, then what guests have already, those that run
before those that do not, and at last what is free, by address.
"""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import replace
from functools import cache

from .._errors import RefusedError
from .wishes import PF, fits

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .guests import Guest
    from .state import State
    from .wishes import GuestWish, Wanted, Wish

Shares = dict[str, tuple["PciAddress", ...]]


def choose(wanted: Wanted, state: State) -> Shares:
    """Return the functions of each guest of the task, sorted by address.

    Raises:
        RefusedError: with all that cannot be had, and who has it.
    """
    dealer = _Dealer(wanted, state)
    return dealer.deal()


class _Dealer:
    """Deals functions out; a function goes to one guest."""

    def __init__(self, wanted: Wanted, state: State) -> None:
        self._wanted = wanted
        self._state = state
        self._taken: dict[PciAddress, str] = {}
        self._kept: dict[int, list[PciFunction]] = {}
        self._refusals: list[str] = []

    def deal(self) -> Shares:
        for guest in self._wanted.guests:
            for wish in guest.wishes:
                self._take_named(guest, wish)
        open_wishes = [
            (guest, wish)
            for guest in self._wanted.guests
            for wish in guest.wishes
            if wish.address is None
        ]
        # One that says where comes before one that takes what there is.
        open_wishes.sort(key=lambda each: (each[1].numa_node is None, not each[1].same_numa_node))
        for guest, wish in sorted(open_wishes, key=lambda each: not self._runs(each[0].name)):
            self._keep(guest, wish)
        for guest, wish in open_wishes:
            self._pick(guest, wish)
        self._refusals += self._split_groups()
        if self._refusals:
            raise RefusedError(". ".join(dict.fromkeys(self._refusals)))
        shares: dict[str, list[PciAddress]] = {guest.name: [] for guest in self._wanted.guests}
        for address in sorted(self._taken):
            shares[self._taken[address]].append(address)
        return {name: tuple(addresses) for name, addresses in shares.items()}

    # -- by address ------------------------------------------------------------------------

    def _take_named(self, guest: GuestWish, wish: Wish) -> None:
        if wish.address is None:
            return
        self._taken[wish.address] = guest.name
        function = self._state.functions.get(wish.address)
        if function is None:
            self._refuse(guest, f"{wish.address}: no PCI function at this address")
        elif wish.id is not None and wish.id != function.id:
            self._refuse(guest, f"{wish.address}: {function.id} sits there, not {wish.id}")
        elif reason := self._state.not_for(guest.name, function) or self._kept_by(guest, function):
            self._refuse(guest, f"{wish.address}: {reason}")

    def _kept_by(self, guest: GuestWish, function: PciFunction) -> str | None:
        """Tell who else has a function, None where nobody, or who lets go of it in this run."""
        listed = {each.name for each in self._wanted.guests}
        for name in self._state.owners.get(function.address, ()):
            if name == guest.name:
                continue
            told = f"{_domain(self._state.guests[name])} has it"
            if name not in listed:
                return told
            if self._state.guests[name].running and not self._wanted.allow_hot_remove:
                return f"{told} and would have to let go of it while it runs"
        return None

    # -- by family -------------------------------------------------------------------------

    def _keep(self, guest: GuestWish, wish: Wish) -> None:
        """Leave a guest what it has of a wish."""
        known = self._state.guests.get(guest.name)
        own = [
            function
            for address in (known.own if known else ())
            if (function := self._state.functions.get(address))
            and address not in self._taken
            and fits(wish, function)
            and self._stays(guest.name, function)
        ]
        if wish.same_numa_node and own:
            node = self._node_to_keep(guest, wish, Counter(each.numa_node for each in own))
            own = [function for function in own if function.numa_node == node]
        self._kept[id(wish)] = own[: wish.count]
        self._taken.update((function.address, guest.name) for function in self._kept[id(wish)])

    def _node_to_keep(self, guest: GuestWish, wish: Wish, own: Counter[int | None]) -> int | None:
        """Return the node whose functions a guest keeps of a wish, such that all its wishes fit."""
        others = [
            each.count
            for each in guest.wishes
            if each is not wish and id(each) not in self._kept and _is_alike(each, wish)
        ]
        others.sort(reverse=True)
        enough = sorted((node for node in own if own[node] >= wish.count), key=own.__getitem__)
        for node in enough:
            rest = own - Counter({node: wish.count})
            if _fit(tuple(others), tuple(sorted(rest.values()))):
                return node
        return enough[0] if enough else own.most_common(1)[0][0]

    def _stays(self, guest: str, function: PciFunction) -> bool:
        """Tell whether a guest can go on with a function; what it holds now it always can."""
        known = self._state.guests[guest]
        if function.address in known.now:
            return True
        others = [
            self._state.guests[name]
            for name in self._state.owners.get(function.address, ())
            if name != guest
        ]
        held = any(function.address in other.now for other in others)
        return not held and self._state.not_for(guest, function) is None

    def _pick(self, guest: GuestWish, wish: Wish) -> None:
        """Give a guest what it lacks of a wish from what is free."""
        mine = self._kept[id(wish)]
        number = wish.count - len(mine)
        if number <= 0:
            return
        free = [
            function
            for function in self._state.functions.values()
            if fits(wish, function) and self._why_not(guest, function) is None
        ]
        # What nobody has comes before what another guest lets go of.
        free.sort(key=lambda function: function.address in self._state.owners)
        if wish.same_numa_node:
            free = self._at_one_node(guest, wish, free)
            mine = self._kept[id(wish)]
            number = wish.count - len(mine)
        if guest.shared_bus and wish.kind != PF:
            free = _of_few_pfs(free, mine, number)
        if number > len(free):
            self._refuse(guest, self._too_few(guest, wish, number, len(free)))
        for function in free[:number]:
            self._taken[function.address] = guest.name

    def _why_not(self, guest: GuestWish, function: PciFunction) -> str | None:
        """Tell why a function is not free for a guest."""
        owner = self._taken.get(function.address)
        if owner is not None:
            return f"given to domain {owner}"
        reason = self._kept_by(guest, function) or self._state.not_for(guest.name, function)
        if reason is not None:
            return reason
        for neighbour in self._state.neighbours(function):
            other = self._taken.get(neighbour.address, guest.name)
            if other != guest.name:
                return f"{neighbour.address} of its IOMMU group is given to domain {other}"
        return None

    def _at_one_node(
        self, guest: GuestWish, wish: Wish, free: list[PciFunction]
    ) -> list[PciFunction]:
        """Keep the free functions of one NUMA node: of that where there are some, if these do.

        A guest that does not run goes elsewhere where they do not.
        """
        mine = self._kept[id(wish)]
        lacking = wish.count - len(mine)
        near = [each for each in free if mine and each.numa_node == mine[0].numa_node]
        if mine and (len(near) >= lacking or self._runs(guest.name)):
            return near
        nodes = Counter(function.numa_node for function in free)
        enough = [node for node in nodes if nodes[node] >= wish.count]
        if mine and not enough:
            return near
        for function in mine:
            del self._taken[function.address]
        self._kept[id(wish)] = []
        chosen = enough[:1] or [node for node, _number in nodes.most_common(1)]
        return [function for function in free if function.numa_node in chosen]

    def _split_groups(self) -> Iterator[str]:
        """Yield what goes to one guest, and has a neighbour that goes to another."""
        for address, guest in self._taken.items():
            function = self._state.functions.get(address)
            for neighbour in self._state.neighbours(function) if function else ():
                other = self._taken.get(neighbour.address, guest)
                if other != guest and address < neighbour.address:
                    yield (
                        f"guests {guest} and {other}: {address} and {neighbour.address} of its "
                        "IOMMU group can only go to one guest together"
                    )

    def _too_few(self, guest: GuestWish, wish: Wish, number: int, free: int) -> str:
        of_kind = [each for each in self._state.functions.values() if fits(wish, each)]
        table = [f"{each.address}: {self._why_not(guest, each) or 'free'}" for each in of_kind]
        where = " at one NUMA node" if wish.same_numa_node else ""
        told = "; ".join(table) or "this host has none"
        return f"{wish} wanted, {number} to be picked{where} and {free} free: {told}"

    # -- telling ---------------------------------------------------------------------------

    def _runs(self, name: str) -> bool:
        known = self._state.guests.get(name)
        return known is not None and known.running

    def _refuse(self, guest: GuestWish, reason: str) -> None:
        self._refusals.append(f"guest {guest.name}: {reason}")


def _is_alike(wish: Wish, other: Wish) -> bool:
    """Tell whether the same functions serve two wishes, each at a node of its own."""
    both = wish.same_numa_node and other.same_numa_node
    return both and replace(wish, count=other.count) == other


@cache
def _fit(counts: tuple[int, ...], room: tuple[int, ...]) -> bool:
    """Tell whether numbers of functions find room at nodes, each as a whole at one of them.

    Args:
        counts: the largest first.
        room: of each node, in any order that is the same for the same numbers.
    """
    if not counts:
        return True
    return any(
        number >= counts[0]
        and _fit(counts[1:], tuple(sorted((*room[:place], number - counts[0], *room[place + 1 :]))))
        for place, number in enumerate(room)
        if number not in room[:place]
    )


def _domain(guest: Guest) -> str:
    return f"domain {guest.name}" + (f" (pid {guest.pid})" if guest.pid else "")


def _of_few_pfs(
    free: list[PciFunction], mine: Iterable[PciFunction], number: int
) -> list[PciFunction]:
    """Order the free VFs so that few PFs serve: that of what is there, then one with enough."""
    near = {function.pf for function in mine}
    numbers = Counter(function.pf for function in free)

    def rank(function: PciFunction) -> tuple[bool, bool, int, PciAddress]:
        there = numbers[function.pf]
        return (
            function.pf not in near,
            there < number,
            0 if there >= number else -there,
            function.pf or function.address,
        )

    return sorted(free, key=rank)
