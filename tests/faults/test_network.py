"""What happens to connections on a wire, seen from both ends; and nothing, where the fault is never due."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.faults.network import HalfOpen, Latency, Refuse, Reset, SlowClose
from certification_pipeline.harness.faults.statements import CancelStatement
from tests.faults.conftest import Wired

NEVER = 1 << 30


def copy_rows(client: psycopg.Connection, table: str, rows: int) -> None:
    with client.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for number in range(rows):
            copy.write_row((number, "x" * 20))


def backends(wired: Wired, client: psycopg.Connection) -> int:
    pid = client.info.backend_pid
    return len(wired.ask(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"))


def becomes_true(condition: Callable[[], bool]) -> bool:
    """The server's view of its clients has no event to wait for."""
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_reset_in_mid_batch_reaches_connections_that_were_open_before(wired: Wired) -> None:
    fault = Reset(Side.SINK, after_bytes=100_000)
    with (
        psycopg.connect(wired.link.dsn) as pooled,
        wired.under(fault),
        pytest.raises(psycopg.OperationalError),
    ):
        copy_rows(pooled, wired.table, 100_000)
    assert fault.witness() == {"connection": 1, "bytes": 100_000, "direction": "up"}
    assert wired.ids() == []
    with psycopg.connect(wired.link.dsn) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


def test_a_source_is_reset_while_it_sends(wired: Wired) -> None:
    fault = Reset(Side.SOURCE, after_bytes=100_000)
    with (
        wired.under(fault),
        pytest.raises(psycopg.OperationalError),
        psycopg.connect(wired.link.dsn) as client,
    ):
        client.execute("SELECT repeat('x', 100) FROM generate_series(1, 10000)")
    assert fault.witness() == {"connection": 1, "bytes": 100_000, "direction": "down"}


def test_everything_comes_late(wired: Wired) -> None:
    with psycopg.connect(wired.link.dsn, autocommit=True) as client:
        fault = Latency(Side.SINK, milliseconds=40)
        with wired.under(fault):
            begin = time.monotonic()
            client.execute("SELECT 1")
            taken = time.monotonic() - begin
        assert taken >= 0.08
        assert fault.witness() == {"delays": 2}
        client.execute("SELECT 1")
        assert fault.witness() == {"delays": 2}


def test_the_next_connections_are_refused_and_open_ones_live(wired: Wired) -> None:
    fault = Refuse(Side.SINK, connections=2)
    with psycopg.connect(wired.link.dsn) as before, wired.under(fault):
        for _ in range(2):
            # sslmode: libpq tries once more without TLS, when its first attempt breaks off.
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(wired.link.dsn, sslmode="disable", gssencmode="disable")
        with psycopg.connect(wired.link.dsn) as third:
            assert third.execute("SELECT 1").fetchone() == before.execute("SELECT 1").fetchone() == (1,)
    assert fault.witness() == {"refused": 2}


def test_the_server_hears_late_of_a_clients_end(wired: Wired) -> None:
    fault = SlowClose(Side.SINK, seconds=60)
    with wired.under(fault):
        client = psycopg.connect(wired.link.dsn)
        client.execute(f"LOCK TABLE {wired.table}")
        # As if it had died: no farewell.
        with socket.socket(fileno=os.dup(client.fileno())) as its:
            its.shutdown(socket.SHUT_RDWR)
        assert becomes_true(lambda: fault.witness() is not None)
        assert backends(wired, client) == 1
    assert becomes_true(lambda: backends(wired, client) == 0)
    client.close()


def test_a_connection_falls_silent_and_others_work(wired: Wired) -> None:
    fault = HalfOpen(Side.SINK, after_bytes=50_000)
    ended: list[str] = []

    def load() -> None:
        try:
            with psycopg.connect(wired.link.dsn) as client:
                copy_rows(client, wired.table, 400_000)
        except psycopg.OperationalError:
            ended.append("broken")

    loading = threading.Thread(target=load)
    with wired.under(fault):
        loading.start()
        assert becomes_true(lambda: fault.witness() is not None)
        with psycopg.connect(wired.link.dsn) as other:
            assert other.execute("SELECT 1").fetchone() == (1,)
        assert loading.is_alive()
        assert not ended
    loading.join(20)
    assert ended == ["broken"]
    assert fault.witness() == {"connection": 1, "bytes": 50_000}
    assert wired.ids() == []


def test_a_statement_is_cancelled_in_mid_batch(wired: Wired) -> None:
    fault = CancelStatement(Side.SINK, after_bytes=100_000)
    with psycopg.connect(wired.link.dsn) as client:
        pid = client.info.backend_pid
        with wired.under(fault), pytest.raises(psycopg.errors.QueryCanceled):
            copy_rows(client, wired.table, 100_000)
        client.rollback()
        witness = fault.witness()
        assert witness is not None
        assert (witness["backend"], witness["sqlstate"]) == (pid, "57014")
        copy_rows(client, wired.table, 10)
    assert len(wired.ids()) == 10


def test_one_big_statement_is_cancelled(wired: Wired) -> None:
    fault = CancelStatement(Side.SINK, after_bytes=1)
    with psycopg.connect(wired.link.dsn) as client:
        values = ", ".join(f"({number}, 'word')" for number in range(20_000))
        with wired.under(fault), pytest.raises(psycopg.errors.QueryCanceled):
            client.execute(f"INSERT INTO {wired.table} VALUES {values}")
    assert fault.witness() is not None


def test_a_source_cancels_what_it_sends(wired: Wired) -> None:
    fault = CancelStatement(Side.SOURCE, after_bytes=1_000_000)
    with (
        psycopg.connect(wired.link.dsn) as client,
        wired.under(fault),
        pytest.raises(psycopg.errors.QueryCanceled),
    ):
        client.execute("SELECT repeat('x', 100) FROM generate_series(1, 300000)")
    assert fault.witness() is not None


@pytest.mark.parametrize(
    "fault",
    [
        Reset(Side.SINK, NEVER),
        Latency(Side.SINK, 1),
        Refuse(Side.SINK, 1),
        SlowClose(Side.SINK, 1),
        HalfOpen(Side.SINK, NEVER),
        CancelStatement(Side.SINK, NEVER),
    ],
    ids=lambda fault: fault.name,
)
def test_what_is_never_due_has_no_witness(wired: Wired, fault: Reset) -> None:
    with psycopg.connect(wired.link.dsn) as client:
        with wired.under(fault):
            if fault.name != Latency.name:  # for which every byte is due
                client.execute("SELECT 1")
        assert fault.witness() is None
        assert client.execute("SELECT 1").fetchone() == (1,)
