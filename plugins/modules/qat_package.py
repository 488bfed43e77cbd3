#!/usr/bin/python
# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module qat_package."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qat_package
short_description: Build and install Intel's out-of-tree QAT package from its unpacked archive
version_added: 0.1.0
description:
  - Runs C(configure), C(make) and C(make install) of Intel's QuickAssist package for Linux, on a
    host or in a guest, where what is installed differs from what is asked for in version, checksum,
    SR-IOV side, options of C(configure) or kernel. A second run does nothing.
  - All output goes to C(/var/log/hwaccel/qat-package.log) as it comes, readable by root alone. A
    step that fails ends the task with the last lines of that log and of C(InstallerLog.txt), which
    the package writes.
  - The installation ends with status 0 although modules could not be loaded. So what it has added
    to both logs is searched for errors, and with one of them it does not count as installed. What
    an older version says while it is taken away is none of them.
  - Drivers of the kernel's own tree are kept out, since with both at once the host can crash.
    C(/etc/modprobe.d/hwaccel-qat-package.conf) keeps them from being loaded for devices, in
    kernels too for which the package is not built yet. Those that are loaded are unloaded before
    the installation. Where something uses them, nothing is built, and RV(reboot_required) tells
    that a boot comes first.
  - Modules that the kernel will not load, with Secure Boot on, are refused before anything is
    built, unless there is a key to sign them with.
  - Neither the checksum nor the archive is looked at. The role P(hwaccel.virt.qat_package#role)
    compares the one and unpacks the other.
author:
  - hwaccel.virt maintainers (@hwaccel-virt)
extends_documentation_fragment:
  - hwaccel.virt.attributes
  - hwaccel.virt.attributes.change
  - hwaccel.virt.root
attributes:
  check_mode:
    details:
      - Result and diff equal those of the run that follows, except RV(modules), which is V(null)
        where only a build tells, and RV(findings).
options:
  source:
    description:
      - The folder into which the archive is unpacked, with C(configure) and C(versionfile) in it.
        Intel's archives have no top folder of their own.
      - Keep it. The package is uninstalled from there, and built anew for another kernel.
      - Required with O(state=present).
    type: path
  checksum:
    description:
      - The SHA-256 checksum of the archive, such as C(sha256:) and 64 hexadecimal digits. It is
        recorded, and another one is another package, even with the same version.
      - Unset, the version alone counts.
    type: str
  sriov:
    description:
      - V(host) builds with C(--enable-icp-sriov=host), for a host whose guests have VFs; V(guest)
        with C(--enable-icp-sriov=guest), for a guest that has VFs.
      - V(none) builds without, for a machine that has whole cards.
    type: str
    choices: [host, guest, none]
    default: host
  configure_options:
    description:
      - Further options of C(configure), such as V(--enable-qat-lkcf), and variables, such as
        V(CFLAGS=-O2).
      - Line breaks, control characters and any of C(` $ ; & | < >) are refused. They could make
        lines and commands of their own in the scripts and makefiles that C(configure) writes.
    type: list
    elements: str
    default: []
  jobs:
    description:
      - How many steps of C(make) run at once. Unset, as many as there are processors.
      - C(make install) always runs one by one; with more it was seen to fail.
    type: int
  timeout:
    description: The bound for each of C(configure), C(make) and C(make install), in seconds.
    type: int
    default: 3600
  signing_key:
    description:
      - The private key on the host that modules are signed with, before they are installed, by
        C(scripts/sign-file) of the kernel's headers. It has no passphrase.
      - Its certificate is enrolled before, with C(mokutil --import) and a boot.
    type: path
  signing_certificate:
    description: The certificate of O(signing_key). Both or none are given.
    type: path
  installer_log:
    description: The log that the package itself writes. Unset, C(InstallerLog.txt) in O(source).
    type: path
  log_errors:
    description:
      - V(fail) fails where an installation that ended with status 0 has errors in its logs.
      - V(show) returns them in RV(findings), and counts the package as installed.
    type: str
    choices: [fail, show]
    default: fail
  state:
    description:
      - V(present) installs the package.
      - V(absent) runs C(make uninstall) in the sources that the record names, and lets the drivers
        of the kernel's own tree be loaded again. Without a record it only does the latter, and
        warns.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Run it as root, in check mode too.
  - A guest that has a VF of a driver that would be exchanged is in the way. The task refuses, and
    changes nothing. It looks again after the build, before anything is unloaded or installed.
  - Modules belong to one kernel. After a kernel update and a boot, run the task again. It sees the
    other kernel, and builds. RV(newer_kernel) and a warning tell before the boot.
  - An older installation is uninstalled before the new one is installed, where its sources are
    still there.
  - C(make install) starts C(qat_service) by itself.
  - What was installed is recorded in C(/var/lib/hwaccel/qat_package.json). A package that was
    installed by hand is not known, and is installed over.
  - With another O(root) than V(/) nothing is built. The commands are returned, and told as a change
    once.
seealso:
  - module: hwaccel.virt.qat_sriov
  - name: Intel QuickAssist Technology, Getting Started Guide
    description: What the package needs, and its steps.
    link: https://intel.github.io/quickassist/GSG/2.X/index.html
"""

EXAMPLES = r"""
- name: Build and install the package on a host
  hwaccel.virt.qat_package:
    source: /usr/local/src/hwaccel/qat/4.28.0
    sriov: host
  register: package
  async: 7200
  poll: 15

- name: Build it in a guest, with the drivers registered for the kernel's own crypto
  hwaccel.virt.qat_package:
    source: /usr/local/src/hwaccel/qat/4.28.0
    sriov: guest
    configure_options: [--enable-qat-lkcf]

- name: Sign its modules, on a host with Secure Boot
  hwaccel.virt.qat_package:
    source: /usr/local/src/hwaccel/qat/4.28.0
    signing_key: /root/mok/MOK.priv
    signing_certificate: /root/mok/MOK.der

- name: Take it away again
  hwaccel.virt.qat_package:
    state: absent
"""

RETURN = r"""
version:
  description: The version of the archive, as it is named. V(null) with O(state=absent).
  returned: success, and after a failure half way
  type: str
  sample: QAT.L.4.28.0-00004
installed:
  description: >-
    Whether this version is installed for the running kernel after the run. V(false) where a boot
    comes first.
  returned: success, and after a failure half way
  type: bool
sriov:
  description: The side it is built for. V(null) with O(state=absent).
  returned: success, and after a failure half way
  type: str
kernel:
  description: The kernel release that it is built for.
  returned: success, and after a failure half way
  type: str
newer_kernel:
  description: >-
    The newest kernel release on the host, where it is newer than the running one and has none of
    the package's modules; else V(null).
  returned: success, and after a failure half way
  type: str
source:
  description: The value of O(source).
  returned: success, and after a failure half way
  type: str
modules:
  description: The files of its kernel modules. V(null) in check mode where it would be built.
  returned: success, and after a failure half way
  type: list
  elements: path
log:
  description: The log of all steps.
  returned: success, and after a failure half way
  type: str
findings:
  description: Lines with errors that this run has added to the logs.
  returned: success, and after a failure half way
  type: list
  elements: str
restart_required:
  description: >-
    Whether it was installed in this run and has not started C(qat_service) itself, so that this is
    to be started again.
  returned: success, and after a failure half way
  type: bool
reboot_required:
  description: >-
    Whether drivers are loaded that should not be, which only a boot changes.
  returned: success, and after a failure half way
  type: bool
pending_writes:
  description: Always empty; this module writes to no device.
  returned: when O(root) is not V(/)
  type: list
  elements: dict
pending_commands:
  description: Commands left undone, as argument lists; those of the build run in O(source).
  returned: when O(root) is not V(/)
  type: list
  elements: list
"""

import typing as t

from ansible_collections.hwaccel.virt.plugins.module_utils._module import run_module
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_package.package import QatPackage


def main() -> t.NoReturn:
    """Plan, apply and tell."""
    run_module(
        {
            "source": {"type": "path"},
            "checksum": {"type": "str"},
            "sriov": {"type": "str", "choices": ["host", "guest", "none"], "default": "host"},
            "configure_options": {"type": "list", "elements": "str", "default": []},
            "jobs": {"type": "int"},
            "timeout": {"type": "int", "default": 3600},
            # A path on the host, no secret: ansible-test asks for it to be said.
            "signing_key": {"type": "path", "no_log": False},
            "signing_certificate": {"type": "path"},
            "installer_log": {"type": "path"},
            "log_errors": {"type": "str", "choices": ["fail", "show"], "default": "fail"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        QatPackage,
    )


if __name__ == "__main__":
    main()
