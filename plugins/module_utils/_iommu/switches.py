# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What arguments of the kernel do to the IOMMU.

Each argument is C(name=value) without quotes, in the order of the command line. Options of one
argument are separated by commas. Sources, in Linux: C(intel_iommu_setup) in
C(drivers/iommu/intel/iommu.c), C(parse_amd_iommu_options) in C(drivers/iommu/amd/init.c),
C(iommu_setup) in C(arch/x86/kernel/pci-dma.c), C(iommu_set_def_domain_type) in
C(drivers/iommu/iommu.c).
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_INTEL, _AMD, _X86, _GENERIC = "intel_iommu", "amd_iommu", "iommu", "iommu.passthrough"
_SWITCHES = {"intel": (_INTEL, _X86), "amd": (_AMD, _X86), "arm": ()}
TRUE: t.Final = ("1", "y", "on", "true")
_FALSE = ("0", "n", "off", "false")


def options_of(argument: str, name: str) -> list[str]:
    """Return the options that an argument gives, none when it has another name."""
    found, _equals, value = argument.partition("=")
    return value.split(",") if found.replace("-", "_") == name else []


def switched_off(arguments: Sequence[str], vendor: str | None) -> list[str]:
    """Return the arguments that keep the IOMMU of a vendor off, of any vendor for None."""
    names = _SWITCHES.get(vendor or "", (_INTEL, _AMD, _X86))
    return [argument for name in names for argument in _off(arguments, name)]


def without_off(argument: str, vendor: str | None) -> str | None:
    """Return an argument without the option that turns the IOMMU off, None if none is left."""
    for name in _SWITCHES.get(vendor or "", (_INTEL, _AMD, _X86)):
        options = options_of(argument, name)
        if "off" in options:
            left = ",".join(option for option in options if option != "off")
            return f"{argument.partition('=')[0]}={left}" if left else None
    return argument


def turned_on(arguments: Sequence[str]) -> bool:
    """Tell whether C(intel_iommu) turns VT-d on, and no argument turns it off."""
    said = [*_said(arguments, _INTEL)]
    return bool(said) and said[-1][1] == "on" and not _off(arguments, _X86)


def passed_through(arguments: Sequence[str]) -> bool:
    """Tell whether devices of the host bypass the IOMMU; the last argument about it counts."""
    last = False
    for argument in arguments:
        for option in options_of(argument, _X86):
            last = {"pt": True, "nopt": False}.get(option, last)
        for option in options_of(argument, _GENERIC):
            last = option.lower() in TRUE or (last and option.lower() not in _FALSE)
    return last


def _off(arguments: Sequence[str], name: str) -> list[str]:
    """Return the arguments of a name by which the IOMMU is off.

    Of C(intel_iommu) the last option counts; C(amd_iommu=off) and C(iommu=off) are never taken
    back.
    """
    if name != _INTEL:
        return [argument for argument in arguments if "off" in options_of(argument, name)]
    said = [*_said(arguments, _INTEL)]
    if not said or said[-1][1] != "off":
        return []
    return list(dict.fromkeys(argument for argument, option in said if option == "off"))


def _said(arguments: Sequence[str], name: str) -> Iterator[tuple[str, str]]:
    """Yield each C(on) and C(off) of a name, with the argument that says it."""
    for argument in arguments:
        for option in options_of(argument, name):
            if option in ("on", "off"):
                yield argument, option
