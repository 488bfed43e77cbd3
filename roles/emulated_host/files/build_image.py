# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the disk image of an emulated host, without mounts and without loop devices.

``key`` prints the name that the image has in the cache: a digest of everything it
is made from. ``build`` makes the image beside its final place and renames it at the
end, so that what stands there is whole. ``customize`` is what mmdebstrap calls.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HERE = Path(__file__).resolve().parent
RECIPE = ("build_image.py", "image", "kernel", "programs")

BASE_PACKAGES = (
    "dbus",
    "e2fsprogs",
    "grub-pc",
    "initramfs-tools",
    "iproute2",
    "kmod",
    "linux-image-amd64",
    "lz4",
    "openssh-server",
    "pciutils",
    "python3",
    "systemd-sysv",
    "udev",
)
EARLY_FILES = (
    "etc/initramfs-tools/conf.d/emulated-host",
    "etc/initramfs-tools/scripts/init-top/udev",
    "usr/share/initramfs-tools/modules.d/emulated-host",
)
# Unpacked and never configured, which takes a third of the time: so what is essential is named.
BUILD_PACKAGES = (
    "base-files",
    "bash",
    "coreutils",
    "dash",
    "findutils",
    "gcc",
    "grep",
    "libc6-dev",
    "linux-headers-amd64",
    "make",
    "mawk",
    "sed",
    "tar",
)
# Debian's kernel is built without IOMMUFD: VFIO is compiled once more, with it, on demand.
IOMMUFD_PACKAGES = ("linux-source", "xz-utils")
IOMMUFD_SOURCES = ("drivers/iommu", "drivers/vfio", "lib/interval_tree.c")
SPAN_ITERATOR = "#ifdef CONFIG_INTERVAL_TREE_SPAN_ITER\n"
EXCLUDED = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    # Names of devices, keys and mice: a third of the initramfs would consist of them.
    "/usr/lib/udev/hwdb.d/*",
)

BLOCK = 4096
FILLED_LATER = ("etc/default/grub", "boot/grub/grub.cfg")
FIRST_SECTOR = 2048
SECTOR = 512
BUILD_LIMIT = 1500.0
# An image that was used within this time may be about to be used again.
KEEP_FOR = 3600.0
# Where the drivers' variants lie in the image.
DRIVERS = "usr/lib/emulated-host/drivers"
# What is compiled for the machine itself, into the same place.
PROGRAMS = "usr/lib/emulated-host"
# What the modules of one variant of the kernel Makefile are built with.
FLAVOURS = {"stand_in": (), "out_of_tree": ("FLAVOUR=out_of_tree",)}
# The modules that each variant has in updates/: those of which flavour, and which of them.
VARIANTS = {
    "stand_in": ("stand_in", "*"),
    "out_of_tree": ("out_of_tree", "*"),
    "in_tree": ("stand_in", "qat_emulation"),
}
# A driver on top of VFIO, which is built with the VFIO that the image has.
VFIO_VARIANT = "qat_vfio_pci"
GRUB_MODULES = (
    "biosdisk",
    "part_msdos",
    "ext2",
    "normal",
    "search",
    "search_fs_uuid",
    "serial",
    "linux",
    "configfile",
    "echo",
    "test",
    "gzio",
)
ENABLED_UNITS = (
    "emulated-first-boot.service",
    "emulated-network.service",
    "emulated-python.service",
    "emulated-qat.service",
)
# Nothing here is of use on a machine that lives for an hour, and each costs boot time.
MASKED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dev-mqueue.mount",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "grub-common.service",
    "logrotate.timer",
    "man-db.timer",
    "modprobe@configfs.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "proc-sys-fs-binfmt_misc.automount",
    "serial-getty@ttyS0.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-creds.socket",
    "systemd-initctl.socket",
    "systemd-network-generator.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-random-seed.service",
    "systemd-rfkill.socket",
    "systemd-tmpfiles-clean.timer",
    "systemd-udev-load-credentials.service",
)
# Started when first asked for, by D-Bus or by a socket: by a reboot, or by virsh.
LATER_UNITS = (
    "libvirt-guests.service",
    "libvirtd.service",
    "systemd-logind.service",
    "virtlogd.service",
)
MASKED_GENERATORS = (
    "systemd-cryptsetup-generator",
    "systemd-debug-generator",
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-import-generator",
    "systemd-integritysetup-generator",
    "systemd-rc-local-generator",
    "systemd-run-generator",
    "systemd-ssh-generator",
    "systemd-system-update-generator",
    "systemd-tpm2-generator",
    "systemd-veritysetup-generator",
)


