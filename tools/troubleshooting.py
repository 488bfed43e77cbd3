# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the problems of the modules into the page on troubleshooting.

The tables between its markers are what the code says: each problem that a check can find, with its
cause and its remedy, as templates in which an ellipsis stands for what is known on a host only. The
rest of the page is written by hand, and its messages are compared with those of the code.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
import typing as t
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ansible_collections.hwaccel.virt.plugins.module_utils._errors import CHECKS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
UTILS = ROOT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.hwaccel.virt.plugins.module_utils"
PAGE = ROOT / "docs" / "docsite" / "rst" / "guide_troubleshooting.rst"
# What a host alone knows.
GAP = "…"
_DEEPEST = 8
# The device that a problem is about, which every one of them may begin with.
_DEVICE = re.compile(rf"^{GAP}(?: \({GAP}\))?: ")
_GAPS = re.compile(rf"{GAP}{{2,}}")
_MARKED = re.compile(
    r"(?P<start>\.\. problems-(?P<check>\w+)-start\n).*?(?P<end>\.\. problems-(?P=check)-end\n)",
    re.DOTALL,
)
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)

# What names stand for on one way through a function, as templates.
Known = dict[str, str]


@dataclass(frozen=True, order=True)
class Entry:
    """One problem that a check can find, as templates."""

    check: str
    what: str
    why: tuple[str, ...]
    remedy: str


class Source:
    """One file of Python, whose problems can be told without running it.

    Args:
        text: the file.
        constants: what its global names stand for, those that it imports too.
    """

    def __init__(self, text: str, constants: Mapping[str, object]) -> None:
        """Parse the file."""
        self._constants = constants
        tree = ast.parse(text)
        self._functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]

    def problems(self) -> Iterator[tuple[str, ...]]:
        """Yield the templates of each problem that the file makes, one for each way to it."""
        for call, known in self._calls("Problem", 0):
            yield from product(*(self._texts(each, known) for each in call.args))

    def _calls(self, name: str, depth: int) -> Iterator[tuple[ast.Call, Known]]:
        """Yield the calls of a function, each with what is known there, way by way."""
        for function in self._functions:
            if any(_is_call(node, name) for node in ast.walk(function)):
                for given in self._given(function, depth):
                    for statement, known in self._ways(function.body, dict(given)):
                        found = (node for part in _own(statement) for node in ast.walk(part))
                        for node in found:
                            if _is_call(node, name):
                                yield t.cast("ast.Call", node), known

    def _given(self, function: ast.FunctionDef, depth: int) -> Iterator[Known]:
        """Yield what the parameters of a function are, for each call of it in the file."""
        names = [each.arg for each in function.args.args]
        told = False
        for call, known in self._calls(function.name, depth + 1) if depth < _DEEPEST else ():
            told = True
            values = [self._texts(each, known) for each in call.args]
            for chosen in product(*values):
                yield dict(zip(names, chosen))
        if not told:
            yield {}

    def _ways(
        self, body: Sequence[ast.stmt], known: Known, after: Sequence[ast.stmt] = ()
    ) -> Iterator[tuple[ast.stmt, Known]]:
        """Yield the statements of a function on each way through it, with what is known there."""
        if not body:
            if after:
                yield from self._ways(after, known)
            return
        statement, rest = body[0], [*body[1:], *after]
        yield statement, known
        if isinstance(statement, (ast.Return, ast.Raise)):
            return
        if isinstance(statement, ast.If):
            yield from self._ways(statement.body, dict(known), rest)
            yield from self._ways(statement.orelse, dict(known), rest)
        elif isinstance(statement, ast.Assign):
            for more in self._assigned(statement, known):
                yield from self._ways(rest, {**known, **more})
        else:
            yield from self._ways([*getattr(statement, "body", []), *rest], known)

    def _assigned(self, statement: ast.Assign, known: Known) -> Iterator[Known]:
        """Yield what an assignment makes known."""
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Name):
            for text in self._texts(value, known):
                yield {target.id: text}
        else:
            yield {node.id: GAP for node in ast.walk(target) if isinstance(node, ast.Name)}

    def _texts(self, node: ast.expr, known: Known) -> list[str]:
        """Return the templates that an expression can come to."""
        if isinstance(node, ast.Constant):
            return [str(node.value)]
        if isinstance(node, ast.FormattedValue):
            return self._texts(node.value, known)
        if isinstance(node, ast.JoinedStr):
            parts = [self._texts(part, known) for part in node.values]
            return ["".join(chosen) for chosen in product(*parts)]
        if isinstance(node, ast.IfExp):
            return [*self._texts(node.body, known), *self._texts(node.orelse, known)]
        if isinstance(node, ast.Name):
            constant = self._constants.get(node.id)
            return [known.get(node.id, constant if isinstance(constant, str) else GAP)]
        return [GAP]


