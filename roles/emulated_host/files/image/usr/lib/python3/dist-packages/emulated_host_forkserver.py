# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Python programs by a fork of a Python that is up already.

Under software emulation most of a task's time is the start of Python: the interpreter, the
standard library, and the code that is read for each module anew. Here that is done once. Each
program gets a process of its own, forked from this one, which has run no program itself, with the
caller's descriptors, environment, folder and umask; who calls is /usr/lib/emulated-host/python3.
"""

import atexit
import contextlib
import gc
import importlib
import os
import select
import socket
import struct
import sys
import threading
import types
from typing import NoReturn

import emulated_host_bytecode

ADDRESS = "/run/emulated-host/python.sock"
DESCRIPTORS = 3
LARGEST = 1 << 17
SECONDS = 10.0
# What Ansible's modules and the collection's import of the standard library.
COMMON = (
    "argparse", "ast", "base64", "calendar", "codecs", "configparser", "copy", "csv", "ctypes",
    "dataclasses", "datetime", "email.message", "enum", "fcntl", "fnmatch", "functools", "glob",
    "grp", "gzip", "hashlib", "http.client", "inspect", "ipaddress", "json", "linecache", "locale",
    "logging", "logging.handlers", "mmap", "operator", "pathlib", "pickle", "pkgutil", "platform",
    "pwd", "queue", "random", "re", "resource", "runpy", "shlex", "shutil", "signal", "stat",
    "string", "subprocess", "syslog", "tarfile", "tempfile", "textwrap", "threading", "tokenize",
    "traceback", "typing", "unicodedata", "urllib.parse", "urllib.request", "uuid", "warnings",
    "xml.dom.minidom", "xml.etree.ElementTree", "zipfile",
)  # fmt: skip


class Program:
    """What a caller asks for: its message, taken apart."""

    def __init__(self, message: bytes) -> None:
        """Take a message apart: umask, folder, number of arguments, arguments, environment."""
        umask, folder, count, *rest = message.split(b"\0")[:-1]
        self.umask = int(umask)
        self.folder = folder
        self.arguments = [os.fsdecode(word) for word in rest[: int(count)]]
        self.environment = rest[int(count) :]

    def enter(self) -> None:
        """Take over the caller's circumstances."""
        os.umask(self.umask)
        os.chdir(self.folder)
        os.environ.clear()
        for variable in self.environment:
            name, equals, value = variable.partition(b"=")
            if equals:
                os.environb[name] = value

    def run(self) -> None:
        """Run the program as Python runs what it is given: a file, or its standard input."""
        sys.argv = self.arguments or [""]
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        if self.arguments:
            path = self.arguments[0]
            sys.path[0] = os.path.dirname(os.path.realpath(path))
            main.__file__ = path
            try:
                with open(path, "rb") as file:
                    source = file.read()
            except OSError as error:
                sys.exit(f"{sys.executable}: can't open file {path!r}: {error}")
        else:
            path = "<stdin>"
            sys.path[0] = ""
            source = sys.stdin.buffer.read()
        exec(compile(source, path, "exec"), vars(main))


def close(descriptors: list[int]) -> None:
    """Close descriptors that were received."""
    for descriptor in descriptors:
        os.close(descriptor)


def received(caller: socket.socket) -> tuple[Program, list[int]]:
    """Return what a caller asks for, and its descriptors; anything else is a ValueError."""
    # Others wait meanwhile, and who calls sends at once.
    caller.settimeout(SECONDS)
    message, descriptors, _flags, _from = socket.recv_fds(caller, LARGEST, DESCRIPTORS)
    if len(descriptors) == DESCRIPTORS:
        with contextlib.suppress(ValueError):
            return Program(message), descriptors
    close(descriptors)
    raise ValueError(message)


class Server:
    """Takes programs at a socket, and tells each caller how its program ended."""

    def __init__(self, address: str) -> None:
        """Listen at an address, for nobody but the same user."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        before = os.umask(0o177)
        self.listener.bind(address)
        os.umask(before)
        self.listener.listen(64)
        self.poll = select.poll()
        self.poll.register(self.listener, select.POLLIN)
        self.callers: dict[int, tuple[int, socket.socket]] = {}

    def serve(self) -> Program:
        """Serve for ever; in the process of a program, return it."""
        while True:
            for descriptor, _event in self.poll.poll():
                if descriptor in self.callers:
                    self.tell(descriptor)
                    continue
                program = self.take()
                if program:
                    return program

    def tell(self, descriptor: int) -> None:
        """Tell a caller how its program ended, and take what was compiled meanwhile."""
        pid, caller = self.callers.pop(descriptor)
        self.poll.unregister(descriptor)
        os.close(descriptor)
        _pid, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            caller.send(struct.pack("i", status))
        caller.close()
        emulated_host_bytecode.remember()

    def take(self) -> "Program | None":
        """Take a caller and fork its program, which is returned in the new process alone."""
        caller, _address = self.listener.accept()
        try:
            program, descriptors = received(caller)
        except (OSError, ValueError):
            caller.close()
            return None
        try:
            pid = os.fork()
        except OSError:
            close(descriptors)
            caller.close()
            return None
        if pid:
            close(descriptors)
            ended = os.pidfd_open(pid)
            self.callers[ended] = (pid, caller)
            self.poll.register(ended, select.POLLIN)
            return None
        os.setsid()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        self.leave()
        caller.close()
        return program

    def leave(self) -> None:
        """Close what is the server's, in the process of a program."""
        self.listener.close()
        for descriptor, (_pid, caller) in self.callers.items():
            os.close(descriptor)
            caller.close()
        self.callers.clear()


def status_of(end: SystemExit) -> int:
    """Return the status that a program asks for: as for Python a text is told, and is an error."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def ended(program: Program) -> int:
    """Run a program to its end, and return its status."""
    try:
        program.enter()
        program.run()
    except SystemExit as end:
        return status_of(end)
    except BaseException:  # noqa: BLE001 (whatever it is ends the program alone)
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def leave(status: int) -> NoReturn:
    """End this process without what takes most of the time of a small program.

    Python would take apart all that it has loaded, object by object, which makes a copy of each
    page that this process shares with the server. What programs rely on is done: threads are waited
    for, what they have registered is called, and their output is written.
    """
    vars(threading)["_shutdown"]()
    vars(atexit)["_run_exitfuncs"]()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        # Nobody takes it: Python's own status for that.
        status = 120
    os._exit(status)


def main(address: str) -> None:
    """Get ready, serve, and in the process of a program run that."""
    for name in COMMON:
        importlib.import_module(name)
    emulated_host_bytecode.remember()
    # What is there now stays: no process needs to look through it for rubbish.
    gc.freeze()
    leave(ended(Server(address).serve()))


if __name__ == "__main__":
    main(*(sys.argv[1:] or [ADDRESS]))
