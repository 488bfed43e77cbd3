# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the emulated host's programs: they are scripts, not importable by name."""

from __future__ import annotations

import importlib.util
import sys
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from types import ModuleType

FILES = Path(__file__).resolve().parents[3] / "roles/emulated_host/files"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"emulated_host_{name}", FILES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name while they are made.
    sys.modules[spec.name] = module
    # They find one another in their own folder, which Python puts on its path for a script.
    sys.path.insert(0, str(FILES))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FILES))
    return module


@pytest.fixture(scope="session")
def supervisor() -> ModuleType:
    return load("supervisor")


@pytest.fixture(scope="session")
def build_image() -> ModuleType:
    return load("build_image")


@pytest.fixture(scope="session")
def container() -> ModuleType:
    return load("container")


@pytest.fixture(scope="session")
def container_image() -> ModuleType:
    return load("container_image")
