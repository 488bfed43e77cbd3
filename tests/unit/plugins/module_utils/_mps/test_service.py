# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program as one file that runs by itself, and the unit that runs it."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import typing as t
import zipfile

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._mps import program
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.archive import (
    build_archive,
    describe_archive,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._mps.unit import (
    UNIT,
    is_ours,
    render_unit,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._notify import tell_systemd
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import C62X, PF
from ansible_collections.hwaccel.virt.tests.unit.plugins.mps_runs import add_card, set_sizes

if t.TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

RIGHT = f"{PF}: Max Payload Size 256, as it is to be\n"
# A daemon that starts a guest as soon as somebody listens.
LIBVIRT = """
    import time

    class libvirtError(Exception):
        pass

    VIR_CONNECT_LIST_DOMAINS_ACTIVE = 1
    VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_ID_REBOOT = 0, 1
    VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED = 15, 19
    registerErrorHandler = lambda handler, context: None
    virEventRegisterDefaultImpl = lambda: None
    virEventAddTimeout = lambda milliseconds, callback, opaque: 1
    virEventRunDefaultImpl = lambda: time.sleep(0.05)

    class Domain:
        name = lambda self: "one"

    class Connection:
        registerCloseCallback = lambda self, callback, opaque: None
        setKeepAlive = lambda self, seconds, count: 0
        isAlive = lambda self: 1
        listAllDomains = lambda self, flags: []

        def domainEventRegisterAny(self, domain, number, callback, opaque):
            if number == 0:
                callback(self, Domain(), 2, 0, opaque)

    open = lambda uri: Connection()
"""


def save(machine: Machine) -> None:
    document = {"version": 1, "devices": {PF: {"id": str(C62X.pf_id), "mps": 256}}}
    machine.write("var/lib/hwaccel/mps.json", json.dumps(document))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    path = tmp_path / "mps-watcher.pyz"
    path.write_bytes(build_archive())
    return path


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it in an interpreter that sees nothing of this collection, nor of this process."""
    return subprocess.run(
        [sys.executable, "-I", "-W", "error", *command],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
        env={},
    )


# -- the archive -----------------------------------------------------------------------------


def test_the_same_files_make_the_same_bytes() -> None:
    first = build_archive()
    assert first == build_archive()
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}


def test_the_files_that_the_watcher_needs_and_no_others() -> None:
    with zipfile.ZipFile(io.BytesIO(build_archive())) as archive:
        names = set(archive.namelist())
        packed = archive.read("hwaccel_virt/_mps/program.py")
    assert program.__file__ is not None
    with open(program.__file__, "rb") as file:
        assert packed == file.read()
    assert {name.split("/")[1] for name in names if name.count("/") > 1} == {
        "_mps",
        "_pci",
        "_vfio",
    }
    assert "hwaccel_virt/_module.py" not in names
    assert "hwaccel_virt/_mps/service.py" not in names
    assert len(names) < 30


def test_what_a_diff_shows_of_it() -> None:
    told = describe_archive(build_archive())
    assert told is not None
    lines = told.decode().splitlines()
    assert any(line.endswith(" hwaccel_virt/_mps/watch.py") for line in lines)
    assert all(len(line.split()[0]) == 64 for line in lines)
    assert describe_archive(None) is None
    broken = describe_archive(b"PK no zip")
    assert broken is not None
    assert broken.startswith(b"(no zip archive, sha256 ")


def test_it_runs_by_itself(machine: Machine, built: Path) -> None:
    add_card(machine)
    save(machine)
    done = run(built, "--once", "--root", machine.root)
    assert (done.returncode, done.stdout, done.stderr) == (0, RIGHT, "")


def test_every_file_of_it_can_be_imported(built: Path) -> None:
    with zipfile.ZipFile(built) as archive:
        names = [name[:-3].replace("/", ".") for name in archive.namelist() if "/" in name]
    names = [name.removesuffix(".__init__") for name in names]
    lines = [f"import sys; sys.path.insert(0, {str(built)!r})", *(f"import {n}" for n in names)]
    loaded = "print(sorted(n for n in sys.modules if n.startswith('ansible')))"
    done = run("-c", "\n".join([*lines, loaded]))
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_what_is_wrong_is_told_by_the_status(machine: Machine, built: Path) -> None:
    add_card(machine, mps=128)
    save(machine)
    done = run(built, "--once", "--root", machine.root)
    assert done.returncode == 1
    assert "driver c6xx has it" in done.stdout
    machine.bind(PF, "vfio-pci")
    done = run(built, "--once", "--root", machine.root)
    assert done.returncode == 1
    assert "devices are not written below" in done.stdout
    machine.write("var/lib/hwaccel/mps.json", "{")
    done = run(built, "--once", "--root", machine.root)
    assert done.returncode == 1
    assert "no record of payload sizes" in done.stdout


def test_version_and_help(built: Path) -> None:
    assert run(built, "--version").stdout.startswith("mps-watcher ")
    told = run(built, "--help").stdout
    assert "--once" in told
    assert "--root" not in told


def test_without_bindings(built: Path) -> None:
    script = (
        "import runpy, sys; sys.modules['libvirt'] = None; sys.argv = [sys.argv[1]]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = run("-c", script, built)
    assert done.returncode == 1
    assert done.stdout.startswith("<3>no libvirt bindings for Python")
    assert "install the package python3-libvirt" in done.stdout
    assert done.stderr == ""


# -- the service -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_service_from_start_to_end(
    machine: Machine, built: Path, tmp_path: Path, number: signal.Signals
) -> None:
    add_card(machine)
    save(machine)
    folder = tmp_path / "bindings"
    folder.mkdir()
    (folder / "libvirt.py").write_text(textwrap.dedent(LIBVIRT))
    place = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(place)
        systemd.settimeout(30)
        with subprocess.Popen(
            [sys.executable, "-W", "error", built, "--root", machine.root],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(folder), "NOTIFY_SOCKET": place},
        ) as service:
            assert systemd.recv(100) == b"READY=1"
            assert service.stdout is not None
            lines = [service.stdout.readline()]
            set_sizes(machine, mps=128)
            # The file is written in pieces, between which the card does not answer.
            told = (service.stdout.readline() for _line in range(9))
            lines.append(next(line for line in told if "not readable" not in line))
            service.send_signal(number)
            rest, errors = service.communicate(timeout=30)
    assert service.returncode == 0
    assert lines[0] == "<6>listening to libvirt at qemu:///system\n"
    assert lines[1].startswith(f"<4>{PF}: Max Payload Size is 128 and was 256; driver c6xx has it")
    assert (rest, errors) == ("<6>stopped\n", "")


def test_a_word_to_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not tell_systemd("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:2:1234")
    assert not tell_systemd("READY=1")
    abstract = f"hwaccel-{os.getpid()}"
    for place, address in ((str(tmp_path / "n"), str(tmp_path / "n")), (f"@{abstract}", "")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(address or f"\0{abstract}")
            monkeypatch.setenv("NOTIFY_SOCKET", place)
            assert tell_systemd("READY=1")
            assert systemd.recv(100) == b"READY=1"


# -- the unit --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interpreter", "command"),
    [
        ("/usr/bin/python3", "/usr/bin/python3"),
        ("/opt/my python/bin/python3", '"/opt/my python/bin/python3"'),
        ("/opt/100%/python3", "/opt/100%%/python3"),
        ('/opt/a"b/python3', '"/opt/a\\"b/python3"'),
    ],
)
def test_the_command_of_the_unit(interpreter: str, command: str) -> None:
    unit = render_unit(interpreter)
    assert is_ours(unit)
    line = f"\nExecStart={command} -I /usr/local/lib/hwaccel-virt/mps-watcher.pyz\n"
    assert line in unit.decode()


def test_the_unit_starts_no_daemon_of_libvirt() -> None:
    """Where both are installed, the one that is not to run would get in the way of the other."""
    lines = [line for line in render_unit("/bin/sh").decode().splitlines() if "libvirtd" in line]
    assert lines == ["After=libvirtd.service virtqemud.service"]


def test_the_unit_as_systemd_reads_it(tmp_path: Path) -> None:
    """Only what says something of this unit counts: the program is not installed here."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        return
    unit = render_unit("/bin/sh").decode()
    (tmp_path / UNIT).write_text(unit)
    done = subprocess.run(
        [tool, "verify", "--recursive-errors=no", str(tmp_path / UNIT)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    told = [line for line in done.stderr.splitlines() if UNIT in line]
    assert told == []
