# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the licensing daemon logs, on Linux and on Windows."""

from __future__ import annotations

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.events import (
    complaints,
    has_license,
    is_pending,
    parse_events,
    present,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.grid_runs import (
    ACQUIRED,
    ACQUIRING,
    NO_FILE,
    NO_POOL,
    NOT_SET,
    PRODUCT,
    REFUSED,
    SERVER,
    STARTED,
    WINDBACK,
    journal,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("message", "kind", "cause"),
    [
        ("Started (4293)", "started", None),
        ("NLS initialized", "started", None),
        ("Shutdown (1039)", "stopped", None),
        ("Calling load_byte_array(tra)", "other", None),
        ("vGPU Software package (0)", "other", None),
        ("Ignore service provider and node-locked licensing", "other", None),
        ("Service provider detection complete.", "other", None),
        (ACQUIRING, "acquiring", None),
        (ACQUIRED, "acquired", None),
        ("License acquired successfully.", "acquired", None),
        ("License renewed successfully. (Info: a.example, P)", "acquired", None),
        ("Your system is licensed for GRID vGPU.", "acquired", None),
        ("License returned successfully to a.example", "returned", None),
        (
            "Valid GRID license not found. GPU features and performance are restricted.",
            "unlicensed",
            None,
        ),
        (NOT_SET, "failed", "configuration"),
        ("ServerAddress not set", "failed", "configuration"),
        (NO_FILE, "failed", "configuration"),
        ("gridd.conf not found", "failed", "configuration"),
        ("Invalid feature type requested", "failed", "configuration"),
        ("Unable to fetch the client configuration token file", "failed", "configuration"),
        ("Failed to decode signature from token received", "failed", "configuration"),
        ("Failed to setup cloud License Manager: 3", "failed", "configuration"),
        (
            "Failed to update local trusted store - Maximum buffer size exceeded",
            "failed",
            "configuration",
        ),
        (WINDBACK, "failed", "clock"),
        ("Clock windback has been detected", "failed", "clock"),
        ("Error: The allowed time to process response has expired", "failed", "clock"),
        (NO_POOL, "failed", "availability"),
        ("Failed to acquire license: Insufficient seats", "failed", "availability"),
        ("Error: No licenses available", "failed", "availability"),
        ("Failed to acquire license, all licenses in use", "failed", "availability"),
        ("Error: feature count insufficient, not enough licenses left", "failed", "availability"),
        (REFUSED, "failed", "reachability"),
        ("Failed to connect to a.example: timed out", "failed", "reachability"),
        ("Error: Could not resolve host: a.example", "failed", "reachability"),
        ("Error: SSL certificate verification failed", "failed", "reachability"),
        ("Failed to acquire license from 192.0.2.1", "failed", None),
        ("Failed to register client (2)", "failed", None),
        ("Failed to acquire NVIDIA GRID Virtual Workstation license.", "failed", None),
    ],
)
def test_what_a_message_tells(message: str, kind: str, cause: str | None) -> None:
    (event,) = parse_events([f"nvidia-gridd[12]: {message}"])
    assert (event.message, event.kind, event.cause) == (message, kind, cause)


@pytest.mark.parametrize(
    ("message", "server", "product", "expiry", "reason"),
    [
        (ACQUIRING, SERVER, PRODUCT, None, None),
        (ACQUIRED, SERVER, PRODUCT, "2026-11-23T06:51:17Z", None),
        (NO_POOL, SERVER, PRODUCT, None, f"No pool features found for : {PRODUCT}"),
        (
            "License acquired successfully. (Info: http://192.0.2.8:7070/request; Quadro-DWS,5.0)",
            "192.0.2.8",
            "Quadro-DWS,5.0",
            None,
            None,
        ),
        (
            "License acquired successfully. Server URL : http://192.0.2.9:7070/request",
            "192.0.2.9",
            None,
            None,
            None,
        ),
        ("Failed to acquire license from [2001:db8::1]:443", "2001:db8::1", None, None, None),
        ("Your system is licensed for GRID vGPU.", None, "GRID vGPU", None, None),
        ("License acquired successfully.", None, None, None, None),
        ("Failed to acquire license from ../../x", None, None, None, None),
    ],
)
def test_what_stands_in_a_message(
    message: str,
    server: str | None,
    product: str | None,
    expiry: str | None,
    reason: str | None,
) -> None:
    (event,) = parse_events([f"nvidia-gridd: {message}"])
    told = event.as_result()
    found = (told["server"], told["product"], told["expiry"], told["reason"])
    assert found == (server, product, expiry, reason)


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("Aug  5 15:40:06 localhost nvidia-gridd: {}", "Aug  5 15:40:06"),
        ("Aug 5 15:40:06 localhost nvidia-gridd[1]: {}", "Aug 5 15:40:06"),
        ("2026-04-02T19:11:13+0000 guest nvidia-gridd[837]: {}", "2026-04-02T19:11:13+0000"),
        ("2026-04-02T19:11:13.123+02:00 a.b nvidia-gridd[8]: {}", "2026-04-02T19:11:13.123+02:00"),
        ("nvidia-gridd[2986]: {}", None),
        ("Tue Jan 21 19:54:14 2025:<1>:{}", "Tue Jan 21 19:54:14 2025"),
        ("{}", None),
    ],
)
def test_lines_of_logs(line: str, time: str | None) -> None:
    (event,) = parse_events([line.format(STARTED) + "\r\n"])
    assert (event.time, event.kind, event.message) == (time, "started", STARTED)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-- No entries --",
        "Aug 5 15:40:06 localhost sshd[1]: Failed to open gridd.conf",
        "Aug 5 15:40:06 localhost systemd[1]: Started Daily apt activities.",
        "Aug 5 15:40:06 localhost systemd[1]: Started NVIDIA Grid Daemon.",
    ],
)
def test_lines_that_say_nothing(line: str) -> None:
    assert parse_events([line]) == ()


