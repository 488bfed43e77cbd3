# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading everything that decides about functions and VFIO, once and in one place."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._boot.cmdline import running
from .._host import Blocked
from .._iommu.groups import read_iommu
from .._iommu.problems import iommu_problems
from .._pci.address import PciAddress
from .._pci.drivers import (
    is_registered,
    kernel_release,
    module_available,
    native_driver,
    native_modules,
    read_modalias,
)
from .._pci.function import AUTOPROBE, OVERRIDE, PciFunction, read_functions
from .._pci.gone import gone_functions
from .._qat.devices import native_name
from .._undo import UndoRecord
from .binding import Binding, parse_override
from .boot_rules import WANTS, read_files, read_rules, render_files
from .companions import companions
from .denylist import read_vfio_pci
from .driverctl import read_overrides
from .holders import is_vfio_driver, read_holders
from .initramfs import DUE_PATH, find_initramfs
from .record import recall, remembered_places
from .selection import choose, matches
from .state import Device, State, Surroundings
from .uses import HostUses
from .variants import Variants, module_of

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from .._errors import Problem
    from .._host import Host
    from .wanted import Wanted

_GROUPS = "/sys/kernel/iommu_groups"
_DISPLAY_CLASS, _DISK_CLASS = 0x03, 0x01


def observe(host: Host, wanted: Wanted, gone_before: Collection[PciFunction] = ()) -> State:
    """Read everything once, for all functions together.

    Args:
        gone_before: what was gone before the changes: naming it is no mistake after them either.
    """
    functions, undo, rules = read_functions(host), UndoRecord.read(host), read_rules(host)
    release = kernel_release(host)
    variants = Variants(host, release, functions)
    places = [*remembered_places(undo), *((rule.address, rule.id) for rule in rules)]
    gone = () if wanted.present else gone_before or gone_functions(functions, places)
    chosen = choose(
        wanted.selectors,
        functions,
        missing_ok=wanted.missing_ok,
        gone=gone,
        elsewhere_ok=wanted.missing_ok and not wanted.present,
    )
    named = {function.address for function in chosen.functions}
    along = dict(companions(wanted, chosen.functions, functions, undo))
    members = [functions[at] for at in sorted({*named, *along})]
    groups = {function.iommu_group for function in members} - {None}
    near = [function for function in functions.values() if function.iommu_group in groups]
    vfs = [functions[at] for function in members for at in function.vfs if at in functions]
    holders = read_holders(host, dict.fromkeys([*members, *near, *vfs]))
    devices = [
        Device(
            function=function,
            binding=Binding(function.driver, None),
            best=variants.named(wanted.driver) if wanted.driver else variants.best(function),
            holder=holders.of(function),
            companion_of=along.get(function.address, ()),
            reset_methods=tuple((host.attribute(f"{function.path}/reset_method") or "").split()),
            known=recall(undo, function),
            early=_is_early(host, function),
        )
        for function in members
    ]
    ruled = {rule.address for rule in rules}
    devices = _looked_at(host, devices, lambda device: _is_to_change(wanted, device, ruled))
    kept = [
        device for device in devices if device.reserved and device.address not in chosen.by_address
    ]
    left_alone = {device.address for device in kept}
    devices = [device for device in devices if device.address not in left_alone]
    if not wanted.present:
        devices = [_with_native(host, release, device) for device in devices]
    caught = {rule.address for rule in rules if rule.early}
    due = host.exists(DUE_PATH)
    early = due or any(device.early or device.address in caught for device in devices)
    initramfs = find_initramfs(host) if early else None
    paths = [*render_files((), without_denylist=False), *([initramfs.path] if initramfs else [])]
    drivers = sorted({device.best for device in devices})
    unloaded = [driver for driver in drivers if not variants.registered(driver)]
    around = Surroundings(
        functions=functions,
        holders=holders,
        vfio_pci=read_vfio_pci(host) if wanted.present else None,
        unloaded=tuple(unloaded),
        missing=tuple(
            driver for driver in unloaded if not module_available(host, release, module_of(driver))
        ),
        problems=tuple(_problems(host, members)) if wanted.present else (),
        rules=rules,
        files=read_files(host, paths),
        undo=undo,
        initramfs=initramfs,
        initramfs_due=due,
        foreign=read_overrides(host),
        others=dict(_others(host, groups)),
        wants=host.link_target(WANTS),
    )
    orphans = [each for each in gone if any(matches(one, each) for one in wanted.selectors)]
    return State(tuple(devices), tuple(kept), around, tuple(orphans))


