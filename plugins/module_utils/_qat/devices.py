# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of QAT devices: the only place with their PCI ids.

Sources: pci.ids of the pciutils project; DPDK C(doc/guides/cryptodevs/qat.rst), "Available
kernel drivers"; qatlib C(quickassist/utilities/service/qat_init.sh.in); the denylist in Linux
C(drivers/vfio/pci/vfio_pci.c). The number of VFs is never taken from here: C(sriov_totalvfs)
of the device tells it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._pci.address import PciId

if t.TYPE_CHECKING:
    from .._pci.function import PciFunction

_INTEL = 0x8086
# From this generation on the kernel's own drivers offer qat/state and qat/cfg_services.
_FIRST_WITH_SERVICES = 4
# Before this generation a reset by a driver other than its own ends with the payload size of
# power on (Intel 330689, appendix A.1).
_FIRST_THAT_KEEPS_PAYLOAD_SIZE = 2


@dataclass(frozen=True)
class QatFamily:
    """A family of QAT devices.

    Args:
        name: the family as users select it.
        title: how the vendor calls it.
        generation: hardware generation as Intel counts it.
        pf_device: PCI device id of a PF.
        vf_device: PCI device id of its VFs.
        driver: PCI driver of a PF as sysfs names it, None where none is known.
        module: kernel module that registers that driver, whose name differs.
        vf_driver: native PCI driver of a VF.
        config_prefix: C(/etc/<prefix>_dev<N>.conf) of the out-of-tree package, None without.
        in_tree_since: Linux release that first had the driver, None for out-of-tree ones.
        denylisted: whether vfio-pci refuses its PFs and VFs unless told otherwise.
    """

    name: str
    title: str
    generation: float
    pf_device: int
    vf_device: int
    driver: str | None = None
    module: str | None = None
    vf_driver: str | None = None
    config_prefix: str | None = None
    in_tree_since: str | None = None
    denylisted: bool = False

    @property
    def pf_id(self) -> PciId:
        """The PCI id of a PF."""
        return PciId(_INTEL, self.pf_device)

    @property
    def vf_id(self) -> PciId:
        """The PCI id of a VF."""
        return PciId(_INTEL, self.vf_device)

    @property
    def has_services(self) -> bool:
        """Whether its kernel driver lets the services be chosen."""
        return self.generation >= _FIRST_WITH_SERVICES

    @property
    def loses_payload_size(self) -> bool:
        """Whether a guest's reset of a whole card loses its Max Payload Size."""
        return self.generation < _FIRST_THAT_KEEPS_PAYLOAD_SIZE

    @property
    def vf_module(self) -> str | None:
        """The kernel module that registers the driver of its VFs."""
        return None if self.module is None else f"{self.module}vf"

    @property
    def generation_word(self) -> str:
        """The selector of its generation: gen1, gen4, gen5 or gen6."""
        return f"gen{int(self.generation)}"