class BuildError(Exception):
    """The image cannot be built; the message is meant for the user."""


@dataclass(frozen=True)
class Recipe:
    """What an image is made from, besides the files of this role."""

    parts: ClassVar[tuple[str, ...]] = RECIPE

    suite: str
    mirror: str
    packages: tuple[str, ...]
    disk_mib: int
    iommufd: bool = False

    def text(self) -> str:
        """Return the recipe as a line of text."""
        packages = sorted(set(self.packages))
        return json.dumps([self.suite, self.mirror, packages, self.disk_mib, self.iommufd])

    def key(self, files: Path = HERE) -> str:
        """Return 16 hexadecimal digits that change when anything in the image would."""
        digest = hashlib.sha256()
        digest.update(self.text().encode())
        for path in recipe_files(files, self.parts):
            mode = path.stat().st_mode & 0o111
            digest.update(f"\0{path.relative_to(files)}\0{mode:o}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]


def recipe_files(files: Path, parts: Sequence[str]) -> list[Path]:
    """Return the files of the role that the image is made from, sorted."""
    found: list[Path] = []
    for name in parts:
        top = files / name
        found += [top] if top.is_file() else [path for path in top.rglob("*") if path.is_file()]
    return sorted(found)


def run(argv: Sequence[str | Path], *, stdin: str | None = None, limit: float = 300.0) -> str:
    """Run a command and return what it printed; a failure names the command and its last words."""
    words = [str(word) for word in argv]
    done = subprocess.run(
        words,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-600:]
        raise BuildError(f"{shlex.join(words)} ended with {done.returncode}: {said}")
    return done.stdout


# --- inside mmdebstrap -------------------------------------------------------


def wait_for(path: Path, limit: float) -> None:
    """Wait until a file that the other half of the build makes is there."""
    end = time.monotonic() + limit
    while not path.exists():
        if time.monotonic() > end:
            raise BuildError(f"{path.name} was not made within {limit:.0f} s")
        time.sleep(0.2)


def say(text: str) -> None:
    """Leave a line with the time in the log of this half of the build."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def the_kernel(root: Path) -> str:
    """Return the version of the one kernel in the tree."""
    versions = sorted(path.name for path in (root / "lib/modules").iterdir())
    if len(versions) != 1:
        raise BuildError(f"one kernel was expected in the image, found {versions}")
    return versions[0]


def install_files(root: Path, staging: Path) -> None:
    """Copy the files of the role into the tree, owned by root."""
    for source in sorted((staging / "image").rglob("*")):
        target = root / source.relative_to(staging / "image")
        if source.is_dir():
            target.mkdir(exist_ok=True)
            continue
        shutil.copyfile(source, target)
        target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)
    ssh = root / "root/.ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(staging / "id_ed25519.pub", ssh / "authorized_keys")
    (ssh / "authorized_keys").chmod(0o600)


def settle_machine(root: Path, root_uuid: str) -> None:
    """Write the small files that make a tree a machine."""
    settle(root)
    (root / "etc/fstab").write_text(f"UUID={root_uuid} / ext4 errors=remount-ro,noatime 0 0\n")
    (root / "etc/resolv.conf").write_text("nameserver 10.0.2.3\n")
    marker = root / "var/lib/emulated-host/first-boot"
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()


def settle(root: Path) -> None:
    """Write the small files that make a tree a host."""
    # No host name on disk: each machine gets its own from outside.
    (root / "etc/hostname").unlink(missing_ok=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    (root / "etc/locale.conf").write_text("LANG=C.UTF-8\n")
    (root / "etc/default").mkdir(exist_ok=True)
    (root / "etc/default/locale").write_text("LANG=C.UTF-8\n")
    # A machine id of its own spares the first boot its presets and its journal migration.
    (root / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")
    generators = root / "etc/systemd/system-generators"
    generators.mkdir(exist_ok=True)
    for name in MASKED_GENERATORS:
        (generators / name).symlink_to("/dev/null")
    wants = "systemd/system/multi-user.target.wants"
    (root / "etc" / wants).mkdir(exist_ok=True)
    for name in LATER_UNITS:
        # A package asks for it in one place or the other.
        (root / "etc" / wants / name).unlink(missing_ok=True)
        if (root / "usr/lib" / wants / name).is_symlink():
            (root / "etc" / wants / name).symlink_to("/dev/null")
    # Where emulated_host_bytecode.py keeps what Python compiled.
    (root / "var/cache/emulated-host/bytecode").mkdir(parents=True)


def clean(root: Path) -> None:
    """Remove what mmdebstrap would remove later, too late for the disk."""
    for pattern in ("var/lib/apt/lists/*_*", "var/cache/apt/*.bin", "var/cache/apt/archives/*.deb"):
        for path in root.glob(pattern):
            path.unlink()
    for path in (root / "var/log").rglob("*.log"):
        path.unlink()
    # Newer than /usr, so that no unit with ConditionNeedsUpdate= runs.
    for name in ("etc/.updated", "var/.updated"):
        (root / name).touch()


def install_drivers(root: Path, kernel: str, modules: Path) -> None:
    """Install the kernel modules, and lay each variant of the drivers ready.

    depmod takes long under software emulation: so what it makes of each variant is
    made here, and the machine at its boot copies one variant over another.
    """
    home = root / "lib/modules" / kernel
    # The first one is the default: made last, it is what stays in place.
    for variant in reversed(VARIANTS):
        shutil.rmtree(home / "updates", ignore_errors=True)
        (home / "updates").mkdir()
        for path in modules_of(variant, modules):
            shutil.copyfile(path, home / "updates" / path.name)
        run(["chroot", root, "depmod", kernel])
        target = root / DRIVERS / variant
        target.mkdir(parents=True)
        shutil.copytree(home / "updates", target / "updates")
        for path in home.glob("modules.*"):
            shutil.copyfile(path, target / path.name)
    drop_common([root / DRIVERS / variant for variant in VARIANTS])
    (root / DRIVERS / "installed").write_text(f"{next(iter(VARIANTS))}\n")


def install_programs(root: Path, built: Path) -> None:
    """Install the programs that were compiled for the machine."""
    for path in built.iterdir():
        target = root / PROGRAMS / path.name
        shutil.copyfile(path, target)
        target.chmod(0o755)


def modules_of(variant: str, modules: Path) -> list[Path]:
    """Return the modules that a variant has in updates/, each name once."""
    flavour, pattern = VARIANTS[variant]
    found = {path.name: path for path in (modules / flavour).glob(f"{pattern}.ko")}
    for path in (modules / "iommufd").glob("*.ko"):
        # VFIO with iommufd has other structures: what stands on it was built with it once more.
        if path.stem != VFIO_VARIANT or path.name in found:
            found[path.name] = path
    return sorted(found.values())


def drop_common(folders: Sequence[Path]) -> None:
    """Remove the files that are the same in all folders: nothing is to be copied there."""
    for name in [path.name for path in folders[0].iterdir() if path.is_file()]:
        if len({(folder / name).read_bytes() for folder in folders}) == 1:
            for folder in folders:
                (folder / name).unlink()


def make_disk(root: Path, disk: Path, size_mib: int, root_uuid: str) -> None:
    """Make a disk with one partition from a tree, and GRUB in front of it."""
    with disk.open("wb") as file:
        file.truncate(size_mib << 20)
    run(["sfdisk", "--quiet", disk], stdin=f"label: dos\nstart={FIRST_SECTOR}, type=83, bootable\n")
    blocks = ((size_mib << 20) - FIRST_SECTOR * SECTOR) // BLOCK
    layout = f"offset={FIRST_SECTOR * SECTOR},lazy_itable_init=1"
    options: list[str | Path] = ["-t", "ext4", "-b", str(BLOCK), "-m", "1", "-E", layout]
    options += ["-U", root_uuid, "-d", root]
    run(["mke2fs", "-q", "-F", *options, disk, str(blocks)])
    boot = (root / "usr/lib/grub/i386-pc/boot.img").read_bytes()[:440]
    core = (root / "boot/grub/i386-pc/core.img").read_bytes()
    if len(core) > (FIRST_SECTOR - 1) * SECTOR:
        raise BuildError("GRUB does not fit before the first partition")
    with disk.open("r+b") as file:
        file.write(boot)
        file.seek(SECTOR)
        file.write(core)


def block_of(disk: Path, name: str) -> int:
    """Return where on the disk the only block of a file starts, in bytes."""
    offset = FIRST_SECTOR * SECTOR
    words = run(["debugfs", "-R", f"blocks /{name}", f"{disk}?offset={offset}"]).split()
    if len(words) != 1 or not words[0].isdigit():
        raise BuildError(f"/{name} should take one block of the disk, has {words}")
    return offset + int(words[0]) * BLOCK


@contextlib.contextmanager
def bare(root: Path, staging: Path) -> Iterator[Path]:
    """Show the tree without what mmdebstrap mounts into it (/proc, /sys, /dev)."""
    view = Path(tempfile.mkdtemp(prefix="tree-", dir=staging.parent / "tmp"))
    run(["mount", "--bind", root, view])
    try:
        yield view
    finally:
        run(["umount", view])
        view.rmdir()


def customize(root: Path, staging: Path) -> None:
    """Turn the tree that mmdebstrap made into a disk at /emulated-host.qcow2 in it."""
    options = json.loads((staging / "options.json").read_text())
    say("tree there")
    kernel = the_kernel(root)
    root_uuid = str(uuid.uuid4())
    install_files(root, staging)
    settle_machine(root, root_uuid)

    chroot: list[str | Path] = ["chroot", root]
    run([*chroot, "systemctl", "enable", *ENABLED_UNITS])
    run([*chroot, "systemctl", "mask", *MASKED_UNITS])
    say("units set")

    grub = root / "boot/grub"
    (grub / "i386-pc").mkdir(parents=True, exist_ok=True)
    for path in (root / "usr/lib/grub/i386-pc").iterdir():
        if path.suffix in (".mod", ".lst"):
            shutil.copyfile(path, grub / "i386-pc" / path.name)
    core = ["-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-o", "/boot/grub/i386-pc/core.img"]
    run([*chroot, "grub-mkimage", *core, *GRUB_MODULES])
    # One block each, to be filled when a machine is made: its kernel arguments stand in them.
    for name in FILLED_LATER:
        (root / name).write_bytes(b"\n" * BLOCK)

    wait_for(staging / "modules.kernel", BUILD_LIMIT)
    built_for = (staging / "modules.kernel").read_text().strip()
    if built_for != kernel:
        raise BuildError(
            f"the mirror has kernel {kernel} but headers of {built_for}: try again later"
        )
    say("modules there")
    install_drivers(root, kernel, staging / "modules")
    install_programs(root, staging / "modules" / "programs")
    say("drivers installed")
    clean(root)

    with bare(root, staging) as tree, tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        disk = Path(scratch) / "disk.raw"
        make_disk(tree, disk, options["disk_mib"], root_uuid)
        say("disk made")
        manifest = {
            "kernel": kernel,
            "root_uuid": root_uuid,
            "blocks": {name: block_of(disk, name) for name in FILLED_LATER},
        }
        run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, root / "emulated-host.qcow2"])
        say("disk converted")
        (root / "emulated-host.json").write_text(json.dumps(manifest, indent=2) + "\n")


def compile_sources(root: Path) -> None:
    """Compile modules and programs in the second tree, which has the headers and a compiler."""
    headers = sorted((root / "usr/src").glob("linux-headers-*-amd64"))
    if len(headers) != 1:
        raise BuildError(f"one kernel's headers were expected, found {len(headers)}")
    # What update-alternatives would have made.
    (root / "usr/bin/awk").symlink_to("mawk")
    version = headers[0].name.removeprefix("linux-headers-")
    for flavour, words in FLAVOURS.items():
        shutil.copytree(root / "kernel", root / "built" / flavour)
        directory = f"/built/{flavour}"
        make = ["make", "-C", directory, f"-j{os.cpu_count()}", f"KDIR=/usr/src/{headers[0].name}"]
        run(["chroot", root, *make, *words])
        keep_modules(root / "built" / flavour)
    for archive in sorted((root / "usr/src").glob("linux-source-*.tar.xz")):
        compile_iommufd(root, archive, headers[0].name)
    compile_programs(root)
    (root / "modules.kernel").write_text(version + "\n")


def compile_programs(root: Path) -> None:
    """Compile the programs of the machine, to run without any library."""
    (root / "built/programs").mkdir()
    for source in sorted((root / "programs").glob("*.c")):
        words = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static"]
        words += ["-o", f"/built/programs/{source.stem}", f"/programs/{source.name}"]
        run(["chroot", root, *words])


def compile_iommufd(root: Path, archive: Path, headers: str) -> None:
    """Compile VFIO with iommufd from Debian's package of the kernel's sources."""
    folder = root / "built" / "iommufd"
    shutil.copytree(root / "kernel" / "iommufd", folder)
    shutil.copyfile(root / "kernel" / f"{VFIO_VARIANT}.c", folder / f"{VFIO_VARIANT}.c")
    source = archive.name.removesuffix(".tar.xz")
    unpack = ["tar", "-xf", f"/usr/src/{archive.name}", "-C", "/built/iommufd"]
    wanted = [f"{source}/{path}" for path in IOMMUFD_SOURCES]
    run(["chroot", root, *unpack, "--strip-components=1", *wanted])
    tree = (folder / "lib/interval_tree.c").read_text()
    if SPAN_ITERATOR not in tree:
        raise BuildError(f"{archive.name}: lib/interval_tree.c is not as it was in Linux 6.12")
    includes = "#include <linux/export.h>\n#include <linux/interval_tree.h>\n"
    (folder / "span.c").write_text(includes + tree[tree.index(SPAN_ITERATOR) :])
    make = ["make", "-C", "/built/iommufd", f"-j{os.cpu_count()}", f"KDIR=/usr/src/{headers}"]
    run(["chroot", root, *make], limit=BUILD_LIMIT)
    keep_modules(folder)


def keep_modules(folder: Path) -> None:
    """Remove everything from a folder but the modules that were built in it."""
    for path in folder.glob("*"):
        if path.suffix != ".ko":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


# --- outside -----------------------------------------------------------------


def mmdebstrap(
    recipe: Recipe,
    variant: str,
    packages: Sequence[str],
    hooks: Sequence[str] = (),
    folder: Path | None = None,
) -> list[str]:
    """Return the command that makes one tree and runs the hooks in it; a folder keeps the tree."""
    # Without root, mmdebstrap makes itself root in a user namespace.
    mode = "root" if os.geteuid() == 0 else "unshare"
    argv = ["mmdebstrap", f"--mode={mode}", f"--variant={variant}"]
    argv += [f"--format={'directory' if folder else 'null'}"]
    argv += [f"--include={','.join(packages)}"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    argv += ['--aptopt=Acquire::Languages "none"', '--aptopt=Acquire::Retries "3"']
    argv += hooks
    return [*argv, recipe.suite, str(folder or "-"), recipe.mirror]


def start(argv: Sequence[str], log: Path, scratch: Path) -> subprocess.Popen[bytes]:
    """Start one half of the build in a process group of its own."""
    with log.open("wb") as file:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C.UTF-8", "TMPDIR": str(scratch)},
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End one half of the build; mmdebstrap cleans up when asked to end."""
    for sign, limit in ((signal.SIGTERM, 30.0), (signal.SIGKILL, 10.0)):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(limit)


def last_words(log: Path, count: int = 8) -> str:
    """Return the last lines of a log."""
    lines = log.read_text(errors="replace").strip().splitlines()
    wanted = [line for line in lines if line.startswith(("E:", "build_image.py:"))] or lines
    return "\n".join(wanted[-count:])


def base_hooks(staging: Path, work: Path) -> list[str]:
    """Return what mmdebstrap is to do with the first tree, which becomes the disk."""
    quote = shlex.quote
    hooks = []
    # Before the packages, so that the initramfs is made once and small.
    for name in EARLY_FILES:
        source, folder = quote(str(staging / "image" / name)), quote(str(Path(name).parent))
        hooks.append(f'--essential-hook=mkdir -p "$1"/{folder} && cp {source} "$1"/{folder}')
    hooks.append(f'--customize-hook={this_script(staging)} customize "$1" {quote(str(staging))}')
    for source, target in (
        ("/emulated-host.qcow2", "disk.qcow2"),
        ("/emulated-host.json", "tree.json"),
        ("/etc/ssh/ssh_host_ed25519_key.pub", "host_key.pub"),
    ):
        hooks.append(f"--customize-hook=download {source} {quote(str(work / target))}")
    return hooks


def module_hooks(staging: Path) -> list[str]:
    """Return what mmdebstrap is to do with the second tree, which compiles the modules."""
    # A tree that is only unpacked has no later hooks than these.
    quote = shlex.quote
    sources = " ".join(quote(str(staging / name)) for name in ("kernel", "programs"))
    hooks = [
        f'--extract-hook=cp -r {sources} "$1"/',
        f'--extract-hook={this_script(staging)} compile "$1"',
    ]
    hooks.append(f"--extract-hook=sync-out /built {quote(str(staging / 'modules'))}")
    target = quote(str(staging / "modules.new"))
    return [*hooks, f"--extract-hook=download /modules.kernel {target}"]


def this_script(staging: Path) -> str:
    """Return the start of a shell command that runs this script within mmdebstrap."""
    # An interpreter in someone's home is out of reach there; Debian's own is not.
    debian = Path("/usr/bin/python3")
    python = str(debian) if debian.exists() else sys.executable
    return f"{shlex.quote(python)} {shlex.quote(str(staging / 'build_image.py'))}"


def hand_over(staging: Path) -> None:
    """Let the first tree have the modules that the second has compiled."""
    run(["chmod", "-R", "a+rX", staging / "modules"])
    new = staging / "modules.new"
    if not new.exists():
        raise BuildError("mmdebstrap made its tree, but did not run the hooks that compile")
    new.chmod(0o644)
    new.rename(staging / "modules.kernel")


def make_trees(recipe: Recipe, staging: Path, work: Path, scratch: Path) -> None:
    """Make both trees side by side; the modules go from the second into the first."""
    (staging / "modules").mkdir()
    base = sorted({*BASE_PACKAGES, *recipe.packages})
    compiling = (*BUILD_PACKAGES, *(IOMMUFD_PACKAGES if recipe.iommufd else ()))
    commands = {
        "base": mmdebstrap(recipe, "apt", base, base_hooks(staging, work)),
        "modules": mmdebstrap(recipe, "extract", compiling, module_hooks(staging)),
    }
    running: dict[str, subprocess.Popen[bytes]] = {}
    end = time.monotonic() + BUILD_LIMIT
    try:
        for name, argv in commands.items():
            running[name] = start(argv, work / f"{name}.log", scratch)
        while running:
            for name, process in list(running.items()):
                code = process.poll()
                if code:
                    said = last_words(work / f"{name}.log")
                    raise BuildError(f"mmdebstrap ({name}) ended with {code}:\n{said}")
                if code == 0:
                    del running[name]
                    if name == "modules":
                        hand_over(staging)
            if time.monotonic() > end:
                raise BuildError(f"the image was not built within {BUILD_LIMIT:.0f} s")
            time.sleep(0.2)
    finally:
        for process in running.values():
            stop(process)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock, so that two builds of one image do the work once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        end = time.monotonic() + BUILD_LIMIT
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise BuildError(f"another build holds {path}") from None
                time.sleep(0.5)
        yield


def build_in(work: Path, recipe: Recipe, room: Path) -> dict[str, Any]:
    """Build the image in a folder that nobody takes for an image yet, with room to work in."""
    scratch = Path(tempfile.mkdtemp(prefix="emulated-host-", dir=room))
    try:
        # mmdebstrap without root works under another user id: it must get at these.
        scratch.chmod(0o711)
        staging, inner = scratch / "staging", scratch / "tmp"
        staging.mkdir()
        inner.mkdir()
        inner.chmod(0o1777)
        for name in RECIPE:
            copy = shutil.copytree if (HERE / name).is_dir() else shutil.copy2
            copy(HERE / name, staging / name)
        key = work / "id_ed25519"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "emulated-host", "-f", key])
        shutil.copyfile(work / "id_ed25519.pub", staging / "id_ed25519.pub")
        (staging / "options.json").write_text(json.dumps({"disk_mib": recipe.disk_mib}))
        run(["chmod", "-R", "a+rX", staging])
        make_trees(recipe, staging, work, inner)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    (work / "disk.qcow2").chmod(0o600)
    tree: dict[str, Any] = json.loads((work / "tree.json").read_text())
    return tree


