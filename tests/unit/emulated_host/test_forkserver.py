# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program of the fork server is run as by a Python of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

FOLDER = (
    Path(__file__).resolve().parents[3]
    / "roles/emulated_host/files/image/usr/lib/python3/dist-packages"
)
START = """
import sys
sys.path.insert(0, sys.argv[1])
import emulated_host_bytecode
emulated_host_bytecode.FOLDER = sys.argv[2]
import emulated_host_forkserver
emulated_host_forkserver.main(sys.argv[3])
"""
LIMIT = 60.0


class Running:
    """A program that the server runs."""

    def __init__(self, address: Path, parts: t.Sequence[str], source: str) -> None:
        """Send a message, and the source at the program's standard input."""
        self.caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.caller.settimeout(LIMIT)
        self.caller.connect(str(address))
        read_in, write_in = os.pipe()
        self.out, write_out = os.pipe()
        self.err, write_err = os.pipe()
        message = "".join(f"{part}\0" for part in parts).encode()
        socket.send_fds(self.caller, [message], [read_in, write_out, write_err])
        for descriptor in (read_in, write_out, write_err):
            os.close(descriptor)
        with contextlib.suppress(BrokenPipeError):
            os.write(write_in, source.encode())
        os.close(write_in)

    def ended(self) -> tuple[int, str, str]:
        """Return the status as waitpid() tells it, and what was printed."""
        with os.fdopen(self.out) as out, os.fdopen(self.err) as err:
            texts = (out.read(), err.read())
        (status,) = struct.unpack("i", self.caller.recv(4))
        self.caller.close()
        return (status, *texts)


class Server(t.NamedTuple):
    """A server of these tests."""

    address: Path
    folder: Path
    kept: Path
    process: int = 0

    def start(self, source: str, *arguments: str, umask: int = 0o22, **environment: str) -> Running:
        """Start a program."""
        variables = [f"{name}={value}" for name, value in environment.items()]
        parts = [str(umask), str(self.folder), str(len(arguments)), *arguments, *variables]
        return Running(self.address, parts, source)

    def says(self, source: str, *arguments: str, umask: int = 0o22, **environment: str) -> str:
        """Return what a program prints that ends well."""
        status, out, err = self.start(source, *arguments, umask=umask, **environment).ended()
        assert (status, err) == (0, "")
        return out.strip()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Server]:
    folder = tmp_path_factory.mktemp("server").resolve()
    made = Server(folder / "python.sock", folder, folder / "kept")
    made.kept.mkdir()
    argv = [sys.executable, "-IB", "-c", START, str(FOLDER), str(made.kept), str(made.address)]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    end = time.monotonic() + LIMIT
    while not made.address.exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    yield made._replace(process=process.pid)
    process.kill()
    process.wait()


def test_it_is_for_one_user(server: Server) -> None:
    assert stat.S_IMODE(server.address.stat().st_mode) == 0o600


def test_a_program_from_standard_input(server: Server) -> None:
    said = server.says(
        "import sys; print(__name__, sys.argv, sys.modules['__main__'].__dict__ is globals())"
    )
    assert said == "__main__ [''] True"


def test_a_program_in_a_file(server: Server) -> None:
    path = server.folder / "program.py"
    path.write_text("import sys\nprint(__file__, sys.argv[1:], sys.path[0], sys.stdin.read())\n")
    said = server.says("words", str(path), "one", "")
    assert said == f"{path} ['one', ''] {server.folder} words"


def test_a_file_that_is_not_there(server: Server) -> None:
    status, out, err = server.start("", "/nonexistent.py").ended()
    assert (os.waitstatus_to_exitcode(status), out) == (1, "")
    assert "/nonexistent.py" in err


def test_the_circumstances_are_the_callers(server: Server) -> None:
    source = "import os; print(sorted(os.environ.items()), os.getcwd(), oct(os.umask(0)))"
    said = server.says(source, umask=0o27, ONE="1", TWO="a=b")
    assert said == f"[('ONE', '1'), ('TWO', 'a=b')] {server.folder} 0o27"
    assert server.says("import os; print(os.popen('echo $THREE').read())", THREE="3") == "3"


