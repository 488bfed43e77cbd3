# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run an emulated host that needs no kernel of its own: systemd in namespaces.

Mounts, processes, host name and System V IPC are the container's own; network, clock
and kernel are those of this machine. All mounts are made inside the namespaces and go
with the last process. All processes are in one control group, and end with it.

The folder of a container holds ``machine.json`` (its description), ``image`` (a link to
the tree it stands on), ``upper`` (what was written since), ``console.log`` and
``supervisor.log``, and while it runs ``supervisor.pid`` and ``init.pid``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ansible_collections.hwaccel.virt.roles.emulated_host.files import supervisor
else:
    import supervisor

MachineError = supervisor.MachineError

SCRIPT = Path(__file__).resolve()
TOOLS = ("unshare", "nsenter", "setpriv", "mount", "pivot_root")
# systemd(1), SIGNALS: halt, power off and reboot start at SIGRTMIN+3.
POWER_OFF = signal.SIGRTMIN + 4
POWER_OFF_LIMIT = 20.0
KILL_LIMIT = 10.0
# The kernel ends the first process of a namespace so when it asks for a reboot, reboot(2).
REBOOTED = -signal.SIGHUP
POWERED_OFF = -signal.SIGINT
# Not of a namespace: the clock, the modules, the network, the log and the ports of this machine.
CAPABILITIES_TAKEN = (
    "audit_control",
    "audit_read",
    "mac_admin",
    "mac_override",
    "net_admin",
    "sys_module",
    "sys_rawio",
    "sys_time",
    "syslog",
    "wake_alarm",
)
DEVICES = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
TERMINAL = (5, 0)
# What is of this machine in /proc, and can be written.
SHARED_PROC = ("sys", "sysrq-trigger", "irq", "bus")
CGROUP_TYPE = "cgroup2"


# --- its control group -----------------------------------------------------------


def unified(mounts: str) -> Path:
    """Return where the unified hierarchy of control groups is mounted, from mountinfo."""
    for line in mounts.splitlines():
        before, _unused, after = line.partition(" - ")
        if after.split()[:1] == [CGROUP_TYPE]:
            return Path(before.split()[4])
    raise MachineError(
        "a container wants the unified hierarchy of control groups, which is not mounted here:"
        " mount -t cgroup2 none DIRECTORY"
    )


def group_of(folder: Path) -> Path:
    """Return the control group of a container, a name that only its folder has."""
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return unified(Path("/proc/self/mountinfo").read_text()) / f"emulated-host-{digest}"


def make_group(group: Path) -> None:
    """Make the control group: one for the container, one for the process that waits for it."""
    for path in (group, group / "guard", group / "payload"):
        path.mkdir(exist_ok=True)


def remove_group(group: Path) -> bool:
    """End every process of a control group and remove it; return False when it is not there."""
    if not group.is_dir():
        return False
    (group / "cgroup.kill").write_text("1")
    end = time.monotonic() + KILL_LIMIT
    while "populated 1" in (group / "cgroup.events").read_text():
        if time.monotonic() > end:
            raise MachineError(f"the processes of {group} do not end")
        time.sleep(0.05)
    below = [path for path in group.rglob("*") if path.is_dir()]
    # The deepest first.
    for path in [*sorted(below, key=lambda path: len(path.parts), reverse=True), group]:
        path.rmdir()
    return True


# --- inside the namespaces -------------------------------------------------------


def mount(kind: str, target: Path, *options: str) -> None:
    """Mount a file system that has no device."""
    words = ["-o", ",".join(options)] if options else []
    supervisor.tool("mount", "-t", kind, *words, kind, str(target))


def bind(source: Path, target: Path) -> None:
    """Show a file or folder in another place too."""
    supervisor.tool("mount", "--bind", str(source), str(target))


def read_only(target: Path) -> None:
    """Make what is mounted at a place read-only there, and nowhere else."""
    supervisor.tool("mount", "-o", "remount,bind,ro", str(target))


