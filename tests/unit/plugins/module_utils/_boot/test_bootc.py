# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel arguments in images of bootc: a file of our own among others."""

from __future__ import annotations

import json
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.bootc import (
    KargsToml,
    observe_image,
)
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
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.bootc import KargsLoader
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.loader import Steps
    from ansible_collections.hwaccel.virt.plugins.module_utils._boot.record import BootRecord

INTEL = Wanted.of("intel", passthrough=True, extra=[])
FOLDER = "usr/lib/bootc/kargs.d"
OURS = """\
# Managed by hwaccel.virt, module iommu_kernel_arg.
# bootc adds it to the command line when it installs the image or switches to it.
kargs = ["intel_iommu=on", "iommu=pt"]
"""


def tree(root: Path, files: dict[str, str]) -> Host:
    for name, text in files.items():
        place = root / FOLDER / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode("utf-8", "surrogateescape"))
    return Host(root)


def contents(host: Host) -> dict[str, str]:
    folder = Path(host.root) / FOLDER
    return {path.name: path.read_text() for path in folder.glob("*")}


def look(host: Host) -> KargsLoader:
    return observe_image(host, name="rpm-ostree", reason="told")


def set_up(host: Host, wanted: Wanted = INTEL, record: BootRecord | None = None) -> Steps:
    steps = look(host).present(wanted, record)
    Plan(steps.changes).apply(host)
    return steps


def take_back(host: Host, record: BootRecord) -> None:
    Plan(look(host).absent(record).changes).apply(host)


def kargs(*arguments: str) -> str:
    return f"kargs = {json.dumps(arguments, ensure_ascii=False)}\n"


def parsed(text: str) -> list[str]:
    return [karg.text for karg in KargsToml.parse(text, "/a.toml").kargs]


# -- the loader ----------------------------------------------------------------------------------


def test_a_file_of_our_own(tmp_path: Path) -> None:
    host = tree(tmp_path, {"10-console.toml": kargs("console=ttyS0,115200n8")})
    steps = set_up(host)
    assert contents(host)["90-hwaccel-virt.toml"] == OURS
    assert [entry.line.plain for entry in look(host).entries] == [
        ["console=ttyS0,115200n8", "intel_iommu=on", "iommu=pt"]
    ]
    assert steps.rewritten == ()


