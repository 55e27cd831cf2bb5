"""What dpone leaves to its operator: schemas, and where a configuration asks for it, tables and a view.

None of this is dpone's work. "Provision approved target DDL before the first run" (docs/postgres.md). That
arrays reach dpone as JSON, by a view of the source, is a way round its defect with them; JSON is what
docs/type-mapping-matrix.md prefers for values that only a vendor has, arrays among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from manifest import COLUMN_TYPES, schemas, source_schema  # type: ignore[import-not-found]
from psycopg import sql

_COLUMNS = """
    SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typcategory = 'A', a.attnotnull
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum"""
_ROW_HASH = ("__dpone__row_hash", "text", False, False)

Column = tuple[str, str, bool, bool]
"""Name, type, whether it is an array, whether it is NOT NULL."""


def make_schemas(job: Any) -> None:
    """Target, staging and state schema: dpone makes tables, the operator makes schemas."""
    with _connect(job.sink.dsn) as database:
        for schema in schemas(job):
            database.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))


def make_target(job: Any) -> None:
    """The target with the columns of the request, all nullable."""
    _create(job, [(each.name, COLUMN_TYPES[each.type], False) for each in job.columns])


def provision(job: Any) -> None:
    """The target with the source's types and NOT NULL, arrays as JSON; scd2's columns are dpone's to make.

    What a view shows is never NOT NULL, so neither is a target that is filled through one.
    """
    if job.strategy == "scd2":
        return
    with _connect(job.source.dsn) as database:
        columns = _columns(database, job)
    if not columns:
        return  # no such table: dpone is to say so
    if job.strategy == "snapshot_diff":
        columns.append(_ROW_HASH)
    viewed = any(is_array for _, _, is_array, _ in columns)
    _create(
        job,
        [
            (name, "jsonb" if is_array else kind, required and not viewed)
            for name, kind, is_array, required in columns
        ],
    )


@contextmanager
def view(job: Any) -> Iterator[str]:
    """For one load, a view of the source table with its arrays as JSON; yields the schema to read from.

    A table without arrays is read itself. The view goes with the load: it would hold the columns fast.
    """
    with _connect(job.source.dsn) as database:
        columns = _columns(database, job)
        if not any(is_array for _, _, is_array, _ in columns):
            yield source_schema(job)
            return
        where = f"{source_schema(job)}_view"
        name = sql.Identifier(where, job.source.name)
        selected = sql.SQL(", ").join(
            sql.SQL("to_jsonb({0}) AS {0}" if is_array else "{0}").format(sql.Identifier(column))
            for column, _, is_array, _ in columns
        )
        database.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(where)))
        database.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(name))
        table = sql.Identifier(source_schema(job), job.source.name)
        database.execute(sql.SQL("CREATE VIEW {} AS SELECT {} FROM {}").format(name, selected, table))
        try:
            yield where
        finally:
            database.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(name))


def _create(job: Any, columns: list[tuple[str, str, bool]]) -> None:
    parts = sql.SQL(", ").join(
        sql.SQL("{} {} {}").format(
            sql.Identifier(name), sql.SQL(kind), sql.SQL("NOT NULL" if required else "NULL")
        )
        for name, kind, required in columns
    )
    table = sql.Identifier(schemas(job)[0], job.sink.name)
    with _connect(job.sink.dsn) as database:
        database.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(table, parts))


def _columns(database: psycopg.Connection, job: Any) -> list[Column]:
    return list(database.execute(_COLUMNS, (source_schema(job), job.source.name)).fetchall())


def _connect(dsn: str) -> psycopg.Connection:
    return psycopg.connect(dsn, autocommit=True, connect_timeout=10)