def build(recipe: Recipe, images: Path, make: Callable[[Path], dict[str, Any]]) -> str:
    """Have the image made unless it is there; return its key.

    ``make`` gets the folder to make it in, and returns what the manifest is to tell of it.
    """
    key = recipe.key()
    final = images / key
    with locked(images / f".{key}.lock"):
        if (final / "image.json").exists():
            return key
        for left in images.glob(f".{key}.partial-*"):
            shutil.rmtree(left)
        work = Path(tempfile.mkdtemp(prefix=f".{key}.partial-", dir=images))
        began = time.monotonic()
        try:
            manifest = {
                **make(work),
                "key": key,
                "recipe": recipe.text(),
                "seconds": round(time.monotonic() - began, 1),
            }
            (work / "machines").mkdir()
            (work / "image.json").write_text(json.dumps(manifest, indent=2) + "\n")
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        work.rename(final)
    prune(recipe, images)
    return key


def machines_on(image: Path) -> list[Path]:
    """Return the folders of the machines whose disk is an overlay of this image.

    Each machine leaves a link to its folder with the image when it is made.
    """
    found = []
    for link in (image / "machines").iterdir():
        folder = link.readlink()
        try:
            created = json.loads((folder / "created.json").read_text())
        except FileNotFoundError:
            continue
        if created["image"] == image.name:
            found.append(folder)
    return found


