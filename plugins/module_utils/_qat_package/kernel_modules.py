# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel modules of the package, and those of the kernel's own tree with the same names.

The installation puts C(intel_qat), the drivers of all families and their VFs below
C(/lib/modules/<release>/updates), and C(usdm_drv) and C(qat_api) into C(kernel/drivers). depmod
prefers C(updates), so that the kernel's own modules of these names are hidden there. What is loaded
already stays: with the kernel's own C(intel_qat) loaded the installation was seen to crash a host
(intel/QAT_Engine issue 104), and its symbols differ (issue 140). Both installed can crash at a
fast reboot, too (release notes, QAT20-40475).
"""

from __future__ import annotations

import posixpath
import re
import typing as t
from dataclasses import dataclass

from .._qat.devices import FAMILIES

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .._host import Host

CORE: t.Final = "intel_qat"
# Only the package has these.
HELPERS: t.Final = ("qat_api", "usdm_drv")
DRIVERS: t.Final = tuple(
    sorted(
        {
            module
            for family in FAMILIES.values()
            for module in (family.module, family.vf_module)
            if module is not None
        }
    )
)
NAMES: t.Final = frozenset({CORE, *HELPERS, *DRIVERS})
MODULES: t.Final = "/lib/modules"
BLACKLIST_PATH: t.Final = "/etc/modprobe.d/hwaccel-qat-package.conf"

# qat_service loads drivers by their names, which a blacklist lets pass: modprobe.d(5).
_BLACKLIST = """\
# Written by hwaccel.virt.qat_package; state: absent removes it.
# No driver of the kernel's own tree is loaded for a QAT device by itself, in a kernel either for
# which the package is not built yet. qat_service loads those of the package by name.
"""
_OF_THE_KERNEL = "kernel/drivers/crypto/"
_SIGNATURE = b"~Module signature appended~\n"
_OUT_OF_TREE = "O"
_DEEPEST = 12


def render_blacklist() -> bytes:
    """Return what keeps the kernel's own drivers from being loaded for devices."""
    return (_BLACKLIST + "".join(f"blacklist {name}\n" for name in (CORE, *DRIVERS))).encode()


@dataclass(frozen=True)
class LoadedModule:
    """A module that the running kernel has.

    Args:
        in_tree: whether it comes from the kernel's own tree.
        built_in: whether it is a part of the kernel.
        holders: the modules that need it.
        users: how many others use it, its holders included.
    """

    name: str
    in_tree: bool
    built_in: bool
    holders: tuple[str, ...]
    users: int

    @property
    def is_used(self) -> bool:
        """Whether somebody but the modules that are unloaded before it uses it."""
        return self.users > len(self.holders) or not NAMES.issuperset(self.holders)


def read_loaded(host: Host, release: str) -> tuple[LoadedModule, ...]:
    """Return the modules of these names that are loaded, drivers before what they need."""
    text = host.read_text(f"{MODULES}/{release}/modules.builtin") or ""
    built_in = {module_name(path) for path in text.splitlines()}
    return tuple(
        _loaded(host, name, built_in=name in built_in)
        for name in (*DRIVERS, *HELPERS, CORE)
        if host.exists(f"/sys/module/{name}")
    )


def _loaded(host: Host, name: str, *, built_in: bool) -> LoadedModule:
    folder = f"/sys/module/{name}"
    users = host.attribute(f"{folder}/refcnt") or "0"
    return LoadedModule(
        name=name,
        in_tree=_OUT_OF_TREE not in (host.attribute(f"{folder}/taint") or ""),
        built_in=built_in,
        holders=tuple(host.names(f"{folder}/holders")),
        users=int(users) if users.isdigit() else 0,
    )


def read_installed(host: Host, release: str) -> dict[str, float]:
    """Return the modules of these names that a kernel has from elsewhere than its own tree.

    Returns:
        their paths, each with the time of its last change.
    """
    text = host.read_text(f"{MODULES}/{release}/modules.dep") or ""
    found = {}
    for line in text.splitlines():
        path = line.partition(":")[0]
        if module_name(path) in NAMES and not path.startswith(_OF_THE_KERNEL):
            whole = posixpath.join(f"{MODULES}/{release}", path)
            changed = host.modified(whole)
            if changed is not None:
                found[whole] = changed
    return found


def module_name(path: str) -> str | None:
    """Return the name of the module that a file has, None for another file."""
    found = re.fullmatch(r"(.+)\.ko(?:\.(?:gz|xz|zst))?", posixpath.basename(path))
    return found[1].replace("-", "_") if found else None


def is_signed(host: Host, path: str) -> bool | None:
    """Tell whether a module file ends with a signature, None for a compressed one."""
    if not path.endswith(".ko"):
        return None
    return (host.read_bytes(path) or b"").endswith(_SIGNATURE)


def find_built(host: Host, folder: str, depth: int = 0) -> Iterator[str]:
    """Yield the module files below a folder, links left out."""
    for name in host.names(folder) if depth < _DEEPEST else ():
        path = f"{folder}/{name}"
        if host.link_target(path) is not None:
            continue
        if name.endswith(".ko"):
            yield path
        else:
            yield from find_built(host, path, depth + 1)


def newest_kernel(host: Host) -> str | None:
    """Return the newest kernel release that is installed, None for none."""
    releases = [
        name for name in host.names(MODULES) if host.exists(f"{MODULES}/{name}/modules.dep")
    ]
    return max(releases, key=_age, default=None)


def is_newer(release: str, than: str) -> bool:
    """Tell whether a kernel release is a later one."""
    return _age(release) > _age(than)


def _age(release: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", release, re.ASCII)))
