# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prove a playbook of the collection by ansible-runner, the engine that AWX runs jobs with.

The built collection, the inventory and the key are packed into what `transmit` sends. The worker
has an empty home and no path to the checkout, and `process` gets what it sends back. With --cut-at
the worker is killed in that task, with everything that it started, as a container is, and the
playbook is run again from the start.

    python tools/runner_proof.py --inventory FILE --playbook hwaccel.virt.host --cut-at "Make the"
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import yaml

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHECKOUT = Path(__file__).resolve().parent.parent
TOOLS = Path(sys.executable).parent
SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
COLLECTION = Path("project/collections/ansible_collections/hwaccel/virt")
# Where a worker unpacks it is known there alone, as the folder of the inventory.
SSH_FOLDER = "{{ inventory_dir }}/../ssh"
# Relative to this file, so it holds wherever the project is unpacked.
SETTINGS = """\
[defaults]
collections_path = collections
interpreter_python = auto_silent
timeout = 30
[ssh_connection]
retries = 3
"""

# Letters of a process's state (proc_pid_stat(5)).
STOPPED, ENDED = "Tt", "ZX"

Event = dict[str, t.Any]


def tool(name: str, *arguments: str | Path) -> list[str]:
    """Return the command line of a tool that lies beside this Python."""
    return [str(TOOLS / name), *map(str, arguments)]


def build(folder: Path) -> Path:
    """Build the collection of the checkout, and return its archive."""
    command = tool("ansible-galaxy", "collection", "build", CHECKOUT, "--output-path", folder)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tar.gz")
    return archive


# --- the payload ---------------------------------------------------------------------------------
def pack(
    payload: Path,
    archive: Path,
    inventory: Path,
    playbook: Path | None = None,
    variables: Mapping[str, t.Any] | None = None,
) -> None:
    """Make the folder that is sent: project with the collection, inventory, key and variables."""
    for name in ("project/collections", "inventory", "env", "ssh"):
        (payload / name).mkdir(parents=True, mode=0o700)
    command = tool("ansible-galaxy", "collection", "install", "--no-deps", "--offline")
    collections = str(payload / "project/collections")
    command += ["--collections-path", collections, str(archive)]
    # What lies elsewhere would count as installed.
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": collections}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    (payload / "project/ansible.cfg").write_text(SETTINGS, encoding="utf-8")
    if playbook is not None:
        shutil.copy(playbook, payload / "project" / playbook.name)
    place_inventory(payload, yaml.safe_load(inventory.read_text(encoding="utf-8")))
    (payload / "env/extravars").write_text(json.dumps(variables or {}), encoding="utf-8")


def place_inventory(payload: Path, inventory: object) -> None:
    """Write the inventory, and beside it the files of this machine that it names."""
    keys: set[Path] = set()
    for number, entry in enumerate(mappings(inventory)):
        if key := entry.pop("ansible_ssh_private_key_file", None):
            keys.add(Path(key))
        arguments = shlex.split(entry.get("ansible_ssh_common_args", ""))
        if "-F" in arguments:
            at = arguments.index("-F")
            settings = place_ssh_settings(payload / "ssh", f"{number}", Path(arguments[at + 1]))
            arguments[at : at + 2] = settings
            entry["ansible_ssh_common_args"] = " ".join(arguments)
    texts = {key.read_text(encoding="utf-8") for key in keys}
    if len(texts) > 1:
        msg = f"the engine takes one key, and the inventory names {', '.join(map(str, keys))}"
        raise SystemExit(msg)
    for text in texts:
        (payload / "env/ssh_key").write_text(text, encoding="utf-8")
        (payload / "env/ssh_key").chmod(0o600)
    text = yaml.safe_dump(inventory, sort_keys=False)
    (payload / "inventory/hosts.yml").write_text(text, encoding="utf-8")


