"""Each strategy on each sink: load, idle rerun, change round, idle rerun. The expectations are by hand."""

from __future__ import annotations

from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.engines.protocol import RunRecord
from tests.reference.conftest import Pipeline

pytestmark = pytest.mark.integration

CREATE = "CREATE TABLE {t} (id bigint PRIMARY KEY, name text, updated_at timestamptz, business_date date)"
ROWS = """INSERT INTO {t} VALUES
    (1, 'a', '2024-05-01 10:00+00', '2024-01-01'),
    (2, 'b', '2024-05-01 11:00+00', '2024-01-01'),
    (3, 'c', '2024-05-01 12:00+00', '2024-01-02'),
    (4, NULL, NULL, '2024-01-03'),
    (5, '', '2024-05-01 12:00+00', NULL)"""
CHANGES = (
    "UPDATE {t} SET name = 'b2', updated_at = '2024-05-02 10:00+00' WHERE id = 2",
    "DELETE FROM {t} WHERE id = 3",
    # A tie on the high-water mark, a late row, a new row without a cursor.
    "INSERT INTO {t} VALUES (6, 'tie', '2024-05-01 12:00+00', '2024-01-02')",
    "INSERT INTO {t} VALUES (7, 'late', '2024-04-01 00:00+00', '2024-01-01')",
    "INSERT INTO {t} VALUES (8, 'null', NULL, '2024-01-04')",
)
FIRST = {1: "a", 2: "b", 3: "c", 4: None, 5: ""}


def seeded(pipeline: Pipeline) -> Pipeline:
    pipeline.sql(CREATE, ROWS)
    return pipeline


def names(pipeline: Pipeline) -> dict[int, str | None]:
    rows = pipeline.rows("id, name")
    assert len({row[0] for row in rows}) == len(rows), "a key is there twice"
    return dict(rows)


def counts(record: RunRecord) -> tuple[int | None, ...]:
    return record.inserted_rows, record.updated_rows, record.deleted_rows


def moved(record: RunRecord) -> tuple[int | None, ...]:
    return record.extracted_rows, record.staged_rows, record.loaded_rows, record.final_rows


def test_full_refresh(pipeline: Pipeline) -> None:
    seeded(pipeline)
    record = pipeline.load(Strategy.FULL_REFRESH)
    assert names(pipeline) == FIRST
    assert moved(record) == (5, 5, 5, 5)
    assert counts(record) == (5, 0, 0)
    pipeline.sql(*CHANGES)
    record = pipeline.load(Strategy.FULL_REFRESH)
    assert names(pipeline) == {1: "a", 2: "b2", 4: None, 5: "", 6: "tie", 7: "late", 8: "null"}
    assert moved(record) == (7, 7, 7, 7)
    assert counts(record) == (7, 0, 5)


def test_full_refresh_of_an_emptied_table(pipeline: Pipeline) -> None:
    seeded(pipeline).load(Strategy.FULL_REFRESH)
    pipeline.sql("DELETE FROM {t}")
    assert moved(pipeline.load(Strategy.FULL_REFRESH)) == (0, 0, 0, 0)
    assert pipeline.rows() == []
    pipeline.load(Strategy.FULL_REFRESH)
    assert pipeline.rows() == []


def test_replace(pipeline: Pipeline) -> None:
    seeded(pipeline)
    part: dict[str, Any] = {
        "partition_column": "business_date",
        "partition_from": "2024-01-01",
        "partition_to": "2024-01-02",
    }
    pipeline.load(Strategy.REPLACE, **part)
    assert names(pipeline) == {1: "a", 2: "b"}
    # Another slice comes beside the first and leaves it alone.
    pipeline.load(Strategy.REPLACE, **{**part, "partition_from": "2024-01-02", "partition_to": "2024-01-03"})
    assert names(pipeline) == {1: "a", 2: "b", 3: "c"}
    pipeline.sql(*CHANGES, "DELETE FROM {t} WHERE id = 1")
    record = pipeline.load(Strategy.REPLACE, **part)
    assert names(pipeline) == {2: "b2", 7: "late", 3: "c"}
    assert moved(record) == (2, 2, 2, 3)
    assert counts(record) == (2, 0, 2)


