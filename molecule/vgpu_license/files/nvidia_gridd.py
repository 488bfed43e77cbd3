# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for NVIDIA's nvidia-gridd, which tests have none of: there is no GPU and no licence.

It does what is known of it. It reads its configuration once, when it starts, asks the licence
server over TCP, says to the journal what it says, asks again when there was no licence, and gives
the licence back when it is stopped. With a token it uses the servers of the token, and fails where
servers of the older kind are configured as well. A file says which kind of GPU the guest would have
(vgpu or passthrough).

Arguments: the configuration, the folder of tokens where it names none, the file that says which
kind of GPU it is, the file for the stand-in of nvidia-smi.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import sys
import time
import typing as t
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path

if t.TYPE_CHECKING:
    from types import FrameType

EDITIONS = {"2": "NVIDIA RTX Virtual Workstation", "4": "NVIDIA Virtual Compute Server"}
# A vGPU takes the edition of its type, whatever kind of licence is asked for.
VGPU = ("GRID M60-2Q", EDITIONS["2"])
WHOLE = "Tesla M60"
RETRY, TIMEOUT, CLOCKS_DIFFER = 1, 5, 300


class AskError(Exception):
    """Why there is no licence, as the log has it."""


def say(line: str) -> None:
    """Write a line to the journal."""
    print(line, flush=True)


def read_settings(text: str) -> dict[str, str]:
    """Return the keys that are set; the last one counts."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip().strip('"') for name, equals, value in pairs if equals}


def read_token(folder: Path) -> tuple[str, int] | None:
    """Return the server that a token names, None without a token."""
    tokens = sorted(folder.glob("*.tok"))
    if not tokens:
        return None
    payload = tokens[0].read_text("ascii").split(".")[1]
    servers = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return servers["address"], servers["port"]


class Client:
    """What asks for a licence, and holds it."""

    def __init__(self, settings: dict[str, str], kind: str, state: Path) -> None:
        """Have no licence yet."""
        self.feature = settings.get("FeatureType", "1" if kind == "vgpu" else "0")
        self.gpu, self.product = VGPU if kind == "vgpu" else (WHOLE, EDITIONS.get(self.feature, ""))
        self.state = state
        self.server: tuple[str, int] | None = None
        self.until = 0
        self.show()

    def show(self) -> None:
        """Tell the stand-in of nvidia-smi."""
        content = {"gpu": self.gpu, "product": self.product, "until": self.until}
        part = self.state.with_suffix(".part")
        part.write_text(json.dumps(content), "utf-8")
        part.replace(self.state)

    def ask(self, method: str) -> dict[str, t.Any]:
        """Return what the server answers."""
        connection = http.client.HTTPConnection(*(self.server or ("", 0)), timeout=TIMEOUT)
        try:
            connection.request(method, "/request", headers={"X-Client": os.uname().nodename})
            answer = connection.getresponse()
            content = json.load(answer)
        except OSError:
            raise AskError("Couldn't connect to server") from None
        finally:
            connection.close()
        ahead = parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()
        if ahead > CLOCKS_DIFFER:
            say("Clock windback has been detected")
        if abs(ahead) > CLOCKS_DIFFER:
            raise AskError("The allowed time to process response has expired")
        if answer.status != http.HTTPStatus.OK:
            raise AskError("Couldn't connect to server")
        if content.get("error"):
            raise AskError(f"No pool features found for : {self.product}")
        return t.cast("dict[str, t.Any]", content)

    def acquire(self) -> None:
        """Try once to get a licence."""
        address, port = self.server or ("", 0)
        url = f"http://{address}:{port}/request"
        say(f"Acquiring license. (Info: {url}; {self.product})")
        try:
            self.until = self.ask("POST")["until"]
        except AskError as error:
            why = f"(Info: {self.product} - Error: {error})"
            say(f"Failed to acquire license from {address} {why}")
        else:
            expiry = datetime.fromtimestamp(self.until, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
            say(
                "License acquired successfully. "
                f"(Info: {url}, {self.product}; Expiry: {expiry} GMT)"
            )
        self.show()

    def give_back(self, _number: int, _frame: FrameType | None) -> None:
        """End, without a licence."""
        if self.until:
            self.until = 0
            with contextlib.suppress(AskError):
                self.ask("DELETE")
                say(f"License returned successfully. (Info: {(self.server or ('', 0))[0]})")
        self.show()
        sys.exit()


def main(path: Path, tokens: Path, kind: Path, state: Path) -> None:
    """Serve until stopped."""
    say("This is a stand-in for nvidia-gridd, and what it says is made up.")
    say(f"Started ({os.getpid()})")
    settings = read_settings(path.read_text("utf-8")) if path.is_file() else {}
    client = Client(settings, kind.read_text("ascii").strip(), state)
    signal.signal(signal.SIGTERM, client.give_back)
    folder = Path(settings.get("ClientConfigTokenPath") or tokens)
    client.server = read_token(folder)
    if client.server and "ServerAddress" in settings:
        say("Failed to update local trusted store - Maximum buffer size exceeded")
    elif client.server:
        say("NLS initialized")
    elif "ServerAddress" in settings:
        client.server = (settings["ServerAddress"], int(settings.get("ServerPort") or "7070"))
    else:
        say("Configuration parameter ( ServerAddress  FeatureType) not set")
    if client.feature not in {"0", "1", *EDITIONS}:
        say("Invalid feature type requested")
    asks = client.server and client.product and client.feature in {"1", *EDITIONS}
    while True:
        if asks and client.until < time.time():
            client.acquire()
        time.sleep(RETRY)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
