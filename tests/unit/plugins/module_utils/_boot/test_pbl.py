# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SUSE's pbl, played in its newer and in its older form."""

from __future__ import annotations

import re
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import (
    Argument,
    CommandLine,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import Delta
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.pbl import observe
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import RefusedError
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Command, Plan
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.loader import Loader, Steps

INTEL = Wanted.of("intel", passthrough=True, extra=[])
DEFAULT = """\
# If you change this file, run 'grub2-mkconfig -o /boot/grub2/grub.cfg' afterwards
GRUB_DISTRIBUTOR=
GRUB_CMDLINE_LINUX_DEFAULT="{default}"
GRUB_CMDLINE_LINUX="{linux}"
SUSE_BTRFS_SNAPSHOT_BOOTING="true"
"""
MENU = """\
### BEGIN /etc/grub.d/10_linux ###
menuentry 'openSUSE Leap 15.6'  $menuentry_id_option 'gnulinux-simple-U' {{
\tlinux\t/boot/vmlinuz-6.4.0-default root=UUID=U  ${{extra_cmdline}} {linux} {default}
}}
menuentry 'openSUSE Leap 15.6 (recovery mode)' $menuentry_id_option 'gnulinux-6.4.0-recovery-U' {{
\tlinux\t/boot/vmlinuz-6.4.0-default root=UUID=U  ${{extra_cmdline}} single {linux}
}}
### END /etc/grub.d/10_linux ###
"""


class Suse(Host):
    """A machine where pbl changes the file and makes the menu of it.

    Args:
        old: whether it is a release before 1.0, in which an option goes by its name alone.
    """

    def __init__(self, root: Path, default: str, linux: str = "", *, old: bool = False) -> None:
        """Write the file and the menu."""
        super().__init__(root)
        self.live = True
        self.old = old
        self.commands: list[list[str]] = []
        self.write("/etc/default/grub", DEFAULT.format(default=default, linux=linux))
        self.mkconfig()

    def locate(self, path: str, *, follow: bool = True) -> str:
        """Stay below the root."""
        del follow
        return f"{self.root}{path}"

    def write(self, path: str, text: str) -> None:
        """Write a file with its folder."""
        place = Path(self.locate(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        """Write a file below the root."""
        del mode
        Path(self.locate(path)).write_bytes(content)

    def value(self, name: str) -> str:
        """Return what the shell makes of an assignment."""
        text = self.read_text("/etc/default/grub") or ""
        found = re.search(f'^{name}="(.*)"$', text, re.MULTILINE)
        return re.sub(r"\\(.)", r"\1", found[1]) if found else ""

    def mkconfig(self) -> None:
        """Make the menu."""
        default = self.value("GRUB_CMDLINE_LINUX_DEFAULT")
        linux = self.value("GRUB_CMDLINE_LINUX")
        self.write("/boot/grub2/grub.cfg", MENU.format(default=default, linux=linux))

    def run(self, command: t.Sequence[str], *, seconds: float = 60.0) -> str:
        """Play pbl."""
        del seconds
        self.commands.append([*command])
        options = re.findall(r'(?:[^ "]|"[^"]*")+', self.value("GRUB_CMDLINE_LINUX_DEFAULT"))
        action, *rest = command[1:]
        if action == "--config":
            self.mkconfig()
            return ""
        change = {"--add-option": self.added, "--del-option": self.removed}[action]
        options = change(options, *rest)
        text = " ".join(options).replace('"', '\\"')
        line = f'GRUB_CMDLINE_LINUX_DEFAULT="{text}"'
        old = self.read_text("/etc/default/grub") or ""
        new = re.sub("(?m)^GRUB_CMDLINE_LINUX_DEFAULT=.*$", lambda _found: line, old)
        self.write("/etc/default/grub", new)
        return ""

    def added(self, options: list[str], option: str) -> list[str]:
        """Return the options with one that takes the place of its namesakes."""
        same = [each for each in options if name(each) == name(option)]
        if not same:
            return [*options, option]
        at = options.index(same[0])
        behind = [each for each in options[at + 1 :] if self.old or each not in same]
        return [*options[:at], option, *behind]

    def removed(self, options: list[str], option: str) -> list[str]:
        """Return the options without one."""
        if not self.old:
            return [each for each in options if each != option]
        same = [each for each in options if name(each) == name(option)]
        if same:
            options.remove(same[0])
        return options


def name(option: str) -> str:
    return option.partition("=")[0]


def look(host: Host) -> Loader:
    return observe(host, reason="told")


def make(host: Host, steps: Steps) -> None:
    Plan(steps.changes).apply(host)


def commands(loader: Loader, delta: Delta) -> list[list[str]]:
    return [list(command.arguments) for command in loader.tool(delta)]


def delta(added: str = "", removed: str = "") -> Delta:
    return Delta(
        tuple(CommandLine.parse(added).arguments), tuple(CommandLine.parse(removed).arguments)
    )


def test_two_steps_for_the_menu(tmp_path: Path) -> None:
    host = Suse(tmp_path, "splash=silent quiet")
    make(host, look(host).present(INTEL, None))
    assert host.commands == [
        ["pbl", "--add-option", "intel_iommu=on"],
        ["pbl", "--add-option", "iommu=pt"],
        ["pbl", "--config"],
    ]
    assert all(INTEL.met(entry.line) for entry in look(host).entries)


def test_recovery_entries_are_not_reached(tmp_path: Path) -> None:
    assert [entry.id for entry in look(Suse(tmp_path, "quiet")).entries] == ["gnulinux-simple-U"]


def test_the_file_is_told_as_it_will_be(tmp_path: Path) -> None:
    host = Suse(tmp_path, "splash=silent   quiet ")
    steps = look(host).present(INTEL, None)
    told = Plan(steps.changes).diff()
    make(host, steps)
    assert [entry["after"] for entry in told] == [host.read_text("/etc/default/grub")]
    assert steps.rewritten == ("/etc/default/grub", "/boot/grub2/grub.cfg")


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    host = Suse(tmp_path, "quiet")
    steps = look(host).present(INTEL, None)
    make(host, steps)
    assert look(host).present(INTEL, steps.record).changes == ()


def test_the_way_back_is_to_the_byte(tmp_path: Path) -> None:
    host = Suse(tmp_path, "splash=silent  quiet ")
    before = host.read_bytes("/etc/default/grub")
    steps = look(host).present(INTEL, None)
    make(host, steps)
    make(host, look(host).absent(steps.record))
    assert host.read_bytes("/etc/default/grub") == before
    assert "iommu" not in (host.read_text("/boot/grub2/grub.cfg") or "")


def test_a_menu_that_lags_behind_is_made_anew(tmp_path: Path) -> None:
    host = Suse(tmp_path, "quiet")
    host.run(["pbl", "--add-option", "intel_iommu=on"])
    make(host, look(host).present(Wanted.of("intel", passthrough=False, extra=[]), None))
    assert host.commands[-1] == ["pbl", "--config"]
    assert "intel_iommu=on" in (host.read_text("/boot/grub2/grub.cfg") or "")


def test_a_source_that_lags_behind_is_set(tmp_path: Path) -> None:
    host = Suse(tmp_path, "intel_iommu=on iommu=pt")
    host.write("/etc/default/grub", DEFAULT.format(default="quiet", linux=""))
    make(host, look(host).present(INTEL, None))
    assert host.value("GRUB_CMDLINE_LINUX_DEFAULT") == "quiet intel_iommu=on iommu=pt"


def test_another_root_lists_commands_and_leaves_the_file(tmp_path: Path) -> None:
    Suse(tmp_path, "quiet")
    host = Host(tmp_path)
    before = host.read_bytes("/etc/default/grub")
    plan = Plan(look(host).present(INTEL, None).changes)
    plan.apply(host)
    assert plan.pending_commands()[-1] == ["pbl", "--config"]
    assert host.read_bytes("/etc/default/grub") == before


@pytest.mark.parametrize("old", [True, False])
def test_what_is_off_goes_before_what_is_on_comes(tmp_path: Path, *, old: bool) -> None:
    host = Suse(tmp_path, "quiet intel_iommu=off splash=silent", old=old)
    before = host.read_bytes("/etc/default/grub")
    steps = look(host).present(INTEL, None)
    make(host, steps)
    assert host.commands[0] == ["pbl", "--del-option", "intel_iommu=off"]
    assert host.value("GRUB_CMDLINE_LINUX_DEFAULT").split() == [
        "quiet",
        "splash=silent",
        "intel_iommu=on",
        "iommu=pt",
    ]
    make(host, look(host).absent(steps.record))
    assert host.read_bytes("/etc/default/grub") == before


def test_a_value_with_blanks(tmp_path: Path) -> None:
    host = Suse(tmp_path, "quiet")
    wanted = Wanted.of("amd", passthrough=False, extra=['dyndbg="file x +p"'])
    steps = look(host).present(wanted, None)
    make(host, steps)
    assert [wanted.met(entry.line) for entry in look(host).entries] == [True]
    assert look(host).present(wanted, steps.record).changes == ()
    make(host, look(host).absent(steps.record))
    assert "dyndbg" not in (host.read_text("/boot/grub2/grub.cfg") or "")


@pytest.mark.parametrize(
    ("default", "linux", "change", "told"),
    [
        ("console=tty0", "", delta("console=ttyS1"), "console=tty0 would go too"),
        ("", "", delta("console=a console=b"), "would go too"),
        ("intel_iommu=sm_on", "", delta("intel_iommu=on"), "intel_iommu=sm_on would go too"),
        ("iommu=pt iommu=x", "", delta(removed="iommu=x"), "iommu=pt would go too"),
        ("", "amd_iommu=off", delta("a=1", "amd_iommu=off"), "stands in GRUB_CMDLINE_LINUX of"),
    ],
)
def test_what_would_change_more_is_refused(
    tmp_path: Path, default: str, linux: str, change: Delta, told: str
) -> None:
    with pytest.raises(RefusedError, match=told):
        look(Suse(tmp_path, default, linux)).tool(change)


@pytest.mark.parametrize(
    ("default", "linux", "change"),
    [
        ("consoles=tty0 xconsole=1", "", delta("console=ttyS1")),
        ("console=tty0", "", delta("console=ttyS1", "console=tty0")),
        ("quiet", "intel_iommu=off", delta("intel_iommu=on", "intel_iommu=off")),
        ("iommu=pt iommu=pt", "", delta(removed="iommu=pt")),
        ("quiet", "iommu=soft", delta("iommu=pt")),
    ],
)
def test_what_changes_no_more_is_done(
    tmp_path: Path, default: str, linux: str, change: Delta
) -> None:
    assert commands(look(Suse(tmp_path, default, linux)), change)[-1] == ["pbl", "--config"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("GRUB_TIMEOUT=8\n", "no line begins with"),
        ("export GRUB_CMDLINE_LINUX_DEFAULT=quiet\n", "no line begins with"),
        ('GRUB_CMDLINE_LINUX_DEFAULT="quiet \\\nsplash"\n', "several lines"),
        ('GRUB_CMDLINE_LINUX_DEFAULT="quiet\nsplash"\n', "several lines"),
        ("GRUB_CMDLINE_LINUX_DEFAULT='quiet\nsplash'\n", "several lines"),
    ],
)
def test_a_file_that_pbl_cannot_write_is_refused(tmp_path: Path, text: str, told: str) -> None:
    host = Suse(tmp_path, "")
    host.write("/etc/default/grub", text)
    with pytest.raises(RefusedError, match=told):
        look(host).present(INTEL, None)


@pytest.mark.parametrize(
    "text",
    [
        "GRUB_CMDLINE_LINUX_DEFAULT='quiet'\n",
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet" # intel_iommu=on"\n',
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX_DEFAULT="splash"\n',
        'GRUB_CMDLINE_LINUX_DEFAULT="x=\\"1 2\\""\n',
    ],
)
def test_a_form_that_releases_write_in_different_ways_is_not_foretold(
    tmp_path: Path, text: str
) -> None:
    host = Suse(tmp_path, "")
    host.write("/etc/default/grub", text)
    loader = look(host)
    assert loader.tool_files == ()
    assert commands(loader, delta("a=1"))[0] == ["pbl", "--add-option", "a=1"]


@pytest.mark.parametrize("kind", ["systemd-boot", "grub2-bls", "none"])
def test_pbl_for_another_boot_loader_is_refused(tmp_path: Path, kind: str) -> None:
    host = Suse(tmp_path, "")
    host.write("/etc/sysconfig/bootloader", f'LOADER_TYPE="{kind}"\n')
    with pytest.raises(RefusedError, match=f"LOADER_TYPE is {kind}"):
        look(host)


@pytest.mark.parametrize("text", ['LOADER_TYPE="grub2-efi"\n', "LOADER_TYPE=grub2\n", "A=1\n"])
def test_pbl_for_grub(tmp_path: Path, text: str) -> None:
    host = Suse(tmp_path, "")
    host.write("/etc/sysconfig/bootloader", text)
    assert look(host).name == "pbl"


WORDS = st.sampled_from(
    [
        "quiet",
        "splash=silent",
        "intel_iommu=on",
        "intel_iommu=off",
        "intel_iommu=on,sm_on",
        "iommu=off",
        "iommu=pt",
        "iommu=nopt",
        "console=tty0",
        'dyndbg="file x +p"',
    ]
)
LINES = st.lists(WORDS, max_size=5, unique=True)


@given(
    default=LINES,
    linux=LINES,
    extra=st.lists(st.sampled_from(["a=1", "console=ttyS1"]), unique=True),
    old=st.booleans(),
)
def test_what_is_not_refused_is_done_and_taken_back(
    *, default: list[str], linux: list[str], extra: list[str], old: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        texts = [" ".join(words).replace('"', '\\"') for words in (default, linux)]
        host = Suse(Path(folder), *texts, old=old)
        before = host.read_bytes("/etc/default/grub")
        original = set(look(host).entries[0].line.plain)
        wanted = Wanted.of("intel", passthrough=True, extra=extra)
        try:
            steps = look(host).present(wanted, None)
        except RefusedError:
            assert host.commands == []
            return
        make(host, steps)
        assert all(wanted.met(entry.line) for entry in look(host).entries)
        assert look(host).present(wanted, steps.record).changes == ()
        back = look(host).absent(steps.record)
        make(host, back)
        assert host.value("GRUB_CMDLINE_LINUX") == " ".join(linux)
        if look(host).tool_files:
            assert host.read_bytes("/etc/default/grub") == before
        # Without the file as it was, an argument that stands twice may come back once.
        assert set(look(host).entries[0].line.plain) == original


def test_no_change_needs_no_option(tmp_path: Path) -> None:
    assert commands(look(Suse(tmp_path, "console=a console=b")), Delta()) == [["pbl", "--config"]]


def test_commands_have_time_for_all_disks(tmp_path: Path) -> None:
    *_options, config = look(Suse(tmp_path, "")).tool(Delta((Argument("a"),), ()))
    assert isinstance(config, Command)
    assert config.seconds > 60
