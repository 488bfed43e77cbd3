# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drivers of PCI functions, and the kernel modules that have them."""

from __future__ import annotations

import fnmatch
import typing as t
from dataclasses import dataclass

from .function import DRIVERS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._host import Host
    from .function import PciFunction

_OUT_OF_TREE = "O"


def kernel_release(host: Host) -> str:
    """Return the release of the running kernel, empty where it does not tell."""
    return host.attribute("/proc/sys/kernel/osrelease") or ""


def is_registered(host: Host, driver: str | None) -> bool:
    """Tell whether a driver is loaded or built in."""
    return driver is not None and host.exists(f"{DRIVERS}/{driver}")


def is_in_tree(host: Host, driver: str | None) -> bool:
    """Tell from the taint that a loaded out-of-tree module shows; a built-in driver has none."""
    if driver is None:
        return True
    module = host.link_name(f"{DRIVERS}/{driver}/module")
    taint = host.attribute(f"/sys/module/{module}/taint") if module else None
    return _OUT_OF_TREE not in (taint or "")


def module_available(host: Host, release: str, module: str | None) -> bool:
    """Tell whether a kernel release has a module, on disk or built in.

    A file's name has dashes where the module's has underscores, or not.
    """
    if module is None:
        return False
    names = {module.replace("-", "_"), module.replace("_", "-")}
    files = (f"/lib/modules/{release}/{name}" for name in ("modules.dep", "modules.builtin"))
    lists = [host.read_text(path) or "" for path in files]
    return any(f"/{name}.ko" in text for text in lists for name in names)


@dataclass(frozen=True)
class Alias:
    """A line of C(modules.alias): the functions that a module is for, as a pattern."""

    pattern: str
    module: str

    @property
    def wildcards(self) -> int:
        """How much of a function it leaves open."""
        return self.pattern.count("*")


def read_aliases(host: Host, release: str, start: str) -> list[Alias]:
    """Return the aliases that start so, in the order of the file.

    Args:
        start: the kind and as much of the pattern as is wanted, such as C(vfio_pci:).
    """
    text = host.read_bytes(f"/lib/modules/{release}/modules.alias") or b""
    begin = f"alias {start}".encode()
    found = []
    at = text.find(begin)
    while at != -1:
        end = text.find(b"\n", at)
        words = text[at : end if end != -1 else None].decode("ascii", "replace").split()
        if len(words) == len(("alias", "pattern", "module")):
            found.append(Alias(words[1].partition(":")[2], words[2]))
        at = text.find(begin, at + len(begin))
    return found


def modules_for(modalias: str, aliases: Iterable[Alias]) -> list[str]:
    """Return the modules for a function, the one with the fewest wildcards first.

    Args:
        modalias: of the function, without its kind.
    """
    fitting = [alias for alias in aliases if fnmatch.fnmatchcase(modalias, alias.pattern)]
    ordered = sorted(fitting, key=lambda alias: alias.wildcards)
    return list(dict.fromkeys(alias.module for alias in ordered))


def read_modalias(host: Host, function: PciFunction) -> str:
    """Return what a function is, as C(modules.alias) has it, without its kind."""
    told = host.attribute(f"{function.path}/modalias") or ""
    if told.startswith("pci:"):
        return told.partition(":")[2]
    code = f"{function.class_code:06X}"
    return (
        f"v{function.id.vendor:08X}d{function.id.device:08X}sv00000000sd00000000"
        f"bc{code[:2]}sc{code[2:4]}i{code[4:]}"
    )


def native_modules(host: Host, release: str, function: PciFunction) -> list[str]:
    """Return the modules of this kernel that are for a function, the best one first."""
    starts = (f"pci:v{function.id.vendor:08X}", "pci:v*")
    aliases = [alias for start in starts for alias in read_aliases(host, release, start)]
    return modules_for(read_modalias(host, function), aliases)


def native_driver(host: Host, modules: Sequence[str]) -> str | None:
    """Return the driver that one of the modules has registered, None for none.

    Only drivers of modules say what they are for; one that is built in is not found.
    """
    drivers: dict[str | None, str] = {}
    for driver in host.names(DRIVERS) if modules else ():
        drivers.setdefault(host.link_name(f"{DRIVERS}/{driver}/module"), driver)
    return next((drivers[module] for module in modules if module in drivers), None)
