# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role on Windows guests, end to end up to what would be sent to them.

The guests are stand-ins behind a connection that records (connection_plugins/recorded_windows.py):
what is shown is what Ansible sends, in which order, and what the role makes of the answers. That
Windows does with it what it is documented to do is not shown here.
"""

from __future__ import annotations

import base64
import fcntl
import json
import re
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import yaml
from ansible_collections.hwaccel.virt.plugins.module_utils._grid.registry import ROOTS
from ansible_collections.hwaccel.virt.tests.unit.playbook_runs import run_playbook

ROOT = Path(__file__).resolve().parents[4]
HERE = Path(__file__).resolve().parent

GUIDE = r"HKLM:\SOFTWARE\NVIDIA Corporation\Global\GridLicensing"
DRIVER = r"HKLM:\SYSTEM\CurrentControlSet\Services\nvlddmkm\Global\GridLicensing"
FOLDER = r"C:\Program Files\NVIDIA Corporation\vGPU Licensing\ClientConfigToken"
TOKEN_NAME = "client_configuration_token_11-22-2026-08-00-00.tok"  # noqa: S105 (a name)
SECRET = "c2VjcmV0LW9mLXRoZS10b2tlbg"  # noqa: S105 (none in truth)
TOKEN = f"eyJhbGciOiJSUzI1NiJ9.{SECRET * 8}.{'QUJD' * 40}"
OLD = "client_configuration_token_01-01-2025-00-00-00.tok"

PAGE = (ROOT / "docs/docsite/rst/guide_licensing.rst").read_text(encoding="utf-8")


def example(file: str) -> dict[str, t.Any]:
    """Return the variables of the first example in the guide that has the name of a file."""
    block = re.search(rf"^    # {re.escape(file)}\n((?:    .*\n)+)", PAGE, re.MULTILINE)
    assert block is not None, file
    return t.cast("dict[str, t.Any]", yaml.safe_load(block[1]))


SETTLED = {"ServerAddress": ["string", "old.example.com"], "FeatureType": ["dword", 2]}

# Guests by what is asked of them: variables, and the state that differs from a new guest's.
GUESTS: dict[str, tuple[dict[str, t.Any], dict[str, t.Any]]] = {
    "both": (
        # What the guide has in its first example, on a driver that takes its time.
        {
            **example("group_vars/vgpu_guests.yml"),
            **example("group_vars/windows_guests.yml"),
            "vgpu_license_enable_ui": True,
            "vgpu_license_wait": 15,
        },
        {"registry": {DRIVER: {"Own": ["dword", 7]}}, "late": 1},
    ),
    "token": (
        {
            "vgpu_license_token_src": "{{ inventory_dir }}/files/" + TOKEN_NAME,
            "vgpu_license_feature_type": "vws",
            "vgpu_license_remove_tokens": True,
        },
        {
            "registry": {GUIDE: SETTLED, DRIVER: SETTLED},
            "files": {rf"{FOLDER}\{OLD}": base64.b64encode(b"old").decode()},
            "log": "Sun Nov 22 08:00:00 2026:<1>:License acquired successfully. "
            "(Info: http://dls.example.com/request; NVIDIA RTX Virtual Workstation)\n",
        },
    ),
    "crowded": (
        {"vgpu_license_token_src": "{{ inventory_dir }}/files/" + TOKEN_NAME},
        {
            "registry": {GUIDE: SETTLED},
            "files": {rf"{FOLDER}\{OLD}": base64.b64encode(b"old").decode()},
        },
    ),
    "down": (
        {
            "vgpu_license_server_address": "2001:db8::7",
            "vgpu_license_feature_type": 1,
            "vgpu_license_wait": 0,
        },
        {"fault": "down"},
    ),
    "wrong": (
        {"vgpu_license_server_address": "gridlicense.example.com", "vgpu_license_server_port": 0},
        {},
    ),
    "given_up": (
        {"vgpu_license_feature_type": "unlicensed"},
        {"registry": {GUIDE: SETTLED}, "holds": True},
    ),
    "taken_back": (
        {"vgpu_license_state": "absent", "vgpu_license_reboot_ok": True},
        {
            "registry": {GUIDE: {**SETTLED, "Own": ["string", "x"]}},
            "holds": True,
        },
    ),
}
NEW: dict[str, t.Any] = {
    "registry": {},
    "files": {},
    "log": None,
    "holds": False,
    "late": 0,
    "looks": 0,
    "fault": None,
    "boots": 0,
    "sent": [],
}

PLAY = """
- ansible.builtin.import_playbook: hwaccel.virt.license
  vars:
    target: all
