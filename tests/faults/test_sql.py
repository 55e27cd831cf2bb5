"""What a statement would make durable, and under which name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.harness.faults.postgres_sql import HEAD_TOKENS, Kind, parse
from certification_pipeline.harness.faults.stable_names import stable_name


@pytest.mark.parametrize(
    ("text", "action", "object"),
    [
        ("INSERT INTO c_0123456789ab.orders VALUES (1)", "INSERT", "orders"),
        ('insert into "c_0123456789ab_staging"."Orders" select 1', "INSERT", "staging.Orders"),
        ("-- INSERT INTO a\n/* b */ UPDATE ONLY t SET x = 'DELETE FROM u;'", "UPDATE", "t"),
        ("DELETE FROM t USING u", "DELETE", "t"),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", "MERGE", "t"),
        ("TRUNCATE TABLE ONLY t, u", "TRUNCATE", "t"),
        ("COPY t (a, b) FROM STDIN WITH (FORMAT binary)", "COPY", "t"),
        ('COPY "s"."t" ("from", "to") FROM STDIN', "COPY", "t"),
        (
            "WITH a AS (SELECT 1), b AS (INSERT INTO t SELECT * FROM a RETURNING *) SELECT * FROM b",
            "INSERT",
            "t",
        ),
        ("WITH a AS (SELECT 1) UPDATE t SET x = 1", "UPDATE", "t"),
        ("SELECT 1 AS x INTO UNLOGGED t FROM u", "SELECT INTO", "t"),
        ("CREATE TABLE IF NOT EXISTS s.t (id int)", "CREATE TABLE", "t"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (id)", "CREATE INDEX", "t"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE VIEW", "v"),
        ("ALTER TABLE IF EXISTS ONLY t ADD COLUMN x int", "ALTER TABLE", "t"),
        ("DROP TABLE IF EXISTS t CASCADE", "DROP TABLE", "t"),
        ("CREATE SCHEMA IF NOT EXISTS c_0123456789ab", "CREATE SCHEMA", ""),
        ("COMMENT ON TABLE t IS 'x'", "COMMENT TABLE", "t"),
        ("CALL load_orders(1)", "CALL", "load_orders"),
        ("DO $$ BEGIN DELETE FROM t; END $$", "DO", ""),
        (
            "SELECT pg_replication_slot_advance('slot_c_0123456789ab', '0/1')",
            "pg_replication_slot_advance",
            "slot",
        ),
        (
            "SELECT * FROM pg_create_logical_replication_slot('s', 'pgoutput')",
            "pg_create_logical_replication_slot",
            "s",
        ),
        ("SELECT setval('q', 3)", "setval", "q"),
        ("CREATE_REPLICATION_SLOT s LOGICAL pgoutput", "CREATE_REPLICATION_SLOT", "s"),
        ("COMMIT PREPARED 'x'", "COMMIT PREPARED", ""),
    ],
)
def test_writes(text: str, action: str, object: str) -> None:
    (statement,) = parse(text)
    assert statement.kind is Kind.WRITE
    assert (statement.action, statement.object) == (action, object)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM t FOR UPDATE",
        "SELECT 'INSERT INTO t', \"update\" FROM t",
        "SELECT nextval('q')",
        "SELECT set_config('a', 'b', false)",
        "WITH a AS (SELECT update FROM t) SELECT * FROM a FOR UPDATE",
        "COPY t TO STDOUT",
        "COPY (SELECT * FROM t) TO STDOUT",
        "SET search_path = x",
        "SHOW transaction_isolation",
        "EXPLAIN UPDATE t SET x = 1",
        "DECLARE c CURSOR FOR SELECT 1",
        "SAVEPOINT a",
        "ROLLBACK TO a",
        "LOCK TABLE t",
        "VALUES (1)",
        "ANALYZE t",
        "LISTEN x",
    ],
)
def test_reads(text: str) -> None:
    assert [statement.kind for statement in parse(text)] == [Kind.READ]


def test_several_in_one_string() -> None:
    insert = "INSERT INTO t VALUES ('a;b', $x$;$x$, E'it\\'s; ')"
    text = f"BEGIN; {insert}; -- ;\n/* ; */ END;; PREPARE TRANSACTION 'a'; ABORT"
    kinds = [statement.kind for statement in parse(text)]
    assert kinds == [Kind.BEGIN, Kind.WRITE, Kind.COMMIT, Kind.PREPARE, Kind.ROLLBACK]


def test_long_ones_are_skipped_to_their_end() -> None:
    values = ", ".join(f"({number}, 'a;''b', \"c;\")" for number in range(HEAD_TOKENS))
    first, second = parse(f"INSERT INTO t VALUES {values}; UPDATE u SET x = 1")
    assert (first.object, second.object) == ("t", "u")


@given(st.text(alphabet="aBE;'\"$/*- \n()\\x1.", max_size=200))
def test_no_text_is_too_odd(text: str) -> None:
    parse(text)


@pytest.mark.parametrize(
    ("parts", "stable"),
    [
        (("c_0123456789ab", "orders"), "orders"),
        (("c_0123456789ab_7_staging", "orders"), "staging.orders"),
        (("c_0123456789ab_sink", "orders"), "orders"),
        (("public", "_dlt_version"), "_dlt_version"),
        (("orders_1763712345_678901",), "orders_*"),
        (("stg_3f2a9c01d4_orders",), "stg_*_orders"),
        (("orders_3f2a9c01-d4e5-4f60-8a7b-0123456789ab",), "orders_*"),
        (("decade",), "decade"),
        (("t_2024",), "t_2024"),
        ((), ""),
    ],
)
def test_names_that_last(parts: tuple[str, ...], stable: str) -> None:
    assert stable_name(parts) == stable
