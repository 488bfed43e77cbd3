# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks through ansible-runner, from the built collection, on this machine.

What is proven here runs on localhost, and changes a scratch root only. The same program takes a
machine behind SSH (molecule/shared/tasks/runner.yml).
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.hwaccel.virt.tools import runner_proof as proof

if t.TYPE_CHECKING:
    from ansible_collections.hwaccel.virt.tools.runner_proof import Event

INVENTORY = {
    "all": {
        "hosts": {
            "localhost": {
                "ansible_connection": "local",
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                "ansible_become": False,
            }
        }
    }
}
PLAYBOOK = """\
- name: Look at this machine
  ansible.builtin.import_playbook: hwaccel.virt.preflight
  vars:
    target: localhost
    preflight_require: []
- name: License below a scratch root
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Name the server
      hwaccel.virt.gridd_license:
        root: "{{ scratch }}"
        server_address: gridlicense.example.com
    - name: Wait for leave
      ansible.builtin.wait_for:
        path: "{{ scratch }}/leave"
        timeout: 120
    - name: Set the interval
      hwaccel.virt.gridd_license:
        root: "{{ scratch }}"
        license_interval: 20
"""


def inventory_file(folder: Path, inventory: object) -> Path:
    path = folder / "inventory.yml"
    path.write_text(yaml.safe_dump(inventory), encoding="utf-8")
    return path


def tree(folder: Path) -> dict[str, str]:
    """Return the files below a folder, but what Python compiled, by their checksums."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def processes(text: str) -> list[str]:
    """Return the command lines of processes that name something."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return [line for line in lines if text in line]


def test_cut_off_and_run_again(tmp_path: Path) -> None:
    """One test: the parts share a built collection, and each run costs seconds."""
    scratch, playbook = tmp_path / "scratch", tmp_path / "license.yml"
    settings = scratch / "etc/nvidia/gridd.conf"
    settings.parent.mkdir(parents=True)
    (scratch / "etc/nvidia/gridd.conf.template").write_text("#ServerAddress=\n", encoding="utf-8")
    playbook.write_text(PLAYBOOK, encoding="utf-8")
    archive = proof.build(tmp_path)
    inventory = inventory_file(tmp_path, INVENTORY)
    proof.pack(tmp_path / "payload", archive, inventory, playbook, {"scratch": str(scratch)})
    built = members(archive)
    assert tree(tmp_path / "payload" / proof.COLLECTION) == built

    cut = proof.run(tmp_path, "cut", "license.yml", cut_at="Wait for leave")
    assert cut.was_cut
    assert proof.faults(cut) == []
    assert settings.read_text(encoding="utf-8") == "ServerAddress=gridlicense.example.com\n"
    assert processes(str(tmp_path / "worker-cut")) == []

    (scratch / "leave").touch()
    whole = proof.run(tmp_path, "whole", "license.yml")
    assert proof.faults(whole) == []
    assert whole.changed() == {"localhost": 1}
    assert "LicenseInterval=20" in settings.read_text(encoding="utf-8")
    assert tree(whole.worker / proof.COLLECTION) == built
    # Nothing was there but what was sent, and nothing was left beside it.
    assert {path.name for path in whole.worker.iterdir()} == {"artifacts"} | {
        path.name for path in (tmp_path / "payload").iterdir()
    }
    assert {path.name for path in (whole.worker.parent / "home").iterdir()} <= {".ansible"}

    by_name = {"target": "localhost", "preflight_require": []}
    (tmp_path / "payload/env/extravars").write_text(json.dumps(by_name), encoding="utf-8")
    named = proof.run(tmp_path, "named", "hwaccel.virt.preflight")
    assert proof.faults(named) == []
    assert named.changed() == {"localhost": 0}


# Each is alive for some seconds only, so nothing is left behind where the test fails.
RESTLESS = """\
import os, sys, time
print(sys.argv[1], flush=True)
for _unused in range(400):
    if os.fork() == 0:
        time.sleep(5)
        os._exit(0)
time.sleep(5)
"""


@pytest.mark.parametrize("attempt", range(5))
def test_what_starts_others_is_killed_with_all_of_them(tmp_path: Path, attempt: int) -> None:
    mark = f"{tmp_path}-{attempt}"
    command = [sys.executable, "-c", RESTLESS, mark]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as started:
        assert started.stdout is not None
        started.stdout.readline()
        proof.kill_all(started.pid)
    assert started.returncode == -signal.SIGKILL
    assert processes(mark) == []


def members(archive: Path) -> dict[str, str]:
    """Return the files of an archive by their checksums."""
    with tarfile.open(archive) as opened:
        return {
            member.name: hashlib.sha256(
                t.cast("t.IO[bytes]", opened.extractfile(member)).read()
            ).hexdigest()
            for member in opened.getmembers()
            if member.isfile()
        }


# --- what is wrong is found ----------------------------------------------------------------------
def made(folder: Path, events: list[Event], **more: t.Any) -> proof.Run:
    """Return a run with these events, as if the worker had sent the right ones."""
    artifacts, worker = folder / "artifacts", folder / "worker/data"
    (artifacts / "job_events").mkdir(parents=True)
    (worker / "artifacts/artifacts").mkdir(parents=True)
    (worker.parent / "stderr").touch()
    for number, event in enumerate(events):
        (artifacts / "job_events" / f"{number}.json").write_text(json.dumps(event))
    kept = {"status": "successful", "rc": "0", "stdout": "a\nb\nc\n"}
    for name, text in {**kept, **more.get("files", {})}.items():
        (artifacts / name).write_text(text, encoding="utf-8")
        (worker / "artifacts/artifacts" / name).write_text(kept[name], encoding="utf-8")
    sent = right(folder)[: more.get("sent", 3)]
    return proof.Run(worker, sent, artifacts, more.get("was_cut", False), more.get("code", 0), 0)