- hosts: all
  gather_facts: false
  tasks:
    - name: Tell what was found
      ansible.builtin.debug:
        msg: "FOUND {{ inventory_hostname }} {{ vgpu_license_found | to_json | b64encode }}"
"""


@dataclass(frozen=True)
class Run:
    """What a run left behind: its output, and the guests as they were after it."""

    output: str
    states: dict[str, dict[str, t.Any]]

    def recap(self, guest: str) -> dict[str, int]:
        """Return the counts of a guest."""
        line = re.search(rf"^{guest} +: (.*)$", self.output, re.MULTILINE)
        assert line is not None, self.output
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line[1])}

    def found(self, guest: str) -> dict[str, t.Any]:
        """Return what the role found out."""
        told = re.search(rf"FOUND {guest} ([\w+/=]+)", self.output)
        assert told is not None, self.output
        return t.cast("dict[str, t.Any]", json.loads(base64.b64decode(told[1])))

    def sent(self, guest: str, name: str) -> list[dict[str, t.Any]]:
        """Return what a module was sent."""
        full = f"ansible.windows.{name}"
        return [what for sender, what in self.states[guest]["sent"] if sender == full]

    def names(self, guest: str) -> list[str]:
        """Return the modules in their order."""
        return [name.removeprefix("ansible.windows.") for name, _what in self.states[guest]["sent"]]

    def registry(self, guest: str) -> dict[str, dict[str, list[t.Any]]]:
        """Return the registry by root and name."""
        return t.cast("dict[str, dict[str, list[t.Any]]]", self.states[guest]["registry"])

    def told(self, guest: str) -> str:
        """Return the message of the task that failed for a guest."""
        at = self.output.index(f"fatal: [{guest}]")
        return self.output[at : self.output.index("\n\n", at)]


class Fleet:
    """Runs a play over stand-ins of Windows guests in a folder."""

    def __init__(self, folder: Path) -> None:
        """Make the guests, the inventory and the play."""
        self._folder = folder
        (folder / "files").mkdir()
        (folder / "files" / TOKEN_NAME).write_text(TOKEN, encoding="utf-8")
        (folder / "play.yml").write_text(PLAY, encoding="utf-8")
        hosts = {
            name: {
                "ansible_connection": "recorded_windows",
                "recorded_guest": str(self._path(name)),
                **variables,
            }
            for name, (variables, _state) in GUESTS.items()
        }
        inventory = yaml.safe_dump({"all": {"hosts": hosts}})
        (folder / "inventory.yml").write_text(inventory, encoding="utf-8")
        for name, (_variables, state) in GUESTS.items():
            self._path(name).write_text(json.dumps({**NEW, **state}), encoding="utf-8")

    def _path(self, guest: str) -> Path:
        return self._folder / f"{guest}.json"

    def run(self, *arguments: str) -> Run:
        """Run the play."""
        for name in GUESTS:
            state = json.loads(self._path(name).read_text(encoding="utf-8"))
            self._path(name).write_text(json.dumps({**state, "sent": []}), encoding="utf-8")
        done = run_playbook(
            self._folder,
            *("--inventory", "inventory.yml", "play.yml", *arguments),
            ANSIBLE_CONNECTION_PLUGINS=str(HERE / "connection_plugins"),
            ANSIBLE_FORKS="2",
        )
        states = {name: json.loads(self._path(name).read_text(encoding="utf-8")) for name in GUESTS}
        return Run(done.stdout, states)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Run]:
    """Return a check run of two, the run of all, and a second run of two.

    They take half a minute: one worker makes them, and the others wait for it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "windows"
    folder.mkdir(exist_ok=True)
    made = folder / "runs.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            fleet = Fleet(folder)
            runs = {
                "check": fleet.run("--check", "--diff", "--limit", "token,taken_back"),
                "first": fleet.run("-vvvvv", "--diff"),
                "second": fleet.run("--limit", "both,token"),
            }
            content = json.dumps({name: asdict(run) for name, run in runs.items()})
            made.write_text(content, encoding="utf-8")
    return {name: Run(**run) for name, run in json.loads(made.read_text(encoding="utf-8")).items()}


