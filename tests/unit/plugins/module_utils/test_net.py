# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to servers, all of them on the loopback device, and each within a bound."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import time
import typing as t

import pytest
from ansible_collections.hwaccel.virt.plugins.module_utils import _net
from ansible_collections.hwaccel.virt.plugins.module_utils._net import Network, Reply
from ansible_collections.hwaccel.virt.tests.unit.plugins.grid_runs import (
    LicenseServer,
    closed_port,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Network forks; the threads of the servers here are none of its child's business.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

HERE = "127.0.0.1"
DATE = "Sun, 22 Nov 2026 07:03:02 GMT"
SHORT = 0.3


@pytest.fixture
def server() -> Iterator[LicenseServer]:
    """Return a server that says what time it is."""
    server = LicenseServer()
    server.date = DATE
    yield server
    server.end()


@pytest.fixture
def silent() -> Iterator[int]:
    """Return the port of a server that takes connections, and never says anything."""
    with socket.create_server((HERE, 0)) as listener:
        yield int(listener.getsockname()[1])


def ask(name: str, port: int, *, seconds: float = 20.0) -> Reply:
    """Ask a server, and leave no child behind."""
    with contextlib.closing(Network(seconds=seconds)) as network:
        return network.ask(name, port)


def test_a_server_that_tells_the_time(server: LicenseServer) -> None:
    before = time.time()
    reply = ask(HERE, server.port)
    assert (reply.resolved, reply.connected, reply.error, reply.date) == (True, True, None, DATE)
    assert reply.at is not None
    assert before - 1 <= reply.at <= time.time() + 1
    # It is asked for the head of one page, and for nothing else.
    assert server.requests == ["/"]


def test_a_server_without_a_date(server: LicenseServer) -> None:
    server.date = None
    reply = ask(HERE, server.port)
    assert (reply.connected, reply.date, reply.at) == (True, None, None)


def test_a_server_with_a_certificate_that_nobody_knows(
    server: LicenseServer, tmp_path: Path
) -> None:
    """One that has ended, too, as where the clock of the guest is ahead."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "license.example.com")])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    assert ask(HERE, server.port).date == DATE


def test_nobody_listens() -> None:
    reply = ask(HERE, closed_port())
    assert reply == Reply(resolved=True, connected=False, error="Connection refused")


def test_a_name_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_words: object, **_more: object) -> t.NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    reply = ask("license.example.com", 7070)
    assert reply == Reply(resolved=False, error="Name or service not known")


def test_the_second_address_of_a_name(
    server: LicenseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a name has an IPv6 address, and the network does not."""
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", server.port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (HERE, server.port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_words, **_more: found)
    assert ask("license.example.com", server.port).date == DATE


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_words, **_more: time.sleep(20))
    monkeypatch.setattr(_net, "_CHILD_SECONDS", SHORT)
    began = time.monotonic()
    with contextlib.closing(Network(seconds=SHORT)) as network:
        reply = network.ask("license.example.com", 7070)
        assert time.monotonic() - began < 10
        assert reply == Reply(error=f"the resolver did not answer within {SHORT} s")
        # The next one is asked all the same.
        monkeypatch.undo()
        network.seconds = 20
        assert network.ask(HERE, closed_port()).connected is False


def test_a_server_that_says_nothing(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_net, "_CHILD_SECONDS", SHORT)
    began = time.monotonic()
    reply = ask(HERE, silent, seconds=SHORT)
    assert time.monotonic() - began < 10
    assert reply == Reply(resolved=True, connected=True)


@pytest.mark.parametrize(
    ("pieces", "head"),
    [
        ([b"HTTP/1.1 200 OK\r\n", b"Date: x\r\n\r", b"\nbody"], b"HTTP/1.1 200 OK\r\nDate: x"),
        ([b"SSH-2.0-x\r\n", b""], b"SSH-2.0-x\r\n"),
        ([b"x" * 4096] * 9, b"x" * 16384),
    ],
)
def test_the_head_of_an_answer(pieces: list[bytes], head: bytes) -> None:
    left = iter(pieces)
    deadline = time.monotonic() + 60
    assert _net._read_head(lambda _size: next(left), deadline) == head
    # Who sends byte by byte does not keep it for good.
    assert _net._read_head(lambda _size: b"x", time.monotonic() - 1) == b""
