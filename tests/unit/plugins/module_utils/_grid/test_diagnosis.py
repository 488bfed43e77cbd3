# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The causes that the vendor's guide names, each made to happen alone and with every other one."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import InputError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.diagnosis import CHECKS, judge
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.evidence import read_evidence
from ansible_collections.hwaccel.virt.tests.unit.plugins.grid_runs import (
    ACQUIRED,
    ACQUIRING,
    NO_FILE,
    NO_POOL,
    NOT_SET,
    REFUSED,
    SERVER,
    STARTED,
    WINDBACK,
    journal,
    smi,
)

NOW = 1795330982
TOKEN = "client_configuration_token_11-22-2026.tok"  # noqa: S105 (the name of a file)
NOT_GOT = f"Failed to acquire license from {SERVER}"
Facts = dict[str, t.Any]
Result = dict[str, t.Any]


def well(*, licensed: bool = True) -> Facts:
    """Return what is gathered of a guest with which all is well."""
    return {
        "text": smi("Licensed (Expiry: 2026-11-23 6:51:17 GMT)" if licensed else "Unlicensed"),
        "log": journal(STARTED, NOT_SET, ACQUIRED if licensed else NOT_GOT),
        "settings": {"ServerAddress": SERVER, "ServerPort": "7070", "FeatureType": "1"},
        "tokens": [],
        "service": {"name": "nvidia-gridd", "exists": True, "running": True},
        "servers": [{"address": SERVER, "port": 7070, "resolved": True, "connected": True}],
        "clock": {"now": NOW, "server": NOW, "synchronized": True},
    }


def told(facts: Facts) -> Result:
    """Judge what was gathered."""
    return judge(read_evidence(facts.pop("text", None), facts))


def states(result: Result) -> dict[str, bool | None]:
    """Return the checks by name, after a look at what is true of all of them."""
    checks = result["diagnosis"]
    assert [check["check"] for check in checks] == list(CHECKS)
    for check in checks:
        assert check["detail"]
        assert bool(check["remedy"]) >= (check["ok"] is False)
        assert check["ok"] is not True or check["remedy"] is None
    return {check["check"]: check["ok"] for check in checks}


def check_of(result: Result, name: str) -> dict[str, t.Any]:
    """Return one check."""
    return next(check for check in result["diagnosis"] if check["check"] == name)


def unlicensed(facts: Facts, *complaints: str) -> None:
    """Let a guest have no licence, and complain."""
    said = facts.setdefault("said", [])
    said += complaints
    facts["text"] = smi("Unlicensed (Restricted)")
    facts["log"] = journal(STARTED, NOT_SET, ACQUIRING, *(said or [NOT_GOT]))


# Each takes what was gathered of a guest, and spoils it.
def wrong_port(facts: Facts) -> None:
    facts["settings"]["ServerPort"] = "65536"


def reserved_feature(facts: Facts) -> None:
    facts["settings"]["FeatureType"] = "3"


def server_and_token(facts: Facts) -> None:
    facts["tokens"] = [TOKEN]
    unlicensed(facts, "Failed to update local trusted store - Maximum buffer size exceeded")


def stopped(facts: Facts) -> None:
    facts["service"]["running"] = False


def no_name(facts: Facts) -> None:
    facts["servers"][0].update(resolved=False, connected=None, error="Name or service not known")


def refused(facts: Facts) -> None:
    facts["servers"][0].update(connected=False, error="Connection refused", ping=True)
    unlicensed(facts, REFUSED)


def late(facts: Facts) -> None:
    facts["clock"]["server"] = NOW + 7200


def early(facts: Facts) -> None:
    facts["clock"]["now"] = NOW + 90 * 86400


def set_back(facts: Facts) -> None:
    unlicensed(facts, WINDBACK)


def none_left(facts: Facts) -> None:
    unlicensed(facts, NO_POOL)


CAUSES: dict[t.Callable[[Facts], None], str] = {
    wrong_port: "configuration",
    reserved_feature: "configuration",
    server_and_token: "configuration",
    stopped: "service",
    no_name: "reachability",
    refused: "reachability",
    late: "clock",
    early: "clock",
    set_back: "clock",
    none_left: "availability",
}
TOGETHER = [
    *((each,) for each in CAUSES),
    *(pair for pair in itertools.combinations(CAUSES, 2) if CAUSES[pair[0]] != CAUSES[pair[1]]),
]


