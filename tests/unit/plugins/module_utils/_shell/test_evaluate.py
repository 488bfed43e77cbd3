# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What shell files set: every rule by an example, which the real shells have to agree with."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._shell.evaluate import (
    Assignment,
    Dialect,
    Evaluation,
    ShellError,
    Text,
    Unknown,
    Value,
    evaluate,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.module_utils._shell.shells import (
    RealShell,
    compare,
    real_shells,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator

DASH = Dialect.DASH
BASH = Dialect.BASH
FILE = "/etc/default/grub"


@pytest.fixture(scope="module")
def shells() -> Iterator[dict[Dialect, RealShell]]:
    with real_shells() as running:
        yield running


def run(text: str, dialect: Dialect = DASH) -> Evaluation:
    return evaluate([(FILE, text)], dialect)


def value_of(text: str, dialect: Dialect = DASH) -> Value | None:
    return run(text, dialect).variables.get("A")


def assignment(text: str, dialect: Dialect = DASH) -> Assignment:
    """Return the last assignment."""
    return run(text, dialect).assignments[-1]


def error(text: str, dialect: Dialect) -> ShellError:
    with pytest.raises(ShellError) as caught:
        run(text, dialect)
    return caught.value


# The value of A, in both shells.
KNOWN = {
    "bare": ("A=quiet", "quiet"),
    "empty": ("A=", ""),
    "empty, quoted": ("A=''\"\"", ""),
    "single quotes": ("A='a \"b\" $c `d` \\e'", 'a "b" $c `d` \\e'),
    "double quotes": ("A=\"a 'b' #c\"", "a 'b' #c"),
    "backslash in double quotes": (r'A="\$a \"b\" \`c\` \\d \e"', r'$a "b" `c` \d \e'),
    "escapes": (r"A=a\ b\"c\\d\e", r'a b"c\de'),
    "segments": ("A='a'\"b\"c\\d", "abcd"),
    "lines continued": ("A=a\\\nb\"c\\\nd\"'e\\\nf'", "abcde\\\nf"),
    "several lines": ('A="a\nb\\\n c"\nB=1', "a\nb c"),
    "backslash at the end": ("A=a\\", "a\\"),
    "dollar alone": ('A="$ $"$', "$ $$"),
    "carriage return": ("A=a\r\n", "a\r"),
    "odd bytes": ("A='\udcff é'", "\udcff é"),
    "equals signs": ("A=b=c", "b=c"),
    "no number sign comment within a word": ("A=a#b", "a#b"),
    "comment": ("A=a #b", "a"),
    "comment with an odd quote": ('A="quiet" #intel_iommu=on"\nB=1', "quiet"),
    "comment line with quotes": ("# it's \"so\nA=1 # don't", "1"),
    "comment does not go on": ("A=1 # a \\\nA=2", "2"),
    "two on a line": ("B=1 A=2", "2"),
    "in order on a line": ("B=1 A=$B", "1"),
    "semicolons": ("A=1; B=2", "1"),
    "last one holds": ("A=1\nA=2", "2"),
    "blanks before": ("\t A=1", "1"),
    "glob": ("A=*", "*"),
    "braces": ("A={a,b}", "{a,b}"),
    "variable": ('B=x\nA=$B"$B"${B}y', "xxxy"),
    "variable in single quotes": ("B=x\nA='$B'", "$B"),
    "name over two lines": ("BC=x\nA=$B\\\nC", "x"),
    "no word splitting": ("B='a  b'\nA=$B", "a  b"),
    "unset is empty": ('A="x$B"', "x"),
    "unset again": ("B=1\nunset B\nA=x$B", "x"),
    "self": ('A=a\nA="$A b"', "a b"),
    "default": ("A=${B:-a b}", "a b"),
    "default of an empty one": ("B=\nA=${B:-a}", "a"),
    "default without colon": ("B=\nA=${B-a}${C-c}", "c"),
    "default with quotes": ("A=${B:-'}'\"}\"}", "}}"),
    "default in quotes": ('A="${B:-a \'b\' \\} "c"}"', "a 'b' } c"),
    "alternative": ("B=1\nA=${B:+a}${C:+c}${C+c}", "a"),
    "alternative of an empty one": ("B=\nA=${B:+a}${B+b}", "b"),
    "assigned default": ("A=${B:=x}$B", "xx"),
    "assigned default of a set one": ("B=\nA=${B=x}", ""),
    "assigned default of a command": (": ${A:=a b}", "a b"),
    "default in a default": ("A=${B:-${C:-c}}", "c"),
    "length": ("B=abc\nA=${#B}", "3"),
    "required and there": ("B=x\nA=${B:?no}${B?no}", "xx"),
    "suffix": ("B=a.cfg\nA=${B%.cfg}${B%%cfg}${B%x}", "aa.a.cfg"),
    "prefix": ("B=a.cfg\nA=${B#a}${B##a.}${B#x}", ".cfgcfga.cfg"),
    "quoted suffix": ("B=a.cfg\nA=\"${B%'.cfg'}\"", "a"),
    "export": ("export A=a", "a"),
    "export and more": ("export B A='a b' C=1", "a b"),
    "export of a whole word": ('export "A=a b"', "a b"),
    "export by a variable": ('B="A=a b"\nexport "$B"', "a b"),
    "export later": ("A=a\nexport A", "a"),
    "export expands first": ("A=1\nA=2 export B=$A\nA=$B", "1"),
    "command export": ("command export A=1", "1"),
    "readonly": ("readonly A=a", "a"),
    "unset of another": ("A=1\nunset -v B", "1"),
    "before a command": ("A=1\nA=2 true", "1"),
    "before a special command": ("A=1 :", "1"),
    "before export": ("A=1 export B=2", "1"),
    "before nothing": ("A=1 $B", "1"),
    "if, true": ("if true; then A=1; else A=2; fi", "1"),
    "if, false": ("A=0\nif false; then A=1; fi", "0"),
    "else": ("if ! :; then A=1; else A=2; fi", "2"),
    "elif": ("if false; then A=1\nelif true; then A=2; else A=3\nfi", "2"),
    "if in if": ("if true; then if true; then A=1; fi fi", "1"),
    "if with assignment": ("if A=1; then :; fi", "1"),
    "test n": ('B=x\nif [ -n "$B" ]; then A=1; else A=2; fi', "1"),
    "test n of empty quotes": ('if [ -n "" ]; then A=1; else A=2; fi', "2"),
    "test n of a part": ('if [ -n "a$(x)" ]; then A=1; else A=2; fi', "1"),
    "test n of nothing": ("if [ -n $B ]; then A=1; else A=2; fi", "1"),
    "test z": ('if [ -z "$B" ]; then A=1; else A=2; fi', "1"),
    "test equal": ('B=x\nif test "$B" = x; then A=1; else A=2; fi', "1"),
    "test not equal": ('B=x\nif [ "$B" != x ]; then A=1; else A=2; fi', "2"),
    "test one": ('if [ "$B" ]; then A=1; else A=2; fi', "2"),
    "test nothing": ("if test; then A=1; else A=2; fi", "2"),
    "test negated": ('if [ ! "$B" ]; then A=1; else A=2; fi', "1"),
    "test negated n": ('if [ ! -n "$B" ]; then A=1; else A=2; fi', "1"),
    "test negated equal": ("if [ ! a = b ]; then A=1; else A=2; fi", "1"),
    "test of operators": ("if [ -n = -n ]; then A=1; else A=2; fi", "1"),
    "test splits": ('B="a = a"\nif [ $B ]; then A=1; else A=2; fi', "1"),
    "test without the bracket": ("if [ a; then A=1; else A=2; fi", "2"),
    "and": ("A=0\ntrue && A=1", "1"),
    "or": ("A=0\ntrue || A=1", "0"),
    "and or": ("false && A=1 || A=2", "2"),
    "and on the next line": ("true &&\n\n A=1", "1"),
    "status of an assignment": ("B=1 && A=1", "1"),
    "not": ("A=0\n! true || A=1", "1"),
    "braces around": ("{ A=1; B=2; }", "1"),
    "subshell": ("A=1\n( A=2 )", "1"),
    "exit in a subshell": ("A=1\n( exit 0 )", "1"),
    "pipeline": ("A=1\nA=2 | A=3", "1"),
    "background": ("A=1\nA=2 &\nB=1", "1"),
    "case": ("case abc in x) A=1;; a*) A=2;; *) A=3;; esac", "2"),
    "case with parentheses": ("case x in (y|x) A=1 ;; esac", "1"),
    "case, quoted": ("case 'a*' in ab) A=1;; 'a*') A=2; esac", "2"),
    "case, none": ("A=0\ncase x in y) A=1;; esac", "0"),
    "case, question mark": ("case ab in ?) A=1;; ??) A=2;; esac", "2"),
    "case, literal bracket": ("case '[' in '[') A=1;; esac", "1"),
    "case of a variable": ('B="a b"\ncase $B in "a b") A=1;; esac', "1"),
    "while, never": ("A=0\nwhile false; do A=1; done", "0"),
    "while, once": ("while :; do A=1; break; done", "1"),
    "until": ("until [ -n x ]; do A=2; done; A=1", "1"),
    "function not called": ("A=1\nf() { A=2; }", "1"),
    "function called": ("f() { A=2; return; A=3; }\nA=1\nf", "2"),
    "function on two lines": ("f()\n{\nA=2\n}\nf", "2"),
    "before a function": ("f() { A=$B; }\nB=1 f", "1"),
    "return": ("A=1\nreturn\nA=2", "1"),
    "return 0": ("A=1\nfalse || return 0\nA=2", "1"),
    "here-document": ("cat <<E >/dev/null\nA=2 'it \"\nE\nA=1", "1"),
    "here-document with tabs": ("cat <<-E >/dev/null\n\tA=2\n\tE\nA=1", "1"),
    "here-document, quoted": ("cat <<'E' >/dev/null\n$( ${A:=2}\nE\nA=$A", ""),
    "here-document continued": ("cat <<E >/dev/null\nx\\\nE\nA=2\nE\nA=1", "1"),
    "here-document, quoted, not continued": ("cat <<\\E >/dev/null\nx\\\nE\nA=1", "1"),
    "here-document without end": ("A=1\ncat <<E >/dev/null\nA=2", "1"),
    "two here-documents": ("cat <<E >/dev/null; cat <<F >/dev/null\nF\nE\nE\nF\nA=1", "1"),
    "redirections": ("A=1 2>/dev/null\necho $B >/dev/null 2>&1 </dev/null", "1"),
    "descriptors": ("echo 2>&- A=2 >/dev/null\nA=1", "1"),
    "exec with redirections alone": ("exec 9>/dev/null\nA=1", "1"),
    "set": ("set -e\nset -o errexit\nset -x\nset -- a b\nA=1", "1"),
    "set +e": ("set +e\nfalse\nA=1", "1"),
    "unknown command": ("echo A=2 >/dev/null\nA=1", "1"),
    "local elsewhere": ("A=1\nf() { local B=2; }\nf", "1"),
    "substitution elsewhere": ("B=$(echo \")\" ')' `echo \\`a\\`` # )\n)\nA=1", "1"),
    "case in a substitution": ("B=$(case x in x) echo a;; esac)\nA=1", "1"),
    "here-document in a substitution": ("B=$(cat <<E\n)\nE\n)\nA=1", "1"),
    "quotes in a substitution": ('B="$(echo "a")" A=1', "1"),
    "arithmetic elsewhere": ("B=$(( (1 + 2) * 3 ))\nA=1", "1"),
    "nothing": ("", ""),
}

# The value of A in dash and in bash.
DIFFERENT = {
    "dollar and single quotes": ("A=$'a'", "$a", "a"),
    "double equals": ("A=0\nif [ a == a ]; then A=1; fi", "0", "1"),
    "double bracket": ("A=0\nif [[ -n a ]]; then A=1; fi", "0", "1"),
    "local without value": ("B=x\nf() { local B; A=1; }\nf", "1", "1"),
}

# The value of A in bash.
KNOWN_BASH = {
    "append": ("A=a\nA+=' b'", "a b"),
    "append to nothing": ("A+=b", "b"),
    "export and append": ("A=a\nexport A+=b", "ab"),
    "declare": ("declare A=a\ntypeset -x B=1", "a"),
    "declare in a function": ("f() { declare -g A=1; }\nf", "1"),
    "export does not split": ("B='a  *'\nexport A=$B", "a  *"),
    "function keyword": ("function f { A=1; }\nfunction g() { A=2; }\nf", "1"),
    "brackets, equal": ("B='a b'\n[[ $B == a* ]] && A=1", "1"),
    "brackets, quoted pattern": ("if [[ ab == 'a*' ]]; then A=1; else A=2; fi", "2"),
    "brackets, not equal": ("if [[ a != a ]]; then A=1; else A=2; fi", "2"),
    "brackets, negated": ("if [[ ! -z $B ]]; then A=1; else A=2; fi", "2"),
    "brackets, one": ("if [[ $B ]]; then A=1; else A=2; fi", "2"),
    "brackets over lines": ("if [[\n-z $B\n]]; then A=1; fi", "1"),
    "both outputs": ("echo &>/dev/null\nA=1", "1"),
    "here-string": ("cat <<<$B >/dev/null\nA=1", "1"),
    "process substitution elsewhere": ("cat <(echo ')') >/dev/null\nA=1", "1"),
    "array elsewhere": ("B=(a\n b # )\n)\nA=1", "1"),
    "arithmetic command elsewhere": ("((B = 1))\nA=1", "1"),
    "nested subshells": ("((echo a) ; A=2) >/dev/null\nA=1", "1"),
    "arithmetic or not": ("B=$((echo a) | cat)\nA=1", "1"),
}

# What A may be, in both shells.
SEVERAL = {
    "if": ("A=1\nif [ -e /x ]; then A=2; fi", ("2", "1")),
    "if and else": ("if [ -e /x ]; then A=2; else A=3; fi", ("2", "3")),
    "unknown command": ("A=1\nif grep -q x /x; then A=2; fi", ("2", "1")),
    "and": ('A=1\n[ -e /x ] && A="$A 2"\nB=1', ("1", "1 2")),
    "or": ("A=1\n[ -e /x ] || A=2", ("1", "2")),
    "values go together": ("if [ -e /x ]; then B=1; C=1; else B=2; C=2; fi\nA=$B$C", ("11", "22")),
    "each once": ("if [ -e /x ]; then A=1; else A=1; fi\nif [ -e /y ]; then A=2; fi", ("2", "1")),
    "unset on one way": ("A=1\n[ -e /x ] && unset A\nB=1", ("1", "")),
    "for": ("A=1\nfor B in a; do A=2; done", ("1", "2")),
    "for with break": ("A=1\nfor B in a b; do A=2; [ -e /x ] && break; A=3; done", ("1", "3", "2")),
    "while": ("A=1\nwhile grep -q x /x; do A=2; done", ("1", "2")),
    "while with continue": (
        "A=1\nwhile grep -q x /x; do A=2; [ -e /x ] && continue; A=3; done",
        ("1", "3", "2"),
    ),
    "case": ("case $(uname -m) in x86*) A=1;; a*) A=2;; *) A=3; esac", ("1", "2", "3")),
    "case without a match": ("A=0\ncase $(uname -m) in x86*) A=1;; esac", ("1", "0")),
    "return": ("A=1\nif [ -e /x ]; then return 0; fi\nA=2", ("2", "1")),
    "test of what is not known": ('A=0\nB=$(x)\nif [ "$B" = a ]; then A=1; fi', ("1", "0")),
    "redirection that may fail": ("A=1\nif A=2 </x; then :; fi", ("1", "2")),
    "range in a pattern": ("A=0\ncase a in [a-z]) A=1;; esac", ("1", "0")),
    "test n of what is not known": ('A=0\nif [ -n "$(x)" ]; then A=1; fi', ("1", "0")),
    "assignment of a command that may fail": ("A=0\nB=$(x) && A=1\nB=1", ("1", "0")),
    "file test": ("A=0\n! [ -f /x -a -f /y ] || A=1", ("0", "1")),
}

# What is unknown of A, in both shells.
UNKNOWN = {
    "substitution": ('A="a $(cat /x) b"', "$(cat /x)"),
    "substitution with all that hides its end": (
        "A=$(echo \")\" ')' \\) # )\n case x in x) y;; esac)",
        "$(echo \")\" ')' \\) # )\n case x in x) y;; esac)",
    ),
    "backticks": ('A="`echo \\"a\\"`"', '`echo \\"a\\"`'),
    "arithmetic": ("A=$((1 + (2)))", "$((1 + (2)))"),
    "positional": ("A=$1", "$1"),
    "positional in braces": ("A=${10:-x}", "${10:-x}"),
    "status": ("A=$?", "$?"),
    "all arguments": ('A="$@"', "$@"),
    "pattern": ("B=abc\nA=${B%b*}", "${B%b*}"),
    "tilde": ("A=~/x", "~"),
    "tilde after a colon": ("A=x:~root", "~root"),
    "environment": ("A=$HOME", "$HOME"),
    "environment with default": ("A=${LC_ALL-x}", "${LC_ALL-x}"),
    "set by grub-mkconfig": ("A=$GRUB_DEVICE", "$GRUB_DEVICE"),
    "what the shell changes": ("LINENO=1\nA=$LINENO", "$LINENO"),
    "default of what is not known": ("B=$(x)\nA=${B:-y}", "${B:-y}"),
    "length of what is not known": ("B=$(x)\nA=${#B}", "${#B}"),
    "read": ("read -r A </x", "read -r A </x"),
    "getopts": ("getopts ab A", "getopts ab A"),
    "loop": ("for B in a b; do A=$A$B; done", "for B in a b; do A=$A$B; done"),
    "loop variable": ("for A in a b; do :; done", "for A in a b; do :; done"),
    "loop with a function": (
        "f() { A=x$A; }\nwhile grep x /x; do f\ndone",
        "while grep x /x; do f",
    ),
    "assigned by arithmetic": ("A=1\nB=$((A += 1))", "$((A += 1))"),
    "assigned in a here-document": ("cat <<E >/dev/null\n${A:=1}\nE", "a here-document"),
    "before a function": ("f() { :; }\nA=1 f", "A=1 f"),
    "before what may be nothing": ("A=1 $(x)", "A=1 $(x)"),
    "local after its function": ("f() { local A=1; }\nf", "f"),
}

UNKNOWN_BASH = {
    "array": ("A=(a b)", "(a b)"),
    "escapes": ("A=$'a\\n'", "$'a\\n'"),
    "translated": ('A=$"a"', '$"a"'),
    "translated, assigned": ('B=$"${A:=a}"', '$"${A:=a}"'),
    "replacement": ("B=x\nA=${B/x/y}", "${B/x/y}"),
    "indirection": ("B=C\nA=${!B}", "${!B}"),
    "element": ("B=(x)\nA=${B[0]}", "${B[0]}"),
    "process substitution": ("A=<(x)", "<(x)"),
    "mapfile": ("mapfile -t A </x", "mapfile -t A </x"),
    "printf": ("printf -v A %s x", "printf -v A %s x"),
    "let": ("let A=1", "let A=1"),
    "arithmetic command": ("((A = 1))", "((A = 1))"),
    "braces": ("export A={a,b}", "export A={a,b}"),
}

# Where the shells stop, and where; in both.
STOPS = {
    "double quote": ('A=1\nB="x\n\n', 2, "double quote that begins here does not end"),
    "single quote": ("A=1\nB='x", 2, "single quote"),
    "backtick": ("A=`x", 1, "backtick"),
    "substitution": ("A=$(x", 1, "parenthesis"),
    "braces": ('A="${B', 1, "${ that begins here"),
    "braces with default": ("A=${B:-x", 1, "${ that begins here"),
    "if": ("A=1\nif true; then\nA=2\n", 2, "if that begins here has no fi"),
    "then": ("if true\nA=2\nfi", 3, "'fi' is not expected"),
    "for": ("for A in a; do\nB=1", 1, "loop that begins here has no done"),
    "case": ("case a in\na) B=1", 2, "the end is not expected"),
    "case, open": ("case a in a) ;;\n", 1, "case that begins here has no esac"),
    "group": ("{ A=1\n", 1, "{ that begins here"),
    "subshell": ("( A=1\n", 1, "parenthesis that begins here"),
    "closer alone": ("A=1\nfi", 2, "'fi' is not expected"),
    "carriage return after then": ("if true; then\r\nA=1\r\nfi\r\n", 4, "is not expected"),
    "parenthesis": ("A=1)", 1, "')' is not expected"),
    "double semicolon": ("A=1;;", 1, "';' is not expected"),
    "empty then": ("if true; then fi", 1, "'fi' is not expected"),
    "operator first": ("&& A=1", 1, "'&' is not expected"),
    "redirection to nothing": ("A=1 >\nB=1", 1, "the end of the line is not expected"),
    "parenthesis after a word": ("A=1 f() { :; }", 1, "'(' is not expected"),
    "bad substitution": ("B=1\nA=${}", 2, "bad substitution"),
    "failure": ("A=1\n\nfalse", 3, "this command fails, and update-grub stops"),
    "failing test": ('B=x\n[ "$B" = y ]\nA=1', 2, "this command fails"),
    "last condition of a file": ("A=1\n[ a = b ] && A=2", 2, "this command fails"),
    "return 1": ("A=1\nreturn 1", 2, "this command fails"),
    "exit": ("A=1\nexit 0", 2, "exit ends update-grub"),
    "exec": ("exec true", 1, "exec ends update-grub"),
    "exit in a function": ("f() {\nexit 0\n}\nf", 2, "exit ends update-grub"),
    "required": ("A=${B:?no}", 1, "${B:?no} stops update-grub"),
    "readonly": ("readonly A=1\nA=2", 2, "A is readonly"),
    "unset of a readonly": ("readonly A=1\nunset A", 2, "A is readonly"),
    "local outside": ("local A=1", 1, "local outside of a function"),
    "no name": ("export 1=2", 1, "is given what is no name"),
}

STOPS_DASH = {
    "append": ("A=1\nA+=2\n", 2, "+= is unknown to dash, and update-grub stops there"),
    "export and append": ("export A+=2", 1, "is given what is no name"),
    "array": ("A=(a b)", 1, "'(' is not expected"),
    "source": ("source /x", 1, "source is unknown to dash"),
    "declare": ("declare A=1", 1, "declare is unknown to dash"),
    "double bracket": ("[[ -n a ]]", 1, "[[ is unknown to dash"),
    "replacement": ("A=${B/x/y}", 1, "bad substitution"),
    "element": ("A[0]=1", 1, "[ is unknown to dash"),
    "process substitution": ("cat <(x)", 1, "'(' is not expected"),
}

# What a shell can do and nobody can follow without one.
NOT_FOLLOWED = {
    "eval": ("eval A=1", "eval is not followed"),
    "trap": ("trap 'A=1' EXIT", "trap is not followed"),
    "alias": ("alias f='A=1'\nf", "f is an alias or a function that is not followed"),
    "alias of a builtin": ("alias export=true", "alias export=true is not followed"),
    "file of a variable": ('. "$B/x"', "it sources /x, which is not followed"),
    "file": (". /etc/os-release", "it sources /etc/os-release, which is not followed"),
    "unknown name": ("export $(x)", "what export is given cannot be known"),
    "unknown unset": ("unset $(x)", "what unset is given cannot be known"),
    "unknown read": ("read $B$(x)", "what read assigns cannot be known"),
    "recursion": ("f() { [ -e /x ] && f; }\nf", "call each other so deep"),
    "function in a loop": ("while x; do f() { :; }; done", "a function defined here"),
    "function named as a builtin": ("export() { :; }", "is not"),
    "set -n": ("set -n", "set -n n is not followed"),
    "break of two": ("while x; do while x; do break 2; done; done", "out of several loops"),
    "break alone": ("break", "break outside of a loop"),
    "here-document ends over lines": ("cat <<EF\nE\\\nF\n", "written over several lines"),
    "here-document of a variable": ("cat <<$A\n$A\n", "has to be literal"),
    "name over lines": ("A\\\nB=1", "a name over several lines is not followed"),
    "nul": ("A=a\0b", "a NUL character is not followed"),
    "function that unset knows": ("f() { A=1; }\nunset -f f\nf", "f is an alias or a function"),
    "condition of a loop with break": ("while break; do :; done", "break outside of a loop"),
}

NOT_FOLLOWED_BASH = {
    "integer": ("declare -i A=1", "declare -i is not followed"),
    "shopt": ("shopt -s lastpipe", "shopt is not followed"),
    "time": ("time true", "time is not followed"),
    "select": ("select A in a; do :; done", "select is not followed"),
    "old arithmetic": ("A=$[1]", "$[ is not followed"),
    "element": ("A[0]=1", "an element of the array A is not followed"),
    "fall through": ("case a in a) ;;& esac", "a case that falls through is not followed"),
    "for with arithmetic": ("for ((;;)); do :; done", "is not followed"),
    "descriptor by name": ("exec {A}>/dev/null", "assigns a variable is not followed"),
    "quotes after $ in braces": ("A=\"${B:-$'x'}\"", "is not followed"),
    "backslash in quotes in braces": (r'A="${B:-"\x"}"', "is not followed"),
}


def cases(table: dict[str, t.Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", list(table.values()), ids=list(table))


def check_known(
    shells: dict[Dialect, RealShell], dialect: Dialect, text: str, expected: str
) -> None:
    value = value_of(text, dialect)
    assert (value.known if value else "") == expected
    real = shells[dialect].variables([text])
    assert real is not None
    assert real["A"] == expected


@cases(KNOWN)
@pytest.mark.parametrize("dialect", Dialect)
def test_known(shells: dict[Dialect, RealShell], case: tuple[str, str], dialect: Dialect) -> None:
    check_known(shells, dialect, *case)


@cases(KNOWN_BASH)
def test_known_in_bash(shells: dict[Dialect, RealShell], case: tuple[str, str]) -> None:
    check_known(shells, BASH, *case)


@cases(DIFFERENT)
def test_where_the_shells_differ(
    shells: dict[Dialect, RealShell], case: tuple[str, str, str]
) -> None:
    text, of_dash, of_bash = case
    check_known(shells, DASH, text, of_dash)
    check_known(shells, BASH, text, of_bash)


@cases(SEVERAL)
@pytest.mark.parametrize("dialect", Dialect)
def test_several(
    shells: dict[Dialect, RealShell], case: tuple[str, tuple[str, ...]], dialect: Dialect
) -> None:
    text, expected = case
    value = value_of(text, dialect)
    assert value is not None
    assert sorted(value.possible or ()) == sorted(expected)
    assert value.known is None
    assert not any(verdict.wrong for verdict in compare(shells[dialect], dialect, [text]))


@cases(UNKNOWN)
@pytest.mark.parametrize("dialect", Dialect)
def test_unknown(case: tuple[str, str], dialect: Dialect) -> None:
    text, what = case
    value = value_of(text, dialect)
    assert value is not None
    assert value.known is None
    assert value.possible is None
    assert value.unknown is not None
    assert value.unknown.what == what
    assert value.unknown.file == FILE


@cases(UNKNOWN_BASH)
def test_unknown_in_bash(case: tuple[str, str]) -> None:
    test_unknown(case, BASH)


@cases(STOPS)
@pytest.mark.parametrize("dialect", Dialect)
def test_stops(
    shells: dict[Dialect, RealShell], case: tuple[str, int, str], dialect: Dialect
) -> None:
    text, line, message = case
    caught = error(text, dialect)
    assert message in str(caught)
    assert str(caught).startswith(f"{FILE}, line {line}: ")
    assert (caught.file, caught.line) == (FILE, line)
    assert shells[dialect].variables([text]) is None


@cases(STOPS_DASH)
def test_stops_in_dash(shells: dict[Dialect, RealShell], case: tuple[str, int, str]) -> None:
    test_stops(shells, case, DASH)


@cases(NOT_FOLLOWED)
@pytest.mark.parametrize("dialect", Dialect)
def test_not_followed(case: tuple[str, str], dialect: Dialect) -> None:
    assert case[1] in str(error(case[0], dialect))


@cases(NOT_FOLLOWED_BASH)
def test_not_followed_in_bash(case: tuple[str, str]) -> None:
    assert case[1] in str(error(case[0], BASH))


@pytest.mark.parametrize(
    "text",
    [
        "if [ -e /x ]; then A+=1; fi",
        "A+=1 || true",
        "A+=1 && B=1",
        "if A+=1; then :; fi",
    ],
)
def test_append_is_an_error_in_dash_wherever_it_may_be_run(text: str) -> None:
    assert "+= is unknown to dash" in str(error(text, DASH))
    run(text, BASH)


def test_append_where_dash_does_not_get_to() -> None:
    assert "A" not in run("if false; then A+=1; fi\nf() { A+=1; }").variables


UNKNOWN_PART = Unknown(FILE, 3, "$(x)")


@pytest.mark.parametrize(
    ("alternatives", "known", "possible", "unknown"),
    [
        ((("a b",),), "a b", ("a b",), None),
        (((),), "", ("",), None),
        ((("a",), ()), None, ("a", ""), None),
        ((("a",), ("b ", UNKNOWN_PART)), None, None, UNKNOWN_PART),
        (((UNKNOWN_PART,),), None, None, UNKNOWN_PART),
    ],
)
def test_what_is_known_of_a_value(
    alternatives: tuple[Text, ...],
    known: str | None,
    possible: tuple[str, ...] | None,
    unknown: Unknown | None,
) -> None:
    value = Value(alternatives)
    assert (value.known, value.possible, value.unknown) == (known, possible, unknown)


def test_parts_of_a_value() -> None:
    value = value_of('B=b\nA="a $B $(x) "c`y`$1')
    assert value == Value(
        (
            (
                "a b ",
                Unknown(FILE, 2, "$(x)"),
                " c",
                Unknown(FILE, 2, "`y`"),
                Unknown(FILE, 2, "$1"),
            ),
        )
    )


def test_what_is_never_assigned_is_not_there() -> None:
    assert set(run("A=1\nexport B\nunset C\nX=1 true\n[ -e /x ] && D=1\nE=").variables) == {
        "A",
        "D",
        "E",
    }


def test_where_an_assignment_stands() -> None:
    text = "# x\nB=1  A='a\nb'\\\n  # y\n"
    found = assignment(text)
    assert (found.name, found.file, found.line) == ("A", FILE, 2)
    assert text[found.start : found.end] == "'a\nb'"
    assert found.value.known == "a\nb"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("A=", ""),
        ("A= B=1", ""),
        ("A=a;B=1", "a"),
        ('A="a b"c # d', '"a b"c'),
        ("export B A='a' C=1", "'a'"),
        ('A=$(x "y z")', '$(x "y z")'),
        ("A=a\\\nb", "a\\\nb"),
        ("A=a\\\n\n", "a"),
        ("if true; then A=a; fi", "a"),
        (": ${A:=a b}", "a b"),
        ("export 'A=b'", "'A=b'"),
    ],
)
def test_span(text: str, word: str) -> None:
    (found,) = (entry for entry in run(text).assignments if entry.name == "A")
    assert text[found.start : found.end] == word


def test_span_of_an_append() -> None:
    text = "A=a\nA+=' b'"
    found = assignment(text, BASH)
    assert text[found.start : found.end] == "' b'"
    assert (found.appends, found.keeps, found.value.known) == (True, True, "a b")


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        ("A=a", False),
        ("A='$A'", False),
        ('A="$A a"', True),
        ("A=${A}", True),
        ("A=${A:-a}", True),
        ("A=${A%a}", True),
        ("A=${B:-$A}", True),
        ("A=$B", False),
        ("A=$AB", False),
        ("A=${A:+a}", False),
        ("A=${#A}", False),
        ('A=$(echo "$A" | sed s/a/b/)', True),
        ("A=`echo ${A}`", True),
        ("A=$(cat A)", False),
        ("A=$((A + 1))", True),
        (": ${A:=a}", True),
    ],
)
def test_keeps(text: str, *, keeps: bool) -> None:
    assert assignment(text).keeps is keeps
    assert not assignment(text).appends


