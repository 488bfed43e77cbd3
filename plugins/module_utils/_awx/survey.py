# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Surveys of AWX, made from the options of roles.

AWX hands the answers over as extra variables: integers and floats as numbers, several choices as a
list, everything else as a text. Ansible checks the variables of a role and does not convert them.
So an option is asked for where what AWX hands over is right as it is. A list without choices or a
mapping would be a text, and stays an extra variable.

A question without a range has neither C(min) nor C(max): the pages of AWX take C(null) for 0.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._errors import InputError
from .text import plain_text

TEXT: t.Final = "text"
TEXTAREA: t.Final = "textarea"
PASSWORD: t.Final = "password"  # noqa: S105 (a type of question)
INTEGER: t.Final = "integer"
FLOAT: t.Final = "float"
ONE_OF: t.Final = "multiplechoice"
SOME_OF: t.Final = "multiselect"

# What the pages of AWX give a text where nobody says otherwise.
TEXT_LENGTH: t.Final = 1024
_FLAGS: t.Final = ("true", "false")
_TEXTS: t.Final = frozenset({"str", "path"})
_NUMBERS: t.Final[Mapping[str, str]] = {"int": INTEGER, "float": FLOAT}
# A default that Ansible makes at run time is nothing that can be shown.
_TEMPLATE: t.Final = "{{"


@dataclass(frozen=True)
class Question:
    """A question of a survey.

    Args:
        default: as AWX has it, None where nothing is filled in.
        choices: for the types that have choices.
    """

    variable: str
    type: str
    description: str
    required: bool
    default: str | int | float | None = None
    choices: tuple[str, ...] = ()

    def as_result(self) -> dict[str, t.Any]:
        """Return it as AWX takes it."""
        question: dict[str, t.Any] = {
            "question_name": self.variable,
            "question_description": self.description,
            "variable": self.variable,
            "type": self.type,
            "required": self.required,
        }
        if self.choices:
            question["choices"] = list(self.choices)
        if self.type in {TEXT, TEXTAREA, PASSWORD}:
            question.update(min=0, max=TEXT_LENGTH)
        if self.default is not None:
            question["default"] = self.default
        return question


def survey(
    options: Mapping[str, t.Any],
    *,
    name: str = "",
    description: str = "",
    defaults: bool = True,
    leave_out: Sequence[str] = (),
) -> dict[str, t.Any]:
    """Return the survey that asks for options of roles.

    Args:
        options: as in C(argument_specs), by their names.
        defaults: whether the questions come with the defaults filled in.
        leave_out: options that are not asked for.

    Raises:
        InputError: naming the option, the value and what is accepted.
    """
    for left in leave_out:
        if left not in options:
            raise InputError("leave_out", left, f"one of {', '.join(sorted(options))}")
    questions = {each: _question(each, options[each], defaults=defaults) for each in options}
    asked = [each for variable, each in questions.items() if each and variable not in leave_out]
    rest = sorted(set(options) - {each.variable for each in asked})
    if not asked:
        raise InputError("options", rest, "at least one that a survey can ask for")
    texts = [description, f"As extra variables: {', '.join(rest)}." if rest else ""]
    return {
        "name": name,
        "description": " ".join(text for text in texts if text),
        "spec": [each.as_result() for each in asked],
    }


def _question(variable: str, option: object, *, defaults: bool) -> Question | None:
    """Return the question for an option, None for one that AWX has none for."""
    if not isinstance(option, Mapping):
        raise InputError(variable, option, "a mapping, as options of argument_specs are")
    found = _kind(option)
    if found is None:
        return None
    kind, choices = found
    required = bool(option.get("required", False))
    text = plain_text(option.get("description"))
    default = None if kind == PASSWORD else _default(option.get("default"))
    if default is None or defaults:
        return Question(variable, kind, text, required, default, choices)
    shown = str(default).replace("\n", ", ")
    return Question(variable, kind, f"{text} Default: {shown}.", required, None, choices)


def _kind(option: Mapping[str, t.Any]) -> tuple[str, tuple[str, ...]] | None:
    """Return the type of question for an option and its choices, None where there is none."""
    kind, choices = option.get("type", "str"), option.get("choices") or ()
    are_texts = all(isinstance(choice, str) and choice.strip() for choice in choices)
    if kind == "bool":
        return ONE_OF, _FLAGS
    if choices:
        several = kind == "list" and option.get("elements", "str") == "str"
        if not are_texts or not (several or kind in _TEXTS) or option.get("no_log"):
            return None
        return SOME_OF if several else ONE_OF, tuple(choices)
    if kind in _TEXTS:
        lines = TEXTAREA if "\n" in str(option.get("default", "")) else TEXT
        return PASSWORD if option.get("no_log") else lines, ()
    if kind in _NUMBERS and not option.get("no_log"):
        return _NUMBERS[kind], ()
    return None


def _default(value: object) -> str | int | float | None:
    """Return a default as AWX has it, None for one that fills nothing in."""
    if isinstance(value, bool):
        return _FLAGS[not value]
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = "\n".join(str(each) for each in value)
    if not isinstance(value, str) or not value or _TEMPLATE in value:
        return None
    return value
