# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the QEMU of an emulated host, and start it anew when the guest reboots.

QEMU runs with ``-no-reboot``: a fresh process after each reboot of the guest is
quicker under software emulation than a reset within one. The folder of a machine
holds ``machine.json`` (its description), ``disk.qcow2``, ``console.log`` (what the
guest says on its serial port), ``supervisor.log`` and ``supervisor.pid``.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import hashlib
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HANDSHAKE_LIMIT = 30.0
QUIT_LIMIT = 10.0
ANSWER_LIMIT = 30.0
# A guest that resets this often within the window is in a loop, not at work.
RESTARTS = 6
WINDOW = 120.0
EARLY = 3.0
# What Linux ends its last words with, and how it prints those of the image's userspace: what runs
# before is GRUB, Debian's kernel and its initramfs.
PANIC = b"---[ end Kernel panic"
USERSPACE = b" systemd[1]: "
KERNEL_PANIC = "kernel-panic"
BOOT_PANIC = "kernel-panic-in-boot"
# Under software emulation Debian's kernel panics once in some hundred boots, on its own and before
# its userspace runs. One that does so twice in a row does not by chance.
BOOT_PANICS = 2
FIRST_SLOT = 0x10
LAST_SLOT = 0x1E  # the chipset has the one above
FUNCTIONS = 8  # that a slot has room for
BLOCK = 4096  # of the image's file system
SSH_FAILED = 255
# In the machine's folder, where QEMU runs: the path of a socket has to be short.
CONTROL = "control.sock"
NAMESPACE_MIB = 64  # of a plain NVMe function, and none of it taken before it is written
# The kernel modules of all families, kept out where no driver is to load.
QAT_MODULES = (
    "qat_4xxx",
    "qat_4xxxvf",
    "qat_c3xxx",
    "qat_c3xxxvf",
    "qat_c62x",
    "qat_c62xvf",
    "qat_dh895xcc",
    "qat_dh895xccvf",
)
IOMMUS = {
    "intel": ["-device", "intel-iommu,intremap=on,caching-mode=on"],
    "amd": ["-device", "amd-iommu,intremap=on"],
    "none": [],
}
# Below those that Linux gives to connections (ip_local_port_range): one of them could take the port
# of a machine that reboots.
PORTS = range(20000, 32768)
VENDORS = {"intel": "GenuineIntel", "amd": "AuthenticAMD", "none": "GenuineIntel"}
# A processor with these has kernel and C library clear and copy with instructions that take a step
# for each byte where software executes them, and eight bytes a step without them. With la57 the
# page tables have a fifth level to look through: an eighth more of a boot's processor time.
SLOW_IN_SOFTWARE = ("erms", "fsrm", "la57")


class MachineError(Exception):
    """The machine cannot be run; the message is meant for the user."""


@dataclass(frozen=True)
class Family:
    """What the machine itself has to know of a QAT family."""

    vfs: int = 16
    # Stands on the root bus, without a port above.
    root_complex: bool = False
    # The vendor's driver makes as many VFs as it is asked for.
    counts: bool = False


FAMILIES = {
    "dh895xcc": Family(vfs=32),
    "c3xxx": Family(root_complex=True),
    "c62x": Family(),
    "4xxx": Family(counts=True),
}


@dataclass(frozen=True)
class PhysicalFunction:
    """One QAT PF of the machine."""

    family: str
    vfs: int
    isolated: bool = True

    @classmethod
    def of(cls, data: dict[str, Any]) -> PhysicalFunction:
        """Read one PF of machine.json."""
        family = str(data.get("family", "c62x"))
        vfs = int(data.get("vfs", FAMILIES[family].vfs))
        return cls(family, vfs, bool(data.get("isolated", True)))

    @property
    def root_complex(self) -> bool:
        """Whether it stands on the root bus, without a port above."""
        return FAMILIES[self.family].root_complex


@dataclass(frozen=True)
class Habits:
    """How the kernel modules inside behave from the start, each a parameter of theirs."""

    ignore_vf_count: bool = True
    refuse_zero: bool = False
    fail_probe: bool = False
    mps_erratum: bool = False


