# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting a function on a driver and giving it back, as writes to sysfs.

The driver is chosen by C(driver_override) alone: C(new_id) would take every function of an id.
C(bind) of the driver is written rather than C(drivers_probe), which says nothing when the probe
fails (Linux C(drivers/base/bus.c), C(bind_store) and C(drivers_probe_store)).
"""

from __future__ import annotations

import errno
import typing as t
from dataclasses import dataclass, replace

from .._pci.function import DEVICES, DRIVERS, OVERRIDE, PROBE
from .._plan import AttributeWrite

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._pci.address import PciAddress

_CLEAR = "\n"
_NO_OVERRIDE = "(null)"

_BIND_HINTS = {
    errno.EINVAL: "the driver refuses the function; for vfio-pci its denylist, or a missing IOMMU "
    "group, is the usual cause: see the kernel log",
    errno.ENODEV: "the driver is not for this function, or something that it needs is not there: "
    "see the kernel log; for vfio_passthrough, option driver names another",
    errno.EBUSY: "another function of its IOMMU group is in the hands of a guest, or it still has "
    "VFs: see the kernel log",
    errno.ENOENT: "the driver is not loaded (load its module, run again), or the function is gone",
    0: "see the kernel log for what the driver says",
}


@dataclass(frozen=True)
class Binding:
    """Which driver a function has, and which one alone may take it (C(driver_override)).

    Args:
        chosen: whether the kernel chooses the driver, which is then the one that is expected.
    """

    driver: str | None
    override: str | None
    chosen: bool = False


def parse_override(text: str | None) -> str | None:
    """Return what an attribute C(driver_override) says, None for no driver."""
    return None if text in (None, "", _NO_OVERRIDE) else text


def take(address: PciAddress, now: Binding, driver: str) -> list[AttributeWrite]:
    """Return the writes that put a function on a driver; what fails is taken back."""
    return give_back(address, now, Binding(driver, driver))


def give_back(address: PciAddress, now: Binding, former: Binding) -> list[AttributeWrite]:
    """Return the writes that bring about a binding, which is one from before as a rule.

    An override holds the former driver meanwhile: a VF that was made with autoprobe off takes no
    other way.
    """
    left_to_kernel = former.chosen and now.driver is None
    if now.driver == former.driver and not left_to_kernel:
        kept = now.override == former.override
        return [] if kept else [write_override(address, now.override, former.override)]
    if former.chosen or former.driver is None:
        writes = _move(address, now, None, former.override)
        return [*writes, probe(address, former.driver)] if former.chosen else writes
    writes = _move(address, now, former.driver, former.driver)
    if former.driver != former.override:
        writes.append(write_override(address, former.driver, former.override))
    return writes


def probe(address: PciAddress, driver: str | None) -> AttributeWrite:
    """Let the kernel choose a driver.

    Args:
        driver: the one that it is expected to choose, None for none.
    """
    return _bound(address, PROBE, None, driver)


def unbind(address: PciAddress, driver: str) -> AttributeWrite:
    """Take a function's driver off."""
    return _bound(address, f"{DEVICES}/{address}/driver/unbind", driver, None)


def write_override(address: PciAddress, before: str | None, driver: str | None) -> AttributeWrite:
    """Say which driver alone may take a function, None for any."""
    return AttributeWrite(
        device=str(address),
        path=f"{DEVICES}/{address}/{OVERRIDE}",
        value=driver or _CLEAR,
        before=before or "",
        after=driver or "",
    )


def _move(
    address: PciAddress, now: Binding, driver: str | None, override: str | None
) -> list[AttributeWrite]:
    """Return what takes a function from its driver and puts it on another one, or on none."""
    bare = write_override(address, override, now.override)
    writes = [] if now.override == override else [write_override(address, now.override, override)]
    if now.driver is not None:
        writes.append(replace(unbind(address, now.driver), rescue=(bare,)))
    if driver is not None:
        bind = _bound(address, f"{DRIVERS}/{driver}/bind", None, driver)
        writes.append(replace(bind, hints=_BIND_HINTS, rescue=tuple(_back(address, now))))
    return writes


def _back(address: PciAddress, former: Binding) -> Iterator[AttributeWrite]:
    """Yield what brings a function without a driver back to what it had, the override last."""
    if former.driver is not None:
        yield write_override(address, None, former.driver)
        yield _bound(address, f"{DRIVERS}/{former.driver}/bind", None, former.driver)
    if former.driver is None or former.driver != former.override:
        yield write_override(address, former.driver, former.override)


def _bound(address: PciAddress, path: str, before: str | None, after: str | None) -> AttributeWrite:
    return AttributeWrite(
        device=str(address),
        path=path,
        value=str(address),
        before=before or "",
        after=after or "",
        label="driver",
    )
