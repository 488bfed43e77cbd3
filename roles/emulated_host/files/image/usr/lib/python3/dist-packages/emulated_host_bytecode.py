# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what Python compiles at the start of a module, which takes seconds under emulation.

Every Ansible module comes with an archive of some 10,000 lines of source, and Python keeps no
compiled copy of what an archive holds; nor of the methods that dataclasses write for each class. On
a real host that costs a few tenths of a second, on an emulated one more than the module's own work.
The code is the same, kept by a hash of its source; without the folder, Python compiles each time,
as anywhere else.
"""

import _imp
import marshal
import os
import sys
import types
import zipimport

FOLDER = "/var/cache/emulated-host/bytecode"
# By the hash of their sources, too, where a process has loaded them for those forked from it.
remembered: dict[str, types.CodeType] = {}

compile_source = vars(zipimport)["_compile_source"]
fix_co_filename = vars(_imp)["_fix_co_filename"]


def load(path: str) -> types.CodeType | None:
    """Return the code that is kept in a file, or nothing."""
    try:
        with open(path, "rb") as file:
            # In one piece: marshal reads a file in pieces of a few bytes.
            code = marshal.loads(file.read())
    except (OSError, EOFError, ValueError, TypeError):
        return None
    return code if isinstance(code, types.CodeType) else None


def remember() -> None:
    """Load all that is kept, for the processes that are forked from this one."""
    try:
        names = os.listdir(FOLDER)
    except OSError:
        return
    for name in names:
        if name not in remembered and "." not in name:
            code = load(os.path.join(FOLDER, name))
            if code is not None:
                remembered[name] = code


def kept(digest: str, name: str) -> types.CodeType | None:
    """Return the code that is kept of a source, under the name that it goes by now, or nothing."""
    code = remembered.get(digest) or load(os.path.join(FOLDER, digest))
    if code is not None:
        fix_co_filename(code, name)
    return code


def keep(path: str, data: bytes) -> None:
    """Keep compiled code for later, where the folder is there and may be written."""
    new = f"{path}.{os.getpid()}"
    try:
        # Whatever the module's umask is, nobody else may write what is run later.
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        os.rename(new, path)
    except OSError:
        os.unlink(new)


def kept_or_compiled(name: str, source: bytes) -> types.CodeType:
    """Return the code of a source, as zipimport compiles it."""
    digest = _imp.source_hash(sys.hexversion, source).hex()
    code = kept(digest, name)
    if code is None:
        code = compile_source(name, source)
        keep(os.path.join(FOLDER, digest), marshal.dumps(code))
    return code


def execute(text: str, variables: dict[str, object], names: dict[str, object]) -> None:
    """Do what dataclasses do with the methods that they have written."""
    exec(kept_or_compiled("<string>", text.encode()), variables, names)


def member_of_archive(name: str, source: bytes) -> types.CodeType:
    """Return the code of a member of an archive; from then on dataclasses keep theirs too."""
    import dataclasses

    vars(dataclasses)["exec"] = execute
    return kept_or_compiled(name, source)


vars(zipimport)["_compile_source"] = member_of_archive
