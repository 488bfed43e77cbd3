# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which VFIO driver a function is to get: vfio-pci, or a variant that knows the device.

A variant says in C(modules.alias) which functions it is for, as C(alias vfio_pci:...); the best
match is the one with the fewest wildcards, as libvirt chooses it
(C(virPCIDeviceFindBestVFIOVariant) in C(src/util/virpci.c)).
"""

from __future__ import annotations

import re
import typing as t

from .._errors import InputError
from .._pci.drivers import is_in_tree, modules_for, read_aliases, read_modalias
from .._pci.function import DRIVERS
from .._qat.devices import vf_family

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.drivers import Alias
    from .._pci.function import PciFunction

VFIO_PCI = "vfio-pci"
AUTO = "auto"
# Drivers that do not have the name of their module.
_WITH_DASHES = {"vfio_pci": VFIO_PCI, "xe_vfio_pci": "xe-vfio-pci"}
# Other modules of VFIO are no PCI drivers.
_NAME = re.compile(r"(?:[A-Za-z0-9][\w-]*[_-])?vfio[_-]pci", re.ASCII)


def parse_driver(value: str) -> str:
    """Parse option C(driver): C(auto), or the name of a VFIO driver.

    Raises:
        InputError: for a driver that gives nothing to guests.
    """
    name = value.strip()
    if name == AUTO or _NAME.fullmatch(name):
        return name
    accepted = "auto, vfio-pci, or a VFIO variant driver such as mlx5_vfio_pci"
    raise InputError("driver", value, accepted)


def module_of(driver: str) -> str:
    """Return the kernel module that registers a VFIO driver, as C(lsmod) shows it."""
    return driver.replace("-", "_")


class Variants:
    """The VFIO drivers that this kernel has, for whatever function is asked for."""

    def __init__(
        self,
        host: Host,
        release: str,
        functions: Mapping[PciAddress, PciFunction],
    ) -> None:
        self._host = host
        self._functions = functions
        self._aliases: list[Alias] = read_aliases(host, release, "vfio_pci:")
        self._registered = {module_of(name): name for name in host.names(DRIVERS)}

    def registered(self, driver: str) -> bool:
        """Tell whether the kernel has the driver now."""
        return module_of(driver) in self._registered

    def named(self, driver: str) -> str:
        """Return a driver's name as the kernel spells it, with dashes or underscores."""
        module = module_of(driver)
        return self._registered.get(module) or _WITH_DASHES.get(module, module)

    def best(self, function: PciFunction) -> str:
        """Return the best driver that can probe the function here."""
        if not self._aliases:
            return self.named(VFIO_PCI)
        modules = modules_for(read_modalias(self._host, function), self._aliases)
        generic = module_of(VFIO_PCI)
        fitting = (each for each in modules if each == generic or self._can_probe(function))
        return self.named(next(fitting, VFIO_PCI))

    def _can_probe(self, function: PciFunction) -> bool:
        """Tell whether a variant finds what it needs.

        That of QAT VFs works through the kernel's own driver of the PF (C(qat_vfmig_create)), so
        neither in a guest nor with the vendor's package.
        """
        family = vf_family(function)
        if family is None:
            return True
        pf = None if function.pf is None else self._functions.get(function.pf)
        return pf is not None and pf.driver == family.driver and is_in_tree(self._host, pf.driver)
