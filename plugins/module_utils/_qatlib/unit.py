# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drop-in that keeps qatlib's service to what it was given.

As packaged, the service runs C(qat_init) before each start. That makes all VFs of every PF and
takes each VF to one driver, those of running guests included, where the kernel then waits for the
guest (qatlib C(quickassist/utilities/service/qat_init.sh.in)). After it C(qatmgr), as root, opens
every VFIO group that it can and hands it out (C(qat_mgr_lib.c), C(qat_mgr_get_dev_list)). Here
VFs and drivers are the business of qat_sriov and vfio_passthrough, and C(qatmgr) runs as a user
who can open what belongs to the group C(qat), and nothing else.
"""

from __future__ import annotations

import typing as t

UNIT: t.Final = "qat.service"
GROUP: t.Final = "qat"
DROP_IN: t.Final = f"/etc/systemd/system/{UNIT}.d/hwaccel.conf"

# By falling precedence: man systemd.unit.
_UNIT_FOLDERS = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
UNIT_FILES: t.Final = tuple(f"{folder}/systemd/system/{UNIT}" for folder in _UNIT_FOLDERS)

# At boot the VFs come with the udev events of their PF, which the service has to wait for.
_TEXT = f"""\
# Written by hwaccel.virt.qatlib_service; state: absent removes it.
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c "getent group {GROUP} >/dev/null"
ExecStartPre=-udevadm settle --timeout=60
DynamicUser=yes
User=qatmgr
Group={GROUP}
"""


def render_drop_in() -> bytes:
    """Return the content of the drop-in."""
    return _TEXT.encode()
