#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module gridd_license."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gridd_license
short_description: Where a Linux guest has its NVIDIA vGPU or Virtual Workstation licence from
version_added: 0.1.0
description:
  - Sets keys in C(/etc/nvidia/gridd.conf), which the daemon C(nvidia-gridd) of NVIDIA's drivers
    reads, in guests with a vGPU and in guests with a whole GPU. Everything else in the file stays
    to the byte, comments, quotes and keys that are not known included.
  - A licence comes from a legacy license server, which is named in the file, or by a client
    configuration token, a file in a folder. The daemon takes the token where there is both, so this
    module keeps them apart.
  - A key that is set stays in its place. One that stands as a commented default is set in that
    place, below its description. Else it is added at the end. A key that stands twice ends up once.
    An option that is not given leaves its key as it is.
  - Whether the daemon tells upper from lower case in keys is not documented. A key in another case
    counts as the same when it is set or commented out, and ends up as drivers spell it. As long as
    it is neither, it is returned in RV(ignored).
  - The module restarts nothing. It returns RV(restart_required).
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.change
  - hwaccel.virt.root
options:
  path:
    description: The file. One that is missing is made from O(template), with mode 0644.
    type: path
    default: /etc/nvidia/gridd.conf
  template:
    description: What a new file starts from. Without it, a new file starts empty.
    type: path
    default: /etc/nvidia/gridd.conf.template
  server_address:
    description:
      - C(ServerAddress), a host name, an IPv4 or an IPv6 address, without a scheme, a port or
        brackets. It is written as it is given.
      - A host name is one of RFC 1123. It may end with a dot, and its last label is not a number.
    type: str
  server_port:
    description: C(ServerPort), 1 to 65535. Where the file has none, the daemon takes 7070.
    type: int
  backup_server_address:
    description: C(BackupServerAddress), like O(server_address).
    type: str
  backup_server_port:
    description: C(BackupServerPort), like O(server_port).
    type: int
  feature_type:
    description:
      - C(FeatureType), which license is asked for. V(unlicensed) is 0, V(vgpu) is 1, V(vws) is 2
        (Virtual Workstation) and V(compute) is 4.
      - With a vGPU its type decides, see P(hwaccel.virt.license_edition#filter). With a whole GPU
        this option does.
    type: str
    choices: [unlicensed, vgpu, vws, compute, "0", "1", "2", "4"]
  enable_ui:
    description: C(EnableUI), whether nvidia-settings shows its page of licences, TRUE or FALSE.
    type: bool
  license_interval:
    description: C(LicenseInterval), for how many minutes a licence is borrowed, 10 to 10080.
    type: int
  linger_interval:
    description: >-
      C(LingerInterval), for how many minutes a licence is kept after it was last used, 0 to 10080.
    type: int
  client_config_token_path:
    description: >-
      C(ClientConfigTokenPath), the absolute path of the folder with the token. Where the file has
      none, the daemon takes C(/etc/nvidia/ClientConfigToken).
    type: path
  settings:
    description:
      - Further keys. Their values are written as they are given, booleans as TRUE and FALSE.
        V(null) comments a key out.
      - A key that has an option of its own can be named here too, as to comment it out. Its value
        is checked and written as that of the option, and only one of the two can be given.
    type: dict
    default: {}
  licensing:
    description:
      - What the licence comes from.
      - V(server) comments out C(ClientConfigTokenPath). It fails as long as a file C(*.tok) lies in
        a folder that the daemon looks into, before or after that, unless O(remove_tokens=true).
      - V(token) comments out addresses and ports of servers.
      - V(auto) means V(server) with O(server_address), and V(token) with
        O(client_config_token_path). With neither, both are left alone.
      - Addresses or ports of servers together with a token folder are an error.
    type: str
    choices: [auto, server, token]
    default: auto
  remove_tokens:
    description:
      - Remove the files C(*.tok) in the folder that the daemon looks into, and in the one that it
        looks into after the change, where the licence is to come from a server, or with
        O(state=absent).
      - They cannot be brought back by O(state=absent), since this module keeps no secrets.
    type: bool
    default: false
  state:
    description:
      - V(present) sets what is asked for.
      - V(absent) takes back what this module did to the file, and comments out the nine keys that
        have options here, also with the values that stood before. So no license is asked for, and
        what was there can be read. The file stays. Without a record of what was there before, it
        comments the keys out with the values that they have, those that O(settings) names too, and
        warns.
    type: str
    choices: [present, absent]
    default: present
  owner:
    description: Owner of the file, by name or number, as in M(ansible.builtin.copy).
    type: str
  group:
    description: Group of the file, by name or number, as in M(ansible.builtin.copy).
    type: str
  mode:
    description:
      - Mode of the file, as in M(ansible.builtin.copy), without V(preserve). Quote octal numbers.
      - A file that is there keeps what of O(owner), O(group) and O(mode) is not given.
    type: raw
  backup:
    description: Keep a copy of a file that changes, named by the time when it was last changed.
    type: bool
    default: false
notes:
  - Run it as root, in check mode too.
  - Service C(nvidia-gridd) has to be restarted for a change. Where a driver comes without a unit of
    that name, it has a script C(/usr/lib/nvidia/sysv/nvidia-gridd).
seealso:
  - module: hwaccel.virt.gridd_license_info
  - plugin: hwaccel.virt.license_edition
    plugin_type: filter
  - plugin: hwaccel.virt.license_token
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: A vGPU with a licence from a server
  hwaccel.virt.gridd_license:
    server_address: gridlicense.example.com
    server_port: 7070
    feature_type: vgpu
  register: license

- name: Make the daemon read it
  ansible.builtin.service:
    name: nvidia-gridd
    state: restarted
  when: license.restart_required

- name: A whole GPU as a Virtual Workstation, by the token that lies in the usual folder
  hwaccel.virt.gridd_license:
    licensing: token
    feature_type: vws
    license_interval: 1440
    backup: true

- name: From a token to a server
  hwaccel.virt.gridd_license:
    server_address: 10.31.20.45
    backup_server_address: 2001:db8::45
    licensing: server
    remove_tokens: true

- name: As Azure wants it
  hwaccel.virt.gridd_license:
    enable_ui: false
    settings:
      IgnoreSP: false
      FeatureType:

- name: Ask for no license any more
  hwaccel.virt.gridd_license:
    state: absent
"""

RETURN = r"""
effective_settings:
  description: >-
    The keys that count with their values, without quotes, after the run. These are the keys that
    drivers are known to read, and those of O(settings). Of a key that stands twice the last line
    counts.
  returned: success, and after a failure half way
  type: dict
  sample:
    ServerAddress: gridlicense.example.com
    ServerPort: "7070"
    FeatureType: "1"
ignored:
  description: >-
    Lines that do not count after the run: keys that are not known or in another case, earlier lines
    of a key that stands twice, and what is neither a key nor a comment.
  returned: success, and after a failure half way
  type: list
  elements: str
  sample: ["LicenseServer=gridlicense.example.com"]
token_folder:
  description: The folder in which the daemon looks for a token, after the run.
  returned: success, and after a failure half way
  type: str
  sample: /etc/nvidia/ClientConfigToken
tokens:
  description: The names of the files C(*.tok) there.
  returned: success, and after a failure half way
  type: list
  elements: str
removed_tokens:
  description: The tokens that were removed.
  returned: success, and after a failure half way
  type: list
  elements: str
restart_required:
  description: >-
    Whether the service C(nvidia-gridd) has to be restarted. It is when the content of the file was
    changed or a token removed in this run, and on a running machine also when the service runs and
    was started before the file or a token was last changed, as after a play that was stopped in
    between.
  returned: success, and after a failure half way
  type: bool
  sample: true
backup_file:
  description: The copy of the file.
  returned: changed, with O(backup=true), when there was a file
  type: str
  sample: /etc/nvidia/gridd.conf.2026-11-21@10:15:32~
pending_writes:
  description: Device writes left undone, of which this module has none.
  returned: when O(root) is not V(/)
  type: list
  elements: dict
pending_commands:
  description: Commands left undone, of which this module has none.
  returned: when O(root) is not V(/)
  type: list
  elements: list
"""

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._grid.licensing import GriddLicense
from ansible_collections.hwaccel.virt.plugins.module_utils._module import run_module


def main() -> t.NoReturn:
    """Plan, apply and tell."""
    run_module(
        {
            "path": {"type": "path", "default": "/etc/nvidia/gridd.conf"},
            "template": {"type": "path", "default": "/etc/nvidia/gridd.conf.template"},
            "server_address": {"type": "str"},
            "server_port": {"type": "int"},
            "backup_server_address": {"type": "str"},
            "backup_server_port": {"type": "int"},
            "feature_type": {
                "type": "str",
                "choices": ["unlicensed", "vgpu", "vws", "compute", "0", "1", "2", "4"],
            },
            "enable_ui": {"type": "bool"},
            "license_interval": {"type": "int"},
            "linger_interval": {"type": "int"},
            "client_config_token_path": {"type": "path", "no_log": False},
            "settings": {"type": "dict", "default": {}},
            "licensing": {"type": "str", "choices": ["auto", "server", "token"], "default": "auto"},
            "remove_tokens": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "raw"},
            "backup": {"type": "bool", "default": False},
        },
        GriddLicense,
    )


if __name__ == "__main__":
    main()
