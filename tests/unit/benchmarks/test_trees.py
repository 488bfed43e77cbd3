# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small hosts, real payloads and the clock of processes."""

from __future__ import annotations

import json
import sys
import typing as t

import pytest
from ansible_collections.hwaccel.virt.tests.benchmarks import (
    fleet,
    growth,
    payload,
    start,
    trees,
)
from ansible_collections.hwaccel.virt.tests.benchmarks.clock import spend
from ansible_collections.hwaccel.virt.tests.benchmarks.figures import MeasureError

if t.TYPE_CHECKING:
    from pathlib import Path


def test_cards_are_spread_over_sockets() -> None:
    assert trees.cards(64) == [f"{node:04x}:01:00.0" for node in range(4)]
    assert len(set(trees.cards(1024))) == 64


def test_every_module_finds_nothing_to_do(tmp_path: Path) -> None:
    tasks = growth.lay(tmp_path, [32], growth.MODULES)
    told = {module: task.result() for (module, _size), task in tasks.items()}
    assert len(told["vfio_passthrough"]["devices"]) == 30
    assert {each["num_vfs"] for each in told["qat_sriov"]["devices"]} == {15}
    assert len(told["accelerator_info"]["devices"]) == 32
    guests = told["libvirt_accelerators"]["guests"]
    assert [len(guest["functions"]) for guest in guests] == [8, 8, 8, 6]
    assert not any(guest["differs"] for guest in guests)


def test_a_payload_is_what_ansible_sends(tmp_path: Path) -> None:
    payload.build([("ansible.builtin.ping", {"data": "pong pong"}, tmp_path / "sent")])
    told = tmp_path / "told"
    spend([sys.executable], told, stdin=tmp_path / "sent")
    assert json.loads(told.read_text(encoding="utf-8"))["ping"] == "pong pong"
    with pytest.raises(MeasureError, match="no_such: no such module"):
        payload.build([("hwaccel.virt.no_such", {}, tmp_path / "sent")])


def test_the_clock_counts_processor_time(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; held = bytearray(1 << 25); print(sum(range(3_000_000)))", encoding="utf-8"
    )
    busy = spend([sys.executable], tmp_path / "told", stdin=script)
    assert (tmp_path / "told").read_text(encoding="utf-8") == "4499998500000\n"
    idle = spend(["sleep", "0.1"], tmp_path / "told")
    assert 0 <= idle.seconds < busy.seconds
    assert busy.peak > idle.peak > 0
    with pytest.raises(MeasureError, match="sh ended with 3: lost"):
        spend(["sh", "-c", "echo lost; exit 3"], tmp_path / "told")


def test_what_modules_cost_is_not_the_controllers(tmp_path: Path) -> None:
    noted, interpreter = tmp_path / "times", tmp_path / "python"
    noted.mkdir()
    text = fleet.INTERPRETER.format(python=sys.executable, folder=noted)
    interpreter.write_text(text, encoding="utf-8")
    interpreter.chmod(0o755)
    code = "held = bytearray(1 << 25); print(sum(range(3_000_000)))"
    whole = spend([str(interpreter), "-c", code], tmp_path / "told").seconds
    assert 0.5 * whole < fleet.of_modules(noted) <= whole + 0.01
    assert fleet.of_modules(noted) == 0
    with pytest.raises(MeasureError, match="ended with 4"):
        spend([str(interpreter), "-c", "raise SystemExit(4)"], tmp_path / "told")


@pytest.mark.parametrize(("text", "seconds"), [("0m0.350s", 0.35), ("2m1.500s", 121.5)])
def test_minutes_of_the_shell(text: str, seconds: float) -> None:
    assert fleet.minutes(text) == seconds


def test_hosts_of_a_fleet() -> None:
    found = fleet.inventory(3, fleet.PLAYBOOK)["all"]
    assert list(found["hosts"]) == ["host000", "host001", "host002"]
    assert json.dumps(found)


def test_the_parts_of_a_start_are_found(tmp_path: Path) -> None:
    ping = growth.Task(tmp_path / "ping.py", tmp_path / "ping.json")
    payload.build([("ansible.builtin.ping", {}, ping.sent)])
    task = growth.lay(tmp_path, (16,), ("vfio_passthrough",))["vfio_passthrough", 16]
    found = start.profile(task, ping)
    assert task.result()["changed"] is False
    assert min(found.parts.values()) > 0
    assert sum(found.parts.values()) < found.all
    assert found.counts["collection"] > 30
