# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What qatlib's service finds on a host: its files, the VFs meant for it, and who may open them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._errors import RefusedError
from .._pci.function import read_config, read_functions
from .._qat.devices import pf_family, vf_family
from .._qat.selectors import select_pfs
from .._systemd import Service, ServiceStart, read_service, read_start
from .._undo import UndoRecord
from .._vfio.holders import is_vfio_driver, read_holders
from .._vfio.record import is_bound_by_us
from .environment import Environment, read_environment
from .record import read_vfs
from .rules import MASK, RULES, read_own_vfs
from .unit import DROP_IN, GROUP, UNIT

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._host import Host
    from .._pci.address import PciAddress
    from .._pci.function import PciFunction
    from .._qat.devices import QatFamily
    from .._vfio.holders import Holder
    from .wanted import Wanted

LIMITS: t.Final = "/etc/security/limits.d/90-hwaccel-qatlib.conf"
_OWN_FILES = (DROP_IN, RULES, MASK, LIMITS)
_GROUPS = "/etc/group"


@dataclass(frozen=True)
class Node:
    """The VFIO node of a VF that is on a VFIO driver, and the number of the group that it has."""

    path: str
    gid: int | None

    @property
    def device(self) -> str:
        """The device in sysfs whose node it is."""
        return f"/sys/class/vfio/{self.path.rpartition('/')[2]}"


@dataclass(frozen=True)
class OwnPf:
    """A PF of which programs of the host use VFs.

    Args:
        vfs: those VFs, made already or not; None where it cannot be told where they will be.
        named: whether it was named by address or id.
    """

    function: PciFunction
    family: QatFamily
    vfs: tuple[PciAddress, ...] | None
    named: bool

    @property
    def address(self) -> PciAddress:
        """Its PCI address."""
        return self.function.address


@dataclass(frozen=True)
class Settings:
    """The files that make the service what it is.

    Args:
        own: the content of the module's own files by path; one that is not there may be left out.
    """

    own: Mapping[str, bytes | None]
    environment: Environment

    @property
    def contents(self) -> dict[str, bytes | None]:
        """The content of each file by path, None for one that is not there."""
        own = {path: self.own.get(path) for path in _OWN_FILES}
        return {**own, self.environment.path: self.environment.content}

    @property
    def read_at_start(self) -> tuple[bytes | None, ...]:
        """The content of what counts when the service starts."""
        contents = self.contents
        return tuple(contents[path] for path in self.paths_read_at_start)

    @property
    def paths_read_at_start(self) -> tuple[str, ...]:
        """The files that count when the service starts; the limit is for others' sessions."""
        return DROP_IN, RULES, self.environment.path

    def with_environment(self, content: bytes | None) -> Settings:
        """Return it with other settings in the environment's file."""
        return replace(self, environment=replace(self.environment, content=content))


@dataclass(frozen=True)
class State:
    """A host as the module sees it.

    Args:
        pfs: the chosen PFs that the host itself drives.
        skipped: those that stand on a VFIO driver, which are a guest's.
        former: the VFs that were meant for programs of the host before.
        earlier: those that earlier runs had meant for them, that we have bound to VFIO and that
            no guest has by now; none where VFs are chosen.
        nodes: by VF, the nodes of all VFs that qatlib could use.
        near: by chosen VF, another VF of its IOMMU group that is not chosen.
        holders: domains by the VFs that they have.
        gid: number of the group of qatlib's users, None where there is no such group.
        service: whether its package is there, and whether it runs, now and at boot.
        modified: when one of the files was last changed, in seconds since 1970.
    """

    settings: Settings
    pfs: tuple[OwnPf, ...]
    skipped: tuple[OwnPf, ...]
    former: frozenset[PciAddress]
    earlier: frozenset[PciAddress]
    nodes: Mapping[PciAddress, Node]
    near: Mapping[PciAddress, PciAddress]
    holders: Mapping[PciAddress, Holder]
    gid: int | None
    undo: UndoRecord
    service: Service
    start: ServiceStart
    modified: float | None

    @property
    def own_vfs(self) -> tuple[PciAddress, ...]:
        """The VFs that programs of the host use, sorted by address."""
        return _vfs_of(self.pfs)


def observe(host: Host, wanted: Wanted) -> State:
    """Read everything that the decision needs."""
    functions = read_functions(host)
    # What an earlier run has set is taken back whatever is chosen now.
    chosen = tuple(_chosen(host, wanted, functions)) if wanted.present else ()
    skipped = tuple(pf for pf in chosen if not pf.named and is_vfio_driver(pf.function.driver))
    pfs = tuple(pf for pf in chosen if pf not in skipped)
    settings = Settings(
        own={path: host.read_bytes(path) for path in _OWN_FILES},
        environment=read_environment(host),
    )
    # Who has a node open is not asked: a program of the host may well.
    holders, undo = read_holders(host, ()).domains, UndoRecord.read(host)
    times = [host.modified(path) for path in settings.paths_read_at_start]
    return State(
        settings=settings,
        pfs=pfs,
        skipped=skipped,
        former=read_own_vfs(host),
        earlier=frozenset() if wanted.present else _earlier(undo, functions, holders),
        nodes=_nodes(host, functions),
        near=_near(_vfs_of(pfs), functions),
        holders=holders,
        gid=_gid(host),
        undo=undo,
        service=read_service(host, [UNIT]),
        start=read_start(host, UNIT),
        modified=max((time for time in times if time is not None), default=None),
    )


