# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One target in a process of its own: the code that it imports tells which lines are reached."""

from __future__ import annotations

import importlib
import resource
import sys
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.fuzz.target import Target

_FOLDER = "ansible_collections.hwaccel.virt.tests.fuzz.targets"
_MEMORY = 2 << 30
_CPU_SECONDS_BEYOND = 60


def main() -> None:
    """Run the target, given as file and name, with the options of libFuzzer behind them."""
    file, name, seconds, *options = sys.argv[1:]
    bound = int(seconds) + _CPU_SECONDS_BEYOND
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # By name: it is not there for every Python, and has no types.
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["ansible_collections"]):
        module = importlib.import_module(f"{_FOLDER}.{file}")
    targets: tuple[Target, ...] = module.TARGETS
    target = next(target for target in targets if target.name == name)
    atheris.Setup([sys.argv[0], *options], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
