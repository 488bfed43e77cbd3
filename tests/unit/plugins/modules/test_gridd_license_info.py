# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module gridd_license_info as Ansible calls it, with license servers on loopback."""

from __future__ import annotations

import importlib
import itertools
import time
import typing as t
from email.utils import formatdate

import pytest
import yaml
from ansible_collections.hwaccel.virt.plugins.module_utils._errors import HostError
from ansible_collections.hwaccel.virt.plugins.module_utils._grid import info
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.diagnosis import CHECKS
from ansible_collections.hwaccel.virt.plugins.module_utils._net import Network, Reply
from ansible_collections.hwaccel.virt.tests.unit.plugins.grid_runs import (
    ACQUIRED,
    ACQUIRING,
    NO_POOL,
    PRODUCT,
    STARTED,
    WINDBACK,
    GridHost,
    LicenseServer,
    closed_port,
    journal,
    smi,
)
from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import MODULES

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ansible_collections.hwaccel.virt.tests.unit.plugins.machine import Machine
    from ansible_collections.hwaccel.virt.tests.unit.plugins.runner import ModuleRunner, Result

# Asking a server forks; the threads of the servers here are none of the child's business.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

MODULE = "gridd_license_info"
CONF = "etc/nvidia/gridd.conf"
TOKENS = "etc/nvidia/ClientConfigToken"
TOKEN = f"{TOKENS}/client_configuration_token_11-22-2026.tok"
# Three parts between dots, as a token has them; no server has made it.
SECRET = "bm8gc2VjcmV0IGF0IGFsbA"  # noqa: S105 (nobody's)
CONTENT = f"eyJhbGciOiJSUzI1NiJ9.{SECRET * 12}.{SECRET * 12}\n"
HERE = "127.0.0.1"


@pytest.fixture
def server() -> Iterator[LicenseServer]:
    """Return a license server that answers with the date."""
    server = LicenseServer()
    server.date = formatdate(usegmt=True)
    yield server
    server.end()


