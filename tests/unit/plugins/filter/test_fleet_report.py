# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a fleet, what has changed, and its page."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hwaccel.virt.plugins.filter.fleet_report import fleet_report
from ansible_collections.hwaccel.virt.plugins.filter.fleet_report_changes import (
    fleet_report_changes,
)
from ansible_collections.hwaccel.virt.plugins.filter.fleet_report_page import fleet_report_page
from ansible_collections.hwaccel.virt.tests.unit.plugins.fleet import (
    NOW,
    PF,
    found,
    license_found,
    template,
)

VOID = frozenset({"meta", "br", "input"})
HOSTILE = "</b><script>alert(1)</script>\"'"


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
        fetched = [value for name, value in attrs if name in {"src", "href"}]
        assert all(str(value).startswith("#") for value in fetched)
        self.tags += 1
        self.scripts += tag == "script"
        if tag not in VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count what closes itself, as in SVG."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.opened.pop()

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
    bad = {"check": "clock", "ok": False, "detail": "late", "remedy": "set it"}
    licenses = {
        "vm1": license_found("2026-11-23T08:00:00Z"),
        "vm2": {**license_found(None), "diagnosis": [bad]},
    }
    report = fleet_report({"vm1": found(), "vm2": found()}, licenses, NOW)
    counts = {"asked": 2, "licensed": 1, "near": 0, "past": 0}
    assert report["summary"]["licenses"] == counts
    assert [problem["check"] for problem in report["problems"]] == ["iommu", "license clock"]


def test_guests_are_not_judged_as_hosts() -> None:
    alone = {**found(), "devices": []}
    asked = {"kvm": found(), "win": {"skipped": True}, "vm": alone, "lost": {"skipped": True}}
    licenses = {
        "win": license_found("2026-11-23T08:00:00Z"),
        "vm": license_found("2026-11-23T08:00:00Z"),
        "lost": {"unreachable": True, "msg": "no route"},
    }
    # A host with VFs to give stays one, though it is licensed itself.
    report = fleet_report(asked, licenses, NOW, guests=["win", "vm", "lost", "kvm"])
    roles = {host["name"]: (host["role"], host["state"]) for host in report["hosts"]}
    assert roles == {
        "kvm": ("host", "ok"),
        "lost": ("guest", "unreachable"),
        "vm": ("guest", "ok"),
        "win": ("guest", "ok"),
    }
    problems = {problem["check"]: problem["hosts"] for problem in report["problems"]}
    assert problems == {"iommu": ["kvm"], "reach": ["lost"]}
    assert report["summary"]["guests"]["ok"] == 2
    assert report["summary"]["hosts"]["total"] == 1
    look_at(fleet_report_page(report, template()))


@pytest.mark.parametrize(
    ("expiry", "remaining", "ends", "severity"),
    [
        ("2026-11-22T07:59:59Z", None, "past", "error"),
        ("2026-11-22T08:00:00Z", None, "past", "error"),
        ("2026-11-22T09:59:59Z", None, "near", "warning"),
        ("2026-11-22T10:00:00Z", None, None, None),
        # Its own clock tells the guest that the licence is over.
        ("2026-11-22T12:00:00Z", 0, "past", "error"),
        ("Permanent", None, None, None),
    ],
)
def test_ends_of_licences(
    expiry: str, remaining: int | None, ends: str | None, severity: str | None
) -> None:
    told = license_found(expiry)
    told["gpus"][0]["remaining"] = remaining
    report = fleet_report({"kvm": found()}, {"vm": told}, NOW, guests=["vm"])
    assert report["hosts"][1]["license"]["gpus"][0]["ends"] == ends
    marked = [each for each in report["problems"] if each["check"] == "license expiry"]
    assert [each["severity"] for each in marked] == ([severity] if severity else [])
    if severity:
        # What has ended is first, what ends soon comes after what is broken.
        assert report["problems"].index(marked[0]) == (0 if ends == "past" else 1)
    words = {"past": "ended 2026", "near": "ends soon, 2026", None: "until "}
    page = fleet_report_page(report, template())
    assert words[ends] in page


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


def test_hosts_that_were_left_out_have_not_gone() -> None:
    both = fleet_report({"a": found(), "b": found()}, {}, "then")
    one = fleet_report({"a": found()}, {}, "now", not_asked=["b", "a", "c"])
    assert one["not_asked"] == ["b", "c"]
    for told in (fleet_report_changes(one, both), fleet_report_changes(both, one)):
        assert (told["changes"], told["not_compared"]) == ([], ["b"])
    gone = fleet_report_changes(fleet_report({"a": found()}), both)
    assert [each["host"] for each in gone["changes"]] == ["b"]
    page = fleet_report_page({**one, "changes": fleet_report_changes(one, both)}, template())
    assert "Left out this time" in page
    assert "Not compared" in page


def test_one_path_draws_what_is_alike() -> None:
    page = fleet_report_page(fleet_report({"kvm": found(vfs=8)}), template())
    drawing = re.search(r'<g id="m1d1">(.*?)</g>', page)
    assert drawing is not None
    assert re.findall(r'<path class="([a-z0-9 ]+)" d="([^"]*)"><title>([^<]*)<', drawing[1]) == [
        ("held by0", "M0 0h10v10h-10zM48 0h10v10h-10z", "2 held by domain vm1 (pid 7)"),
        ("host", "M12 0m0 10l5-10 5 10zM60 0m0 10l5-10 5 10z", "2 used by the host, driver c6xxvf"),
        (
            "free",
            "M24 0h10v10h-10zm2 2v6h6v-6zM72 0h10v10h-10zm2 2v6h6v-6z",
            "2 free, driver vfio-pci",
        ),
        ("unbound", "M36 0m5 1l4 4-4 4-4-4zM84 0m5 1l4 4-4 4-4-4z", "2 without a driver"),
        (
            "missing",
            "".join(f"M{12 * index} 0m4 4h2v2h-2z" for index in range(8, 16)),
            "8 not made",
        ),
    ]


def test_what_others_wrote_is_escaped() -> None:
    page = fleet_report_page(fleet_report({HOSTILE: found(HOSTILE)}), template())
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") > 2
    assert look_at(page).scripts == 1


def test_five_hundred_hosts_stay_light() -> None:
    report = fleet_report({f"kvm{number}": found() for number in range(500)})
    page = fleet_report_page(report, template())
    assert len(page) < 2_500_000
    assert look_at(page).tags < 30_000


@pytest.mark.parametrize("earlier", [None, "text", {}, {"format": 2, "hosts": []}])
def test_what_is_no_report_is_refused(earlier: object) -> None:
    with pytest.raises(AnsibleFilterError, match="option earlier"):
        fleet_report_changes(fleet_report({}), earlier)
    with pytest.raises(AnsibleFilterError, match="option accelerators"):
        fleet_report("text")
    for wrong in ({"near_hours": "soon"}, {"guests": "vm1"}, {"not_asked": None}):
        option = next(iter(wrong))
        with pytest.raises(AnsibleFilterError, match=f"option {option}"):
            fleet_report({}, **wrong)
