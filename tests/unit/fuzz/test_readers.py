# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The readers that targets compare with: each as the manual of its program has it."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.tests.fuzz.readers.lines import (
    command_words,
    environment_block,
    kernel_parameters,
    module_options,
)
from ansible_collections.hwaccel.virt.tests.fuzz.readers.udev import Pair, RuleError, read_rules


def test_the_kernel_takes_quotes_off_around_an_argument_or_a_value() -> None:
    line = ' a="b c"\t"d=e f"  g="h"i "j" =k =l=m n'
    assert [(each.name, each.value) for each in kernel_parameters(line)] == [
        ("a", "b c"),
        ("d", "e f"),
        ("g", 'h"i'),
        ("j", None),
        ("=k", None),
        ("=l", "m"),
        ("n", None),
    ]


def test_the_kernel_stops_at_two_dashes() -> None:
    assert [each.text for each in kernel_parameters('a "--" b')] == ["a"]
    assert [each.text for each in kernel_parameters("a --b --=c d -- e")] == [
        *("a", "--b", "--=c", "d")
    ]


def test_grub_takes_what_ends_with_a_newline() -> None:
    block = b"# GRUB Environment Block\na=b\\\\c\\\nd\n#x=y\\\nz=0\ne=\n=h\ni\n#j=k\nf=g#####"
    assert environment_block(block) == {b"a": b"b\\c\nd", b"e": b"", b"": b"h", b"i\n#j": b"k"}


def test_modprobe_joins_lines_without_a_blank() -> None:
    text = "options vfio-pci a=1 b\n#options x y\noptions z\noptions vfio_pci c\\\nd\n"
    assert list(module_options(text)) == [
        ("vfio_pci", "a=1"),
        ("vfio_pci", "b"),
        ("vfio_pci", "cd"),
    ]


def test_systemd_takes_quotes_and_backslashes_off() -> None:
    assert command_words(r'"/a b" -I c\"d') == ["/a b", "-I", 'c"d']


def test_udev_reads_keys_operators_and_values() -> None:
    text = '# x=="y"\n\nKERNEL=="a\\"b", ATTR{[x/y]z}="c" ,ENV{D}+="e",\\\n  RUN:="f"\n'
    assert read_rules(text) == [
        [
            Pair("KERNEL", "==", 'a"b'),
            Pair("ATTR{[x/y]z}", "=", "c"),
            Pair("ENV{D}", "+=", "e"),
            Pair("RUN", ":=", "f"),
        ]
    ]


@pytest.mark.parametrize("text", ['A=="b', "A", 'A="b" =="c"', 'A{b="c"', "A=b"])
def test_udev_refuses_a_line(text: str) -> None:
    with pytest.raises(RuleError):
        read_rules(text)