def test_incremental_append(pipeline: Pipeline) -> None:
    seeded(pipeline)
    assert counts(pipeline.load(Strategy.INCREMENTAL_APPEND)) == (5, 0, 0)
    again = pipeline.load(Strategy.INCREMENTAL_APPEND)
    # The tie at the high-water mark and the NULL cursors are looked at again, and not appended again.
    assert moved(again) == (3, 3, 0, 5)
    pipeline.sql(*CHANGES)
    record = pipeline.load(Strategy.INCREMENTAL_APPEND)
    assert pipeline.rows("id, name", "1, updated_at") == [
        (1, "a"),
        (2, "b"),
        (2, "b2"),
        (3, "c"),
        (4, None),
        (5, ""),
        (6, "tie"),
        (8, "null"),
    ]
    assert counts(record) == (3, 0, 0)
    assert pipeline.load(Strategy.INCREMENTAL_APPEND).loaded_rows == 0
    # A wide lookback finds the late row too, once.
    assert pipeline.load(Strategy.INCREMENTAL_APPEND, lookback_seconds=90 * 86400).loaded_rows == 1
    assert pipeline.load(Strategy.INCREMENTAL_APPEND, lookback_seconds=90 * 86400).loaded_rows == 0


def test_incremental_append_without_null_cursors(pipeline: Pipeline) -> None:
    seeded(pipeline)
    pipeline.load(Strategy.INCREMENTAL_APPEND, cursor_nulls="exclude")
    pipeline.sql(*CHANGES)
    pipeline.load(Strategy.INCREMENTAL_APPEND, cursor_nulls="exclude")
    assert [row[0] for row in pipeline.rows("id, name")] == [1, 2, 2, 3, 5, 6]


def test_incremental_merge(pipeline: Pipeline) -> None:
    seeded(pipeline)
    pipeline.load(Strategy.INCREMENTAL_MERGE)
    assert counts(pipeline.load(Strategy.INCREMENTAL_MERGE)) == (0, 0, 0)
    pipeline.sql(*CHANGES)
    record = pipeline.load(Strategy.INCREMENTAL_MERGE)
    assert names(pipeline) == {1: "a", 2: "b2", 3: "c", 4: None, 5: "", 6: "tie", 8: "null"}
    assert counts(record) == (2, 1, 0)
    assert moved(record) == (5, 5, 3, 7)
    assert record.state_after is not None
    cursor = record.state_after["cursor"]
    assert isinstance(cursor, dict)
    assert str(cursor["high_water"]).startswith("2024-05-02 10:00:00")
    assert counts(pipeline.load(Strategy.INCREMENTAL_MERGE)) == (0, 0, 0)


def test_snapshot_diff(pipeline: Pipeline) -> None:
    seeded(pipeline)
    pipeline.load(Strategy.SNAPSHOT_DIFF)
    assert counts(pipeline.load(Strategy.SNAPSHOT_DIFF)) == (0, 0, 0)
    pipeline.sql(*CHANGES)
    record = pipeline.load(Strategy.SNAPSHOT_DIFF)
    assert names(pipeline) == {1: "a", 2: "b2", 4: None, 5: "", 6: "tie", 7: "late", 8: "null"}
    assert counts(record) == (3, 1, 1)
    assert moved(record) == (7, 7, 4, 7)
    assert counts(pipeline.load(Strategy.SNAPSHOT_DIFF)) == (0, 0, 0)


def test_xmin(pipeline: Pipeline) -> None:
    seeded(pipeline)
    pipeline.load(Strategy.XMIN)
    assert counts(pipeline.load(Strategy.XMIN)) == (0, 0, 0)
    pipeline.sql(*CHANGES)
    record = pipeline.load(Strategy.XMIN)
    # The late row and the one without a cursor are there; the delete is not seen.
    assert names(pipeline) == {1: "a", 2: "b2", 3: "c", 4: None, 5: "", 6: "tie", 7: "late", 8: "null"}
    assert counts(record) == (3, 1, 0)
    assert record.extracted_rows == 4
    assert counts(pipeline.load(Strategy.XMIN)) == (0, 0, 0)


def test_cdc(pipeline: Pipeline) -> None:
    seeded(pipeline)
    pipeline.load(Strategy.CDC)
    assert names(pipeline) == FIRST
    assert counts(pipeline.load(Strategy.CDC)) == (0, 0, 0)
    pipeline.sql(*CHANGES, "UPDATE {t} SET id = 40 WHERE id = 4", "BEGIN; DELETE FROM {t}; ROLLBACK")
    record = pipeline.load(Strategy.CDC)
    assert names(pipeline) == {1: "a", 2: "b2", 40: None, 5: "", 6: "tie", 7: "late", 8: "null"}
    assert counts(record) == (4, 1, 2)
    assert record.extracted_rows == 6
    assert counts(pipeline.load(Strategy.CDC)) == (0, 0, 0)
    pipeline.sql("TRUNCATE {t}", "INSERT INTO {t} (id, name) VALUES (1, 'a'), (9, 'nine')")
    record = pipeline.load(Strategy.CDC)
    assert names(pipeline) == {1: "a", 9: "nine"}
    assert counts(record) == (1, 1, 6)


