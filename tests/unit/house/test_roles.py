# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roles say the same in argument_specs and defaults; modules are thin and say what they can."""

from __future__ import annotations

import ast
import io
import tokenize
import typing as t
from pathlib import Path

import pytest
import yaml

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[3]
MODULE_LINES = 60
TEXTS = frozenset({"DOCUMENTATION", "EXAMPLES", "RETURN"})
FRAGMENT_PREFIX = "hwaccel.virt."
# Tokens that carry no code: what a line holds beside them makes it a code line.
EMPTY = frozenset(
    {
        tokenize.COMMENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
        tokenize.INDENT,
        tokenize.NEWLINE,
        tokenize.NL,
    }
)


def load(path: Path) -> dict[str, t.Any]:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return yaml.safe_load(text) or {}


def specified(role: Path) -> Iterator[tuple[str, t.Any]]:
    """Yield the variables of all entry points of a role, each with its option."""
    specs = load(role / "meta" / "argument_specs.yml").get("argument_specs", {})
    for entry in specs.values():
        yield from (entry.get("options") or {}).items()


def role_faults(role: Path) -> list[str]:
    """Return where argument_specs and defaults of a role differ."""
    faults: list[str] = []
    wanted: dict[str, object] = {}
    for name, option in specified(role):
        if "default" in option and wanted.setdefault(name, option["default"]) != option["default"]:
            faults.append(f"{name} has two defaults in argument_specs")
    names = {name for name, _option in specified(role)}
    defaults = load(role / "defaults" / "main.yml")
    if not (role / "meta" / "argument_specs.yml").is_file():
        faults.append("no meta/argument_specs.yml")
    faults += [f"{name} is not in argument_specs" for name in sorted(set(defaults) - names)]
    faults += [
        f"{name} has no default in argument_specs"
        for name in sorted(set(defaults) & names - set(wanted))
    ]
    faults += [f"{name} is not in defaults" for name in sorted(set(wanted) - set(defaults))]
    # Compared with their types: true is 1 and "80" is not 80.
    faults += [
        f"{name}: {wanted[name]!r} is not {defaults[name]!r}"
        for name in sorted(set(wanted) & set(defaults))
        if repr(wanted[name]) != repr(defaults[name])
    ]
    faults += [
        f"{name} does not start with {role.name}_"
        for name in sorted(names | set(defaults))
        if not name.startswith(f"{role.name}_")
    ]
    return [f"{role.name}: {fault}" for fault in faults]


def constants(path: Path) -> Iterator[tuple[ast.stmt, str, str]]:
    """Yield every assignment of a string to a name in a file, those in classes too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                    yield node, target.id, node.value.value


def attributes_of(root: Path, documentation: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the attributes of a module, those of its documentation fragments included."""
    merged: dict[str, t.Any] = {}
    for fragment in documentation.get("extends_documentation_fragment", []):
        if fragment.startswith(FRAGMENT_PREFIX):
            name, _dot, part = fragment[len(FRAGMENT_PREFIX) :].partition(".")
            path = root / "plugins" / "doc_fragments" / f"{name}.py"
            wanted = part.upper() or "DOCUMENTATION"
            for _node, constant, text in constants(path):
                if constant == wanted:
                    merged |= yaml.safe_load(text).get("attributes") or {}
    for name, attribute in (documentation.get("attributes") or {}).items():
        merged[name] = {**merged.get(name, {}), **attribute}
    return merged


