# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declarations of instances: what is accepted, and what is not."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.document import Document
from ansible_collections.hwaccel.virt.plugins.module_utils._qat_config.instances import (
    Declaration,
)


@pytest.mark.parametrize(
    ("name", "given", "option", "accepted"),
    [
        ("GENERAL", {}, "sections", "option general"),
        ("A B", {}, "sections", "letters, digits and underscores"),
        ("A]\n[B", {}, "sections", "letters, digits and underscores"),
        ("SSL", [], "sections.SSL", "a mapping of crypto, compression, processes"),
        ("SSL", {"cypto": 1}, "sections.SSL", "a mapping of crypto, compression"),
        ("SSL", {"crypto": -1}, "sections.SSL.crypto", "a number from 0"),
        ("SSL", {"crypto": True}, "sections.SSL.crypto", "a number from 0"),
        ("SSL", {"compression": "many"}, "sections.SSL.compression", "a number from 0"),
        ("SSL", {"compression": 100000}, "sections.SSL.compression", "a number from 0"),
        ("SSL", {"processes": 0}, "sections.SSL.processes", "a number from 1"),
        ("KERNEL", {"processes": 1}, "sections.KERNEL.processes", "no processes"),
        ("SSL", {"polling": "busy"}, "sections.SSL.polling", "interrupt, poll, epoll"),
        ("SSL", {"polling": 3}, "sections.SSL.polling", "interrupt, poll, epoll"),
        ("SSL", {"cores": ["a"]}, "sections.SSL.cores", "a number from 0"),
        ("SSL", {"crypto": [1]}, "sections.SSL.crypto[0]", "a mapping of name, polling, core"),
        ("SSL", {"crypto": [{}, {"core": -1}]}, "sections.SSL.crypto[1].core", "a number"),
        ("SSL", {"crypto": [{"name": 'a"b'}]}, "sections.SSL.crypto[0].name", "letters"),
        ("SSL", {"crypto": [{"name": "a\nb"}]}, "sections.SSL.crypto[0].name", "letters"),
    ],
)
def test_what_is_not_accepted(name: str, given: object, option: str, accepted: str) -> None:
    with pytest.raises(InputError) as caught:
        Declaration.parse(name, given)
    assert str(caught.value).startswith(f"option {option}: ")
    assert accepted in str(caught.value)


@pytest.mark.parametrize(
    ("given", "polled"),
    [("Poll", "1"), ("INTERRUPT", "0"), ("epoll", "2"), (2, "2"), ("0", "0"), (None, None)],
)
def test_polling(given: object, polled: str | None) -> None:
    assert Declaration.parse("SSL", {"polling": given}).polled == polled


def values(text: str, **given: t.Any) -> dict[str, str | None]:
    """Return what a declaration of the section SSL sets in a file."""
    return dict(Declaration.parse("SSL", given).values(Document.parse(text)))


def test_one_core_for_all() -> None:
    found = values("[SSL]\n", crypto=2, cores=5)
    assert (found["Cy0CoreAffinity"], found["Cy1CoreAffinity"]) == ("5", "5")


def test_all_keys_of_instances_beyond_go() -> None:
    text = "[SSL]\nCy1Name = a\nCy1AcceleratorNumber = 0\nCy10Name = b\nCyOther = 1\nDc1Name = c\n"
    found = values(text, crypto=1)
    gone = {key for key, value in found.items() if value is None}
    assert gone == {"Cy1Name", "Cy1AcceleratorNumber", "Cy10Name"}


def test_what_is_not_declared_is_left() -> None:
    text = "[SSL]\nNumberCyInstances = 2\nNumberDcInstances = 1\nCy0IsPolled = 0\n"
    assert values(text) == {}
    assert values(text, processes=3) == {"NumProcesses": "3"}
    assert values(text, polling="poll", cores=[1, 2]) == {
        "Cy0IsPolled": "1",
        "Cy0CoreAffinity": "1",
        "Cy1IsPolled": "1",
        "Cy1CoreAffinity": "2",
        "Dc0IsPolled": "1",
        "Dc0CoreAffinity": "1",
    }
