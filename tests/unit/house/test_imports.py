# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The import direction: each room sees what lies below it, and one file the machine."""

from __future__ import annotations

import ast
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
COLLECTION = "ansible_collections.hwaccel.virt."
MODULE_UTILS = "plugins.module_utils."
MODULES = "plugins.modules."

# Rooms of module_utils by height. A room imports rooms of its own height and below.
HEIGHTS = {
    "_child": 0,
    "_commands": 0,
    "_errors": 0,
    "_folders": 0,
    "_host": 0,
    "_net": 0,
    "_notify": 0,
    "_plan": 0,
    "_systemd": 0,
    "_undo": 0,
    "_pci": 1,
    "_shell": 1,
    "_iommu": 2,
    "_awx": 3,
    "_libvirt": 3,
    "_boot": 3,
    "_facts": 3,
    "_grid": 3,
    "_mps": 3,
    "_qat": 3,
    "_qat_package": 3,
    "_qat_config": 3,
    "_qat_software": 3,
    "_qatlib": 3,
    "_report": 3,
    "_vfio": 3,
    "_module": 4,
}
MODULE_HEIGHT = 5

# Only _host reaches the machine, with its parts; a service says to systemd that it is ready, and
# _net asks servers, in a child too. Of os the others may have what calculates.
PARTS = frozenset({"_child", "_commands", "_folders"})
REACHING = frozenset({"_host", *PARTS, "_net", "_notify"})
MACHINE_IMPORTS = frozenset(
    {
        "fcntl",
        "glob",
        "http",
        "multiprocessing",
        "pty",
        "shutil",
        "socket",
        "ssl",
        "subprocess",
        "tempfile",
        "urllib",
    }
)
PURE_OS = frozenset({"PathLike", "fsdecode", "fsencode", "fspath", "major", "minor", "strerror"})
PURE_OS_PATH = frozenset({"basename", "commonpath", "dirname", "isabs", "join", "normpath"})
PURE_IO = frozenset({"BytesIO", "StringIO"})
OPENERS = frozenset({"open", "exec", "eval", "compile", "__import__"})


class Source(t.NamedTuple):
    """A Python file below plugins/, and the dotted name Ansible imports it by."""

    path: Path
    name: str
    package: str
    tree: ast.Module

    @property
    def room(self) -> str | None:
        """The room of module_utils that it belongs to, None for a module."""
        if self.name.startswith(MODULE_UTILS):
            return self.name[len(MODULE_UTILS) :].split(".")[0]
        return None


