# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot entries as systemd-boot and as Red Hat's GRUB read them."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.entries import (
    BlsEntry,
    Grub,
    newest,
    read_entries,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import (
    Delta,
    FileRecord,
    taken_back,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import RefusedError
from hypothesis import assume, given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

PATH = "/boot/loader/entries/a.conf"
INTEL = Wanted.of("intel", passthrough=True, extra=[])
NO_VARIABLES = Grub()
HARMLESS = ["root=UUID=1", "quiet", "isolcpus=1,3", "$tuned_params", "console=tty0", "iommu=pt"]
WORDS = [*HARMLESS, "$kernelopts", "intel_iommu=off", "iommu=off", "intel_iommu=on,sm_on", "--"]
LINUX = "linux /vmlinuz-1"


def contents(words: list[str]) -> st.SearchStrategy[bytes]:
    words_of = st.lists(st.sampled_from(words), max_size=4).map("  ".join)
    options = st.builds(
        lambda key, value: key + value,
        st.sampled_from(["options ", "options\t", " options  "]),
        words_of,
    )
    others = ["title A", "# options x", "", "options_more x", "initrd /i", "version 1"]
    lines = st.lists(st.one_of(options, st.sampled_from(others)), max_size=5)
    return st.builds(
        lambda before, after, end, final: (
            end.join([*before, LINUX, *after]) + (end if final else "")
        ).encode(),
        lines,
        lines,
        st.sampled_from(["\n", "\r\n"]),
        st.booleans(),
    )


GRUBS = st.sampled_from(
    [
        None,
        NO_VARIABLES,
        Grub({"kernelopts": "root=1 intel_iommu=off", "tuned_params": "nosmt"}),
        Grub(
            {"kernelopts": "root=1 intel_iommu=off", "tuned_params": "a=1"},
            frozenset({"kernelopts"}),
        ),
        Grub({"default_kernelopts": "root=1 iommu=off"}),
    ]
)
ENTRIES = st.builds(BlsEntry, st.just(PATH), contents(WORDS), grub=GRUBS)


def settled(text: str, grub: Grub | None = None, wanted: Wanted = INTEL) -> str:
    made = BlsEntry(PATH, text.encode(), grub=grub).settled(wanted)
    assert made is not None
    return made.decode()


def line_of(text: str, grub: Grub | None = None) -> str:
    return str(BlsEntry(PATH, text.encode(), grub=grub).line).strip()


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (
            "title A\nlinux /v\noptions root=1 ro\ninitrd /i\n",
            "title A\nlinux /v\noptions root=1 ro intel_iommu=on iommu=pt\ninitrd /i\n",
        ),
        ("linux /v\noptions\troot=1", "linux /v\noptions\troot=1 intel_iommu=on iommu=pt"),
        ("linux /v\r\noptions a\r\n", "linux /v\r\noptions a intel_iommu=on iommu=pt\r\n"),
        ("linux /v\n# options a\n", "linux /v\noptions intel_iommu=on iommu=pt\n# options a\n"),
        ("linux /v\r\ninitrd /i", "linux /v\r\noptions intel_iommu=on iommu=pt\r\ninitrd /i"),
        ("linux /v\noptions\n", "linux /v\noptions intel_iommu=on iommu=pt\n"),
        ("linux /v\noptions\r\n", "linux /v\noptions intel_iommu=on iommu=pt\r\n"),
        (
            "linux /v\noptions a\n\noptions b\n",
            "linux /v\noptions a\n\noptions b intel_iommu=on iommu=pt\n",
        ),
        ("linux /v\noptions intel_iommu=on\noptions iommu=pt\n", None),
        (
            "linux /v\noptions intel_iommu=off\noptions b\n",
            "linux /v\noptions b intel_iommu=on iommu=pt\n",
        ),
        (
            "linux /v\noptions a --\noptions iommu=pt\n",
            "linux /v\noptions a intel_iommu=on iommu=pt --\noptions iommu=pt\n",
        ),
        ("optionsx y\nlinux /v\n", "optionsx y\nlinux /v\noptions intel_iommu=on iommu=pt\n"),
    ],
)
def test_systemd_boot_takes_every_options_line(text: str, made: str | None) -> None:
    assert settled(text) == (text if made is None else made)
    assert settled(settled(text)) == settled(text)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (
            "linux /v\noptions a\noptions b intel_iommu=on iommu=pt\n",
            "linux /v\noptions a intel_iommu=on iommu=pt\noptions b intel_iommu=on iommu=pt\n",
        ),
        (
            "linux /v\ninitrd /i\n",
            "linux /v\noptions $default_kernelopts intel_iommu=on iommu=pt\ninitrd /i\n",
        ),
    ],
)
def test_grub_takes_the_first_options_line_or_a_variable(text: str, made: str) -> None:
    assert settled(text, NO_VARIABLES) == made
    assert settled(made, NO_VARIABLES) == made


