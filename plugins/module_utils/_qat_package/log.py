# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors in the logs of a build: what Intel's installation says although it ends with status 0.

Sources: intel/QAT_Engine issues 121 and 173 (C(*** Error:usdm_drv module not installed ***) at the
end of an installation that succeeded), 67 (C(*** No issue detected in InstallerLog.txt file ***));
the messages of make, of gcc and of modprobe.

What an older installation says while it is taken away is none of these: it complains of what it
does not find any more, such as a service that an installation half way never had.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# As Host.run_logged shows a command before its output.
_COMMAND = "$ "
_REMOVAL = "$ make uninstall"
_ERRORS = re.compile(
    r"""
    \*\*\*[ ]*error                                     # the installation about itself
    | ^make(?:\[[0-9]+\])?:[ ]\*\*\*                    # a step that make gave up
    | (?::|^)[ ]*(?:fatal[ ]|internal[ ]compiler[ ])?error[ ]*:   # compilers, linkers, configure
    | ^error[ ]                                         # scripts
    | ^modprobe:[ ]fatal
    | ^(?:insmod|depmod):[ ]*error
    | undefined[ ]reference[ ]to
    | no[ ]space[ ]left[ ]on[ ]device
    | \bfailed\b
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
_HARMLESS = re.compile(
    r"""
    \*\*\*[ ]*no[ ]issue[ ]detected
    | \b0[ ](?:errors?|failed)\b
    | \bignored\b                                       # of make, about steps that may fail
    | ^checking[ ]                                      # questions of configure
    | failed[ ]to[ ]stop[ ]device                       # nothing was running before
    | :[ ](?:warning|note):                             # compilers, about something else
    | ^[ ]*(?:cc|ld|ar|gcc|g\+\+|cc1|libtool|install)[ ][^:]*$  # a command, as make shows it
    | ^\$[ ]                                            # a command, as our own log shows it
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)


def find_errors(content: bytes) -> tuple[str, ...]:
    """Return the lines of a log that tell of an error, each once, in order."""
    lines = (line.strip() for line in content.decode("utf-8", "surrogateescape").splitlines())
    found = (
        line
        for line in _without_removal(lines)
        if _ERRORS.search(line) and not _HARMLESS.search(line)
    )
    return tuple(dict.fromkeys(found))


def _without_removal(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines but those of an older installation that is taken away."""
    removes = False
    for line in lines:
        if line.startswith(_COMMAND):
            removes = line == _REMOVAL
        if not removes:
            yield line
