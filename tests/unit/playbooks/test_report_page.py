# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the report in a real browser, as its readers use it.

Without the browser these tests fail: `make setup` installs it.
"""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.filter.fleet_report import fleet_report
from ansible_collections.hwaccel.virt.plugins.filter.fleet_report_changes import (
    fleet_report_changes,
)
from ansible_collections.hwaccel.virt.plugins.filter.fleet_report_page import fleet_report_page
from ansible_collections.hwaccel.virt.tests.unit.playbooks.browser import Browser
from ansible_collections.hwaccel.virt.tests.unit.plugins.fleet import (
    NOW,
    found,
    license_found,
    template,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What ends a tag, an attribute, a script or a style, and what runs where it is no text.
HOSTILE = (
    "</title></style></script><script>hit = 1</script><img src=x onerror='hit = 1'>"
    '" onfocus="hit = 1" autofocus \'&lt;{{ 7 * 7 }}'
)
PHONE = (390, 844)
DESK = (1280, 900)
SHOWN = (
    "[...document.querySelectorAll('.machine:not([hidden]) > summary b')].map(b => b.textContent)"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return one browser for all tests here."""
    with contextlib.closing(Browser(tmp_path_factory.mktemp("browser"))) as started:
        yield started


def fleet() -> dict[str, t.Any]:
    """Return the report of hosts and guests of all kinds."""
    healthy = {**found("database", pfs=3), "problems": []}
    asked = {
        "kvm1": healthy,
        "kvm2": found("web", vfs=8),
        "kvm3": {"unreachable": True, "msg": "no route to host" + " far" * 60},
        "kvm4-" + "long" * 30: found("g" * 200, vfs=0),
        "vm1": {"skipped": True},
        "vm2": {"skipped": True},
        HOSTILE: found(HOSTILE),
    }
    licenses = {
        "vm1": license_found("2026-11-22T07:00:00Z", HOSTILE),
        "vm2": license_found("2026-11-23T07:00:00Z"),
    }
    return fleet_report(asked, licenses, NOW, guests=["vm1", "vm2"], not_asked=["kvm9"])


def write(folder: Path, report: dict[str, t.Any]) -> Path:
    """Return the file of the page."""
    path = folder / "report.html"
    path.write_text(fleet_report_page(report, template()), encoding="utf-8")
    return path


def settle(browser: Browser) -> list[str]:
    """Return the hosts that are shown once the page has done what it was asked."""
    browser.run("new Promise(done => setTimeout(done, 150))")
    return t.cast("list[str]", browser.run(SHOWN))


def unexpected(browser: Browser) -> list[str]:
    """Return what the page fetched besides itself, and what went wrong in it."""
    asked = [each["request"]["url"] for each in browser.said("Network.requestWillBeSent")]
    wrong = browser.said("Runtime.exceptionThrown") + browser.said("Log.entryAdded")
    return asked[1:] + [str(each) for each in wrong]


def test_search_filters_and_keys(browser: Browser, tmp_path: Path) -> None:
    browser.be(*DESK)
    browser.open(write(tmp_path, fleet()))
    everyone = settle(browser)
    assert len(everyone) == 7
    assert browser.run("count.value") == "7 of 7"
    # What only the closed part of a host says is found too; all words have to fit.
    browser.press("/", 191, "/")
    assert browser.run("document.activeElement.id") == "words"
    browser.call("Input.insertText", text="Database C6XXVF")
    assert settle(browser) == ["kvm1"]
    assert browser.run("count.value") == "1 of 7"
    browser.call("Input.insertText", text=" nowhere")
    assert settle(browser) == []
    assert browser.run("none.checkVisibility()") is True
    browser.press("Escape", 27)
    assert settle(browser) == everyone
    # Filters are radio buttons: Tab goes there, arrows choose. Those that nothing fits are away.
    labels = "[...document.querySelectorAll('.chips label')].filter(l => l.checkVisibility())"
    assert browser.run(f"{labels}.map(l => l.textContent.trim())") == [
        "All 7",
        "Problems 5",
        "No answer 1",
        "Free VFs 3",
        "Licence ends 1",
        "Guests 2",
    ]
    browser.press("Tab", 9)
    browser.press("Tab", 9)
    browser.press("ArrowRight", 39)
    assert settle(browser) == [name for name in everyone if name not in {"kvm1", "vm2"}]
    browser.press("ArrowRight", 39)
    assert settle(browser) == ["kvm3"]
    # A link from a problem shows its host, whatever the filter is, and puts the focus there.
    browser.run("document.querySelector('.problem a').click()")
    assert settle(browser) == everyone
    assert browser.run("document.activeElement.querySelector('b').textContent") == "vm1"
    assert browser.run("document.activeElement.parentElement.open") is True
    browser.press("Enter", 13, "\r")
    assert browser.run("document.activeElement.parentElement.open") is False
    assert unexpected(browser) == []


