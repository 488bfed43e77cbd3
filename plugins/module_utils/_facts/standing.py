# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this collection did to the host and has not taken back, by its records there."""

from __future__ import annotations

import typing as t

from .._errors import HostError
from .._qat_package.record import PackageRecord
from .._undo import UndoRecord

if t.TYPE_CHECKING:
    from .._host import Host


def read_standing(host: Host) -> list[dict[str, str]] | None:
    """Return module and thing of each, sorted; None where a record cannot be read."""
    try:
        standing = UndoRecord.read(host).standing()
        package = PackageRecord.read(host).entry
    except HostError:
        return None
    if package:
        standing.append(("qat_package", package.version))
    return [{"module": module, "thing": thing} for module, thing in sorted(standing)]