def kinds(lines: list[str]) -> list[str]:
    return [event.message for event in complaints(parse_events(lines))]


def test_the_last_word_counts() -> None:
    assert kinds(journal(NO_FILE, STARTED, NOT_SET, REFUSED)) == [NO_FILE, NOT_SET, REFUSED]
    assert kinds(journal(NO_FILE, STARTED, NOT_SET, REFUSED, ACQUIRED)) == []
    assert has_license(parse_events(journal(NOT_SET, ACQUIRED)))
    # And so it does where the licence could not be renewed.
    assert kinds(journal(STARTED, NOT_SET, ACQUIRED, NO_POOL)) == [NO_POOL]
    assert not has_license(parse_events(journal(ACQUIRED, "License returned successfully")))


@pytest.mark.parametrize("pid", [837, 900])
def test_a_new_start_makes_the_old_one_history(pid: int) -> None:
    """Also where the pid is the same, as in a container, and where nothing else separates them."""
    before = journal(STARTED, WINDBACK, NO_POOL)
    assert kinds(before + journal("vGPU Software package (0)", pid=pid)) == []
    without_manager = [line for line in before if "systemd" not in line]
    after = [line for line in journal(REFUSED, pid=900) if "systemd" not in line]
    assert kinds(without_manager + after) == [REFUSED]
    # What the daemon says before it says that it has started belongs to that start.
    assert kinds(before + journal(NO_FILE, STARTED, pid=pid)) == [NO_FILE]


def test_a_log_without_pids() -> None:
    lines = [f"Aug  5 15:40:06 localhost nvidia-gridd: {text}" for text in (NO_POOL, STARTED)]
    assert kinds(lines) == []
    assert kinds([*lines, lines[0]]) == [NO_POOL]


def test_two_daemons_of_windows() -> None:
    line = "Tue Dec 20 17:25:1{} 2022:<{}>:{}"
    start = [line.format(1, 1, "NLS initialized"), line.format(2, 2, "NLS initialized")]
    lines = [*start, line.format(6, 1, NO_POOL)]
    assert kinds(lines) == [NO_POOL]
    assert kinds([*lines, *start]) == []
    assert len(present(parse_events([*lines, *start]))) == len(start)


@pytest.mark.parametrize(
    ("messages", "pending"),
    [
        ([STARTED], True),
        ([STARTED, NOT_SET, ACQUIRING], True),
        ([STARTED, ACQUIRING, REFUSED], False),
        ([STARTED, ACQUIRING, REFUSED, ACQUIRING], True),
        ([STARTED, ACQUIRING, ACQUIRED], False),
        ([STARTED, "Shutdown (837)"], False),
        ([], False),
    ],
)
def test_what_has_no_outcome_yet(messages: list[str], *, pending: bool) -> None:
    assert is_pending(parse_events(journal(*messages))) == pending


_WORDS = st.sampled_from(
    [
        STARTED,
        ACQUIRED,
        NOT_SET,
        "nvidia-gridd",
        "[1]",
        ": ",
        "(Info: ",
        ")",
        "http://",
        " ",
        "<1>:",
    ]
)


@given(st.lists(st.lists(_WORDS, max_size=6).map("".join), max_size=8))
def test_no_log_breaks_it(lines: list[str]) -> None:
    events = parse_events(lines)
    assert set(complaints(events)) <= set(present(events)) <= set(events)