@dataclass(frozen=True)
class Machine:
    """The description of a machine, as in its machine.json."""

    name: str
    ssh_port: int
    memory_mib: int
    cpus: int
    pfs: tuple[PhysicalFunction, ...]
    accel: str = "tcg"
    disk_cache: str = "unsafe"
    iommu: str = "intel"
    drivers: str = "stand_in"
    habits: Habits = Habits()
    qemu: str = "qemu-system-x86_64"
    functions: tuple[str, ...] = ()
    extra: tuple[str, ...] = field(default=())

    @classmethod
    def load(cls, folder: Path) -> Machine:
        """Read machine.json; a fault in it names the file."""
        path = folder / "machine.json"
        try:
            data = json.loads(path.read_text())
            habits = {name: bool(value) for name, value in data.get("habits", {}).items()}
            machine = cls(
                name=str(data["name"]),
                ssh_port=int(data["ssh_port"]),
                memory_mib=int(data["memory_mib"]),
                cpus=int(data["cpus"]),
                pfs=tuple(PhysicalFunction.of(pf) for pf in data["pfs"]),
                accel=str(data.get("accel", "tcg")),
                disk_cache=str(data.get("disk_cache", "unsafe")),
                iommu=str(data.get("iommu", "intel")),
                drivers=str(data.get("drivers", "stand_in")),
                habits=Habits(**habits),
                qemu=str(data.get("qemu", "qemu-system-x86_64")),
                functions=tuple(str(kind) for kind in data.get("functions", ())),
                extra=tuple(str(word) for word in data.get("extra", ())),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MachineError(f"{path} cannot be read: {error!r}") from error
        slots(machine)
        plain_devices(machine, folder)
        return machine


def slots(machine: Machine) -> list[int]:
    """Return the slot on the root bus of each PF, or of the port above it.

    Ports go upwards from the first slot, and plain functions follow them. A function
    on the root bus needs as many slots as its VFs fill, as they follow it there: those
    go downwards from the last.
    """
    found = []
    ports = [index for index, pf in enumerate(machine.pfs) if not pf.root_complex]
    last = FIRST_SLOT + max(ports, default=-1)
    if machine.functions:
        last = plain_slot(machine, len(machine.functions) - 1)
    if last > LAST_SLOT:
        raise MachineError(f"there is no room on the root bus for {', '.join(machine.functions)}")
    below = LAST_SLOT + 1
    for index, pf in enumerate(machine.pfs):
        if not pf.root_complex:
            found.append(FIRST_SLOT + index)
            continue
        if not pf.isolated:
            raise MachineError(f"{pf.family} has no port above it: it cannot share a group")
        if machine.iommu == "amd":
            # And QEMU's tables for it name no function that is not there from the start.
            raise MachineError(f"{pf.family} is a part of Intel's processor: not in an AMD machine")
        below -= -(-(pf.vfs + 1) // FUNCTIONS)
        if below <= last:
            raise MachineError(f"there is no room on the root bus for {pf.vfs} VFs of {pf.family}")
        found.append(below)
    return found


def plain_slot(machine: Machine, index: int) -> int:
    """Return the slot of a plain function: after those of all PFs, whose addresses stay."""
    return FIRST_SLOT + len(machine.pfs) + index


def modprobe_options(machine: Machine) -> str:
    """Return the modprobe.d text that tells the kernel modules inside what they play."""
    named = zip(slots(machine), machine.pfs, strict=True)
    ports = ",".join(f"0000:00:{slot:02x}.0/{pf.family}" for slot, pf in named)
    habits = machine.habits
    lines = []
    if ports:
        erratum = " mps_erratum=Y" if habits.mps_erratum else ""
        lines.append(f"options qat_emulation ports={ports}{erratum}")
    if "nvme" not in machine.functions:
        # The PFs are such functions in another dress: nothing may use them as disks.
        lines.append("blacklist nvme")
    if machine.drivers == "none":
        lines += [f"blacklist {module}" for module in QAT_MODULES]
    elif machine.drivers != "in_tree":
        for family in sorted({pf.family for pf in machine.pfs}):
            counts = machine.drivers == "out_of_tree" and FAMILIES[family].counts
            lines.append(
                f"options qat_{family}"
                f" ignore_vf_count={'Y' if habits.ignore_vf_count and not counts else 'N'}"
                f" refuse_zero={'Y' if habits.refuse_zero else 'N'}"
                f" fail_probe={'Y' if habits.fail_probe else 'N'}"
            )
    return "\n".join(lines) + "\n"


def escaped(text: object) -> str:
    """Return a value as QEMU's option syntax wants it."""
    return str(text).replace(",", ",,")


def credential(name: str, text: str) -> list[str]:
    """Hand a systemd credential to the guest through its SMBIOS tables."""
    value = base64.b64encode(text.encode()).decode()
    return ["-smbios", f"type=11,value=io.systemd.credential.binary:{name}={value}"]


def nvme_device(index: int, pf: PhysicalFunction, slot: int) -> dict[str, str | int]:
    """Return the properties of the device that plays a PF."""
    place = (
        {"bus": "pcie.0", "addr": f"{slot:#x}.0"} if pf.root_complex else {"bus": f"port{index}"}
    )
    return {
        "driver": "nvme",
        "id": f"pf{index}",
        **place,
        "serial": f"emulated-{index}",
        "subsys": f"subsys{index}",
        # What QEMU's NVMe model wants: two queues and one interrupt a VF, and some of its own.
        "sriov_max_vfs": pf.vfs,
        "sriov_vq_flexible": 2 * pf.vfs,
        "sriov_vi_flexible": pf.vfs,
        "max_ioqpairs": 2 * pf.vfs + 2,
        "msix_qsize": pf.vfs + 1,
    }


def function_devices(index: int, pf: PhysicalFunction, slot: int) -> list[str]:
    """Return the devices that one PF is made of."""
    argv = ["-device", f"nvme-subsys,id=subsys{index},nqn=emulated-{index}"]
    words = [f"{name}={value}" for name, value in nvme_device(index, pf, slot).items()]
    function = ["-device", ",".join(words).removeprefix("driver=")]
    if pf.root_complex:
        return argv + function
    port = root_port(f"port{index}", slot, index + 1)
    # Without access control services nothing keeps what is below apart: one group for all.
    port[-1] += "" if pf.isolated else ",disable-acs=on"
    return [*argv, *port, *function]


def root_port(name: str, slot: int, chassis: int) -> list[str]:
    """Return a root port; no two have the same number of a chassis."""
    place = f"bus=pcie.0,addr={slot:#x}.0,chassis={chassis}"
    return ["-device", f"pcie-root-port,id={name},{place}"]


def nic(index: int, _folder: Path) -> list[str]:
    """Return a network card; nobody is at the other end of its cable."""
    card = f"e1000e,id=nic{index},netdev=nowhere{index},bus=plain{index},romfile="
    return ["-netdev", f"hubport,id=nowhere{index},hubid={index}", "-device", card]


def namespace(folder: Path, index: int) -> Path:
    """Return the file behind the namespace of a plain NVMe function."""
    return folder / f"nvme{index}.raw"


def nvme(index: int, folder: Path) -> list[str]:
    """Return an NVMe disk with one namespace."""
    file = f"format=raw,file={escaped(namespace(folder, index))}"
    disk = f"nvme,id=disk{index},serial=plain-{index},drive=namespace{index},bus=plain{index}"
    return ["-drive", f"id=namespace{index},if=none,{file}", "-device", disk]


def gpu(index: int, _folder: Path) -> list[str]:
    """Return a card of two functions that nothing keeps apart: a display, and its sound."""
    slot = f"bus=plain{index},multifunction=on"
    argv = ["-device", f"bochs-display,id=gpu{index},{slot},addr=0x0.0"]
    argv += ["-device", f"ich9-intel-hda,id=sound{index},{slot},addr=0x0.1"]
    # Without a codec there is no sound card: the driver is bound, and that is all.
    codec = f"hda-output,bus=sound{index}.0,audiodev=silence{index}"
    return [*argv, "-audiodev", f"none,id=silence{index}", "-device", codec]


# What stands below a root port of its own. A display that the machine boots with does not.
CARDS = {"nic": nic, "nvme": nvme, "gpu": gpu}
DISPLAY = "display"


def plain_devices(machine: Machine, folder: Path) -> list[str]:
    """Return the devices of the plain functions."""
    argv = []
    if machine.functions.count(DISPLAY) > 1:
        raise MachineError("a machine boots with one display: the others are gpu")
    for index, kind in enumerate(machine.functions):
        slot = plain_slot(machine, index)
        if kind == DISPLAY:
            argv += ["-device", f"VGA,id=display,bus=pcie.0,addr={slot:#x}.0"]
        elif kind in CARDS:
            argv += root_port(f"plain{index}", slot, len(machine.pfs) + index + 1)
            argv += CARDS[kind](index, folder)
        else:
            raise MachineError(f"{kind} is no plain function: {', '.join((*CARDS, DISPLAY))} are")
    return argv


def make_namespaces(machine: Machine, folder: Path) -> None:
    """Make the files of the plain NVMe functions that are not there yet."""
    for index, kind in enumerate(machine.functions):
        if kind == "nvme":
            with namespace(folder, index).open("ab") as file:
                if not file.tell():
                    file.truncate(NAMESPACE_MIB << 20)


def qemu_argv(machine: Machine, folder: Path, qmp_fd: int) -> list[str]:
    """Return the QEMU command of a machine."""
    emulated = ["max", f"vendor={VENDORS[machine.iommu]}"]
    emulated += [f"{feature}=off" for feature in SLOW_IN_SOFTWARE]
    cpu = "host" if machine.accel == "kvm" else ",".join(emulated)
    argv = [machine.qemu, "-name", escaped(machine.name), "-nodefaults", "-no-user-config"]
    argv += ["-display", "none", "-no-reboot"]
    argv += ["-machine", "q35,kernel-irqchip=split", "-accel", machine.accel, "-cpu", cpu]
    argv += ["-smp", str(machine.cpus), "-m", str(machine.memory_mib)]
    argv += IOMMUS[machine.iommu]
    argv += ["-chardev", f"socket,id=qmp,fd={qmp_fd}", "-mon", "chardev=qmp,mode=control"]
    argv += ["-chardev", f"socket,id=control,path={CONTROL},server=on,wait=off"]
    argv += ["-mon", "chardev=control,mode=control"]
    argv += ["-chardev", f"file,id=console,append=on,path={escaped(folder / 'console.log')}"]
    argv += ["-serial", "chardev:console"]
    disk = f"id=disk,if=none,format=qcow2,cache={machine.disk_cache}"
    argv += ["-drive", f"{disk},file={escaped(folder / 'disk.qcow2')}"]
    argv += ["-device", "virtio-blk-pci,drive=disk,bootindex=0"]
    net = f"user,id=net,hostfwd=tcp:127.0.0.1:{machine.ssh_port}-:22"
    argv += ["-netdev", net, "-device", "virtio-net-pci,netdev=net,romfile="]
    argv += ["-device", "virtio-rng-pci"]
    argv += credential("system.hostname", machine.name)
    if machine.pfs:
        argv += credential("emulated-host.modprobe", modprobe_options(machine))
        # Where no driver is to load, not even the real ones may be tried.
        variant = "in_tree" if machine.drivers == "none" else machine.drivers
        argv += credential("emulated-host.drivers", variant)
    for index, (pf, slot) in enumerate(zip(machine.pfs, slots(machine), strict=True)):
        argv += function_devices(index, pf, slot)
    return [*argv, *plain_devices(machine, folder), *machine.extra]


# --- the supervisor ------------------------------------------------------------


class Qmp:
    """QEMU's control channel, over a socket that both ends were born with."""

    def __init__(self, channel: socket.socket) -> None:
        """Talk over a connected socket."""
        self._channel = channel
        self._buffer = b""
        self.closed = False
        self.spoke = False
        self.reason = ""

    def fileno(self) -> int:
        """Make the object fit for select."""
        return self._channel.fileno()

    def send(self, command: str) -> None:
        """Send a command without arguments; a QEMU that is gone is not a fault here."""
        with contextlib.suppress(OSError):
            self._channel.sendall(json.dumps({"execute": command}).encode() + b"\n")

    def listen(self) -> None:
        """Take in what QEMU has said, without waiting for more."""
        try:
            data = self._channel.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self.closed = not data
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        if "QMP" in message:
            self.spoke = True
            self.send("qmp_capabilities")
        elif message.get("event") == "SHUTDOWN":
            self.reason = str(message.get("data", {}).get("reason", ""))


class Console:
    """What the guest says on its serial port, from now on."""

    def __init__(self, path: Path) -> None:
        """Follow this file, which may have the words of earlier boots and may not be there yet."""
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._end = b""
        self._booted = False

    def panic(self) -> str:
        """Take in what was said since the last look; return the reason to end QEMU, or nothing."""
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._position)
            new = file.read()
            self._position += len(new)
            said = self._end + new
            # A word may come in two parts.
            self._end = said[-len(PANIC) :]
            self._booted |= USERSPACE in said
            if PANIC in said:
                return KERNEL_PANIC if self._booted else BOOT_PANIC
        return ""


@dataclass(frozen=True)
class Ending:
    """How a QEMU ended: the reason it gave, its exit code, how long it lived."""

    reason: str
    code: int
    seconds: float
    spoke: bool


def next_step(ending: Ending, restarts: Sequence[float], panics: int, now: float) -> str:
    """Return ``restart`` or ``end``; raise MachineError where to go on makes no sense.

    ``panics`` is how many boots in a row ended in a panic before userspace ran, with this one.
    """
    if not ending.spoke:
        raise MachineError(f"QEMU ended at once with exit code {ending.code}")
    if ending.reason == "guest-reset":
        if len([moment for moment in restarts if now - moment < WINDOW]) >= RESTARTS:
            raise MachineError(f"it does not boot: {RESTARTS} resets within {WINDOW:.0f} s")
        return "restart"
    if ending.reason == BOOT_PANIC and panics < BOOT_PANICS:
        return "restart"
    if ending.reason in (BOOT_PANIC, KERNEL_PANIC):
        raise MachineError(
            "the kernel of the emulated host panicked: console.log has its last words"
        )
    if ending.reason in ("guest-shutdown", "host-qmp-quit", "host-signal"):
        return "end"
    why = ending.reason or "no reason given"
    raise MachineError(f"QEMU ended with exit code {ending.code} ({why})")


class Runner:
    """Runs what a folder describes until it is over or someone asks for the end."""

    def __init__(self, folder: Path, ready: Callable[[], None]) -> None:
        """Work in this folder; ``ready`` is called once what runs is up."""
        self.folder = folder
        self._ready = ready
        self._stopping = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def run(self) -> None:
        """Run it to its end."""
        raise NotImplementedError

    def log(self, text: str) -> None:
        """Add a line to supervisor.log."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        with (self.folder / "supervisor.log").open("a") as file:
            file.write(f"{stamp} {text}\n")

    def stop(self, *_unused: object) -> None:
        """Ask for the end; fit for a signal handler."""
        self._stopping = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")


class Supervisor(Runner):
    """Runs one machine until the guest powers off or someone asks for the end."""

    def __init__(self, folder: Path, ready: Callable[[], None]) -> None:
        """Read the description in the folder; ``ready`` is called once QEMU has settled."""
        super().__init__(folder, ready)
        self.machine = Machine.load(folder)

    def run(self) -> None:
        """Run QEMU again and again until it is over."""
        restarts: list[float] = []
        panics = 0
        while True:
            ending = self._once()
            why = ending.reason or "no reason given"
            self.log(f"QEMU ended after {ending.seconds:.0f} s, exit code {ending.code} ({why})")
            panics = panics + 1 if ending.reason == BOOT_PANIC else 0
            if self._stopping or next_step(ending, restarts, panics, time.monotonic()) == "end":
                return
            restarts = [*restarts[-RESTARTS:], time.monotonic()]

    def _spawn(self, inner: socket.socket) -> subprocess.Popen[bytes]:
        argv = qemu_argv(self.machine, self.folder, inner.fileno())
        if not shutil.which(argv[0]):
            raise MachineError(f"{argv[0]} cannot be started: there is no such program")
        make_namespaces(self.machine, self.folder)
        with (self.folder / "qemu.log").open("ab") as log:
            try:
                process = subprocess.Popen(
                    # The kernel ends QEMU with its supervisor, however that one ends.
                    ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(inner.fileno(),),
                    cwd=self.folder,
                )
            except OSError as error:
                raise MachineError(f"setpriv cannot be started: {error}") from error
        (self.folder / "qemu.pid").write_text(f"{process.pid}\n")
        self.log(f"QEMU started, pid {process.pid}")
        return process

    def _once(self) -> Ending:
        outer, inner = socket.socketpair()
        with outer, inner:
            outer.settimeout(0)
            began = time.monotonic()
            console = Console(self.folder / "console.log")
            process = self._spawn(inner)
            inner.close()
            try:
                reason, spoke = self._follow(process, Qmp(outer), console, began)
            finally:
                code = reap(process)
                (self.folder / "qemu.pid").unlink(missing_ok=True)
        return Ending(reason, code, time.monotonic() - began, spoke)

    def _follow(
        self, process: subprocess.Popen[bytes], qmp: Qmp, console: Console, began: float
    ) -> tuple[str, bool]:
        """Follow one QEMU to its end; return the reason for it and whether QEMU ever spoke."""
        told, asked_at = False, 0.0
        while not qmp.closed:
            now = time.monotonic()
            if self._stopping and not asked_at:
                asked_at = now
                qmp.send("quit")
            late = asked_at and now - asked_at > QUIT_LIMIT
            if late or (not qmp.spoke and now - began > HANDSHAKE_LIMIT):
                self.log("QEMU does not answer: ending it")
                return qmp.reason, qmp.spoke
            if qmp.spoke and not told and now - began > EARLY:
                told = True
                self._ready()
            if panic := console.panic():
                return panic, qmp.spoke
            self._listen(qmp)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(QUIT_LIMIT)
        return qmp.reason, qmp.spoke

    def _listen(self, qmp: Qmp) -> None:
        """Wait for a second at most, and take in what QEMU or a signal has to say."""
        readable, _also, _unused = select.select([qmp.fileno(), self._wake_read], [], [], 1.0)
        if self._wake_read in readable:
            os.read(self._wake_read, 64)
        if qmp.fileno() in readable:
            qmp.listen()


def reap(process: subprocess.Popen[bytes]) -> int:
    """Make sure that a process is over and return its exit code."""
    if process.poll() is None:
        process.kill()
    return process.wait(QUIT_LIMIT)


# --- commands --------------------------------------------------------------------


def held(folder: Path) -> int | None:
    """Return the pid of the supervisor of this folder, or None when none runs.

    The lock, not the number in the file, says that it runs: numbers are used again.
    """
    try:
        with (folder / "supervisor.pid").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read().strip() or 0) or None
    except FileNotFoundError:
        pass
    return None


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, with our pid in the file."""
    with (folder / "supervisor.pid").open("a+") as file:
        for _unused in range(20):
            # Whoever asks whether we run holds the lock for a moment.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.1)
        else:
            raise MachineError(f"{folder} already has a supervisor")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
        (folder / "supervisor.pid").unlink(missing_ok=True)


def supervise(
    folder: Path,
    tell: Callable[[str], None],
    make: Callable[[Path, Callable[[], None]], Runner] = Supervisor,
    log: str = "qemu.log",
) -> None:
    """Run the machine of a folder in this process; tell ``ok`` or what went wrong.

    ``make`` makes what runs it from the folder and from what is called once it is up,
    and ``log`` is the file whose end says why it is not.
    """
    try:
        with holding(folder):
            runner = make(folder, lambda: tell("ok"))
            signal.signal(signal.SIGTERM, runner.stop)
            signal.signal(signal.SIGINT, runner.stop)
            # nohup(1) has it ignored, and unshare(1) has to end by it when a container reboots.
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            try:
                runner.run()
            except MachineError as error:
                runner.log(str(error))
                raise
    except (MachineError, OSError) as error:
        tell(f"{error}{last_lines(folder / log)}")
    else:
        tell("it ended before it was up")


def last_lines(path: Path, count: int = 5) -> str:
    """Return the last lines of a file, each on a line of its own, or nothing."""
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return "".join(f"\n{line}" for line in lines[-count:])


class Teller:
    """Says one thing through a pipe, once: later words find the descriptor given to another."""

    def __init__(self, descriptor: int) -> None:
        """Take over the writing end of a pipe."""
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def __call__(self, text: str) -> None:
        """Say it, unless something was said before or nobody listens."""
        if not self._file.closed:
            with contextlib.suppress(OSError):
                self._file.write(text.encode())
            self._file.close()


def start(
    folder: Path, limit: float, run: Callable[[Path, Callable[[str], None]], None] = supervise
) -> bool:
    """Start a supervisor in the background, anew where the description has changed.

    Returns False when one runs already, with the description of today. ``run`` is what
    it does; it tells ``ok`` or what went wrong.
    """
    wanted = (folder / "machine.json").read_text()
    running = folder / "running.json"
    if held(folder):
        if running.exists() and running.read_text() == wanted:
            return False
        stop(folder, limit)
    running.write_text(wanted)
    (folder / "qemu.log").unlink(missing_ok=True)
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.close(read_end)
        daemonize()

        try:
            run(folder, Teller(write_end))
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb", buffering=0) as pipe:
        readable, _also, _unused = select.select([pipe], [], [], limit)
        answer = "it takes too long"
        if readable:
            answer = pipe.read(4096).decode(errors="replace")
    if answer != "ok":
        raise MachineError(f"the emulated host did not start: {answer or 'its supervisor died'}")
    return True


def daemonize() -> None:
    """Leave the terminal and the session of whoever started us."""
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    os.chdir("/")


def stop(folder: Path, limit: float) -> bool:
    """End the supervisor of a folder and its QEMU; return False when none runs."""
    pid = held(folder)
    if pid is None:
        return False
    for sign, patience in ((signal.SIGTERM, limit), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if held(folder) != pid:
                return True
            time.sleep(0.1)
    raise MachineError(f"the supervisor of {folder}, pid {pid}, does not end")


def ask(folder: Path, command: str, arguments: dict[str, Any], event: str, limit: float) -> None:
    """Have QEMU do something, and wait for the event that says so, if there is one."""
    os.chdir(folder)
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(limit)
        try:
            channel.connect(CONTROL)
        except OSError as error:
            raise MachineError(f"the machine of {folder} does not run") from error
        with channel.makefile("rwb") as stream:
            for request in (
                {"execute": "qmp_capabilities"},
                {"execute": command, "arguments": arguments},
            ):
                stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
            answers = 0
            for line in stream:
                message = json.loads(line)
                if "error" in message:
                    raise MachineError(message["error"]["desc"])
                answers += "return" in message
                happened = message.get("event"), message.get("data", {}).get("device")
                # The first answer is that to the greeting.
                if answers > 1 and (not event or happened == (event, arguments["id"])):
                    return
    raise MachineError(f"QEMU ended without an answer to {command}")


def unplug(folder: Path, index: int, limit: float) -> bool:
    """Pull the nth PF out of the running machine; return False when it is out already.

    The guest has to let go of it first: a VF that is held through VFIO delays that.
    """
    function(folder, index)
    try:
        ask(folder, "device_del", {"id": f"pf{index}"}, "DEVICE_DELETED", limit)
    except TimeoutError as error:
        raise MachineError(f"the guest did not let go of PF {index} in {limit:.0f} s") from error
    except MachineError as error:
        if "not found" not in str(error):
            raise
        return False
    return True


def plug(folder: Path, index: int, limit: float) -> bool:
    """Put the nth PF back into the running machine; return False when it is in already."""
    try:
        ask(folder, "device_add", function(folder, index), "", limit)
    except MachineError as error:
        if "uplicate" not in str(error):
            raise
        return False
    return True


def function(folder: Path, index: int) -> dict[str, str | int]:
    """Return the device of the nth PF, which has to be one that can be pulled out."""
    machine = Machine.load(folder)
    if not 0 <= index < len(machine.pfs):
        raise MachineError(f"the machine has no PF {index}, it counts from 0")
    pf = machine.pfs[index]
    if pf.root_complex:
        raise MachineError(f"{pf.family} is no card: write to remove and rescan in its sysfs")
    return nvme_device(index, pf, slots(machine)[index])


def quiet(
    argv: Sequence[str], limit: float, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it prints."""
    return subprocess.run(
        argv,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )


def ssh(folder: Path, name: str, *command: str, limit: float) -> subprocess.CompletedProcess[str]:
    """Run a command in the machine."""
    argv = [
        "ssh",
        "-F",
        str(folder / "ssh_config"),
        "-o",
        "ConnectTimeout=5",
        "-o",
        "BatchMode=yes",
    ]
    argv += [name, *command]
    try:
        return quiet(argv, limit)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, SSH_FAILED, "", "no answer")


def wait(folder: Path, limit: float, name: str = "") -> str:
    """Wait until the machine has booted to the end; return what systemd says of it."""
    name = name or Machine.load(folder).name
    end = time.monotonic() + limit
    said = ""
    while (left := end - time.monotonic()) > 0:
        if held(folder) is None:
            said = last_lines(folder / "supervisor.log", 3)
            raise MachineError(f"the emulated host ended while it booted{said}")
        # One question has a limit: it may fall into a reboot, and then nobody answers it. Under
        # software emulation each login costs a second, so that there is to be one.
        question = ("systemctl", "is-system-running", "--wait")
        done = ssh(folder, name, *question, limit=min(left, ANSWER_LIMIT))
        said = done.stdout.strip() or done.stderr.strip()
        if done.stdout.strip() == "running":
            return "running"
        if done.stdout.strip() == "degraded":
            units = ("systemctl", "--failed", "--plain", "--no-legend")
            failed = ssh(folder, name, *units, limit=20.0).stdout.strip()
            raise MachineError(f"the emulated host booted, but units of it failed:\n{failed}")
        if done.returncode == SSH_FAILED and "verification failed" in done.stderr:
            raise MachineError(f"another SSH server answers on this port: {said}")
        time.sleep(0.5)
    raise MachineError(
        f"the emulated host was not up within {limit:.0f} s ({said}); the last it said:"
        f"{last_lines(folder / 'console.log', 10)}"
    )


def pad(text: str) -> bytes:
    """Fill a text up with empty lines to exactly one block of the file system."""
    data = text.encode()
    if len(data) > BLOCK:
        raise MachineError(
            f"{len(data)} bytes of boot loader configuration do not fit into {BLOCK}"
        )
    return data.ljust(BLOCK, b"\n")


def default_grub(arguments: str) -> str:
    """Return /etc/default/grub with these kernel arguments."""
    return (
        "# Made by the emulated host of hwaccel.virt. Run update-grub after a change.\n"
        "GRUB_DEFAULT=0\n"
        "GRUB_TIMEOUT=0\n"
        "GRUB_DISTRIBUTOR=Debian\n"
        'GRUB_CMDLINE_LINUX_DEFAULT=""\n'
        f'GRUB_CMDLINE_LINUX="{arguments}"\n'
        "GRUB_TERMINAL=serial\n"
        'GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"\n'
        "GRUB_DISABLE_OS_PROBER=true\n"
        "GRUB_DISABLE_RECOVERY=true\n"
    )


def first_grub_cfg(kernel: str, root: str, arguments: str) -> str:
    """Return the grub.cfg of the first boot; update-grub in the machine replaces it."""
    return (
        "# Of the first boot. Run update-grub to make this file from /etc/default/grub.\n"
        "set default=0\n"
        "set timeout=0\n"
        "serial --unit=0 --speed=115200\n"
        "terminal_input serial\n"
        "terminal_output serial\n"
        "menuentry 'Debian GNU/Linux' {\n"
        f"  search --no-floppy --fs-uuid --set=root {root}\n"
        f"  linux /boot/vmlinuz-{kernel} root=UUID={root} ro {arguments}\n"
        f"  initrd /boot/initrd.img-{kernel}\n"
        "}\n"
    )


def prepare(folder: Path, image: Path, *, name: str, port: int, arguments: str) -> None:
    """Make the disk of a new machine: an overlay of the image, with these kernel arguments.

    The two files with kernel arguments take one block of the disk each, whose place
    the image tells: they are written without mounting anything.
    """
    manifest = json.loads((image / "image.json").read_text())
    kernel, root = manifest["kernel"], manifest["root_uuid"]
    # On a busy machine the kernel's check of its timer fails now and then under software
    # emulation, and it gives up at once: "timer doesn't work through Interrupt-remapped IO-APIC".
    # And code that was translated for one process serves the next one only where it stands at the
    # same address.
    arguments = f"console=ttyS0 no_timer_check norandmaps {arguments}".strip()
    disk = folder / "disk.qcow2"
    disk.unlink(missing_ok=True)
    below = str(image / "disk.qcow2")
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below, str(disk))
    texts = {
        "etc/default/grub": default_grub(arguments),
        "boot/grub/grub.cfg": first_grub_cfg(kernel, root, arguments),
    }
    for path, text in texts.items():
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(pad(text))
            file.flush()
            # qemu-io splits its command at blanks: give it a name without any.
            source, offset = Path(file.name).name, manifest["blocks"][path]
            command = f"write -q -s {source} {offset} {BLOCK}"
            tool("qemu-io", "-f", "qcow2", "-c", command, "disk.qcow2", cwd=folder)
    introduce(folder, image, name=name, port=port, arguments=arguments)


def introduce(folder: Path, image: Path, *, name: str, port: int, **created: object) -> None:
    """Leave with a new machine how to reach it, and what it was made with."""
    host_key = (image / "host_key.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"{name} {' '.join(host_key)}\n")
    key = folder / "id_ed25519"
    key.unlink(missing_ok=True)
    key.touch(mode=0o600)
    key.write_bytes((image / "id_ed25519").read_bytes())
    register(image, folder)
    facts = {"image": image.name, "ssh_port": port or free_port(), **created}
    (folder / "created.json").write_text(json.dumps(facts) + "\n")


def register(image: Path, folder: Path) -> None:
    """Leave a link to the machine with its image, which is then kept for it."""
    machines = image / "machines"
    machines.mkdir(exist_ok=True)
    link = machines / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    link.unlink(missing_ok=True)
    link.symlink_to(folder)


def tool(*argv: str, cwd: Path | None = None) -> None:
    """Run a tool; a failure gives its own words."""
    done = quiet(argv, 60.0, cwd)
    # qemu-io says what is wrong and still ends with 0.
    if done.returncode or "error" in done.stdout.lower():
        raise MachineError(f"{argv[0]} failed: {(done.stderr + done.stdout).strip()}")


def missing(tools: Sequence[str]) -> list[str]:
    """Return those of the tools that are not there, but for what root does not need."""
    needed = [name for name in tools if name != "newuidmap" or os.geteuid()]
    return [name for name in needed if not shutil.which(name)]


def free_port() -> int:
    """Return a loopback TCP port that nobody has."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise MachineError("no loopback TCP port was found that is free; set emulated_host_ssh_port")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, seconds in (("run", 0), ("start", 60), ("stop", 30), ("wait", 300), ("status", 0)):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        if seconds:
            command.add_argument("--timeout", type=float, default=seconds)
    for name in ("unplug", "plug"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        command.add_argument("index", type=int, help="which PF, from 0")
        command.add_argument("--timeout", type=float, default=60)
    command = commands.add_parser("prepare")
    command.add_argument("folder", type=Path)
    command.add_argument("--image", type=Path, required=True)
    command.add_argument("--name", required=True)
    command.add_argument("--port", type=int, default=0)
    command.add_argument("--arguments", default="")
    command = commands.add_parser("missing")
    command.add_argument("tool", nargs="+")
    return parser.parse_args(argv)


def main() -> int:
    """Do what the command line asks for, and say in one word what was done."""
    options = parse()
    try:
        if options.command == "missing":
            print("\n".join(missing(options.tool)))
            return 0
        folder = options.folder.resolve()
        if options.command == "prepare":
            chosen = {"name": options.name, "arguments": options.arguments}
            prepare(folder, options.image, port=options.port, **chosen)
        elif options.command == "start":
            print("started" if start(folder, options.timeout) else "unchanged")
        elif options.command == "stop":
            print("stopped" if stop(folder, options.timeout) else "unchanged")
        elif options.command == "wait":
            print(wait(folder, options.timeout))
        elif options.command in ("unplug", "plug"):
            act = unplug if options.command == "unplug" else plug
            done = act(folder, options.index, options.timeout)
            print(f"{options.command}ged" if done else "unchanged")
        elif options.command == "status":
            print("running" if held(folder) else "stopped")
        else:
            supervise(folder, lambda text: print(text, flush=True))
    except (MachineError, OSError) as error:
        print(f"supervisor.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
