# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One table of PCI ids: no file but that of the table names the id of a QAT device."""

from __future__ import annotations

import ast
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._qat.devices import TABLE

if t.TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("plugins", "roles", "playbooks")
TABLE_FILE = Path("plugins/module_utils/_qat/devices.py")
IDS = frozenset(f"{number:04x}" for row in TABLE for number in (row.pf_device, row.vf_device))

# The emulated device is the hardware: it has to carry its ids itself.
HARDWARE = "roles/*/files/kernel/*"

# What a user reads, in a module and about a role: there a selector may stand as an example.
TEXTS = frozenset({"DOCUMENTATION", "EXAMPLES", "RETURN"})
EXAMPLE = re.compile(r"\b8086:[0-9a-f]{4}\b")


def text_of(path: Path, name: Path) -> str:
    """Return the text of a file, without the examples where they may stand."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if name.match("roles/*/README.md"):
        return EXAMPLE.sub("", text)
    if name.match("plugins/modules/*.py") or name.match("plugins/doc_fragments/*.py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                targets = {target.id for target in node.targets if isinstance(target, ast.Name)}
                if targets & TEXTS:
                    value = str(node.value.value)
                    text = text.replace(value, EXAMPLE.sub("", value))
    return text


def id_faults(root: Path, ids: frozenset[str]) -> Iterator[str]:
    """Yield every id that stands outside of its table, bare or with 0x."""
    pattern = re.compile(rf"(?<!\w)(?:0x)?(?:{'|'.join(sorted(ids))})(?!\w)", re.IGNORECASE)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root)
            if name == TABLE_FILE or name.match(HARDWARE) or "__pycache__" in name.parts:
                continue
            if path.is_file():
                for found in pattern.finditer(text_of(path, name)):
                    yield f"{name}: {found.group()}"


def test_the_table_is_the_only_place() -> None:
    assert len(IDS) == 2 * len(TABLE)
    assert list(id_faults(ROOT, IDS)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plugins/module_utils/_qat/sriov.py", "PF = 0x37C8"),
        ("plugins/module_utils/_pci/devices.py", "IDS = ['37c9']"),
        ("plugins/modules/qat_sriov.py", "EXAMPLES = '37c8 alone'"),
        ("plugins/modules/qat_sriov.py", "CHOICES = '8086:37c8'"),
        ("roles/qat_host/defaults/main.yml", "qat_host_devices: ['8086:37c8']"),
        ("roles/emulated_host/templates/machine.j2", "0x37c8"),
        ("playbooks/demo.yml", "id: 8086:37C9"),
    ],
)
def test_a_second_place_is_found(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, name, text)
    assert len(list(id_faults(tmp_path, IDS))) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plugins/module_utils/_qat/devices.py", "PF = 0x37C8"),
        ("roles/emulated_host/files/kernel/qat_c62x.c", "#define PF 0x37c8"),
        ("plugins/modules/qat_sriov.py", "EXAMPLES = 'devices: [8086:37c8]'"),
        ("roles/qat_host/README.md", "or a pair such as `8086:37c8`"),
        ("playbooks/demo.yml", "checksum: a37c8f"),
    ],
)
def test_the_exceptions_pass(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, name, text)
    assert list(id_faults(tmp_path, IDS)) == []


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
