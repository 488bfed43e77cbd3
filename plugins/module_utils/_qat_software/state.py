# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The QAT devices of a host or guest, and the drivers that its kernel has for them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import HostError
from .._pci.drivers import is_in_tree, is_registered, kernel_release, module_available
from .._pci.function import read_functions
from .._qat.devices import pf_family, vf_family
from .._vfio.holders import is_vfio_driver

if t.TYPE_CHECKING:
    from .._host import Host
    from .._pci.function import PciFunction
    from .._qat.devices import QatFamily

# Where the kernel looks for firmware, and how files there may be packed
# (Linux C(drivers/base/firmware_loader/main.c)).
_FIRMWARE_PATH = "/sys/module/firmware_class/parameters/path"
_FIRMWARE_FOLDERS = (
    "/lib/firmware/updates/{release}",
    "/lib/firmware/updates",
    "/lib/firmware/{release}",
    "/lib/firmware",
)
_PACKED = ("", ".xz", ".zst")
_SECONDS = 30.0


@dataclass(frozen=True)
class Device:
    """A QAT function whose software is asked for.

    Args:
        is_vf: whether it is a VF, which is a guest's own when its PF cannot be seen.
        module: the kernel module that has its driver, None where none is known.
        has_driver: whether this kernel has that module, loaded or not.
        in_tree: whether the driver that it has now is the kernel's own.
        firmware_missing: files that its driver asks for and that are not there.
    """

    function: PciFunction
    family: QatFamily
    is_vf: bool
    module: str | None
    has_driver: bool
    in_tree: bool
    firmware_missing: tuple[str, ...] = ()

    @property
    def is_for_guests(self) -> bool:
        """Whether it stands on a VFIO driver."""
        return is_vfio_driver(self.function.driver)

    @property
    def by_qatlib(self) -> bool:
        """Whether qatlib is for it: generation 4 and later."""
        return self.family.has_services

    def __str__(self) -> str:
        kind = "VF" if self.is_vf else "PF"
        return f"{self.function.address} ({kind} of {self.family.name})"

    def as_result(self) -> dict[str, t.Any]:
        """Return it as modules return it."""
        return {
            "address": str(self.function.address),
            "id": str(self.function.id),
            "family": self.family.name,
            "generation": self.family.generation,
            "kind": "vf" if self.is_vf else "pf",
            "driver": self.function.driver,
            "module": self.module,
            "has_driver": self.has_driver,
            "in_tree": self.in_tree,
            "firmware_missing": list(self.firmware_missing),
        }


@dataclass(frozen=True)
class State:
    """What the choice of the software depends on, devices sorted by address."""

    devices: tuple[Device, ...]
    release: str


def observe(host: Host) -> State:
    """Read the PFs, and the VFs whose PF cannot be seen, as in a guest."""
    release = kernel_release(host)
    devices = []
    for function in read_functions(host).values():
        family = pf_family(function)
        if family is not None:
            devices.append(_device(host, release, function, family, is_vf=False))
            continue
        family = vf_family(function)
        if family is not None and function.pf is None:
            devices.append(_device(host, release, function, family, is_vf=True))
    return State(tuple(devices), release)


def _device(
    host: Host,
    release: str,
    function: PciFunction,
    family: QatFamily,
    *,
    is_vf: bool,
) -> Device:
    driver, module = family.driver, family.module
    if is_vf:
        driver, module = family.vf_driver, family.vf_module
    has_driver = is_registered(host, driver) or module_available(host, release, module)
    return Device(
        function=function,
        family=family,
        is_vf=is_vf,
        module=module,
        has_driver=has_driver,
        in_tree=is_in_tree(host, function.driver),
        firmware_missing=_firmware_missing(host, release, module) if has_driver and module else (),
    )


def _firmware_missing(host: Host, release: str, module: str) -> tuple[str, ...]:
    """Return the files that a module names and that are not there; another root tells nothing."""
    if not host.live:
        return ()
    try:
        names = host.run(["modinfo", "--field", "firmware", module], seconds=_SECONDS).split()
    except HostError:
        return ()
    own = host.attribute(_FIRMWARE_PATH)
    folders = [folder.format(release=release) for folder in _FIRMWARE_FOLDERS]
    folders = [own, *folders] if own else folders
    return tuple(
        name
        for name in names
        if not any(
            host.exists(f"{folder}/{name}{packed}") for folder in folders for packed in _PACKED
        )
    )
