# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes of a run: the state after it, and what is told of it."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._qat.devices import pf_family, vf_family
from .definition import covers, define, host_device, is_managed, kind_of, with_functions
from .steps import not_let_go

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .._pci.address import PciAddress
    from .choose import Shares
    from .guests import Guest
    from .state import State
    from .wishes import GuestWish, Wanted


def predicted(state: State, shares: Shares) -> State:
    """Return the state that the steps lead to."""
    guests = dict(state.guests)
    for name, addresses in shares.items():
        guest = guests.get(name)
        if guest is None or guest.live is None:
            continue
        devices = [guest.now.get(each) or host_device(each, state) for each in addresses]
        guests[name] = replace(guest, live=with_functions(guest.live, devices))
    return replace(state, guests=guests)


def unmet(state: State, shares: Shares) -> str | None:
    """Return what running guests have not taken or not let go."""
    told = []
    for name, addresses in shares.items():
        guest = state.guests.get(name)
        if guest is None or not guest.running:
            continue
        kept = [address for address in sorted(guest.now) if address not in addresses]
        lacking = [str(address) for address in addresses if address not in guest.now]
        if kept:
            told.append(not_let_go(name, kept))
        if lacking:
            told.append(f"guest {name} has not got {', '.join(lacking)}: see libvirt's log")
    return ". ".join(told) or None


def report(wanted: Wanted, before: State, after: State, shares: Shares) -> dict[str, t.Any]:
    """Return the module's return values."""
    given = sorted(at for addresses in shares.values() for at in addresses)
    payload = [address for address in given if before.loses_payload_size(address)]
    held = {at for guest in after.guests.values() for at in guest.now}
    return {
        "guests": [_guest(wish, before, after, shares[wish.name]) for wish in wanted.guests],
        "payload_pfs": [str(address) for address in payload],
        "payload_unheld": [str(address) for address in payload if address not in held],
    }


def _guest(
    wish: GuestWish, before: State, after: State, addresses: Sequence[PciAddress]
) -> dict[str, t.Any]:
    found, now = before.guests.get(wish.name), after.guests.get(wish.name)
    definition = define(wish, found, addresses, before)
    defined = found.defined if found else None
    former = sorted(found.own) if found else []
    return {
        "name": wish.name,
        "defined": defined is not None,
        "running": now is not None and now.running,
        "functions": [
            {
                **_function(after, now, address),
                "managed": is_managed(address, before, found),
            }
            for address in addresses
        ],
        "definition": str(definition),
        "differs": defined is None or not covers(defined, definition),
        "added": [str(address) for address in addresses if address not in former],
        "removed": [str(address) for address in former if address not in addresses],
    }


def _function(state: State, guest: Guest | None, address: PciAddress) -> dict[str, t.Any]:
    function = state.functions.get(address)
    family = (pf_family(function) or vf_family(function)) if function else None
    return {
        "address": str(address),
        "id": str(function.id) if function else None,
        "family": family.name if family else None,
        "kind": kind_of(state, address),
        "iommu_group": function.iommu_group if function else None,
        "numa_node": function.numa_node if function else None,
        "held": guest is not None and address in guest.now,
    }
