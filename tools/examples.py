# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check every example of the documentation against the collection that it is about.

Examples are the EXAMPLES of plugins, the YAML and the commands of guides and READMEs. A task is
checked with the options of its module, and one of ours with what it makes of them before it looks
at a host; a variable with the argument_specs of its role; a command with the parser of its program,
and with the playbooks, modules, tags and variables that there are. What is a template cannot be
told. Playbooks and tasks are also written to a folder, for ansible-playbook to check their syntax.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import re
import shlex
import sys
import typing as t
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from unittest import mock

import yaml
from ansible.cli.adhoc import AdHocCLI
from ansible.cli.doc import DocCLI
from ansible.cli.playbook import PlaybookCLI
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.mod_args import ModuleArgsParser
from ansible.parsing.splitter import parse_kv
from ansible.plugins.loader import fragment_loader, init_plugin_loader, module_loader
from ansible.utils.plugin_docs import get_docstring

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

NAMESPACE = "hwaccel.virt"
PACKAGE = "ansible_collections.hwaccel.virt"
TASK_LISTS = ("pre_tasks", "tasks", "post_tasks", "handlers")
BLOCKS = ("block", "rescue", "always")
ROLE_ACTIONS = ("ansible.builtin.include_role", "ansible.builtin.import_role")
# Files of an inventory hold variables; what else is a mapping is one of group_vars.
INVENTORY = ("hosts", "children", "vars")
# What takes options of any name.
ANY_OPTION = {"ansible.builtin.add_host", "ansible.builtin.set_fact"}
# Variables of other collections that look like ours.
FOREIGN = {"iommu_vfio_pci_ids"}
# Parts of names that are none of a plugin, a role or a playbook.
PARTS = {"docsite", "tests"}
PARSERS = {"ansible": AdHocCLI, "ansible-doc": DocCLI, "ansible-playbook": PlaybookCLI}

