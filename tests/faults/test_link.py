"""The wire itself: ends, resets, addresses, and that nothing of it is left."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from certification_pipeline.harness.faults.address import Address
from certification_pipeline.harness.faults.connection import Connection, Tap
from certification_pipeline.harness.faults.link import Link
from tests.faults.conftest import Wired


@contextmanager
def raw() -> Iterator[tuple[Link, socket.socket, socket.socket]]:
    """A link that speaks no protocol, its client, and the service's end of the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        link = Link(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        link.open()
        try:
            with socket.create_connection(("127.0.0.1", link.port), timeout=10) as client:
                service, _ = server.accept()
                service.settimeout(10)
                with service:
                    yield link, client, service
        finally:
            link.close()


def the_one(link: Link) -> Connection:
    (connection,) = link.connections
    return connection


def test_each_way_ends_by_itself() -> None:
    with raw() as (link, client, service):
        client.sendall(b"ask")
        client.shutdown(socket.SHUT_WR)
        assert service.recv(10) + service.recv(10) == b"ask"
        service.sendall(b"answer")
        service.shutdown(socket.SHUT_WR)
        assert client.recv(10) + client.recv(10) == b"answer"
        assert {str(way): count for way, count in link.passed.items()} == {"up": 3, "down": 6}


def test_the_service_may_end_first() -> None:
    with raw() as (_, client, service):
        service.shutdown(socket.SHUT_WR)
        assert client.recv(10) == b""
        client.sendall(b"still here")
        client.shutdown(socket.SHUT_WR)
        assert service.recv(20) + service.recv(20) == b"still here"


def test_a_reset_is_a_reset_at_both_ends() -> None:
    with raw() as (link, client, service):
        client.sendall(b"x")
        assert service.recv(1) == b"x"
        link.call(the_one(link).reset)
        for end in (client, service):
            with pytest.raises(ConnectionResetError):
                end.recv(1)


def test_a_reset_by_one_end_reaches_the_other() -> None:
    with raw() as (_, client, service):
        client.sendall(b"x")
        assert service.recv(1) == b"x"
        service.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        service.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_service_that_is_gone_resets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = Link(f"tcp://127.0.0.1:{server.getsockname()[1]}")
    link.open()
    try:
        # The reset may arrive while the connection is still being made.
        with (
            pytest.raises(ConnectionResetError),
            socket.create_connection(("127.0.0.1", link.port), timeout=10) as client,
        ):
            client.recv(1)
    finally:
        link.close()


def test_nothing_listens_after_the_end_and_no_thread_is_left(wired: Wired) -> None:
    link = Link(wired.direct)
    link.open()
    link.install(Tap())
    with psycopg.connect(link.dsn) as client:
        client.execute("SELECT 1")
        before = threading.active_count()
        link.close()
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
    link.close()
    link.remove(Tap())
    assert threading.active_count() == before - 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", link.port))


def test_a_link_that_was_never_opened_can_be_closed(wired: Wired) -> None:
    Link(wired.direct).close()


def test_a_cancel_request_goes_through(wired: Wired) -> None:
    with psycopg.connect(wired.link.dsn) as client:
        raised: list[type[Exception]] = []

        def sleep() -> None:
            try:
                client.execute("SELECT pg_sleep(60)")
            except psycopg.Error as error:
                raised.append(type(error))

        sleeping = threading.Thread(target=sleep)
        sleeping.start()
        asleep = (
            f"SELECT 1 FROM pg_stat_activity WHERE pid = {client.info.backend_pid} AND wait_event = 'PgSleep'"
        )
        while not wired.ask(asleep):
            pass
        client.cancel_safe(timeout=10)
        sleeping.join(10)
    assert raised == [psycopg.errors.QueryCanceled]


def test_encryption_is_declined(wired: Wired) -> None:
    with psycopg.connect(wired.link.dsn, sslmode="prefer") as client:
        assert not client.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
        psycopg.connect(wired.link.dsn, sslmode="require")


@pytest.mark.parametrize(
    ("dsn", "host", "port"),
    [
        ("postgresql://u:p%40ss@db.example:6000/x", "db.example", 6000),
        ("postgres://u@db.example/x?application_name=a&options=-c%20geqo%3Doff", "db.example", 5432),
        ("postgresql+psycopg2://u:p@db.example/x", "db.example", 5432),
        ("postgresql://u:p@[::1]:6000/x", "::1", 6000),
        ("postgresql:///x?host=/run/pg&port=6000&user=u", "/run/pg", 6000),
        ("host=db.example port=6000 user=u password='p ss' dbname=x", "db.example", 6000),
    ],
)
def test_the_same_dsn_with_another_address(dsn: str, host: str, port: int) -> None:
    address = Address.of(dsn)
    assert (address.host, address.port, address.postgres) == (host, port, True)
    ours = address.at("127.0.0.1", 7777)
    scheme = dsn.partition("://")[0] if "://" in dsn else "postgresql"
    assert ours.startswith(f"{scheme}://")
    given, made = (
        conninfo_to_dict("postgresql://" + text.partition("://")[2] if "://" in text else text)
        for text in (dsn, ours)
    )
    assert made == {**given, "host": "127.0.0.1", "port": "7777"}


def test_what_asks_for_tls_is_spoken_to_in_tls_behind_the_wire() -> None:
    address = Address.of("postgresql://u:p@db.example/x?sslmode=require&channel_binding=require")
    assert address.tls is not None
    assert conninfo_to_dict(address.at("127.0.0.1", 1)) == {
        "user": "u",
        "password": "p",
        "host": "127.0.0.1",
        "port": "1",
        "dbname": "x",
        "sslmode": "disable",
    }
    assert Address.of("postgresql://u:p@db.example/x?sslmode=prefer").tls is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_behind_the_wire_it_is_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    make += ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost", "-days", "1"]
    make += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    startup = (8).to_bytes(4, "big") + (196608).to_bytes(4, "big")
    seen: list[bytes] = []

    def serve(server: socket.socket) -> None:
        plain, _ = server.accept()
        seen.append(plain.recv(8))
        plain.sendall(b"S")
        with context.wrap_socket(plain, server_side=True) as secret:
            seen.append(secret.recv(8))
            secret.sendall(b"Z\0\0\0\5I")
            secret.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=serve, args=[server])
        serving.start()
        port = server.getsockname()[1]
        link = Link(f"postgresql://localhost:{port}/x?sslmode=verify-full&sslrootcert={certificate}")
        link.open()
        try:
            with socket.create_connection(("127.0.0.1", link.port), timeout=10) as client:
                client.sendall(startup)
                assert client.recv(6) == b"Z\0\0\0\5I"
        finally:
            link.close()
        serving.join(10)
    assert seen == [(8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"), startup]


@pytest.mark.parametrize(
    "dsn",
    [
        "/var/lib/secret.duckdb",
        "http://user:secret@example",
        "postgresql://user:secret@a,b/x",
        "postgresql://user:secret@a/x?nonsense=secret",
        "dbname=secret",
    ],
)
def test_a_dsn_without_an_address_is_refused_and_not_quoted(dsn: str) -> None:
    with pytest.raises(ValueError, match="a link") as refused:
        Link(dsn)
    assert "secret" not in str(refused.value)
    with suppress(ValueError):
        assert "secret" not in repr(Address.of("postgresql://user:secret@a/x"))
