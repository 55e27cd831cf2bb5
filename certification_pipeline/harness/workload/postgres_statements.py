"""The statements that make, fill and change a source table in PostgreSQL; all take an open connection.

Driver errors pass through: the caller explains them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import psycopg
import pyarrow as pa
from psycopg import sql

from certification_pipeline.catalog.vocabulary import DriftKind
from certification_pipeline.harness.workload.postgres_copy import COPY_OPTIONS, POSTGRES_TYPES, copy_csv
from certification_pipeline.harness.workload.recipe import Drift
from certification_pipeline.harness.workload.rounds import Change, Workload
from certification_pipeline.harness.workload.source import SourceError
from certification_pipeline.harness.workload.spec import Column, TableSpec

TEMPLATES = "_certify_templates"
MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names silently (NAMEDATALEN - 1)."""

STAGED = sql.Identifier("pg_temp", "_certify_new")


def check_name(name: str) -> None:
    """Refuse a name that PostgreSQL would silently cut or cannot hold."""
    if not 0 < len(name.encode()) <= MAX_NAME_BYTES or "\0" in name:
        raise SourceError(f"{name!r} cannot be a PostgreSQL name", f"use 1 to {MAX_NAME_BYTES} bytes")


def create_schema(connection: psycopg.Connection, name: str) -> None:
    """Make the schema unless it is there. ``IF NOT EXISTS`` alone races with itself, hence the lock."""
    # Asked of the catalogue, not of to_regnamespace: its negative cache may outlast the wait for the lock.
    query = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = %s"
    if connection.execute(query, [name]).fetchone() == (0,):
        _lock(connection, f"schema {name}")
        if connection.execute(query, [name]).fetchone() == (0,):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))


