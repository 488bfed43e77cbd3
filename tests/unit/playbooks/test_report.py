# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook report as a whole: this machine, one that is lost, and a stand-in with Windows."""

from __future__ import annotations

import base64
import json
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hwaccel.virt.plugins.filter.fleet_report import fleet_report
from ansible_collections.hwaccel.virt.tests.unit.playbook_runs import run_playbook
from ansible_collections.hwaccel.virt.tests.unit.plugins.fleet import NOW, found

CONNECTIONS = Path(__file__).resolve().parents[1] / "roles/vgpu_license/connection_plugins"
SECRET = "c2VjcmV0LW9mLXRoZS10b2tlbg"  # noqa: S105 (none in truth)
PLACE = r"C:\Program Files\NVIDIA Corporation\vGPU Licensing\ClientConfigToken\a.tok"
GUIDE = r"HKLM:\SOFTWARE\NVIDIA Corporation\Global\GridLicensing"
# Licensed until 2026-11-23 08:00, by its own clock a day from then.
WINDOWS: dict[str, t.Any] = {
    "registry": {GUIDE: {"ServerAddress": ["string", "gridlicense.example.com"]}},
    "files": {PLACE: base64.b64encode(SECRET.encode()).decode()},
    "log": None,
    "holds": True,
    "late": 0,
    "looks": 0,
    "fault": None,
    "boots": 0,
    "sent": [],
}
HERE = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    "ansible_become": False,
}


@dataclass(frozen=True)
class Run:
    """What a run said and wrote."""

    output: str
    report: dict[str, t.Any]
    files: dict[str, str]

    def host(self, name: str) -> dict[str, t.Any]:
        """Return what the report says of a host."""
        return next(host for host in self.report["hosts"] if host["name"] == name)


def run(folder: Path, *arguments: str) -> Run:
    """Run the playbook over all but one host of the inventory."""
    done = run_playbook(
        folder,
        *("--inventory", "inventory.json", "hwaccel.virt.report", "--limit", "!left_out"),
        *arguments,
        ANSIBLE_CONNECTION_PLUGINS=str(CONNECTIONS),
        PWD=str(folder),
    )
    assert done.returncode == 0, done.stdout
    files = {
        path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("report/*"))
    }
    return Run(done.stdout, json.loads(files.get("report.json", "{}")), files)


# One test, since each of two runs takes seconds, and workers would share nothing of it.
def test_playbook(tmp_path: Path) -> None:
    prepare(tmp_path)
    compared = ("--extra-vars", "report_compare_to=earlier.json")
    first = run(tmp_path, *compared, "-vvvvv")
    everyone_is_told_of(first)
    tokens_are_not_told_of(first)
    guests_are_asked_for_their_licence_alone(first)
    what_was_left_out_is_not_gone(first)
    second = run(tmp_path, *compared)
    assert re.findall(r"^kvm .*changed=(\d+)", first.output, re.MULTILINE) == ["3"]
    assert re.findall(r"^\S+ .*changed=(\d+)", second.output, re.MULTILINE) == ["0"] * 4
    assert second.files == first.files
    assert f"Nothing differs from the report of {first.report['generated']}" in second.output


def prepare(folder: Path) -> None:
    """Write the inventory, a guest with Windows, and an earlier report."""
    (folder / "windows.json").write_text(json.dumps(WINDOWS), encoding="utf-8")
    windows = {
        "ansible_connection": "recorded_windows",
        "ansible_shell_type": "powershell",
        "recorded_guest": str(folder / "windows.json"),
    }
    lost = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    inventory = {
        "accelerator_hosts": {"hosts": {"kvm": HERE, "lost": lost, "left_out": HERE}},
        "vgpu_guests": {"hosts": {"linux": HERE, "windows": windows}},
    }
    (folder / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
    earlier = fleet_report({"kvm": found(), "left_out": found(), "sold": found()}, {}, NOW)
    (folder / "earlier.json").write_text(json.dumps(earlier), encoding="utf-8")


def everyone_is_told_of(told_of: Run) -> None:
    told = {host["name"]: (host["role"], host["state"]) for host in told_of.report["hosts"]}
    assert told == {
        "kvm": ("host", "ok"),
        "linux": ("guest", "ok"),
        "lost": ("host", "unreachable"),
        "windows": ("guest", "ok"),
    }
    assert told_of.report["not_asked"] == ["left_out"]
    assert {problem["check"] for problem in told_of.host("lost")["problems"]} == {"reach"}
    assert "<!DOCTYPE html>" in told_of.files["report.html"]


def tokens_are_not_told_of(told_of: Run) -> None:
    told = told_of.output + "".join(told_of.files.values())
    assert "a.tok" in told_of.output
    for secret in (SECRET, base64.b64encode(SECRET.encode()).decode()):
        assert secret not in told


def guests_are_asked_for_their_licence_alone(told_of: Run) -> None:
    gpus = told_of.host("windows")["license"]["gpus"]
    assert [(gpu["status"], gpu["expiry"]) for gpu in gpus] == [
        ("Licensed", "2026-11-23T08:00:00Z")
    ]
    linux = told_of.host("linux")
    assert (linux["license"]["licensed"], linux["platform"] is None) == (False, False)
    # Neither this machine's processor nor its IOMMU is a matter of a guest.
    assert all(each["check"].startswith("license") for each in linux["problems"])
    assert told_of.host("kvm")["license"] is None


def what_was_left_out_is_not_gone(told_of: Run) -> None:
    changes = told_of.report["changes"]
    states = {each["host"]: each["kind"] for each in changes["changes"] if each["field"] == "state"}
    assert states["sold"] == "removed"
    assert "left_out" not in states
    assert (changes["since"], changes["not_compared"]) == (NOW, ["left_out"])
