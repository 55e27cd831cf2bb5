"""Each way to commit, found in a clean run, then broken at: the server itself says what has come of it."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.evidence.disruption import CrashPoint
from certification_pipeline.harness.faults.commits import (
    CommitRecorder,
    CutAfterCommit,
    KillAfterCommit,
    KillBeforeCommit,
)
from certification_pipeline.harness.faults.fault import Fault
from tests.faults.conftest import Client, Wired

# Each writes the row 1, in a way of its own, and then the row 2 in another transaction.
SECOND = """
with psycopg.connect(dsn) as other:
    other.execute(f"INSERT INTO {table} VALUES (2, 'b')")
"""
FEW = ("explicit", "extended autocommit", "copy autocommit")
WAYS = {
    "explicit": """
with psycopg.connect(dsn) as c:
    c.execute(f"INSERT INTO {table} VALUES (1, 'a')")
""",
    "simple autocommit": """
with psycopg.connect(dsn, autocommit=True) as c:
    c.execute(f"INSERT INTO {table} VALUES (1, 'a')")
""",
    "extended autocommit": """
with psycopg.connect(dsn, autocommit=True) as c:
    c.execute(f"INSERT INTO {table} VALUES (%s, %s)", [1, 'a'])
""",
    "prepared, in a transaction": """
with psycopg.connect(dsn) as c:
    c.execute(f"INSERT INTO {table} VALUES (%s, %s)", [1, 'a'], prepare=True)
""",
    "many in one message": """
with psycopg.connect(dsn, autocommit=True) as c:
    c.execute(f"BEGIN; INSERT INTO {table} VALUES (1, 'x;y'); /* ; */ COMMIT;")
""",
    "many in one message, implicit": """
with psycopg.connect(dsn, autocommit=True) as c:
    c.execute(f"SELECT 1; INSERT INTO {table} VALUES (1, 'x;y'); SELECT 2")
""",
    "copy in a transaction": """
with psycopg.connect(dsn) as c, c.cursor().copy(f"COPY {table} FROM STDIN") as copy:
    copy.write_row((1, 'a'))
""",
    "copy autocommit": """
with psycopg.connect(dsn, autocommit=True) as c, c.cursor().copy(f"COPY {table} FROM STDIN") as copy:
    copy.write_row((1, 'a'))
""",
    "pipeline": """
with psycopg.connect(dsn) as c, c.pipeline():
    c.execute("SELECT 1")
    c.execute(f"INSERT INTO {table} VALUES (%s, 'a')", [1])
    c.commit()
""",
    "pipeline autocommit": """
with psycopg.connect(dsn, autocommit=True) as c, c.pipeline():
    c.execute(f"INSERT INTO {table} VALUES (%s, 'a')", [1])
""",
    "a temporary table first": """
with psycopg.connect(dsn) as c:
    c.execute("CREATE TEMP TABLE stage (id int)")
    c.execute("INSERT INTO stage VALUES (1)")
    c.commit()
    c.execute(f"INSERT INTO {table} SELECT id, 'a' FROM stage")
    c.execute("DELETE FROM stage")
""",
    "with": """
with psycopg.connect(dsn, autocommit=True) as c:
    c.execute(f"WITH w AS (INSERT INTO {table} VALUES (1, 'a') RETURNING id) SELECT id FROM w")
""",
}
ACTIONS = {
    "simple autocommit": "INSERT",
    "extended autocommit": "INSERT",
    "many in one message, implicit": "INSERT",
    "copy autocommit": "COPY",
    "pipeline autocommit": "INSERT",
    "with": "INSERT",
}


def first_point(wired: Wired, way: str) -> CrashPoint:
    return CrashPoint(number=1, medium="sink", action=ACTIONS.get(way, "COMMIT"), object=wired.table)


@pytest.mark.parametrize("way", WAYS)
def test_a_clean_run_shows_every_boundary(wired: Wired, way: str) -> None:
    recorder = CommitRecorder([Side.SINK])
    with wired.under(recorder):
        assert wired.here(WAYS[way] + SECOND) == "ok"
    first = first_point(wired, way)
    # A connection is given back with a rollback at most: nothing else is there.
    second = CrashPoint(
        number=2, medium="sink", action="COMMIT", object=wired.table, nth=1 + (first.action == "COMMIT")
    )
    assert recorder.points == (first, second)
    assert recorder.witness() == {"boundaries": 2}


@pytest.mark.parametrize(
    "way", [way if way in FEW else pytest.param(way, marks=pytest.mark.nightly) for way in WAYS]
)
@pytest.mark.parametrize("fault", [KillBeforeCommit, KillAfterCommit, CutAfterCommit])
def test_the_server_has_it_or_not(
    wired: Wired, way: str, fault: type[KillBeforeCommit | KillAfterCommit]
) -> None:
    struck: Fault = fault(first_point(wired, way))
    with wired.under(struck):
        body = WAYS[way] + SECOND
        ended = wired.here(body) if fault is CutAfterCommit else wired.run(body)
    witness = struck.witness()
    assert witness is not None
    assert witness["address"] == f"sink {ACTIONS.get(way, 'COMMIT')} {wired.table} #1"
    assert isinstance(witness["backend"], int)
    if fault is CutAfterCommit:
        assert ended not in {"ok", "killed"}
    else:
        assert ended == "killed"
        assert wired.client is not None
        assert witness["killed"] == [wired.client.pid]
    if fault is KillBeforeCommit:
        assert witness["server_let_go"] is True
        assert not wired.ask(f"SELECT 1 FROM pg_stat_activity WHERE pid = {witness['backend']}")
        assert wired.ids() == []
    else:
        assert witness["server_said"]
        assert wired.ids() == [1]


@pytest.mark.parametrize("fault", [KillBeforeCommit, KillAfterCommit, CutAfterCommit])
def test_without_the_point_there_is_no_witness(wired: Wired, fault: type[KillBeforeCommit]) -> None:
    never = fault(CrashPoint(number=3, medium="sink", action="COMMIT", object=wired.table, nth=3))
    with wired.under(never):
        assert wired.here(WAYS["explicit"] + SECOND) == "ok"
    assert never.witness() is None
    assert wired.ids() == [1, 2]


def test_a_commit_that_failed_is_no_boundary(wired: Wired) -> None:
    recorder = CommitRecorder([Side.SINK])
    with wired.under(recorder):
        ended = wired.here(
            """
