# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter license_edition."""

from __future__ import annotations

DOCUMENTATION = r"""
name: license_edition
short_description: Which license edition a vGPU type needs
version_added: 0.1.0
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
description:
  - Tells what NVIDIA's GRID Licensing User Guide (DU-07757-001 v4.9) says of a vGPU type. This is
    the least license edition that it needs, its frame buffer, its display heads and their
    resolution.
  - The guide has the types of Tesla M60, M10 and M6. Boards GRID K1 and K2 need no license. Other
    types are an error, since what their names mean has changed with later boards.
positional: feature_type
options:
  _input:
    description: >-
      A vGPU type such as V(M60-2Q), also with the brand before it, or a board K1 or K2 or a type of
      these.
    type: str
    required: true
  feature_type:
    description: >-
      A feature type as option O(hwaccel.virt.gridd_license#module:feature_type) takes it, of which
      C(fits) tells whether it fits the type.
    type: str
seealso:
  - module: hwaccel.virt.gridd_license
"""

EXAMPLES = r"""
- name: Tell which edition a type needs
  ansible.builtin.debug:
    msg: "{{ ('M60-1B' | hwaccel.virt.license_edition).edition_title }}"
    # => GRID Virtual PC

- name: Refuse a feature type that does not fit
  ansible.builtin.assert:
    that: (vgpu_type | hwaccel.virt.license_edition(feature_type)).fits
  vars:
    vgpu_type: M60-2Q
    feature_type: vgpu
"""

RETURN = r"""
_value:
  description: What is known of the type.
  type: dict
  contains:
    type:
      description: The type, without a brand.
      type: str
    gpu:
      description: The board.
      type: str
    edition:
      description: >-
        The least edition that it needs, V(application), V(pc) or V(workstation), V(null) for none.
      type: str
    edition_title:
      description: What the guide calls that edition.
      type: str
    editions:
      description: >-
        The editions that serve it, the least one first, since each includes the lower ones.
      type: list
      elements: str
    feature_types:
      description: >-
        The values of O(hwaccel.virt.gridd_license#module:feature_type) that fit. With V(vgpu) the
        driver asks for what the type needs.
      type: list
      elements: str
    fits:
      description: Whether O(feature_type) fits, V(null) where it is not given.
      type: bool
    frame_buffer_mib:
      description: Frame buffer in MiB, V(null) for types of K1 and K2.
      type: int
    heads:
      description: How many virtual display heads there are at most, V(null) for types of K1 and K2.
      type: int
    resolution:
      description: Resolution of each head at most, V(null) for types of K1 and K2.
      type: str
    footnotes:
      description: What else the guide says of it.
      type: list
      elements: str
  sample:
    type: M60-2Q
    gpu: Tesla M60
    edition: workstation
    edition_title: GRID Virtual Workstation
    editions: [workstation]
    feature_types: [vgpu, vws]
    fits:
    frame_buffer_mib: 2048
    heads: 4
    resolution: 4096x2160
    footnotes: []
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.vgpu_types import find_type


def license_edition(name: object, feature_type: object = None) -> dict[str, t.Any]:
    """Return what the guide says of a vGPU type."""
    try:
        found = find_type(name, "_input")
        fits = None if feature_type is None else found.fits(feature_type)
    except InputError as error:
        raise AnsibleFilterError(f"license_edition: {error}") from error
    return {**found.as_result(), "fits": fits}


class FilterModule:
    """The filter, by the name that Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., object]]:
        """Return it."""
        return {"license_edition": license_edition}
