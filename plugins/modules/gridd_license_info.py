#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module gridd_license_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gridd_license_info
short_description: Tell whether a Linux guest has its NVIDIA vGPU licence, and why not
version_added: 0.1.0
description:
  - Reads the state of the licence of each GPU from C(nvidia-smi -q), what the licensing daemon
    logged, and what the licence depends on. These are the configuration, the service, the way to
    the license server, the clock, and the licences that the server has left.
  - The log is the journal, or else the end of C(/var/log/messages) or C(/var/log/syslog). Its last
    word counts. What the daemon complained of before it got its licence, or before its last start,
    is no cause.
  - Each license server is asked whether its name resolves, whether it takes a TCP connection, and
    for the date, with the head of a page over HTTP or HTTPS. The certificate is not verified,
    since nothing but the date is taken from the answer. Servers that take none are pinged, where
    there is C(ping).
  - Nothing waits for good. A driver, a resolver or a server that does not answer within a bound is
    reported as such.
  - Contents of tokens are looked at, and never returned.
  - The filter P(hwaccel.virt.license_state#filter) makes the same of what was gathered otherwise,
    as on Windows.
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.info
  - hwaccel.virt.root
options:
  wait:
    description:
      - For how many seconds to wait for the licence, 0 to 86400. The daemon gets it some seconds
        after it is started, longer where a server is slow. The driver is asked every 2 seconds.
      - In check mode nothing is waited for.
      - A task that is to show that it goes on waiting has a short O(wait), and C(until) with
        C(retries).
    type: int
    default: 0
  nvidia_smi:
    description: The tool C(nvidia-smi), as a name that the C(PATH) has or an absolute path.
    type: path
    default: nvidia-smi
  path:
    description: The configuration file of the daemon.
    type: path
    default: /etc/nvidia/gridd.conf
  service:
    description: The systemd service of the daemon, where it has another name.
    type: str
    default: nvidia-gridd
  diagnose:
    description:
      - Whether to look for the cause. With V(false) no server is asked, and RV(diagnosis) is empty.
    type: bool
    default: true
  root:
    description:
      - With another root than V(/) only files are read. These are the configuration, the tokens and
        the logs of syslog. What depends on the running machine is not known, and V(null).
    type: path
    default: /
seealso:
  - module: hwaccel.virt.gridd_license
  - module: hwaccel.virt.accelerator_info
  - plugin: hwaccel.virt.license_state
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Tell whether there is a licence
  hwaccel.virt.gridd_license_info:
  register: license

- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ license.diagnosis | selectattr('ok', 'equalto', false) }}"
  when: not license.licensed

- name: Wait for the licence for up to a minute
  hwaccel.virt.gridd_license_info:
    wait: 60
  register: license
  failed_when: not license.licensed

- name: Look at the configuration of an image
  hwaccel.virt.gridd_license_info:
    root: /mnt/image
"""

RETURN = r"""
licensed:
  description: >-
    Whether at least one GPU reports the status of a licence, and every one that does is licensed.
  returned: success
  type: bool
  sample: true
gpus:
  description: The GPUs of the driver, by PCI address; empty where the driver could not be asked.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: PCI address.
      type: str
    name:
      description: The GPU's name, V(null) where it is not told.
      type: str
    product:
      description: The licensed product, V(null) for a GPU without one.
      type: str
    status:
      description: >-
        V(Licensed), V(Unlicensed), V(Unlicensed (Unrestricted)) while it still runs at full
        capability, or V(Unlicensed (Restricted)); V(null) for a GPU that reports none.
      type: str
    expiry:
      description: >-
        When the licence ends, as ISO 8601 in UTC, or the driver's word, such as V(Permanent);
        V(null) where it tells of no end.
      type: str
    remaining:
      description: >-
        Seconds until then by the clock of the guest, V(0) once it is over, V(null) where
        RV(gpus[].expiry) is no moment.
      type: int
    wording:
      description: The status as the driver says it, with the end of the licence.
      type: str
  sample:
    - address: "0000:02:00.0"
      name: GRID M60-2Q
      product: NVIDIA RTX Virtual Workstation
      status: Licensed
      expiry: "2026-11-23T06:51:17Z"
      remaining: 85917
      wording: "Licensed (Expiry: 2026-11-23 6:51:17 GMT)"
events:
  description: >-
    What the daemon logged, oldest first, the last 100 lines.
  returned: success
  type: list
  elements: dict
  contains:
    time:
      description: The time as the log has it, V(null) without one.
      type: str
    kind:
      description: >-
        V(started), V(stopped), V(acquiring), V(acquired), V(returned), V(failed), V(unlicensed),
        or V(other).
      type: str
    cause:
      description: >-
        Which cause the line names. It is V(configuration), V(reachability), V(clock),
        V(availability), or V(null).
      type: str
    message:
      description: What the daemon says.
      type: str
    server:
      description: The license server, V(null) where the line names none.
      type: str
    product:
      description: The licensed product, V(null) where the line names none.
      type: str
    expiry:
      description: The end of the licence, as in RV(gpus[].expiry).
      type: str
    reason:
      description: Why the licence was not given, in the words of the server or the daemon.
      type: str
  sample:
    - time: "2026-11-22T06:51:15+0000"
      kind: failed
      cause: availability
      message: >-
        Failed to acquire license from license.example.com (Info: NVIDIA RTX Virtual Workstation -
        Error: No pool features found for : NVIDIA RTX Virtual Workstation)
      server: license.example.com
      product: NVIDIA RTX Virtual Workstation
      expiry:
      reason: "No pool features found for : NVIDIA RTX Virtual Workstation"
diagnosis:
  description: >-
    The checks V(configuration), V(service), V(reachability), V(clock), V(availability), in this
    order; empty without O(diagnose).
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check.
      type: str
    ok:
      description: >-
        V(false) for a cause that was found, V(null) where it is not known. A GPU may be licensed in
        spite of a V(false), which then keeps the licence from being renewed, or another start from
        getting one.
      type: bool
    detail:
      description: What was seen.
      type: str
    remedy:
      description: What can be done, V(null) where all is well or nothing is to be said.
      type: str
  sample:
    - check: reachability
      ok: false
      detail: "license.example.com:7070 takes no connection: Connection refused"
      remedy: >-
        see whether license.example.com is up, the port 7070 is right, and firewalls and routes let
        the guest through
"""

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._grid.info import (
    DAEMON,
    GRIDD_CONF,
    gather,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._module import run_info_module


def main() -> t.NoReturn:
    """Gather and tell."""
    run_info_module(
        {
            "wait": {"type": "int", "default": 0},
            "nvidia_smi": {"type": "path", "default": "nvidia-smi"},
            "path": {"type": "path", "default": GRIDD_CONF},
            "service": {"type": "str", "default": DAEMON},
            "diagnose": {"type": "bool", "default": True},
        },
        gather,
        unseen="the log and the tokens may be out of sight",
        in_check_mode={"wait": 0},
    )


if __name__ == "__main__":
    main()
