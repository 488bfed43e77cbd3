# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The functions that a task is about, and what on their host decides what can be done with them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

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
from .._qat.devices import is_denylisted, native_name, vf_family
from .._undo import UndoRecord
from .binding import Binding, parse_override
from .boot_rules import WANTS, read_files, read_rules, render_files
from .denylist import read_vfio_pci
from .driverctl import read_overrides
from .holders import is_vfio_driver, read_holders
from .initramfs import find_initramfs
from .record import is_bound_by_us, recall, remembered_places
from .selection import choose, matches
from .uses import HostUses
from .variants import Variants, module_of

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .._errors import Problem
    from .._host import Host
    from .boot_rules import Rule
    from .denylist import VfioPci
    from .holders import Holder, Holders
    from .initramfs import Initramfs
    from .record import Remembered
    from .uses import Use
    from .wanted import Wanted

_GROUPS = "/sys/kernel/iommu_groups"
# Drivers beside VFIO's that may have a function whose group a guest has (driver_managed_dma).
_GROUP_DRIVERS = ("pci-stub",)
_DISPLAY_CLASS, _DISK_CLASS = 0x03, 0x01


@dataclass(frozen=True)
class Device:
    """One function that a task is about.

    Args:
        binding: its driver and its override.
        best: the VFIO driver that it is to get, whatever it has now.
        holder: who holds it.
        companion_of: the named functions for whose group it was taken along; none when named.
        reset_methods: how the kernel can reset it, best first.
        unanswered: whether the kernel does not answer what its override is.
        uses: what the host uses it for.
        known: what is remembered of it.
        native: the driver of the host that would take it, as far as it can be told.
        autoprobe: whether the kernel looks for a driver by itself; a VF can have that off.
        early: whether a driver of the initramfs would have it before our rules are read.
        loads: what to load for a driver of the host, where none is loaded.
        lost: whether the driver that it had before is not there any more.
    """

    function: PciFunction
    binding: Binding
    best: str
    holder: Holder | None
    companion_of: tuple[str, ...] = ()
    reset_methods: tuple[str, ...] = ()
    unanswered: bool = False
    uses: tuple[Use, ...] = ()
    known: Remembered | None = None
    native: str | None = None
    autoprobe: bool = True
    early: bool = False
    loads: str | None = None
    lost: bool = False

    @property
    def address(self) -> PciAddress:
        """Its PCI address."""
        return self.function.address

    @property
    def denylisted(self) -> bool:
        """Whether vfio-pci refuses it unless told otherwise."""
        return is_denylisted(self.function)

    @property
    def reserved(self) -> bool:
        """Whether it is a VF that the host keeps for itself (qat_sriov, option host_vfs)."""
        family = vf_family(self.function)
        native = family.vf_driver if family else None
        return native is not None and self.binding.override == native


@dataclass(frozen=True)
class Surroundings:
    """What is on the host beside the functions of a task.

    Args:
        functions: every PCI function.
        vfio_pci: None where no function is to stand on it.
        unloaded: VFIO drivers that are wanted and not known to the kernel yet.
        missing: those among them that the kernel does not have at all.
        problems: why the IOMMU gives nothing to guests.
        rules: what is bound again at boot.
        files: what stands in the files of these rules now, by path.
        foreign: drivers that driverctl sets at boot.
        others: by group, what is in it that is no PCI function and has a driver.
        wants: where the link leads by which the boot wants our unit.
    """

    functions: Mapping[PciAddress, PciFunction]
    holders: Holders
    vfio_pci: VfioPci | None
    unloaded: tuple[str, ...]
    missing: tuple[str, ...]
    problems: tuple[Problem, ...]
    rules: tuple[Rule, ...]
    files: Mapping[str, bytes | None]
    undo: UndoRecord
    initramfs: Initramfs | None
    foreign: Mapping[PciAddress, str]
    others: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    wants: str | None = None

    def group(self, function: PciFunction) -> list[PciFunction]:
        """Return the functions of a function's IOMMU group, with itself and bridges, sorted."""
        number = function.iommu_group
        if number is None:
            return []
        return [each for each in self.functions.values() if each.iommu_group == number]


