# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A headless Chromium that tests drive by the DevTools protocol over a pair of pipes."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
import typing as t

if t.TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "chromium"
SECONDS = 120.0
Told = dict[str, t.Any]


def _high(number: int) -> int:
    """Return the same file under a number that is none of those that the browser wants."""
    high = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(number)
    return high


class Browser:
    """One page of one browser; leaves nothing behind but its profile folder."""

    def __init__(self, profile: Path) -> None:
        """Start it."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise RuntimeError(f"there is no {PROGRAM}: make setup installs it")
        to_browser, self._commands = map(_high, os.pipe())
        self._answers, from_browser = map(_high, os.pipe())
        # The protocol wants 3 and 4. A container has neither a sandbox nor much /dev/shm.
        script = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            [
                *("bash", "-c", script, program),
                *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                *("--no-first-run", "--disable-background-networking", "--remote-debugging-pipe"),
                *(f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[Told] = []
        target = next(
            each for each in self.call("Target.getTargets")["targetInfos"] if each["type"] == "page"
        )
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End it."""
        self._session = None
        self.call("Browser.close")
        os.close(self._commands)
        self._process.wait(SECONDS)
        os.close(self._answers)

    def call(self, method: str, **arguments: object) -> Told:
        """Return the answer to a command."""
        self._number += 1
        message: Told = {"id": self._number, "method": method, "params": arguments}
        if self._session:
            message["sessionId"] = self._session
        whole = json.dumps(message).encode() + b"\0"
        while whole:
            whole = whole[os.write(self._commands, whole) :]
        while (told := self._next()).get("id") != self._number:
            self.events.append(told)
        if "error" in told:
            raise RuntimeError(f"{method}: {told['error']}")
        return t.cast("Told", told["result"])

    def open(self, page: Path) -> None:
        """Load a page from a file, and wait until it is loaded and drawn."""
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while not any(each.get("method") == "Page.loadEventFired" for each in self.events):
            self.events.append(self._next())
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    def run(self, script: str) -> t.Any:
        """Return what an expression gives, or what it promises."""
        told = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in told:
            raise RuntimeError(f"{script}: {told['exceptionDetails']}")
        return told["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key, by its name and its number."""
        for kind in ("keyDown", "keyUp"):
            down = {"text": text} if kind == "keyDown" and text else {}
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **down
            )

    def be(self, width: int, height: int, scheme: str = "light", media: str = "") -> None:
        """Be a screen of a size, light or dark, or paper."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1}
        self.call("Emulation.setDeviceMetricsOverride", **size, mobile=width < height)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def computed(self) -> float:
        """Return the seconds of processor time of the process that has the page."""
        session, self._session = self._session, None
        processes = self.call("SystemInfo.getProcessInfo")["processInfo"]
        self._session = session
        return sum(float(each["cpuTime"]) for each in processes if each["type"] == "renderer")

    def said(self, method: str) -> list[Told]:
        """Return the events of a kind since the page was opened."""
        return [each["params"] for each in self.events if each.get("method") == method]

    def _next(self) -> Told:
        """Return the next message, which may be an event."""
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            left = max(deadline - time.monotonic(), 0)
            ready, _write, _other = select.select([self._answers], [], [], left)
            more = os.read(self._answers, 1 << 20) if ready else b""
            if not more:
                raise RuntimeError(f"{PROGRAM} did not answer within {SECONDS:.0f} s, or has ended")
            self._rest += more
        told, _nul, self._rest = self._rest.partition(b"\0")
        return t.cast("Told", json.loads(told))
