# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program of the watcher as one file: the files of this collection that it needs, in a zip.

They are taken as they were imported, from a folder or from the archive that Ansible sends, so
that host and collection run one copy of the logic.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import io
import typing as t
import zipfile

# Imported, so that Ansible sends it and all that it needs.
from . import program

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.abc import ResourceLoader

_PACKAGE = "hwaccel_virt"
# What this room lies in, as Ansible imports it.
_ROOMS = str(__package__).rpartition(".")[0]
_MAIN = """\
from {package}.{start} import main

raise SystemExit(main("{version}"))
"""
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX, _FILE_MODE = 3, 0o100644


def build_archive() -> bytes:
    """Return the program; the same files make the same bytes."""
    files = _files(_sources(program.__name__))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = _UNIX
            entry.external_attr = _FILE_MODE << 16
            # Stored: what deflate makes differs from one zlib to the next.
            archive.writestr(entry, files[name])
    return packed.getvalue()


def describe_archive(content: bytes | None) -> bytes | None:
    """Return what a diff shows of a program: its files, each with a checksum."""
    if content is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return f"(no zip archive, sha256 {_checksum(content)})\n".encode()
    return "".join(f"{_checksum(files[name])} {name}\n" for name in sorted(files)).encode()


def _files(sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files by their names in the zip."""
    files = {}
    for module, source in sources.items():
        inside = module[len(_ROOMS) :].replace(".", "/")
        is_package = hasattr(importlib.import_module(module), "__path__")
        files[f"{_PACKAGE}{inside}{'/__init__' if is_package else ''}.py"] = source
    all_of_them = b"".join(name.encode() + files[name] for name in sorted(files))
    start = program.__name__[len(_ROOMS) + 1 :]
    version = _checksum(all_of_them)[:12]
    files["__main__.py"] = _MAIN.format(package=_PACKAGE, start=start, version=version).encode()
    return files


def _sources(start: str) -> dict[str, bytes]:
    """Return the source of a module, and of all in these rooms that it imports, by name."""
    found: dict[str, bytes] = {_ROOMS: b""}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        source = _source(name)
        found[name] = source
        package = name.rpartition(".")[0]
        waiting += [package, *_imported(source, package)]
    return found


def _source(name: str) -> bytes:
    """Return what a module was loaded from."""
    module = importlib.import_module(name)
    loader = t.cast("ResourceLoader", module.__loader__)
    return loader.get_data(str(module.__file__))


def _imported(source: bytes, package: str) -> Iterator[str]:
    """Yield the modules of these rooms that a file imports when it is loaded."""
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package.split(".")
        base = base[: len(base) - node.level + 1]
        if node.module:
            yield ".".join([*base, node.module])
        else:
            yield from (".".join([*base, alias.name]) for alias in node.names)


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
