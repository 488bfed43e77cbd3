# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter fleet_report."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report
short_description: Make one report of what accelerators and licences a fleet has
version_added: 0.1.0
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
description:
  - Puts together what M(hwaccel.virt.accelerator_info) and M(hwaccel.virt.gridd_license_info)
    returned of each host. Hosts that failed or could not be reached are in it as such.
  - The order is always the same, and what differs at each look without a change is left out, so
    that two reports can be compared.
positional: licenses, generated
options:
  _input:
    description: What M(hwaccel.virt.accelerator_info) returned, by the name of the host.
    type: dict
    required: true
  licenses:
    description: What M(hwaccel.virt.gridd_license_info) returned, by the name of the host.
    type: dict
    default: {}
  generated:
    description: When it was asked, as ISO 8601 in UTC.
    type: str
    default: ""
  guests:
    description:
      - Machines that are guests, of which only the licence and their own devices are of interest.
        What M(hwaccel.virt.accelerator_info) misses there is no problem, since guests give nothing
        to guests.
      - A machine with a PF that can have VFs counts as a host all the same.
    type: list
    elements: str
    default: []
  not_asked:
    description: Machines of the inventory that were left out this time, which have not gone.
    type: list
    elements: str
    default: []
  near_hours:
    description: A licence that ends within so many hours is warned of.
    type: float
    default: 2
seealso:
  - plugin: hwaccel.virt.fleet_report_changes
    plugin_type: filter
  - plugin: hwaccel.virt.fleet_report_page
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at a host
  hwaccel.virt.accelerator_info:
  register: accelerators

- name: Show what is free on it
  ansible.builtin.debug:
    msg: "{{ ({inventory_hostname: accelerators} | hwaccel.virt.fleet_report).summary.vfs.free }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    format:
      description: V(1), raised when a field changes its meaning.
      type: int
    generated:
      description: When it was asked, as given.
      type: str
    summary:
      description: >-
        Counts of C(hosts) and C(guests) (C(total), and by state), C(pfs), C(gpus), C(vfs)
        (C(total), C(possible), and by use), the same by C(families), C(licenses) (C(asked),
        C(licensed), and those whose end is C(near) or C(past)), C(problems), C(warnings), and
        machines C(with_problems).
      type: dict
    problems:
      description: >-
        Every problem once, with C(severity) (V(error) or V(warning)), C(check), C(what), C(why),
        C(remedy) and C(hosts) that have it. Licences that have ended come first, then the most
        common errors, then warnings.
      type: list
      elements: dict
    not_asked:
      description: The machines that were left out, as far as nothing is known of them.
      type: list
      elements: str
    hosts:
      description: The hosts by name, numbers in names by their value.
      type: list
      elements: dict
      contains:
        name:
          description: As in the inventory.
          type: str
        role:
          description: V(host) or V(guest).
          type: str
        state:
          description: V(ok), V(failed), V(unreachable) or V(skipped) (not asked).
          type: str
        message:
          description: Why nothing is known of it, V(null) for V(ok).
          type: str
        platform:
          description: Processor, kernel and IOMMU, V(null) where they are not known.
          type: dict
        devices:
          description: >-
            As RV(hwaccel.virt.accelerator_info#module:devices), with the VFs of a PF in C(vfs), and
            with C(use). That is V(held) by a guest or a process, V(host) for what the host itself
            uses, V(free) for what has a VFIO driver and no holder, or V(unbound).
          type: list
          elements: dict
        services:
          description: The services that are installed.
          type: list
          elements: dict
        configured:
          description: See RV(hwaccel.virt.accelerator_info#module:configured).
          type: list
          elements: dict
        bindings:
          description: See RV(hwaccel.virt.accelerator_info#module:bindings).
          type: list
          elements: dict
        license:
          description: >-
            C(licensed) and C(gpus), each as RV(hwaccel.virt.gridd_license_info#module:gpus), with
            V(past) or V(near) in C(ends). V(null) where no licence was asked for.
          type: dict
        problems:
          description: >-
            The problems that M(hwaccel.virt.accelerator_info) names, and the causes of missing
            licences.
          type: list
          elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._report import fleet


def fleet_report(
    accelerators: object, licenses: object = None, generated: str = "", **asked: object
) -> dict[str, t.Any]:
    """Return the report of a fleet."""
    try:
        how = fleet.Asked.parse(generated, **asked)
        return fleet.fleet_report(accelerators, {} if licenses is None else licenses, how)
    except InputError as error:
        raise AnsibleFilterError(f"fleet_report: {error}") from error


class FilterModule:
    """The filter, by the name that Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., object]]:
        """Return it."""
        return {"fleet_report": fleet_report}