def test_tuned_params_are_kept() -> None:
    grub = Grub({"tuned_params": "isolcpus=1,3"})
    text = "linux /v\noptions root=1 ro $tuned_params\n"
    assert settled(text, grub) == (
        "linux /v\noptions root=1 ro $tuned_params intel_iommu=on iommu=pt\n"
    )


def test_what_tuned_params_say_need_not_be_said_again() -> None:
    grub = Grub({"tuned_params": "intel_iommu=on iommu=pt"})
    text = "linux /v\noptions root=1 ro $tuned_params\n"
    assert settled(text, grub) == text
    assert settled(text, NO_VARIABLES) != text


def test_tuned_params_that_turn_it_off_are_refused_with_who_writes_them() -> None:
    grub = Grub({"tuned_params": "iommu=off"})
    with pytest.raises(RefusedError, match="profile of TuneD"):
        settled("linux /v\noptions root=1 $tuned_params\n", grub)


def test_an_entry_leaves_to_grubenv_what_it_takes_from_there() -> None:
    text = "linux /v\noptions $kernelopts $tuned_params\n"
    kept = frozenset({"kernelopts"})
    assert settled(text, Grub({"kernelopts": "root=1 iommu=off"}, kept)) == text
    assert settled(text, Grub({"kernelopts": "root=1"})) == (
        "linux /v\noptions $kernelopts $tuned_params intel_iommu=on iommu=pt\n"
    )


def test_its_own_argument_behind_the_variable_goes() -> None:
    grub = Grub({"kernelopts": "root=1"}, frozenset({"kernelopts"}))
    assert settled("linux /v\noptions $kernelopts intel_iommu=off\n", grub) == (
        "linux /v\noptions $kernelopts\n"
    )


def test_a_variable_of_grub_cfg_that_turns_it_off_is_spelled_out() -> None:
    grub = Grub({"default_kernelopts": "root=1 iommu=off ro"})
    assert settled("linux /v\n", grub) == "linux /v\noptions root=1 ro intel_iommu=on iommu=pt\n"


def test_names_that_are_not_known_are_nothing_to_grub_alone() -> None:
    text = "linux /v\noptions root=$x$y quiet\n"
    assert line_of(text, Grub({"x": "1"})) == "root=1  quiet"
    assert line_of(text) == "root=$x$y quiet"


def test_entries_that_differ_are_each_given_what_they_lack(machine: Machine) -> None:
    # One entry looked at and one tool for all leaves the others as they were.
    folder = "boot/loader/entries"
    machine.write(f"{folder}/new.conf", "linux /v2\noptions root=1 intel_iommu=on iommu=pt\n")
    machine.write(f"{folder}/old.conf", "linux /v1\noptions root=1 intel_iommu=on,sm_on\n")
    machine.write(f"{folder}/stale.conf", "linux /v0\noptions root=1 intel_iommu=off\n")
    lines = {
        entry.id: str(replace(entry, content=entry.settled(INTEL)).line)
        for entry in read_entries(machine.host, "/boot/loader/entries", NO_VARIABLES)
    }
    assert lines == {
        "new": "root=1 intel_iommu=on iommu=pt",
        "old": "root=1 intel_iommu=on,sm_on iommu=pt",
        "stale": "root=1 intel_iommu=on iommu=pt",
    }


