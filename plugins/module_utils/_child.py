# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A child process for what can block in the kernel, where no signal ends it.

It does one thing after the other, since a fork for each would take longer than most of them. One
that does not answer within its bound is left alone, and the next question goes to another child.
"""

from __future__ import annotations

import json
import os
import select
import signal
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 20


class SilentError(Exception):
    """The child did not answer within the bound; it may stay in state D."""


class Child:
    """A process that works off questions, for as long as it answers.

    Args:
        work: answers a question in the child; both are values that JSON knows.
    """

    def __init__(self, work: Callable[[list[str]], object]) -> None:
        self._work = work
        self._questions = self._answers = -1

    def ask(self, question: object, seconds: float) -> object:
        """Have a question answered within a bound, for each piece of the answer.

        Raises:
            SilentError: when the child did not answer, or ended.
        """
        if self._questions == -1:
            self._start()
        os.write(self._questions, json.dumps(question).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            ready = select.select([self._answers], [], [], seconds)[0]
            chunk = os.read(self._answers, _CHUNK) if ready else b""
            if not chunk:
                self.leave()
                raise SilentError
            answer += chunk
        return t.cast("object", json.loads(answer))

    def leave(self) -> None:
        """Let the child end, as soon as it can."""
        if self._questions != -1:
            os.close(self._questions)
            os.close(self._answers)
            self._questions = self._answers = -1

    def _start(self) -> None:
        """Fork twice, so that a child which the kernel does not let go leaves no zombie."""
        question_reader, self._questions = os.pipe()
        self._answers, answer_writer = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover - runs in the child
            try:
                if os.fork() == 0:
                    self._be_child(question_reader, answer_writer)
            finally:
                os._exit(0)
        os.close(question_reader)
        os.close(answer_writer)
        os.waitpid(child, 0)

    def _be_child(self, reader: int, writer: int) -> None:  # pragma: no cover - runs in the child
        os.close(self._questions)
        os.close(self._answers)
        os.setsid()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        # Whoever waits for the module's output must not wait for a child that hangs.
        quiet = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(quiet, standard)
        with open(reader, "rb") as questions:
            for question in questions:
                answer = json.dumps(self._work(json.loads(question)))
                os.write(writer, answer.encode() + b"\n")