@pytest.mark.parametrize("spoil", TOGETHER, ids=lambda pair: "-".join(one.__name__ for one in pair))
def test_each_cause_alone_and_with_every_other(
    spoil: tuple[t.Callable[[Facts], None], ...],
) -> None:
    facts = well()
    for one in spoil:
        unlicensed(facts)
        one(facts)
    facts.pop("said", None)
    result = told(facts)
    named = {name for name, ok in states(result).items() if ok is False}
    assert named == {CAUSES[one] for one in spoil}
    assert not result["licensed"]


def test_all_is_well() -> None:
    result = told(well())
    assert set(states(result).values()) == {True}
    assert result["licensed"]
    assert result["gpus"][0]["remaining"] == 85695
    assert [event["kind"] for event in result["events"]] == ["started", "failed", "acquired"]


def test_nothing_is_wrong_and_there_is_no_license() -> None:
    result = told(well(licensed=False))
    found = states(result)
    assert found.pop("availability") is False
    assert set(found.values()) == {True}
    assert "Virtual Workstation are left" in check_of(result, "availability")["remedy"]


def test_a_license_that_was_asked_for() -> None:
    facts = well(licensed=False)
    facts["log"] = journal(STARTED, ACQUIRING)
    result = told(facts)
    assert states(result)["availability"] is None
    assert "no answer yet" in check_of(result, "availability")["detail"]


def test_nothing_was_gathered() -> None:
    result = told({})
    assert set(states(result).values()) == {None}
    assert (result["licensed"], result["gpus"], result["events"]) == (False, [], [])


@pytest.mark.parametrize(
    ("missing", "check"),
    [
        ("settings", "configuration"),
        ("service", "service"),
        ("servers", "reachability"),
        ("clock", "clock"),
        ("text", "availability"),
    ],
)
def test_what_is_not_given_is_not_known(missing: str, check: str) -> None:
    facts = well()
    del facts[missing]
    found = states(told(facts))
    assert found.pop(check) is None
    assert set(found.values()) == {True}


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        ("configuration", NOT_SET),
        ("configuration", NO_FILE),
        ("configuration", "Invalid feature type requested"),
        ("reachability", REFUSED),
        ("clock", WINDBACK),
        ("availability", NO_POOL),
    ],
)
def test_the_log_alone_names_the_cause(cause: str, message: str) -> None:
    """As where nothing else could be gathered; and not once there is a licence."""
    result = told({"text": smi("Unlicensed"), "log": "\n".join(journal(STARTED, message))})
    assert [name for name, ok in states(result).items() if ok is False] == [cause]
    assert message in check_of(result, cause)["detail"]
    result = told({"text": smi(), "log": journal(STARTED, message, ACQUIRED)})
    assert False not in states(result).values()
    # Two daemons write to one log on Windows; the driver's word is the last one then.
    result = told({"text": smi(), "log": journal(STARTED, message)})
    assert False not in states(result).values()


def test_a_license_that_is_not_renewed() -> None:
    facts = {**well(), "log": journal(STARTED, ACQUIRED, NO_POOL)}
    result = told(facts)
    assert result["licensed"]
    assert [name for name, ok in states(result).items() if ok is False] == ["availability"]


def test_a_license_that_has_ended() -> None:
    facts = well()
    facts["text"] = smi("Licensed (Expiry: 2026-11-21 6:51:17 GMT)")
    check = check_of(told(facts), "availability")
    assert (check["ok"], "2026-11-21T06:51:17Z" in check["detail"]) == (False, True)