@pytest.mark.parametrize(
    ("text", "static"),
    [
        ("A=a", True),
        ("A='a $b'\"c \\$d\"\\e", True),
        ("A=", True),
        ("A=*", True),
        ("A=$B", False),
        ('A="$(x)"', False),
        ("A=`x`", False),
        ("A=~", False),
        (": ${A:=a}", False),
        ("export 'A=a'", False),
        ("export A=a", True),
    ],
)
def test_static(text: str, *, static: bool) -> None:
    assert assignment(text).static is static


@pytest.mark.parametrize(
    ("text", "conditional"),
    [
        ("A=1", False),
        ("{ A=1; }", False),
        ("if true; then A=1; fi", False),
        ("true && A=1", False),
        ('[ -z "$B" ] && A=1', False),
        ("if A=1; then :; fi", False),
        ("case a in a) A=1;; esac", False),
        ("[ -e /x ] && A=1", True),
        ("[ -e /x ] || A=1", True),
        ("if [ -e /x ]; then A=1; fi", True),
        ("if [ -e /x ]; then :; else A=1; fi", True),
        ("if [ -e /x ]; then if true; then A=1; fi; fi", True),
        ("case $(x) in a) A=1;; esac", True),
        ("case $(x) in *) A=1;; esac", False),
        ("for B in a; do A=1; done", True),
        ("while grep x /x; do A=1; done", True),
        ("f() { A=1; }\nf", True),
        ("if [ -e /x ]; then return; fi\nA=1", True),
        (": ${A:=a}", True),
        ("{ A=1; } </x", True),
        ("A=1 </x", False),
    ],
)
def test_conditional(text: str, *, conditional: bool) -> None:
    assert assignment(text).conditional is conditional


