# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules run in this process, by the door that Ansible uses."""

from __future__ import annotations

import importlib
import json
import typing as t

import pytest
from ansible.module_utils import basic
from ansible_collections.hwaccel.virt.plugins.module_utils import _module

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

MODULES = "ansible_collections.hwaccel.virt.plugins.modules"
Result = dict[str, t.Any]


class ModuleRunner:
    """Runs modules in this process, by the door that Ansible uses."""

    def __init__(
        self,
        machine: Machine,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Take what a test has."""
        self.machine = machine
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(
        self,
        name: str,
        options: dict[str, t.Any] | None = None,
        *,
        check: bool = False,
        running: RunningHost | None = None,
    ) -> Result:
        """Run a module on the tree, or on a running host, and return its result with warnings."""
        arguments = {"_ansible_check_mode": check, "_ansible_diff": True, **(options or {})}
        if running is None:
            arguments.setdefault("root", str(self.machine.root))
        told: list[str] = []
        with self.monkeypatch.context() as patch:
            if running is not None:
                patch.setattr(_module, "Host", lambda _root: running)
            # In a process that is also a controller, Ansible would print them.
            patch.setattr(basic.AnsibleModule, "warn", lambda _self, text: told.append(text))
            patch.setattr(basic, "_ANSIBLE_ARGS", self._packed(arguments))
            patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
            module = importlib.import_module(f"{MODULES}.{name}")
            with pytest.raises(SystemExit) as ended:
                module.main()
        result = t.cast("Result", json.loads(self.capsys.readouterr().out))
        # Ansible takes nothing else.
        json.dumps(result, ensure_ascii=False).encode("utf-8")
        assert ended.value.code == (1 if result.get("failed") else 0)
        return {**result, "warnings": told}

    @staticmethod
    def _packed(arguments: dict[str, t.Any]) -> bytes:
        return json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()

    def failure(
        self,
        name: str,
        options: dict[str, t.Any] | None = None,
        *,
        check: bool = False,
        running: RunningHost | None = None,
    ) -> str:
        """Run a module that has to fail, and return its message."""
        result = self(name, options, check=check, running=running)
        assert result.get("failed") is True
        return str(result["msg"])