# -- configuration -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "tokens", "words"),
    [
        ({"ServerPort": "0"}, [], "1 to 65535"),
        ({"ServerPort": "7O70"}, [], "1 to 65535"),
        ({"FeatureType": "3"}, [], "FeatureType: '3'"),
        # A word is for the module; the daemon takes numbers.
        ({"FeatureType": "vgpu"}, [], "one of 0, 1, 2, 4"),
        ({"FeatureType": 0}, [], "asks for no licence"),
        ({"LicenseInterval": "9"}, [], "10 to 10080"),
        ({"LingerInterval": "10081"}, [], "0 to 10080"),
        ({"EnableUI": "maybe"}, [], "true or false"),
        ({"ServerAddress": "http://license.example.com"}, [], "without scheme"),
        ({"ServerAddress": "${LICENSE_SERVER}"}, [], "ServerAddress: '${LICENSE_SERVER}'"),
        ({"ServerAddress": None}, [], "ServerPort without ServerAddress"),
        ({"ServerAddress": "", "ServerPort": None}, [], "there is no token"),
        ({}, [TOKEN], "the daemon uses"),
        ({"ServerAddress": None, "ServerPort": None}, [TOKEN, f"2{TOKEN}"], "2 tokens"),
        (
            {"ServerAddress": None, "ServerPort": None, "ClientConfigTokenPath": "/t"},
            [],
            "no token in that folder",
        ),
        (
            {"ServerAddress": None, "ServerPort": None, "ClientConfigTokenPath": "t"},
            [TOKEN],
            "absolute path",
        ),
    ],
)
def test_configurations_that_cannot_work(
    settings: dict[str, t.Any], tokens: list[str], words: str
) -> None:
    facts = well(licensed=False)
    facts["settings"].update(settings)
    facts["tokens"] = tokens
    check = check_of(told(facts), "configuration")
    assert check["ok"] is False
    assert words in check["detail"]
    assert "gridd_license" in check["remedy"] or "token" in check["remedy"]


@pytest.mark.parametrize(
    "settings",
    [
        {"ServerAddress": "192.0.2.1"},
        {"serveraddress": "2001:db8::1", "featuretype": 2},
        {"ServerAddress": SERVER, "ServerPort": ""},
        {"ServerAddress": SERVER, "BackupServerAddress": "b.example", "EnableUI": "FALSE"},
        {"ServerAddress": SERVER, "DisableSomething": "x"},
    ],
)
def test_configurations_that_can_work(settings: dict[str, t.Any]) -> None:
    facts = {**well(licensed=False), "settings": settings}
    assert check_of(told(facts), "configuration")["ok"] is True


def test_a_token_makes_complaints_of_the_file_harmless() -> None:
    facts = {**well(licensed=False), "settings": {}, "tokens": [TOKEN]}
    facts["log"] = journal(NO_FILE, STARTED, NOT_SET, REFUSED)
    facts["servers"] = []
    result = told(facts)
    assert check_of(result, "configuration")["ok"] is True
    assert TOKEN in check_of(result, "configuration")["detail"]
    assert check_of(result, "reachability")["ok"] is False


def test_a_server_that_the_daemon_has_not_read_of() -> None:
    facts = well(licensed=False)
    facts["log"] = journal(STARTED, "Configuration parameter ( ServerAddress ) not set")
    check = check_of(told(facts), "configuration")
    assert (check["ok"], check["remedy"]) == (False, "restart the service nvidia-gridd")


def test_service_providers() -> None:
    """Their images have neither a server nor a token, and may want no feature."""
    for settings in ({}, {"FeatureType": "0", "IgnoreSP": "TRUE"}):
        facts = {**well(), "settings": settings}
        assert check_of(told(facts), "configuration")["ok"] is True
    facts = {**well(licensed=False), "settings": {"FeatureType": "0", "IgnoreSP": "TRUE"}}
    assert "service provider" in check_of(told(facts), "configuration")["detail"]


def test_windows() -> None:
    facts = {**well(licensed=False), "platform": "windows"}
    facts["settings"] = {"ServerAddress": SERVER, "ServerPort": 0, "ClientConfigTokenPath": "C:\\t"}
    facts["service"] = {"exists": True, "running": False}
    facts["log"] = f"Tue Jan 21 19:54:14 2025:<1>:{NO_POOL}\r\n"
    result = told(facts)
    assert "hwaccel.virt.vgpu_license" in check_of(result, "configuration")["remedy"]
    assert "C:\\t" not in check_of(result, "configuration")["detail"]
    assert "NVDisplay.ContainerLocalSystem" in check_of(result, "service")["detail"]
    assert states(result)["availability"] is False


