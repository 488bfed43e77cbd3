# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build what Ansible sends to hosts for tasks: send.py <TASKS, by path and not as a module.

TASKS is a JSON list of module, options and the file to write. It is a program of its own since
Ansible finds collections by an importer that has to be there before their first import.
"""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, module_loader
from ansible.template import Templar

# What the controller adds to the options of every task.
_INTERNAL: dict[str, t.Any] = {
    "_ansible_check_mode": False,
    "_ansible_debug": False,
    "_ansible_diff": False,
    "_ansible_ignore_unknown_opts": False,
    "_ansible_keep_remote_files": False,
    "_ansible_no_log": False,
    "_ansible_remote_tmp": "~/.ansible/tmp",
    "_ansible_selinux_special_fs": [],
    "_ansible_shell_executable": "/bin/sh",
    "_ansible_socket": None,
    "_ansible_syslog_facility": "LOG_USER",
    "_ansible_target_log_info": None,
    "_ansible_tmpdir": None,
    "_ansible_tracebacks_for": [],
    "_ansible_verbosity": 0,
    "_ansible_version": "2.19",
}


def build(module: str, options: dict[str, t.Any]) -> bytes:
    """Return what Ansible sends to a host for a task, as it makes it itself."""
    found = module_loader.find_plugin_with_context(module)
    if not found.resolved or found.resolved_fqcn is None:
        sys.exit(f"{module}: no such module")
    built = modify_module(
        module_name=found.resolved_fqcn,
        module_path=found.plugin_resolved_path,
        module_args={**_INTERNAL, "_ansible_module_name": found.resolved_fqcn, **options},
        templar=Templar(loader=DataLoader()),
        # Else it would be looked for, on a host.
        task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
        module_compression="ZIP_DEFLATED",
    )
    return bytes(built.b_module_data)


def main() -> None:
    """Write the file of each task."""
    init_plugin_loader()
    for module, options, path in json.load(sys.stdin):
        Path(path).write_bytes(build(module, options))


if __name__ == "__main__":
    main()