def create_table(connection: psycopg.Connection, table: sql.Identifier, spec: TableSpec) -> None:
    """An empty table of that shape; without a primary key, updates are logged with whole old rows."""
    for column in spec.columns:
        check_name(column.name)
    parts: list[sql.Composable] = [_definition(column) for column in spec.columns]
    if spec.primary_key:
        parts.append(sql.SQL("PRIMARY KEY ({})").format(column_list(spec.primary_key)))
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(parts)))
    if not spec.primary_key:
        connection.execute(sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL").format(table))


def table_exists(connection: psycopg.Connection, namespace: str, name: str) -> bool:
    """Whether there is a relation of that name; asked of the catalogue for the same reason."""
    query = """
        SELECT count(*) FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relname = %s"""
    return connection.execute(query, [namespace, name]).fetchone() != (0,)


def count_rows(connection: psycopg.Connection, table: sql.Identifier) -> int:
    """Rows in the table now."""
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
    return int(row[0]) if row else 0


def expect_rows(seen: int, expected: int, what: str) -> None:
    """The source must have taken exactly what it was given."""
    if seen != expected:
        raise SourceError(
            f"{what}: expected {expected}, PostgreSQL says {seen}",
            "give each table one writer, and apply its change rounds once each, in order",
        )


def copy_rows(
    connection: psycopg.Connection, table: sql.Identifier, spec: TableSpec, batches: Iterable[pa.RecordBatch]
) -> None:
    """Send rows by COPY; memory stays at one batch."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN {}").format(
        table, column_list(spec.column_names), sql.SQL(COPY_OPTIONS)
    )
    sent = 0
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for batch in batches:
                copy.write(copy_csv(batch))
                sent += batch.num_rows
        expect_rows(cursor.rowcount, sent, "copied rows")


def template_table(connection: psycopg.Connection, workload: Workload) -> sql.Identifier:
    """The template of a workload, made by whoever comes first; others wait for its commit."""
    digest = hashlib.blake2b(f"{workload.identity} {workload.spec!r}".encode(), digest_size=8).hexdigest()
    name = f"{workload.name[:30]}_{workload.rows}_{digest}"
    table = sql.Identifier(TEMPLATES, name)
    if not table_exists(connection, TEMPLATES, name):
        with connection.transaction():
            create_schema(connection, TEMPLATES)
            _lock(connection, table.as_string())
            if not table_exists(connection, TEMPLATES, name):
                create_table(connection, table, workload.spec)
                copy_rows(connection, table, workload.spec, workload.initial())
    return table


def change_steps(
    connection: psycopg.Connection, table: sql.Identifier, change: Change
) -> list[Callable[[], None]]:
    """What a change round does, in order; each step may be a transaction of its own."""
    steps: list[Callable[[], None]] = []
    if change.drift:
        steps.append(partial(_drift, connection, table, change.drift))
    if change.inserts.num_rows:
        steps.append(partial(copy_rows, connection, table, change.spec, change.inserts.to_batches()))
    if change.updates.num_rows:
        steps.append(partial(update_rows, connection, table, change.spec, change.updates))
    if change.deletes.num_rows:
        steps.append(partial(delete_rows, connection, table, change.spec, change.deletes))
    return steps


def update_rows(
    connection: psycopg.Connection, table: sql.Identifier, spec: TableSpec, rows: pa.Table
) -> None:
    """Set every column of the rows with those keys to the images given."""
    key = spec.primary_key
    assigned = [name for name in spec.column_names if name not in key]
    stage_rows(connection, spec.columns, rows)
    sets = sql.SQL(", ").join(sql.SQL("{0} = new.{0}").format(sql.Identifier(name)) for name in assigned)
    statement = sql.SQL("UPDATE {} AS old SET {} FROM {} AS new WHERE {}")
    done = connection.execute(statement.format(table, sets, STAGED, same_key(key))).rowcount
    expect_rows(done, rows.num_rows, "updated rows")
    connection.execute(sql.SQL("DROP TABLE {}").format(STAGED))


def delete_rows(
    connection: psycopg.Connection, table: sql.Identifier, spec: TableSpec, rows: pa.Table
) -> None:
    """Delete the rows with those keys."""
    key = spec.primary_key
    stage_rows(connection, [spec.column(name) for name in key], rows.select(list(key)))
    statement = sql.SQL("DELETE FROM {} AS old USING {} AS new WHERE {}")
    done = connection.execute(statement.format(table, STAGED, same_key(key))).rowcount
    expect_rows(done, rows.num_rows, "deleted rows")
    connection.execute(sql.SQL("DROP TABLE {}").format(STAGED))


def stage_rows(connection: psycopg.Connection, columns: Sequence[Column], rows: pa.Table) -> None:
    """Put rows into the temporary table :data:`STAGED`, which must not be there yet; the caller drops it."""
    definitions = sql.SQL(", ").join(_definition(column) for column in columns)
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(STAGED, definitions))
    spec = TableSpec("_certify_new", tuple(columns), (columns[0].name,), None, None)
    copy_rows(connection, STAGED, spec, rows.to_batches())


def _drift(connection: psycopg.Connection, table: sql.Identifier, drift: Drift) -> None:
    column = sql.Identifier(drift.column)
    alter = sql.SQL("ALTER TABLE {} ").format(table)
    match drift.kind:
        case DriftKind.ADD:
            action = sql.SQL("ADD COLUMN {} {}").format(column, _type(drift))
        case DriftKind.DROP:
            action = sql.SQL("DROP COLUMN {}").format(column)
        case DriftKind.WIDEN | DriftKind.NARROW:
            action = sql.SQL("ALTER COLUMN {0} TYPE {1} USING {0}::{1}").format(column, _type(drift))
        case DriftKind.RENAME:
            action = sql.SQL("RENAME COLUMN {} TO {}").format(column, sql.Identifier(drift.new_name or ""))
        case DriftKind.NULL:
            action = sql.SQL("ALTER COLUMN {} DROP NOT NULL").format(column)
    connection.execute(alter + action)


def _type(drift: Drift) -> sql.SQL:
    if drift.new_type is None:
        raise ValueError(f"a drift '{drift.kind}' needs new_type")
    return sql.SQL(POSTGRES_TYPES[drift.new_type])


def _definition(column: Column) -> sql.Composed:
    form = "{} {}" if column.nullable else "{} {} NOT NULL"
    return sql.SQL(form).format(sql.Identifier(column.name), sql.SQL(POSTGRES_TYPES[column.type]))


def column_list(names: Iterable[str]) -> sql.Composed:
    """``"a", "b"``."""
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def same_key(key: tuple[str, ...]) -> sql.Composed:
    """``old."id" = new."id"``."""
    return sql.SQL(" AND ").join(sql.SQL("old.{0} = new.{0}").format(sql.Identifier(name)) for name in key)


def _lock(connection: psycopg.Connection, what: str) -> None:
    """An advisory lock until the end of the transaction."""
    number = int.from_bytes(hashlib.blake2b(what.encode(), digest_size=8).digest(), "big", signed=True)
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [number])