def test_the_ways_before_an_assignment_are_in_it() -> None:
    found = run('A=1\nif [ -e /x ]; then A=2; fi\nA="$A b"').assignments
    assert [(entry.line, entry.value.possible) for entry in found] == [
        (1, ("1",)),
        (2, ("2",)),
        (3, ("2 b", "1 b")),
    ]


def test_what_is_not_run_is_no_assignment() -> None:
    text = "if false; then A=1; fi\nf() { A=2; }\n( A=3 )\nA=4 | A=5\nA=6 true\nB=$(A=7)"
    assert [found.name for found in run(text).assignments] == ["B"]


def test_a_function_called_twice_assigns_twice() -> None:
    found = run("f() { A=x$A; }\nf\nf").assignments
    assert [entry.value.known for entry in found] == ["x", "xx"]
    assert [entry.start for entry in found] == [8, 8]


def test_a_loop_assigns_once() -> None:
    found = run("for B in a b; do for C in a b; do A=$B; D=1; done; done").assignments
    assert [(entry.name, entry.conditional) for entry in found] == [("A", True), ("D", True)]


def test_more_ways_than_are_told_apart() -> None:
    lines = [f'[ -e /{number} ] && A="$A {number}"' for number in range(10)]
    evaluation = run("\n".join(["A=0", "B=1", *lines, "C=1"]))
    value = evaluation.variables["A"]
    assert value.possible is None
    assert value.unknown is not None
    assert "more than 64 ways" in value.unknown.what
    assert evaluation.variables["B"].known == "1"
    assert all(len(entry.value.alternatives) <= 64 for entry in evaluation.assignments)