def test_the_first_file_of_an_image(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert [entry.id for entry in look(host).entries] == ["kargs.d"]
    set_up(host)
    assert contents(host) == {"90-hwaccel-virt.toml": OURS}


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    host = Host(tmp_path)
    record = set_up(host).record
    assert look(host).present(INTEL, record).changes == ()
    assert look(host).present(INTEL, None).changes == ()


def test_the_way_back_removes_it(tmp_path: Path) -> None:
    files = {"10-a.toml": "# mine\nkargs = ['quiet' ,]"}
    host = tree(tmp_path, files)
    record = set_up(host).record
    take_back(host, record)
    assert contents(host) == files
    assert list(record.files) == ["/" + FOLDER + "/90-hwaccel-virt.toml"]


def test_what_others_have_already_needs_no_file(tmp_path: Path) -> None:
    host = tree(tmp_path, {"10-a.toml": kargs("intel_iommu=on,sm_on", "iommu=pt")})
    assert look(host).present(INTEL, None).changes == ()


def test_our_file_goes_when_others_have_it_now(tmp_path: Path) -> None:
    host = Host(tmp_path)
    record = set_up(host).record
    tree(tmp_path, {"10-a.toml": kargs("intel_iommu=on", "iommu=pt")})
    set_up(host, record=record)
    assert list(contents(host)) == ["10-a.toml"]


def test_nothing_wanted_needs_no_file(tmp_path: Path) -> None:
    arm = Wanted.of("arm", passthrough=True, extra=[])
    assert look(Host(tmp_path)).present(arm, None).changes == ()


def test_two_tasks_share_it(tmp_path: Path) -> None:
    host = Host(tmp_path)
    extra = Wanted.of("amd", passthrough=False, extra=["nosmt", "x=1"])
    set_up(host)
    set_up(host, extra)
    assert parsed(contents(host)["90-hwaccel-virt.toml"]) == [
        "intel_iommu=on",
        "iommu=pt",
        "nosmt",
        "x=1",
    ]
    assert look(host).present(INTEL, None).changes == ()
    assert look(host).present(extra, None).changes == ()


def test_a_later_value_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    host = Host(tmp_path)
    for value in ("x=1", "x=2"):
        set_up(host, Wanted.of("amd", passthrough=False, extra=[value]))
    assert parsed(contents(host)["90-hwaccel-virt.toml"]) == ["x=2"]


def test_what_stands_before_is_outvoted(tmp_path: Path) -> None:
    host = tree(tmp_path, {"10-off.toml": "\n" + kargs("intel_iommu=off")})
    steps = set_up(host)
    assert [(each.file, each.line, each.action) for each in steps.overridden_by] == [
        (
            f"/{FOLDER}/10-off.toml",
            2,
            f"intel_iommu=off left there, outvoted by /{FOLDER}/90-hwaccel-virt.toml",
        )
    ]
    assert all(INTEL.met(entry.line) for entry in look(host).entries)


@pytest.mark.parametrize(
    ("last", "ours"),
    [
        ("99-off.toml", "zz-hwaccel-virt.toml"),
        ("zzz.toml", "zzz_hwaccel-virt.toml"),
        ("zz-hwaccel-virt.toml", "zz-hwaccel-virt_hwaccel-virt.toml"),
        ("zz\udce9.toml", "zz\udce9_hwaccel-virt.toml"),
    ],
)
def test_ours_stands_behind_what_would_win(tmp_path: Path, last: str, ours: str) -> None:
    host = tree(tmp_path, {last: kargs("intel_iommu=off", "iommu=nopt")})
    set_up(host)
    assert sorted(contents(host)) == sorted([last, ours])
    assert all(INTEL.met(entry.line) for entry in look(host).entries)


def test_ours_moves_behind_a_new_file(tmp_path: Path) -> None:
    host = Host(tmp_path)
    record = set_up(host).record
    tree(tmp_path, {"99-off.toml": kargs("intel_iommu=off")})
    record = set_up(host, record=record).record
    assert sorted(contents(host)) == ["99-off.toml", "zz-hwaccel-virt.toml"]
    take_back(host, record)
    assert sorted(contents(host)) == ["99-off.toml"]


@pytest.mark.parametrize(
    ("vendor", "off"),
    [("intel", "iommu=off"), ("amd", "amd_iommu=off"), ("amd", "amd_iommu=fullflush,off")],
)
def test_what_nothing_takes_back_is_an_error(tmp_path: Path, vendor: str, off: str) -> None:
    host = tree(tmp_path, {"10-a.toml": f'# why\nkargs = [\n  "quiet",\n  "{off}",\n]\n'})
    wanted = Wanted.of(vendor, passthrough=True, extra=[])
    with pytest.raises(HwaccelError, match=rf"10-a\.toml, line 4: {off}: no later argument"):
        look(host).present(wanted, None)


def test_quotes_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    wanted = Wanted.of("intel", passthrough=True, extra=['dyndbg="file x +p"'])
    with pytest.raises(RefusedError, match=r'dyndbg="file x \+p": ostree cannot carry'):
        look(Host(tmp_path)).present(wanted, None)


@pytest.mark.parametrize(
    ("loader", "met"),
    [
        ("lib64/ld-linux-x86-64.so.2", True),
        ("lib/ld-linux-aarch64.so.1", False),
        ("etc/none", True),
    ],
)
def test_files_for_another_architecture_do_not_count(
    tmp_path: Path, loader: str, *, met: bool
) -> None:
    text = kargs("intel_iommu=on", "iommu=pt") + 'match-architectures = ["x86_64"]\n'
    host = tree(tmp_path, {"10-a.toml": text})
    (tmp_path / loader).parent.mkdir(parents=True)
    (tmp_path / loader).touch()
    assert [INTEL.met(entry.line) for entry in look(host).entries] == [met]


def test_files_with_other_names_do_not_count(tmp_path: Path) -> None:
    host = tree(tmp_path, {"10-a.conf": "nothing", ".toml": "nothing", "b.toml~": "nothing"})
    assert [entry.line.plain for entry in look(host).entries] == [[]]


def test_an_operators_comment_in_ours_stays(tmp_path: Path) -> None:
    host = Host(tmp_path)
    set_up(host)
    tree(tmp_path, {"90-hwaccel-virt.toml": OURS.replace("kargs", "# SERVER-7\nkargs")})
    set_up(host, Wanted.of("amd", passthrough=False, extra=["nosmt"]))
    assert contents(host)["90-hwaccel-virt.toml"] == OURS.replace(
        "kargs", "# SERVER-7\nkargs"
    ).replace('"]', '", "nosmt"]')


def test_without_a_record_ours_is_what_it_says(tmp_path: Path) -> None:
    host = Host(tmp_path)
    set_up(host)
    record = look(host).assumed(Wanted.of("amd", passthrough=False, extra=[]))
    assert [argument.text for argument in record.delta.added] == ["intel_iommu=on", "iommu=pt"]
    take_back(host, record)
    assert contents(host) == {}


# -- the format ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('kargs = ["mitigations=auto,nosmt"]', ["mitigations=auto,nosmt"]),
        ("kargs=['a' , \"b\" , ] # x\n", ["a", "b"]),
        ("# c\n\n  kargs\t=\t[\n  # why\n  'a', # b\n  'c'\n]\r\n", ["a", "c"]),
        ('"kargs" = []\n', []),
        ("match-architectures = ['x86_64']\nkargs = ['a']", ["a"]),
        (r'kargs = ["a=\"b c\"\\\t\u00e9\U0001F600"]', ['a="b c"\\\té😀']),
        ("kargs = ['a\\b']", ["a\\b"]),
        ("kargs = ['#', \"]\"]", ["#", "]"]),
    ],
)
def test_what_can_be_read(text: str, arguments: list[str]) -> None:
    assert parsed(text) == arguments


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("# nothing\n", 2),
        ("kargs = 'a'\n", 1),
        ("kargs = ['a'", 1),
        ("kargs = ['a' 'b']\n", 1),
        ("kargs = [\n'a',\nb]\n", 3),
        ("kargs = [1]\n", 1),
        ("kargs = ['a',, 'b']\n", 1),
        ("kargs = [,]\n", 1),
        ("kargs = ['a']\nkargs = ['b']\n", 2),
        ("kargs = ['a'] x\n", 1),
        ("kargs = ['a']\nfoo = 1\n", 2),
        ("[kargs]\n", 1),
        ("match-architectures = ['x86_64']\n", 2),
        ("kargs = ['''a''']\n", 1),
        ('kargs = ["""a"""]\n', 1),
        ('kargs = [""]\nx', 2),
        ('kargs = ["a\n"]\n', 1),
        (r'kargs = ["\x41"]', 1),
        (r'kargs = ["\U00110000"]', 1),
        (r'kargs = ["\ud83d\ude00"]', 1),
        ("kargs = ['a']\rfoo\n", 1),
    ],
)
def test_what_cannot_be_read_is_named(text: str, line: int) -> None:
    with pytest.raises(HwaccelError, match=rf"^/a\.toml, line {line}: cannot be read"):
        parsed(text)


