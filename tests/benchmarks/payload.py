# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many bytes Ansible sends for a task of each module."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, module_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import Figure, Order, Outcome
from ansible_collections.hwaccel.virt.tests.benchmarks.spread import Spread

MODULES = Path(__file__).resolve().parents[2] / "plugins" / "modules"
COLLECTION = "hwaccel.virt."
MEASURE = "ansible.builtin.file"
GOAL = 1.3
AT = "1 task"

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
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader()
    found = module_loader.find_plugin_with_context(module)
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


def compare(sizes: dict[str, int], measure: int) -> Outcome:
    """Return the sizes by that of the measure."""
    exact = {name: Spread(size, size, size, 1) for name, size in sizes.items()}
    return Outcome(
        [
            Figure(f"payload of {name} / file", AT, Spread(*(size / measure,) * 3, 1), GOAL)
            for name, size in sizes.items()
        ],
        [
            Order("payload of file, KiB", AT, Spread(*(measure / 1024,) * 3, 1)),
            *(
                Order(f"payload of {name}, KiB", AT, Spread(*(value.median / 1024,) * 3, 1))
                for name, value in exact.items()
            ),
        ],
    )


def measure(_rounds: int) -> Outcome:
    """Build the payload of every module; it is the same each time."""
    names = sorted(path.stem for path in MODULES.glob("[!_]*.py"))
    sizes = {name: len(build(COLLECTION + name, {})) for name in names}
    return compare(sizes, len(build(MEASURE, {"path": "/etc", "state": "directory"})))
