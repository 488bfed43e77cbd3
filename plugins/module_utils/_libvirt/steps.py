# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plugging functions into running guests and out of them."""

from __future__ import annotations

import typing as t

from .._plan import Command, Effect
from .definition import host_device
from .guests import read_guests

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._host import Host
    from .._pci.address import PciAddress
    from .._plan import Change
    from .choose import Shares
    from .guests import Guest
    from .state import State

_VIRSH = ("virsh", "--connect", "qemu:///system")
_HINT = "see the log of libvirt's daemon, and that of the guest in /var/log/libvirt/qemu"


def steps(state: State, shares: Shares) -> Iterator[Change]:
    """Yield what takes functions from running guests, then what gives them some."""
    running = [guest for name in shares if (guest := state.guests.get(name)) and guest.running]
    for guest in running:
        wanted = shares[guest.name]
        for address in sorted(guest.now):
            if address not in wanted:
                yield _plug(state, guest, address, out=True)
    for guest in running:
        for address in shares[guest.name]:
            if address not in guest.now:
                yield _plug(state, guest, address, out=False)
    for guest in running:
        before, after = sorted(guest.now), list(shares[guest.name])
        if before != after:
            yield Effect(f"functions of domain {guest.name}", _lines(before), _lines(after))


def _lines(addresses: list[PciAddress]) -> str:
    return "".join(f"{address}\n" for address in addresses)


def _plug(state: State, guest: Guest, address: PciAddress, *, out: bool) -> Command:
    device = guest.now[address] if out else host_device(address, state)
    # By its UUID, which is never taken for the number of another domain, as a name can be.
    uuid = guest.live.find("uuid") if guest.live else None
    domain = uuid.text if uuid else guest.name
    verb = "detach-device" if out else "attach-device"
    return Command(
        (*_VIRSH, verb, "--domain", domain, "--file", "/dev/stdin", "--live"),
        hint=f"{address} {'out of' if out else 'into'} guest {guest.name}: {_HINT}",
        lasting=True,
        told=True,
        label=f"{verb} {address} (guest {guest.name})",
        stdin=str(device),
        # A guest lets go when its own system has done so; libvirt waits five seconds at most.
        until=(lambda host: not _has(host, guest.name, address)) if out else None,
        unseen=not_let_go(guest.name, [address]) if out else "",
    )


def not_let_go(name: str, addresses: Iterable[PciAddress]) -> str:
    """Return what to tell of a guest that keeps what it was asked to let go of."""
    return (
        f"guest {name} was asked to let go of {', '.join(map(str, addresses))} and has not: its "
        "own system has to answer (is it up, does it know hot-plug?); run again, or shut it down"
    )


def _has(host: Host, name: str, address: PciAddress) -> bool:
    guest = read_guests(host).get(name)
    return guest is not None and address in guest.now
