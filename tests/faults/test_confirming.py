"""A log position that a client confirms is a boundary of its own: the slot has moved, or it has not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.faults.commits import (
    CommitRecorder,
    CutAfterCommit,
    KillAfterCommit,
    KillBeforeCommit,
)
from tests.faults.conftest import Wired

CONSUMER = """
import struct
with psycopg.connect(dsn, autocommit=True) as c:
    c.execute(f"INSERT INTO {table} VALUES (1, 'a') ON CONFLICT DO NOTHING")
    lsn = int(c.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()[0])
stream = psycopg.pq.PGconn.connect(psycopg.conninfo.make_conninfo(dsn, replication="database").encode())
start = f"START_REPLICATION SLOT {table} LOGICAL 0/0 (proto_version '1', publication_names '{table}')"
assert stream.exec_(start.encode()).status == psycopg.pq.ExecStatus.COPY_BOTH
for _ in range(2):  # twice the same: the second confirms nothing new
    stream.put_copy_data(b"r" + struct.pack(">QQQQB", lsn, lsn, lsn, 0, 0))
    stream.flush()
with psycopg.connect(dsn, autocommit=True) as c:
    ask = "SELECT confirmed_flush_lsn - '0/0'::pg_lsn FROM pg_replication_slots WHERE slot_name = %s"
    while c.execute(ask, [table]).fetchone()[0] < lsn:
        stream.put_copy_data(b"r" + struct.pack(">QQQQB", lsn, lsn, lsn, 0, 1))
        stream.flush()
stream.finish()
"""


@pytest.fixture
def slot(wired: Wired) -> Iterator[str]:
    wired.tell(f"CREATE PUBLICATION {wired.table} FOR TABLE {wired.table}")
    wired.ask(f"SELECT pg_create_logical_replication_slot('{wired.table}', 'pgoutput')")
    yield wired.table
    where = f"FROM pg_replication_slots WHERE slot_name = '{wired.table}'"
    wired.ask(f"SELECT pg_terminate_backend(active_pid, 5000) {where} AND active")
    wired.ask(f"SELECT pg_drop_replication_slot('{wired.table}')")
    wired.tell(f"DROP PUBLICATION {wired.table}")


def position(wired: Wired, slot: str) -> str:
    ((found,),) = wired.ask(
        f"SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = '{slot}'"
    )
    return str(found)


@pytest.mark.parametrize(
    "fault",
    [
        KillBeforeCommit,
        pytest.param(KillAfterCommit, marks=pytest.mark.nightly),
        pytest.param(CutAfterCommit, marks=pytest.mark.nightly),
    ],
)
def test_the_slot_has_moved_or_not(
    wired: Wired, slot: str, fault: type[KillBeforeCommit | KillAfterCommit]
) -> None:
    recorder = CommitRecorder([Side.SOURCE])
    with wired.under(recorder):
        assert wired.run(CONSUMER) == "ok"
    assert [point.address for point in recorder.points] == [
        f"source INSERT {slot} #1",
        f"source CONFIRM {slot} #1",
    ]
    wired.tell(f"INSERT INTO {wired.table} VALUES (2, 'b')")
    before = position(wired, slot)
    struck = fault(recorder.points[1])
    with wired.under(struck):
        wired.run(CONSUMER)
    witness = struck.witness()
    assert witness is not None
    if fault is KillBeforeCommit:
        assert witness["server_saw_it"] is False
        assert position(wired, slot) == before
    else:
        assert witness["server_said"] == "confirmed_flush_lsn"
        assert position(wired, slot) > before
