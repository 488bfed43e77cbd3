# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of the shell on one way through the conditionals, and where a command stands."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .values import ShellError, Text, Unknown, known_text

if t.TYPE_CHECKING:
    from .tree import Function, Simple

# Ways that are told apart; of more than that, what differs is unknown.
_WAYS = 64

# What the environment or the shell sets, and what grub-mkconfig sets before it reads the files.
_SURROUNDINGS = frozenset(
    {
        "COLUMNS",
        "GRUB_DEVICE",
        "GRUB_DEVICE_BOOT",
        "GRUB_DEVICE_BOOT_UUID",
        "GRUB_DEVICE_PARTUUID",
        "GRUB_DEVICE_UUID",
        "GRUB_EARLY_INITRD_LINUX_STOCK",
        "GRUB_FS",
        "GRUB_PREFIX",
        "HOME",
        "HOSTNAME",
        "HOSTTYPE",
        "IFS",
        "LANG",
        "LANGUAGE",
        "LINES",
        "LOGNAME",
        "MACHTYPE",
        "MAIL",
        "OLDPWD",
        "OPTARG",
        "OPTERR",
        "OSTYPE",
        "PACKAGE_NAME",
        "PACKAGE_VERSION",
        "PATH",
        "PS1",
        "PS2",
        "PS4",
        "PWD",
        "SHELL",
        "SHLVL",
        "TERM",
        "TEXTDOMAIN",
        "TEXTDOMAINDIR",
        "TMPDIR",
        "TZ",
        "USER",
        "bindir",
        "datadir",
        "datarootdir",
        "exec_prefix",
        "grub_cfg",
        "grub_editenv",
        "grub_file",
        "grub_mkconfig_dir",
        "grub_probe",
        "grub_script_check",
        "host_os",
        "libdir",
        "package_version",
        "pkgdatadir",
        "prefix",
        "sbindir",
        "self",
        "sysconfdir",
    }
)
# What the shell itself changes: an assignment does not hold.
_MAGIC = frozenset(
    {
        "BASHOPTS",
        "BASHPID",
        "COMP_WORDBREAKS",
        "DIRSTACK",
        "EPOCHREALTIME",
        "EPOCHSECONDS",
        "EUID",
        "FUNCNAME",
        "GROUPS",
        "HISTCMD",
        "LINENO",
        "OPTIND",
        "PIPESTATUS",
        "PPID",
        "RANDOM",
        "SECONDS",
        "SHELLOPTS",
        "SRANDOM",
        "UID",
        "_",
    }
)


def is_magic(name: str) -> bool:
    """Tell whether the shell itself changes a variable, so that an assignment does not hold."""
    return name in _MAGIC or name.startswith("BASH_")


@dataclass
class World:
    """The state of the shell on one way through the conditionals.

    Args:
        variables: None for one that was unset.
        functions: None for what cannot be followed when it is called.
        status: whether the last command succeeded, None when that cannot be told.
        stops: whether a command that fails ends grub-mkconfig (C(set -e)).
    """

    variables: dict[str, Text | None] = field(default_factory=dict)
    functions: dict[str, Function | None] = field(default_factory=dict)
    readonly: frozenset[str] = frozenset()
    status: bool | None = True
    stops: bool = True

    def copy(self) -> World:
        """Return a state of its own."""
        return World(
            dict(self.variables), dict(self.functions), self.readonly, self.status, self.stops
        )

    def ended(self, *, status: bool | None) -> World:
        """Return the state with the status of a command."""
        self.status = status
        return self

    def key(self) -> t.Hashable:
        """Return what two states have in common when they are one."""
        functions = frozenset((name, id(body)) for name, body in self.functions.items())
        return frozenset(self.variables.items()), functions, self.readonly, self.stops

    def lookup(self, name: str, unknown: Unknown) -> Text | None:
        """Return the value of a variable, None when it is not set."""
        if is_magic(name) or (
            name not in self.variables
            and (name in _SURROUNDINGS or name.startswith(("BASH", "LC_")))
        ):
            return (unknown,)
        return self.variables.get(name)


@dataclass(frozen=True)
class Context:
    """Where a command stands.

    Args:
        tested: in a condition, where a command that fails does not end grub-mkconfig.
        maybe: where it may not be run.
        depth: how many functions and files are open.
    """

    tested: bool = False
    maybe: bool = False
    looping: bool = False
    function: bool = False
    depth: int = 0


# The words of a command; None stands for any number of words that are not known.
Fields = tuple[t.Optional[Text], ...]


@dataclass(frozen=True)
class Call:
    """A command with its words, in the states where it is run."""

    node: Simple
    name: str
    arguments: Fields
    worlds: list[World]
    context: Context

    @property
    def unknown(self) -> Unknown:
        """What stands for a variable that the command changes."""
        return Unknown(self.node.file, self.node.line, self.node.source)

    def error(self, message: str) -> ShellError:
        """Make an error of the command."""
        return ShellError(self.node.file, self.node.line, message)

    def ended(self, *, status: bool | None) -> list[World]:
        """Return the states with the status of the command."""
        return [world.ended(status=status) for world in self.worlds]

    def known(self) -> list[str]:
        """Return the words after the name, which have to be known."""
        known = [None if text is None else known_text(text) for text in self.arguments]
        strings = [text for text in known if text is not None]
        if len(strings) < len(known):
            raise self.error(f"what {self.name} is given cannot be known")
        return strings


@dataclass
class Frame:
    """A file, function or loop that is being run, and the ways that left it early."""

    loop: bool
    returned: list[World] = field(default_factory=list)
    broken: list[World] = field(default_factory=list)
    continued: list[World] = field(default_factory=list)
    locals: set[str] = field(default_factory=set)

    @property
    def left(self) -> bool:
        """Whether a way left it."""
        return bool(self.returned or self.broken or self.continued)


def split(worlds: t.Iterable[World]) -> tuple[list[World], list[World]]:
    """Part states by the status of a condition: one that cannot be told goes both ways."""
    passed: list[World] = []
    failed: list[World] = []
    for world in worlds:
        if world.status is None:
            passed.append(world.copy().ended(status=True))
            failed.append(world.ended(status=False))
        else:
            (passed if world.status else failed).append(world)
    return passed, failed


def join(worlds: t.Iterable[World], place: tuple[str, int]) -> list[World]:
    """Put equal states together, and all of them when they are too many."""
    joined: dict[t.Hashable, World] = {}
    for world in worlds:
        same = joined.setdefault(world.key(), world)
        if same.status is not world.status:
            same.status = None
    if len(joined) <= _WAYS:
        return list(joined.values())
    unknown = Unknown(*place, f"more than {_WAYS} ways through the conditionals")
    return [_merged(list(joined.values()), unknown)]


def _merged(worlds: list[World], unknown: Unknown) -> World:
    """Make one state of many: what differs is unknown."""
    variables: dict[str, Text | None] = {}
    functions: dict[str, Function | None] = {}
    for name in dict.fromkeys(name for world in worlds for name in world.variables):
        texts = {world.lookup(name, unknown) for world in worlds}
        variables[name] = texts.pop() if len(texts) == 1 else (unknown,)
    for name in dict.fromkeys(name for world in worlds for name in world.functions):
        first = worlds[0].functions.get(name)
        same = all(world.functions.get(name) is first for world in worlds)
        functions[name] = first if same else None
    return World(
        variables,
        functions,
        frozenset.intersection(*(world.readonly for world in worlds)),
        None,
        all(world.stops for world in worlds),
    )
