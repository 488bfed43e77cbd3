# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused of a guest's share, before anything is changed."""

from __future__ import annotations

import typing as t

from .._errors import RefusedError
from .definition import free_ports, kind_of
from .guests import Guest
from .wishes import VF

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._pci.address import PciAddress
    from .choose import Shares
    from .state import State
    from .wishes import GuestWish, Wanted
    from .xml import Element


def check(wanted: Wanted, state: State, shares: Shares) -> None:
    """Refuse what cannot be or would harm, with all reasons at once.

    Raises:
        RefusedError: naming guests, functions and remedies.
    """
    reasons = [
        f"guest {wish.name}: {reason}"
        for wish in wanted.guests
        for reason in _reasons(wanted, wish, state, shares[wish.name])
    ]
    if reasons:
        raise RefusedError(". ".join(reasons))


def _reasons(
    wanted: Wanted, wish: GuestWish, state: State, addresses: Sequence[PciAddress]
) -> Iterator[str]:
    guest = state.guests.get(wish.name, Guest(wish.name))
    if guest.defined is None and guest.live is None and wish.definition is None:
        yield "libvirt has no such domain, and xml is not given to define it"
    if wish.definition is None and _has_password(guest.defined or guest.live):
        yield "its definition has a password, which the result would show: give its xml without"
    if len(addresses) > wanted.max_functions:
        yield (
            f"{len(addresses)} functions wanted, {wanted.max_functions} are allowed "
            "(max_functions): what QEMU can map depends on its version and on the guest's memory"
        )
    if guest.live is not None:
        yield from _hot_reasons(wanted, wish, guest, state, addresses)
    yield from _disk_reasons(wish, guest)
    for address in addresses:
        if state.locked and state.loses_payload_size(address) and not wanted.accept_mps_loss:
            yield (
                f"{address}: a reset loses its Max Payload Size, and this kernel is locked down: "
                "nothing can put it back; give VFs instead, end the lockdown (Secure Boot), or set "
                "accept_mps_loss: true"
            )


def _disk_reasons(wish: GuestWish, guest: Guest) -> Iterator[str]:
    """Refuse to put another disk in the place of one, which would look as if all were lost."""
    if wish.definition is None:
        return
    wanted = dict(_disks(wish.definition))
    for place, path in _disks(guest.defined or guest.live):
        if wanted.get(place, path) != path:
            yield (
                f"its disk {place} is {path}, and xml wants {wanted[place]} in its place: set what "
                "leads to the disk that it has, or take that one out of the definition first "
                "(virsh detach-disk --config)"
            )


def _has_password(element: Element | None) -> bool:
    if element is None:
        return False
    return element.get("passwd") is not None or any(map(_has_password, element.children))


def _disks(domain: Element | None) -> Iterator[tuple[str, str]]:
    """Yield the disks of a domain, without removable ones: where they are, and their files."""
    for disk in domain.all("devices", "disk") if domain else ():
        target, source = disk.find("target"), disk.find("source")
        path = source.get("file") if source is not None else None
        if disk.get("device") in {None, "disk"} and target is not None and path is not None:
            yield target.get("dev") or "", path


def _hot_reasons(
    wanted: Wanted,
    wish: GuestWish,
    guest: Guest,
    state: State,
    addresses: Sequence[PciAddress],
) -> Iterator[str]:
    """Refuse what cannot be done while the guest runs."""
    stop = f"it runs (pid {guest.pid}): shut it down first"
    added = [address for address in addresses if address not in guest.now]
    removed = [address for address in guest.now if address not in addresses]
    whole = [address for address in (*added, *removed) if kind_of(state, address) != VF]
    if whole:
        yield f"{_told(whole)}: only VFs are plugged into or out of a running guest; {stop}"
    elif wish.shared_bus and (added or removed):
        yield (
            f"{_told((*added, *removed))}: the functions of a shared bus come and go together "
            f"(shared_bus); {stop}"
        )
    if removed and not wanted.allow_hot_remove:
        yield (
            f"it would have to let go of {_told(removed)}; allow_hot_remove: true asks it to, "
            f"else: {stop}"
        )
    ports = free_ports(guest.live) if guest.live else None
    if ports is not None and len(added) > ports + len(removed):
        yield (
            f"{len(added)} functions to plug in and {ports} free PCIe ports (controllers of model "
            f"pcie-root-port); {stop}"
        )


def _told(addresses: Sequence[PciAddress]) -> str:
    return ", ".join(map(str, sorted(addresses)))
