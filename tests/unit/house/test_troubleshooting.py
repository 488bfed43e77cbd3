# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page on troubleshooting has every problem of the code, and no message that there is not."""

from __future__ import annotations

import re

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import CHECKS
from ansible_collections.hwaccel.virt.tools import troubleshooting

PAGE = troubleshooting.PAGE.read_text(encoding="utf-8")
MESSAGES = re.compile(r"^\.\. messages-start\n(.*?)^\.\. messages-end$", re.DOTALL | re.MULTILINE)


def messages(text: str) -> list[str]:
    """Return the first cells of the tables that are written by hand, without their headings."""
    cells = [
        cell
        for block in MESSAGES.findall(text)
        for cell in re.findall(r"^   \* - (.*)$", block, re.MULTILINE)
    ]
    return [cell for cell in cells if cell != "What it says"]


def test_tables_are_what_the_code_says() -> None:
    found = troubleshooting.entries(troubleshooting.sources())
    assert {entry.check for entry in found} == set(CHECKS)
    assert sorted(troubleshooting.marked(PAGE)) == sorted(CHECKS)
    assert troubleshooting.page(PAGE, found) == PAGE, "make format writes it anew"


def test_messages_are_those_of_the_code() -> None:
    known = troubleshooting.templates(troubleshooting.ROOT)
    told = messages(PAGE)
    assert len(told) > 30
    assert len(told) == len(set(told))
    assert all(cell.startswith("``") and cell.endswith("``") for cell in told)
    assert [each for each in told if not troubleshooting.is_message(each.strip("`"), known)] == []


CODE = """
def problems(host, pf):
    where = f"{pf.address} ({pf.family})"
    if pf.off:
        why = f"it is {OFF}"
        remedy = "turn it on"
    else:
        why, remedy = "it is not", f"see {host.log if pf.old else 'nothing'}"
        if pf.gone:
            return []
    for each in pf.vfs:
        yield Problem("driver", f"{where}: no {'VF' if each else 'PF'}", why, remedy)
    return inner(host, "memory_", "kernel")


def inner(host, what, check):
    return [Problem(check, what, "*why*", SOME_NUMBER)]


def outer(check):
    raise Problem(check, "one", "two", "three")
"""


def test_each_way_to_a_problem_is_told() -> None:
    source = troubleshooting.Source(CODE, {"OFF": "off", "SOME_NUMBER": 3})
    entry = troubleshooting.Entry
    assert troubleshooting.entries([source]) == [
        entry("driver", "no PF", ("it is off",), "turn it on"),
        entry("driver", "no PF", ("…",), "…"),
        entry("driver", "no VF", ("it is off",), "turn it on"),
        entry("driver", "no VF", ("…",), "…"),
        entry("kernel", "memory_", ("*why*",), "…"),
        entry("resources", "one", ("two",), "three"),
        entry("sriov", "one", ("two",), "three"),
    ]


def test_tables_replace_what_was_there() -> None:
    text = "a\n.. problems-kernel-start\nold\n.. problems-kernel-end\nb\n"
    found = [troubleshooting.Entry("kernel", "memory_", ("*why*", "or so"), "`now`")]
    written = troubleshooting.page(text, found)
    assert (
        "   * - memory\\_\n     - \\*why\\* *or* or so\n     - \\`now\\`\n\n.. problems-" in written
    )
    assert "old" not in written
    assert troubleshooting.page(written, found) == written
    assert troubleshooting.marked(written) == ["kernel"]


@pytest.mark.parametrize(
    ("message", "known"),
    [("no … here", True), ("here no", False), ("No VF", False), ("no VF (…) here", False)],
)
def test_invented_messages_are_found(message: str, *, known: bool) -> None:
    assert troubleshooting.is_message(message, ["a", "…: no VF here"]) is known