@dataclass(frozen=True)
class State:
    """Everything that the decision needs.

    Args:
        skipped: VFs that the host keeps, meant by a family or an id.
        orphans: functions that are not there any more, with rules or records of ours.
    """

    devices: tuple[Device, ...]
    skipped: tuple[Device, ...]
    around: Surroundings
    orphans: tuple[PciFunction, ...] = ()


def blocks_group(function: PciFunction) -> bool:
    """Tell whether a guest cannot have others of the group while the function has its driver."""
    driver = function.driver
    harmless = driver is None or is_vfio_driver(driver) or driver in _GROUP_DRIVERS
    return not (harmless or function.is_bridge)


def observe(host: Host, wanted: Wanted) -> State:
    """Read everything once, for all functions together."""
    functions, undo, rules = read_functions(host), UndoRecord.read(host), read_rules(host)
    release = kernel_release(host)
    variants = Variants(host, release, functions)
    gone = [] if wanted.present else [*_gone(functions, rules, undo)]
    chosen = choose(wanted.selectors, functions, missing_ok=wanted.missing_ok, gone=gone)
    named = {function.address for function in chosen.functions}
    companions = dict(_companions(wanted, chosen.functions, functions, undo))
    members = [functions[at] for at in sorted({*named, *companions})]
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
            companion_of=companions.get(function.address, ()),
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
    devices = [device for device in devices if device not in kept]
    if not wanted.present:
        devices = [_with_native(host, release, device) for device in devices]
    caught = {rule.address for rule in rules if rule.early}
    early = any(device.early or device.address in caught for device in devices)
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
        foreign=read_overrides(host),
        others=dict(_others(host, groups)),
        wants=host.link_target(WANTS),
    )
    orphans = [each for each in gone if any(matches(one, each) for one in wanted.selectors)]
    return State(tuple(devices), tuple(kept), around, tuple(orphans))


def _gone(
    functions: Mapping[PciAddress, PciFunction], rules: Iterable[Rule], undo: UndoRecord
) -> Iterator[PciFunction]:
    """Yield functions that something of ours is about, and that are not there any more."""
    places = dict(remembered_places(undo))
    places.update((rule.address, rule.id) for rule in rules)
    for address, pci_id in places.items():
        there = functions.get(address)
        if there is None or there.id != pci_id:
            yield PciFunction(address, pci_id, class_code=0)


def _companions(
    wanted: Wanted,
    named: Iterable[PciFunction],
    functions: Mapping[PciAddress, PciFunction],
    undo: UndoRecord,
) -> Iterator[tuple[PciAddress, tuple[str, ...]]]:
    """Yield what is taken along: the rest of a group, or what came along when it is given back."""
    own = {function.address: function for function in named}
    # Without its own PF a VF is not there either.
    parents = {function.pf for function in own.values()}
    for function in functions.values():
        if function.address in own or function.address in parents or function.is_bridge:
            continue
        known = recall(undo, function)
        came = known.companion_of if known and not known.given_back else ()
        near = tuple(str(each.address) for each in own.values() if _share_group(each, function))
        if wanted.present and near:
            binds = wanted.takes_siblings and (blocks_group(function) or came)
            if binds or (came and not wanted.persistent):
                yield function.address, near
        elif not wanted.present and _goes_back(came, {*map(str, own)}, undo):
            yield function.address, came


def _goes_back(came: Sequence[str], named: set[str], undo: UndoRecord) -> bool:
    """Tell whether the last of the functions is given back that another one came along with."""
    left = [address for address in came if address not in named]
    return len(left) < len(came) and not any(is_bound_by_us(undo, each) for each in left)


def _share_group(one: PciFunction, other: PciFunction) -> bool:
    return one.iommu_group is not None and one.iommu_group == other.iommu_group


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
    function, former = device.function, device.known.found.driver if device.known else None
    if not is_vfio_driver(function.driver) or not (former or device.autoprobe):
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
