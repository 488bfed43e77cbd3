# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pop!_OS, with kernelstub played: its file and its entries."""

from __future__ import annotations

import json
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import CommandLine
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.kernelstub import (
    CONFIGURATION,
    Configuration,
    observe,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import Delta
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import (
    HwaccelError,
    RefusedError,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import Plan
from hypothesis import given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.loader import Loader, Steps

INTEL = Wanted.of("intel", passthrough=True, extra=[])
OPTIONS = "quiet loglevel=0 systemd.show_status=false splash"
FOLDER = "/boot/efi/loader/entries"
RECOVERY = """\
title Pop!_OS recovery
linux /EFI/Recovery-7E42-A71F/vmlinuz.efi
initrd /EFI/Recovery-7E42-A71F/initrd.gz
options  boot=casper hostname=recovery userfullname=Recovery
"""


class PopOs(Host):
    """A machine where kernelstub keeps the options."""

    def __init__(self, root: Path, options: str = OPTIONS) -> None:
        """Write the configuration and the entries."""
        super().__init__(root)
        self.live = True
        self.commands: list[list[str]] = []
        section = {
            "kernel_options": options.split(),
            "esp_path": "/boot/efi",
            "setup_loader": True,
            "manage_mode": True,
            "force_update": False,
            "live_mode": False,
            "config_rev": 3,
        }
        default = {**section, "kernel_options": ["quiet", "splash"], "setup_loader": False}
        text = json.dumps({"default": default, "user": section}, indent=2)
        self.write(CONFIGURATION, text)
        for name in ("vmlinuz-6.9.3-76060903-generic", "vmlinuz-6.8.0-76060800daily-generic"):
            self.write(f"/boot/{name}", "")
        self.write(f"{FOLDER}/Recovery-7E42-A71F.conf", RECOVERY)
        self.install(options.split())

    def locate(self, path: str, *, follow: bool = True) -> str:
        """Stay below the root."""
        del follow
        return f"{self.root}{path}"

    def write(self, path: str, text: str) -> None:
        """Write a file with its folder."""
        place = Path(self.locate(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        """Write a file below the root."""
        del mode
        Path(self.locate(path)).write_bytes(content)

    def install(self, options: list[str]) -> None:
        """Write the entries."""
        for name, kernel in (("current", "vmlinuz.efi"), ("oldkern", "vmlinuz-previous.efi")):
            text = (
                f"title Pop!_OS\nlinux /EFI/Pop_OS-U/{kernel}\ninitrd /EFI/Pop_OS-U/initrd.img\n"
                f"options root=UUID=U ro {' '.join(options)}\n"
            )
            self.write(f"{FOLDER}/Pop_OS-{name}.conf", text)

    @property
    def options(self) -> list[str]:
        """The options of the configuration."""
        data = json.loads(self.read_text(CONFIGURATION) or "")
        return t.cast("list[str]", data["user"]["kernel_options"])

    def run(self, command: t.Sequence[str], *, seconds: float = 60.0) -> str:
        """Play kernelstub; what is left of a set comes in any order."""
        del seconds
        self.commands.append([*command])
        data = json.loads(self.read_text(CONFIGURATION) or "")
        options = data["user"]["kernel_options"]
        _tool, action, text = command
        if action == "-o":
            options = text.split()
        elif action == "-a":
            options += [each for each in text.split(" ") if each not in options]
        else:
            options = sorted(set(options) - set(text.split(" ")), reverse=True)
        data["user"]["kernel_options"] = options
        self.write(CONFIGURATION, json.dumps(data, indent=2))
        self.install(options)
        return ""

    def files(self) -> dict[str, str]:
        """Return what it wrote."""
        paths = [CONFIGURATION, *(f"{FOLDER}/{name}" for name in self.names(FOLDER))]
        return {path: self.read_text(path) or "" for path in paths}


def look(host: Host) -> Loader:
    return observe(host, reason="told")


def make(host: Host, steps: Steps) -> None:
    Plan(steps.changes).apply(host)


def delta(added: str = "", removed: str = "") -> Delta:
    return Delta(CommandLine.parse(added).arguments, CommandLine.parse(removed).arguments)


def commands(options: str, change: Delta) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        loader = look(PopOs(Path(folder), options))
        return [list(command.arguments) for command in loader.tool(change)]


def configuration(data: object) -> Configuration:
    text = data if isinstance(data, str) else json.dumps(data)
    return Configuration(CONFIGURATION, text.encode())


def test_one_command(tmp_path: Path) -> None:
    host = PopOs(tmp_path)
    make(host, look(host).present(INTEL, None))
    assert host.commands == [["kernelstub", "-a", "intel_iommu=on iommu=pt"]]
    assert host.options == [*OPTIONS.split(), "intel_iommu=on", "iommu=pt"]


def test_the_recovery_system_is_left_alone(tmp_path: Path) -> None:
    loader = look(PopOs(tmp_path))
    assert [(entry.id, entry.path) for entry in loader.entries] == [
        ("Pop_OS-current", f"{FOLDER}/Pop_OS-current.conf"),
        ("Pop_OS-oldkern", f"{FOLDER}/Pop_OS-oldkern.conf"),
    ]


def test_the_files_are_told_as_they_will_be(tmp_path: Path) -> None:
    host = PopOs(tmp_path)
    steps = look(host).present(INTEL, None)
    told = {entry["after_header"]: entry["after"] for entry in Plan(steps.changes).diff()}
    make(host, steps)
    assert told == {path: text for path, text in host.files().items() if "Recovery" not in path}
    assert [*steps.rewritten] == [*told]


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    host = PopOs(tmp_path)
    steps = look(host).present(INTEL, None)
    make(host, steps)
    assert look(host).present(INTEL, steps.record).changes == ()


def test_the_way_back_is_to_the_byte_and_keeps_the_order(tmp_path: Path) -> None:
    host = PopOs(tmp_path)
    before = host.files()
    steps = look(host).present(INTEL, None)
    make(host, steps)
    make(host, look(host).absent(steps.record))
    assert host.commands[-1] == ["kernelstub", "-d", "intel_iommu=on iommu=pt"]
    assert host.files() == before


def test_an_edited_entry_is_not_enough(tmp_path: Path) -> None:
    host = PopOs(tmp_path)
    host.install([*OPTIONS.split(), "intel_iommu=on", "iommu=pt"])
    make(host, look(host).present(INTEL, None))
    assert host.options[-2:] == ["intel_iommu=on", "iommu=pt"]


def test_entries_that_lag_behind_are_made_anew(tmp_path: Path) -> None:
    host = PopOs(tmp_path, f"{OPTIONS} intel_iommu=on iommu=pt")
    host.install(OPTIONS.split())
    make(host, look(host).present(INTEL, None))
    assert all(INTEL.met(entry.line) for entry in look(host).entries)


def test_another_root_lists_the_command(tmp_path: Path) -> None:
    before = PopOs(tmp_path).files()
    host = Host(tmp_path)
    plan = Plan(look(host).present(INTEL, None).changes)
    plan.apply(host)
    assert plan.pending_commands() == [["kernelstub", "-a", "intel_iommu=on iommu=pt"]]
    assert PopOs.files(t.cast("PopOs", host)) == before


def test_an_old_entry_that_kernelstub_leaves_does_not_count(tmp_path: Path) -> None:
    host = PopOs(tmp_path)
    (tmp_path / "boot/vmlinuz-6.8.0-76060800daily-generic").unlink()
    assert [entry.id for entry in look(host).entries] == ["Pop_OS-current"]


def test_without_systemd_boot_the_configuration_counts(tmp_path: Path) -> None:
    host = PopOs(tmp_path)
    for name in host.names(FOLDER):
        (tmp_path / FOLDER[1:] / name).unlink()
    (entry,) = look(host).entries
    assert (entry.path, str(entry.line)) == (CONFIGURATION, OPTIONS)


def test_another_mount_point(tmp_path: Path) -> None:
    host = PopOs(tmp_path)
    text = (host.read_text(CONFIGURATION) or "").replace("/boot/efi", "/efi/")
    host.write(CONFIGURATION, text)
    host.write("/efi/loader/entries/Pop_OS-current.conf", "linux /a\noptions root=UUID=U ro b\n")
    assert [entry.path for entry in look(host).entries] == [
        "/efi/loader/entries/Pop_OS-current.conf"
    ]


def test_without_a_configuration_the_entries_are_all(tmp_path: Path) -> None:
    host = PopOs(tmp_path)
    (tmp_path / CONFIGURATION[1:]).unlink()
    loader = look(host)
    assert [entry.id for entry in loader.entries] == ["Pop_OS-current", "Pop_OS-oldkern"]
    assert loader.tool_files == ()
    assert len(loader.present(INTEL, None).changes) == 1


@pytest.mark.parametrize(
    ("options", "change", "made"),
    [
        ("quiet", delta("a b"), [["-a", "a b"]]),
        ("quiet a", delta("", "a"), [["-d", "a"]]),
        ("quiet a", delta("b", "a"), [["-o", "quiet b"]]),
        ("b a", delta("b", "a"), [["-o", "b"]]),
        ("b=1 b=2", delta("b=1"), [["-o", "b=1 b=2 b=1"]]),
        ("b=2 b=1", delta("b=1 c"), [["-a", "b=1 c"]]),
        ("quiet splash iommu=off", delta("", "iommu=off"), [["-o", "quiet splash"]]),
        ('x="2 3" a', delta("b", "a"), [["-a", "b"], ["-d", "a"]]),
        ("x=1 a x=2", delta("", "a"), [["-o", "x=1 x=2"]]),
        ("x-y=1 a x_y=2", delta("b", "a"), [["-o", "x-y=1 x_y=2 b"]]),
        ("hugepagesz=1G hugepages=4 a", delta("", "a"), [["-o", "hugepagesz=1G hugepages=4"]]),
        ('x=1 a x="2 3"', delta("", "a"), [["-d", "a"]]),
        ("a", delta("", "a"), [["-d", "a"]]),
        ("a", delta(), []),
    ],
)
def test_the_order_stays_where_it_matters(
    options: str, change: Delta, made: list[list[str]]
) -> None:
    assert commands(options, change) == [["kernelstub", *words] for words in made]


@pytest.mark.parametrize("change", [delta('a="b c"'), delta("", '"iommu=off"')])
def test_quotes_are_refused(change: Delta) -> None:
    with pytest.raises(RefusedError, match="kernelstub cannot carry"):
        commands("quiet", change)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("{", "line 1: kernelstub cannot read it"),
        ("\n\nnone", "line 3: kernelstub cannot read it"),
        ([], "no JSON object"),
        ({"user": []}, "are no list"),
        ({"user": {"kernel_options": 1}}, "are no list"),
    ],
)
def test_a_configuration_that_is_none_is_named(data: object, told: str) -> None:
    with pytest.raises(HwaccelError, match=f"^{CONFIGURATION}.*{told}"):
        configuration(data).lines()


@pytest.mark.parametrize(
    ("data", "options", "foretold"),
    [
        ({"user": {"kernel_options": ["a", "b"], "live_mode": False}}, "a b", True),
        ({"user": {"kernel_options": ["a", "b"]}}, "a b", False),
        ({"user": {"kernel_options": ["a", "", 'b="c', 'd"'], "live_mode": True}}, "a  b=", False),
        ({"user": {"kernel_options": ["a", "b  c"], "live_mode": False}}, "a b  c", False),
        ({"user": {"kernel_options": ["a", 'b="c', 'd"'], "live_mode": False}}, "a b=", False),
        ({"user": {"kernel_options": ["a", 1], "live_mode": False}}, "a 1", False),
        ({"user": {"kernel_options": "a b", "live_mode": False}}, "a b", False),
        ({"default": {"kernel_options": ["a"]}}, "a", False),
        ({"user": {}}, "", False),
        ({}, "", False),
        ("", "", False),
    ],
)
def test_what_is_read_of_a_configuration(data: object, options: str, *, foretold: bool) -> None:
    found = configuration(data)
    assert str(found.lines()[0]).startswith(options)
    assert found.foretold == foretold


WORDS = st.sampled_from(
    [
        "quiet",
        "intel_iommu=on",
        "intel_iommu=off",
        "iommu=pt",
        "iommu=nopt",
        "iommu=off",
        "console=tty0",
        "console=ttyS0",
    ]
)


@given(
    st.lists(WORDS, unique=True, min_size=1),
    st.lists(st.sampled_from(["x=1", "console=ttyS1"]), unique=True),
)
def test_whatever_stands_there_is_met_and_taken_back(words: list[str], extra: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        host = PopOs(Path(folder), " ".join(words))
        before = host.files()
        wanted = Wanted.of("intel", passthrough=True, extra=extra)
        steps = look(host).present(wanted, None)
        make(host, steps)
        assert all(wanted.met(entry.line) for entry in look(host).entries)
        assert look(host).present(wanted, steps.record).changes == ()
        make(host, look(host).absent(steps.record))
        assert sorted(host.options) == sorted(words)
        # A second one of what stood there already comes in another order than told.
        if not {argument.text for argument in steps.record.delta.added} & set(words):
            assert host.files() == before


@given(st.text())
def test_every_text_is_read_or_named(text: str) -> None:
    told = CONFIGURATION
    try:
        Configuration(CONFIGURATION, text.encode("utf-8", "surrogatepass")).lines()
    except HwaccelError as error:
        told = str(error)
    assert told.startswith(CONFIGURATION)
