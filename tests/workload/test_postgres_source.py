"""PostgreSQL holds exactly the generated rows, type by type, after seeding and after every round."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from psycopg import sql

from certification_pipeline.harness.workload import postgres_source
from certification_pipeline.harness.workload.postgres_copy import POSTGRES_TYPES
from certification_pipeline.harness.workload.postgres_source import PostgresSource, drop_templates
from certification_pipeline.harness.workload.postgres_statements import TEMPLATES
from certification_pipeline.harness.workload.source import SourceError, TransactionalSource
from certification_pipeline.harness.workload.spec import Column, LogicalType, TableSpec
from certification_pipeline.harness.workload.tables import RECIPES, build_workload

from .replay import Row, after_drift, apply, exact_rows, initial_table, parsed_json

pytestmark = pytest.mark.integration

_AS_TEXT = (LogicalType.JSON, LogicalType.UUID)


def _read(dsn: str, source: PostgresSource, spec: TableSpec) -> list[Row]:
    """All rows by SELECT over the binary protocol: another way out than the text COPY that put them in."""
    columns = sql.SQL(", ").join(
        sql.SQL("{}::text" if spec.column(name).type in _AS_TEXT else "{}").format(sql.Identifier(name))
        for name in spec.column_names
    )
    query = sql.SQL("SELECT {} FROM {} ORDER BY id").format(
        columns, sql.Identifier(source.namespace, source.table)
    )
    with psycopg.connect(dsn, options="-c TimeZone=UTC") as connection:
        rows = connection.cursor(binary=True).execute(query).fetchall()
    return [dict(zip(spec.column_names, row, strict=True)) for row in rows]


def _assert_holds(dsn: str, source: PostgresSource, spec: TableSpec, expected: list[Row]) -> None:
    held = _read(dsn, source, spec)
    assert len(held) == len(expected)
    for seen, wanted in zip(exact_rows(held), exact_rows(expected), strict=True):
        for name in spec.column_names:
            assert seen[name] == wanted[name], f"id {wanted['id']}, column {name}"


def _catalog_types(dsn: str, source: PostgresSource) -> dict[str, tuple[str, bool]]:
    query = """
        SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"""
    with psycopg.connect(dsn) as connection:
        return {n: (t, null) for n, t, null in connection.execute(query, [source.qualified_name])}


_ROWS = {"standard": 400, "wide": 60}


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"narrow", "empty", "funky_one_case"}))
def test_postgres_holds_what_was_generated(
    postgres_dsn: str, namespace: str, name: str, together: bool
) -> None:
    workload = build_workload(name, _ROWS.get(name, 200), 11)
    state = {row["id"]: row for row in initial_table(workload).to_pylist()}
    with PostgresSource(postgres_dsn, namespace, workload.table_name) as source:
        source.seed(workload)
        assert source.count() == workload.rows
        _assert_holds(postgres_dsn, source, workload.spec, list(state.values()))
        for number in range(1, workload.changes + 1):
            change = workload.change(number)
            source.apply(change, in_one_transaction=together)
            if change.drift:
                state = {key: after_drift(name, row) for key, row in state.items()}
            apply(state, change)
            _assert_holds(postgres_dsn, source, change.spec, [state[key] for key in sorted(state)])
            assert _catalog_types(postgres_dsn, source) == {
                c.name: (POSTGRES_TYPES[c.type], c.nullable) for c in change.spec.columns
            }


def test_json_is_printed_by_postgres_as_it_was_generated(postgres_dsn: str, namespace: str) -> None:
    workload = build_workload("types", 200, 13)
    with PostgresSource(postgres_dsn, namespace, "t") as source:
        source.seed(workload)
        held = [row["json_required"] for row in _read(postgres_dsn, source, workload.spec)]
    generated = initial_table(workload)["json_required"].to_pylist()
    assert held == generated
    assert [parsed_json(text) for text in generated]  # and each is JSON for Python too


def test_a_lost_or_changed_value_would_be_seen(postgres_dsn: str, namespace: str) -> None:
    """The fidelity check itself can fail: the smallest edits of each kind of value turn it red."""
    workload = build_workload("types", 60, 1)
    edits = [
        "float64_required = 0.0 WHERE float64_required::text = '-0'",
        "decimal_required = decimal_required + 0.0000000001 WHERE decimal_required = 0",
        "text_required = text_required || ' ' WHERE text_required = ''",
        "timestamptz_required = timestamptz_required + interval '1 microsecond' WHERE id % 50 = 0",
        "text_null = '' WHERE text_null IS NULL",
        "text_array_required = '{NULL}' WHERE text_array_required = '{}'",
    ]
    for number, edit in enumerate(edits):
        with PostgresSource(postgres_dsn, namespace, f"t{number}") as source:
            source.seed(workload)
            assert source.execute(f"UPDATE {source.qualified_name} SET {edit}") >= 1
            with pytest.raises(AssertionError):
                _assert_holds(postgres_dsn, source, workload.spec, initial_table(workload).to_pylist())


def test_many_seedings_at_once_make_one_template(postgres_dsn: str, namespace: str) -> None:
    drop_templates(postgres_dsn)
    workload = build_workload("narrow", 500, 21)
    failures: list[BaseException] = []

    def seed(number: int) -> None:
        try:
            with PostgresSource(postgres_dsn, f"{namespace}_{number % 2}", f"t{number}") as source:
                source.seed(workload)
                assert source.count() == 500
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=seed, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with psycopg.connect(postgres_dsn) as connection:
        query = "SELECT count(*) FROM pg_tables WHERE schemaname = %s"
        assert connection.execute(query, [TEMPLATES]).fetchone() == (1,)


def test_rows_from_template_and_by_copy_are_the_same(
    postgres_dsn: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = build_workload("types", 100, 5)
    held: list[list[dict[str, Any]]] = []
    for table in ("templated", "copied"):
        with PostgresSource(postgres_dsn, namespace, table) as source:
            source.seed(workload)
            held.append(exact_rows(_read(postgres_dsn, source, workload.spec)))
        monkeypatch.setattr("certification_pipeline.harness.workload.postgres_source.TEMPLATE_MAX_ROWS", 10)
    assert held[0] == held[1]


def _transactions(dsn: str, source: PostgresSource) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            f"SELECT count(DISTINCT xmin::text) FROM {source.qualified_name}".encode()
        ).fetchone()
    assert row
    return int(row[0])


def test_steps_are_transactions_of_their_own_unless_told_otherwise(postgres_dsn: str, namespace: str) -> None:
    workload = build_workload("narrow", 200, 6)
    for table, together, expected in (("apart", False, 3), ("together", True, 2)):
        with PostgresSource(postgres_dsn, namespace, table) as source:
            source.seed(workload)
            source.apply(workload.change(1), in_one_transaction=together)
            # Rows are left by the seed, by inserts and by updates; deletes leave none.
            assert _transactions(postgres_dsn, source) == expected


def test_an_open_transaction_is_invisible_until_committed(postgres_dsn: str, namespace: str) -> None:
    workload = build_workload("narrow", 200, 6)
    change = workload.change(1)
    after = 200 + change.inserts.num_rows - change.deletes.num_rows
    with PostgresSource(postgres_dsn, namespace, "t") as source:
        source.seed(workload)
        with source.open_transaction() as transaction:
            transaction.apply(change)
            assert source.count() == 200
        assert source.count() == 200  # left without commit: rolled back
        with source.open_transaction() as transaction:
            transaction.apply(change)
            transaction.rollback()
            assert transaction.execute(f"DELETE FROM {source.qualified_name} WHERE id <= 10") == 10
            transaction.rollback()
            transaction.apply(change)
            transaction.commit()
        assert source.count() == after


def test_applying_a_round_twice_or_out_of_order_is_refused_and_leaves_the_step_undone(
    postgres_dsn: str, namespace: str
) -> None:
    workload = build_workload("narrow", 200, 6)
    with PostgresSource(postgres_dsn, namespace, "t") as source:
        source.seed(workload)
        source.apply(workload.change(1))
        count = source.count()
        with pytest.raises(SourceError, match="change round 1 of"):
            source.apply(workload.change(1))
        source.execute(f"DELETE FROM {source.qualified_name} WHERE id = 1")  # class 0: updated in every round
        with pytest.raises(SourceError, match=r"updated rows: expected \d+, PostgreSQL says \d+ — give each"):
            source.apply(workload.change(2), in_one_transaction=True)
        assert source.count() == count - 1


def test_a_table_with_rows_is_not_seeded_again(postgres_dsn: str, namespace: str) -> None:
    workload = build_workload("narrow", 60, 6)
    with PostgresSource(postgres_dsn, namespace, "t") as source:
        source.create(workload.spec)
        source.seed(workload)  # created and empty: fine
        with pytest.raises(SourceError, match="already has rows — drop it"):
            source.seed(workload)
        source.drop()
        source.drop()
        source.seed(workload)
        assert source.count() == 60


def test_the_empty_workload(postgres_dsn: str, namespace: str) -> None:
    workload = build_workload("empty", 10, 1)
    with PostgresSource(postgres_dsn, namespace, "t") as source:
        source.seed(workload)
        source.apply(workload.change(1))
        assert source.count() == 0


def test_names_that_postgres_would_cut_are_refused(postgres_dsn: str, namespace: str) -> None:
    with pytest.raises(SourceError, match="1 to 63 bytes"):
        PostgresSource(postgres_dsn, namespace, "ü" * 32)
    spec = TableSpec(
        "t", (Column("id", LogicalType.INT64, False), Column("x" * 64, LogicalType.TEXT)), ("id",), None, None
    )
    with (
        PostgresSource(postgres_dsn, namespace, "t") as source,
        pytest.raises(SourceError, match="1 to 63 bytes"),
    ):
        source.create(spec)


def test_without_a_primary_key_whole_rows_are_logged(postgres_dsn: str, namespace: str) -> None:
    spec = TableSpec("t", (Column("a", LogicalType.TEXT),), (), None, None)
    query = "SELECT relreplident FROM pg_class WHERE oid = %s::regclass"
    for table, shape, identity in (("bare", spec, "f"), ("keyed", RECIPES["narrow"].spec, "d")):
        with (
            PostgresSource(postgres_dsn, namespace, table) as source,
            psycopg.connect(postgres_dsn) as connection,
        ):
            source.create(shape)
            assert connection.execute(query, [source.qualified_name]).fetchone() == (identity,)


def test_a_dead_service_is_one_clear_line_without_the_password() -> None:
    source = PostgresSource("postgresql://u:S3cretPassw0rd@127.0.0.1:1/source", "n", "t")
    with pytest.raises(SourceError) as caught:
        source.count()
    assert "see whether the service is alive" in str(caught.value)
    assert "S3cretPassw0rd" not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(SourceError) as caught:
        PostgresSource("postgresql://u:S3cretPassw0rd@h:port/x?bad option", "n", "t").count()
    assert "S3cretPassw0rd" not in str(caught.value)
    assert "S3cretPassw0rd" not in repr(source)


def test_a_broken_connection_is_replaced(postgres_dsn: str, namespace: str) -> None:
    with PostgresSource(postgres_dsn, namespace, "t") as source:
        source.seed(build_workload("narrow", 60, 6))
        with pytest.raises(SourceError, match="see whether the service is alive"):
            source.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert source.count() == 60


def test_a_table_that_somebody_holds_is_told_instead_of_waited_for(
    postgres_dsn: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_source, "LOCK_SECONDS", 1)
    workload = build_workload("drift_add", 120, 1)
    with PostgresSource(postgres_dsn, namespace, workload.table_name) as source:
        source.seed(workload)
        with source.open_transaction() as idle:
            idle.execute(f"SELECT 1 FROM {source.qualified_name} LIMIT 1")
            with pytest.raises(SourceError, match="lock timeout"):
                source.apply(workload.change(1))
        source.apply(workload.change(1))


def test_it_is_a_source_writer(postgres_dsn: str) -> None:
    writer: TransactionalSource = PostgresSource(postgres_dsn, "n", 'a"b')
    assert writer.qualified_name == '"n"."a""b"'
    writer.close()