def test_phone_dark_and_paper(browser: Browser, tmp_path: Path) -> None:
    report = fleet()
    report["changes"] = fleet_report_changes(report, fleet_report({"kvm1": found("old")}))
    page = write(tmp_path, report)
    papers = {}
    for scheme in ("light", "dark"):
        browser.be(*PHONE, scheme=scheme)
        browser.open(page)
        browser.run("all.click()")
        settle(browser)
        assert browser.run("document.documentElement.scrollWidth") == PHONE[0]
        papers[scheme] = browser.run("getComputedStyle(document.body).backgroundColor")
        # Every text and every part of the pictures stands out from what is behind it.
        faint = browser.run(FAINT)
        assert faint == []
    assert papers == {"light": "rgb(244, 245, 247)", "dark": "rgb(16, 19, 23)"}
    browser.run("colours.click()")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == papers["light"]
    # Touched with a finger; what is not drawn yet has no size.
    touched = "[...document.querySelectorAll('button, [type=search], .machine > summary')]"
    sizes = browser.run(f"{touched}.map(e => e.getBoundingClientRect().height)")
    assert [size for size in sizes if 0 < size < 44] == []
    assert max(sizes) >= 44
    # Each control has a name of its own, and so has each picture that is read out.
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "searchbox", "radio", "image", "img", "table", "DisclosureTriangle", "link"}
    seen = [node for node in tree if node.get("role", {}).get("value") in roles]
    assert len(seen) > 20
    assert [node for node in seen if not node.get("name", {}).get("value")] == []
    # On paper there is white, and everything is open.
    browser.be(*DESK, scheme="dark", media="print")
    browser.open(page)
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    shown = "[...document.querySelectorAll('.machine .body')].every(b => b.offsetHeight > 0)"
    assert browser.run(shown) is True
    assert browser.run("words.offsetHeight + colours.offsetHeight") == 0
    assert len(browser.call("Page.printToPDF")["data"]) > 10_000
    assert unexpected(browser) == []


# WCAG 2: 4.5 for text and 3 for graphics, by the relative luminance of both colours.
FAINT = """
(() => {
  const light = css => css.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) {
    const css = getComputedStyle(e).backgroundColor;
    if (!css.endsWith(", 0)")) { return light(css); } } };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const found = new Set();
  for (const e of document.body.querySelectorAll("*")) {
    if (!e.checkVisibility() || e.tagName === "SCRIPT") { continue; }
    const css = getComputedStyle(e), shape = e.tagName === "path" || e.tagName === "rect";
    const text = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!shape && (!text || e.closest("svg"))) { continue; }
    const got = ratio(light(shape ? css.fill : css.color), behind(e));
    const name = e.className.baseVal ?? e.className;
    if (got < (shape ? 3 : 4.5)) { found.add(`${e.tagName}.${name} ${got.toFixed(2)}`); }
  }
  return [...found];
})()
"""


def test_what_others_wrote_stays_text(browser: Browser, tmp_path: Path) -> None:
    report = fleet()
    report["changes"] = fleet_report_changes(report, fleet_report({HOSTILE: found("old")}))
    browser.be(*DESK)
    browser.open(write(tmp_path, report))
    assert browser.run("typeof hit") == "undefined"
    counted = (
        "['script', 'style', 'title', 'img'].map(n => document.getElementsByTagName(n).length)"
    )
    scripts, styles, titles, images = browser.run(counted)
    assert (scripts, styles, images) == (1, 1, 0)
    assert titles == 1 + browser.run("document.querySelectorAll('svg title').length")
    assert HOSTILE in browser.run(SHOWN)
    holders = browser.run("[...document.querySelectorAll('[role=img]')].map(e => e.ariaLabel)")
    assert any(f"held by domain {HOSTILE} (pid 7)" in name for name in holders)
    assert unexpected(browser) == []


def test_five_hundred_hosts_open_within_two_seconds(browser: Browser, tmp_path: Path) -> None:
    asked = {f"kvm{number}": found(f"vm{number}", pfs=2) for number in range(500)}
    page = write(tmp_path, fleet_report(asked))
    browser.be(*DESK)
    # Where others hold the cores, what was computed for the page is what it takes.
    before = browser.computed()
    browser.open(page)
    waited = browser.run("performance.now()") / 1000
    assert min(waited, browser.computed() - before) <= 2
    browser.run("words.value = 'vm499'; words.dispatchEvent(new Event('input'))")
    assert settle(browser) == ["kvm499"]
    assert unexpected(browser) == []
