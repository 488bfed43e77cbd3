# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The version of an unpacked archive, as its C(versionfile) tells it.

Intel's archives have C(KEY=value) lines there: C(PACKAGE_TYPE), C(PACKAGE_OS) and
C(PACKAGE_VERSION_{MAJOR,MINOR,PATCH,BUILD}_NUMBER). The archive is named after them, as in
C(QAT.L.4.24.0-00005.tar.gz).
"""

from __future__ import annotations

import re

_LINE = re.compile(r"[ \t]*(PACKAGE_[A-Z_]+)[ \t]*=[ \t]*\"?([0-9A-Za-z.+_-]+)\"?[ \t]*", re.ASCII)
_NAMES = ("TYPE", "OS")
_NUMBERS = ("MAJOR", "MINOR", "PATCH")


def parse_version(text: str) -> str | None:
    """Return the version as the archive is named, None where the file does not tell it.

    Of a key that stands more than once the last one counts, as for a shell that reads it.
    """
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    values = {line[1]: line[2] for line in found if line}
    names = [values.get(f"PACKAGE_{name}") for name in _NAMES]
    numbers = [values.get(f"PACKAGE_VERSION_{name}_NUMBER") for name in _NUMBERS]
    if numbers[0] is None:
        return None
    build = values.get("PACKAGE_VERSION_BUILD_NUMBER")
    version = ".".join(part for part in (*names, *numbers) if part)
    return f"{version}-{build}" if build else version
