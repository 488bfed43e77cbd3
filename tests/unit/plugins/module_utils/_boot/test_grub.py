# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GRUB without entries: which shell reads its files, which folder, which command makes the menu."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot import grub
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.drop_in import DropInLoader
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import FileChange
from ansible_collections.hwaccel.virt.plugins.module_utils._shell.evaluate import Dialect

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.loader import Loader
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine, RunningHost

INTEL = Wanted.of("intel", passthrough=True, extra=[])
SCRIPT = "usr/sbin/grub-mkconfig"
DEBIAN = {"etc/os-release": "ID=debian\n"}


def observed(machine: Machine, files: dict[str, str]) -> Loader:
    for path, text in {"etc/default/grub": "", **files}.items():
        machine.write(path, text)
    return grub.observe(machine.host, reason="test")


@pytest.mark.parametrize(
    ("files", "drop_in"),
    [
        ({SCRIPT: "#!/bin/sh\nfor x in ${sysconfdir}/default/grub.d/*.cfg ; do\n"}, True),
        ({SCRIPT: "#!/bin/sh\n. ${sysconfdir}/default/grub\n"}, False),
        # A folder that the installed script does not read.
        ({SCRIPT: "#!/bin/sh\n", "etc/default/grub.d/a.cfg": ""}, False),
        # No script: an image before GRUB is installed.
        ({"etc/default/grub.d/a.cfg": ""}, True),
        (DEBIAN, True),
        ({"etc/os-release": "ID=arch\n"}, False),
    ],
)
def test_the_script_tells_what_it_reads(
    machine: Machine,
    files: dict[str, str],
    *,
    drop_in: bool,
) -> None:
    assert isinstance(observed(machine, files), DropInLoader) is drop_in


@pytest.mark.parametrize(
    ("first", "link", "dialect"),
    [
        ("#! /bin/sh", "dash", Dialect.DASH),
        ("#!/bin/sh -e", "bash", Dialect.BASH),
        ("#!/bin/bash", None, Dialect.BASH),
        ("#!/bin/dash", None, Dialect.DASH),
        ("#!/bin/sh", "busybox", Dialect.DASH),
        ("#!/bin/sh", None, Dialect.BASH),
        ("", None, Dialect.BASH),
    ],
)
def test_the_shell_of_the_script(
    machine: Machine,
    first: str,
    link: str | None,
    dialect: Dialect,
) -> None:
    machine.write(SCRIPT, f"{first}\n")
    if link is not None:
        machine.write(f"bin/{link}", "")
        (machine.root / "bin/sh").symlink_to(link)
    assert grub.mkconfig_dialect(machine.host, f"/{SCRIPT}") is dialect


def test_sh_of_debian_is_dash_without_a_link_to_tell(machine: Machine) -> None:
    machine.write("etc/os-release", "ID=linuxmint\nID_LIKE='ubuntu debian'\n")
    assert grub.mkconfig_dialect(machine.host, None) is Dialect.DASH


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({**DEBIAN, "usr/sbin/update-grub": ""}, ("update-grub",)),
        ({SCRIPT: ""}, ("grub-mkconfig", "-o", "/boot/grub/grub.cfg")),
        (
            {"usr/sbin/grub2-mkconfig": "", "boot/grub2/grub.cfg": ""},
            ("grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"),
        ),
    ],
)
def test_the_command(machine: Machine, files: dict[str, str], command: tuple[str, ...]) -> None:
    loader = observed(machine, files)
    steps = loader.present(INTEL, None)
    assert [getattr(change, "arguments", None) for change in steps.changes][-1] == command
    assert steps.rewritten == (loader.output,)


@pytest.mark.parametrize("files", [DEBIAN, {SCRIPT: "#!/bin/bash\n"}])
@pytest.mark.parametrize(
    ("entry", "appended"),
    [
        ("menuentry 'Linux (recovery mode)' {\nlinux /vmlinuz ro single\n}\n", True),
        ("menuentry 'Linux' {\nlinux /vmlinuz recovery nomodeset\n}\n", True),
        ("menuentry 'Linux' {\nlinux /vmlinuz ro\n}\n", False),
    ],
)
def test_recovery_entries_do_without_the_default_s_part(
    machine: Machine,
    files: dict[str, str],
    entry: str,
    *,
    appended: bool,
) -> None:
    default = 'GRUB_CMDLINE_LINUX_DEFAULT="intel_iommu=on iommu=pt"\n'
    tree = {**files, "etc/default/grub": default, "boot/grub/grub.cfg": entry}
    steps = observed(machine, tree).present(INTEL, None)
    written = [each for each in steps.changes if isinstance(each, FileChange)]
    assert bool(written) is appended
    assert all(b"intel_iommu=on iommu=pt" in (each.after or b"") for each in written)


def test_too_little_room_is_an_error(
    machine: Machine,
    running: RunningHost,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = running
    machine.write("etc/default/grub", "")
    machine.write("boot/grub/grub.cfg", "x" * 100)
    monkeypatch.setattr(host, "free_bytes", lambda _path: 65536 + 199)
    with pytest.raises(HostError, match=r"65735 bytes are free .* takes 65736"):
        grub.observe(host, reason="test").present(INTEL, None)
    monkeypatch.setattr(host, "free_bytes", lambda _path: 65536 + 200)
    assert grub.observe(host, reason="test").present(INTEL, None).changes
