# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the plugins share: a machine in a folder, and modules run on it.

pytest may load this before pytest-ansible has made the collection importable, so that it is
imported where it is used.
"""

from __future__ import annotations

import importlib
import typing as t

import pytest
from hypothesis import HealthCheck, settings

if t.TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from ansible_collections.hwaccel.virt.tests.unit.plugins.libvirt_runs import GuestTasks
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner
    from ansible_collections.hwaccel.virt.tests.unit.plugins.vfio_runs import Tasks

# Two slow cores that others use too: time is no failure, and a run is the same every time.
settings.register_profile(
    "plain",
    deadline=None,
    derandomize=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("plain")


def _helper(name: str) -> ModuleType:
    return importlib.import_module(f"ansible_collections.hwaccel.virt.tests.unit.plugins.{name}")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return t.cast("Machine", _helper("machine").Machine(tmp_path / "root"))


@pytest.fixture
def running(machine: Machine) -> RunningHost:
    return t.cast("RunningHost", _helper("machine").RunningHost(machine))


@pytest.fixture
def run_module(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> ModuleRunner:
    return t.cast("ModuleRunner", _helper("runner").ModuleRunner(machine, monkeypatch, capsys))


@pytest.fixture
def tasks(machine: Machine, running: RunningHost, run_module: ModuleRunner) -> Tasks:
    """Tasks of vfio_passthrough on a host that has an IOMMU."""
    runs = _helper("vfio_runs")
    runs.add_host(machine)
    return t.cast("Tasks", runs.Tasks(machine, running, run_module))


@pytest.fixture
def guests(machine: Machine, run_module: ModuleRunner) -> GuestTasks:
    """Tasks of libvirt_accelerators on a host that has an IOMMU and libvirt."""
    runs = _helper("libvirt_runs")
    machine.add_iommu()
    libvirt = runs.Libvirt(machine)
    host = runs.LibvirtHost(machine, libvirt)
    return t.cast("GuestTasks", runs.GuestTasks(machine, libvirt, host, run_module))
