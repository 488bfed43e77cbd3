# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks of qat_package on a machine that really builds: the stand-in archive, sh and make."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import tarfile
import typing as t
from pathlib import Path

from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import RELEASE, RunningHost

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner, Result

CHECKOUT = Path(__file__).resolve().parents[3]
GENERATOR = CHECKOUT / "molecule/shared/files/qat_package/make_archive.py"
MODULE = "qat_package"
SOURCE, OTHER_SOURCE = "/usr/local/src/qat-a", "/usr/local/src/qat-b"
VERSION = "4.28.0-00004"
NAME = f"QAT.L.{VERSION}"
LOG, RECORD = "/var/log/hwaccel/qat-package.log", "/var/lib/hwaccel/qat_package.json"
BLACKLIST = "/etc/modprobe.d/hwaccel-qat-package.conf"
SIGNATURE = b"~Module signature appended~\n"
SIGN_FILE = f"/lib/modules/{RELEASE}/build/scripts/sign-file"


class MakeArchive(t.Protocol):
    """What makes the archive."""

    def __call__(self, version: str, fail: str = "none", modules: Sequence[str] = ()) -> bytes:
        """Return it."""


def load_generator() -> t.Any:
    """Return the program that makes the archive, as a module."""
    spec = importlib.util.spec_from_file_location("make_archive", GENERATOR)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildingHost(RunningHost):
    """A running host whose long commands really run below its root, and depmod with them.

    Attributes:
        long: the long commands that ran.
        started: seconds since the boot when qat_service was started, None for not.
        starts: whether an installation starts it where there is systemd.
    """

    def __init__(self, machine: Machine) -> None:
        """Run none yet, without systemd."""
        super().__init__(machine)
        self.long: list[tuple[str, ...]] = []
        self.started: int | None = None
        self.starts = True
        machine.write("proc/stat", "cpu 1 2\nbtime 1000000000\n")

    def have_systemd(self) -> None:
        """Have services, which an installation starts."""
        self.machine.at("run/systemd/system").mkdir(parents=True)

    def run_logged(self, command: Sequence[str], log: str, *, folder: str, seconds: float) -> None:
        """Run it, sure that it writes nothing outside of the root."""
        assert os.environ["ROOT"] == str(self.machine.root)
        self.long.append(tuple(command))
        super().run_logged(command, log, folder=folder, seconds=seconds)
        if (
            tuple(command[:2]) == ("make", "install")
            and self.exists("/run/systemd/system")
            and self.starts
        ):
            self.started = (self.started or 0) + 100

    def run(self, command: Sequence[str], *, seconds: float = 60.0) -> str:
        """Play depmod, sign-file and sync."""
        if command[0] in self.failing:
            return super().run(command, seconds=seconds)
        if command[:3] == ["systemctl", "show", "qat_service.service"]:
            if self.started is None:
                return "ActiveState=inactive\nActiveEnterTimestampMonotonic=0\n"
            return f"ActiveState=active\nActiveEnterTimestampMonotonic={self.started}000000\n"
        if command[0] == "depmod":
            self.depmod()
        elif command[0] == SIGN_FILE:
            path = self.machine.at(command[-1])
            path.write_bytes(path.read_bytes() + SIGNATURE)
        elif tuple(command[:-1]) == ("modprobe", "--remove"):
            shutil.rmtree(self.machine.at(f"sys/module/{command[-1]}"))
        elif command[0] != "sync":
            return super().run(command, seconds=seconds)
        self.commands.append(tuple(command))
        return ""

    def depmod(self) -> None:
        """List the modules of the running kernel."""
        folder = self.machine.at(f"lib/modules/{RELEASE}")
        paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.ko"))
        self.machine.write(
            f"lib/modules/{RELEASE}/modules.dep", "".join(f"{path}:\n" for path in paths)
        )


class PackageTasks:
    """Tasks of qat_package on a host, with archives unpacked there."""

    def __init__(
        self, machine: Machine, run_module: ModuleRunner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Have a host with the headers of its kernel, and no archive."""
        self.machine = machine
        self.host = BuildingHost(machine)
        self._run = run_module
        self.make_archive: MakeArchive = load_generator().make_archive
        programs = machine.root.parent / "programs"
        programs.mkdir()
        (programs / "uname").write_text(f"#!/bin/sh\necho {RELEASE}\n")
        (programs / "uname").chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        monkeypatch.setenv("ROOT", str(machine.root))
        machine.write(SIGN_FILE, "")

    def unpack(
        self,
        source: str = SOURCE,
        version: str = VERSION,
        fail: str = "none",
        modules: Sequence[str] = (),
    ) -> str:
        """Unpack an archive and return where."""
        content = self.make_archive(version, fail, modules)
        folder = self.machine.at(source)
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for entry in archive.getmembers():
                packed = archive.extractfile(entry)
                assert packed
                path = self.machine.write(f"{source}/{entry.name}", packed.read())
                path.chmod(entry.mode)
        return source

    def load(
        self, name: str, *, users: int = 0, holders: Sequence[str] = (), taint: str = ""
    ) -> None:
        """Have a module loaded, of the kernel's own tree unless its taint tells otherwise."""
        folder = f"sys/module/{name}"
        self.machine.write(f"{folder}/taint", f"{taint}\n")
        self.machine.write(f"{folder}/refcnt", f"{users + len(holders)}\n")
        for holder in holders:
            self.machine.write(f"{folder}/holders/{holder}", "")

    def secure(self) -> None:
        """Have Secure Boot on."""
        name = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
        self.machine.write(f"sys/firmware/efi/efivars/{name}", b"\x06\0\0\0\x01")

    def give_key(self) -> dict[str, t.Any]:
        """Have a key to sign with, and return the options that name it."""
        for name in ("key", "cert"):
            self.machine.write(f"/root/{name}", name)
        return {"signing_key": "/root/key", "signing_certificate": "/root/cert"}

    def __call__(self, *, check: bool = False, **options: t.Any) -> Result:
        """Run one; a dry run before it has to tell the same, and to change nothing."""
        options = self.options(options)
        before = self.machine.files()
        told = self._run(MODULE, options, check=True, running=self.host)
        assert self.machine.files() == before
        if check:
            return told
        self.forget()
        done = self._run(MODULE, options, running=self.host)
        if not done.get("failed"):
            only_built = {"modules": None, "findings": None}
            assert {**done, **only_built} == {**told, **only_built}
        return done

    def alone(self, **options: t.Any) -> Result:
        """Run one without a dry run before it."""
        return self._run(MODULE, self.options(options), running=self.host)

    def on_tree(self, *, check: bool = False, **options: t.Any) -> Result:
        """Run one on a tree that is not the running machine."""
        return self._run(MODULE, self.options(options), check=check)

    def failure(self, **options: t.Any) -> str:
        """Run one that has to fail, and return its message."""
        self.forget()
        result = self._run(MODULE, self.options(options), running=self.host)
        assert result.get("failed") is True
        return str(result["msg"])

    def forget(self) -> None:
        """Forget the commands that ran."""
        self.host.long.clear()
        self.host.commands.clear()

    @staticmethod
    def options(options: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return options with the source, unless they have another or say that there is none."""
        given = {"source": SOURCE, **options}
        return {name: value for name, value in given.items() if value is not None}

    def read(self, path: str) -> str:
        """Read a file, empty where there is none."""
        try:
            return self.host.recording.read_text(path) or ""
        except HostError:
            return ""
