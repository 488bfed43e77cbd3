# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module qat_software_info tells."""

from __future__ import annotations

import typing as t

from .choice import DRIVER, QATLIB, choose
from .state import observe

if t.TYPE_CHECKING:
    from .._host import Host


def gather(options: dict[str, t.Any], host: Host) -> dict[str, t.Any]:
    """Return the software of a machine, its devices, and what is still missing."""
    state = observe(host)
    guest = options["side"] == "guest"
    choice = choose(state, options["method"], guest=guest, has_archive=options["archive"])
    served = [device for device in state.devices if guest or not device.is_for_guests]
    by_kernel = served if choice.method in (QATLIB, DRIVER) else []
    return {
        "method": choice.method,
        "why": choice.why,
        "kernel": state.release,
        "devices": [device.as_result() for device in state.devices],
        "families": sorted({device.family.name for device in served}),
        "config_kinds": sorted({"vf" if device.is_vf else "pf" for device in served}),
        "firmware_missing": sorted(
            {name for device in by_kernel for name in device.firmware_missing}
        ),
        "payload_pfs": [
            str(device.function.address)
            for device in state.devices
            if not device.is_vf and device.family.loses_payload_size
        ],
    }
