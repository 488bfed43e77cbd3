# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for a licence server, which tests have none of: no licence of this server is one.

It answers plain HTTP on the loopback address, in the way that the stand-in of nvidia-gridd asks. A
file of words says what goes wrong, and is read at each request:

- C(late=SECONDS): for how long it answers "not yet", from the first request on.
- C(pool=N): how many licences there are, 1 without it.
- C(period=SECONDS): for how long a licence is borrowed.
- C(clock=SECONDS): how far the server's clock is ahead.

Arguments: the port, the file of words.
"""

from __future__ import annotations

import json
import sys
import time
import typing as t
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DAY = 24 * 60 * 60
holders: set[str] = set()
# When it was first asked, by the version of the file of words.
first_asked: dict[float, float] = {}


def words() -> dict[str, int]:
    """Return what the file says, by word."""
    pairs = (word.split("=") for word in Path(sys.argv[2]).read_text("utf-8").split())
    return {name: int(value) for name, value in pairs}


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server_version = "LicenseServerStandIn/1"

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the date of an answer, by the server's clock."""
        return super().date_time_string(timestamp or time.time() + words().get("clock", 0))

    def do_GET(self) -> None:
        """Say who has a licence."""
        self.answer(HTTPStatus.OK, {"holders": sorted(holders)})

    def do_POST(self) -> None:
        """Lend a licence, or say why not."""
        now, said, client = time.time(), words(), self.headers.get("X-Client", "")
        first = first_asked.setdefault(Path(sys.argv[2]).stat().st_mtime, now)
        if now - first < said.get("late", 0):
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "not yet"})
        elif len(holders | {client}) > said.get("pool", 1):
            self.answer(HTTPStatus.OK, {"error": "none left"})
        else:
            holders.add(client)
            self.answer(HTTPStatus.OK, {"until": int(now) + said.get("period", DAY)})

    def do_DELETE(self) -> None:
        """Take a licence back."""
        holders.discard(self.headers.get("X-Client", ""))
        self.do_GET()

    def answer(self, status: HTTPStatus, content: dict[str, t.Any]) -> None:
        """Send an answer."""
        body = json.dumps({"stand_in": "this is no licence server", **content}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    print("A stand-in for a licence server: no licence of it is one.", flush=True)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