def _is_call(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _own(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield the parts of a statement that are no statements themselves."""
    for part in ast.iter_child_nodes(statement):
        if not isinstance(part, (ast.stmt, ast.ExceptHandler)):
            yield part


def shortened(text: str) -> str:
    """Return a template without the device that it begins with, and with one gap for several."""
    return _DEVICE.sub("", _GAPS.sub(GAP, text))


def entries(sources: Iterable[Source]) -> list[Entry]:
    """Return every problem that code makes, sorted; causes with the same remedy are together."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for source in sources:
        for parts in source.problems():
            check, what, why, remedy = map(shortened, parts)
            # A check that a caller elsewhere chooses is one of those for devices with VFs.
            for name in ("resources", "sriov") if check == GAP else (check,):
                found.setdefault((name, what, remedy), set()).add(why)
    return sorted(
        Entry(check, what, tuple(sorted(why)), remedy)
        for (check, what, remedy), why in found.items()
    )


def sources() -> Iterator[Source]:
    """Yield the files of the collection that make problems."""
    for path in sorted(UTILS.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "Problem(" in text and path.name != "_errors.py":
            name = ".".join(path.relative_to(UTILS).with_suffix("").parts)
            yield Source(text, vars(importlib.import_module(f"{PACKAGE}.{name}")))


def escaped(text: str) -> str:
    """Return a text as reStructuredText shows it."""
    return re.sub(r"([\\`*|]|_(?=\W|$))", r"\\\1", text)


def table(found: Iterable[Entry]) -> str:
    """Return the problems of one check as a table."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 30 35 35", ""]
    rows = [(entry.what, " *or* ".join(map(escaped, entry.why)), entry.remedy) for entry in found]
    for what, why, remedy in rows:
        lines += [f"   * - {escaped(what)}", f"     - {why}", f"     - {escaped(remedy)}"]
    heading = ["   * - What it says", "     - Why", "     - What to do"]
    return "\n".join(lines[:4] + heading + lines[4:])


def page(text: str, found: Sequence[Entry]) -> str:
    """Return the page with its tables as the code has them."""

    def region(match: re.Match[str]) -> str:
        rows = [entry for entry in found if entry.check == match["check"]]
        return f"{match['start']}\n{table(rows)}\n\n{match['end']}"

    return _MARKED.sub(region, text)


def marked(text: str) -> list[str]:
    """Return the checks that a page has a table of."""
    return [match["check"] for match in _MARKED.finditer(text)]


def templates(root: Path) -> list[str]:
    """Return the strings of plugins and the texts of roles, in which messages are looked for."""
    found = []
    for path in sorted((root / "plugins").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = (
                    str(part.value) if isinstance(part, ast.Constant) else GAP
                    for part in node.values
                )
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    for path in sorted((root / "roles").rglob("*")):
        if path.suffix in {".yml", ".j2"} and "files" not in path.parts:
            text = _JINJA.sub(GAP, path.read_text(encoding="utf-8"))
            found.append(re.sub(r"\s+", " ", text))
    return found


def is_message(text: str, known: Iterable[str]) -> bool:
    """Tell whether a message, in which an ellipsis stands for anything, is one of the code's."""
    pattern = re.compile(".*".join(map(re.escape, text.split(GAP))), re.DOTALL)
    return any(pattern.search(each) for each in known)


def main() -> int:
    """Write the tables into the page."""
    found = entries(sources())
    unknown = {entry.check for entry in found} - set(CHECKS)
    if unknown:
        print(f"no checks: {', '.join(sorted(unknown))}")
        return 1
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