def test_nothing_of_the_server_is_open(server: Server) -> None:
    other = server.start("import time; time.sleep(0.5)")
    source = "import os; print(sorted(os.listdir('/proc/self/fd')))"
    # The fourth is the folder that is being listed.
    assert server.says(source) == "['0', '1', '2', '3']"
    assert other.ended() == (0, "", "")


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_status_comes_back(server: Server, code: int) -> None:
    status, *_said = server.start(f"import sys; sys.exit({code})").ended()
    assert os.waitstatus_to_exitcode(status) == code


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import sys; sys.exit('what is wrong')", (1, "", "what is wrong\n")),
        ("import sys; sys.exit(None)", (0, "", "")),
        ("import atexit; atexit.register(print, 'last')", (0, "last\n", "")),
        ("import threading as t; t.Timer(0.3, print, ['later']).start()", (0, "later\n", "")),
        ("import sys; sys.stdout.write('half a line')", (0, "half a line", "")),
    ],
)
def test_it_ends_as_python_does(server: Server, source: str, said: tuple[int, str, str]) -> None:
    status, out, err = server.start(source).ended()
    assert (os.waitstatus_to_exitcode(status), out, err) == said
    direct = subprocess.run(
        [sys.executable, "-c", source], check=False, capture_output=True, text=True, timeout=LIMIT
    )
    assert (direct.returncode, direct.stdout) == said[:2]


def test_output_that_nobody_takes_is_an_error(server: Server) -> None:
    pipe = "import os; read, write = os.pipe(); os.close(read); os.dup2(write, 1); print('lost')"
    status, out, _err = server.start(pipe).ended()
    assert (os.waitstatus_to_exitcode(status), out) == (120, "")


def test_an_error_is_a_traceback(server: Server) -> None:
    status, out, err = server.start("print('before')\nraise KeyError('why')\n").ended()
    assert (os.waitstatus_to_exitcode(status), out) == (1, "before\n")
    assert err.endswith("line 2, in <module>\nKeyError: 'why'\n")


def test_a_signal_comes_back(server: Server) -> None:
    status, *_said = server.start("import os; os.kill(os.getpid(), 9)").ended()
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def test_programs_know_nothing_of_each_other(server: Server) -> None:
    assert server.says("import sys; sys.modules['spoilt'] = sys; print(1)") == "1"
    assert server.says("import sys; print('spoilt' in sys.modules)") == "False"
    source = (
        "import random, uuid, tempfile; print(random.random(), uuid.uuid4(), tempfile.mktemp())"
    )
    one, two = server.says(source).split(), server.says(source).split()
    assert all(mine != other for mine, other in zip(one, two))


def test_programs_run_side_by_side(server: Server) -> None:
    slow = server.start("import sys, time; time.sleep(1.5); print('slow')")
    began = time.monotonic()
    assert server.says("print('quick')") == "quick"
    assert time.monotonic() - began < 1.4
    assert slow.ended() == (0, "slow\n", "")


def test_each_has_a_session_of_its_own(server: Server) -> None:
    said = server.says("import os; print(os.getsid(0) == os.getpid())")
    assert said == "True"


def test_nonsense_does_not_end_it(server: Server) -> None:
    for message in (b"", b"nonsense", b"\0\0\0", b"18\0/\0many\0"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
            caller.settimeout(LIMIT)
            caller.connect(str(server.address))
            caller.send(message)
            assert caller.recv(4) == b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
        caller.connect(str(server.address))
    assert server.says("print(1)") == "1"


def test_a_caller_without_descriptors_is_sent_away(server: Server) -> None:
    before = len(os.listdir(f"/proc/{server.process}/fd"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
        caller.connect(str(server.address))
        caller.send(b"\0".join((b"18", b"/", b"0", b"")))
        assert caller.recv(4) == b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
        caller.connect(str(server.address))
        socket.send_fds(caller, [b"nonsense"], [0, 1, 2])
        assert caller.recv(4) == b""
    assert len(os.listdir(f"/proc/{server.process}/fd")) <= before


def test_what_was_compiled_is_there_for_the_next(server: Server) -> None:
    archive = server.folder / "archive.zip"
    source = (
        "import sys, zipfile, emulated_host_bytecode as kept\n"
        f"with zipfile.ZipFile({str(archive)!r}, 'w') as file:\n"
        "    file.writestr('sample.py', 'answer = 42')\n"
        f"sys.path.insert(0, {str(archive)!r})\n"
        "before = len(kept.remembered)\n"
        "kept.load = lambda path: None\n"
        "kept.compile_source = (lambda *words: 1 / 0) if before else kept.compile_source\n"
        "import sample\n"
        "print(before, sample.answer)\n"
    )
    assert server.says(source) == "0 42"
    assert len(list(server.kept.iterdir())) == 1
    assert server.says(source) == "1 42"
