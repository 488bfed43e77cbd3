# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shell files of every kind: whatever is said to be known is what dash and bash have."""

from __future__ import annotations

import collections
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._shell.evaluate import Dialect
from ansible_collections.hwaccel.virt.tests.unit.plugins.module_utils._shell.shells import (
    NAMES,
    compare,
    real_shells,
)
from hypothesis import given, settings
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = 500

NAME = st.sampled_from(NAMES)
BARE = st.sampled_from(
    [
        *(
            "a",
            "b1",
            "x.y",
            "=",
            "==",
            "a#b",
            ":",
            "~",
            "%",
            "@",
            "^",
            "{",
            "}",
            "!",
            "-",
            "+",
            "/",
        ),
        *("iommu=pt", "console=ttyS0,115200n8", "*", "?", "[", "]", "é", "\udcff", "\r", "{a,b}"),
    ]
)
INNER = st.sampled_from(
    [
        *(
            "a",
            " ",
            "  ",
            "\n",
            "#",
            "'",
            ";",
            "&",
            "|",
            "(",
            ")",
            "<",
            ">",
            "\t",
            "é",
            "\udcff",
            "~",
        ),
        *("iommu=pt", "quiet splash", "*", "\\a", "\\n", "!", "}", "{", "[", "]", "\r", "$ ", "$%"),
    ]
)
ESCAPED = st.sampled_from([f"\\{char}" for char in "\"'$`\\ \n;&|()<>#*?[]~{}!abn=\t"])
ESCAPED_QUOTED = st.sampled_from([f"\\{char}" for char in "\"$`\\ \n;a'}"])
SINGLE = st.lists(
    st.sampled_from(["a", " ", "\n", '"', "$A", "`", "\\", "\\\n", "#", "$(", "}"]), max_size=3
).map(lambda parts: f"'{''.join(parts)}'")
UNKNOWN = st.sampled_from(
    [
        *(
            "$(echo a)",
            "$(echo ')' \")\" # )\n)",
            '`echo "a"`',
            "$((1 + 2))",
            "$((2 * (1+1)))",
            "$?",
        ),
        *("$(case a in a) echo b;; esac)", "$(cat <<X\n)\nX\n)", "$(echo \"$(echo ')')\")"),
    ]
)
DEFAULTS = st.sampled_from([":-", "-", ":+", "+", ":=", "="])
TRIMS = st.sampled_from(["%", "%%", "#", "##"])


def joined(parts: st.SearchStrategy[str], size: int) -> st.SearchStrategy[str]:
    return st.lists(parts, max_size=size).map("".join)


def braces(name: str, operator: str, word: str) -> str:
    return f"${{{name}{operator}{word}}}"


PLAIN = st.one_of(NAME.map(lambda name: f"${name}"), NAME.map(lambda name: f"${{{name}}}"))
LENGTH = NAME.map(lambda name: f"${{#{name}}}")
# Inside of braces, outside of double quotes and inside.
BARE_OPERAND = joined(
    st.one_of(BARE.filter(lambda text: "}" not in text), ESCAPED, SINGLE, PLAIN, st.just(" ")), 3
)
QUOTED_OPERAND = joined(
    st.one_of(INNER.filter(lambda text: "}" not in text), ESCAPED_QUOTED, PLAIN), 3
)
EXPANSION = st.one_of(
    PLAIN, PLAIN, LENGTH, UNKNOWN, st.builds(braces, NAME, DEFAULTS | TRIMS, BARE_OPERAND)
)
QUOTED_EXPANSION = st.one_of(
    PLAIN,
    PLAIN,
    LENGTH,
    UNKNOWN,
    st.builds(braces, NAME, DEFAULTS, QUOTED_OPERAND),
    st.builds(braces, NAME, TRIMS, BARE_OPERAND),
)
DOUBLE = joined(st.one_of(INNER, INNER, ESCAPED_QUOTED, QUOTED_EXPANSION), 4).map(
    lambda text: f'"{text}"'
)
WORD = joined(st.one_of(BARE, ESCAPED, SINGLE, DOUBLE, DOUBLE, EXPANSION, st.just("$")), 3)
ARGUMENT = st.one_of(st.lists(DOUBLE | PLAIN | SINGLE | BARE, min_size=1, max_size=2).map("".join))