def mappings(value: object) -> Iterator[dict[str, t.Any]]:
    """Yield every mapping of an inventory, the inner ones too."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from mappings(each)


def place_ssh_settings(folder: Path, name: str, path: Path) -> list[str]:
    """Copy a ssh_config with its host keys, and return the arguments that name the copies."""
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        word, _unused, value = line.strip().partition(" ")
        if word == "UserKnownHostsFile":
            shutil.copy(shlex.split(value)[0], folder / f"{name}.known_hosts")
        # The key comes from the agent that the engine starts, and from nowhere else.
        elif word not in {"IdentityFile", "IdentitiesOnly"}:
            kept.append(line)
    (folder / f"{name}.config").write_text("\n".join([*kept, ""]), encoding="utf-8")
    arguments = ["-F", f"{SSH_FOLDER}/{name}.config", "-o", "IdentityFile=none"]
    return [*arguments, "-o", f"UserKnownHostsFile={SSH_FOLDER}/{name}.known_hosts"]


# --- a run ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Run:
    """What became of a run.

    Args:
        worker: the private data directory on the worker's side, as it was left.
        sent: the events as the worker sent them.
        artifacts: what `process` made of what came back.
        was_cut: whether the worker was killed.
        code: how `process` ended, which is well too where the stream breaks off.
    """

    worker: Path
    sent: list[Event]
    artifacts: Path
    was_cut: bool
    code: int
    seconds: float

    def events(self) -> list[Event]:
        """Return the events that came back, in their order."""
        paths = (self.artifacts / "job_events").iterdir()
        events = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        return sorted(events, key=lambda event: int(event["counter"]))

    def changed(self) -> dict[str, int]:
        """Return how many tasks changed something, by host."""
        stats = self.events()[-1]["event_data"]
        return {host: stats["changed"].get(host, 0) for host in stats["processed"]}

    def read(self, name: str) -> str:
        """Return what a file of the artifacts says, nothing where it is not there."""
        path = self.artifacts / name
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def run(folder: Path, ident: str, playbook: str, *, cut_at: str = "", delay: float = 0) -> Run:
    """Send the payload of a folder to a worker of its own, and process what comes back.

    Args:
        cut_at: part of the name of the task in which the worker is killed.
        delay: how many seconds after the start of that task.
    """
    side = folder / f"worker-{ident}"
    for name in ("home", "data"):
        (side / name).mkdir(parents=True, mode=0o700)
    returned = folder / "returned"
    returned.mkdir(exist_ok=True)
    started = time.monotonic()
    transmit = tool("ansible-runner", "transmit", folder / "payload", "-p", playbook, "-i", ident)
    process = tool("ansible-runner", "process", returned, "-i", ident)
    worker = tool("ansible-runner", "worker", "--private-data-dir", side / "data")
    with (
        (side / "stderr").open("wb") as errors,
        subprocess.Popen(transmit, stdout=subprocess.PIPE) as sender,
        subprocess.Popen(
            worker,
            cwd=side / "home",
            env=own_environment(side / "home"),
            stdin=sender.stdout,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        ) as worked,
        subprocess.Popen(process, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as receiver,
    ):
        sent, was_cut = hand_on(worked, receiver, cut_at, delay)
    seconds = time.monotonic() - started
    artifacts = returned / "artifacts" / ident
    return Run(side / "data", sent, artifacts, was_cut, receiver.returncode, seconds)


def own_environment(home: Path) -> dict[str, str]:
    """Return what a worker knows of this machine: where its tools are."""
    environment = {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(TOOLS), *SYSTEM_PATH]),
        "LANG": "C.UTF-8",
    }
    # Where Python keeps what it compiles says nothing about the checkout.
    kept = {name: os.environ[name] for name in ("PYTHONPYCACHEPREFIX",) if name in os.environ}
    return {**environment, **kept}


def hand_on(
    worker: subprocess.Popen[bytes], receiver: subprocess.Popen[bytes], cut_at: str, delay: float
) -> tuple[list[Event], bool]:
    """Hand on what a worker says, and return its events and whether it was killed."""
    sent: list[Event] = []
    was_cut = False
    if worker.stdout is None or receiver.stdin is None:
        raise ValueError(worker.args)
    for line in worker.stdout:
        receiver.stdin.write(line)
        sent += events_in(line)
        if cut_at and not was_cut and sent and is_start_of(sent[-1], cut_at):
            time.sleep(delay)
            kill_all(worker.pid)
            was_cut = True
    receiver.stdin.close()
    return sent, was_cut


def events_in(line: bytes) -> list[Event]:
    """Return the event that a line of the stream holds: others hold states and archives."""
    try:
        event = json.loads(line)
    except ValueError:
        return []
    return [event] if "counter" in event else []


def is_start_of(event: Event, task: str) -> bool:
    """Tell whether an event is the start of a task."""
    is_start = event["event"] == "playbook_on_task_start"
    return is_start and task in event["event_data"].get("task", "")


def kill_all(pid: int) -> None:
    """Kill a process and whatever it has started, as the end of a container does, and wait for it.

    They are stopped first: one that runs could start another after it was looked for, whose
    parent is then no longer known.
    """
    stopped: list[int] = []
    while started := [each for each in family(pid) if each not in stopped]:
        send(started, signal.SIGSTOP, until=f"{STOPPED}{ENDED}")
        stopped += started
    send(stopped, signal.SIGKILL, until=ENDED)


def send(processes: Sequence[int], number: signal.Signals, *, until: str) -> None:
    """Send a signal to processes, and wait until each has gone or has one of these states.

    The kernel finishes what a process is at, such as the start of another, before it stops.
    """
    for each in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, number)
    by = time.monotonic() + 10
    while late := [each for each in processes if state(each) not in until]:
        if time.monotonic() > by:
            msg = f"10 s after {number.name} these processes still run: {late}"
            raise SystemExit(msg)
        time.sleep(0.01)


def state(pid: int) -> str:
    """Return the letter of a process's state, nothing where it has gone."""
    return (stat_of(Path("/proc", f"{pid}", "stat")) or [""])[0]


