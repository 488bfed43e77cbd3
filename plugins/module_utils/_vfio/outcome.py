# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes out of the steps: predicted before them, compared with what is there after, told."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._pci.function import OVERRIDE
from .._qat.devices import pf_family, vf_family
from .denylist import KERNEL_ARGUMENT
from .holders import Holder, is_vfio_driver, uses_it_itself
from .record import recall
from .target import needs_reboot

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .state import Device, State
    from .target import Target
    from .wanted import Wanted

_LOG = "see the kernel log for what the driver says"
# Base classes: PCI Code and ID Assignment Specification 1.11, section 1.
_CLASS_NAMES = {
    0x01: "mass storage controller",
    0x02: "network controller",
    0x03: "display controller",
    0x04: "multimedia device",
    0x05: "memory controller",
    0x07: "communication controller",
    0x0B: "coprocessor",
    0x0C: "serial bus controller",
    0x0D: "wireless controller",
    0x10: "encryption controller",
    0x11: "signal processing controller",
    0x12: "processing accelerator",
}


def predicted(state: State, targets: Mapping[PciAddress, Target]) -> State:
    """Return the state that the steps lead to."""
    devices = tuple(_after(device, targets[device.address]) for device in state.devices)
    functions = dict(state.around.functions)
    for before, after in zip(state.devices, devices):
        functions[after.address] = after.function
        for vf in before.function.vfs if after is not before else ():
            functions.pop(vf, None)
    around = replace(state.around, functions=functions)
    return replace(state, devices=devices, around=around)


def _after(device: Device, target: Target) -> Device:
    driver, binding = device.function.driver, target.binding
    if driver == binding.driver:
        return device
    holder = device.holder if device.holder and device.holder.kind == "domain" else None
    if holder is None and uses_it_itself(binding.driver):
        holder = Holder("driver", str(binding.driver))
    function = replace(device.function, driver=binding.driver, vfs=())
    return replace(device, function=function, binding=binding, holder=holder)


def unmet(after: State, targets: Mapping[PciAddress, Target]) -> str | None:
    """Tell what of the wanted state is not there, with what is there instead."""
    there = {device.address: device for device in after.devices}
    for address, target in targets.items():
        device = there.get(address)
        if device is None:
            return f"{address}: gone since the task began"
        missing = _missing(device, target)
        if missing:
            return missing
    return None


def _missing(device: Device, target: Target) -> str | None:
    wanted, found = target.binding.driver, device.function.driver
    if target.binding.chosen:
        if not is_vfio_driver(found):
            return None
        return (
            f"{device.address}: given back, and {found} took it again: its id stands in new_id or "
            "in vfio-pci.ids= (kernel command line, modprobe.d); take it out there and run again"
        )
    if wanted != found:
        return (
            f"{device.address}: wanted driver {wanted or 'none'}, found {found or 'none'}; {_LOG}"
        )
    override = target.binding.override
    if not is_vfio_driver(found) and device.binding.override != override and device.known:
        return (
            f"{device.address}: {OVERRIDE} was set to {override}, reads {device.binding.override}"
        )
    return None


def report(wanted: Wanted, before: State, after: State) -> dict[str, t.Any]:
    """Return the module's return values."""
    former = {device.address: device.function.driver for device in before.devices}
    shown = sorted([*after.devices, *after.skipped], key=lambda device: device.address)
    skipped = {device.address for device in after.skipped}
    reboot = needs_reboot(wanted, after) if wanted.present else False
    vfio_pci = after.around.vfio_pci
    return {
        "devices": [
            {
                **_device(device, former.get(device.address, device.function.driver), after),
                "skipped": device.address in skipped,
            }
            for device in shown
        ],
        "gone": [*dict.fromkeys(str(orphan.address) for orphan in before.orphans)],
        "reboot_required": reboot,
        "kernel_arguments": [KERNEL_ARGUMENT] if reboot and vfio_pci and vfio_pci.built_in else [],
    }


def _device(device: Device, driver_before: str | None, after: State) -> dict[str, t.Any]:
    function, holder = device.function, device.holder
    return {
        "address": str(device.address),
        "id": str(function.id),
        "name": name_of(function),
        "driver_before": driver_before,
        "driver": function.driver,
        "iommu_group": function.iommu_group,
        "group_members": [str(each.address) for each in after.around.group(function)],
        "denylisted": device.denylisted,
        "holder": holder.as_result() if holder else None,
        "reset_methods": list(device.reset_methods),
        "sibling": bool(device.companion_of),
    }


def name_of(function: PciFunction) -> str | None:
    """Return what a function is, as its vendor calls it, or else by its class."""
    family = pf_family(function)
    if family is not None:
        return family.title
    family = vf_family(function)
    if family is not None:
        return f"{family.title}, virtual function"
    return _CLASS_NAMES.get(function.class_code >> 16)


def warnings(wanted: Wanted, state: State, targets: Mapping[PciAddress, Target]) -> Iterator[str]:
    """Yield what an operator should know beside what is done."""
    for device in state.devices:
        yield from _device_warnings(wanted, state, device, targets[device.address])
    if wanted.present and needs_reboot(wanted, state):
        vfio_pci = state.around.vfio_pci
        told = ", ".join(str(at) for at, target in targets.items() if target.waits)
        if vfio_pci and vfio_pci.built_in:
            yield (
                f"{told}: vfio-pci is built into the kernel with its denylist: add "
                f"{KERNEL_ARGUMENT} to the kernel command line (module iommu_kernel_arg, option "
                "extra) and boot again"
            )
        else:
            yield (
                f"{told}: vfio-pci is in use with its denylist, and is loaded without it at the "
                f"next boot. Where the initramfs loads it, add {KERNEL_ARGUMENT} to the kernel "
                "command line (module iommu_kernel_arg, option extra)"
            )


def _device_warnings(wanted: Wanted, state: State, device: Device, target: Target) -> Iterator[str]:
    address, moves = device.address, target.binding.driver != device.binding.driver
    foreign = state.around.foreign.get(address)
    if wanted.present and foreign is not None:
        yield (
            f"{address}: driverctl has an override of it ({foreign}), which it sets at every boot "
            f"after our rule: remove one of them (driverctl unset-override {address})"
        )
    if moves and device.function.vfs:
        yield f"{address}: its {len(device.function.vfs)} VFs go with its driver"
    if not wanted.present and moves and recall(state.around.undo, device.function) is None:
        yield (
            f"{address}: no record of what it had before; its override goes, and the kernel "
            "chooses its driver"
        )
    if wanted.present and wanted.persistent and device.early and state.around.initramfs is None:
        yield (
            f"{address}: a driver in the initramfs may take it before our rules are read, and no "
            "tool of this host that makes the initramfs is known (update-initramfs, dracut, "
            "mkinitcpio)"
        )
