"""The planner as a pure function, and drifts between two loads on every sink."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.harness.engines.protocol import Error
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference.dialects.duckdb import DuckDBDialect
from certification_pipeline.reference.dialects.duckdb import parse_type as parse_duckdb
from certification_pipeline.reference.dialects.postgres import PostgresDialect
from certification_pipeline.reference.dialects.postgres import parse_type as parse_postgres
from certification_pipeline.reference.dialects.sqlite import SQLiteDialect
from certification_pipeline.reference.dialects.sqlite import parse_type as parse_sqlite
from certification_pipeline.reference.evolution import (
    AddColumn,
    Plan,
    RelaxColumn,
    WidenColumn,
    plan,
    widens,
)
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.schema import Column, ColumnType
from tests.reference.conftest import Pipeline

decimals = st.tuples(st.integers(1, 38), st.integers(0, 38)).filter(lambda p: p[1] <= p[0])
types = st.one_of(
    st.sampled_from([k for k in LogicalType if k is not LogicalType.DECIMAL]).map(ColumnType),
    decimals.map(lambda params: ColumnType(LogicalType.DECIMAL, params)),
    st.integers(1, 9).map(lambda length: ColumnType(LogicalType.TEXT, (length,))),
    st.just(ColumnType(LogicalType.DECIMAL)),
)
columns = st.builds(Column, st.sampled_from("abcdefg"), types, st.booleans())
tables = st.lists(columns, max_size=6, unique_by=lambda column: column.name).map(tuple)


def applied(sink: tuple[Column, ...], result: Plan) -> dict[str, Column]:
    """A model of a sink that carries the steps out."""
    after = {column.name: column for column in sink}
    for step in result.steps:
        match step:
            case AddColumn(column):
                assert column.name not in after
                assert column.nullable
                after[column.name] = column
            case WidenColumn(name, new):
                assert widens(after[name].type, new)
                after[name] = Column(name, new, after[name].nullable)
            case RelaxColumn(name):
                after[name] = after[name].as_nullable()
    return after


@given(tables, tables, st.sampled_from(["stop", "new_column"]))
def test_a_plan_makes_room_and_never_takes_any(source: Any, sink: Any, policy: Any) -> None:
    clash = {c.name: c.type for c in sink}
    try:
        result = plan(source, sink, policy, str)
    except LoadError:
        assert any(c.name in clash and c.type != clash[c.name] for c in source)
        return
    after = applied(sink, result)
    # Everything that was there still is, at least as wide, at most as strict.
    for column in sink:
        now = after[column.name]
        assert now.type == column.type or widens(column.type, now.type)
        assert now.nullable or not column.nullable
    # Every source column has a place that holds its values, and NULL where it may be NULL.
    assert [mapping.source for mapping in result.mappings] == list(source)
    for mapping in result.mappings:
        place = after[mapping.target.name]
        assert place.type == mapping.target.type
        assert mapping.source.type == place.type or widens(mapping.source.type, place.type)
        assert place.nullable or not mapping.source.nullable
    # What has no source any more must accept NULL.
    assert all(after[name].nullable for name in (*result.kept, *result.untouched))
    # Planning again finds nothing to do.
    again = plan(source, tuple(after.values()), policy, str)
    assert again.steps == ()


@given(types, types, types)
def test_widening_is_an_order(a: ColumnType, b: ColumnType, c: ColumnType) -> None:
    assert not widens(a, a)
    assert not (widens(a, b) and widens(b, a))
    if widens(a, b) and widens(b, c):
        assert widens(a, c)


@given(types)
def test_every_dialect_reads_back_what_it_writes(kind: ColumnType) -> None:
    plain = ColumnType(LogicalType.TEXT) if kind.kind is LogicalType.TEXT else kind
    full = ColumnType(LogicalType.DECIMAL, (38, 10)) if plain == ColumnType(LogicalType.DECIMAL) else plain
    assert parse_postgres(PostgresDialect().type_name(plain)) == plain
    assert parse_duckdb(DuckDBDialect().type_name(plain)) == full
    assert parse_sqlite(SQLiteDialect().type_name(plain)) == full


def test_what_must_not_move_by_itself() -> None:
    source = (Column("id", ColumnType(LogicalType.UUID)),)
    sink = (Column("id", ColumnType(LogicalType.INT64)),)
    with pytest.raises(LoadError, match="never automatic"):
        plan(source, sink, "new_column", str, frozenset({"id"}))


def test_reserved_names_are_refused() -> None:
    with pytest.raises(LoadError, match="reserved"):
        plan((Column("_certification_op", ColumnType(LogicalType.TEXT)),), (), "stop", str)


# --- live ------------------------------------------------------------------------------------------------

CREATE = (
    "CREATE TABLE {t} (id bigint PRIMARY KEY, a integer NOT NULL, b text, n numeric(10,2), "
    "updated_at timestamptz DEFAULT now())"
)
TOUCH = "UPDATE {t} SET b = b || '!', updated_at = now() WHERE id = 2"


def drifted(pipeline: Pipeline, strategy: Strategy, *drift: str) -> None:
    pipeline.sql(CREATE, "INSERT INTO {t} VALUES (1, 10, 'x', 1.5), (2, 20, 'y', 2.5)")
    pipeline.load(strategy)
    pipeline.sql(*drift)


def current(pipeline: Pipeline, strategy: Strategy, names: str) -> list[tuple[Any, ...]]:
    rows = pipeline.rows(f"{names}, valid_to" if strategy is Strategy.SCD2 else names, "1, 2")
    return [row[:-1] for row in rows if row[-1] is None] if strategy is Strategy.SCD2 else rows


@pytest.mark.integration
@pytest.mark.parametrize(
    ("sink_system", "strategy"),
    [
        ("postgres", Strategy.INCREMENTAL_MERGE),
        ("postgres", Strategy.SCD2),
        ("duckdb", Strategy.CDC),
        ("sqlite", Strategy.INCREMENTAL_MERGE),
        ("parquet", Strategy.SCD2),
    ],
)
def test_added_dropped_and_renamed(pipeline: Pipeline, strategy: Strategy) -> None:
    """A merge gets the first row again (a tie at the high-water mark), without the dropped column."""
    drifted(
        pipeline,
        strategy,
        "ALTER TABLE {t} ADD COLUMN c integer",
        "ALTER TABLE {t} DROP COLUMN a",
        "UPDATE {t} SET c = 5, b = 'y!', updated_at = now() WHERE id = 2",
        "INSERT INTO {t} (id, b, c) VALUES (3, 'z', 7)",
    )
    pipeline.load(strategy)
    assert current(pipeline, strategy, "id, b, c, a") == [
        (1, "x", None, None if strategy is Strategy.INCREMENTAL_MERGE else 10),
        (2, "y!", 5, None),
        (3, "z", 7, None),
    ]
    pipeline.sql(
        "ALTER TABLE {t} RENAME COLUMN b TO d", "UPDATE {t} SET d = 'w', updated_at = now() WHERE id = 3"
    )
    pipeline.load(strategy)
    rows = current(pipeline, strategy, "id, b, d")
    assert rows[2] == (3, None, "w")


@pytest.mark.integration
@pytest.mark.parametrize("strategy", [Strategy.INCREMENTAL_MERGE, Strategy.SNAPSHOT_DIFF])
def test_a_dropped_column_in_rows_that_are_delivered_again(to_postgres: Pipeline, strategy: Strategy) -> None:
    """Both rows tie at the high-water mark, so a merge gets both again, as the source has them now.

    A comparison of whole tables must not wipe a column out of every row.
    """
    drifted(to_postgres, strategy, "ALTER TABLE {t} DROP COLUMN n", "UPDATE {t} SET b = 'y!' WHERE id = 2")
    to_postgres.load(strategy)
    kept = {row[0]: row[1] for row in to_postgres.rows("id, n")}
    assert kept[2] is None
    assert (kept[1] is None) is (strategy is Strategy.INCREMENTAL_MERGE)
    assert to_postgres.load(strategy).updated_rows == 0


@pytest.mark.integration
def test_widened_narrowed_and_relaxed(pipeline: Pipeline) -> None:
    drifted(
        pipeline,
        Strategy.INCREMENTAL_MERGE,
        "ALTER TABLE {t} ALTER COLUMN a TYPE bigint, ALTER COLUMN a DROP NOT NULL, "
        "ALTER COLUMN n TYPE numeric(38,10)",
        "INSERT INTO {t} VALUES (3, 9223372036854775807, NULL, 0.0000000001), (4, NULL, NULL, NULL)",
    )
    pipeline.load(Strategy.INCREMENTAL_MERGE)
    numbers = ["1.5000000000", "2.5000000000", "0.0000000001", None]
    expected = [(1, 10), (2, 20), (3, 2**63 - 1), (4, None)]
    found = pipeline.rows("id, a, n")
    assert [row[:2] for row in found] == expected
    assert [
        None if row[2] is None else f"{row[2]:.10f}" if not isinstance(row[2], str) else row[2]
        for row in found
    ] == numbers
    # Narrower at the source: the sink keeps the wider type, values stay exact.
    pipeline.sql(
        "DELETE FROM {t} WHERE id = 3",
        "ALTER TABLE {t} ALTER COLUMN a TYPE smallint, ALTER COLUMN n TYPE numeric(10,2)",
        "INSERT INTO {t} VALUES (5, 7, NULL, 3.25)",
    )
    pipeline.load(Strategy.INCREMENTAL_MERGE)
    found = pipeline.rows("id, a, n")
    assert found[2][:2] == (3, 2**63 - 1)
    assert found[4][1] == 7
    assert str(found[4][2]) == "3.2500000000"
    assert pipeline.load(Strategy.SNAPSHOT_DIFF).updated_rows == 0


@pytest.mark.integration
def test_an_integer_becomes_a_decimal(pipeline: Pipeline) -> None:
    drifted(pipeline, Strategy.SNAPSHOT_DIFF, "ALTER TABLE {t} ALTER COLUMN a TYPE numeric(38,10)")
    record = pipeline.load(Strategy.SNAPSHOT_DIFF)
    assert [str(row[1]) for row in pipeline.rows("id, a")] == ["10.0000000000", "20.0000000000"]
    assert record.updated_rows == 0, "the values did not change"


@pytest.mark.integration
def test_an_incompatible_type_stops_and_leaves_the_sink(pipeline: Pipeline) -> None:
    drifted(pipeline, Strategy.INCREMENTAL_MERGE, "ALTER TABLE {t} ALTER COLUMN a TYPE text", TOUCH)
    before = pipeline.rows()
    answer = pipeline.attempt(Strategy.INCREMENTAL_MERGE)
    assert isinstance(answer, Error)
    assert answer.category is FailureCategory.SCHEMA
    assert "on_type_change" in answer.message
    assert pipeline.rows() == before


@pytest.mark.integration
def test_new_column_when_configured(pipeline: Pipeline) -> None:
    drifted(pipeline, Strategy.INCREMENTAL_MERGE, "ALTER TABLE {t} ALTER COLUMN a TYPE text", TOUCH)
    pipeline.sql("INSERT INTO {t} VALUES (3, 'words', 'z', 0)")
    for _ in range(2):
        pipeline.load(Strategy.INCREMENTAL_MERGE, on_type_change="new_column")
        # Both old rows are at the high-water mark, so both are read again; ``a`` keeps what it had.
        expected = [(1, 10, "10", "x"), (2, 20, "20", "y!"), (3, None, "words", "z")]
        assert pipeline.rows("id, a, a__text, b") == expected


@pytest.mark.integration
def test_full_refresh_follows_the_source(pipeline: Pipeline) -> None:
    drifted(
        pipeline,
        Strategy.FULL_REFRESH,
        "ALTER TABLE {t} DROP COLUMN n",
        "ALTER TABLE {t} ALTER COLUMN a TYPE text",
        "ALTER TABLE {t} ADD COLUMN e date",
    )
    pipeline.load(Strategy.FULL_REFRESH)
    assert pipeline.rows("id, a, b, e") == [(1, "10", "x", None), (2, "20", "y", None)]
    if pipeline.sink_system == "postgres":
        table = f"'out.{pipeline.name}'::regclass"
        query = f"SELECT attname FROM pg_attribute WHERE attrelid = {table} AND attnotnull"
        assert set(pipeline.databases.at_sink.execute(query.encode())) >= {("id",), ("a",)}
    with pytest.raises(Exception, match="n"):
        pipeline.rows("id, n")


@pytest.mark.integration
def test_full_refresh_under_a_view(to_postgres: Pipeline) -> None:
    """A view hangs on the target: it cannot be swapped, and must not be broken."""
    import psycopg

    drifted(
        to_postgres,
        Strategy.FULL_REFRESH,
        "DELETE FROM {t} WHERE id = 1",
        "ALTER TABLE {t} ADD COLUMN e date",
    )
    with psycopg.connect(to_postgres.databases.sink, autocommit=True) as connection:
        connection.execute(
            f"CREATE VIEW out.v_{to_postgres.name} AS SELECT id FROM out.{to_postgres.name}".encode()
        )
        record = to_postgres.load(Strategy.FULL_REFRESH)
        assert connection.execute(f"SELECT * FROM out.v_{to_postgres.name}".encode()).fetchall() == [(2,)]
    assert (record.inserted_rows, record.deleted_rows) == (1, 2)
    assert to_postgres.rows("id, e") == [(2, None)]
