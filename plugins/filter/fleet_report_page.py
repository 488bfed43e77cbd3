# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter fleet_report_page."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report_page
short_description: Make the page of a report
version_added: 0.1.0
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
description:
  - Renders a template with a report of P(hwaccel.virt.fleet_report#filter) as C(report).
  - Every value is escaped for HTML, whatever the template does, since names of guests and messages
    of hosts are text that others wrote. So a template of your own needs no filter C(e).
  - The template can call C(colours(devices)), C(drawing(device, colours)),
    C(picture(functions, colours)), C(rows(vfs)) and C(holder_text(holder)), which draw and list the
    functions of a host. Of filters it has those of Jinja alone.
positional: template
options:
  _input:
    description: A report.
    type: dict
    required: true
  template:
    description: The text of a Jinja template for HTML.
    type: str
    required: true
seealso:
  - plugin: hwaccel.virt.fleet_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write a page of your own
  ansible.builtin.copy:
    content: "{{ report | hwaccel.virt.fleet_report_page(template) }}"
    dest: fleet.html
    mode: "0644"
  vars:
    report: "{{ lookup('ansible.builtin.file', 'report.json') | from_json }}"
    template: "{{ lookup('ansible.builtin.file', 'own.html.j2') }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.module_utils._report.picture import (
    colours,
    drawing,
    holder_text,
    picture,
    rows,
)
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment


def fleet_report_page(report: object, template: str) -> str:
    """Return the page of a report."""
    environment = SandboxedEnvironment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(
        colours=colours, drawing=drawing, holder_text=holder_text, picture=picture, rows=rows
    )
    try:
        # No tagged text of Ansible: the environment is one of Jinja alone.
        return environment.from_string(str(template)).render(report=report)
    except TemplateError as error:
        raise AnsibleFilterError(f"fleet_report_page: {error}") from error


class FilterModule:
    """The filter, by the name that Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., object]]:
        """Return it."""
        return {"fleet_report_page": fleet_report_page}
