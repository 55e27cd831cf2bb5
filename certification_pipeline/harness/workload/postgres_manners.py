"""The statements of each :class:`Manner` in PostgreSQL; all take an open connection without autocommit.

Driver errors pass through: the caller explains them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import psycopg
import pyarrow as pa
from psycopg import sql

from certification_pipeline.catalog.vocabulary import DriftKind
from certification_pipeline.harness.workload.manners import Manner
from certification_pipeline.harness.workload.postgres_statements import (
    STAGED,
    change_steps,
    copy_rows,
    delete_rows,
    expect_rows,
    stage_rows,
    update_rows,
)
from certification_pipeline.harness.workload.rounds import Change
from certification_pipeline.harness.workload.spec import Column, LogicalType

_FORMER = "_certify_former_key"
_WHOLE = sql.Identifier("pg_temp", "_certify_whole")


def do_round(
    connection: psycopg.Connection, table: sql.Identifier, change: Change, manner: Manner = Manner.PLAIN
) -> None:
    """The whole round in that manner; the last transaction is left open."""
    _MANNERS[manner](connection, table, change)


def _plain(connection: psycopg.Connection, table: sql.Identifier, change: Change) -> None:
    for step in change_steps(connection, table, change):
        step()


def _keys_move(connection: psycopg.Connection, table: sql.Identifier, change: Change) -> None:
    moved = min(change.inserts.num_rows, change.deletes.num_rows)
    key = change.spec.primary_key[0]
    _move(connection, table, change, change.inserts.slice(0, moved), change.deletes.column(key)[:moved])
    copy_rows(connection, table, change.spec, change.inserts.slice(moved).to_batches())
    delete_rows(connection, table, change.spec, change.deletes.slice(moved))
    _exchange(connection, table, change)


def _exchange(connection: psycopg.Connection, table: sql.Identifier, change: Change) -> None:
    """Each updated row leaves its place to the next one: all step aside first."""
    key, rows = change.spec.primary_key[0], change.updates
    if not rows.num_rows:
        return
    stage_rows(connection, [change.spec.column(key)], rows.select([key]))
    aside = sql.SQL("UPDATE {0} AS old SET {1} = -old.{1} FROM {2} AS new WHERE old.{1} = new.{1}")
    done = connection.execute(aside.format(table, sql.Identifier(key), STAGED)).rowcount
    expect_rows(done, rows.num_rows, "rows that stepped aside")
    connection.execute(sql.SQL("DROP TABLE {}").format(STAGED))
    keys = [-number.as_py() for number in rows.column(key)]
    _move(connection, table, change, rows, pa.chunked_array([pa.array([*keys[1:], keys[0]], pa.int64())]))


def _move(
    connection: psycopg.Connection,
    table: sql.Identifier,
    change: Change,
    rows: pa.Table,
    former: pa.ChunkedArray,
) -> None:
    """The rows with the keys ``former`` become ``rows``, keys and all."""
    staged = rows.append_column(pa.field(_FORMER, pa.int64()), former.combine_chunks())
    stage_rows(connection, [*change.spec.columns, Column(_FORMER, LogicalType.INT64)], staged)
    sets = sql.SQL(", ").join(
        sql.SQL("{0} = new.{0}").format(sql.Identifier(name)) for name in change.spec.column_names
    )
    statement = sql.SQL("UPDATE {} AS old SET {} FROM {} AS new WHERE old.{} = new.{}")
    key = sql.Identifier(change.spec.primary_key[0])
    done = connection.execute(statement.format(table, sets, STAGED, key, sql.Identifier(_FORMER))).rowcount
    expect_rows(done, rows.num_rows, "rows that moved to another key")
    connection.execute(sql.SQL("DROP TABLE {}").format(STAGED))


def _delete_and_insert(connection: psycopg.Connection, table: sql.Identifier, change: Change) -> None:
    _deleted_first(connection, table, change)
    _inserted_again(connection, table, change)


def _delete_commit_insert(connection: psycopg.Connection, table: sql.Identifier, change: Change) -> None:
    _deleted_first(connection, table, change)
    connection.commit()
    _inserted_again(connection, table, change)


def _deleted_first(connection: psycopg.Connection, table: sql.Identifier, change: Change) -> None:
    copy_rows(connection, table, change.spec, change.inserts.to_batches())
    for rows in (change.inserts, change.updates, change.deletes):
        delete_rows(connection, table, change.spec, rows)


def _inserted_again(connection: psycopg.Connection, table: sql.Identifier, change: Change) -> None:
    for rows in (change.inserts, change.updates):
        copy_rows(connection, table, change.spec, rows.to_batches())


def _truncate(connection: psycopg.Connection, table: sql.Identifier, change: Change) -> None:
    # The round is done to a copy, so that the log of the table shows the truncation and inserts alone.
    connection.execute(sql.SQL("CREATE TABLE {} AS SELECT * FROM {}").format(_WHOLE, table))
    _plain(connection, _WHOLE, change)
    connection.execute(sql.SQL("TRUNCATE {}").format(table))
    connection.execute(sql.SQL("INSERT INTO {} SELECT * FROM {}").format(table, _WHOLE))
    connection.execute(sql.SQL("DROP TABLE {}").format(_WHOLE))


def _two_layouts(connection: psycopg.Connection, table: sql.Identifier, change: Change) -> None:
    drift = change.drift
    if drift is None or drift.kind is not DriftKind.ADD:
        raise ValueError("two layouts need a round that adds a column")
    columns = tuple(column for column in change.spec.columns if column.name != drift.column)
    before = replace(change.spec, columns=columns)
    update_rows(connection, table, before, change.updates.select(list(before.column_names)))
    for step in change_steps(connection, table, change):
        connection.commit()
        step()


_Do = Callable[[psycopg.Connection, sql.Identifier, Change], None]
_MANNERS: Mapping[Manner, _Do] = MappingProxyType(
    {
        Manner.PLAIN: _plain,
        Manner.KEYS_MOVE: _keys_move,
        Manner.DELETE_AND_INSERT: _delete_and_insert,
        Manner.DELETE_COMMIT_INSERT: _delete_commit_insert,
        Manner.TRUNCATE: _truncate,
        Manner.TWO_LAYOUTS: _two_layouts,
    }
)
