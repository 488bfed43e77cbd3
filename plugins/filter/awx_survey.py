# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter awx_survey."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_survey
short_description: The survey of an AWX job template for the options of roles
version_added: 0.1.0
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
description:
  - Turns options of roles, as they stand in C(argument_specs), into the survey of a job template of
    AWX, so that what AWX asks for is what the roles take.
  - A text becomes a question of the type C(text), C(textarea) where its default has several lines,
    and C(password) where the option is C(no_log). A whole number becomes C(integer), another one
    C(float). An option with choices becomes C(multiplechoice), and a list with choices
    C(multiselect). A bool becomes C(multiplechoice) of V(true) and V(false), which AWX hands over
    as texts.
  - Options of other types are not asked for, since AWX would hand a text over in place of a list or
    a mapping. The description of the survey names them as extra variables.
  - Ansible's markup is taken out of descriptions.
positional: name, description
options:
  _input:
    description: The options by their names, each with C(type), C(description) and the like.
    type: dict
    required: true
  name:
    description: The name of the survey.
    type: str
    default: ""
  description:
    description: What stands before the extra variables in the description of the survey.
    type: str
    default: ""
  defaults:
    description:
      - Whether the questions come with the defaults of the roles filled in. AWX hands every filled
        in answer over as an extra variable, which wins over group and host variables.
      - With V(false) the description of a question tells the default, and a question without an
        answer leaves the variable to the inventory and the role.
    type: bool
    default: true
  leave_out:
    description: Options that are not asked for.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show the survey for the licences of guests
  ansible.builtin.debug:
    msg: "{{ specs.argument_specs.main.options | hwaccel.virt.awx_survey('Licences') }}"
  vars:
    path: roles/vgpu_license/meta/argument_specs.yml
    specs: "{{ lookup('ansible.builtin.file', path) | from_yaml }}"
"""

RETURN = r"""
_value:
  description: The survey, as C(survey_spec) of the module C(awx.awx.job_template).
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    description:
      description: Its description, with the options that are not asked for.
      type: str
    spec:
      description:
        - The questions, each with C(question_name), C(question_description), C(variable), C(type)
          and C(required), and with C(choices), C(min), C(max) and C(default) where it has them.
      type: list
      elements: dict
  sample:
    name: Licences
    description: ""
    spec:
      - question_name: vgpu_license_wait
        question_description: How many seconds to wait for the licence.
        variable: vgpu_license_wait
        type: integer
        required: false
        default: 120
"""

import typing as t
from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.module_utils._awx.survey import survey
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError


def awx_survey(
    options: object,
    name: str = "",
    description: str = "",
    *,
    defaults: bool = True,
    leave_out: object = (),
) -> dict[str, t.Any]:
    """Return the survey for options of roles."""
    if not isinstance(options, Mapping):
        raise AnsibleFilterError(f"awx_survey: a mapping of options is needed, not {options!r}")
    if not isinstance(leave_out, Sequence) or isinstance(leave_out, str):
        raise AnsibleFilterError(f"awx_survey: leave_out is to be a list, not {leave_out!r}")
    try:
        return survey(
            options, name=name, description=description, defaults=defaults, leave_out=leave_out
        )
    except InputError as error:
        raise AnsibleFilterError(f"awx_survey: {error}") from error


class FilterModule:
    """The filter, by the name that Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., object]]:
        """Return it."""
        return {"awx_survey": awx_survey}