def test_an_image_with_such_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HwaccelError, match=r"/10-a\.toml, line 1"):
        look(tree(tmp_path, {"10-a.toml": "kargs = "}))


def read_or_named(text: str) -> None:
    told = "/a.toml, line "
    try:
        parsed(text)
    except HwaccelError as error:
        told = str(error)
    assert told.startswith("/a.toml, line ")


@given(st.text())
def test_every_text_is_read_or_named(text: str) -> None:
    read_or_named(text)


@given(
    st.lists(
        st.sampled_from(
            ["kargs", "match-architectures", "=", "[", "]", "'", '"', "a", ",", "\n", "#"]
        )
    )
)
def test_every_mixture_is_read_or_named(words: list[str]) -> None:
    read_or_named(" ".join(words))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]))))
def test_json_strings_are_toml_strings(arguments: list[str]) -> None:
    assert parsed(kargs(*arguments)) == arguments


WORDS = st.sampled_from(
    ["quiet", "intel_iommu=on", "intel_iommu=off", "iommu=pt", "iommu=nopt", "iommu=off", "x=1"]
)
NAMES = st.sampled_from(["10-a.toml", "90-z.toml", "99-a.toml", "zz.toml", "~.toml"])


@given(
    st.dictionaries(NAMES, st.lists(WORDS, max_size=3)), st.lists(st.sampled_from(["x=1", "x=2"]))
)
def test_whatever_others_say_is_met_or_refused_and_stays(
    files: dict[str, list[str]], extra: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        host = tree(Path(folder), {name: kargs(*words) for name, words in files.items()})
        before = contents(host)
        wanted = Wanted.of("intel", passthrough=True, extra=extra)
        if any("iommu=off" in words for words in files.values()):
            with pytest.raises(HwaccelError, match="iommu=off: no later argument"):
                set_up(host, wanted)
            assert contents(host) == before
            return
        steps = set_up(host, wanted)
        assert all(wanted.met(entry.line) for entry in look(host).entries)
        assert look(host).present(wanted, steps.record).changes == ()
        take_back(host, steps.record)
        assert contents(host) == before