@pytest.mark.parametrize(
    "grows", ["A=$A$A", "A=$A${A}x", "B=$A$A; A=${B}", ': "${C:=$A}"; A=$C$A; C=']
)
def test_a_value_that_doubles_is_unknown_from_some_length_on(grows: str) -> None:
    found = run("A=x\n" + f"{grows}\n" * 20).variables["A"].unknown
    assert found is not None
    assert found.what == "a value of more than 16384 characters"


@pytest.mark.parametrize(("length", "known"), [(16384, True), (16385, False)])
def test_the_longest_value_is_known(length: int, *, known: bool) -> None:
    value = value_of(f"A={'x' * length}")
    assert value is not None
    assert (value.known is not None) == known


@pytest.mark.parametrize(("parts", "known"), [(256, True), (257, False)])
def test_what_is_not_known_has_a_bound_of_its_own(parts: int, *, known: bool) -> None:
    found = run("A=" + "$(a)" * parts).variables["A"].alternatives[0]
    assert len(found) == (parts if known else 1)
    assert isinstance(found[0], Unknown)
    told = "$(a)" if known else "a value of more than 256 unknown parts"
    assert found[0].what == told


def test_what_is_not_known_doubles_no_more_either() -> None:
    evaluation = run("A=$(a)\n" + "A=$A$A\n" * 20)
    assert all(
        len(text) <= 256 for entry in evaluation.assignments for text in entry.value.alternatives
    )