def test_partition_replace(pipeline: Pipeline) -> None:
    seeded(pipeline)
    pipeline.load(Strategy.PARTITION_REPLACE, partition_column="business_date")
    assert names(pipeline) == FIRST
    # 2024-01-03 vanishes from the source and stays in the sink; 2024-01-02 is replaced wholesale.
    pipeline.sql(*CHANGES, "DELETE FROM {t} WHERE id = 4")
    record = pipeline.load(Strategy.PARTITION_REPLACE, partition_column="business_date")
    assert names(pipeline) == {1: "a", 2: "b2", 4: None, 5: "", 6: "tie", 7: "late", 8: "null"}
    assert counts(record) == (6, 0, 4)


def test_scd2(pipeline: Pipeline) -> None:
    seeded(pipeline)
    pipeline.load(Strategy.SCD2)
    assert counts(pipeline.load(Strategy.SCD2)) == (0, 0, 0)
    pipeline.sql(*CHANGES)
    record = pipeline.load(Strategy.SCD2)
    assert counts(record) == (3, 1, 1)
    assert record.final_rows == 9
    assert counts(pipeline.load(Strategy.SCD2)) == (0, 0, 0)
    pipeline.sql("INSERT INTO {t} VALUES (3, 'back', NULL, NULL)")
    assert counts(pipeline.load(Strategy.SCD2)) == (1, 0, 0)
    history = pipeline.rows("id, name, valid_from, valid_to", "1, valid_from")
    current = {row[0]: row[1] for row in history if row[3] is None}
    assert current == {1: "a", 2: "b2", 3: "back", 4: None, 5: "", 6: "tie", 7: "late", 8: "null"}
    closed = [(row[0], row[1]) for row in history if row[3] is not None]
    assert closed == [(2, "b"), (3, "c")]
    two = [row for row in history if row[0] == 2]
    assert two[0][3] == two[1][2], "the old version ends where the new one begins"
    three = [row for row in history if row[0] == 3]
    assert three[0][2] < three[0][3] < three[1][2]


def test_backfill(pipeline: Pipeline) -> None:
    seeded(pipeline)
    days: dict[str, Any] = {"partition_column": "business_date", "partition_from": "2024-01-01"}
    record = pipeline.load(Strategy.BACKFILL, **days, partition_to="2024-01-03")
    assert names(pipeline) == {1: "a", 2: "b", 3: "c"}
    assert moved(record) == (3, 3, 3, 3)
    pipeline.sql(*CHANGES)
    record = pipeline.load(Strategy.BACKFILL, **days, partition_to="2024-01-03")
    assert moved(record) == (0, 0, 0, 3), "committed chunks are skipped"
    record = pipeline.load(Strategy.BACKFILL, **days, partition_to="2024-01-04")
    assert names(pipeline) == {1: "a", 2: "b", 3: "c", 4: None}
    assert moved(record) == (1, 1, 1, 4)
    assert record.state_after is not None
    backfill = record.state_after["backfill"]
    assert isinstance(backfill, dict)
    assert backfill["days"] == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_state_without_its_table_is_void(pipeline: Pipeline) -> None:
    """Somebody dropped the table: an increment alone would be silent loss."""
    seeded(pipeline).load(Strategy.INCREMENTAL_MERGE)
    other = Pipeline(pipeline.databases, pipeline.sink_system, pipeline.folder, pipeline.name, "elsewhere")
    other.load(Strategy.INCREMENTAL_MERGE)
    drop_sink(pipeline)
    assert pipeline.load(Strategy.INCREMENTAL_MERGE).loaded_rows == 5
    assert names(pipeline) == FIRST