def code_lines(path: Path) -> int:
    """Count the lines of a module that hold code: no blanks, comments, documentation."""
    text = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in EMPTY:
            lines |= set(range(token.start[0], token.end[0] + 1))
    written: list[ast.stmt] = [node for node, name, _text in constants(path) if name in TEXTS]
    written += [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    for node in written:
        lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def module_faults(root: Path) -> list[str]:
    """Return the modules that are too thick, or silent about check and diff mode."""
    faults: list[str] = []
    for path in sorted((root / "plugins" / "modules").glob("*.py")):
        texts = {name: text for _node, name, text in constants(path)}
        faults += [f"{path.name}: no {name}" for name in sorted(TEXTS - set(texts))]
        attributes = attributes_of(root, yaml.safe_load(texts.get("DOCUMENTATION", "{}")))
        faults += [
            f"{path.name}: attribute {name} is not documented"
            for name in ("check_mode", "diff_mode")
            if "support" not in attributes.get(name, {})
        ]
        if (count := code_lines(path)) > MODULE_LINES:
            faults.append(f"{path.name}: {count} code lines, {MODULE_LINES} are allowed")
    return faults


def roles_of(root: Path) -> list[Path]:
    return sorted(path for path in (root / "roles").glob("*") if path.is_dir())


@pytest.mark.parametrize("role", roles_of(ROOT), ids=lambda path: path.name)
def test_role_says_the_same_twice(role: Path) -> None:
    assert role_faults(role) == []


def test_modules_are_thin_and_documented() -> None:
    assert module_faults(ROOT) == []


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


SPECS = """
argument_specs:
  main:
    options:
      web_port: {type: int, default: 80}
      web_name: {type: str}
"""


@pytest.mark.parametrize(
    ("defaults", "fault"),
    [
        ("web_port: 80", ""),
        ("web_port: 81", "web: web_port: 80 is not 81"),
        ("web_port: '80'", "web: web_port: 80 is not '80'"),
        ("", "web: web_port is not in defaults"),
        ("{web_port: 80, web_name: a}", "web: web_name has no default in argument_specs"),
        ("{web_port: 80, web_user: a}", "web: web_user is not in argument_specs"),
    ],
)
def test_differences_are_found(tmp_path: Path, defaults: str, fault: str) -> None:
    write(tmp_path, "roles/web/meta/argument_specs.yml", SPECS)
    write(tmp_path, "roles/web/defaults/main.yml", defaults)
    assert role_faults(tmp_path / "roles" / "web") == ([fault] if fault else [])


def test_foreign_names_and_missing_specs_are_found(tmp_path: Path) -> None:
    write(tmp_path, "roles/web/tasks/main.yml", "[]")
    assert role_faults(tmp_path / "roles" / "web") == ["web: no meta/argument_specs.yml"]
    write(tmp_path, "roles/web/meta/argument_specs.yml", SPECS.replace("web_port", "port"))
    write(tmp_path, "roles/web/defaults/main.yml", "port: 80")
    assert role_faults(tmp_path / "roles" / "web") == ["web: port does not start with web_"]


MODULE = '''
"""Thin."""
DOCUMENTATION = """
extends_documentation_fragment: [hwaccel.virt.attributes]
attributes:
  diff_mode: {support: full}
"""
EXAMPLES = "-"
RETURN = "-"
'''
FRAGMENT = '''
class ModuleDocFragment:
    """One."""

    DOCUMENTATION = """
attributes:
  check_mode: {description: Can., support: full}
"""
'''


def test_a_thin_module_passes(tmp_path: Path) -> None:
    write(tmp_path, "plugins/doc_fragments/attributes.py", FRAGMENT)
    write(tmp_path, "plugins/modules/thin.py", MODULE + "a = 1\n" * MODULE_LINES)
    assert module_faults(tmp_path) == []


def test_thick_and_silent_modules_are_found(tmp_path: Path) -> None:
    write(tmp_path, "plugins/doc_fragments/attributes.py", FRAGMENT.replace("check_mode", "raw"))
    write(tmp_path, "plugins/modules/thick.py", MODULE + "a = 1  # a\n\n# b\n" * 61)
    write(tmp_path, "plugins/modules/silent.py", "EXAMPLES = RETURN = '-'")
    assert module_faults(tmp_path) == [
        "silent.py: no DOCUMENTATION",
        "silent.py: attribute check_mode is not documented",
        "silent.py: attribute diff_mode is not documented",
        "thick.py: attribute check_mode is not documented",
        "thick.py: 61 code lines, 60 are allowed",
    ]
