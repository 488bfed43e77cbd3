# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instances of a section: how a task declares them, and the keys that they are.

The vendor's programmer's guide, "Logical Instances Section"; its application note 330689, section
2.5, for the names.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import InputError, is_number
from .document import INSTANCE
from .keys import GENERAL, LONGEST, NAMES, is_name

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .document import Document

CRYPTO, COMPRESSION = "Cy", "Dc"
KINDS = {CRYPTO: "crypto", COMPRESSION: "compression"}
NUMBERS = {kind: f"Number{kind}Instances" for kind in KINDS}
PROCESSES, LIMIT = "NumProcesses", "LimitDevAccess"
# Sections of the kernel's own users, which are no processes.
KERNEL = "KERNEL"
KERNEL_SECTIONS = (KERNEL, "KERNEL_QAT")
POLLING = {"interrupt": "0", "poll": "1", "epoll": "2"}
_POLLED = "1"
_WORDS = ("crypto", "compression", "processes", "polling", "cores")
_INSTANCE_WORDS = ("name", "polling", "core")
MOST = 1024
_INSTANCE_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{LONGEST}}}", re.ASCII)


@dataclass(frozen=True)
class Instance:
    """An instance as it is declared; None leaves what stands, or has the usual value."""

    name: str | None = None
    polled: str | None = None
    core: str | None = None


@dataclass(frozen=True)
class Declaration:
    """A section as a task declares it.

    Args:
        gone: whether the section is to go.
        instances: by kind, None where its instances are left as they are.
        processes: None leaves them.
        polled: for instances that stand already, where only this is asked for.
        cores: likewise, one for each, crypto before compression.
    """

    name: str
    gone: bool = False
    instances: Mapping[str, tuple[Instance, ...] | None] | None = None
    processes: int | None = None
    polled: str | None = None
    cores: tuple[str, ...] = ()

    @property
    def is_kernel(self) -> bool:
        """Whether its instances are the kernel's, rather than those of processes."""
        return self.name in KERNEL_SECTIONS

    def asks_for(self, kind: str) -> bool:
        """Tell whether it declares instances of a kind."""
        return bool((self.instances or {}).get(kind))

    @classmethod
    def parse(cls, name: str, given: object) -> Declaration:
        """Parse one entry of option C(sections).

        Raises:
            InputError: naming the entry, the value and what is accepted.
        """
        option = f"sections.{name}"
        if name == GENERAL:
            raise InputError("sections", name, "option general for the keys of [GENERAL]")
        if not is_name(name):
            raise InputError("sections", name, f"names of {NAMES}")
        if given is None:
            return cls(name, gone=True)
        if not isinstance(given, dict) or not set(given) <= set(_WORDS):
            accepted = f"a mapping of {', '.join(_WORDS)}, or null to take the section out"
            raise InputError(option, given, accepted)
        processes = _optional_number(f"{option}.processes", given.get("processes"), least=1)
        if processes is not None and name in KERNEL_SECTIONS:
            accepted = "no processes: instances of this section are the kernel's"
            raise InputError(f"{option}.processes", processes, accepted)
        return cls(
            name,
            instances={
                kind: _parse_instances(f"{option}.{word}", given.get(word))
                for kind, word in KINDS.items()
            },
            processes=processes,
            polled=_polled(f"{option}.polling", given.get("polling")),
            cores=_cores(f"{option}.cores", given.get("cores")),
        )

    def values(self, document: Document) -> Iterator[tuple[str, str | None]]:
        """Yield the keys of the section with their values, None for those to take out."""
        there = document.values(self.name)
        is_new = self.name not in document.sections()
        cores = self._core_of(there)
        declared = {kind: self._declared(kind, there) for kind in KINDS}
        for kind, instances in declared.items():
            if is_new or (self.instances or {}).get(kind) is not None:
                yield NUMBERS[kind], str(len(instances))
        if not self.is_kernel:
            if self.processes is not None or is_new:
                yield PROCESSES, str(self.processes or 1)
            if is_new:
                yield LIMIT, "0"
        for kind, instances in declared.items():
            for number, instance in enumerate(instances):
                core = instance.core or next(cores, None)
                yield from self._instance(kind, number, instance, core, there)
            if (self.instances or {}).get(kind) is not None:
                yield from ((key, None) for key in _surplus(there, kind, len(instances)))

    def _declared(self, kind: str, there: Mapping[str, str]) -> tuple[Instance, ...]:
        """Return the instances of a kind, those that stand where none are declared."""
        declared = (self.instances or {}).get(kind)
        if declared is not None:
            return declared
        return (Instance(),) * (count(there, NUMBERS[kind]) or 0)

    def _core_of(self, there: Mapping[str, str]) -> Iterator[str]:
        """Yield the cores in turn, from the first again after the last."""
        total = sum(len(self._declared(kind, there)) for kind in KINDS)
        for number in range(total if self.cores else 0):
            yield self.cores[number % len(self.cores)]

    def _instance(
        self,
        kind: str,
        number: int,
        instance: Instance,
        core: str | None,
        there: Mapping[str, str],
    ) -> Iterator[tuple[str, str | None]]:
        """Yield the keys of one instance; what stands and is not asked for is left."""
        stem = f"{kind}{number}"
        untouched = (self.instances or {}).get(kind) is None
        if instance.name is not None:
            yield f"{stem}Name", f'"{instance.name}"'
        elif f"{stem}Name" not in there and not untouched:
            yield f"{stem}Name", f'"{usual_name(self.name, kind, number)}"'
        polled = instance.polled or self.polled
        if polled is not None:
            yield f"{stem}IsPolled", polled
        elif f"{stem}IsPolled" not in there and not untouched:
            yield f"{stem}IsPolled", _POLLED
        if core is not None:
            yield f"{stem}CoreAffinity", core


