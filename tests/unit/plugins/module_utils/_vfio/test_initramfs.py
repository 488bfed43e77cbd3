# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The initramfs: which tool a host has, and what stands in its drop-in."""

from __future__ import annotations

import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._vfio.initramfs import (
    Initramfs,
    find_initramfs,
)

if t.TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

COMMENT = (
    "# Written by hwaccel.virt.vfio_passthrough; state: absent or persistent: false removes it.\n"
)
EARLY = "/etc/udev/rules.d/81-hwaccel-vfio-early.rules"
DEBIAN = ("usr/sbin/update-initramfs", "usr/share/initramfs-tools/hook-functions")
HOOK = f"""\
#!/bin/sh
{COMMENT}set -e
if [ "${{1:-}}" = prereqs ]; then
    echo udev
    exit 0
fi
. /usr/share/initramfs-tools/hook-functions
mkdir -p "$DESTDIR/etc/udev/rules.d"
cp {EARLY} "$DESTDIR/etc/udev/rules.d/"
force_load mlx5_vfio_pci
force_load vfio_pci
"""


def tool(machine: Machine, *files: str) -> Initramfs:
    for path in files:
        machine.write(path, "")
    found = find_initramfs(machine.host)
    assert found is not None
    return found


@pytest.fixture(params=[DEBIAN, ("usr/bin/dracut",), ("usr/bin/mkinitcpio",)])
def any_tool(request: pytest.FixtureRequest, machine: Machine) -> Initramfs:
    return tool(machine, *request.param)


@pytest.mark.parametrize(
    ("files", "program"),
    [
        (DEBIAN, "update-initramfs"),
        # Debian's dracut has a program of that name, which knows nothing of hooks.
        (("usr/sbin/update-initramfs", "usr/bin/dracut"), "dracut"),
        ((*DEBIAN, "usr/bin/dracut"), "update-initramfs"),
        (("usr/bin/dracut",), "dracut"),
        (("usr/sbin/dracut",), "dracut"),
        (("sbin/dracut",), "dracut"),
        (("usr/bin/mkinitcpio",), "mkinitcpio"),
        (("usr/bin/mkinitcpio", "usr/bin/dracut"), "dracut"),
    ],
)
def test_which_tool_a_host_has(machine: Machine, files: tuple[str, ...], program: str) -> None:
    assert tool(machine, *files).command[0] == program


@pytest.mark.parametrize(
    "files", [(), DEBIAN[1:], DEBIAN[:1], ("usr/bin/booster", "usr/bin/mkosi-initrd")]
)
def test_none_that_is_known(machine: Machine, files: tuple[str, ...]) -> None:
    for path in files:
        machine.write(path, "")
    assert find_initramfs(machine.host) is None


def test_initramfs_tools(machine: Machine) -> None:
    found = tool(machine, *DEBIAN)
    assert (found.path, found.mode) == ("/etc/initramfs-tools/hooks/hwaccel-vfio", 0o755)
    assert found.render(["vfio-pci", "mlx5_vfio_pci"]) == HOOK.encode()
    assert found.rebuild().arguments == ("update-initramfs", "-u", "-k", "all")


def test_dracut(machine: Machine) -> None:
    found = tool(machine, "usr/bin/dracut")
    assert (found.path, found.mode) == ("/etc/dracut.conf.d/hwaccel-vfio.conf", 0o644)
    # Blanks inside of the quotes: dracut joins what its files add.
    expected = f'{COMMENT}force_drivers+=" vfio_pci "\ninstall_items+=" {EARLY} "\n'
    assert found.render(["vfio-pci"]) == expected.encode()
    assert found.rebuild().arguments == ("dracut", "--force", "--regenerate-all")


def test_mkinitcpio(machine: Machine) -> None:
    found = tool(machine, "usr/bin/mkinitcpio")
    assert (found.path, found.mode) == ("/etc/mkinitcpio.conf.d/hwaccel-vfio.conf", 0o644)
    expected = f"{COMMENT}MODULES+=(mlx5_vfio_pci vfio_pci)\nFILES+=({EARLY})\n"
    assert found.render(["vfio-pci", "mlx5_vfio_pci"]) == expected.encode()
    assert found.rebuild().arguments == ("mkinitcpio", "-P")


def test_without_functions_there_is_no_drop_in(any_tool: Initramfs) -> None:
    assert any_tool.render([]) is None


def test_a_driver_of_several_functions_is_named_once(any_tool: Initramfs) -> None:
    drivers = ["vfio-pci", "mlx5_vfio_pci", "vfio-pci", "vfio_pci"]
    assert any_tool.render(drivers) == any_tool.render(["mlx5_vfio_pci", "vfio-pci"])


def test_making_it_takes_its_time_and_stays(any_tool: Initramfs) -> None:
    command = any_tool.rebuild()
    assert command.seconds >= 600
    assert command.lasting
    assert "run the command by hand" in command.hint


def test_the_shell_takes_it(any_tool: Initramfs, tmp_path: Path) -> None:
    shell = shutil.which("sh" if any_tool.mode == 0o755 else "bash")
    if shell is None:
        pytest.skip("this machine has no bash")
    path = tmp_path / "drop-in"
    path.write_bytes(any_tool.render(["vfio-pci", "mlx5_vfio_pci"]) or b"")
    done = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        (("usr/bin/dracut",), "$force_drivers:$install_items"),
        (("usr/bin/mkinitcpio",), "${MODULES[*]}:${FILES[*]}"),
    ],
)
def test_what_the_shell_makes_of_it(
    machine: Machine, tmp_path: Path, files: tuple[str, ...], shown: str
) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("this machine has no bash")
    path = tmp_path / "drop-in"
    path.write_bytes(tool(machine, *files).render(["xe-vfio-pci", "vfio-pci"]) or b"")
    script = f'set -eu; force_drivers=" a "; install_items=""; MODULES=(a); FILES=(); . "$1"; \
echo "{shown}"'
    done = subprocess.run(
        [bash, "-c", script, "bash", path], capture_output=True, text=True, check=True
    )
    drivers, items = done.stdout.split(":")
    assert drivers.split() == ["a", "vfio_pci", "xe_vfio_pci"]
    assert items.split() == [EARLY]


def test_the_hook_tells_what_it_comes_after(machine: Machine, tmp_path: Path) -> None:
    # mkinitramfs asks every hook first; udev's own hook makes the folder that ours adds to.
    path = tmp_path / "hook"
    path.write_bytes(tool(machine, *DEBIAN).render(["vfio-pci"]) or b"")
    done = subprocess.run(["sh", path, "prereqs"], capture_output=True, text=True, check=True)
    assert done.stdout == "udev\n"


def test_the_hook_copies_and_loads(machine: Machine, tmp_path: Path) -> None:
    text = (tool(machine, *DEBIAN).render(["vfio-pci"]) or b"").decode()
    rules, functions = tmp_path / "own.rules", tmp_path / "hook-functions"
    rules.write_text("# rules\n")
    functions.write_text('force_load() { echo "$1" >> "$DESTDIR/modules"; }\n')
    text = text.replace(EARLY, str(rules)).replace(f"/{DEBIAN[1]}", str(functions))
    path = tmp_path / "hook"
    path.write_text(text)
    target = tmp_path / "initramfs"
    target.mkdir()
    subprocess.run(["sh", path], env={"DESTDIR": str(target), "PATH": "/usr/bin:/bin"}, check=True)
    assert (target / "etc/udev/rules.d/own.rules").read_text() == "# rules\n"
    assert (target / "modules").read_text() == "vfio_pci\n"
