# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds a PCI function as QEMU does: container, group and device open. ADDRESS SECONDS."""

from __future__ import annotations

import ctypes
import fcntl
import os
import sys
import time
from pathlib import Path

# include/uapi/linux/vfio.h: _IO(';', 100 + n)
_IO = ord(";") << 8
GROUP_SET_CONTAINER, GROUP_GET_DEVICE_FD = _IO | 104, _IO | 106
SET_IOMMU, TYPE1 = _IO | 102, 1


def hold(address: str, seconds: float) -> None:
    """Open the function and keep it."""
    group = Path(f"/sys/bus/pci/devices/{address}/iommu_group").readlink().name
    container = os.open("/dev/vfio/vfio", os.O_RDWR)
    opened = os.open(f"/dev/vfio/{group}", os.O_RDWR)
    fcntl.ioctl(opened, GROUP_SET_CONTAINER, ctypes.c_int(container))
    fcntl.ioctl(container, SET_IOMMU, TYPE1)
    fcntl.ioctl(opened, GROUP_GET_DEVICE_FD, address.encode() + b"\0")
    time.sleep(seconds)


if __name__ == "__main__":
    hold(sys.argv[1], float(sys.argv[2]))