def values(root: str, wanted: dict[str, tuple[str, object]]) -> list[dict[str, object]]:
    return [
        {
            "path": root,
            "name": name,
            "type": kind,
            "data": data,
            "state": "absent" if data is None else "present",
        }
        for name, (kind, data) in wanted.items()
    ]


def test_values_go_to_both_roots_with_their_types(runs: dict[str, Run]) -> None:
    wanted: dict[str, tuple[str, object]] = {
        "ServerAddress": ("string", "gridlicense.example.com"),
        "ServerPort": ("string", "7070"),
        "FeatureType": ("dword", 1),
        "NvCplDisableManageLicensePage": ("dword", 1),
        "LicenseInterval": ("dword", 1440),
        "BackupServerAddress": ("string", "10.31.20.46"),
        "ClientConfigTokenPath": ("string", None),
    }
    sent = runs["first"].sent("both", "win_regedit")
    plain = [{key: each[key] for key in ("path", "name", "type", "data", "state")} for each in sent]
    assert plain == values(GUIDE, wanted) + values(DRIVER, wanted)
    # JSON keeps the types: 1440 is no "1440".
    assert repr(plain) == repr(values(GUIDE, wanted) + values(DRIVER, wanted))
    there = {name: list(value) for name, value in wanted.items() if value[1] is not None}
    assert runs["first"].registry("both") == {
        GUIDE: there,
        DRIVER: {"Own": ["dword", 7], **there},
    }


def test_what_is_sent_stands_in_order(runs: dict[str, Run]) -> None:
    names = runs["first"].names("both")
    # It looks twice for a licence that comes late, and once at the servers.
    assert names == [
        "setup",
        "win_powershell",
        *["win_regedit"] * 14,
        "win_service",
        *["win_powershell"] * 3,
    ]
    assert runs["first"].sent("both", "win_service") == [
        {"name": "NVDisplay.ContainerLocalSystem", "state": "restarted", "check": False}
    ]
    looks = runs["first"].sent("both", "win_powershell")
    script = (ROOT / "roles/vgpu_license/files/look.ps1").read_text(encoding="utf-8")
    assert {look["script"] for look in looks} == {script}
    assert [look["parameters"].get("Ask", True) for look in looks] == [False, True, True, True]
    servers = ["gridlicense.example.com 7070", "10.31.20.46 7070"]
    assert [look["parameters"].get("Server") for look in looks] == [None, [], [], servers]


def test_licence_is_proven(runs: dict[str, Run]) -> None:
    for guest in ("both", "token"):
        found = runs["first"].found(guest)
        assert found["licensed"] is True
        assert [gpu["status"] for gpu in found["gpus"]] == ["Licensed"]
        assert [gpu["remaining"] for gpu in found["gpus"]] == [86399]
        states = {check["check"]: check["ok"] for check in found["diagnosis"]}
        assert states == dict.fromkeys(
            ("configuration", "service", "reachability", "clock", "availability"), True
        )
        assert runs["first"].recap(guest)["failed"] == 0


def test_check_run_changes_nothing_and_tells_the_same(runs: dict[str, Run]) -> None:
    run = runs["check"]
    for guest in ("token", "taken_back"):
        state = {**NEW, **GUESTS[guest][1]}
        assert run.states[guest]["registry"] == state["registry"]
        assert run.states[guest]["files"] == state["files"]
        modes = {name: what["check"] for name, what in run.states[guest]["sent"]}
        assert modes.pop("ansible.windows.win_powershell") is False
        assert set(modes.values()) == {True}
    assert run.recap("token")["changed"] == runs["first"].recap("token")["changed"] > 0
    check, real = (
        [{**each, "check": None} for each in told.sent("token", "win_regedit")]
        for told in (run, runs["first"])
    )
    assert check == real
    assert re.search(r"^-.*ServerAddress.*old\.example\.com", run.output, re.MULTILINE)
    assert "Deferred: the reboot." in run.output