_FENCE = re.compile(r"^```(yaml|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_DIRECTIVE = re.compile(r"^\.\. code-block:: (yaml|console)\n\n((?:    .*\n|\n)+)", re.MULTILINE)
_NAME = re.compile(r"^# (\S+\.yml)$", re.MULTILINE)
_OWN = re.compile(r"\bhwaccel\.virt\.(\w+)")
_LITERAL = re.compile(r"`{1,2}([a-z]\w*)`{1,2}")
_TEMPLATE = re.compile(r"\{\{|\{%")
_WITH_DEFAULT = re.compile(r"\b([a-z]\w*) \| default\(")

Options = dict[str, t.Any]


@dataclass(frozen=True)
class Block:
    """One example: where it stands, whether it is YAML or commands, and its text."""

    where: str
    kind: str
    text: str

    @property
    def name(self) -> str | None:
        """The file that it is an example of, as its first line says."""
        found = _NAME.match(self.text)
        return found[1] if found else None


def examples_of(path: Path) -> str:
    """Return the EXAMPLES of a plugin."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = {each.id for each in node.targets if isinstance(each, ast.Name)}
            if "EXAMPLES" in names:
                return str(node.value.value)
    return ""


def without_indent(text: str) -> str:
    """Return the text of a directive."""
    return "".join(line[4:] or "\n" for line in text.splitlines(keepends=True))


def blocks_of(path: Path, where: str) -> list[Block]:
    """Return the examples of a file."""
    if path.suffix == ".py":
        text = examples_of(path)
        return [Block(where, "yaml", text)] if text else []
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return [Block(where, kind, body) for kind, body in _FENCE.findall(text)]
    return [Block(where, kind, without_indent(body)) for kind, body in _DIRECTIVE.findall(text)]


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the commands of an example, as argument lists."""
    for line in block.text.replace("\\\n", " ").splitlines():
        prompt = line.startswith("$ ")
        # What has no prompt among lines that have one is what a command prints.
        if line and (prompt or block.kind == "sh"):
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                yield words


def is_template(value: object) -> bool:
    """Tell whether a value is known on a host only."""
    return isinstance(value, str) and bool(_TEMPLATE.search(value))


class Collection:
    """What an installed collection has."""

    def __init__(self, root: Path) -> None:
        """Take the folder with README, plugins, roles and playbooks."""
        self.root = root

    @cached_property
    def documents(self) -> list[Path]:
        """The files with examples."""
        patterns = ("README.md", "docs/docsite/rst/*.rst", "roles/*/README.md", "plugins/*/*.py")
        return [path for pattern in patterns for path in sorted(self.root.glob(pattern))]

    @cached_property
    def playbooks(self) -> dict[str, str]:
        """The text of each playbook, by its name."""
        paths = sorted((self.root / "playbooks").glob("*.yml"))
        return {path.stem: path.read_text(encoding="utf-8") for path in paths}

    @cached_property
    def roles(self) -> dict[str, dict[str, Options]]:
        """The variables of each role, by its name."""
        found = {}
        for path in sorted((self.root / "roles").glob("*/meta/argument_specs.yml")):
            specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
            found[path.parts[-3]] = specs["main"].get("options") or {}
        return found

    @cached_property
    def variables(self) -> dict[str, Options]:
        """Every variable of a role, with its option."""
        return {name: option for role in self.roles.values() for name, option in role.items()}

    @cached_property
    def playbook_variables(self) -> set[str]:
        """What playbooks themselves take: each has a default there."""
        # In the files that they include too.
        texts = (path.read_text(encoding="utf-8") for path in self.root.glob("playbooks/**/*.yml"))
        return {name for text in texts for name in _WITH_DEFAULT.findall(text)}

    @cached_property
    def names(self) -> set[str]:
        """What can follow the name of the collection."""
        plugins = {path.stem for path in self.root.glob("plugins/*/*.py")}
        return plugins | set(self.roles) | set(self.playbooks) | PARTS

    @cached_property
    def words(self) -> set[str]:
        """Every word of roles and playbooks, results of tasks among them."""
        paths = [*self.root.glob("roles/**/*.yml"), *self.root.glob("roles/**/*.j2")]
        texts = [path.read_text(encoding="utf-8") for path in paths]
        return set(re.findall(r"\w+", " ".join([*texts, *self.playbooks.values()])))


class Taken(Exception):  # noqa: N818
    """The options of a module, on their way out of it."""

    def __init__(self, options: Options) -> None:
        """Take what a module hands to Ansible."""
        super().__init__()
        self.options = options

    @classmethod
    def raised(cls, *, argument_spec: Options, **_others: object) -> t.NoReturn:
        """Stand in for AnsibleModule."""
        raise cls(argument_spec)


@dataclass(frozen=True)
class OwnModule:
    """What a module of this collection takes, and what makes a job of that."""

    options: Options
    make_job: Callable[[Options], object] | None

    @classmethod
    @cache
    def named(cls, name: str) -> OwnModule:
        """Start a module as Ansible does, up to where it has told its options."""
        module = importlib.import_module(f"{PACKAGE}.plugins.modules.{name}")
        runner = importlib.import_module(f"{PACKAGE}.plugins.module_utils._module")
        jobs: list[Callable[[Options], object]] = []

        def run(options: Options, make_job: Callable[[Options], object]) -> None:
            jobs.append(make_job)
            runner.run_module(options, make_job)

        with (
            mock.patch.object(runner, "AnsibleModule", Taken.raised),
            contextlib.ExitStack() as stack,
        ):
            if hasattr(module, "run_module"):
                stack.enter_context(mock.patch.object(module, "run_module", run))
            try:
                module.main()
            except Taken as taken:
                return cls(taken.options, jobs[0] if jobs else None)
        message = f"{name} takes no options"
        raise LookupError(message)

    def faults(self, given: Mapping[str, t.Any]) -> list[str]:
        """Return what is wrong with the options of a task."""
        faults = option_faults(self.options, given)
        if faults or self.make_job is None or any(map(is_template, given.values())):
            return faults
        errors = importlib.import_module(f"{PACKAGE}.plugins.module_utils._errors")
        validated = ArgumentSpecValidator(self.options).validate(dict(given))
        try:
            self.make_job(validated.validated_parameters)
        except errors.HwaccelError as error:
            return [str(error)]
        return []


@cache
def documented(name: str) -> frozenset[str] | None:
    """Return the options of a module of others, None where there is no such module."""
    context = module_loader.find_plugin_with_context(name)
    if not context.resolved or context.plugin_resolved_path is None:
        return None
    # A module for Windows is described in a file beside it.
    path = Path(context.plugin_resolved_path)
    paths = [path.with_suffix(suffix) for suffix in (".py", ".yml")]
    documentation = get_docstring(
        str(next(filter(Path.is_file, paths), path)),
        fragment_loader,
        collection_name=context.plugin_resolved_collection,
        plugin_type="module",
    )[0]
    options = (documentation or {}).get("options", {})
    aliases = [each for option in options.values() for each in option.get("aliases", [])]
    return frozenset([*options, *aliases])


def option_faults(options: Mapping[str, t.Any], given: Mapping[str, t.Any]) -> list[str]:
    """Return what is wrong with values for some options; templates are left out."""
    open_ones = {name for name, value in given.items() if name in options and is_template(value)}
    specs = {name: option for name, option in options.items() if name not in open_ones}
    values = {name: value for name, value in given.items() if name not in open_ones}
    return list(ArgumentSpecValidator(specs).validate(values).error_messages)


def module_faults(name: str, given: Mapping[str, t.Any]) -> list[str]:
    """Return what is wrong with the options of a task."""
    prefix = f"{NAMESPACE}."
    if name.startswith(prefix):
        try:
            module = OwnModule.named(name.removeprefix(prefix))
        except ImportError:
            return [f"no module {name}"]
        return module.faults(given)
    options = documented(name)
    if options is None:
        return [f"no module {name}"]
    unknown = () if name in ANY_OPTION else sorted(set(given) - options - {"_raw_params"})
    return [f"{name} has no option {option}" for option in unknown]


@dataclass
class Checker:
    """Checks the examples of a collection, and gathers what is wrong with them."""

    collection: Collection
    faults: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)

    def _tell(self, where: str, faults: Iterable[str]) -> None:
        self.faults += [f"{where}: {fault}" for fault in faults]

    def _count(self, what: str) -> None:
        self.checked[what] = self.checked.get(what, 0) + 1

    def check(self, path: Path, folder: Path) -> None:
        """Check one document, and write its playbooks and tasks to a folder."""
        where = str(path.relative_to(self.collection.root))
        blocks = blocks_of(path, where)
        named = {block.name for block in blocks if block.name}
        for number, block in enumerate(blocks):
            if block.kind == "yaml":
                plays = self._yaml(block)
                if plays:
                    name = f"{where.replace('/', '-')}-{number}.yml"
                    text = yaml.safe_dump(plays, sort_keys=False)
                    (folder / name).write_text(text, encoding="utf-8")
            else:
                for words in commands(block):
                    self._command(where, words, named)
        if path.suffix != ".py":
            self._text(where, path.read_text(encoding="utf-8"))

    def _yaml(self, block: Block) -> list[Options]:
        """Check YAML, and return it as plays where it is some."""
        try:
            data = yaml.safe_load(block.text)
        except yaml.YAMLError as error:
            self._tell(block.where, [f"no YAML: {error}"])
            return []
        if isinstance(data, dict):
            self._mapping(block.where, data)
            return []
        if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
            self._tell(block.where, ["neither plays, tasks nor variables"])
            return []
        if not any("hosts" in each or "import_playbook" in str(each) for each in data):
            data = [{"name": "Tasks", "hosts": "all", "gather_facts": False, "tasks": data}]
        for play in data:
            self._play(block.where, play)
        return data

    def _mapping(self, where: str, data: Options) -> None:
        """Check an inventory, or the variables of one."""
        for name, value in data.items():
            if isinstance(value, dict) and value and set(value) <= set(INVENTORY):
                self._count("inventories")
                self._values(where, value.get("vars") or {})
                for host in (value.get("hosts") or {}).values():
                    self._values(where, host or {})
                self._mapping(where, value.get("children") or {})
            else:
                self._values(where, {name: value})

    def _values(self, where: str, given: Mapping[str, t.Any]) -> None:
        """Check variables of roles, each by itself."""
        known = self.collection.variables
        for name, value in given.items():
            if name in known:
                self._count("variables")
                self._tell(where, option_faults({name: known[name]}, {name: value}))
            elif any(name.startswith(f"{role}_") for role in self.collection.roles):
                self._tell(where, [f"no role has a variable {name}"])

    def _play(self, where: str, play: Options) -> None:
        self._count("plays")
        self._values(where, play.get("vars") or {})
        for role in play.get("roles") or []:
            name, given = (role, {}) if isinstance(role, str) else (role["role"], role)
            self._role(where, name, given.get("vars") or {})
        for part in TASK_LISTS:
            self._tasks(where, play.get(part) or [])

    def _tasks(self, where: str, tasks: Iterable[Options]) -> None:
        for task in tasks:
            if "block" in task:
                for part in BLOCKS:
                    self._tasks(where, task.get(part) or [])
                continue
            self._count("tasks")
            try:
                action, given, _to = ModuleArgsParser(dict(task)).parse()
            except AnsibleError as error:
                self._tell(where, [str(error)])
                continue
            variables = task.get("vars") or {}
            if action in ROLE_ACTIONS:
                self._role(where, str(given.get("name")), variables)
            else:
                self._values(where, variables)
                self._tell(where, module_faults(action, given))

    def _role(self, where: str, name: str, given: Mapping[str, t.Any]) -> None:
        """Check the use of a role, what it requires included."""
        self._count("roles")
        known = self.collection.roles.get(name.removeprefix(f"{NAMESPACE}."))
        if known is None:
            self._tell(where, [f"no role {name}"])
            return
        self._values(where, given)
        required = [each for each, option in known.items() if option.get("required")]
        missing = [each for each in required if each not in given]
        self._tell(where, [f"role {name} requires {each}" for each in missing])

    def _command(self, where: str, words: list[str], named: set[str]) -> None:
        """Check a command of Ansible, or of the checkout."""
        if words[0] not in PARSERS:
            return
        self._count("commands")
        cli = PARSERS[words[0]](words)
        cli.init_parser()
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                parsed = cli.parser.parse_args(words[1:])
        except SystemExit:
            self._tell(where, [f"{shlex.join(words)}: {said.getvalue().strip()}"])
            return
        for text in getattr(parsed, "extra_vars", None) or []:
            self._extra_variables(where, text)
        if words[0] == "ansible-playbook":
            for playbook in parsed.args:
                self._playbook(where, playbook, parsed.tags, named)
        elif words[0] == "ansible" and parsed.module_name:
            given = parse_kv(parsed.module_args or "", check_raw=False)
            self._tell(where, module_faults(parsed.module_name, given))

    def _extra_variables(self, where: str, text: str) -> None:
        given = yaml.safe_load(text) if text.startswith("{") else parse_kv(text)
        strange = set(given) - set(self.collection.variables) - self.collection.playbook_variables
        self._tell(where, [f"nothing takes a variable {name}" for name in sorted(strange)])
        self._values(where, {name: value for name, value in given.items() if name not in strange})

    def _playbook(self, where: str, name: str, tags: Iterable[str], named: set[str]) -> None:
        text = self.collection.playbooks.get(name.removeprefix(f"{NAMESPACE}."))
        if text is None:
            if name not in named:
                self._tell(where, [f"no playbook {name}"])
            return
        known = set(re.findall(r"\w+", " ".join(re.findall(r"tags: \[(.*?)\]", text))))
        # The parser has "all" where none is given.
        strange = {tag for part in tags for tag in part.split(",")} - known - {"all"}
        self._tell(where, [f"playbook {name} has no tag {tag}" for tag in sorted(strange)])

    def _text(self, where: str, text: str) -> None:
        """Check the names in what is written around the examples."""
        strange = set(_OWN.findall(text)) - self.collection.names
        self._tell(where, [f"no {NAMESPACE}.{name}" for name in sorted(strange)])
        words = {word.rstrip("_") for word in _LITERAL.findall(text)}
        own = {
            word for word in words if any(word.startswith(f"{r}_") for r in self.collection.roles)
        }
        unknown = own - self.collection.words - self.collection.names - FOREIGN
        self._tell(where, [f"no variable {name}" for name in sorted(unknown)])


def main() -> int:
    """Check the examples of the collection in the first folder, write plays to the second."""
    collection, folder = Collection(Path(sys.argv[1])), Path(sys.argv[2])
    init_plugin_loader()
    checker = Checker(collection)
    for path in collection.documents:
        checker.check(path, folder)
    for fault in checker.faults:
        print(fault)
    counts = ", ".join(f"{number} {what}" for what, number in sorted(checker.checked.items()))
    print(f"{counts}: {len(checker.faults)} faults")
    return 1 if checker.faults else 0


if __name__ == "__main__":
    sys.exit(main())
