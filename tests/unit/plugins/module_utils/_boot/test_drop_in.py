# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file of our own after all that would override it: what the real shell makes of it."""

from __future__ import annotations

import subprocess
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import CommandLine
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.drop_in import (
    DropIn,
    DropInLoader,
    read_drop_in,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.record import BootRecord
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HwaccelError
from ansible_collections.hwaccel.virt.plugins.module_utils._plan import FileChange
from ansible_collections.hwaccel.virt.plugins.module_utils._shell.evaluate import Dialect
from hypothesis import given, settings
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine

GRUB = "/etc/default/grub"
FOLDER = "/etc/default/grub.d"
OURS = f"{FOLDER}/zz-hwaccel-virt.cfg"
INTEL = Wanted.of("intel", passthrough=True, extra=[])
CLOUD_IMAGE = """# Cloud Image specific Grub settings for Generic Cloud Images
GRUB_RECORDFAIL_TIMEOUT=0
GRUB_TIMEOUT=0
GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0"
GRUB_TERMINAL=console
"""

WORDS = st.sampled_from(
    [
        "quiet",
        "intel_iommu=off",
        "intel_iommu=on",
        "intel_iommu=off,sm_on",
        "iommu=off",
        "iommu=nopt",
        "amd_iommu=off",
        "a=2",
        "console=tty0",
        r"\"x y\"",
        r"\$y",
        "--",
    ]
)
ASSIGNMENTS = st.builds(
    lambda name, before, words: f'{name}="{before}{" ".join(words)}"\n'.replace("NAME", name),
    st.sampled_from(["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"]),
    st.sampled_from(["", "", "$NAME ", "${NAME} "]),
    st.lists(WORDS, max_size=3),
)
FILES = st.dictionaries(
    st.sampled_from(["10-a.cfg", "50-cloudimg-settings.cfg", "zzz-last.cfg", "~last.cfg"]),
    st.lists(ASSIGNMENTS, max_size=3).map("".join),
    max_size=3,
)
WANTED = st.builds(
    lambda vendor, extra: Wanted.of(vendor, passthrough=True, extra=extra),
    st.sampled_from(["intel", "amd"]),
    st.lists(st.sampled_from(["a=1", "vfio-pci.ids=8086:0001", 'b="x y"']), unique=True),
)


def loader(grub: str, files: dict[str, str] | None = None) -> DropInLoader:
    others = [(GRUB, grub)]
    others += [(f"{FOLDER}/{name}", text) for name, text in sorted((files or {}).items())]
    return DropInLoader("grub", "test", (), drop_in=DropIn(FOLDER, Dialect.DASH, tuple(others)))


def after(found: DropInLoader, wanted: Wanted = INTEL) -> DropInLoader:
    """Return the loader as it is after a run."""
    ours = dict(found.drop_in.ours)
    for change in found.present(wanted, None).changes:
        assert isinstance(change, FileChange)
        ours.pop(change.path, None)
        if change.after is not None:
            ours[change.path] = change.after
    return replace(found, drop_in=replace(found.drop_in, ours=tuple(ours.items())))


def sourced(found: DropInLoader) -> CommandLine:
    """Return the command line that the real shell makes of the files, in the order of reading."""
    files = dict(found.drop_in.others[1:])
    files |= {path: content.decode() for path, content in found.drop_in.ours}
    ordered = [found.drop_in.others[0][1], *(files[path] for path in sorted(files))]
    script = "".join(f"{text}\n" for text in ordered)
    script += 'printf "%s" "${GRUB_CMDLINE_LINUX} ${GRUB_CMDLINE_LINUX_DEFAULT}"'
    done = subprocess.run(
        ["dash", "-e"], input=script, capture_output=True, text=True, check=True, timeout=20
    )
    return CommandLine.parse(done.stdout)


@settings(max_examples=120)
@given(st.lists(ASSIGNMENTS, max_size=4).map("".join), FILES, WANTED)
def test_the_real_shell_gets_a_line_that_is_met(
    grub: str,
    files: dict[str, str],
    wanted: Wanted,
) -> None:
    before = loader(grub, files)
    made = after(before, wanted)
    assert wanted.met(sourced(made))
    names = {"intel_iommu", "iommu", "amd_iommu", *(each.name for each in wanted.arguments)}
    kept = [
        [str(each) for each in sourced(found).arguments if each.name not in names]
        for found in (before, made)
    ]
    assert kept[0] == kept[1]


@given(st.lists(ASSIGNMENTS, max_size=4).map("".join), FILES, WANTED)
def test_a_second_run_changes_nothing(grub: str, files: dict[str, str], wanted: Wanted) -> None:
    made = after(loader(grub, files), wanted)
    assert made.present(wanted, None).changes == ()


@given(st.lists(ASSIGNMENTS, max_size=4).map("".join), FILES)
def test_absent_removes_what_is_ours(grub: str, files: dict[str, str]) -> None:
    made = after(loader(grub, files))
    changes = made.absent(made.assumed(INTEL)).changes
    assert [
        (change.path, change.after) for change in changes if isinstance(change, FileChange)
    ] == [(path, None) for path, _content in made.drop_in.ours]


def test_the_usual_file() -> None:
    ((path, content),) = after(loader('GRUB_CMDLINE_LINUX="ro"\n')).drop_in.ours
    assert path == OURS
    assert content.decode().splitlines()[-1] == (
        'GRUB_CMDLINE_LINUX="${GRUB_CMDLINE_LINUX} intel_iommu=on iommu=pt"'
    )


def test_nothing_is_written_where_all_is_there() -> None:
    found = loader('GRUB_CMDLINE_LINUX_DEFAULT="intel_iommu=on,sm_on iommu=pt"\n')
    assert found.present(INTEL, None).changes == ()


def test_cloud_image_override() -> None:
    """A peer sets /etc/default/grub, which the cloud image overrides, and reboots for ever."""
    grub = 'GRUB_CMDLINE_LINUX_DEFAULT="intel_iommu=on iommu=pt"\n'
    made = after(loader(grub, {"50-cloudimg-settings.cfg": CLOUD_IMAGE}))
    assert str(sourced(made)).split() == [
        "intel_iommu=on",
        "iommu=pt",
        "console=tty1",
        "console=ttyS0",
    ]


def test_missing_default_adds_no_literal_none() -> None:
    """A peer without GRUB_CMDLINE_LINUX_DEFAULT writes the kernel argument None."""
    made = after(loader("GRUB_TIMEOUT=5\n"))
    assert str(sourced(made)).split() == ["intel_iommu=on", "iommu=pt"]


def test_arguments_keep_their_order() -> None:
    """A peer orders arguments anew at each run, so that each run is a change."""
    grub = 'GRUB_CMDLINE_LINUX="z=1 a=1 m=1"\n'
    made = after(loader(grub))
    assert str(sourced(made)).split() == ["z=1", "a=1", "m=1", "intel_iommu=on", "iommu=pt"]


def test_a_file_that_would_win_is_told_and_ours_comes_after_it() -> None:
    found = loader("", {"zzz-site.cfg": "\nGRUB_CMDLINE_LINUX=site\n"})
    steps = found.present(INTEL, None)
    ((path, content),) = after(found).drop_in.ours
    assert path == f"{FOLDER}/zzz-site.zz-hwaccel-virt.cfg"
    assert path.encode() > f"{FOLDER}/zzz-site.cfg".encode()
    assert content
    (told,) = steps.overridden_by
    assert (told.file, told.line) == (f"{FOLDER}/zzz-site.cfg", 2)
    assert told.action == f"read before {path}"


def test_a_file_that_comes_later_moves_ours() -> None:
    first = after(loader(""))
    others = (*first.drop_in.others, (f"{FOLDER}/zzz.cfg", "GRUB_CMDLINE_LINUX=x\n"))
    second = after(replace(first, drop_in=replace(first.drop_in, others=others)))
    assert [path for path, _content in second.drop_in.ours] == [f"{FOLDER}/zzz.zz-hwaccel-virt.cfg"]


def test_a_conflicting_word_is_taken_out_and_told() -> None:
    grub = '#\nGRUB_CMDLINE_LINUX_DEFAULT="quiet intel_iommu=off" #intel_iommu=on"\n'
    found = loader(grub)
    (told,) = found.present(INTEL, None).overridden_by
    assert (told.file, told.line, told.action) == (GRUB, 2, "intel_iommu=off taken out")
    assert str(sourced(after(found))).split() == ["intel_iommu=on", "iommu=pt", "quiet"]


def test_what_an_operator_changes_later_is_not_lost() -> None:
    made = after(loader('GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=off"\n'))
    others = ((GRUB, 'GRUB_CMDLINE_LINUX_DEFAULT="debug"\n'),)
    edited = replace(made, drop_in=replace(made.drop_in, others=others))
    assert str(sourced(edited)).split() == ["intel_iommu=on", "iommu=pt", "debug"]


def test_earlier_tasks_are_kept() -> None:
    first = after(loader(""), Wanted.of("intel", passthrough=True, extra=["a=1", "b=1"]))
    second = after(first, Wanted.of("intel", passthrough=False, extra=["a=2"]))
    assert str(sourced(second)).split() == ["intel_iommu=on", "iommu=pt", "b=1", "a=2"]


@pytest.mark.parametrize("name", ["GRUB_CMDLINE_LINUX=$(cat /args)", 'GRUB_CMDLINE_LINUX="`x` a"'])
def test_appended_is_right_whatever_the_value_is(name: str) -> None:
    ((path, content),) = after(loader(f"{name}\n")).drop_in.ours
    assert path == OURS
    assert content.endswith(b'"${GRUB_CMDLINE_LINUX} intel_iommu=on iommu=pt"\n')


def test_what_cannot_be_known_and_would_count_is_named() -> None:
    found = loader("#\nGRUB_CMDLINE_LINUX_DEFAULT=$(cat /args)\n")
    with pytest.raises(HwaccelError, match=r"/etc/default/grub, line 2: .*\$\(cat /args\)"):
        found.present(INTEL, None)
    nothing = Wanted.of("arm", passthrough=True, extra=[])
    assert found.present(nothing, None).overridden_by == ()


def test_addition_under_dash_is_an_error() -> None:
    found = loader('GRUB_CMDLINE_LINUX+=" a"\n')
    with pytest.raises(HwaccelError, match=r"line 1: .*dash"):
        found.present(INTEL, None)
    bash = replace(found, drop_in=replace(found.drop_in, dialect=Dialect.BASH))
    assert bash.present(INTEL, None).changes


def test_either_way_of_a_condition() -> None:
    grub = (
        "if [ -e /x ]; then\n"
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=off"\n'
        "else\n"
        'GRUB_CMDLINE_LINUX_DEFAULT="splash"\n'
        "fi\n"
    )
    made = after(loader(grub))
    assert str(sourced(made)).split() == ["intel_iommu=on", "iommu=pt", "splash"]
    there = grub.replace("/x", "/")
    others = ((GRUB, there),)
    taken = replace(made, drop_in=replace(made.drop_in, others=others))
    assert str(sourced(taken)).split() == ["intel_iommu=on", "iommu=pt", "quiet"]


def test_files_are_read_as_the_shell_does(machine: Machine) -> None:
    machine.write(GRUB, "A=1\n")
    for name in ("b.cfg", "B.cfg", "é.cfg", ".hidden.cfg", "c.cfg~", "README"):
        machine.write(f"{FOLDER}/{name}", name)
    machine.write(OURS, "# Managed by hwaccel.virt, module iommu_kernel_arg.\n")
    found = read_drop_in(machine.host, FOLDER, Dialect.DASH)
    names = [path.rpartition("/")[2] for path, _text in found.others]
    assert names == ["grub", "B.cfg", "b.cfg", "é.cfg"]
    assert [path for path, _content in found.ours] == [OURS]


def test_a_file_of_others_under_our_name_is_left_alone() -> None:
    found = loader("", {"zz-hwaccel-virt.cfg": "GRUB_TIMEOUT=1\n"})
    ((path, _content),) = after(found).drop_in.ours
    assert path == f"{FOLDER}/zz-hwaccel-virt.zz-hwaccel-virt.cfg"


def test_what_is_taken_out_is_remembered() -> None:
    found = loader('GRUB_CMDLINE_LINUX_DEFAULT="intel_iommu=off"\n')
    steps = found.present(INTEL, BootRecord(standing=False))
    assert [str(each) for each in steps.record.delta.added] == ["intel_iommu=on", "iommu=pt"]
    assert [str(each) for each in steps.record.delta.removed] == ["intel_iommu=off"]
    assert steps.record.files[OURS].found is None
