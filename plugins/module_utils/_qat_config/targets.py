# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files a task means: those of PFs, or of VFs, or one by its path."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import RefusedError
from .._qat.devices import TABLE, pf_family, vf_family
from .._qat.selectors import check_id
from .._vfio.holders import is_vfio_driver
from .numbers import VF, FileName, family_of, is_driven

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .._qat.devices import QatFamily
    from .._qat.selectors import Selector
    from .wanted import Wanted

_HAVING = ", ".join(row.name for row in TABLE if row.config_prefix)


@dataclass(frozen=True)
class Target:
    """A file that is meant, with its device where there is one."""

    path: str
    function: PciFunction | None = None
    family: QatFamily | None = None

    @property
    def generation(self) -> float | None:
        """The generation of its device, None where it is not known."""
        if self.family is not None:
            return self.family.generation
        name = FileName.parse(self.path)
        return name.generation if name else None


@dataclass(frozen=True)
class Targets:
    """The files that are meant; C(skipped) are functions that a word means and others have."""

    files: tuple[Target, ...]
    skipped: tuple[PciAddress, ...] = ()


def choose(
    wanted: Wanted,
    functions: Mapping[PciAddress, PciFunction],
    names: Mapping[PciAddress, FileName],
) -> Targets:
    """Return the files that are meant, sorted by the addresses of their devices.

    Raises:
        RefusedError: when an entry matches nothing, or what has no such file.
    """
    if wanted.path is not None:
        found = [at for at, name in names.items() if str(name) == wanted.path]
        function = functions[found[0]] if found else None
        family = family_of(function, wanted.kind) if function else None
        return Targets((Target(wanted.path, function, family),))
    chosen: dict[PciAddress, Target] = {}
    skipped: set[PciAddress] = set()
    for selector in wanted.selectors:
        meant = [each for each in functions.values() if _means(selector, each, wanted.kind)]
        if not meant:
            _check_absent(selector, wanted, functions)
        for function in meant:
            check_id(selector, function)
            family = family_of(function, wanted.kind)
            name = names.get(function.address)
            if family is not None and name is not None:
                chosen[function.address] = Target(str(name), function, family)
            elif selector.word:
                skipped.add(function.address)
            else:
                raise RefusedError(_without_file(function, family, wanted.kind))
    return Targets(
        tuple(chosen[address] for address in sorted(chosen)), tuple(sorted(skipped - set(chosen)))
    )


def _means(selector: Selector, function: PciFunction, kind: str) -> bool:
    """Tell whether an entry means a function: words mean those that can have a file."""
    family = family_of(function, kind)
    if selector.word is None:
        return selector.names(function) and (selector.address is not None or family is not None)
    return family is not None and family.config_prefix is not None and selector.covers(family)


def _check_absent(
    selector: Selector,
    wanted: Wanted,
    functions: Mapping[PciAddress, PciFunction],
) -> None:
    """Explain why an entry means nothing that has a file."""
    if selector.word is not None:
        without = {
            family.name
            for function in functions.values()
            if (family := family_of(function, wanted.kind)) and selector.covers(family)
        }
        named = [row for row in TABLE if row.name == selector.word and not row.config_prefix]
        if without or named:
            raise RefusedError(_no_prefix(sorted(without or {row.name for row in named})))
    if wanted.missing_ok:
        return
    what = f"no QAT {wanted.kind.upper()} here matches"
    if selector.word is None and selector.address is not None:
        what = "no PCI function at this address"
    elif any(selector.names(function) for function in functions.values() if not selector.word):
        what = f"it is the id of no {wanted.kind.upper()}: see option kind"
    message = f"option devices: {selector.text}: {what}; set missing_ok: true where that is fine"
    raise RefusedError(message)


def _without_file(function: PciFunction, family: QatFamily | None, kind: str) -> str:
    """Tell why a function that is named has no file."""
    where = f"option devices: {function.address}"
    if family is None:
        other = pf_family(function) or vf_family(function)
        what = f"{function.id} is no QAT {kind.upper()}"
        return f"{where}: {what}{': see option kind' if other else ', name one'}"
    if family.config_prefix is None:
        return f"{where}: {_no_prefix([family.name])}"
    if is_vfio_driver(function.driver):
        return (
            f"{where}: driver {function.driver} keeps it for a guest, which has the file: "
            "configure it there, or give the device back first (module vfio_passthrough, state: "
            "absent)"
        )
    if kind == VF and not is_driven(function, kind):
        return (
            f"{where}: a VF of {function.pf} on {function.driver or 'no driver'}: only VFs on "
            f"{family.vf_driver} have a file on this host; keep it for the host first (module "
            "qat_sriov, host_vfs)"
        )
    return (
        f"{where}: the driver does not have it: see adf_ctl status, and start the service "
        "qat_service"
    )


def _no_prefix(families: list[str]) -> str:
    return (
        f"{', '.join(families)}: the driver of this family is the kernel's, and reads no "
        f"configuration file; these have one: {_HAVING}. Services are set with module qat_sriov"
    )
