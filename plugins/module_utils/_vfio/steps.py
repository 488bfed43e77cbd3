# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that bring functions where they are to be, in order.

Records first, then what loads the driver, then the functions one by one, then what stands at
boot. On the way back what stands at boot goes first, so that udev does not undo the rest.
"""

from __future__ import annotations

import errno
import typing as t
from dataclasses import replace
from itertools import chain

from .._pci.function import COUNT
from .._plan import AttributeWrite, Command, FileChange, LinkChange
from .binding import give_back, probe, take
from .boot_rules import EARLY_RULES, OPTIONS, UNIT, WANTS, render_files
from .denylist import OPTION
from .initramfs import DUE_PATH
from .target import denied, keeps_denylist_off, rules_after
from .variants import VFIO_PCI

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .._pci.address import PciAddress
    from .._plan import Change
    from .binding import Binding
    from .state import Device, State
    from .target import Target
    from .wanted import Wanted

_LOAD_HINT = "see the kernel log, and whether a file of modprobe.d keeps the module out"
_UNLOAD_HINT = (
    f"something uses {VFIO_PCI} that sysfs does not show: boot again, which loads it with {OPTION}"
)


def steps(wanted: Wanted, state: State, targets: Mapping[PciAddress, Target]) -> list[Change]:
    """Return what is to do, nothing where all is as wanted."""
    files = list(_files(wanted, state))
    loaded = _loaded(wanted, state, targets) if wanted.present else []
    moves = (_device(wanted, each, targets[each.address].binding, loaded) for each in state.devices)
    devices = list(chain.from_iterable(moves))
    if not wanted.present:
        lost = [device.loads for device in state.devices if device.loads] if devices else []
        natives = [Command(("modprobe", alias), hint=_LOAD_HINT) for alias in lost]
        return [*files, *natives, *devices]
    options = [change for change in files if _path(change) == OPTIONS]
    rest = [change for change in files if change not in options]
    loads = list(_loads(wanted, state, loaded)) if devices else []
    return [*options, *loads, *devices, *rest]


def _path(change: Change) -> str | None:
    return change.path if isinstance(change, FileChange) else None


def _device(
    wanted: Wanted, device: Device, target: Binding, loaded: Sequence[str]
) -> Iterator[Change]:
    if target == device.binding:
        return
    if device.binding == replace(target, driver=None) and target.driver in loaded:
        # The driver finds it as soon as it is loaded, and then a bind would be refused.
        yield probe(device.address, target.driver)
        return
    if target.driver != device.binding.driver and device.function.vfs:
        yield _remove_vfs(device)
    if wanted.present:
        yield from take(device.address, device.binding, str(target.driver))
    else:
        yield from give_back(device.address, device.binding, target)


def _remove_vfs(device: Device) -> AttributeWrite:
    """Take the VFs of a PF away before its driver goes; one that refuses 0 does it then."""
    return AttributeWrite(
        device=str(device.address),
        path=f"{device.function.path}/{COUNT}",
        value="0",
        before=str(len(device.function.vfs)),
        instead={errno.EINVAL: (), errno.ENOENT: ()},
    )


def _loaded(wanted: Wanted, state: State, targets: Mapping[PciAddress, Target]) -> list[str]:
    """Return the drivers that are to be loaded, vfio-pci too where its denylist is to go."""
    waiting = any(target.waits for target in targets.values())
    anew = bool(denied(wanted, state)) and not waiting
    return [*dict.fromkeys([*([VFIO_PCI] if anew else []), *state.around.unloaded])]


def _loads(wanted: Wanted, state: State, drivers: Sequence[str]) -> Iterator[Command]:
    vfio_pci = state.around.vfio_pci
    if VFIO_PCI in drivers and vfio_pci is not None and vfio_pci.loaded:
        yield Command(("modprobe", "--remove", VFIO_PCI), hint=_UNLOAD_HINT, told=True)
    for driver in drivers:
        options = (OPTION,) if driver == VFIO_PCI and denied(wanted, state) else ()
        yield Command(("modprobe", driver, *options), hint=_LOAD_HINT, told=True)


def _files(wanted: Wanted, state: State) -> Iterator[Change]:
    """Yield the files that stand for the rules, and what makes them count."""
    around = state.around
    rules = rules_after(wanted, state)
    off = keeps_denylist_off(wanted, state)
    made = render_files(rules, without_denylist=off)
    changed = [path for path, content in made.items() if content != around.files.get(path)]
    hook = there = None
    if around.initramfs is not None:
        hook = around.initramfs.render([rule.driver for rule in rules if rule.early])
        there = around.files.get(around.initramfs.path)
    rebuilds = hook != there or EARLY_RULES in changed or around.initramfs_due
    if around.initramfs is not None and rebuilds and not around.initramfs_due:
        # The files alone do not tell whether it was made of them: a run may be killed before.
        yield FileChange(DUE_PATH, None, b"", mode=0o600, shown=False)
    for path in changed:
        yield FileChange(path, around.files.get(path), made[path])
    link = UNIT if made[UNIT] else None
    if around.wants != link:
        # systemd reads both at the next boot, which is when they matter.
        yield LinkChange(WANTS, around.wants, link)
    if around.initramfs is not None and rebuilds:
        if hook != there:
            yield FileChange(around.initramfs.path, there, hook, mode=around.initramfs.mode)
        yield around.initramfs.rebuild()
        yield FileChange(DUE_PATH, b"", None, shown=False)
