# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments of ostree, with the daemon of rpm-ostree played as its releases are."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import CommandLine
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import Delta
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.rpm_ostree import observe
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError, RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Plan
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.loader import Loader, Steps

INTEL = Wanted.of("intel", passthrough=True, extra=[])
OPTIONS = "root=UUID=U rootflags=subvol=root rw rhgb quiet ostree=/ostree/boot.1/fedora/0a/0"
ENTRY = """\
title Fedora Linux 40 (Silverblue) (ostree:0)
version {version}
options {options}
linux /ostree/fedora-0a/vmlinuz-6.8.5
initrd /ostree/fedora-0a/initramfs-6.8.5.img
"""


class Silverblue(Host):
    """A machine that ostree started.

    Args:
        release: C(2021) to C(2023.4) and C(2024) compare whole arguments, between them names.
    """

    def __init__(self, root: Path, options: str = OPTIONS, *, release: str = "2024.1") -> None:
        """Have the tool and a deployment."""
        super().__init__(root)
        for path in ("run/ostree-booted", "usr/bin/rpm-ostree"):
            (root / path).parent.mkdir(parents=True)
            (root / path).touch()
        self.live = True
        self.options = options.split()
        self.by_name = release.startswith("2023.1")
        self.commands: list[list[str]] = []
        self.error: HostError | None = None

    def locate(self, path: str, *, follow: bool = True) -> str:
        """Stay below the root."""
        del follow
        return f"{self.root}{path}"

    def run(self, command: t.Sequence[str], *, seconds: float = 60.0) -> str:
        """Play kernel_arg_apply_patching of the daemon."""
        assert seconds > 60
        assert [*command[:2]] == ["rpm-ostree", "kargs"]
        if self.error:
            raise self.error
        changes = [word.partition("=")[::2] for word in command[2:]]
        if not changes:
            return " ".join(self.options) + "\n"
        self.commands.append([*command])
        before = [*self.options]
        for action in ("--append", "--append-if-missing", "--delete-if-present"):
            for option in (text for name, text in changes if name == action):
                there = self.has(self.options if self.by_name else before, option)
                if action == "--delete-if-present":
                    self.delete(option, there=there)
                elif action == "--append" or not there:
                    self.options.append(option)
        return "Staging deployment... done\n"

    def has(self, options: list[str], option: str) -> bool:
        """Tell whether an option is there, as the release compares."""
        if self.by_name:
            return option.partition("=")[0] in [each.partition("=")[0] for each in options]
        return option in options

    def delete(self, option: str, *, there: bool) -> None:
        """Take an option out; it is an error when another value of its name is there."""
        if option in self.options:
            self.options.remove(option)
        elif there:
            raise HostError(f"error: No karg '{option}' found")


def look(host: Host) -> Loader:
    return observe(host, reason="told")


def make(host: Host, steps: Steps) -> None:
    Plan(steps.changes).apply(host)