TABLE: t.Final = (
    QatFamily(
        name="dh89xxcc",
        title="Intel Communications Chipset 8900 to 8920",
        generation=1.5,
        pf_device=0x0434,
        vf_device=0x0442,
    ),
    QatFamily(
        name="dh895xcc",
        title="Intel Communications Chipset 8925 to 8955",
        generation=1.6,
        pf_device=0x0435,
        vf_device=0x0443,
        driver="dh895xcc",
        module="qat_dh895xcc",
        vf_driver="dh895xccvf",
        config_prefix="dh895xcc",
        in_tree_since="4.4",
        denylisted=True,
    ),
    QatFamily(
        name="60cx8980",
        title="Intel QuickAssist 60Cx8980",
        generation=1.7,
        pf_device=0x128C,
        vf_device=0x128D,
    ),
    QatFamily(
        name="c4xxx",
        title="Intel Atom P5000",
        generation=1.8,
        pf_device=0x18A0,
        vf_device=0x18A1,
        driver="c4xxx",
        module="qat_c4xxx",
        vf_driver="c4xxxvf",
        config_prefix="c4xxx",
    ),
    QatFamily(
        name="200xx",
        title="Intel QuickAssist 200xx",
        generation=1.7,
        pf_device=0x18EE,
        vf_device=0x18EF,
        driver="200xx",
        module="qat_200xx",
        vf_driver="200xxvf",
        config_prefix="200xx",
    ),
    QatFamily(
        name="c3xxx",
        title="Intel Atom C3000",
        generation=1.7,
        pf_device=0x19E2,
        vf_device=0x19E3,
        driver="c3xxx",
        module="qat_c3xxx",
        vf_driver="c3xxxvf",
        config_prefix="c3xxx",
        in_tree_since="4.5",
        denylisted=True,
    ),
    QatFamily(
        name="c62x",
        title="Intel C62x Chipset, QuickAssist Adapter 8960 and 8970",
        generation=1.7,
        pf_device=0x37C8,
        vf_device=0x37C9,
        driver="c6xx",
        module="qat_c62x",
        vf_driver="c6xxvf",
        config_prefix="c6xx",
        in_tree_since="4.5",
        denylisted=True,
    ),
    QatFamily(
        name="4xxx",
        title="Intel Xeon, 4th and 5th generation",
        generation=4,
        pf_device=0x4940,
        vf_device=0x4941,
        driver="4xxx",
        module="qat_4xxx",
        vf_driver="4xxxvf",
        config_prefix="4xxx",
        in_tree_since="5.11",
    ),
    QatFamily(
        name="401xx",
        title="Intel Xeon, 401xx",
        generation=4,
        pf_device=0x4942,
        vf_device=0x4943,
        driver="4xxx",
        module="qat_4xxx",
        vf_driver="4xxxvf",
        config_prefix="4xxx",
        in_tree_since="5.19",
    ),
    QatFamily(
        name="402xx",
        title="Intel Xeon 6, 402xx",
        generation=4,
        pf_device=0x4944,
        vf_device=0x4945,
        driver="4xxx",
        module="qat_4xxx",
        vf_driver="4xxxvf",
        config_prefix="4xxx",
        in_tree_since="6.4",
    ),
    QatFamily(
        name="420xx",
        title="Intel Xeon 6 SoC, 420xx",
        generation=5,
        pf_device=0x4946,
        vf_device=0x4947,
        driver="420xx",
        module="qat_420xx",
        vf_driver="420xxvf",
        in_tree_since="6.8",
    ),
    QatFamily(
        name="6xxx",
        title="Intel Xeon, QAT 6xxx",
        generation=6,
        pf_device=0x4948,
        vf_device=0x4949,
        driver="6xxx",
        module="qat_6xxx",
        vf_driver="6xxxvf",
        in_tree_since="6.16",
    ),
    QatFamily(
        name="d15xx",
        title="Intel Xeon D-1500",
        generation=1.7,
        pf_device=0x6F54,
        vf_device=0x6F55,
        driver="d15xx",
        module="qat_d15xx",
        vf_driver="d15xxvf",
        config_prefix="d15xx",
    ),
)


def check_table(table: tuple[QatFamily, ...]) -> None:
    """Check that names and ids are unique and that rows are sorted by PF id.

    Raises:
        ValueError: naming what stands twice or out of order.
    """
    ids = [number for row in table for number in (row.pf_device, row.vf_device)]
    told = [*(row.name for row in table), *(f"{number:04x}" for number in ids)]
    doubled = sorted({text for text in told if told.count(text) > 1})
    if doubled:
        message = f"QAT device table: {', '.join(doubled)} stands more than once"
        raise ValueError(message)
    pf_ids = [row.pf_device for row in table]
    if pf_ids != sorted(pf_ids):
        message = "QAT device table: rows are not sorted by the id of their PF"
        raise ValueError(message)


check_table(TABLE)

# What else vfio-pci refuses: DSA and IAX of the Xeon, 4th generation.
OTHER_DENYLISTED: t.Final = (PciId(_INTEL, 0x0B25), PciId(_INTEL, 0x0CFE))

FAMILIES: t.Final = {row.name: row for row in TABLE}
GENERATIONS: t.Final = tuple(sorted({row.generation_word for row in TABLE}))
_BY_PF = {row.pf_id: row for row in TABLE}
_BY_VF = {row.vf_id: row for row in TABLE}


def pf_family(function: PciFunction) -> QatFamily | None:
    """Return the family whose PF this is; a class of 0b40 alone proves nothing."""
    return _BY_PF.get(function.id)


def vf_family(function: PciFunction) -> QatFamily | None:
    """Return the family whose VF this is, on a host or in a guest."""
    return _BY_VF.get(function.id)


def native_name(function: PciFunction) -> str | None:
    """Return the name of the driver that a QAT function has on a host, as far as it is known."""
    family = pf_family(function)
    if family is not None:
        return family.driver
    family = vf_family(function)
    return family.vf_driver if family else None


def is_denylisted(function: PciFunction) -> bool:
    """Tell whether vfio-pci refuses a function by its id, unless told otherwise."""
    family = pf_family(function) or vf_family(function)
    return function.id in OTHER_DENYLISTED or (family is not None and family.denylisted)