def drop_sink(pipeline: Pipeline) -> None:
    sink = pipeline.sink()
    match pipeline.sink_system:
        case "postgres":
            import psycopg

            with psycopg.connect(sink.dsn, autocommit=True) as connection:
                connection.execute(f'DROP TABLE "out"."{sink.name}"'.encode())
        case "duckdb":
            import duckdb

            with duckdb.connect(sink.dsn) as duck:
                duck.execute(f'DROP TABLE out."{sink.name}"')
        case "sqlite":
            import sqlite3

            lite = sqlite3.connect(sink.dsn)
            lite.execute(f'DROP TABLE "{sink.name}"')
            lite.close()
        case _:
            (pipeline.folder / "lake" / "out" / sink.name).unlink()


@pytest.mark.parametrize("strategy", [Strategy.INCREMENTAL_MERGE, Strategy.SNAPSHOT_DIFF, Strategy.SCD2])
def test_composite_key(pipeline: Pipeline, strategy: Strategy) -> None:
    pipeline.key = ("id", "region")
    pipeline.sql(
        "CREATE TABLE {t} (id bigint, region text, v float8, updated_at timestamptz DEFAULT now(), "
        "PRIMARY KEY (id, region))",
        "INSERT INTO {t} VALUES (1, 'eu', 1), (1, 'us', 2), (2, 'eu', 3)",
    )
    pipeline.load(strategy)
    pipeline.sql("UPDATE {t} SET v = 9, updated_at = now() WHERE region = 'us'")
    assert counts(pipeline.load(strategy)) == (0, 1, 0)
    rows = pipeline.rows("id, region, v", "1, 2, 3")
    expected = [(1, "eu", 1.0), (1, "us", 9.0), (2, "eu", 3.0)]
    if strategy is Strategy.SCD2:
        expected.insert(1, (1, "us", 2.0))
    assert rows == expected


def test_a_table_of_nothing_but_its_key(pipeline: Pipeline) -> None:
    pipeline.sql("CREATE TABLE {t} (id bigint PRIMARY KEY)", "INSERT INTO {t} VALUES (1), (2)")
    pipeline.load(Strategy.SNAPSHOT_DIFF)
    pipeline.sql("DELETE FROM {t} WHERE id = 1", "INSERT INTO {t} VALUES (3)")
    assert counts(pipeline.load(Strategy.SNAPSHOT_DIFF)) == (1, 0, 1)
    assert pipeline.rows("*", "1") == [(2,), (3,)]


def test_a_change_of_sign_of_zero_is_a_change(pipeline: Pipeline) -> None:
    """``0.0 = -0.0`` in SQL. SQLite itself stores both as 0."""
    pipeline.sql(
        "CREATE TABLE {t} (id bigint PRIMARY KEY, f float8, updated_at timestamptz)",
        "INSERT INTO {t} VALUES (1, 0.0)",
    )
    pipeline.load(Strategy.SNAPSHOT_DIFF)
    pipeline.sql("UPDATE {t} SET f = '-0.0'")
    record = pipeline.load(Strategy.SNAPSHOT_DIFF)
    if pipeline.sink_system != "sqlite":
        assert counts(record) == (0, 1, 0)
        assert str(pipeline.rows("f", "1")[0][0]) == "-0.0"
    assert counts(pipeline.load(Strategy.SNAPSHOT_DIFF)) == (0, 0, 0)


def test_history_when_the_clock_went_back(to_postgres: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime as dt

    from certification_pipeline.reference import finalize

    seeded(to_postgres).load(Strategy.SCD2)

    class Yesterday(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Yesterday:
            return super().now(tz) - dt.timedelta(days=1)

    monkeypatch.setattr(finalize, "datetime", Yesterday)
    to_postgres.sql("UPDATE {t} SET name = 'x' WHERE id = 1")
    to_postgres.load(Strategy.SCD2)
    versions = to_postgres.rows("id, valid_from, valid_to", "1, 2")[:2]
    assert versions[0][1] < versions[0][2] == versions[1][1]
    assert versions[1][2] is None


def test_the_high_water_mark_never_falls(to_postgres: Pipeline) -> None:
    """Its row was deleted and only late rows came: what is late stays late."""
    seeded(to_postgres).load(Strategy.INCREMENTAL_MERGE)
    to_postgres.sql("DELETE FROM {t} WHERE id IN (3, 5)")
    to_postgres.load(Strategy.INCREMENTAL_MERGE, lookback_seconds=7200)
    to_postgres.sql("INSERT INTO {t} VALUES (9, 'late', '2024-05-01 11:30+00', NULL)")
    to_postgres.load(Strategy.INCREMENTAL_MERGE)
    assert 9 not in names(to_postgres)
