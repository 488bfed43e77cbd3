# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All targets, by name."""

from __future__ import annotations

from ansible_collections.hwaccel.virt.tests.fuzz.targets import (
    boot,
    grid,
    growth,
    libvirt,
    pci,
    qat,
    records,
    shell,
    written,
)

_FILES = (boot, shell, grid, qat, pci, libvirt, written, records, growth)
TARGETS = {target.name: target for file in _FILES for target in file.TARGETS}
