# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is never done to a function, and why: refusals before anything is changed."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._errors import BlockedError, RefusedError
from .._iommu.problems import firmware_setting
from .denylist import KERNEL_ARGUMENT, REASON
from .holders import NOT_WHILE_OPEN
from .state import blocks_group
from .target import denied, needs_reboot

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .holders import Holder
    from .state import Device, State
    from .target import Target
    from .wanted import Wanted

_FORCE = "free it, or use force: true"
_NEVER = "not with force either"
_NEEDS = (
    f"VFIO needs both: {firmware_setting(None)} in the firmware setup (BIOS), with interrupt "
    "remapping, and an IOMMU that the kernel command line leaves on (module iommu_kernel_arg)"
)


def check(wanted: Wanted, state: State, targets: Mapping[PciAddress, Target]) -> None:
    """Refuse what cannot be or would harm, with all reasons at once.

    Raises:
        RefusedError: naming devices, causes and remedies.
        BlockedError: when the kernel does not answer.
    """
    moving = [
        device
        for device in state.devices
        # An override is a change too: the driver of one that somebody waits for is not seen.
        if targets[device.address].binding != device.binding or targets[device.address].waits
    ]
    for device in state.devices:
        if device.unanswered:
            message = (
                f"{device.address}: blocked: driver_override does not answer. A process that takes "
                "the function away waits in the kernel for a guest to let go of it; detach it from "
                "that guest or stop it, then run again. Nothing was changed"
            )
            raise BlockedError(message)
    named: dict[PciAddress | None, list[PciAddress]] = {}
    for device in state.devices:
        named.setdefault(device.function.pf, []).append(device.address)
    reasons: list[str] = []
    for device in moving:
        reasons += _held(wanted, device)
        reasons += _parent(wanted, state, device, named.get(device.address, []))
    reasons += _spoilt_groups(wanted, state, moving, targets)
    if wanted.present:
        reasons += [reason for device in moving for reason in _in_use(wanted, device)]
        reasons += _group_reasons(state, moving)
        reasons += _host_reasons(wanted, state, moving)
    if reasons:
        raise RefusedError(". ".join(dict.fromkeys(reasons)))


def _held(wanted: Wanted, device: Device) -> Iterator[str]:
    """Refuse a function that somebody has open, or that is reserved."""
    holder = device.holder
    if _is_open(device):
        yield f"{device.address} is held by {holder}; {NOT_WHILE_OPEN}: detach it there first"
    elif holder is not None and holder.kind == "domain" and not (wanted.present or wanted.force):
        yield f"{device.address} belongs to {holder}, which would not start without it: {_FORCE}"
    if wanted.present and device.reserved:
        yield (
            f"{device.address} is a VF that the host keeps for itself (qat_sriov, host_vfs), "
            f"{_NEVER}: lower host_vfs first"
        )


def _is_open(device: Device) -> bool:
    return device.holder is not None and device.holder.keeps_it_open


def _in_use(wanted: Wanted, device: Device) -> Iterator[str]:
    """Refuse what the host uses; a disk that is in use is not taken with force either."""
    vital = [use for use in device.uses if use.vital]
    if vital:
        told = ", ".join(map(str, vital))
        yield f"{device.address} is in use by the host ({told}), {_NEVER}: free it first"
    elif device.uses and not wanted.force and not _is_open(device):
        told = ", ".join(map(str, device.uses))
        yield f"{device.address} is in use by the host ({told}): {_FORCE}"


def _parent(
    wanted: Wanted, state: State, device: Device, named: Sequence[PciAddress]
) -> Iterator[str]:
    """Refuse a PF whose VFs somebody uses: they go when it changes its driver.

    Args:
        named: those of its VFs that the task is about too.
    """
    functions = state.around.functions
    held = [
        (at, holder)
        for at in device.function.vfs
        if at in functions and (holder := state.around.holders.of(functions[at]))
    ]
    if named and wanted.present:
        told = ", ".join(map(str, named))
        yield (
            f"{device.address} is the PF of {told}: they go when it is given to a guest, so name "
            "the PF or its VFs in option devices"
        )
    for at, holder in held:
        if holder.keeps_it_open:
            yield (
                f"{device.address} is a PF whose VF {at} is held by {holder}; {NOT_WHILE_OPEN}: "
                "detach it there first"
            )
        elif not wanted.force:
            yield f"{device.address} is a PF whose VF {at} is in use by {holder}: {_FORCE}"