def fill_proc(root: Path, boot_id: Path) -> None:
    """Mount /proc with a boot id of this boot, and what is of this machine read-only."""
    proc = root / "proc"
    mount("proc", proc, "nosuid", "nodev", "noexec")
    bind(boot_id, proc / "sys/kernel/random/boot_id")
    for name in SHARED_PROC:
        if (proc / name).exists():
            supervisor.tool("mount", "--rbind", str(proc / name), str(proc / name))
            read_only(proc / name)


def fill_sys(root: Path) -> None:
    """Mount /sys read-only, by which services know that devices are none of theirs."""
    flags = ("nosuid", "nodev", "noexec")
    mount("sysfs", root / "sys", *flags)
    supervisor.tool("mount", "-o", f"remount,bind,ro,{','.join(flags)}", str(root / "sys"))
    mount(CGROUP_TYPE, root / "sys/fs/cgroup", *flags)


def fill_dev(root: Path, console: Path) -> None:
    """Mount /dev with the devices that are not hardware."""
    dev = root / "dev"
    mount("tmpfs", dev, "mode=755", "nosuid", "size=4m")
    for name, minor in DEVICES.items():
        os.mknod(dev / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        (dev / name).chmod(0o666)
    os.mknod(dev / "tty", stat.S_IFCHR | 0o666, os.makedev(*TERMINAL))
    (dev / "tty").chmod(0o666)
    (dev / "pts").mkdir()
    mount("devpts", dev / "pts", "newinstance", "ptmxmode=666", "mode=620", "gid=5")
    (dev / "ptmx").symlink_to("pts/ptmx")
    (dev / "fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")
    (dev / "console").touch()
    bind(console, dev / "console")


def wait_for_guard(group: Path) -> None:
    """Wait until the process that waits for this one is out of its control group.

    systemd wants it for itself. Processes outside the namespace have the number 0 in it.
    """
    end = time.monotonic() + KILL_LIMIT
    while "0" in (group / "payload/cgroup.procs").read_text().split():
        if time.monotonic() > end:
            raise MachineError("the supervisor did not make room in the control group")
        time.sleep(0.01)


def boot(folder: Path) -> None:
    """Become the first process of a container: mount what it stands on, and run its systemd."""
    # This is still the /proc of outside, where processes have the numbers of outside.
    (folder / "init.pid").write_text(Path("/proc/self").readlink().name)
    print("hwaccel.virt: a container starts", flush=True)
    wait_for_guard(group_of(folder))
    description = json.loads((folder / "machine.json").read_text())
    # Relative names: an option of mount has no way to say every path.
    os.chdir(folder)
    for name in ("root", "upper", "work"):
        Path(name).mkdir(exist_ok=True)
    mount("overlay", Path("root"), "lowerdir=image", "upperdir=upper", "workdir=work")
    (folder / "boot_id").write_text(f"{uuid.uuid4()}\n")
    root = folder / "root"
    fill_dev(root, Path(os.ttyname(0)))
    fill_proc(root, folder / "boot_id")
    fill_sys(root)
    socket.sethostname(description["name"])
    os.chdir(root)
    supervisor.tool("pivot_root", ".", "mnt")
    os.chdir("/")
    supervisor.tool("umount", "--lazy", "mnt")
    bounds = ",".join(f"-{name}" for name in CAPABILITIES_TAKEN)
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        # systemd, Container Interface: that it is set says that this is one.
        "container": "hwaccel-virt",
    }
    argv = ["setpriv", "--bounding-set", bounds, "--", "/usr/lib/systemd/systemd", "--system"]
    os.execve("/usr/bin/setpriv", [*argv, "--show-status=true"], environment)  # noqa: S606


# --- the supervisor --------------------------------------------------------------