def test_the_line_of_an_error_in_a_long_file() -> None:
    assert error("A=b\n" * 5000 + "readonly A\nA=c\n", DASH).line == 5002


def test_ways_that_lead_to_the_same_are_one() -> None:
    lines = [f"[ -e /{number} ] && A=1" for number in range(100)]
    value = run("\n".join(["A=0", *lines])).variables["A"]
    assert value.possible == ("0", "1")


def test_several_files(shells: dict[Dialect, RealShell]) -> None:
    texts = ['A="a"\nB=b\nreturn\nA=no', 'A="$A $B" # x"', "f() { C=$A; }\nf"]
    files = [(f"/etc/default/grub.d/{number}.cfg", text) for number, text in enumerate(texts)]
    for dialect in Dialect:
        evaluation = evaluate(files, dialect)
        assert evaluation.variables["A"].known == "a b"
        assert evaluation.variables["C"].known == "a b"
        assert [(found.name, found.file[-5:]) for found in evaluation.assignments] == [
            ("A", "0.cfg"),
            ("B", "0.cfg"),
            ("A", "1.cfg"),
            ("C", "2.cfg"),
        ]
        assert all(verdict.right for verdict in compare(shells[dialect], dialect, texts))


def test_no_file() -> None:
    assert evaluate([], DASH) == Evaluation((), {})


