# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that could break out of what they are written to, for every option of every module.

The options are those of the modules themselves, so that a new one is tried without a test of its
own. Each value is refused by an error that names the option and the value, with nothing changed; or
it stands in what is written as that very value, read by other means than the collection's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.unit.plugins.every_module import (
    BASES,
    HOSTILE,
    MARK,
    modules,
    spec_of,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import PF

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner

    Options = dict[str, t.Any]
    Files = dict[str, t.Union[bytes, str]]

# How Ansible refuses by itself, without the value.
OF_ANSIBLE = (
    "dictionary requested",
    "missing required arguments",
    "unable to convert",
    "unable to evaluate",
    "Unsupported parameters",
    # Before it looks at any option, where it logs by Python's syslog.
    "Failed to log to syslog (embedded null character)",
)
# Types of which Ansible itself makes a number or a word, so that less is left to go wrong.
NARROW = frozenset({"int", "bool", "float"})
# What is tried within mappings too, each of whose values is checked like one that stands alone.
DEEP = frozenset({"line feed", "double quote", "digits"})
NARROW_KINDS = ("line feed", "command", "many digits", "empty")


def _paths(spec: Options, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Options]]:
    """Yield every option with its way down from the top."""
    for name, option in spec.items():
        path = (*above, name)
        yield path, option
        yield from _paths(option.get("options", {}), path)


def _every_option() -> list[tuple[str, str]]:
    return [
        (module, ".".join(path))
        for module in modules()
        for path, _option in _paths(spec_of(module))
        if path != ("root",)
    ]


def _given(option: Options, value: str, *, deep: bool) -> list[t.Any]:
    """Return the shapes in which a value can be given for an option."""
    kind = option.get("type", "str")
    if kind == "list":
        inside = option.get("elements", "str")
        if inside == "raw" and deep:
            return [
                [value],
                [{"address": value, "id": "8086:4940"}],
                [{"address": PF, "id": value}],
            ]
        return [[value]]
    if kind == "dict":
        inner = {"crypto": [{"name": value}], "cores": [value], "polling": value}
        shapes = [{value: "1"}, {"Custom": value}, {value: inner}, {"Custom": inner}]
        return shapes if deep else shapes[:2]
    return [value]


def _placed(base: Mapping[str, t.Any], path: tuple[str, ...], value: t.Any) -> Options:
    """Return the options of a task with one of them at another value."""
    name, *below = path
    if not below:
        return {**base, name: value}
    first = {**base[name][0]}
    return {**base, name: [_placed(first, tuple(below), value)]}


def _parse_ini(content: bytes) -> list[str]:
    """Return sections, keys and values of lines C(key=value), values without quotes around them."""
    found = []
    for line in content.decode("utf-8", "surrogateescape").split("\n"):
        if line.lstrip()[:1] != "#":
            key, _equals, value = (each.strip() for each in line.partition("="))
            found += [key.strip("[]"), value[1:-1] if value[:1] == value[-1:] == '"' else value]
    return found


def _source(content: bytes) -> list[str]:
    """Return what the shells that may run grub-mkconfig make of a file."""
    script = content + b'\nprintf %s "$GRUB_CMDLINE_LINUX"'
    found = []
    for shell in filter(None, map(shutil.which, ("dash", "bash"))):
        done = subprocess.run(
            [shell, "-eu"],
            input=b"GRUB_CMDLINE_LINUX=; GRUB_CMDLINE_LINUX_DEFAULT=\n" + script,
            capture_output=True,
            check=True,
        )
        found.append(done.stdout.decode("utf-8", "surrogateescape"))
    assert found
    assert len(set(found)) == 1
    # As the kernel splits it: at blanks outside of quotes.
    return re.findall(r'(?:"[^"]*"|[^\s"])+', found[0])


# What reads a file that a free value may stand in, and returns the values there.
READERS: Mapping[str, Callable[[bytes], list[str]]] = {
    "etc/default/grub.d/": _source,
    "etc/nvidia/": _parse_ini,
    "etc/c6xx_dev": _parse_ini,
}


