# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of conditionals that need nothing but strings: test, C([ .. ]) and C([[ .. ]])."""

from __future__ import annotations

import typing as t

from .expand import Expander, match_pattern
from .tree import Literal
from .values import known_text

if t.TYPE_CHECKING:
    from .tree import Word
    from .values import Text

_NOT = "!"
_STRUCTURE = frozenset("()<>&|;")
_EQUAL = {"=": True, "!=": False}
_EQUAL_BASH = {**_EQUAL, "==": True}
_LENGTHS = {"-n": True, "-z": False}

# Numbers of operands.
_UNARY, _BINARY, _NEGATED_BINARY = 2, 3, 4


def evaluate_test(operands: t.Sequence[Text], *, bash: bool) -> bool | None:
    """Evaluate C(test operands), None when it depends on the host or on what is not known.

    POSIX tells by the number of operands what they are, and both shells follow that.
    """
    equal = _EQUAL_BASH if bash else _EQUAL
    if len(operands) == _NEGATED_BINARY:
        is_known = known_text(operands[0]) == _NOT and known_text(operands[2]) in equal
        return _negated(_three(operands[1:], equal)) if is_known else None
    if len(operands) == _BINARY:
        return _three(operands, equal)
    if len(operands) == _UNARY:
        return _two(operands)
    return None if len(operands) > _NEGATED_BINARY else _filled(*operands)


def _filled(text: Text = ()) -> bool | None:
    """Tell whether a text is not empty."""
    if any(isinstance(part, str) for part in text):
        return True
    return None if text else False


def _two(operands: t.Sequence[Text]) -> bool | None:
    operator = known_text(operands[0])
    filled = _filled(operands[1])
    if operator == _NOT:
        return _negated(filled)
    if operator not in _LENGTHS:
        return None
    return filled if _LENGTHS[operator] else _negated(filled)


def _three(operands: t.Sequence[Text], equal: t.Mapping[str, bool]) -> bool | None:
    left, operator, right = known_text(operands[0]), known_text(operands[1]), operands[2]
    if operator and operator in equal:
        known = known_text(right)
        return None if None in {left, known} else (left == known) is equal[operator]
    if operator == "==":
        # dash: "unexpected operator", which is a failure.
        return False
    if left == _NOT and operator in _LENGTHS:
        return _negated(_two(operands[1:]))
    return None


def _negated(result: object) -> bool | None:
    return None if result is None else not result


def evaluate_bracket(words: t.Sequence[Word], expander: Expander) -> bool | None:
    """Evaluate C([[ words ]]) of bash, None when it cannot be told."""
    negated = 0
    while len(words) > 1 and words[0].plain == _NOT:
        negated += 1
        words = words[1:]
    result = None
    if not any(_has_structure(word) for word in words):
        result = _bracketed(words, expander)
    if result is None:
        for word in words:
            expander.touch(word)
    return _negated(result) if negated % 2 else result


def _bracketed(words: t.Sequence[Word], expander: Expander) -> bool | None:
    operator = words[-2].plain if len(words) > 1 else None
    if len(words) == _BINARY and operator in _EQUAL_BASH:
        matched = match_pattern(expander.text(words[0]), expander.pieces(words[2]))
        return matched if _EQUAL_BASH[operator] else _negated(matched)
    if len(words) == _UNARY and operator in _LENGTHS:
        filled = _filled(expander.text(words[1]))
        return filled if _LENGTHS[operator] else _negated(filled)
    return _filled(expander.text(words[0])) if len(words) == 1 else None


def _has_structure(word: Word) -> bool:
    return any(
        isinstance(part, Literal) and not part.quoted and _STRUCTURE & set(part.text)
        for part in word.parts
    )
