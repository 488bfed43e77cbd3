# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a locked down kernel refuses of what accelerators need.

man kernel_lockdown.7: from C(integrity) on no unsigned module is loaded and nobody writes to
configuration space (C(EPERM)). Distributions lock the kernel down where Secure Boot is on.
Making VFs and giving functions to guests works all the same.
"""

from __future__ import annotations

import typing as t

from .._errors import Problem
from .._pci.drivers import module_available
from .._pci.lockdown import UNLOCK
from .._vfio.holders import is_vfio_driver

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from .._host import Host
    from .._qat.observe import Pf
    from .platform import Kernel


def lockdown_problems(host: Host, kernel: Kernel, pfs: Iterable[Pf]) -> list[Problem]:
    """Return what lockdown or enforced module signatures keep from working here."""
    problems = []
    for pf in pfs:
        if kernel.is_locked and _may_lose_payload_size(pf):
            problems.append(_config_space(kernel, pf))
        if kernel.signed_modules and _needs_foreign_module(host, kernel, pf):
            problems.append(_module(kernel, pf))
    return problems


def _may_lose_payload_size(pf: Pf) -> bool:
    """Tell whether a guest has, or is to have, a whole card that loses it."""
    given = is_vfio_driver(pf.function.driver) or (pf.holder and pf.holder.kind == "domain")
    return bool(given) and pf.family.loses_payload_size


def _needs_foreign_module(host: Host, kernel: Kernel, pf: Pf) -> bool:
    if pf.function.driver is not None or pf.driver_known:
        return False
    return not module_available(host, kernel.release, pf.family.module)


def _config_space(kernel: Kernel, pf: Pf) -> Problem:
    return Problem(
        "lockdown",
        f"{pf.address} ({pf.family.name}): its Max Payload Size cannot be put back",
        f"the kernel is locked down ({kernel.lockdown}): it refuses writes to configuration space, "
        "by qat_mps and by setpci",
        f"nothing to do where the kernel keeps the size itself, as current ones do; else {UNLOCK}",
    )


def _module(kernel: Kernel, pf: Pf) -> Problem:
    reason = f"locked down ({kernel.lockdown})" if kernel.is_locked else "told to (sig_enforce)"
    return Problem(
        "lockdown",
        f"{pf.address} ({pf.family.name}): a vendor's driver has to be signed",
        f"the kernel loads none but signed modules, since it is {reason}, and this one is not its "
        "own",
        f"sign the module and enrol the key (mokutil --import), or {UNLOCK}",
    )
