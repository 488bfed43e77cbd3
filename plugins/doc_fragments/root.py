# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option that every module has."""

from __future__ import annotations


class ModuleDocFragment:
    """The root of the file system to act on."""

    DOCUMENTATION = r"""
options:
  root:
    description:
      - The root of the file system to act on, for images, rescue systems and tests.
      - With another root than V(/) nothing of the running machine is touched. Files below the
        root are read and written; C(sys) and C(proc) below it are a read-only recording.
        What would have been written to devices is returned in RV(ignore:pending_writes), commands
        in RV(ignore:pending_commands), and the state after is predicted.
    type: path
    default: /
"""