def _is_early(host: Host, function: PciFunction) -> bool:
    """Tell whether it is the boot display, or has disks, whose drivers are in the initramfs."""
    base = function.class_code >> 16
    if base == _DISPLAY_CLASS:
        return host.attribute(f"{function.path}/boot_vga") == "1"
    return base == _DISK_CLASS


def _is_to_change(wanted: Wanted, device: Device, ruled: set[PciAddress]) -> bool:
    """Tell whether a function may get another driver, or is met for the first time."""
    if wanted.present:
        new = device.known is None or device.known.given_back
        return device.function.driver != device.best or new
    ours = device.known is not None or device.address in ruled
    return ours or is_vfio_driver(device.function.driver)


def _looked_at(
    host: Host, devices: list[Device], is_to_change: t.Callable[[Device], bool]
) -> list[Device]:
    """Read what only matters for a function that changes, within a bound where it can block."""
    changing = [device for device in devices if is_to_change(device)]
    paths = {device.address: f"{device.function.path}/{OVERRIDE}" for device in changing}
    answers = host.guarded_attributes([*paths.values()]) if paths else {}
    uses = HostUses(host, [device.function for device in changing]).read()
    seen = {
        device.address: replace(
            device,
            binding=_binding(device, answers[path]),
            unanswered=isinstance(answers[path], Blocked),
            uses=uses.get(device.address, ()),
            autoprobe=_autoprobe(host, device.function),
        )
        for device, path in zip(changing, paths.values())
    }
    return [seen.get(device.address, device) for device in devices]


def _binding(device: Device, answer: str | Blocked | None) -> Binding:
    override = None if isinstance(answer, Blocked) else parse_override(answer)
    return replace(device.binding, override=override)


def _autoprobe(host: Host, function: PciFunction) -> bool:
    return function.pf is None or host.attribute(f"{function.path}/physfn/{AUTOPROBE}") != "0"


def _with_native(host: Host, release: str, device: Device) -> Device:
    """Find out what the kernel would choose, where nothing tells what a function had before."""
    function, known = device.function, device.known
    former = known.found.driver if known else None
    # Without a driver, where a task was killed half way.
    taken = is_vfio_driver(function.driver) or (
        function.driver is None and known is not None and not known.given_back
    )
    if not taken or not (former or device.autoprobe):
        return device
    if former is not None and is_registered(host, former):
        return device
    modules = native_modules(host, release, function)
    native = native_driver(host, modules)
    loads = f"pci:{read_modalias(host, function)}" if modules and native is None else None
    if native is None and modules:
        # Most drivers have the name of their module; the table knows those of QAT that do not.
        native = former or native_name(function) or modules[0]
    return replace(device, native=native, loads=loads, lost=former is not None)


def _problems(host: Host, functions: Iterable[PciFunction]) -> list[Problem]:
    """Return why functions cannot be given to guests: no IOMMU, or interrupts as they come."""
    iommu = read_iommu(host)
    if not iommu.active and all(each.iommu_group is not None for each in functions):
        return []
    return iommu_problems(iommu, cpu_vendor=None, arguments=running(host).plain)


def _others(host: Host, groups: Iterable[int | None]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield what is in a group that is no PCI function, where a driver has it."""
    for number in groups:
        folder = f"{_GROUPS}/{number}/devices"
        found = []
        for name in host.names(folder):
            driver = (
                None if PciAddress.looks_like(name) else host.link_name(f"{folder}/{name}/driver")
            )
            if driver is not None:
                found.append(f"{name} on {driver}")
        if number is not None and found:
            yield number, tuple(found)