def _chosen(
    host: Host,
    wanted: Wanted,
    functions: Mapping[PciAddress, PciFunction],
) -> t.Iterator[OwnPf]:
    """Yield the PFs that are meant; those that were named, or a family, are refused later on."""
    if not wanted.selectors:
        return
    selection = select_pfs(wanted.selectors, functions, missing_ok=wanted.missing_ok)
    families = {pf.address: family for pf in selection.pfs if (family := pf_family(pf))}
    words = {selector.word for selector in wanted.selectors}
    # A word such as all means the PFs that qatlib can use; a family's name means that family.
    meant = {
        at
        for at, family in families.items()
        if at in selection.by_name or family.has_services or family.name in words
    }
    for selector in wanted.selectors if not wanted.missing_ok else ():
        covered = [at for at in families if selector.word and selector.covers(families[at])]
        if covered and not meant.intersection(covered):
            why = unsupported(covered[0], families[covered[0]])
            raise RefusedError(
                f"option devices: {selector.text}: {why}; set missing_ok: true where that is fine"
            )
    for pf in selection.pfs:
        if pf.address in meant:
            named = pf.address in selection.by_name
            yield OwnPf(pf, families[pf.address], _vfs(host, wanted, pf), named)


def unsupported(address: PciAddress, family: QatFamily) -> str:
    """Say that qatlib is not for a PF."""
    return (
        f"{address}: qatlib does not support {family.name} (generation {family.generation}): it is "
        "for generation 4 and later; the vendor's package serves programs on this one"
    )


def _vfs(host: Host, wanted: Wanted, pf: PciFunction) -> tuple[PciAddress, ...] | None:
    """Return the first VFs of a PF: those that are there, or where they will be."""
    total = pf.total_vfs or 0
    count = total if wanted.vfs is None else min(wanted.vfs, total)
    if len(pf.vfs) >= count:
        return pf.vfs[:count]
    capability = read_config(host, pf.address).sriov()
    if capability is None:
        return None
    places = [capability.vf_address(pf.address, index) for index in range(count)]
    found = tuple(place for place in places if place is not None)
    return found if len(found) == count else None


def _vfs_of(pfs: tuple[OwnPf, ...]) -> tuple[PciAddress, ...]:
    return tuple(sorted(vf for pf in pfs for vf in pf.vfs or ()))


def _earlier(
    undo: UndoRecord,
    functions: Mapping[PciAddress, PciFunction],
    guests: Mapping[PciAddress, Holder],
) -> frozenset[PciAddress]:
    """Return the VFs once meant for programs of the host that are still as we have bound them."""
    # Another card may have come to such a place since.
    others = {at for at, function in functions.items() if vf_family(function) is None}
    once = read_vfs(undo) - guests.keys() - others
    return frozenset(vf for vf in once if is_bound_by_us(undo, str(vf)))


def _near(
    own: tuple[PciAddress, ...],
    functions: Mapping[PciAddress, PciFunction],
) -> dict[PciAddress, PciAddress]:
    """Find VFs of QAT devices that who opens the group of a chosen VF would have too."""
    others = {
        function.iommu_group: function.address
        for function in functions.values()
        if function.iommu_group is not None
        and function.address not in own
        and vf_family(function) is not None
    }
    there = [functions[vf] for vf in own if vf in functions]
    return {vf.address: others[vf.iommu_group] for vf in there if vf.iommu_group in others}


def _is_usable(function: PciFunction) -> bool:
    """Tell whether qatlib could use a function: a VF of generation 4 or later on VFIO."""
    family = vf_family(function)
    return family is not None and family.has_services and is_vfio_driver(function.driver)


def _nodes(host: Host, functions: Mapping[PciAddress, PciFunction]) -> dict[PciAddress, Node]:
    found = {}
    for vf in filter(_is_usable, functions.values()) if host.live else ():
        path = f"/dev/vfio/{vf.iommu_group}"
        if vf.iommu_group is not None and host.exists(path):
            found[vf.address] = Node(path, host.group_of(path))
    return found


def _gid(host: Host) -> int | None:
    for line in (host.read_text(_GROUPS) or "").splitlines():
        name, _password, gid, *_members = [*line.split(":"), "", "", ""]
        if name == GROUP and gid.isdecimal():
            return int(gid)
    return None
