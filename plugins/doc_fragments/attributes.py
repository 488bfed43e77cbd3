# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module says of itself in its attributes."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes shared by all modules."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and tell what would change without changing it.
  diff_mode:
    description: Returns what changed, or in C(check_mode) would change, when in diff mode.
  idempotent:
    description: A second run with the same options changes nothing.
  platform:
    description: Target OS/families that can be operated against.
    platforms: posix
    support: full
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module only reads.
  diff_mode:
    support: N/A
    details:
      - This module only reads.
  idempotent:
    support: full
    details:
      - This module only reads.
"""

    CHANGE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Result and diff equal those of the run that follows, except values that only the kernel
        assigns when a function is made, such as its IOMMU group. These are V(null).
  diff_mode:
    support: full
  idempotent:
    support: full
"""
