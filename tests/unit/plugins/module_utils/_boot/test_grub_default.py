# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""/etc/default/grub edited in place: the value as wanted, every other byte as it was."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.cmdline import CommandLine
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.grub_default import GrubDefault
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.linefile import (
    Delta,
    FileRecord,
    taken_back,
)
from ansible_collections.hwaccel.virt.plugins.module_utils._boot.wanted import Wanted
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HwaccelError
from ansible_collections.hwaccel.virt.plugins.module_utils._shell.evaluate import Dialect
from hypothesis import given, settings
from hypothesis import strategies as st

INTEL = Wanted.of("intel", passthrough=True, extra=[])
OTHERS = ("GRUB_TIMEOUT=5\n", "# GRUB_CMDLINE_LINUX=no\n", "\n", "export LIST='a b'\n")
VALUES = st.lists(
    st.sampled_from(["quiet", "intel_iommu=off", "iommu=off", "iommu=pt", "crashkernel=1G", "--"]),
    max_size=3,
).map(" ".join)
NAMES = st.sampled_from(["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"])
LINES = st.one_of(
    st.sampled_from(OTHERS),
    st.builds(
        lambda name, form, value: form.replace("NAME", name).replace("VALUE", value),
        NAMES,
        st.sampled_from(
            [
                'NAME="VALUE"\n',
                "NAME='VALUE'\n",
                'NAME="VALUE" # "comment\n',
                'export NAME="VALUE"\n',
                'NAME="${NAME} VALUE"\n',
                'NAME+=" VALUE"\n',
                "NAME='a '\"VALUE\"\n",
                'NAME="a \\\n VALUE"\n',
                'if [ "${LIST}" = "a b" ]; then NAME="VALUE"; fi\n',
                "NAME=plain\n",
            ]
        ),
        VALUES,
    ),
)
TEXTS = st.lists(LINES, max_size=4).map("".join)


def grub(text: str, dialect: Dialect = Dialect.BASH) -> GrubDefault:
    return GrubDefault("/etc/default/grub", text.encode(), dialect)


def sourced(content: bytes) -> CommandLine:
    """Return the command line that bash, as /bin/sh, makes of the file."""
    script = content + b'\nprintf "%s" "${GRUB_CMDLINE_LINUX} ${GRUB_CMDLINE_LINUX_DEFAULT}"'
    done = subprocess.run(
        ["bash", "--posix", "-e"], input=script, capture_output=True, check=True, timeout=20
    )
    return CommandLine.parse(done.stdout.decode())


@settings(max_examples=150)
@given(TEXTS)
def test_the_real_shell_gets_a_line_that_is_met(text: str) -> None:
    made = grub(text).settled(INTEL)
    assert INTEL.met(sourced(made))
    kept, before = (
        [line for line in content.decode().splitlines(keepends=True) if line in OTHERS]
        for content in (made, text.encode())
    )
    assert kept == before


@given(TEXTS)
def test_settled_twice_is_settled_once(text: str) -> None:
    made = grub(text).settled(INTEL)
    assert grub(made.decode()).settled(INTEL) == made


@given(TEXTS)
def test_taken_back_after_others_changed_something(text: str) -> None:
    made = grub(text).settled(INTEL)
    now = grub(made.decode() + "GRUB_TIMEOUT=9\n")
    back = taken_back(now, FileRecord(text.encode(), made), Delta())
    assert back is not None
    before, after = sourced(text.encode()), sourced(back)
    assert sorted(before.plain) == sorted(after.plain)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", 'GRUB_CMDLINE_LINUX="intel_iommu=on iommu=pt"\n'),
        ("GRUB_TIMEOUT=5", 'GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX="intel_iommu=on iommu=pt"\n'),
        ('GRUB_CMDLINE_LINUX=""\n', 'GRUB_CMDLINE_LINUX="intel_iommu=on iommu=pt"\n'),
        ("GRUB_CMDLINE_LINUX=\n", 'GRUB_CMDLINE_LINUX="intel_iommu=on iommu=pt"\n'),
        ("GRUB_CMDLINE_LINUX=ro\n", 'GRUB_CMDLINE_LINUX=ro" intel_iommu=on iommu=pt"\n'),
        ("GRUB_CMDLINE_LINUX='ro' # x\r\n", None),
        (
            "A=1\nGRUB_CMDLINE_LINUX='ro'  # \"x\nB=2\n",
            "A=1\nGRUB_CMDLINE_LINUX='ro intel_iommu=on iommu=pt'  # \"x\nB=2\n",
        ),
        (
            'GRUB_CMDLINE_LINUX="ro \\\n  quiet"\n',
            'GRUB_CMDLINE_LINUX="ro \\\n  quiet intel_iommu=on iommu=pt"\n',
        ),
        (
            'X=1\nGRUB_CMDLINE_LINUX="a=$X"\n',
            'X=1\nGRUB_CMDLINE_LINUX="a=$X intel_iommu=on iommu=pt"\n',
        ),
        (
            'GRUB_CMDLINE_LINUX="x=\\"a b\\""\n',
            'GRUB_CMDLINE_LINUX="x=\\"a b\\" intel_iommu=on iommu=pt"\n',
        ),
        (
            'GRUB_CMDLINE_LINUX="intel_iommu=off ro"\n',
            'GRUB_CMDLINE_LINUX="ro intel_iommu=on iommu=pt"\n',
        ),
        (
            'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=off"\n',
            'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="intel_iommu=on iommu=pt"\n',
        ),
    ],
)
def test_edited(text: str, after: str | None) -> None:
    if after is None:
        # A carriage return belongs to the comment here, and to the value without one.
        after = text.replace("ro'", "ro intel_iommu=on iommu=pt'")
    assert grub(text).settled(INTEL).decode() == after


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\nGRUB_CMDLINE_LINUX=$(cat /x)\n", 2),
        ("if [ -e /x ]; then\nGRUB_CMDLINE_LINUX=a\nfi\n", 2),
    ],
)
def test_what_cannot_be_known_is_named(text: str, line: int) -> None:
    with pytest.raises(HwaccelError, match=f"/etc/default/grub, line {line}: GRUB_CMDLINE_LINUX"):
        grub(text).settled(INTEL)