def _spoilt_groups(
    wanted: Wanted, state: State, moving: list[Device], targets: Mapping[PciAddress, Target]
) -> Iterator[str]:
    """Refuse to give the host back a function of whose group a guest has another one."""
    moved = {device.address for device in moving}
    for device in moving:
        function = device.function
        after = replace(function, driver=targets[device.address].binding.driver)
        if blocks_group(function) or not blocks_group(after):
            continue
        guests: dict[Holder, list[PciFunction]] = {}
        for mate in state.around.group(function):
            holder = state.around.holders.of(mate)
            # What is said of a holder of the function itself is not said of the group once more.
            if holder is not None and holder != device.holder and mate.address not in moved:
                guests.setdefault(holder, []).append(mate)
        for holder, mates in guests.items():
            told = ", ".join(str(mate.address) for mate in mates)
            shares = f"{device.address} shares IOMMU group {function.iommu_group} with {told}"
            if holder.keeps_it_open and not blocks_group(mates[0]):
                yield f"{shares}, held by {holder}, {_NEVER}: stop that one first"
            elif holder.kind == "domain" and not (wanted.force or _is_spoilt(state, mates)):
                yield (
                    f"{shares} of {holder}, which would not start with driver {after.driver} in "
                    f"that group: {_FORCE}"
                )


def _is_spoilt(state: State, mates: Sequence[PciFunction]) -> bool:
    """Tell whether a guest cannot start anyhow, for what else is in the group of its functions.

    What it has itself does not count: libvirt binds that to VFIO where it is managed.
    """
    return any(blocks_group(each) and each not in mates for each in state.around.group(mates[0]))


def _group_reasons(state: State, moving: list[Device]) -> Iterator[str]:
    """Refuse a function whose group a guest could not have, or another one has."""
    chosen = {device.address for device in state.devices}
    moved = {device.address for device in moving}
    for device in state.devices:
        function = device.function
        if function.iommu_group is None:
            continue
        rest = [each for each in state.around.group(function) if each.address not in chosen]
        for sibling in rest:
            if blocks_group(sibling):
                yield _sibling(device, sibling)
            elif device.address in moved:
                yield from _guest_of(state, device, sibling)
        for told in state.around.others.get(function.iommu_group, ()):
            yield (
                f"{device.address} shares IOMMU group {function.iommu_group} with {told}, which is "
                "no PCI function and cannot be given to a guest along with it"
            )


def _sibling(device: Device, sibling: PciFunction) -> str:
    function = device.function
    shares = (
        f"{function.address} shares IOMMU group {function.iommu_group} with {sibling.address} "
        f"({sibling.id}) on driver {sibling.driver}"
    )
    if sibling.address == function.pf:
        return (
            f"{shares}, its own PF, which cannot go along: ports above it do not isolate (ACS); "
            "use another slot, or turn ACS on in the firmware setup"
        )
    return (
        f"{shares}: a guest gets a group as a whole; use siblings: bind to take it along, unbind "
        "it, or use a slot whose ports isolate (ACS)"
    )


def _guest_of(state: State, device: Device, sibling: PciFunction) -> Iterator[str]:
    holder = state.around.holders.of(sibling)
    if holder is not None and holder.keeps_it_open:
        yield (
            f"{device.address} shares IOMMU group {device.function.iommu_group} with "
            f"{sibling.address}, which is held by {holder}: a group belongs to one guest"
        )


def _host_reasons(wanted: Wanted, state: State, moving: list[Device]) -> Iterator[str]:
    """Refuse what this host cannot do at all: no IOMMU, no driver, the denylist."""
    around = state.around
    problems = around.problems if moving else ()
    yield from (f"{problem.what}: {problem.why}; {problem.remedy}" for problem in problems)
    lonely = [device for device in moving if device.function.iommu_group is None]
    if lonely and not problems:
        told = ", ".join(str(device.address) for device in lonely)
        yield f"{told}: in no IOMMU group, so that VFIO cannot have it"
    if lonely or problems:
        yield _NEEDS
    for driver in around.missing:
        yield (
            f"option driver: this kernel has no driver {driver}: install the kernel package that "
            "has it, or use driver: vfio-pci"
        )
    refused = denied(wanted, state)
    if (
        refused
        and wanted.allow_denylisted
        and not wanted.persistent
        and needs_reboot(wanted, state)
    ):
        yield (
            "option persistent: vfio-pci is in use with its denylist, so that only the next boot "
            "can load it without: use persistent: true, or give back what stands on it"
        )
    if refused and not wanted.allow_denylisted:
        told = ", ".join(f"{device.address} ({device.function.id})" for device in refused)
        yield (
            f"{told}: on the denylist of vfio-pci since {REASON}. With allow_denylisted: true it "
            f"is loaded with disable_denylist=1, for all guests of this host ({KERNEL_ARGUMENT} "
            "on the kernel command line does the same)"
        )