def _strings(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield str(key)
            yield from _strings(value)
    elif isinstance(document, list):
        for value in document:
            yield from _strings(value)
    elif isinstance(document, str):
        yield document


def _check_written(before: Files, after: Files, value: str, earlier: Iterable[str]) -> None:
    """See that a value is itself, and nothing more, wherever it was written.

    Args:
        earlier: values that an earlier task has written, which may stand there still.
    """
    assert not set(before) - set(after)
    for path in sorted(after):
        content = after[path]
        if before.get(path) == content or not isinstance(content, bytes):
            continue
        if path.endswith(".json"):
            assert all(isinstance(each, str) for each in _strings(json.loads(content)))
            continue
        if MARK.encode() not in content:
            continue
        if value.startswith("/"):
            # The name of a file, whose content says nothing of it.
            continue
        reader = next((read for start, read in READERS.items() if path.startswith(start)), None)
        assert reader is not None, f"{path} has {value!r}, and nothing here reads such a file"
        told = [each for each in reader(content) if MARK in each]
        wanted = value[1:-1] if value[:1] == value[-1:] == '"' else value
        assert told, path
        assert set(told) <= {value, value.strip(), wanted, *earlier}, path


def _is_named(option: str, value: str, message: str) -> bool:
    """Tell whether an error names an option, or the file that the option is."""
    if value.startswith("/") and (value in message or os.path.normpath(value) in message):
        return True
    if any(word in message for word in OF_ANSIBLE):
        return True
    first, *below = option.split(".")
    return any(word in message for word in (first, *below[-1:]))


def _quotes(value: str, message: str) -> bool:
    """Tell whether an error has the value, cut off where it is long."""
    if "guests[].xml" in message or any(word in message for word in OF_ANSIBLE):
        # A document is told by its guest, and by where it is wrong.
        return True
    short = value[:60].strip()
    shown: tuple[str, ...] = (
        repr(short)[1:-1],
        short,
        json.dumps(short)[1:-1],
        repr(repr(short))[2:-2],
    )
    if short.startswith("/"):
        shown = (*shown, os.path.normpath(short))
    return not short or any(each in message for each in shown)


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the disk out of it, which may be slow."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


def test_every_module_is_tried() -> None:
    assert modules() == sorted(BASES)
    assert len(_every_option()) > 60


@pytest.mark.parametrize(("module", "option"), _every_option())
def test_hostile_values(
    machine: Machine, run_module: ModuleRunner, module: str, option: str
) -> None:
    base = BASES[module]
    base.prepare(machine)
    path = tuple(option.split("."))
    spec = dict(_paths(spec_of(module)))[path]
    usual = run_module(module, dict(base.options), check=True)
    narrow = spec.get("type") in NARROW or "choices" in spec
    kinds = NARROW_KINDS if narrow else HOSTILE
    tried = [
        (kind, each) for kind in kinds for each in _given(spec, HOSTILE[kind], deep=kind in DEEP)
    ]
    if spec.get("type") == "path":
        # Such a path is one, if it is absolute.
        tried += [(kind, f"/{HOSTILE[kind]}") for kind in HOSTILE if HOSTILE[kind]]
    accepted: list[str] = []
    for kind, given in tried:
        value = f"/{HOSTILE[kind]}" if str(given).startswith("/") else HOSTILE[kind]
        before = machine.files()
        result = run_module(module, _placed(base.given(option), path, given))
        after = machine.files()
        if result.get("failed"):
            assert after == before, (kind, given)
            message = result["msg"]
            if message != usual.get("msg"):
                assert _is_named(option, value, message), (kind, given, message)
                assert _quotes(value, message) or "digits" in kind, (kind, given, message)
        else:
            _check_written(before, after, value, accepted)
            accepted.append(value)
            assert not list(machine.root.parent.glob(f"*{MARK}*")), (kind, given)