def is_systemd(pid: int) -> bool:
    """Tell whether the first process of a container has become its systemd."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text() == "systemd\n"
    return False


class Supervisor(supervisor.Runner):
    """Runs one container until it powers off or someone asks for the end."""

    def __init__(self, folder: Path, ready: Callable[[], None]) -> None:
        """Work in this folder; ``ready`` is called once the container's systemd starts."""
        super().__init__(folder, ready)
        self.group = group_of(folder)
        self._asked_at = 0.0

    def stop(self, *_unused: object) -> None:
        """Ask for the end; fit for a signal handler."""
        self._asked_at = self._asked_at or time.monotonic()
        super().stop()

    def run(self) -> None:
        """Run the container again after each reboot, until it is over."""
        boots: list[float] = []
        while True:
            code = self._once()
            self.log(f"the container ended with {code}")
            now = time.monotonic()
            boots = [*(moment for moment in boots if now - moment < supervisor.WINDOW), now]
            if self._asked_at or code == POWERED_OFF:
                return
            if code != REBOOTED:
                raise MachineError(f"the container's systemd ended with {code}")
            if len(boots) > supervisor.RESTARTS:
                raise MachineError(f"it does not boot: {len(boots)} reboots one after another")

    def _once(self) -> int:
        remove_group(self.group)
        make_group(self.group)
        (self.folder / "init.pid").unlink(missing_ok=True)
        master, console = os.openpty()
        try:
            process = self._spawn(console)
        finally:
            os.close(console)
        try:
            self._follow(process, master)
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
            remove_group(self.group)
            code = process.wait(KILL_LIMIT)
            os.close(master)
            (self.folder / "init.pid").unlink(missing_ok=True)
        return code

    def _spawn(self, console: int) -> subprocess.Popen[bytes]:
        # The kernel ends the container with its supervisor, however that one ends.
        argv = ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c"]
        argv += ['echo $$ > "$0/payload/cgroup.procs" && exec "$@"', str(self.group)]
        argv += ["unshare", "--mount", "--uts", "--ipc", "--cgroup", "--pid", "--fork"]
        argv += ["--kill-child=KILL", "--", sys.executable, str(SCRIPT), "boot", str(self.folder)]
        process = subprocess.Popen(
            argv, stdin=console, stdout=console, stderr=console, start_new_session=True
        )
        self.log(f"container started, pid {process.pid}")
        return process

    def _follow(self, process: subprocess.Popen[bytes], master: int) -> None:
        """Follow a container to its end, and keep what it says on its console."""
        told = asked = guarded = False
        with (self.folder / "console.log").open("ab", buffering=0) as log:
            while process.poll() is None:
                init = self._init()
                if init and not guarded:
                    guarded = True
                    (self.group / "guard/cgroup.procs").write_text(str(process.pid))
                up = told or is_systemd(init)
                if up and not told:
                    told = True
                    self._ready()
                if self._asked_at and up and not asked:
                    asked = True
                    os.kill(init, POWER_OFF)
                if self._asked_at and time.monotonic() - self._asked_at > POWER_OFF_LIMIT:
                    self.log("the container does not power off: ending it")
                    return
                self._listen(master, log.write)
            with contextlib.suppress(OSError):
                os.set_blocking(master, False)
                log.write(os.read(master, 1 << 16))

    def _init(self) -> int:
        """Return the pid of the container's systemd, 0 while there is none."""
        with contextlib.suppress(FileNotFoundError):
            return int((self.folder / "init.pid").read_text() or 0)
        return 0

    def _listen(self, master: int, keep: Callable[[bytes], object]) -> None:
        """Wait for half a second at most, and take in what the console or a signal has to say."""
        readable, _also, _unused = select.select([master, self._wake_read], [], [], 0.5)
        if self._wake_read in readable:
            os.read(self._wake_read, 64)
        if master in readable:
            try:
                keep(os.read(master, 1 << 16))
            except OSError:
                # Nobody has the console open, as between two processes.
                time.sleep(0.1)


def supervise(folder: Path, tell: Callable[[str], None]) -> None:
    """Run the container of a folder in this process; tell ``ok`` or what went wrong."""
    supervisor.supervise(folder, tell, Supervisor, "console.log")


# --- commands --------------------------------------------------------------------


