# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a fleet, what has changed, and its page."""

from __future__ import annotations

import copy
import json
import re
import typing as t
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.filter.fleet_report import fleet_report
from ansible_collections.hwaccel.virt.plugins.filter.fleet_report_changes import (
    fleet_report_changes,
)
from ansible_collections.hwaccel.virt.plugins.filter.fleet_report_page import fleet_report_page

ROOT = Path(__file__).resolve().parents[4]
PF = "0000:3d:00.0"
VOID = frozenset({"meta", "br", "input", "path"})
HOSTILE = "</b><script>alert(1)</script>\"'"


def template() -> str:
    return (ROOT / "playbooks/templates/report.html.j2").read_text(encoding="utf-8")


def device(address: str, **fields: t.Any) -> dict[str, t.Any]:
    return {"address": address, "id": "8086:37c9", "kind": "qat_vf", "pf": PF, **fields}


def found(guest: str = "vm1", vfs: int = 16) -> dict[str, t.Any]:
    holder = {"kind": "domain", "name": guest, "pid": 7}
    uses: list[dict[str, t.Any]] = [
        {"driver": "vfio-pci", "holder": holder},
        {"driver": "c6xxvf", "holder": {"kind": "driver", "name": "c6xxvf", "pid": None}},
        {"driver": "vfio-pci"},
        {"driver": None},
    ]
    pf = device(PF, kind="qat_pf", pf=None, driver="c6xx", total_vfs=16, num_vfs=vfs, mps=256)
    functions = [device(f"0000:3d:01.{index:x}", **uses[index % 4]) for index in range(vfs)]
    problem = {"check": "iommu", "what": "off", "why": "firmware", "remedy": "turn it on"}
    return {"devices": [*reversed(functions), pf], "problems": [problem]}


class Balanced(HTMLParser):
    """Sees that what is opened is closed, in order."""

    def __init__(self) -> None:
        """Have seen nothing."""
        super().__init__()
        self.opened: list[str] = []
        self.tags = 0
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count it, and see that it fetches nothing."""
        assert not {"src", "href"} & {name for name, _value in attrs}
        self.tags += 1
        self.scripts += tag == "script"
        if tag not in VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """See that it was the last to be opened."""
        if tag not in VOID:
            assert self.opened.pop() == tag


def look_at(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert parser.opened == []
    assert not re.search(r"https?://|url\(|@import", page)
    return parser


def test_structure_and_order() -> None:
    asked = {
        "kvm10": found(),
        "kvm2": {"unreachable": True, "msg": "no route"},
        "kvm1": {"failed": False, "msg": "no interpreter"},
        "win": {"skipped": True},
    }
    report = fleet_report(asked, {}, "2026-11-22T08:00:00Z")
    assert [host["name"] for host in report["hosts"]] == ["kvm1", "kvm2", "kvm10", "win"]
    states = [host["state"] for host in report["hosts"]]
    assert states == ["failed", "unreachable", "ok", "skipped"]
    assert report["summary"]["vfs"] == {
        "total": 16,
        "possible": 16,
        "held": 4,
        "host": 4,
        "free": 4,
        "unbound": 4,
    }
    assert report == fleet_report(dict(reversed(asked.items())), {}, "2026-11-22T08:00:00Z")
    assert json.loads(json.dumps(report)) == report
    look_at(fleet_report_page(report, template()))


def test_licences() -> None:
    gpu = {"address": "0000:02:00.0", "name": "GRID M60-2Q", "status": "Licensed"}
    bad = {"check": "clock", "ok": False, "detail": "late", "remedy": "set it"}
    licenses = {
        "vm1": {"licensed": True, "gpus": [gpu], "diagnosis": []},
        "vm2": {"licensed": False, "gpus": [], "diagnosis": [bad]},
    }
    report = fleet_report({"vm1": found(), "vm2": found()}, licenses)
    assert report["summary"]["licenses"] == {"asked": 2, "licensed": 1}
    assert [problem["check"] for problem in report["problems"]] == ["iommu", "license clock"]
    assert "without their licence" in fleet_report_page(report, template())


def test_changes() -> None:
    before = fleet_report({"a": found(), "b": found(), "c": found()}, {}, "then")
    gone = {"unreachable": True, "msg": "no route"}
    after = fleet_report({"a": found("vm2", 8), "b": gone, "c": found()}, {}, "now")
    told = fleet_report_changes(after, before)
    assert told["since"] == "then"
    assert {(each["host"], each["subject"], each["field"]) for each in told["changes"]} == {
        ("a", PF, "vfs"),
        ("a", "0000:3d:01.0", "holder"),
        ("a", "0000:3d:01.4", "holder"),
        ("b", "host", "state"),
    }
    assert fleet_report_changes(after, copy.deepcopy(after))["changes"] == []
    look_at(fleet_report_page({**after, "changes": told}, template()))


def test_what_others_wrote_is_escaped() -> None:
    page = fleet_report_page(fleet_report({HOSTILE: found(HOSTILE)}), template())
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") > 2
    assert look_at(page).scripts == 1


def test_five_hundred_hosts_stay_light() -> None:
    report = fleet_report({f"kvm{number}": found() for number in range(500)})
    page = fleet_report_page(report, template())
    assert len(page) < 3_000_000
    assert look_at(page).tags < 25_000


@pytest.mark.parametrize("earlier", [None, "text", {}, {"format": 2, "hosts": []}])
def test_what_is_no_report_is_refused(earlier: object) -> None:
    with pytest.raises(AnsibleFilterError, match="option earlier"):
        fleet_report_changes(fleet_report({}), earlier)
    with pytest.raises(AnsibleFilterError, match="option accelerators"):
        fleet_report("text")
