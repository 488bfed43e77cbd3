# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter license_state."""

from __future__ import annotations

DOCUMENTATION = r"""
name: license_state
short_description: Judge from what was gathered whether a guest has its vGPU licence
version_added: 0.1.0
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
description:
  - Reads the output of C(nvidia-smi -q), and judges what else was gathered of a guest by the same
    checks as M(hwaccel.virt.gridd_license_info). It is for guests on which that module does not
    run, as on Windows.
  - What is not given makes its check V(null), unless the log tells of the cause.
positional: log
options:
  _input:
    description: What C(nvidia-smi -q) has printed, empty or none where it could not be run.
    type: str
    required: true
  log:
    description: The log of the daemon, oldest line first, as a list of lines or as one text.
    type: raw
  settings:
    description: >-
      The keys that count with their values, named as in C(gridd.conf), on Windows too.
    type: dict
  tokens:
    description: The names of the token files in the folder that the daemon looks into.
    type: list
    elements: str
  service:
    description: >-
      The service of the daemon, with C(name), and C(exists) and C(running), V(true), V(false) or
      none.
    type: dict
  servers:
    description: >-
      The license servers that were asked, each with C(address) and C(port), and where they are
      known C(resolved), C(connected), C(ping) and C(error).
    type: list
    elements: dict
  clock:
    description: >-
      The clock of the guest, C(now), what a license server said at that moment, C(server), both in
      seconds since 1970, as ISO 8601 or as the C(Date) header of HTTP has it, and C(synchronized).
      Without C(now) nothing is told of the time that a licence has left.
    type: dict
  platform:
    description: The operating system of the guest.
    type: str
    choices: [linux, windows]
    default: linux
seealso:
  - module: hwaccel.virt.gridd_license_info
"""

EXAMPLES = r"""
- name: Ask the driver on Windows
  ansible.windows.win_command: nvidia-smi.exe -q
  register: driver
  failed_when: false
  changed_when: false

- name: Ask for a connection
  ansible.windows.win_powershell:
    script: (Test-NetConnection license.example.com -Port 7070).TcpTestSucceeded
  register: connection

- name: Judge it
  ansible.builtin.set_fact:
    license: >-
      {{ driver.stdout | hwaccel.virt.license_state(platform='windows',
         settings={'ServerAddress': 'license.example.com', 'FeatureType': 1}, tokens=[],
         servers=[{'address': 'license.example.com', 'port': 7070,
                   'connected': connection.output[0]}]) }}
"""

RETURN = r"""
_value:
  description: The same as M(hwaccel.virt.gridd_license_info) returns.
  type: dict
  contains:
    licensed:
      description: >-
        Whether at least one GPU reports the status of a licence, and every one that does is
        licensed.
      type: bool
    gpus:
      description: See RV(hwaccel.virt.gridd_license_info#module:gpus).
      type: list
      elements: dict
    events:
      description: See RV(hwaccel.virt.gridd_license_info#module:events).
      type: list
      elements: dict
    diagnosis:
      description: See RV(hwaccel.virt.gridd_license_info#module:diagnosis).
      type: list
      elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.diagnosis import judge
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.evidence import read_evidence


def license_state(text: object, log: object = None, **gathered: object) -> dict[str, t.Any]:
    """Return the state of the licences of a guest, and the diagnosis."""
    try:
        return judge(read_evidence(text, {"log": log, **gathered}))
    except InputError as error:
        raise AnsibleFilterError(f"license_state: {error}") from error


class FilterModule:
    """The filter, by the name that Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., object]]:
        """Return it."""
        return {"license_state": license_state}