with psycopg.connect(dsn, autocommit=True) as c:
    c.execute(f"INSERT INTO {table} VALUES (1, 'a')")
    for parameters in ([1],), ():
        try:
            c.execute(f"INSERT INTO {table} VALUES (" + ("%s" if parameters else "1") + ")", *parameters)
        except psycopg.errors.UniqueViolation:
            pass
    c.execute("BEGIN")
    c.execute(f"INSERT INTO {table} VALUES (3)")
    try:
        c.execute("SELECT 1/0")
    except psycopg.errors.DivisionByZero:
        pass
    c.execute("COMMIT")
"""
        )
    assert ended == "ok"
    assert [(p.action, p.nth) for p in recorder.points] == [("INSERT", 1)]
    assert wired.ids() == [1]


def test_two_phases_are_two_boundaries(wired: Wired) -> None:
    body = """
with psycopg.connect(dsn, autocommit=True) as c:
    c.execute("BEGIN")
    c.execute(f"INSERT INTO {table} VALUES (1, 'a')")
    c.execute(f"PREPARE TRANSACTION '{table}'")
    c.execute(f"COMMIT PREPARED '{table}'")
"""
    recorder = CommitRecorder([Side.SINK])
    with wired.under(recorder):
        assert wired.here(body) == "ok"
    assert [(p.action, p.object) for p in recorder.points] == [
        ("PREPARE TRANSACTION", wired.table),
        ("COMMIT PREPARED", ""),
    ]
    wired.tell(f"DELETE FROM {wired.table}")
    before = KillBeforeCommit(recorder.points[1])
    with wired.under(before):
        assert wired.run(body) == "killed"
    assert before.witness()
    assert wired.ids() == []
    assert wired.ask(f"SELECT gid FROM pg_prepared_xacts WHERE gid = '{wired.table}'")
    wired.tell(f"ROLLBACK PREPARED '{wired.table}'")
    after = KillAfterCommit(recorder.points[0])
    with wired.under(after):
        assert wired.run(body) == "killed"
    assert wired.ask(f"SELECT gid FROM pg_prepared_xacts WHERE gid = '{wired.table}'")
    wired.tell(f"ROLLBACK PREPARED '{wired.table}'")


def test_where_a_connection_cannot_be_read_there_is_no_list(wired: Wired) -> None:
    recorder = CommitRecorder([Side.SINK])
    with wired.under(recorder):
        assert wired.here(SECOND) == "ok"
        assert recorder.witness() == {"boundaries": 1}
        with socket.create_connection(("127.0.0.1", wired.link.port), timeout=10) as encrypted:
            encrypted.sendall(bytes.fromhex("16030100050100000100"))  # a TLS ClientHello begins so
            with suppress(ConnectionResetError):
                encrypted.recv(1)
    assert recorder.points == ()
    assert recorder.witness() is None


def test_when_nobody_was_left_to_kill_the_commit_goes_on_and_nothing_is_witnessed(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load may answer before its last commit is through: then there is no load in hand any more."""
    monkeypatch.setattr(Client, "kill_load", lambda self: ())
    for fault in (KillBeforeCommit, KillAfterCommit):
        wired.tell(f"TRUNCATE {wired.table}")
        missed = fault(first_point(wired, "explicit"))
        with wired.under(missed):
            assert wired.run(WAYS["explicit"]) == "ok"
        assert missed.witness() is None
        assert wired.ids() == [1]
