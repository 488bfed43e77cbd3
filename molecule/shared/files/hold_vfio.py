# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds a PCI function as QEMU does, through its group or through iommufd.

Arguments: group or iommufd, address, seconds.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import sys
import time
from pathlib import Path

# include/uapi/linux/vfio.h: _IO(';', 100 + n)
_IO = ord(";") << 8
GROUP_SET_CONTAINER, GROUP_GET_DEVICE_FD = _IO | 104, _IO | 106
SET_IOMMU, TYPE1 = _IO | 102, 1
DEVICE_BIND_IOMMUFD = _IO | 118


def open_group(function: Path) -> None:
    """Open container, group and device."""
    group = (function / "iommu_group").readlink().name
    container = os.open("/dev/vfio/vfio", os.O_RDWR)
    opened = os.open(f"/dev/vfio/{group}", os.O_RDWR)
    fcntl.ioctl(opened, GROUP_SET_CONTAINER, ctypes.c_int(container))
    fcntl.ioctl(container, SET_IOMMU, TYPE1)
    fcntl.ioctl(opened, GROUP_GET_DEVICE_FD, function.name.encode() + b"\0")


def open_iommufd(function: Path) -> None:
    """Open the device and bind it to an iommufd."""
    (node,) = (function / "vfio-dev").iterdir()
    iommufd = os.open("/dev/iommu", os.O_RDWR)
    device = os.open(f"/dev/vfio/devices/{node.name}", os.O_RDWR)
    # struct vfio_device_bind_iommufd: argsz, flags, iommufd, out_devid
    fcntl.ioctl(device, DEVICE_BIND_IOMMUFD, bytearray(struct.pack("IIiI", 16, 0, iommufd, 0)))


if __name__ == "__main__":
    way, address, seconds = sys.argv[1:]
    {"group": open_group, "iommufd": open_iommufd}[way](Path("/sys/bus/pci/devices", address))
    time.sleep(float(seconds))