def test_isolcpus_1_is_not_taken_for_isolcpus_1_3() -> None:
    wanted = Wanted.of("arm", passthrough=True, extra=["isolcpus=1"])
    assert settled("linux /v\noptions isolcpus=1,3\n", None, wanted) == (
        "linux /v\noptions isolcpus=1,3 isolcpus=1\n"
    )


def test_what_starts_no_kernel_is_no_entry(machine: Machine) -> None:
    folder = "boot/loader/entries"
    machine.write(f"{folder}/b.conf", "title B\nlinux /v\n")
    machine.write(f"{folder}/a.conf", "title A\n\tuki /a.efi\n")
    machine.write(f"{folder}/shell.conf", "title Shell\nefi /shell.efi\noptions x\n")
    machine.write(f"{folder}/c.conf.rpmsave", "linux /v\n")
    machine.write(f"{folder}/.d.conf", "linux /v\n")
    entries = read_entries(machine.host, "/boot/loader/entries", None)
    assert [(entry.id, entry.path) for entry in entries] == [
        ("a", "/boot/loader/entries/a.conf"),
        ("b", "/boot/loader/entries/b.conf"),
    ]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["5.9.1", "5.10.0"], "5.10.0"),
        (["6.1.0-9-amd64", "6.1.0-18-amd64"], "6.1.0-18-amd64"),
        (["0-rescue-ff", "5.14.0-70.el9"], "5.14.0-70.el9"),
        (["5.14.0-70.22.1.el9", "5.14.0-70.el9"], "5.14.0-70.22.1.el9"),
    ],
)
def test_the_newest_kernel_is_the_one_of_the_highest_version(
    versions: list[str], expected: str
) -> None:
    entries = [
        BlsEntry(f"/e/id-{version}.conf", f"version {version}\nlinux /v\n".encode())
        for version in versions
    ]
    for order in (entries, entries[::-1]):
        found = newest(order)
        assert found is not None
        assert found.value("version") == expected
    unnamed = [replace(entry, content=b"linux /v\n") for entry in entries]
    assert newest(unnamed) == unnamed[versions.index(expected)]
    assert newest([]) is None


@given(ENTRIES)
def test_settled_twice_is_settled_once(entry: BlsEntry) -> None:
    once = entry.settled(INTEL)
    assert replace(entry, content=once).settled(INTEL) == once


@given(ENTRIES)
def test_a_settled_entry_has_what_is_wanted(entry: BlsEntry) -> None:
    assume(entry.grub is None or not entry.grub.kept)
    assert INTEL.met(replace(entry, content=entry.settled(INTEL)).line)


@given(ENTRIES)
def test_taken_back_is_what_was_found(entry: BlsEntry) -> None:
    made = replace(entry, content=entry.settled(INTEL))
    assert taken_back(made, FileRecord(entry.content, made.content), Delta()) == entry.content


@given(contents(HARMLESS), st.sampled_from([None, NO_VARIABLES]))
def test_taken_back_leaves_what_others_wrote_meanwhile(content: bytes, grub: Grub | None) -> None:
    entry = BlsEntry(PATH, content, grub=grub)
    assume(str(entry.lines()[0]).strip())
    assume(b"options" in content.replace(b"# options", b"").replace(b"options_", b""))
    made = entry.settled(INTEL) or b""
    now = replace(entry, content=b"sort-key x\n" + made)
    back = taken_back(now, FileRecord(content, made), Delta())
    assert back == b"sort-key x\n" + content


@given(ENTRIES)
def test_other_lines_stay_as_they_are(entry: BlsEntry) -> None:
    def others(content: bytes | None) -> list[bytes]:
        return [
            line
            for line in (content or b"").split(b"\n")
            if not line.lstrip().startswith((b"options ", b"options\t"))
        ]

    assert others(entry.settled(INTEL)) == others(entry.content)