def outdated(recipe: Recipe, image: Path, now: float) -> bool:
    """Tell whether an image was made from this recipe with older files, and serves nobody.

    Images of other recipes stay: they belong to somebody else's description. So do
    those without a list of their machines, and those in use a moment ago.
    """
    try:
        manifest = json.loads((image / "image.json").read_text())
        used = max((image / name).stat().st_mtime for name in ("image.json", "machines"))
        return (
            manifest.get("recipe") == recipe.text()
            and manifest["key"] == image.name != recipe.key()
            and now - used > KEEP_FOR
            and not machines_on(image)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def prune(recipe: Recipe, images: Path) -> list[str]:
    """Remove the images that a changed role has left behind; return their names."""
    gone = []
    for image in sorted(images.glob("[0-9a-f]*")):
        if outdated(recipe, image, time.time()):
            # Out of the way at once: half an image must never look like one.
            grave = Path(tempfile.mkdtemp(prefix=f".{image.name}.partial-", dir=images))
            image.rename(grave / image.name)
            shutil.rmtree(grave)
            (images / f".{image.name}.lock").unlink(missing_ok=True)
            gone.append(image.name)
    return gone


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the recipe that the command line describes."""
    packages = tuple(options.package)
    return Recipe(options.suite, options.mirror, packages, options.disk_mib, options.iommufd)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("key", "build"):
        command = commands.add_parser(name)
        command.add_argument("--suite", required=True)
        command.add_argument("--mirror", required=True)
        command.add_argument("--package", action="append", default=[])
        command.add_argument("--disk-mib", type=int, required=True)
        command.add_argument("--iommufd", action="store_true")
        if name == "build":
            command.add_argument("--images", type=Path, required=True)
            # Not /tmp, which is memory on Debian 13: two trees of half a gigabyte each.
            command.add_argument("--room", type=Path, required=True)
    command = commands.add_parser("customize")
    command.add_argument("root", type=Path)
    command.add_argument("staging", type=Path)
    command = commands.add_parser("compile")
    command.add_argument("root", type=Path)
    return parser.parse_args(argv)


def main() -> int:
    """Do what the command line asks for."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_unused: sys.exit(143))
    try:
        if options.command == "key":
            print(recipe_of(options).key())
        elif options.command == "build":
            recipe, room = recipe_of(options), options.room
            print(build(recipe, options.images, lambda work: build_in(work, recipe, room)))
        elif options.command == "customize":
            customize(options.root, options.staging)
        else:
            compile_sources(options.root)
    except (BuildError, OSError, subprocess.TimeoutExpired) as error:
        print(f"build_image.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