ASSIGN = st.builds(lambda name, sign, word: f"{name}{sign}{word}", NAME, st.just("="), WORD)
APPEND = st.builds(lambda name, word: f"{name}+={word}", NAME, WORD)
SELF = st.builds(lambda name, word: f'{name}="${name} {word}"', NAME, st.sampled_from(["a", "b"]))
ASSIGNS = st.lists(ASSIGN, min_size=1, max_size=3).map(" ".join)
TEST = st.one_of(
    st.builds(
        lambda a, sign, b: f"[ {a} {sign} {b} ]", ARGUMENT, st.sampled_from(["=", "!="]), ARGUMENT
    ),
    st.builds(
        lambda sign, a: f"[ {sign} {a} ]", st.sampled_from(["-n", "-z", "!", "! -n"]), ARGUMENT
    ),
    st.builds(lambda a: f"test {a}", ARGUMENT),
    st.sampled_from(["true", "false", ":", "[ -d / ]", "[ -e /none ]", "[ a == a ]", "! true"]),
    ASSIGN,
)
BRACKET = st.one_of(
    st.builds(
        lambda a, sign, b: f"[[ {a} {sign} {b} ]]",
        ARGUMENT,
        st.sampled_from(["=", "!=", "=="]),
        ARGUMENT,
    ),
    st.builds(lambda sign, a: f"[[ {sign} {a} ]]", st.sampled_from(["-n", "-z", "! -n"]), ARGUMENT),
)
DOCUMENT = st.builds(
    lambda mark, body, end: f"cat <<{mark} >/dev/null\n{body}\n{end}",
    st.sampled_from(["E", "'E'", "-E", '"E"', "\\E"]),
    st.sampled_from(["A=1", 'a "quote', "it's", "\tE x", "a\\\nE", "${A:=b}", "EE", "$A"]),
    st.just("E"),
)
LEAF = st.one_of(
    ASSIGN,
    ASSIGN,
    ASSIGNS,
    SELF,
    SELF,
    ASSIGN.map(lambda text: f"export {text}"),
    NAME.map(lambda name: f"export {name}"),
    ARGUMENT.map(lambda text: f'export A="1" "B={text.strip(chr(34))}"'),
    NAME.map(lambda name: f"unset {name}"),
    ASSIGN.map(lambda text: f"{text} :"),
    ASSIGN.map(lambda text: f"{text} true"),
    ASSIGN.map(lambda text: f"{text} $C"),
    ASSIGNS.map(lambda text: f"export {text}"),
    WORD.map(lambda text: f": {text}"),
    ARGUMENT.map(lambda text: f"echo {text} >/dev/null"),
    st.sampled_from(
        ['# a "quote', "A=b #it's\"", "return", "return 0", "f", ":", "false", "set +e"]
    ),
    DOCUMENT,
    TEST,
)
# What of bash dash refuses, so that few of many such lines would be followed there.
BASH_LEAF = st.one_of(
    LEAF,
    LEAF,
    APPEND,
    ASSIGN.map(lambda text: text.replace("=", "=$", 1)),
    APPEND.map(lambda text: f"export {text}"),
    st.sampled_from(
        ["A=(a b)", "declare A=b", "readonly Z=1", "((A=1)) || :", "A=$'a\\n'", "A=$'b'"]
    ),
    BRACKET,
)


def compound(
    parts: st.SearchStrategy[str], tests: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    body = st.lists(parts, min_size=1, max_size=2).map("\n".join)
    return st.one_of(
        st.builds(lambda c, a: f"if {c}; then\n{a}\nfi", tests, body),
        st.builds(lambda c, a, b: f"if {c}\nthen {a}\nelse {b}\nfi", tests, body, body),
        st.builds(
            lambda c, a, d, b: f"if {c}; then {a}\nelif {d}; then {b}\nfi", tests, body, tests, body
        ),
        st.builds(lambda c, a: f"{c} && {a}", tests, parts),
        st.builds(lambda c, a: f"{c} || {a}", tests, parts),
        st.builds(lambda c, a, d: f"{c} && {a} || {d}", tests, parts, parts),
        body.map(lambda a: f"{{ {a}\n}}"),
        body.map(lambda a: f"( {a}\n)"),
        body.map(lambda a: f"f() {{ {a}\n}}"),
        body.map(lambda a: f"{{ {a}\n}} | cat"),
        st.builds(lambda a: f"for C in x $A; do {a}\ndone", body),
        st.builds(lambda a: f"for C in x; do {a}\nbreak; done", body),
        st.builds(lambda a: f'while [ -z "$C" ]; do {a}\nC=1; done', body),
        st.builds(lambda c, a: f"until {c}; do {a}\nbreak\ndone", tests, body),
        st.builds(
            lambda w, p, a, b: f"case {w} in\n{p}) {a}\n;;\n(x|a*) {b};;\n*) A=1\nesac",
            ARGUMENT,
            ARGUMENT,
            body,
            parts,
        ),
    )


def scripts(
    leaf: st.SearchStrategy[str], tests: st.SearchStrategy[str]
) -> st.SearchStrategy[list[str]]:
    unknown = st.sampled_from(["[ -d / ]", "[ -e /none ]", "! [ -d / ]"])
    assign = ASSIGN | SELF
    kinds = (
        leaf,
        assign,
        st.builds(lambda c, a: f"if {c}; then {a}\nfi", unknown, assign),
        st.recursive(leaf, lambda parts: compound(parts, tests), max_leaves=4),
    )
    # By number: among all the strategies of a single one_of these would be rare.
    line = st.integers(0, len(kinds) - 1).flatmap(kinds.__getitem__)
    text = st.lists(line, min_size=1, max_size=5).map("\n".join)
    return st.lists(text, min_size=1, max_size=2)


SCRIPTS = {
    Dialect.DASH: scripts(LEAF, TEST),
    Dialect.BASH: scripts(BASH_LEAF, TEST | BRACKET),
}


@pytest.mark.parametrize("dialect", Dialect)
def test_what_is_known_is_what_the_shell_has(dialect: Dialect) -> None:
    counts: collections.Counter[str] = collections.Counter()

    with real_shells() as shells:

        @settings(max_examples=EXAMPLES)
        @given(SCRIPTS[dialect])
        def check(texts: Sequence[str]) -> None:
            verdicts = compare(shells[dialect], dialect, texts)
            counts["followed"] += bool(verdicts)
            counts["all"] += 1
            for verdict in verdicts:
                assert not verdict.wrong, verdict
                counts["stopped"] += verdict.real is None
                counts["right"] += verdict.right
                counts["unknown"] += verdict.possible is None
                counts["several"] += len(verdict.possible or ()) > 1

        check()
    # Otherwise it would say nothing about what it is for.
    assert counts["followed"] > EXAMPLES / 2
    assert counts["right"] > 2 * EXAMPLES
    assert counts["several"] > EXAMPLES / 10