def text_of(path: Path) -> str:
    """Return what a file of this machine says, nothing where there is none."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    return ""


def prepare(folder: Path, image: Path, *, name: str, port: int) -> None:
    """Make a new container: nothing but what differs from the tree it stands on."""
    port = port or supervisor.free_port()
    upper = folder / "upper"
    for path in (upper, folder / "work"):
        shutil.rmtree(path, ignore_errors=True)
    (folder / "image").unlink(missing_ok=True)
    (folder / "image").symlink_to(image.resolve() / "tree")
    (upper / "etc/ssh/sshd_config.d").mkdir(parents=True)
    # The network is that of this machine: so is the port.
    texts = {
        "etc/ssh/sshd_config.d/container.conf": f"ListenAddress 127.0.0.1:{port}\n",
        "etc/hostname": f"{name}\n",
        "etc/hosts": f"{text_of(Path('/etc/hosts'))}\n127.0.1.1 {name}\n",
        "etc/machine-id": f"{uuid.uuid4().hex}\n",
        "etc/resolv.conf": text_of(Path("/etc/resolv.conf")),
    }
    for file, text in texts.items():
        (upper / file).write_text(text)
    for path in (upper, *upper.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    supervisor.introduce(folder, image, name=name, port=port, kind="container")


def stop(folder: Path, limit: float) -> bool:
    """End a container; return False when nothing of it was left.

    One whose supervisor was killed has ended with it; its control group has not.
    """
    stopped = supervisor.stop(folder, limit)
    return remove_group(group_of(folder)) or stopped


def start(folder: Path, limit: float) -> bool:
    """Start a container, anew where its description has changed."""
    if supervisor.held(folder) is None:
        remove_group(group_of(folder))
    return supervisor.start(folder, limit, supervise)


def enter(folder: Path, command: Sequence[str]) -> None:
    """Become a command in a running container, a shell where none is named."""
    # Numbers are used again: that of a container that was killed is nobody's, or somebody else's.
    if supervisor.held(folder) is None or not (folder / "init.pid").exists():
        raise MachineError(f"the container of {folder} does not run")
    pid = (folder / "init.pid").read_text().strip()
    argv = ["nsenter", "--target", pid, "--mount", "--uts", "--ipc", "--cgroup", "--pid"]
    argv += ["--root", "--wd", "--", *(command or ["bash", "--login"])]
    os.execvp(argv[0], argv)  # noqa: S606


def refuse() -> None:
    """Refuse where no container can be made."""
    if os.geteuid():
        raise MachineError("a container wants root: run the role as root")
    gone = supervisor.missing(TOOLS)
    if gone:
        raise MachineError(f"a container needs {', '.join(gone)}")
    unified(Path("/proc/self/mountinfo").read_text())


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, seconds in (("start", 60), ("stop", 30), ("wait", 300), ("status", 0)):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        if seconds:
            command.add_argument("--timeout", type=float, default=seconds)
    command = commands.add_parser("prepare")
    command.add_argument("folder", type=Path)
    command.add_argument("--image", type=Path, required=True)
    command.add_argument("--name", required=True)
    command.add_argument("--port", type=int, default=0)
    command = commands.add_parser("enter", help="run a command in the container, or a shell")
    command.add_argument("folder", type=Path)
    command.add_argument("argv", nargs=argparse.REMAINDER)
    command = commands.add_parser("boot", help="what start runs within the namespaces")
    command.add_argument("folder", type=Path)
    return parser.parse_args(argv)


def act(options: argparse.Namespace) -> str:
    """Do what the command line asks for, and return in one word what was done."""
    folder = options.folder.resolve()
    said = ""
    if options.command == "prepare":
        prepare(folder, options.image, name=options.name, port=options.port)
    elif options.command == "start":
        said = "started" if start(folder, options.timeout) else "unchanged"
    elif options.command == "stop":
        said = "stopped" if stop(folder, options.timeout) else "unchanged"
    elif options.command == "wait":
        name = str(json.loads((folder / "machine.json").read_text())["name"])
        said = supervisor.wait(folder, options.timeout, name)
    elif options.command == "status":
        said = "running" if supervisor.held(folder) else "stopped"
    elif options.command == "enter":
        enter(folder, options.argv)
    else:
        boot(folder)
    return said


def main() -> int:
    """Do what the command line asks for, and say in one word what was done."""
    options = parse()
    try:
        refuse()
        said = act(options)
    except (MachineError, OSError) as error:
        print(f"container.py: {error}", file=sys.stderr)
        return 1
    if said:
        print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
