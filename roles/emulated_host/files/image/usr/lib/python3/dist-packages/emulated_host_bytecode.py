# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what Python compiles out of archives, which software emulation takes seconds for.

Every Ansible module comes with an archive of some 10,000 lines of source, and Python keeps no
compiled copy of what an archive holds. On a real host that costs a few tenths of a second, on an
emulated one more than the module's own work. The code is the same, kept by a hash of its source;
without the folder, Python compiles each time, as anywhere else.
"""

import _imp
import marshal
import os
import sys
import zipimport

FOLDER = "/var/cache/emulated-host/bytecode"

compile_source = vars(zipimport)["_compile_source"]
fix_co_filename = vars(_imp)["_fix_co_filename"]


def kept_or_compiled(pathname: str, source: bytes) -> object:
    """Return the code of a member of an archive."""
    kept = os.path.join(FOLDER, _imp.source_hash(sys.hexversion, source).hex())
    try:
        with open(kept, "rb") as file:
            code = marshal.load(file)
        fix_co_filename(code, pathname)
    except (OSError, EOFError, ValueError, TypeError):
        code = compile_source(pathname, source)
        keep(kept, marshal.dumps(code))
    return code


def keep(path: str, data: bytes) -> None:
    """Keep compiled code for later, where the folder is there and may be written."""
    new = f"{path}.{os.getpid()}"
    try:
        with open(new, "wb") as file:
            file.write(data)
        os.rename(new, path)
    except OSError:
        pass


vars(zipimport)["_compile_source"] = kept_or_compiled
