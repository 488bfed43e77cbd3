# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to servers on the network: does a name resolve, is a port open, what time is it there.

The resolver of the C library takes as long as its configuration says, minutes with a name server
that is silent, and no signal of ours ends it: a child process asks, and is left where it does not
answer in time. Nothing is sent but a request for the head of a page.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
import typing as t
from dataclasses import dataclass

from ._child import Child, SilentError

if t.TYPE_CHECKING:
    from collections.abc import Callable

_HTTPS = 443
# No server sends more before the end of the head of its answer.
_HEAD_BYTES = 16384
_CHUNK = 4096
_MOST_ADDRESSES = 3
# By how much longer a child is waited for than what it does may take.
_CHILD_SECONDS = 1.0
_Target = tuple[int, tuple[t.Any, ...]]


@dataclass(frozen=True)
class Reply:
    """What came of asking a server; None stands for what is not known.

    Args:
        resolved: whether its name leads to an address.
        connected: whether it took a TCP connection.
        error: what kept it from that.
        date: the C(Date) header of its answer to HTTP or HTTPS, None without one.
        at: what the clock here said when that came, in seconds since 1970.
    """

    resolved: bool | None = None
    connected: bool | None = None
    error: str | None = None
    date: str | None = None
    at: float | None = None


class Network:
    """Asks servers, each step within a bound.

    Args:
        seconds: how long resolving may take, connecting, and getting an answer.
    """

    def __init__(self, *, seconds: float = 4.0) -> None:
        self.seconds = seconds
        self._child = Child(_answer)

    def close(self) -> None:
        """Let the child end."""
        self._child.leave()

    def ask(self, name: str, port: int) -> Reply:
        """Resolve a name or an address, connect, and ask for the time."""
        try:
            found, error = t.cast(
                "tuple[list[_Target], str]", self._within(["resolve", name, str(port)])
            )
        except SilentError:
            return Reply(error=f"the resolver did not answer within {self.seconds:g} s")
        if not found:
            return Reply(resolved=False, error=error)
        for target in found[:_MOST_ADDRESSES]:
            try:
                error = t.cast("str", self._within(["connect", *_packed(target)]))
            except SilentError:
                error = f"no answer within {self.seconds:g} s"
            if not error:
                date, at = self._date(name, port, target)
                return Reply(resolved=True, connected=True, date=date, at=at)
        return Reply(resolved=True, connected=False, error=error)

    def _date(self, name: str, port: int, target: _Target) -> tuple[str | None, float | None]:
        """Return what a server says of the date, and when it did."""
        kinds = ("https", "http") if port == _HTTPS else ("http", "https")
        for kind in kinds:
            try:
                answer = self._within([kind, *_packed(target), name])
            except SilentError:
                continue
            date, at = t.cast("tuple[str, float]", answer)
            if date:
                return date, at
        return None, None

    def _within(self, question: list[str]) -> object:
        seconds = str(self.seconds)
        return self._child.ask([*question, seconds], self.seconds + _CHILD_SECONDS)


def _packed(target: _Target) -> list[str]:
    """Return an address family and the host and port of an address as words."""
    family, address = target
    return [str(int(family)), str(address[0]), str(address[1])]


def _answer(question: list[str]) -> object:
    """Do what is asked, in the child."""
    action, *words = question
    if action == "resolve":
        return _resolve(words[0], int(words[1]))
    family, host, port, *more = words
    seconds = float(more[-1])
    deadline = time.monotonic() + seconds
    try:
        with socket.socket(socket.AddressFamily(int(family)), socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect((host, int(port)))
            if action == "connect":
                return ""
            return _head_date(connection, more[0], deadline, encrypted=action == "https")
    except OSError as error:
        return _told(error) if action == "connect" else ("", 0.0)


def _resolve(name: str, port: int) -> tuple[list[_Target], str]:
    """Return the addresses of a name, each once, or the resolver's error."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return [], _told(error)
    return list(dict.fromkeys((int(each[0]), each[-1][:2]) for each in found)), ""


def _told(error: Exception) -> str:
    """Return what the system says of an error."""
    if isinstance(error, socket.timeout):
        return os.strerror(errno.ETIMEDOUT)
    text = error.strerror if isinstance(error, OSError) else None
    return text or str(error)


def _head_date(
    connection: socket.socket, name: str, deadline: float, *, encrypted: bool
) -> tuple[str, float]:
    """Return the Date header of a server's answer, and when it came; empty without one.

    The certificate is not verified: nothing but the date is taken from the answer, and a clock
    that is off makes certificates invalid.
    """
    if encrypted:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = context.wrap_socket(connection, server_hostname=name)
    with connection:
        host = f"[{name}]" if ":" in name else name
        request = f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode("ascii", "replace"))
        head = _read_head(connection.recv, deadline)
        at = time.time()
    status, *lines = head.decode("latin-1").split("\r\n")
    if not status.startswith("HTTP/"):
        return "", at
    fields = (line.partition(":") for line in lines)
    dates = [value.strip() for key, _colon, value in fields if key.strip().lower() == "date"]
    return (dates[0] if dates else ""), at


def _read_head(receive: Callable[[int], bytes], deadline: float) -> bytes:
    """Read up to the empty line that ends the head of an answer."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES and time.monotonic() < deadline:
        chunk = receive(_CHUNK)
        if not chunk:
            break
        head += chunk
    return head.partition(b"\r\n\r\n")[0]