# -- service -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "ok"),
    [
        ({"exists": True, "running": True}, True),
        ({"exists": False, "running": True}, True),
        ({"exists": None, "running": True}, True),
        ({"exists": True, "running": False}, False),
        ({"exists": None, "running": False}, False),
        ({"exists": False, "running": False}, None),
        ({"exists": True, "running": None}, None),
        ({"exists": "false", "running": "true"}, True),
        ({}, None),
    ],
)
def test_services(service: dict[str, t.Any], *, ok: bool | None) -> None:
    facts = {**well(licensed=False), "service": service}
    result = told(facts)
    assert states(result)["service"] is ok
    # Without a service nothing says that the server has no licence left.
    assert states(result)["availability"] is (False if ok else None)


# -- reachability --------------------------------------------------------------------------


def server(**seen: t.Any) -> dict[str, t.Any]:
    return {"address": SERVER, "port": 7070, **seen}


@pytest.mark.parametrize(
    ("servers", "ok", "words"),
    [
        ([], None, "no server is known"),
        ([server()], None, "not known"),
        ([server(connected=True)], True, f"{SERVER}:7070 takes connections"),
        ([server(address="2001:db8::1", connected=True)], True, "[2001:db8::1]:7070"),
        ([server(resolved=False)], False, "leads to no address"),
        ([server(resolved=True, connected=False, ping=True)], False, "answers a ping"),
        ([server(resolved=True, connected=False, ping=False)], False, "nor does a ping"),
        ([server(connected=False, error="No route to host")], False, "No route to host"),
        ([server(connected=True), server(port=7071, connected=False)], False, ":7071 takes no"),
        ([server(connected=True), server(port=7071)], None, "7071: not known"),
    ],
)
def test_ways_to_servers(servers: list[dict[str, t.Any]], words: str, *, ok: bool | None) -> None:
    check = check_of(told({**well(), "servers": servers}), "reachability")
    assert check["ok"] is ok
    assert words in check["detail"]


def test_a_server_that_is_reached_by_now() -> None:
    facts = {**well(licensed=False), "log": journal(STARTED, REFUSED)}
    check = check_of(told(facts), "reachability")
    assert check["ok"] is True
    assert "the log had said" in check["detail"]


# -- clock ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "ok", "words"),
    [
        ({}, None, "no server said"),
        ({"now": NOW}, None, "no server said"),
        ({"now": NOW, "synchronized": True}, True, "synchronised"),
        ({"now": NOW, "synchronized": False}, None, "not synchronised"),
        ({"now": NOW, "server": NOW + 119, "synchronized": False}, True, "within 120 s"),
        ({"now": NOW, "server": NOW + 121}, False, "2 minutes behind"),
        ({"now": NOW, "server": NOW - 86400 * 3}, False, "3 days ahead of"),
        (
            {"now": "2026-11-22T07:03:02Z", "server": "Sun, 22 Nov 2026 09:03:02 GMT"},
            False,
            "2 hours behind",
        ),
        ({"now": "2026-11-22T08:03:02.1234567+01:00", "server": f"{NOW}"}, True, "within"),
        ({"now": "2026-11-22 07:03:02", "server": NOW}, True, "within"),
    ],
)
def test_clocks(clock: dict[str, t.Any], words: str, *, ok: bool | None) -> None:
    check = check_of(told({**well(), "clock": clock}), "clock")
    assert check["ok"] is ok
    assert words in check["detail"]


def test_a_clock_that_was_set_back_and_is_right_now() -> None:
    facts = {**well(licensed=False), "log": journal(STARTED, WINDBACK)}
    check = check_of(told(facts), "clock")
    assert check["ok"] is False
    assert "never set it back" in check["remedy"]


# -- what is given -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", 3),
        ("log", 3),
        ("log", [3]),
        ("settings", ["a"]),
        ("tokens", "a.tok"),
        ("service", "nvidia-gridd"),
        ("service", {"running": "perhaps"}),
        ("servers", {"address": "a"}),
        ("servers", ["a"]),
        ("servers", [{"port": 7070}]),
        ("servers", [{"address": "a", "port": "x"}]),
        ("servers", [{"address": "a", "port": True}]),
        ("clock", "now"),
        ("clock", {"now": "noon"}),
        ("clock", {"server": True}),
        ("clock", {"now": "nan"}),
        ("platform", "solaris"),
        ("servces", {}),
    ],
)
def test_what_cannot_be_right(name: str, value: object) -> None:

    with pytest.raises(InputError, match=name):
        told({**well(), name: value})
