# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter license_registry."""

from __future__ import annotations

DOCUMENTATION = r"""
name: license_registry
short_description: The values of the Windows registry that license an NVIDIA GPU
version_added: 0.1.0
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
description:
  - Turns options of M(hwaccel.virt.gridd_license) into values of the Windows registry, each with
    the type that table 5 of NVIDIA's GRID Licensing User Guide (DU-07757-001 v4.9) gives, as
    options of C(ansible.windows.win_regedit).
  - The values of a backup server and of the token folder are not in that table. Their names are
    those of C(gridd.conf); that of the token folder is not confirmed by what was found in public.
options:
  _input:
    description:
      - Options of M(hwaccel.virt.gridd_license) by their names. Those that are V(null) or missing
        leave their values as they are, those that Windows has nothing for are left out.
      - C(hide_page) says whether the NVIDIA Control Panel hides its page for licenses.
      - C(client_config_token_path) is a folder on Windows or on a share.
    type: dict
    required: true
  state:
    description: With V(absent), none of the values is to be there.
    type: str
    choices: [present, absent]
    default: present
  licensing:
    description:
      - The way to a license, as with M(hwaccel.virt.gridd_license). The values of the other way are
        not to be there.
    type: str
    choices: [auto, server, token]
    default: auto
  roots:
    description:
      - The registry keys that the driver reads. Any driver reads the first one, and later drivers
        the second one as well, which is there with them.
    type: list
    elements: str
    choices:
      - HKLM:\SOFTWARE\NVIDIA Corporation\Global\GridLicensing
      - HKLM:\SYSTEM\CurrentControlSet\Services\nvlddmkm\Global\GridLicensing
    default: ['HKLM:\SOFTWARE\NVIDIA Corporation\Global\GridLicensing']
seealso:
  - module: hwaccel.virt.gridd_license
"""

EXAMPLES = r"""
- name: Have a Windows guest licensed by a server
  ansible.windows.win_regedit:
    path: "{{ item.path }}"
    name: "{{ item.name }}"
    type: "{{ item.type }}"
    data: "{{ item.data }}"
    state: "{{ item.state }}"
  loop: >-
    {{ {'server_address': 'gridlicense.example.com', 'feature_type': 'vgpu'}
       | hwaccel.virt.license_registry }}
"""

RETURN = r"""
_value:
  description: The values, root after root.
  type: list
  elements: dict
  contains:
    path:
      description: The registry key.
      type: str
    name:
      description: The name of the value.
      type: str
    type:
      description: Its type, V(string) for REG_SZ or V(dword) for REG_DWORD.
      type: str
    data:
      description: What it is to be, a str or an int, V(null) where it is not to be there.
      type: raw
    state:
      description: Whether it is to be there, V(present) or V(absent).
      type: str
  sample:
    - path: HKLM:\SOFTWARE\NVIDIA Corporation\Global\GridLicensing
      name: ServerPort
      type: string
      data: "7070"
      state: present
"""

import typing as t
from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.registry import (
    GUIDE_ROOT,
    registry_values,
)


def license_registry(
    options: object,
    state: str = "present",
    licensing: str = "auto",
    roots: object = (GUIDE_ROOT,),
) -> list[dict[str, t.Any]]:
    """Return the values as options of win_regedit."""
    if not isinstance(options, Mapping):
        raise AnsibleFilterError(
            f"license_registry: a mapping of options is needed, not {options!r}"
        )
    if not isinstance(roots, Sequence) or isinstance(roots, str):
        raise AnsibleFilterError(f"license_registry: roots is to be a list, not {roots!r}")
    try:
        values = registry_values(options, state=state, licensing=licensing, roots=roots)
    except InputError as error:
        raise AnsibleFilterError(f"license_registry: {error}") from error
    return [value.as_result() for value in values]


class FilterModule:
    """The filter, by the name that Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., object]]:
        """Return it."""
        return {"license_registry": license_registry}
