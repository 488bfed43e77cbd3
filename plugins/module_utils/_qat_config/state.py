# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is there of configuration files: their content, their devices, and who reads them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._host import Blocked
from .._pci.function import COUNT, read_functions
from .._systemd import ServiceStart, read_start
from .._undo import UndoRecord
from . import services
from .document import Document
from .keys import GENERAL
from .numbers import PF, VF, FileName, family_of, read_names
from .rings import Section
from .targets import choose

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .services import Services
    from .targets import Target
    from .wanted import Wanted

RINGS_PER_VF = 16
SERVICE: t.Final = "qat_service.service"


@dataclass(frozen=True)
class Related:
    """The file of the PF of a VF, or of a VF of a PF."""

    path: str
    address: PciAddress
    services: str


@dataclass(frozen=True)
class ConfigFile:
    """A file that is meant.

    Args:
        text: None for no file.
        modified: when it was last changed, in seconds since 1970.
        has_vfs: whether its device is a PF that has VFs.
        related: the files that have to agree on services, as far as they are there.
    """

    target: Target
    kind: str
    text: str | None
    modified: float | None = None
    has_vfs: bool = False
    related: tuple[Related, ...] = ()

    @property
    def path(self) -> str:
        """Its path."""
        return self.target.path

    @property
    def document(self) -> Document:
        """Its content; nothing for no file."""
        return Document.parse(self.text or "")

    @property
    def services(self) -> Services | None:
        """The services that it enables, None where it does not tell."""
        return services.parse(self.document.value(GENERAL, services.KEY))

    @property
    def sections(self) -> tuple[Section, ...]:
        """Its sections of instances."""
        return Section.read(self.document, self.services)

    @property
    def budget(self) -> int | None:
        """How many rings there are for its instances, None for a PF, whose banks are many."""
        return RINGS_PER_VF if self.kind == VF else None

    @property
    def rings(self) -> int:
        """How many rings its instances take."""
        return sum(section.rings for section in self.sections)

    def as_result(self) -> dict[str, t.Any]:
        """Return it as the module returns it."""
        function, family = self.target.function, self.target.family
        return {
            "path": self.path,
            "address": str(function.address) if function else None,
            "family": family.name if family else None,
            "kind": self.kind,
            "exists": self.text is not None,
            "general": self.document.values(GENERAL),
            "sections": {section.name: section.as_result() for section in self.sections},
            "rings": {"needed": self.rings, "budget": self.budget},
        }


@dataclass(frozen=True)
class State:
    """Everything that the decision needs."""

    files: tuple[ConfigFile, ...]
    skipped: tuple[PciAddress, ...]
    undo: UndoRecord
    service: ServiceStart


def observe(host: Host, wanted: Wanted) -> State:
    """Read everything once, for all files together."""
    functions = read_functions(host)
    names = read_names(host, functions.values())
    targets = choose(wanted, functions, names)
    return State(
        files=tuple(
            ConfigFile(
                target=target,
                kind=wanted.kind,
                text=host.read_text(target.path),
                modified=host.modified(target.path),
                has_vfs=_has_vfs(host, target, wanted.kind),
                related=_related(host, target, wanted.kind, functions, names),
            )
            for target in targets.files
        ),
        skipped=targets.skipped,
        undo=UndoRecord.read(host),
        service=read_start(host, SERVICE),
    )


def _has_vfs(host: Host, target: Target, kind: str) -> bool:
    """Tell whether there are VFs; where the kernel does not answer, those that sysfs links."""
    function = target.function
    if kind == VF or function is None or function.total_vfs is None:
        return False
    path = f"{function.path}/{COUNT}"
    answer = host.guarded_attributes([path])[path]
    number = "" if answer is None or isinstance(answer, Blocked) else answer
    return bool(function.vfs) or (number.isdecimal() and int(number) > 0)


def _related(
    host: Host,
    target: Target,
    kind: str,
    functions: Mapping[PciAddress, PciFunction],
    names: Mapping[PciAddress, FileName],
) -> tuple[Related, ...]:
    """Return the files on the other side of SR-IOV; in a guest there is none to be seen."""
    found = []
    for address in _other_side(target, kind, functions, names):
        path = str(names[address])
        text = host.read_text(path)
        enabled = None if text is None else Document.parse(text).value(GENERAL, services.KEY)
        if enabled is not None:
            found.append(Related(path, address, enabled))
    return tuple(found)


def _other_side(
    target: Target,
    kind: str,
    functions: Mapping[PciAddress, PciFunction],
    names: Mapping[PciAddress, FileName],
) -> tuple[PciAddress, ...]:
    """Return the PF of a VF, or the VFs of a PF, as far as they have files."""
    other, function = PF if kind == VF else VF, target.function
    if function is not None:
        related = function.vfs if function.pf is None else (function.pf,)
        return tuple(
            address
            for address in related
            if address in names and family_of(functions[address], other) is not None
        )
    mine = FileName.parse(target.path)
    if kind != VF or mine is None:
        return ()
    # A file of a VF that has no number here: where there is one PF of the type, it is that one's.
    pfs = [at for at, name in names.items() if (name.prefix, name.kind) == (mine.prefix, PF)]
    return tuple(pfs) if len(pfs) == 1 else ()
