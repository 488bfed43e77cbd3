# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter fleet_report_changes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report_changes
short_description: Tell what has changed in a fleet since an earlier report
version_added: 0.1.0
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
description:
  - Compares two reports of P(hwaccel.virt.fleet_report#filter).
  - A host that was not seen both times is told by its state alone, since what is unknown has not
    gone. One that was left out of either look is not compared. VFs that came or went are told by
    the count of their PF.
  - The time of the report, the end of a licence that is renewed, and process ids are no change.
positional: earlier
options:
  _input:
    description: A report.
    type: dict
    required: true
  earlier:
    description: The report to compare it with.
    type: dict
    required: true
seealso:
  - plugin: hwaccel.virt.fleet_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Compare two reports
  ansible.builtin.debug:
    msg: "{{ today | hwaccel.virt.fleet_report_changes(yesterday) }}"
  vars:
    today: "{{ lookup('ansible.builtin.file', 'today/report.json') | from_json }}"
    yesterday: "{{ lookup('ansible.builtin.file', 'yesterday/report.json') | from_json }}"
"""

RETURN = r"""
_value:
  description: What has changed.
  type: dict
  contains:
    since:
      description: When the earlier report was made.
      type: str
    changes:
      description: The changes, by host.
      type: list
      elements: dict
      contains:
        host:
          description: The host.
          type: str
        kind:
          description: V(added), V(removed) or V(changed).
          type: str
        subject:
          description: >-
            What it is about, such as V(host), V(platform), a PCI address, or what starts with
            V(binding), V(licence), V(problem), V(rule) or V(service).
          type: str
        field:
          description: What of it, V(null) when it was added or removed as a whole.
          type: str
        before:
          description: The value before, V(null) without one.
          type: raw
        after:
          description: The value now, V(null) without one.
          type: raw
    not_compared:
      description: The hosts that were left out of either look.
      type: list
      elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._report.changes import changes_since


def fleet_report_changes(report: object, earlier: object) -> dict[str, t.Any]:
    """Return what has changed since the earlier report."""
    try:
        return changes_since(report, earlier)
    except InputError as error:
        raise AnsibleFilterError(f"fleet_report_changes: {error}") from error


class FilterModule:
    """The filter, by the name that Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., object]]:
        """Return it."""
        return {"fleet_report_changes": fleet_report_changes}
