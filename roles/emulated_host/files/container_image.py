# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the tree that containers of an emulated host stand on.

``key`` and ``build`` are those of build_image.py; what stands in the cache at the end
is the folder ``tree``, which no container writes to.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.roles.emulated_host.files import build_image
else:
    import build_image

HERE = Path(__file__).resolve().parent
# What a machine has too.
SHARED_FILES = ("image/etc/ssh", "image/usr/lib/python3")
# With what every Debian host has, and what Ansible installs packages with.
PACKAGES = ("dbus", "kmod", "openssh-server", "python3", "python3-apt", "systemd-sysv")
# What the kernel of someone else is not to be asked for.
MASKED_UNITS = (
    "console-getty.service",
    "dev-hugepages.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
)


@dataclass(frozen=True)
class ContainerRecipe(build_image.Recipe):
    """What the tree is made from, besides the files of this role."""

    parts: ClassVar[tuple[str, ...]] = (
        "build_image.py",
        "container",
        "container_image.py",
        *SHARED_FILES,
    )

    def text(self) -> str:
        """Return the recipe as a line of text, which no machine's image has."""
        return f"container {super().text()}"


def stage(staging: Path) -> None:
    """Lay the files that go into the tree ready."""
    for name in SHARED_FILES:
        shutil.copytree(HERE / name, staging / name)
    shutil.copytree(HERE / "container", staging / "image", dirs_exist_ok=True)


def make(recipe: ContainerRecipe, work: Path) -> dict[str, object]:
    """Make the tree in a folder that nobody takes for an image yet."""
    tree, log = work / "tree", work / "tree.log"
    key = work / "id_ed25519"
    build_image.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "emulated-host", "-f", key]
    )
    packages = sorted({*PACKAGES, *recipe.packages})
    with tempfile.TemporaryDirectory(prefix="staging-", dir=work) as folder:
        staging = Path(folder)
        stage(staging)
        shutil.copyfile(work / "id_ed25519.pub", staging / "id_ed25519.pub")
        process = build_image.start(
            build_image.mmdebstrap(recipe, "apt", packages, folder=tree), log, staging
        )
        try:
            code = process.wait(build_image.BUILD_LIMIT)
        finally:
            build_image.stop(process)
        if code:
            said = build_image.last_words(log)
            raise build_image.BuildError(f"mmdebstrap ended with {code}:\n{said}")
        build_image.install_files(tree, staging)
    build_image.settle(tree)
    (tree / "etc/fstab").write_text("")
    masked = (*build_image.MASKED_UNITS, *MASKED_UNITS)
    build_image.run(["chroot", tree, "systemctl", "mask", *masked])
    build_image.clean(tree)
    shutil.copyfile(tree / "etc/ssh/ssh_host_ed25519_key.pub", work / "host_key.pub")
    return {"container": True}


def build(recipe: ContainerRecipe, images: Path) -> str:
    """Build the tree unless it is there; return its key."""
    if os.geteuid():
        raise build_image.BuildError("a container wants root: run the role as root")
    return build_image.build(recipe, images, lambda work: make(recipe, work))


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("key", "build"):
        command = commands.add_parser(name)
        command.add_argument("--suite", required=True)
        command.add_argument("--mirror", required=True)
        command.add_argument("--package", action="append", default=[])
        if name == "build":
            command.add_argument("--images", type=Path, required=True)
    return parser.parse_args(argv)


def main() -> int:
    """Do what the command line asks for."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_unused: sys.exit(143))
    recipe = ContainerRecipe(options.suite, options.mirror, tuple(options.package), disk_mib=0)
    try:
        if options.command == "key":
            print(recipe.key())
        else:
            print(build(recipe, options.images))
    except (build_image.BuildError, OSError, subprocess.TimeoutExpired) as error:
        print(f"container_image.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