def test_the_error_names_the_file() -> None:
    with pytest.raises(ShellError, match=r"^/b, line 2: syntax error"):
        evaluate([("/a", "A=1"), ("/b", "\n)")], DASH)


@pytest.mark.parametrize("opening", ["(", "$(", "${A:-", "{ ", "if true; then "])
def test_deep_nesting(opening: str) -> None:
    assert "so deep" in str(error(f"A=1; {opening * 5000}", DASH))


def test_a_loop_that_never_ends() -> None:
    assert "no way leads to the end" in str(error("while true; do A=1; done", DASH))


SOURCED = {"/a": "A=a\nreturn\nA=b", "/b": ". /a\nB=$A", "/c": ". /c"}


def run_with_files(text: str, dialect: Dialect = DASH) -> Evaluation:
    return evaluate([(FILE, text)], dialect, sourced=SOURCED.get)


def test_a_sourced_file() -> None:
    evaluation = run_with_files("A=1\n. /b\nC=$B")
    assert evaluation.variables["C"].known == "a"
    assert [found.file for found in evaluation.assignments] == [FILE, "/a", "/b", FILE]


def test_a_file_sourced_if_it_is_there() -> None:
    evaluation = run_with_files("A=1\nif [ -r /a ]; then . /a; fi")
    assert evaluation.variables["A"].possible == ("a", "1")
    assert evaluation.assignments[-1].conditional


def test_a_file_sourced_if_it_is_there_that_is_not() -> None:
    assert run_with_files("A=1\n[ -r /x ] && . /x\nB=1").variables["A"].known == "1"


def test_a_file_sourced_in_a_loop() -> None:
    assert run_with_files("for C in x; do . /a; done").variables["A"].possible == ("", "a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\n. /x", "line 2: /x is not there, and update-grub stops"),
        (". /c", "so deep"),
        (". $(x)", "is given cannot be known"),
        (". a", "it sources a, which is not followed"),
        ("source /a", "source is unknown to dash"),
    ],
)
def test_a_sourced_file_that_is_not_followed(text: str, message: str) -> None:
    with pytest.raises(ShellError, match=message):
        run_with_files(text)


def test_source_is_of_bash() -> None:
    assert run_with_files("source /a", BASH).variables["A"].known == "a"
