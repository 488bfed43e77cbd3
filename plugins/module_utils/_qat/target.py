# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one PF is to become, and what that means for the VFs that are there."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

if t.TYPE_CHECKING:
    from .._pci.address import PciAddress
    from .._vfio.binding import Binding
    from .observe import Pf, Vf

    Place = t.Optional[PciAddress]


@dataclass(frozen=True)
class Target:
    """What one PF is to become.

    Args:
        requested: the number of VFs asked for.
        num_vfs: the number that there will be, which the driver may coerce.
        host_vfs: how many of them, from the first on, the host keeps.
        services: None leaves them alone.
        auto_reset: None leaves it alone.
        autoprobe: None leaves it alone.
        rule: the content of the file of its udev rules, None without.
        given_back: the VFs that get back what they had before, but for those of the host.
    """

    requested: int
    num_vfs: int
    host_vfs: int
    services: tuple[str, ...] | None
    auto_reset: bool | None
    autoprobe: bool | None
    rule: bytes | None
    given_back: dict[Place, Binding] = field(default_factory=dict)

    @property
    def coerced(self) -> bool:
        """Whether the driver makes another number than was asked for."""
        return self.requested != self.num_vfs

    def changes_services(self, pf: Pf) -> bool:
        """Tell whether the PF has to go down for other services."""
        there = pf.service_state.services if pf.service_state else None
        return self.services is not None and set(self.services) != set(there or ())

    def remakes(self, pf: Pf) -> bool:
        """Tell whether the VFs that are there have to go; a PF that goes down loses them."""
        return self.num_vfs != pf.num_vfs or self.changes_services(pf)

    def coerced_by(self, pf: Pf) -> Target:
        """Return it with the number of VFs that the driver makes when it makes some."""
        makes_all = pf.ignores_requested_number and self.num_vfs and self.remakes(pf)
        return replace(self, num_vfs=pf.total_vfs) if makes_all else self

    def makes_vfs_quietly(self, pf: Pf) -> bool:
        """Tell whether VFs are made with autoprobe off and get their drivers one by one."""
        return bool(self.autoprobe and self.given_back and self.remakes(pf))

    def vfs(self, pf: Pf) -> tuple[Vf, ...]:
        """Return the VFs that there will be, before the host keeps any of them."""
        return pf.expected_vfs(self.num_vfs) if self.remakes(pf) else pf.vfs