def family(pid: int) -> list[int]:
    """Return a process and all that it has started, itself first."""
    stats = {path: stat_of(path) for path in Path("/proc").glob("[0-9]*/stat")}
    parents = {int(path.parent.name): int(stat[1]) for path, stat in stats.items() if stat}
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def stat_of(path: Path) -> list[str]:
    """Return what follows a process's name: its state, its parent; nothing where it has gone."""
    try:
        # The name, in brackets, may hold blanks and brackets.
        return path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


# --- what is wrong with it -----------------------------------------------------------------------
def faults(done: Run) -> list[str]:
    """Return what is wrong with a run, and with what came back of it."""
    events = done.events()
    found = [*stream_faults(events), *path_faults(done, events)]
    if events != done.sent:
        found.append("the events are not those that the worker sent")
    if done.was_cut:
        if done.read("rc") or any(each["event"] == "playbook_on_stats" for each in events):
            found.append("the run was cut off, and passes for a whole one")
        return found
    if (done.code, done.read("status"), done.read("rc")) != (0, "successful", "0"):
        told = (done.worker.parent / "stderr").read_text(encoding="utf-8")
        found.append(f"ended as {done.read('status')!r} with {done.code}: {told}{tail(done)}")
    if not events or events[-1]["event"] != "playbook_on_stats":
        found.append("no summary at the end")
    left = done.worker / "artifacts" / done.artifacts.name
    found += [
        f"{path.name} is not what the worker had"
        for path in sorted(left.iterdir())
        if path.is_file() and path.read_text(encoding="utf-8") != done.read(path.name)
    ]
    lines = done.read("stdout").count("\n")
    if events and abs(events[-1]["end_line"] - lines) > 1:
        found.append(f"{lines} lines of output, {events[-1]['end_line']} in the events")
    return found


