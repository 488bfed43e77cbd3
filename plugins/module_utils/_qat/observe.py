# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The QAT PFs of a host with their VFs and holders, read once and used by every module."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._host import Blocked
from .._pci.drivers import is_in_tree, is_registered
from .._pci.function import (
    AUTOPROBE,
    COUNT,
    DEVICES,
    OVERRIDE,
    PciFunction,
    read_config,
)
from .._vfio.binding import Binding, parse_override
from .._vfio.holders import Holder, Holders, read_holders
from .devices import QatFamily, pf_family, vf_family
from .services import ATTRIBUTES, ServiceState

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._host import Host
    from .._pci.address import PciAddress, PciId
    from .._pci.config import ConfigSpace


@dataclass(frozen=True)
class Vf:
    """A virtual function; what only the kernel assigns is None for one not yet made.

    Args:
        override: C(driver_override), the only driver that may take it, None without.
        reserved: whether that is its native driver, which keeps it for the host.
    """

    address: PciAddress | None
    id: PciId
    driver: str | None = None
    iommu_group: int | None = None
    holder: Holder | None = None
    override: str | None = None
    reserved: bool = False

    @property
    def binding(self) -> Binding:
        """Its driver, and which one alone may take it."""
        return Binding(self.driver, self.override)

    def as_result(self) -> dict[str, t.Any]:
        """Return it as modules return it."""
        return {
            "address": None if self.address is None else str(self.address),
            "id": str(self.id),
            "driver": self.driver,
            "iommu_group": self.iommu_group,
            "reserved": self.reserved,
            "holder": None if self.holder is None else self.holder.as_result(),
        }


@dataclass(frozen=True)
class Pf:
    """A QAT physical function.

    Args:
        num_vfs: how many VFs exist, None when the kernel does not answer.
        autoprobe: C(sriov_drivers_autoprobe), None on kernels without it.
        driver_known: whether the family's driver is registered with the kernel.
        in_tree: whether its driver is the kernel's own.
        vf_driver_known: whether the native driver of its VFs is registered with the kernel.
        service_state: None where the driver has no choice of services.
        unanswered: the first attribute for which the kernel did not answer, None normally.
        domains: libvirt's domains by the address that they have as a host device.
    """

    function: PciFunction
    family: QatFamily
    config: ConfigSpace
    num_vfs: int | None
    autoprobe: bool | None
    driver_known: bool
    in_tree: bool
    vfs: tuple[Vf, ...]
    holder: Holder | None
    vf_driver_known: bool = False
    service_state: ServiceState | None = None
    unanswered: str | None = None
    domains: Mapping[PciAddress, Holder] = field(default_factory=dict)

    @property
    def address(self) -> PciAddress:
        """Its PCI address."""
        return self.function.address

    @property
    def total_vfs(self) -> int:
        """How many VFs it can have, as the device says; 0 without SR-IOV."""
        return self.function.total_vfs or 0

    @property
    def blocked(self) -> bool:
        """Whether the kernel did not answer what VFs there are, or whether the PF is up."""
        return self.unanswered is not None

    @property
    def ignores_requested_number(self) -> bool:
        """Whether its driver makes all VFs, whatever number is asked for.

        The kernel's shared adf_sriov.c does so for every generation, and the hardware before
        generation 4 cannot do otherwise.
        """
        own_driver = self.family.driver in (None, self.function.driver)
        return own_driver and (self.in_tree or not self.family.has_services)

    def attribute(self, name: str) -> str:
        """Return the path of one of its attributes."""
        return f"{self.function.path}/{name}"

    def expected_vfs(self, number: int) -> tuple[Vf, ...]:
        """Return the VFs that making C(number) of them will give; domains may wait for them."""
        capability = self.config.sriov()
        addresses = (
            capability.vf_address(self.address, index) if capability else None
            for index in range(number)
        )
        return tuple(
            Vf(address, self.family.vf_id, holder=self.domains.get(address) if address else None)
            for address in addresses
        )


def read_pfs(
    host: Host,
    pfs: Iterable[PciFunction],
    functions: Mapping[PciAddress, PciFunction],
    holders: Holders | None = None,
) -> tuple[Pf, ...]:
    """Observe QAT PFs with their VFs; the attributes that can block are read within a bound."""
    families = {function: family for function in pfs if (family := pf_family(function))}
    guarded = {pf: _guarded(host, pf, family) for pf, family in families.items()}
    read = host.guarded_attributes([path for paths in guarded.values() for path in paths.values()])
    answers = {
        pf: {name: read[path] for name, path in paths.items()} for pf, paths in guarded.items()
    }
    if holders is None:
        related = [functions[vf] for pf in families for vf in pf.vfs if vf in functions]
        holders = read_holders(host, [*families, *related])
    return tuple(
        Pf(
            function=pf,
            family=family,
            config=read_config(host, pf.address),
            num_vfs=_count(answers[pf]),
            autoprobe=_read_autoprobe(host, pf),
            driver_known=is_registered(host, family.driver),
            in_tree=is_in_tree(host, pf.driver),
            vfs=tuple(
                _vf(functions[at], answers[pf].get(_override(at)), holders)
                for at in pf.vfs
                if at in functions
            ),
            holder=holders.of(pf),
            vf_driver_known=is_registered(host, family.vf_driver),
            service_state=ServiceState.parse(answers[pf]),
            unanswered=_unanswered(answers[pf]),
            domains=holders.domains,
        )
        for pf, family in families.items()
    )


def _guarded(host: Host, function: PciFunction, family: QatFamily) -> dict[str, str]:
    """Return the attributes of a PF whose read waits for whoever changes its VFs or state."""
    names = [] if function.total_vfs is None else [COUNT]
    if family.has_services and host.exists(f"{function.path}/{ATTRIBUTES[0]}"):
        names += ATTRIBUTES
    paths = {name: f"{function.path}/{name}" for name in names}
    # Reading it takes the VF's lock, which an unbind that waits for a guest holds.
    return {**paths, **{_override(vf): f"{DEVICES}/{_override(vf)}" for vf in function.vfs}}


def _override(vf: PciAddress) -> str:
    return f"{vf}/{OVERRIDE}"


def _count(answers: Mapping[str, str | Blocked | None]) -> int | None:
    """Return the number of VFs, None where one of the attributes does not answer."""
    if _unanswered(answers) is not None:
        return None
    return int(t.cast("str | None", answers.get(COUNT)) or 0)


def _unanswered(answers: Mapping[str, str | Blocked | None]) -> str | None:
    silent = (name for name, answer in answers.items() if isinstance(answer, Blocked))
    return next(silent, None)


def _read_autoprobe(host: Host, function: PciFunction) -> bool | None:
    text = host.attribute(f"{function.path}/{AUTOPROBE}")
    return None if text is None else text == "1"


def _vf(function: PciFunction, answer: str | Blocked | None, holders: Holders) -> Vf:
    family = vf_family(function)
    override = None if isinstance(answer, Blocked) else parse_override(answer)
    return Vf(
        address=function.address,
        id=function.id,
        driver=function.driver,
        iommu_group=function.iommu_group,
        holder=holders.of(function),
        override=override,
        reserved=override is not None and family is not None and override == family.vf_driver,
    )


def blocked_message(pf: Pf) -> str:
    """Return what to tell of a PF for which the kernel does not answer."""
    return (
        f"{pf.address}: blocked: {pf.unanswered} does not answer. A process that takes its VFs "
        "away waits in the kernel for a guest to let go of one; detach the VF from that guest or "
        "stop it (module accelerator_info names holders), then run again"
    )