def usual_name(section: str, kind: str, number: int) -> str:
    """Return the name of an instance that has none yet, as the vendor's examples have it."""
    if section in KERNEL_SECTIONS:
        return f"{'IPSec' if kind == CRYPTO else 'IPComp'}{number}"
    return f"{section if kind == CRYPTO else 'UserDC'}{number}"


def keys_of(document: Document, section: str) -> tuple[str, ...]:
    """Return the keys of a section that its declaration is about."""
    names = (*NUMBERS.values(), PROCESSES, LIMIT)
    return tuple(key for key in document.values(section) if key in names or INSTANCE.fullmatch(key))


def _surplus(there: Mapping[str, str], kind: str, number: int) -> Iterator[str]:
    """Yield the keys of instances beyond a number."""
    for key in there:
        found = INSTANCE.fullmatch(key)
        if found is not None and found[1] == kind and int(found[2]) >= number:
            yield key


def count(values: Mapping[str, str], key: str, default: int = 0) -> int | None:
    """Return a number of a section, None for what is none."""
    text = values.get(key, str(default))
    return int(text) if is_number(text) else None


# -- options ---------------------------------------------------------------------------------


def _parse_instances(option: str, given: object) -> tuple[Instance, ...] | None:
    """Parse a number of instances, or a list of them."""
    if given is None:
        return None
    if not isinstance(given, (list, tuple)):
        number = _optional_number(option, given, least=0)
        return (Instance(),) * (number or 0)
    return tuple(_parse_instance(f"{option}[{at}]", each) for at, each in enumerate(given))


def _parse_instance(option: str, given: object) -> Instance:
    if not isinstance(given, dict) or not set(given) <= set(_INSTANCE_WORDS):
        raise InputError(option, given, f"a mapping of {', '.join(_INSTANCE_WORDS)}")
    name = given.get("name")
    if name is not None and not _INSTANCE_NAME.fullmatch(str(name)):
        accepted = "letters, digits, dots, dashes and underscores"
        raise InputError(f"{option}.name", name, accepted)
    core = _optional_number(f"{option}.core", given.get("core"), least=0)
    return Instance(
        name=None if name is None else str(name),
        polled=_polled(f"{option}.polling", given.get("polling")),
        core=None if core is None else str(core),
    )


def _optional_number(option: str, given: object, *, least: int) -> int | None:
    if given is None:
        return None
    text = str(given).strip()
    if isinstance(given, bool) or not is_number(text) or not least <= int(text) <= MOST:
        raise InputError(option, given, f"a number from {least} to {MOST}")
    return int(text)


def _polled(option: str, given: object) -> str | None:
    if given is None:
        return None
    word = str(given).strip().lower()
    if word in POLLING.values():
        return word
    if word not in POLLING:
        raise InputError(option, given, f"one of {', '.join(POLLING)}")
    return POLLING[word]


def _cores(option: str, given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    each = given if isinstance(given, (list, tuple)) else [given]
    return tuple(str(_optional_number(option, core, least=0) or 0) for core in each)