def stream_faults(events: Sequence[Event]) -> Iterator[str]:
    """Yield what is wrong with the events as a stream: gaps, strangers, orphans."""
    if [event["counter"] for event in events] != list(range(1, len(events) + 1)):
        yield f"counters with gaps: {[event['counter'] for event in events]}"
    if not [event for event in events if event["event"] == "playbook_on_start"]:
        yield "no start of a playbook"
    known = {event["uuid"] for event in events}
    if len(known) < len(events):
        yield "events that came twice"
    line = 0
    for event in events:
        if event.get("parent_uuid", event["uuid"]) not in known:
            yield f"event {event['counter']} has a parent that is not there"
        if event["start_line"] != line:
            yield f"output is missing before event {event['counter']}"
        line = event["end_line"]


def path_faults(done: Run, events: Sequence[Event]) -> Iterator[str]:
    """Yield the files of tasks that were not in the payload."""
    named = {event.get("event_data", {}).get("task_path") for event in events}
    paths = {Path(each.rpartition(":")[0]).resolve() for each in named if each}
    yield from (f"{path}: not from the payload" for path in sorted(paths) if is_strange(done, path))
    collection = (done.worker / COLLECTION).resolve()
    if not any(path.is_relative_to(collection) for path in paths):
        yield "no task of the collection"


def is_strange(done: Run, path: Path) -> bool:
    """Tell whether a file lies outside of what was sent."""
    return not path.is_relative_to((done.worker / "project").resolve())


def tail(done: Run) -> str:
    """Return the end of what the playbook said."""
    return "\n".join(done.read("stdout").splitlines()[-40:])


# --- from the command line -----------------------------------------------------------------------
def prove(folder: Path, options: argparse.Namespace) -> list[str]:
    """Run the playbook, as often as asked for, and return what is wrong."""
    playbook = Path(options.playbook)
    own = playbook if playbook.is_file() else None
    pack(folder / "payload", build(folder), options.inventory, own, json.loads(options.extra_vars))
    name = playbook.name if own else options.playbook
    wrong: list[str] = []
    if options.cut_at:
        done = run(folder, "cut", name, cut_at=options.cut_at, delay=options.delay)
        wrong += [] if done.was_cut else [f"cut: no task {options.cut_at}"]
        wrong += tell("cut", done)
    wrong += tell("whole", run(folder, "whole", name))
    if options.unchanged:
        done = run(folder, "again", name)
        wrong += tell("again", done)
        if not wrong and any(done.changed().values()):
            wrong.append(f"again: changed something: {done.changed()}\n{tail(done)}")
    return wrong


def tell(name: str, done: Run) -> list[str]:
    """Say what became of a run, and return what is wrong with it."""
    found = [f"{name}: {fault}" for fault in faults(done)]
    how = "cut off" if done.was_cut else f"ended as {done.read('status')}, changed {done.changed()}"
    print(f"{name}: {len(done.events())} events in {done.seconds:.0f} s, {how}", flush=True)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove a playbook, and say what was found."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--inventory", type=Path, required=True, help="a file in YAML")
    parser.add_argument("--playbook", required=True, help="a name, or a file of your own")
    parser.add_argument("--extra-vars", default="{}", help="a mapping in JSON")
    parser.add_argument("--cut-at", default="", help="kill the worker in this task, then run again")
    parser.add_argument("--delay", type=float, default=0, help="seconds into that task")
    parser.add_argument("--unchanged", action="store_true", help="a last run changes nothing")
    parser.add_argument("--keep", type=Path, help="a new folder for the artifacts of all runs")
    options = parser.parse_args(arguments)
    # Short: the sockets of SSH lie below it, whose paths may have 108 bytes.
    with tempfile.TemporaryDirectory(prefix="runner-") as folder:
        wrong = prove(Path(folder), options)
        if options.keep:
            shutil.copytree(Path(folder) / "returned/artifacts", options.keep)
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
