# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes an archive that stands in for that of Intel's QuickAssist package.

It has the same entry points, and no driver behind them. With the same arguments it is the same to
the byte, so that its checksum is known before.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import re
import sys
import tarfile
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Sequence

FAILURES = ("none", "configure", "make", "install", "log")
FILES = Path(__file__).resolve().parent / "archive"
# Long ago, but not before what archives can say.
TIME = 1_000_000_000
VERSION = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)-([0-9]+)", re.ASCII)


def render_versionfile(version: str) -> str:
    """Return what the archive says of its version.

    Raises:
        ValueError: when it is not written as versions of the package are.
    """
    found = VERSION.fullmatch(version)
    if found is None:
        message = f"{version}: not as 4.28.0-00004"
        raise ValueError(message)
    names = ("MAJOR", "MINOR", "PATCH", "BUILD")
    numbers = "".join(
        f"PACKAGE_VERSION_{name}_NUMBER={number}\n" for name, number in zip(names, found.groups())
    )
    return f"PACKAGE_TYPE=QAT\nPACKAGE_OS=L\n{numbers}"


def make_archive(version: str, fail: str = "none", modules: Sequence[str] = ()) -> bytes:
    """Return the archive.

    Args:
        version: such as C(4.28.0-00004).
        fail: what goes wrong with it; C(log) is an error in the log of what ends with status 0.
        modules: what it has as kernel modules, which no kernel loads.
    """
    contents = {
        str(path.relative_to(FILES)): path.read_bytes()
        for path in FILES.rglob("*")
        if path.is_file()
    }
    contents["versionfile"] = render_versionfile(version).encode()
    contents["switches"] = f"FAIL={fail}\nMODULES={' '.join(modules)}\n".encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(contents):
            entry = tarfile.TarInfo(name)
            entry.size = len(contents[name])
            entry.mtime = TIME
            entry.mode = 0o755 if contents[name].startswith(b"#!") else 0o644
            archive.addfile(entry, io.BytesIO(contents[name]))
    return gzip.compress(packed.getvalue(), mtime=0)


def main() -> None:
    """Write an archive and print its checksum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--version", default="4.28.0-00004")
    parser.add_argument("--fail", choices=FAILURES, default="none")
    options = parser.parse_args()
    content = make_archive(options.version, options.fail)
    options.path.write_bytes(content)
    sys.stdout.write(f"sha256:{hashlib.sha256(content).hexdigest()}\n")


if __name__ == "__main__":
    main()