class Clock:
    """A clock that goes on by a second with each look, and by what is slept."""

    def __init__(self) -> None:
        """Start."""
        self.now = 0.0
        self.slept: list[float] = []
        self.time = time.time

    def monotonic(self) -> float:
        """Tell the time."""
        self.now += 1
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time go by."""
        self.slept.append(seconds)
        self.now += seconds


class Guest:
    """A guest that has its licence, and runs of the module on it."""

    def __init__(self, machine: Machine, run_module: ModuleRunner, server: LicenseServer) -> None:
        """Have all that a licence needs."""
        self.machine = machine
        self.server = server
        self.port = port = server.port
        self.host = GridHost(machine)
        self._run_module = run_module
        self.configure(ServerAddress=HERE, ServerPort=str(port), FeatureType="1")

    @property
    def answers(self) -> t.Any:
        """What the commands print."""
        return self.host.answers_of

    def configure(self, **settings: str) -> None:
        """Write the file."""
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        self.machine.write(CONF, f"# Configuration of the daemon\n{lines}")

    def unlicensed(self, *messages: str) -> None:
        """Have no licence, and complain."""
        self.answers.smi = [smi("Unlicensed (Restricted)")]
        said = messages or (f"Failed to acquire license from {HERE}",)
        self.answers.journal = journal(STARTED, ACQUIRING, *said)

    def run(self, *, check: bool = False, **options: t.Any) -> Result:
        """Run the module, which changes nothing."""
        before = self.machine.files()
        told = self._run_module(MODULE, options, check=check, running=self.host)
        assert not told.get("failed"), told["msg"]
        assert self.machine.files() == before
        assert told["changed"] is False
        assert SECRET not in str(told)
        return told

    def checks(self, **options: t.Any) -> dict[str, dict[str, t.Any]]:
        """Run the module and return its checks by name."""
        told = self.run(**options)["diagnosis"]
        assert [check["check"] for check in told] == list(CHECKS)
        return {check["check"]: check for check in told}

    def states(self, **options: t.Any) -> dict[str, bool | None]:
        """Run the module and return what its checks say."""
        return {name: check["ok"] for name, check in self.checks(**options).items()}


@pytest.fixture
def guest(machine: Machine, run_module: ModuleRunner, server: LicenseServer) -> Guest:
    """Return a guest whose license server is there."""
    return Guest(machine, run_module, server)


def test_the_examples_run(guest: Guest, run_module: ModuleRunner) -> None:
    module = importlib.import_module(f"{MODULES}.{MODULE}")
    for task in yaml.safe_load(module.EXAMPLES):
        options = task.get(f"hwaccel.virt.{MODULE}", {})
        if f"hwaccel.virt.{MODULE}" in task and "root" not in (options or {}):
            assert run_module(MODULE, options, running=guest.host)["licensed"]


def test_a_guest_with_a_license(guest: Guest) -> None:
    end = time.gmtime(time.time() + 3600)
    guest.answers.smi = [smi(f"Licensed (Expiry: {time.strftime('%Y-%m-%d %H:%M:%S', end)} GMT)")]
    told = guest.run()
    (gpu,) = told["gpus"]
    assert 3500 < gpu.pop("remaining") <= 3600
    assert gpu.pop("wording").startswith("Licensed (Expiry: ")
    assert gpu == {
        "address": "0000:02:00.0",
        "name": "GRID M60-2Q",
        "product": PRODUCT,
        "status": "Licensed",
        "expiry": time.strftime("%Y-%m-%dT%H:%M:%SZ", end),
    }
    assert told["licensed"] is True
    assert [event["kind"] for event in told["events"]] == ["started", "acquired"]
    assert {check["ok"] for check in told["diagnosis"]} == {True}
    assert {check["remedy"] for check in told["diagnosis"]} == {None}
    assert told["warnings"] == []
    returned = {"licensed", "gpus", "events", "diagnosis"}
    assert set(told) - {"invocation"} == {*returned, "changed", "warnings"}
    module = importlib.import_module(f"{MODULES}.{MODULE}")
    assert set(yaml.safe_load(module.RETURN)) == returned


# -- the causes, made to happen ------------------------------------------------------------


def no_address(guest: Guest) -> None:
    guest.configure(
        ServerPort=str(guest.port), BackupServerAddress=HERE, BackupServerPort=str(guest.port)
    )


def reserved_feature(guest: Guest) -> None:
    text = guest.machine.read(CONF)
    guest.machine.write(CONF, f"{text}FeatureType=3\n")


def stopped(guest: Guest) -> None:
    guest.host.set_service(running=False)


def server_down(guest: Guest) -> None:
    text = guest.machine.read(CONF)
    guest.machine.write(CONF, text.replace(str(guest.port), str(closed_port())))


def clock_off(guest: Guest) -> None:
    guest.server.date = formatdate(time.time() + 7200, usegmt=True)


def set_back(guest: Guest) -> None:
    guest.answers.journal.insert(-1, journal(WINDBACK)[1])


def none_left(guest: Guest) -> None:
    guest.answers.journal.insert(-1, journal(NO_POOL)[1])


CAUSES: dict[Callable[[Guest], None], str] = {
    no_address: "configuration",
    reserved_feature: "configuration",
    stopped: "service",
    server_down: "reachability",
    clock_off: "clock",
    set_back: "clock",
    none_left: "availability",
}
# Where the server does not answer, nobody says what time it is.
HIDDEN = {(server_down, clock_off)}
TOGETHER = [
    *((each,) for each in CAUSES),
    *(
        pair
        for pair in itertools.combinations(CAUSES, 2)
        if CAUSES[pair[0]] != CAUSES[pair[1]] and pair not in HIDDEN
    ),
]


@pytest.mark.parametrize(
    "causes", TOGETHER, ids=lambda pair: "-".join(one.__name__ for one in pair)
)
def test_each_cause_alone_and_with_every_other(
    guest: Guest, causes: tuple[Callable[[Guest], None], ...]
) -> None:
    guest.unlicensed()
    for cause in causes:
        cause(guest)
    named = {name for name, ok in guest.states().items() if ok is False}
    assert named == {CAUSES[cause] for cause in causes}


def test_nothing_is_wrong_and_there_is_no_license(guest: Guest) -> None:
    guest.unlicensed()
    states = guest.states()
    assert states.pop("availability") is False
    assert set(states.values()) == {True}


# -- waiting -------------------------------------------------------------------------------


def test_it_waits_for_the_license(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "_LOOK_SECONDS", 0.01)
    guest.answers.smi = [smi("Unlicensed"), smi("Unlicensed (Restricted)"), smi("Licensed")]
    assert guest.run(wait=60)["licensed"] is True
    asked = [command for command in guest.host.commands if command[0] == "nvidia-smi"]
    assert len(asked) == 3


def test_waiting_has_a_bound(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(info, "time", clock)
    guest.unlicensed()
    assert guest.run(wait=5, diagnose=False)["licensed"] is False
    # Each look takes a second of that clock.
    assert clock.slept == [2.0, 1.0]


@pytest.mark.parametrize(("check", "wait"), [(True, 60), (False, 0)])
def test_it_does_not_wait(
    guest: Guest, monkeypatch: pytest.MonkeyPatch, wait: int, *, check: bool
) -> None:
    clock = Clock()
    monkeypatch.setattr(info, "time", clock)
    guest.unlicensed()
    assert guest.run(wait=wait, check=check)["licensed"] is False
    assert clock.slept == []


def test_it_does_not_wait_for_a_tool_that_is_not_there(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(info, "time", clock)
    guest.answers.smi = []
    told = guest.run(wait=60, nvidia_smi="/opt/bin/nvidia-smi")
    assert (clock.slept, told["licensed"], told["gpus"]) == ([], False, [])
    availability = told["diagnosis"][-1]
    assert availability["ok"] is None
    assert "/opt/bin/nvidia-smi is not there" in availability["detail"]
    assert "though the log tells of a licence" in availability["detail"]


def test_a_driver_that_hangs(guest: Guest) -> None:
    guest.answers.hangs = {"nvidia-smi"}
    availability = guest.checks()["availability"]
    assert availability["ok"] is None
    assert "nvidia-smi did not end within 30 s" in availability["detail"]


# -- the log -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["var/log/messages", "var/log/syslog"])
@pytest.mark.parametrize("lines", [None, []])
def test_the_log_of_syslog(guest: Guest, path: str, lines: list[str] | None) -> None:
    guest.unlicensed()
    guest.answers.journal = lines
    old = f"Aug  5 15:40:05 localhost nvidia-gridd: {NO_POOL}\n"
    noise = "Aug  5 15:40:05 localhost kernel: something that tells nothing of this at all\n" * 9000
    guest.machine.write(
        path, old + noise + old + f"Aug  5 15:40:06 localhost nvidia-gridd: {STARTED}\n"
    )
    told = guest.run()
    assert [event["kind"] for event in told["events"]] == ["failed", "started"]
    assert told["events"][1]["time"] == "Aug  5 15:40:06"
    assert told["diagnosis"][-1]["ok"] is None
    guest.machine.write(path, noise + old)
    assert guest.checks()["availability"]["ok"] is False


def test_the_journal_of_a_daemon_without_a_unit(guest: Guest) -> None:
    asked: list[tuple[str, ...]] = []
    lines = guest.answers.journal

    def printed(command: tuple[str, ...]) -> list[str]:
        asked.append(command)
        return lines if "--identifier=nvidia-gridd" in command else []

    run = guest.host.run
    guest.host.run = lambda command, **more: (  # type: ignore[method-assign]
        "\n".join(printed(tuple(command))) if command[0] == "journalctl" else run(command, **more)
    )
    assert [event["kind"] for event in guest.run()["events"]] == ["started", "acquired"]
    assert "--unit=nvidia-gridd.service" in asked[0]


def test_the_last_lines_of_a_long_log(guest: Guest) -> None:
    guest.answers.journal = journal(STARTED, *["Calling load_byte_array(tra)"] * 200, ACQUIRED)
    events = guest.run()["events"]
    assert (len(events), events[-1]["kind"]) == (100, "acquired")


# -- configuration and tokens --------------------------------------------------------------


def test_no_configuration(guest: Guest) -> None:
    guest.unlicensed()
    guest.machine.at(CONF).unlink()
    found = guest.checks()
    assert "/etc/nvidia/gridd.conf does not exist" in found["configuration"]["detail"]
    # The port of the server that the log names is not known.
    assert found["reachability"]["ok"] is None


def test_lines_that_do_not_count(guest: Guest) -> None:
    text = guest.machine.read(CONF)
    spilled = "".join(f"systemctl restart daemon-{number}\n" for number in range(20))
    guest.machine.write(CONF, f"{text}ServerPort={guest.port}\nLicenseServer=a\n{spilled}")
    check = guest.checks()["configuration"]
    assert check["ok"] is True
    assert "this line does not count: LicenseServer=a" in check["detail"]
    assert "17 more lines do not count" in check["detail"]


@pytest.mark.parametrize("set_path", [False, True])
def test_a_token(guest: Guest, monkeypatch: pytest.MonkeyPatch, *, set_path: bool) -> None:
    """The server that the token means is the one that the log names, and answers to HTTPS."""
    asked: list[tuple[str, int]] = []

    def ask(_network: object, name: str, port: int) -> Reply:
        asked.append((name, port))
        return Reply(resolved=True, connected=True)

    monkeypatch.setattr(Network, "ask", ask)
    guest.configure(**({"ClientConfigTokenPath": '"/opt/tokens/"'} if set_path else {}))
    guest.machine.write("opt/tokens/a.tok" if set_path else TOKEN, CONTENT)
    found = guest.checks()
    assert found["configuration"]["ok"] is True
    assert ("a.tok" if set_path else "client_configuration") in found["configuration"]["detail"]
    assert asked == [("license.example.com", 443)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        (f"<!DOCTYPE html><html>{SECRET}</html>", "web page"),
        ("short", "too few"),
    ],
)
def test_a_file_that_is_no_token(guest: Guest, content: str, words: str) -> None:
    guest.unlicensed()
    guest.configure()
    guest.machine.write(TOKEN, content)
    check = guest.checks()["configuration"]
    assert check["ok"] is False
    assert words in check["detail"]
    assert check["detail"].count(".tok") == 1


# -- the service ---------------------------------------------------------------------------


def test_a_service_with_another_name(guest: Guest) -> None:
    guest.unlicensed()
    guest.host.set_service(running=True, name="vgpu-licensing.service")
    check = guest.checks(service="vgpu-licensing")["service"]
    assert (check["ok"], check["detail"]) == (True, "vgpu-licensing runs")
    assert guest.states(service="nothing.service")["service"] is None


def test_a_daemon_without_a_service(guest: Guest) -> None:
    guest.machine.at("usr/lib/systemd/system/nvidia-gridd.service").unlink()
    assert guest.states()["service"] is None
    guest.machine.write("proc/4293/comm", "nvidia-gridd\n")
    check = guest.checks()["service"]
    assert (check["ok"], "is no service" in check["detail"]) == (True, True)


def test_a_service_of_an_init_script(guest: Guest) -> None:
    guest.machine.at("usr/lib/systemd/system/nvidia-gridd.service").unlink()
    guest.machine.write("run/systemd/generator.late/nvidia-gridd.service", "[Unit]\n")
    assert guest.checks()["service"]["detail"] == "nvidia-gridd runs"


def test_a_service_that_has_not_read_its_configuration(guest: Guest) -> None:
    guest.unlicensed()
    # The file is newer than a start that was soon after a boot in 2001.
    guest.machine.write("proc/stat", "btime 1000000000\n")
    check = guest.checks()["service"]
    assert (check["ok"], check["remedy"]) == (False, "restart the service nvidia-gridd")


# -- servers and the clock -----------------------------------------------------------------


def test_both_servers_are_asked(guest: Guest, server: LicenseServer) -> None:
    down = closed_port()
    guest.configure(
        ServerAddress=HERE,
        ServerPort=str(server.port),
        BackupServerAddress=HERE,
        BackupServerPort=str(down),
    )
    guest.answers.ping = False
    check = guest.checks()["reachability"]
    assert check["ok"] is False
    assert (
        f"{HERE}:{down} takes no connection: Connection refused, nor does a ping" in check["detail"]
    )
    guest.answers.ping = True
    assert "answers a ping" in guest.checks()["reachability"]["detail"]


def test_a_server_that_cannot_be_one_is_not_asked(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Network, "ask", lambda _network, name, _port: asked.append(name))
    guest.unlicensed()
    guest.answers.journal = journal(STARTED)
    guest.configure(ServerAddress="${LICENSE_SERVER}")
    found = guest.checks()
    assert (found["configuration"]["ok"], found["reachability"]["ok"], asked) == (False, None, [])


@pytest.mark.parametrize(
    ("synchronized", "chrony", "ok"),
    [
        ("yes\n", None, True),
        ("no\n", None, None),
        (None, "Leap status     : Normal\n", True),
        ("", "Stratum : 3\nLeap status     : Not synchronised\n", None),
        (None, None, None),
    ],
)
def test_a_clock_that_only_a_time_service_knows_of(
    guest: Guest,
    server: LicenseServer,
    synchronized: str | None,
    chrony: str | None,
    *,
    ok: bool | None,
) -> None:
    server.date = None
    guest.answers.synchronized, guest.answers.chrony = synchronized, chrony
    check = guest.checks()["clock"]
    assert check["ok"] is ok
    assert "no server said what time it is" in check["detail"]


# -- what is not seen ----------------------------------------------------------------------


def test_without_diagnosis_no_server_is_asked(guest: Guest, server: LicenseServer) -> None:
    told = guest.run(diagnose=False)
    assert (told["diagnosis"], server.requests, told["licensed"]) == ([], [], True)
    assert told["events"]
    assert {command[0] for command in guest.host.commands} == {"nvidia-smi", "journalctl"}


def test_another_root(machine: Machine, run_module: ModuleRunner, guest: Guest) -> None:
    guest.unlicensed()
    machine.write("var/log/messages", f"Aug  5 15:40:06 localhost nvidia-gridd: {NO_POOL}\n")
    before = machine.files()
    told = run_module(MODULE, {"wait": 60})
    assert machine.files() == before
    assert guest.host.commands == []
    states = {check["check"]: check["ok"] for check in told["diagnosis"]}
    assert states == {
        "configuration": True,
        "service": None,
        "reachability": None,
        "clock": None,
        "availability": False,
    }
    assert (told["licensed"], told["gpus"]) == (False, [])
    machine.write("var/log/messages", "")
    details = [check["detail"] for check in run_module(MODULE)["diagnosis"]]
    assert "the driver of another root is not asked" in details[-1]
    assert "is not the root of the running machine" in details[2]
    machine.write(CONF, "ServerAddress=a b\n")
    assert run_module(MODULE)["diagnosis"][0]["ok"] is False


def test_who_is_not_root(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens are root's, and the journal shows nothing."""
    guest.unlicensed()
    guest.configure()
    guest.answers.journal = []
    guest.machine.write("var/log/syslog", "")
    guest.host.privileged = False
    names, read_end = guest.host.names, guest.host.read_end

    def refused(path: str) -> list[str]:
        if path.startswith("/etc/nvidia"):
            raise HostError.from_os("list", path, 13)
        return names(path)

    def unread(path: str, size: int) -> bytes | None:
        if path == "/var/log/messages":
            raise HostError.from_os("read", path, 13)
        return read_end(path, size)

    monkeypatch.setattr(guest.host, "names", refused)
    monkeypatch.setattr(guest.host, "read_end", unread)
    told = guest.run()
    found = {check["check"]: check for check in told["diagnosis"]}
    assert told["warnings"] == ["not run as root: the log and the tokens may be out of sight"]
    assert found["configuration"]["ok"] is None
    assert "cannot list /etc/nvidia/ClientConfigToken" in found["configuration"]["detail"]
    assert "for root to read" in found["availability"]["detail"]
    monkeypatch.setattr(guest.host, "read_text", refused)
    assert guest.states()["configuration"] is None


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("wait", -1),
        ("nvidia_smi", "bin/nvidia-smi"),
        ("nvidia_smi", ""),
        ("path", "gridd.conf"),
        ("service", ""),
        ("service", "a b"),
        ("service", "../x"),
        ("service", "nvidia*"),
    ],
)
def test_what_cannot_be_right(
    guest: Guest, run_module: ModuleRunner, option: str, value: t.Any
) -> None:
    told = run_module.failure(MODULE, {option: value}, running=guest.host)
    assert told.startswith(f"option {option}: {value!r} is not accepted")
    assert guest.host.commands == []
