# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What shell files set, without running them: /etc/default/grub and /etc/default/grub.d.

grub-mkconfig sources these files in /bin/sh, with C(set -e). They are programs: an image's must
not be run where it is only looked at, and a value has to be told from what it may be.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .run import Runner
from .state import Context, World
from .values import Assignment, Dialect, ShellError, Text, Unknown, Value, make_value

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Assignment",
    "Dialect",
    "Evaluation",
    "ShellError",
    "Text",
    "Unknown",
    "Value",
    "evaluate",
]


@dataclass(frozen=True)
class Evaluation:
    """What files set.

    Args:
        assignments: of all files, in the order in which they are run.
        variables: after the last file; a name that is never assigned is not in it.
    """

    assignments: tuple[Assignment, ...]
    variables: Mapping[str, Value]


def evaluate(
    files: Sequence[tuple[str, str]],
    dialect: Dialect,
    *,
    sourced: t.Callable[[str], str | None] | None = None,
) -> Evaluation:
    """Tell what the variables are after files were sourced one after the other.

    Args:
        files: path and text of each, in order; odd bytes as C(surrogateescape) decodes them.
        dialect: the shell behind /bin/sh of the host.
        sourced: returns the text of a file that one of them sources, None when it is not there.

    Raises:
        ShellError: where the shell would stop, and for what cannot be followed without running it.
    """
    runner = Runner(dialect, sourced)
    worlds = [World()]
    for path, text in files:
        try:
            worlds = runner.file(path, text, worlds, Context())
        except RecursionError as error:
            raise ShellError(path, 1, "commands that are nested so deep") from error
        if not worlds:
            raise ShellError(path, 1, "no way leads to the end of this file")
    return Evaluation(runner.journal.assignments(), _variables(worlds))


def _variables(worlds: Sequence[World]) -> dict[str, Value]:
    names = dict.fromkeys(
        name for world in worlds for name, text in world.variables.items() if text is not None
    )
    return {
        name: make_value(
            world.lookup(name, Unknown("the environment", 0, f"${name}")) or () for world in worlds
        )
        for name in names
    }
