# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands that end within a bound; AnsibleModule.run_command knows none."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Sequence


class Command(subprocess.Popen[str]):
    """A command that runs; bytes that are no text are kept as surrogates.

    Args:
        kept: descriptors that it keeps open.
        log: what takes all that it says, while it has a session of its own, so that what it starts
            can be killed too; else there are pipes.
        folder: where it runs.

    Raises:
        OSError: when it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        kept: tuple[int, ...],
        log: t.BinaryIO | None = None,
        folder: str | None = None,
    ) -> None:
        pipe = subprocess.PIPE
        super().__init__(
            list(command),
            stdin=subprocess.DEVNULL if log else pipe,
            stdout=log or pipe,
            stderr=subprocess.STDOUT if log else pipe,
            text=True,
            errors="surrogateescape",
            env=_environment(),
            cwd=folder,
            start_new_session=bool(log),
            pass_fds=kept,
        )


def feed(
    command: Sequence[str], text: str, seconds: float, *, kept: tuple[int, ...]
) -> subprocess.CompletedProcess[str] | None:
    """Run a command that reads a text; None where it had to be killed.

    Raises:
        OSError: when it cannot be started.
    """
    with Command(command, kept) as process:
        try:
            output, told = process.communicate(text, seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return None
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, told)


def run_group(
    command: Sequence[str],
    log: t.BinaryIO,
    folder: str,
    seconds: float,
    *,
    kept: tuple[int, ...],
) -> int | None:
    """Run a command and return its status, None where it had to be killed with its children.

    Raises:
        OSError: when it cannot be started.
    """
    with Command(command, kept, log, folder) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return None


def _environment() -> dict[str, str]:
    """Return the environment of commands."""
    # A plain su leaves the folders of root's own programs out.
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
    return {**os.environ, "LC_ALL": "C", "LANGUAGE": "C", "PATH": path}