def test_second_run_is_unchanged(runs: dict[str, Run]) -> None:
    run = runs["second"]
    for guest in ("both", "token"):
        assert (run.recap(guest)["changed"], run.recap(guest)["failed"]) == (0, 0)
        assert run.registry(guest) == runs["first"].registry(guest)
        assert [each["state"] for each in run.sent(guest, "win_service")] == ["started"]


def test_token_replaces_the_server(runs: dict[str, Run]) -> None:
    run = runs["first"]
    assert run.registry("token") == {
        root: {"FeatureType": ["dword", 2]} for root in (GUIDE, DRIVER)
    }
    assert run.states["token"]["files"] == {
        rf"{FOLDER}\{TOKEN_NAME}": base64.b64encode(TOKEN.encode()).decode()
    }
    last = run.sent("token", "win_powershell")[-1]
    assert last["parameters"]["Server"] == ["dls.example.com 443"]


def test_token_is_never_shown(runs: dict[str, Run]) -> None:
    for run in runs.values():
        told = run.output + "".join(json.dumps(state["sent"]) for state in run.states.values())
        for secret in (SECRET, base64.b64encode(TOKEN.encode()).decode()):
            assert secret not in told
        assert TOKEN_NAME in told


def test_other_token_in_the_way_is_refused(runs: dict[str, Run]) -> None:
    run = runs["first"]
    assert run.names("crowded") == ["setup", "win_powershell"]
    told = " ".join(run.told("crowded").split())
    assert f"has {OLD}" in told
    assert TOKEN_NAME in told
    assert "Nothing was changed" in told


def test_missing_licence_is_explained(runs: dict[str, Run]) -> None:
    told = " ".join(runs["first"].told("down").split())
    assert "has no licence after 0 seconds" in told
    assert "reachability: NOT OK. [2001:db8::7]:7070 takes no connection" in told
    assert "configuration: ok" in told
    assert "service: ok" in told
    assert "availability: unknown" in told
    assert runs["first"].registry("down") == {
        GUIDE: {"ServerAddress": ["string", "2001:db8::7"], "FeatureType": ["dword", 1]}
    }


def test_what_cannot_be_right_reaches_no_guest(runs: dict[str, Run]) -> None:
    assert runs["first"].names("wrong") == ["setup"]
    told = " ".join(runs["first"].told("wrong").split())
    assert "option server_port: 0 is not accepted, use 1 to 65535" in told


def test_feature_that_is_given_up_waits_for_a_boot(runs: dict[str, Run]) -> None:
    run = runs["first"]
    assert run.registry("given_up") == {GUIDE: {**SETTLED, "FeatureType": ["dword", 0]}}
    assert run.states["given_up"]["boots"] == 0
    assert run.recap("given_up")["failed"] == 0
    assert run.found("given_up")["licensed"] is True
    assert "vgpu_license_reboot_ok=true" in run.output
    assert run.output.count("Next: reboot this guest when that suits.") == 1


def test_guest_is_rebooted_where_that_is_allowed(runs: dict[str, Run]) -> None:
    run = runs["first"]
    assert run.registry("taken_back") == {GUIDE: {"Own": ["string", "x"]}}
    assert run.names("taken_back").count("shutdown") == 1
    assert run.found("taken_back")["licensed"] is False
    for other in set(GUESTS) - {"taken_back"}:
        assert "shutdown" not in run.names(other)
    assert runs["check"].states["taken_back"]["holds"] is True
    assert "shutdown" not in runs["check"].names("taken_back")


def test_roots_are_those_of_the_filter() -> None:
    text = (ROOT / "roles/vgpu_license/vars/windows.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["vgpu_license_windows_roots"] == list(ROOTS)
