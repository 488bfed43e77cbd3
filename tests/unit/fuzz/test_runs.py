# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is handed to libFuzzer, and what is made of its words."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.hwaccel.virt.tests.fuzz import __main__ as program
from ansible_collections.hwaccel.virt.tests.fuzz.inputs import read_input
from ansible_collections.hwaccel.virt.tests.fuzz.runs import Result, dictionary, options, table
from ansible_collections.hwaccel.virt.tests.fuzz.table import TARGETS
from ansible_collections.hwaccel.virt.tests.fuzz.target import Choices, Target, parts

if t.TYPE_CHECKING:
    from collections.abc import Iterator


def pass_all(data: bytes) -> None:
    del data


TARGET = Target("some", "holds", pass_all, runs=7, words=("a\n",))


def fail(data: bytes) -> None:
    assert data != b"bad"


def result(*findings: Path, log: str = "") -> Result:
    return Result(TARGET, 70, 5, 1.2, findings, log)


def test_a_dictionary_is_written_in_bytes() -> None:
    assert dictionary(["a\n", '"']) == '"\\x61\\x0A"\n"\\x22"\n'


def test_a_short_run_is_the_same_every_time() -> None:
    short, long = (options(TARGET, Path("/x"), seconds) for seconds in (None, 9))
    assert {"-runs=7", "-seed=1", "-dict=/x/dictionary"} <= set(short)
    assert "-max_total_time=9" in long
    assert not [each for each in long if each.startswith(("-runs", "-seed"))]
    assert short[-2:] == ["/x/corpus", "/x/tracked"]


def test_a_table_has_all_targets_and_the_sum() -> None:
    lines = table([result(), result(Path("a"), log="x"), result(log="x")]).splitlines()
    assert [line.split() for line in lines] == [
        ["target", "executions", "coverage", "seconds", "findings"],
        ["some", "70", "5", "1", "0"],
        ["some", "70", "5", "1", "1"],
        ["some", "70", "5", "1", "ended", "badly"],
        ["all", "210", "1"],
    ]


@pytest.mark.parametrize(("log", "code"), [("", 0), ("Traceback", 1)])
def test_a_finding_is_told_with_the_command_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], log: str, code: int
) -> None:
    def run_all(*_asked: object) -> Iterator[Result]:
        target = TARGETS["cmdline"]
        yield Result(target, 1, 1, 1.0, (Path("/f/crash-1"),) if log else (), log)

    monkeypatch.setattr(program, "run_all", run_all)
    monkeypatch.setattr(program, "has_atheris", lambda: True)
    assert program.main(["cmdline"]) == code
    said = capsys.readouterr().out
    assert log in said
    assert ("--input /f/crash-1 cmdline" in said) == bool(log)


def test_one_input_is_checked_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "some", Target("some", "", fail, 1))
    monkeypatch.setattr(program, "CORPUS", tmp_path / "corpus")
    path = tmp_path / "crash-1"
    path.write_bytes(b"good\r")
    assert program.main(["--input", str(path), "--keep", "a-name", "some"]) == 0
    assert read_input(tmp_path / "corpus" / "some" / "a-name.escaped") == b"good\r"
    path.write_bytes(b"bad")
    with pytest.raises(AssertionError):
        program.main(["--input", str(path), "some"])


def test_targets_are_listed_and_others_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(TARGETS)
    with pytest.raises(SystemExit):
        program.main(["none"])


def test_without_atheris_nothing_is_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "has_atheris", lambda: False)
    assert program.main([]) == 0
    assert "atheris is not there" in capsys.readouterr().out


def test_what_is_missing_of_an_input_is_empty() -> None:
    assert parts(b"a\n%%\nb\n%%\nc", 2) == ["a", "b\n%%\nc"]
    assert parts(b"a", 3) == ["a", "", ""]


def test_choices_end_with_the_first() -> None:
    choices = Choices(b"\x05\x01\x02ab\xff")
    assert [choices.number(3), choices.flag(), choices.text(3)] == [1, True, "ab"]
    assert [choices.left, choices.pick("xyz"), choices.left] == [True, "x", False]
    assert [choices.number(500), choices.some(choices.flag, 2), choices.text(4)] == [0, [], ""]
