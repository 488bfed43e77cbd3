# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which question an option becomes, and what stays an extra variable."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.filter.awx_survey import FilterModule, awx_survey
from ansible_collections.hwaccel.virt.plugins.module_utils._awx.text import plain_text

TEXT = {"type": "text", "min": 0, "max": 1024}
YES_NO = {"type": "multiplechoice", "choices": ["true", "false"]}
BESIDE = {"other": {"type": "int"}}


def asked(survey: dict[str, t.Any], variable: str) -> dict[str, t.Any] | None:
    found = [each for each in survey["spec"] if each["variable"] == variable]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("option", "question"),
    [
        ({}, TEXT),
        ({"type": "str", "default": "0600"}, {**TEXT, "default": "0600"}),
        ({"type": "str", "default": ""}, TEXT),
        ({"type": "path", "default": "{{ playbook_dir }}/a"}, TEXT),
        ({"type": "str", "default": "a\nb"}, {**TEXT, "type": "textarea", "default": "a\nb"}),
        (
            {"type": "str", "no_log": True, "default": "secret"},
            {"type": "password", "min": 0, "max": 1024},
        ),
        (
            {"type": "str", "choices": ["a", "0"], "default": "0"},
            {"type": "multiplechoice", "choices": ["a", "0"], "default": "0"},
        ),
        ({"type": "int", "default": 0}, {"type": "integer", "default": 0}),
        ({"type": "float", "default": 0.5}, {"type": "float", "default": 0.5}),
        ({"type": "bool", "default": False}, {**YES_NO, "default": "false"}),
        ({"type": "bool", "default": True}, {**YES_NO, "default": "true"}),
        ({"type": "bool"}, YES_NO),
        (
            {"type": "list", "elements": "str", "choices": ["a", "b", "c"], "default": ["c", "a"]},
            {"type": "multiselect", "choices": ["a", "b", "c"], "default": "c\na"},
        ),
        ({"type": "int", "required": True}, {"type": "integer", "required": True}),
    ],
)
def test_questions(option: dict[str, t.Any], question: dict[str, t.Any]) -> None:
    survey = awx_survey({"web_x": option, **BESIDE}, "Name")
    assert asked(survey, "web_x") == {
        "question_name": "web_x",
        "question_description": "",
        "variable": "web_x",
        "required": False,
        **question,
    }
    assert (survey["name"], survey["description"]) == ("Name", "")


@pytest.mark.parametrize(
    "option",
    [
        {"type": "list", "elements": "str", "default": []},
        {"type": "list", "elements": "dict"},
        {"type": "list", "elements": "int", "choices": [1, 2]},
        {"type": "dict"},
        {"type": "raw"},
        {"type": "int", "choices": [1, 2]},
        {"type": "str", "choices": ["", "a"]},
        {"type": "int", "no_log": True},
        {"type": "str", "choices": ["a"], "no_log": True},
    ],
)
def test_what_would_arrive_wrong_stays_an_extra_variable(option: dict[str, t.Any]) -> None:
    survey = awx_survey({"web_x": option, **BESIDE}, "Name", "Text.")
    assert asked(survey, "web_x") is None
    assert survey["description"] == "Text. As extra variables: web_x."


def test_what_is_left_out_is_named() -> None:
    survey = awx_survey({"web_x": {}, **BESIDE}, leave_out=["web_x"])
    assert [each["variable"] for each in survey["spec"]] == ["other"]
    assert survey["description"] == "As extra variables: web_x."


@pytest.mark.parametrize(
    ("option", "description"),
    [
        ({"type": "int", "default": 3}, "How many. Default: 3."),
        ({"type": "bool", "default": False}, "How many. Default: false."),
        (
            {"type": "list", "choices": ["a", "b"], "default": ["a", "b"]},
            "How many. Default: a, b.",
        ),
        ({"type": "str", "default": ""}, "How many."),
        ({"type": "str", "no_log": True, "default": "secret"}, "How many."),
    ],
)
def test_defaults_can_be_told_in_place_of_filled_in(
    option: dict[str, t.Any], description: str
) -> None:
    survey = awx_survey({"web_x": {**option, "description": "How many."}}, defaults=False)
    assert "default" not in survey["spec"][0]
    assert survey["spec"][0]["question_description"] == description


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (None, ""),
        (["One.", "Two\n  three."], "One. Two three."),
        ("V(a) is C(b) of B(c), I(d), U(https://e), M(f.g.h)", "a is b of c, d, https://e, f.g.h"),
        ("O(web_x=true), O(a.b.c#module:opt=1), RV(a.b.c#module:ret)", "web_x=true, opt=1, ret"),
        (r"V(f(x\)\\y) and E(HOME)", r"f(x)\y and HOME"),
        ("P(a.b.c#filter) HORIZONTALLINE L(x, https://y) R(s t, ref)", "a.b.c x (https://y) s t"),
        ("SRV(a) stays", "SRV(a) stays"),
    ],
)
def test_markup_is_taken_out(markup: object, text: str) -> None:
    assert plain_text(markup) == text


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ("text", {}, "a mapping of options is needed"),
        ({"a": {}}, {"leave_out": "a"}, "leave_out is to be a list"),
        ({"a": {}}, {"leave_out": ["b"]}, "option leave_out: 'b' is not accepted, use one of a"),
        ({"a": "str"}, {}, "option a: 'str' is not accepted, use a mapping"),
        ({"a": {"type": "dict"}}, {}, "use at least one that a survey can ask for"),
    ],
)
def test_what_cannot_be_right_is_named(
    options: object, arguments: dict[str, t.Any], message: str
) -> None:
    assert FilterModule().filters() == {"awx_survey": awx_survey}
    with pytest.raises(AnsibleFilterError, match=message):
        awx_survey(options, **arguments)
