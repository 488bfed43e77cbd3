# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Command lines: split as the kernel does, changed by whole arguments, every byte kept."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import (
    Argument,
    CommandLine,
    running,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._host import Host
from hypothesis import given
from hypothesis import strategies as st

# Everything that a command line can have, and a lot of what it should not.
LINES = st.lists(
    st.sampled_from(
        ["a", "b=1", "--", '"', '"x y"', 'q="x y"', "=", " ", "\t", "\n", "é", "\udc80"]
    )
).map("".join)
ARGUMENTS = st.lists(
    st.sampled_from(["intel_iommu=on", "iommu=pt", 'dyndbg="file x +p"']), unique=True
).map(lambda texts: [Argument(text) for text in texts])


@given(LINES)
def test_parse_and_print_is_identity(text: str) -> None:
    assert str(CommandLine.parse(text)) == text


@given(LINES, ARGUMENTS)
def test_remove_after_add_is_identity(text: str, arguments: list[Argument]) -> None:
    line = CommandLine.parse(text)
    again = CommandLine.parse(str(line.with_arguments(arguments)))
    assert str(again.without(arguments)) == text


@given(LINES, ARGUMENTS)
def test_no_other_argument_changes(text: str, arguments: list[Argument]) -> None:
    before = CommandLine.parse(text)
    after = CommandLine.parse(str(before.with_arguments(arguments)))
    quoted = [each for each in before.arguments if each.text.count('"') % 2]
    rest = [each for each in before.arguments if each not in quoted]
    assert list(after.arguments) == [*rest, *arguments, *quoted]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", []),
        (" \n", []),
        ("ro quiet\n", ["ro", "quiet"]),
        ("a\tb  c", ["a", "b", "c"]),
        ("root=UUID=1 ro -- single", ["root=UUID=1", "ro"]),
        ("a -- b -- c", ["a"]),
        ("a --", ["a"]),
        ('a "--" b', ["a"]),
        ("--a b--", ["--a", "b--"]),
        ('x="a b" c', ['x="a b"', "c"]),
        ('"x=a b" c', ['"x=a b"', "c"]),
        ('x="a b', ['x="a b']),
        ('x="a -- b" c', ['x="a -- b"', "c"]),
    ],
)
def test_arguments_are_what_the_kernel_takes(text: str, arguments: list[str]) -> None:
    assert [str(argument) for argument in CommandLine.parse(text).arguments] == arguments


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", "new"),
        ("ro", "ro new"),
        ("ro \n", "ro new \n"),
        ("ro -- single", "ro new -- single"),
        ("-- single", "new -- single"),
        ('ro open="a b', 'ro new open="a b'),
        ('open="a b', 'new open="a b'),
    ],
)
def test_added_where_the_kernel_takes_it(text: str, after: str) -> None:
    assert str(CommandLine.parse(text).with_arguments([Argument("new")])) == after


def test_edited_argument_by_argument() -> None:
    line = CommandLine.parse(" a  b=1 c -- a")
    told = {"a": None, "b=1": "b=2", "c": "c"}
    assert str(line.edited(lambda argument: told[argument.text])) == " b=2 c -- a"


def test_taken_out_as_often_as_named_from_the_end() -> None:
    line = CommandLine.parse("a b a c a")
    assert str(line.without([Argument("a"), Argument("a"), Argument("x")])) == "a b c"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("vfio-pci.ids=1", "vfio_pci.ids=1", True),
        ('"dyndbg=file x +p"', 'dyndbg="file x +p"', True),
        ("isolcpus=1", "isolcpus=1,3", False),
        ("a", "a=", False),
        ("a=b-c", "a=b_c", False),
        ("amd_iommu_dump", "amd_iommu", False),
    ],
)
def test_same_to_the_kernel(one: str, other: str, *, same: bool) -> None:
    assert Argument(one).same(Argument(other)) is same


@pytest.mark.parametrize(
    "text",
    [
        "nosmt",
        "a=b",
        "vfio-pci.ids=8086:0001,8086:0002",
        'dyndbg="file x +p"',
        '"a=b c"',
        "a==",
        "x=",
    ],
)
def test_accepted_as_one_argument(text: str) -> None:
    assert Argument.parse(text, option="extra").text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a b",
        "--",
        '"',
        'a="b',
        "a\n",
        "a\nb",
        "$a",
        "a;b",
        "`a`",
        "a'b",
        "a\\b",
        "a#",
        "é",
        "=a",
    ],
)
def test_refused_as_argument(text: str) -> None:
    with pytest.raises(InputError, match=r"option extra: .* is not accepted"):
        Argument.parse(text, option="extra")


def test_running_kernel(tmp_path: object) -> None:
    host = Host(str(tmp_path))
    assert running(host).arguments == ()
    host.write_file("/proc/cmdline", b"BOOT_IMAGE=/vmlinuz a=1 ro\n", 0o444)
    assert running(host).plain == ["BOOT_IMAGE=/vmlinuz", "a=1", "ro"]