def right(folder: Path) -> list[Event]:
    task = folder / "worker/data" / proof.COLLECTION / "roles/a/tasks/main.yml:3"
    kinds = ["playbook_on_start", "playbook_on_task_start", "playbook_on_stats"]
    return [
        {
            "counter": number + 1,
            "uuid": str(number),
            "event": kind,
            "start_line": number,
            "end_line": number + 1,
            "event_data": {"task_path": str(task), "task": "Do"} if number == 1 else {},
            **({"parent_uuid": "0"} if number else {}),
        }
        for number, kind in enumerate(kinds)
    ]


def test_a_right_run_passes(tmp_path: Path) -> None:
    assert proof.faults(made(tmp_path, right(tmp_path))) == []
    events = right(tmp_path / "cut")[:2]
    cut = made(tmp_path / "cut", events, sent=2, was_cut=True, files={"rc": ""})
    assert proof.faults(cut) == []


@pytest.mark.parametrize(
    ("number", "change", "told"),
    [
        (1, None, "counters with gaps: [1, 3]"),
        (2, None, "no summary at the end"),
        (1, {"uuid": "0"}, "events that came twice"),
        (1, {"parent_uuid": "x"}, "event 2 has a parent that is not there"),
        (1, {"start_line": 2}, "output is missing before event 2"),
        (0, {"event": "verbose"}, "no start of a playbook"),
        (1, {"event_data": {"task_path": "/srv/a.yml:1"}}, "/srv/a.yml: not from the payload"),
        (1, {"event_data": {}}, "no task of the collection"),
        (1, {"stdout": "other"}, "the events are not those that the worker sent"),
        (2, {"end_line": 9}, "3 lines of output, 9 in the events"),
    ],
)
def test_what_is_wrong_with_events_is_found(
    tmp_path: Path, number: int, change: Event | None, told: str
) -> None:
    events = right(tmp_path)
    if change is None:
        del events[number]
    else:
        events[number] |= change
    assert told in proof.faults(made(tmp_path, events))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"code": 1}, "ended as 'successful' with 1"),
        ({"files": {"rc": "2"}}, "ended as 'successful' with 0"),
        ({"files": {"status": "failed"}}, "ended as 'failed' with 0"),
        ({"files": {"stdout": "a\n"}}, "stdout is not what the worker had"),
        ({"was_cut": True}, "passes for a whole one"),
        ({"was_cut": True, "files": {"rc": ""}}, "passes for a whole one"),
    ],
)
def test_what_is_wrong_with_the_end_is_found(
    tmp_path: Path, more: dict[str, t.Any], told: str
) -> None:
    assert told in "\n".join(proof.faults(made(tmp_path, right(tmp_path), **more)))


# --- a machine behind SSH ------------------------------------------------------------------------
def emulated(folder: Path, name: str) -> dict[str, t.Any]:
    """Return the variables of an emulated host, whose files lie in a folder."""
    (folder / name).mkdir()
    (folder / name / "id").write_text("the key\n", encoding="utf-8")
    (folder / name / "known_hosts").write_text(f"{name} ssh-ed25519 A\n", encoding="utf-8")
    (folder / name / "ssh_config").write_text(
        f'Host {name}\n  Port 1022\n  IdentityFile "{folder}/{name}/id"\n  IdentitiesOnly yes\n'
        f'  UserKnownHostsFile "{folder}/{name}/known_hosts"\n',
        encoding="utf-8",
    )
    return {
        "ansible_host": "127.0.0.1",
        "ansible_ssh_private_key_file": f"{folder}/{name}/id",
        "ansible_ssh_common_args": f"-C -F '{folder}/{name}/ssh_config'",
    }


def test_key_and_host_keys_travel(tmp_path: Path) -> None:
    hosts = {name: emulated(tmp_path, name) for name in ("first", "second")}
    for name in ("ssh", "env", "inventory"):
        (tmp_path / "payload" / name).mkdir(parents=True)
    proof.place_inventory(tmp_path / "payload", {"emulated_hosts": {"hosts": hosts}})
    texts = {
        str(path.relative_to(tmp_path / "payload")): path.read_text(encoding="utf-8")
        for path in (tmp_path / "payload").rglob("*")
        if path.is_file()
    }
    assert not [name for name, text in texts.items() if str(tmp_path) in text]
    assert texts["env/ssh_key"] == "the key\n"
    written = yaml.safe_load(texts["inventory/hosts.yml"])["emulated_hosts"]["hosts"]["second"]
    words = written["ansible_ssh_common_args"].replace("{{ inventory_dir }}", "payload/inventory")
    (settings,) = (tmp_path / word for word in words.split() if word.endswith(".config"))
    assert settings.read_text(encoding="utf-8") == "Host second\n  Port 1022\n"
    (known,) = (tmp_path / each.partition("=")[2] for each in words.split() if "known_" in each)
    assert known.read_text(encoding="utf-8") == "second ssh-ed25519 A\n"
    assert words.startswith("-C -F ")
    assert "ansible_ssh_private_key_file" not in written


def test_two_keys_are_refused(tmp_path: Path) -> None:
    hosts = {name: emulated(tmp_path, name) for name in ("first", "second")}
    (tmp_path / "second/id").write_text("another\n", encoding="utf-8")
    (tmp_path / "ssh").mkdir()
    with pytest.raises(SystemExit, match="the engine takes one key"):
        proof.place_inventory(tmp_path, {"emulated_hosts": {"hosts": hosts}})