def read_sources(root: Path, *folders: str) -> Iterator[Source]:
    for folder in folders:
        for path in sorted((root / "plugins" / folder).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            package = ".".join(parts[:-1])
            name = package if parts[-1] == "__init__" else ".".join(parts)
            yield Source(path, name, package, ast.parse(path.read_text(encoding="utf-8")))


def imported_names(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of everything imported, relative names resolved."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.removeprefix(COLLECTION)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = source.package.split(".")[: len(source.package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            base = base.removeprefix(COLLECTION)
            for alias in node.names:
                # "from .. import _host" names a room, "from .._host import Host" what is in it.
                yield node.lineno, f"{base}.{alias.name}"


def direction_faults(root: Path) -> list[str]:
    """Return every import that goes up, sideways into a module, or around _module or _host."""
    faults: list[str] = []
    for source in read_sources(root, "module_utils", "modules"):
        room = source.room
        if source.name == MODULE_UTILS.rstrip("."):
            continue
        if room is not None and room not in HEIGHTS:
            faults.append(f"{source.name}: room {room} has no place in the order")
            continue
        for line, name in imported_names(source):
            where = f"{source.name}:{line}: {name}"
            if name.startswith(MODULES):
                faults.append(f"{where}: nothing imports a module")
            elif name.startswith(MODULE_UTILS):
                fault = room_fault(room, name[len(MODULE_UTILS) :].split(".")[0])
                faults += [f"{where}: {fault}"] if fault else []
            elif name.split(".")[0] in {"ansible", "ansible_collections"} and room != "_module":
                faults.append(f"{where}: only _module knows Ansible")
    return faults


def room_fault(room: str | None, target: str) -> str | None:
    """Return why a room, or a module, may not import another one, None where it may."""
    if target not in HEIGHTS:
        return "no such room"
    if HEIGHTS[target] > (MODULE_HEIGHT if room is None else HEIGHTS[room]):
        return "goes up"
    if target in PARTS and room not in REACHING:
        return "its parts are for _host"
    return None


def machine_faults(root: Path) -> list[str]:
    """Return every place outside _host that reaches for files or commands."""
    faults: list[str] = []
    for source in read_sources(root, "module_utils", "modules"):
        if source.room in REACHING:
            continue
        for line, name in imported_names(source):
            parts = name.split(".")
            if (
                parts[0] in MACHINE_IMPORTS
                or not is_pure(parts)
                or name in {"pathlib", "pathlib.Path"}
            ):
                faults.append(f"{source.name}:{line}: import of {name}")
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in OPENERS:
                    faults.append(f"{source.name}:{node.lineno}: {node.func.id}()")
            elif isinstance(node, ast.Attribute):
                parts = ast.unparse(node).split(".")
                if not is_pure(parts):
                    faults.append(f"{source.name}:{node.lineno}: {ast.unparse(node)}")
    return faults


def is_pure(parts: list[str]) -> bool:
    """Whether a dotted name, split, is one of os or io that only calculates, or of neither."""
    if parts[:2] == ["os", "path"]:
        return len(parts) == len(["os", "path"]) or parts[2] in PURE_OS_PATH
    allowed = {"os": PURE_OS, "io": PURE_IO}.get(parts[0])
    return allowed is None or len(parts) == 1 or parts[1] in allowed


def assert_faults(root: Path) -> list[str]:
    """Return every assert statement of a plugin: python -O drops them."""
    return [
        f"{source.name}:{node.lineno}: assert"
        for source in read_sources(root, ".")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assert)
    ]


def test_imports_go_one_way() -> None:
    assert direction_faults(ROOT) == []


def test_only_host_reaches_the_machine() -> None:
    assert machine_faults(ROOT) == []


def test_no_assert_in_plugins() -> None:
    assert assert_faults(ROOT) == []


def write(root: Path, name: str, text: str) -> None:
    path = root / "plugins" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("module_utils/_pci/address.py", "from .._qat.devices import TABLE"),
        ("module_utils/_pci/address.py", "from .. import _iommu"),
        ("module_utils/_pci/__init__.py", "from .._module import run"),
        (
            "module_utils/_host.py",
            "import ansible_collections.hwaccel.virt.plugins.module_utils._pci",
        ),
        ("module_utils/_qat/devices.py", "from ansible.module_utils.basic import AnsibleModule"),
        ("module_utils/_qat/devices.py", "if t.TYPE_CHECKING:\n    from .._module import Run"),
        ("module_utils/_vfio/bind.py", "from ...modules.qat_sriov import main"),
        ("module_utils/_qat/devices.py", "from .._folders import write_file"),
        ("module_utils/_newroom/a.py", ""),
        ("module_utils/_qat/devices.py", "from .._newroom import a"),
        ("modules/qat_sriov.py", "from ansible.module_utils.basic import AnsibleModule"),
    ],
)
def test_wrong_direction_is_found(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, name, text)
    assert len(direction_faults(tmp_path)) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("module_utils/_qat/a.py", "from .._vfio.holders import read\nfrom . import devices"),
        ("module_utils/_module.py", "from ansible.module_utils.basic import AnsibleModule"),
        (
            "modules/accelerator_info.py",
            f"from {COLLECTION}plugins.module_utils import _module, _qat",
        ),
    ],
)
def test_right_direction_passes(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, name, text)
    assert direction_faults(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess",
        "from subprocess import run",
        "from pathlib import Path",
        "import pathlib",
        "x = open('/etc/fstab')",
        "import os\nos.open('/sys', 0)",
        "import os\nos.path.exists('/sys')",
        "from os import listdir",
        "import io\nio.open('/sys')",
        "from io import FileIO",
        "from os.path import exists",
    ],
)
def test_reach_for_the_machine_is_found(tmp_path: Path, text: str) -> None:
    write(tmp_path, "module_utils/_qat/a.py", text)
    assert len(machine_faults(tmp_path)) == 1
    write(tmp_path, "module_utils/_qat/a.py", "import io, os\nio.BytesIO(os.strerror(2))")
    write(tmp_path, "module_utils/_host.py", text)
    assert machine_faults(tmp_path) == []


def test_assert_is_found(tmp_path: Path) -> None:
    write(tmp_path, "filter/license.py", "def f(a: int) -> None:\n    assert a")
    assert assert_faults(tmp_path) == ["plugins.filter.license:2: assert"]