def write(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def pending(host: Host, wanted: Wanted = INTEL) -> list[list[str]]:
    return Plan(look(host).present(wanted, None).changes).pending_commands()


def line(text: str) -> t.Any:
    return CommandLine.parse(text).arguments


# -- the running machine -------------------------------------------------------------------------


def test_one_call(tmp_path: Path) -> None:
    host = Silverblue(tmp_path)
    make(host, look(host).present(INTEL, None))
    assert host.commands == [
        [
            "rpm-ostree",
            "kargs",
            "--append-if-missing=intel_iommu=on",
            "--append-if-missing=iommu=pt",
        ]
    ]


def test_the_default_deployment_is_what_counts(tmp_path: Path) -> None:
    host = Silverblue(tmp_path)
    write(tmp_path, "boot/loader/entries/ostree-1.conf", ENTRY.format(version=1, options="old"))
    (entry,) = look(host).entries
    assert (entry.id, entry.path, str(entry.line)) == ("default deployment", None, OPTIONS)


def test_a_second_run_and_the_way_back(tmp_path: Path) -> None:
    host = Silverblue(tmp_path)
    steps = look(host).present(INTEL, None)
    make(host, steps)
    assert look(host).present(INTEL, steps.record).changes == ()
    make(host, look(host).absent(steps.record))
    assert " ".join(host.options) == OPTIONS
    assert host.commands[1][2:] == [
        "--delete-if-present=intel_iommu=on",
        "--delete-if-present=iommu=pt",
    ]


@pytest.mark.parametrize("release", ["2023.4", "2023.10", "2024.1"])
def test_an_argument_beside_others_of_its_name(tmp_path: Path, release: str) -> None:
    host = Silverblue(tmp_path, "console=tty0 intel_iommu=off", release=release)
    wanted = Wanted.of("intel", passthrough=True, extra=["console=ttyS0", "x=1", "x=2"])
    steps = look(host).present(wanted, None)
    make(host, steps)
    assert wanted.met(look(host).entries[0].line)
    assert "--append=intel_iommu=on" in host.commands[0]
    assert "--append-if-missing=iommu=pt" in host.commands[0]
    make(host, look(host).absent(steps.record))
    assert sorted(host.options) == ["console=tty0", "intel_iommu=off"]


def test_what_rpm_ostree_says_is_told_with_the_remedy(tmp_path: Path) -> None:
    host = Silverblue(tmp_path)
    host.error = HostError("rpm-ostree kargs failed with status 1: error: Transaction in progress")
    with pytest.raises(HostError, match=r"in progress; where another .*rpm-ostree cancel"):
        look(host)


def test_a_transaction_that_comes_between(tmp_path: Path) -> None:
    host = Silverblue(tmp_path)
    steps = look(host).present(INTEL, None)
    host.error = HostError("rpm-ostree kargs failed with status 1: error: Transaction in progress")
    with pytest.raises(HostError, match=r"in progress; where another .*rpm-ostree cancel"):
        make(host, steps)


@pytest.mark.parametrize("told", ["", "\n"])
def test_no_answer_is_an_empty_line(tmp_path: Path, told: str) -> None:
    assert str(look(Silverblue(tmp_path, told)).entries[0].line) == ""


def test_bootc_alone_is_done_by_hand(tmp_path: Path) -> None:
    host = Silverblue(tmp_path)
    (tmp_path / "usr/bin/rpm-ostree").unlink()
    write(tmp_path, "usr/bin/bootc")
    with pytest.raises(RefusedError, match=r"By hand: put kargs = .* /usr/lib/bootc/kargs\.d"):
        look(host)


@pytest.mark.parametrize("change", [Delta(line('a="b c"')), Delta((), line('"iommu=off"'))])
def test_quotes_are_refused(tmp_path: Path, change: Delta) -> None:
    with pytest.raises(RefusedError, match="ostree cannot carry"):
        look(Silverblue(tmp_path)).tool(change)


def test_no_change_is_no_command(tmp_path: Path) -> None:
    assert look(Silverblue(tmp_path)).tool(Delta()) == ()


WORDS = st.sampled_from(
    [
        "quiet",
        "intel_iommu=on",
        "intel_iommu=off",
        "intel_iommu=sm_on",
        "iommu=pt",
        "iommu=nopt",
        "iommu=off",
        "console=tty0",
    ]
)


@given(
    st.lists(WORDS, unique=True),
    st.lists(st.sampled_from(["x=1", "x=2", "console=ttyS1"]), unique=True),
    st.sampled_from(["2023.4", "2023.10", "2024.1"]),
)
def test_every_release_does_it_and_takes_it_back(
    words: list[str], extra: list[str], release: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        host = Silverblue(Path(folder), " ".join(words), release=release)
        wanted = Wanted.of("intel", passthrough=True, extra=extra)
        steps = look(host).present(wanted, None)
        make(host, steps)
        assert wanted.met(look(host).entries[0].line)
        assert look(host).present(wanted, steps.record).changes == ()
        make(host, look(host).absent(steps.record))
        assert sorted(host.options) == sorted(words)


# -- another root --------------------------------------------------------------------------------


def test_the_entry_with_the_highest_version(tmp_path: Path) -> None:
    for name, version in (("ostree-2-fedora", 2), ("ostree-10-fedora", 10), ("ostree-9-x", 9)):
        text = ENTRY.format(version=version, options=f"{OPTIONS} v={version}")
        write(tmp_path, f"boot/loader/entries/{name}.conf", text)
    write(tmp_path, "boot/loader/entries/other.conf", ENTRY.format(version=99, options="other"))
    (entry,) = look(Host(tmp_path)).entries
    assert (entry.id, entry.path) == (
        "ostree-10-fedora",
        "/boot/loader/entries/ostree-10-fedora.conf",
    )
    assert str(entry.line) == f"{OPTIONS} v=10"


def test_commands_are_listed_and_files_stay(tmp_path: Path) -> None:
    text = ENTRY.format(version=1, options=OPTIONS)
    write(tmp_path, "boot/loader/entries/ostree-1.conf", text)
    assert pending(Host(tmp_path)) == [
        [
            "rpm-ostree",
            "kargs",
            "--append-if-missing=intel_iommu=on",
            "--append-if-missing=iommu=pt",
        ]
    ]
    make(Host(tmp_path), look(Host(tmp_path)).present(INTEL, None))
    assert (tmp_path / "boot/loader/entries/ostree-1.conf").read_text() == text


def test_the_tree_of_one_deployment_has_its_recording(tmp_path: Path) -> None:
    write(tmp_path, "run/ostree-booted")
    write(tmp_path, "proc/cmdline", f"{OPTIONS} intel_iommu=on\n")
    (entry,) = look(Host(tmp_path)).entries
    assert entry.line.plain[-1] == "intel_iommu=on"
    assert pending(Host(tmp_path)) == [["rpm-ostree", "kargs", "--append-if-missing=iommu=pt"]]


def test_nothing_known_lacks_all(tmp_path: Path) -> None:
    (tmp_path / "ostree/deploy").mkdir(parents=True)
    assert len(pending(Host(tmp_path))[0]) == 4


def test_an_image_of_bootc_has_files(tmp_path: Path) -> None:
    write(tmp_path, "usr/bin/bootc")
    loader = look(Host(tmp_path))
    assert loader.name == "rpm-ostree"
    assert pending(Host(tmp_path)) == []
    make(Host(tmp_path), loader.present(INTEL, None))
    assert (tmp_path / "usr/lib/bootc/kargs.d/90-hwaccel-virt.toml").exists()


def test_neither_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "boot/loader/entries/other.conf", ENTRY.format(version=1, options="a"))
    with pytest.raises(RefusedError, match=r"no deployment of ostree .* and no image of bootc"):
        look(Host(tmp_path))
