"""The consumer that Debezium leaves to its user: change events applied to a PostgreSQL table, by key.

A snapshot is gathered in a stage beside the table and takes its place when Debezium says that it is complete;
later changes are netted per batch and applied in one transaction. Applying a batch twice gives what applying
it once gives, which is what at-least-once delivery asks of a consumer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from certify_driver import Failure  # type: ignore[import-not-found]
from events import Change, Column, Row  # type: ignore[import-not-found]
from psycopg import sql

Key = tuple[Any, ...]

_WIDER = {
    ("smallint", "integer"),
    ("smallint", "bigint"),
    ("integer", "bigint"),
    ("real", "double precision"),
}
_STAGED = sql.Identifier("pg_temp", "_debezium_batch")


@dataclass
class Net:
    """What a run of change events comes to: per key a row, or ``None`` where it was deleted."""

    key: tuple[str, ...]
    rows: dict[Key, Row | None] = field(default_factory=dict)
    partial: dict[Key, Row] = field(default_factory=dict)
    """Rows of which the log left out columns that had not changed; the table has those values."""
    columns: dict[str, Column] = field(default_factory=dict)
    truncated: bool = False

    def add(self, change: Change) -> None:
        """The next event, in the log's order."""
        if change.op == "t":
            self.rows, self.partial, self.truncated = {}, {}, True
            return
        row = change.row or {}
        if any(name not in row for name in self.key):
            raise Failure("unsupported", "the table's replica identity leaves out its primary key")
        key = tuple(row[name] for name in self.key)
        self.columns |= {column.name: column for column in change.columns}
        before = self.rows.pop(key, None)
        if change.op == "d":
            self.partial.pop(key, None)
            self.rows[key] = None
        elif not change.missing:
            self.partial.pop(key, None)
            self.rows[key] = row
        elif before is not None:
            self.rows[key] = {**before, **row}
        elif change.op == "u":
            self.partial[key] = {**self.partial.get(key, {}), **row}
        else:
            # A changed key is a delete and a create to Debezium, and the create lacks what the log lacks.
            raise Failure(
                "data", f"the log has no value of {', '.join(change.missing)} for a row whose key changed"
            )


class PostgresSink:
    """One target table. For one thread; :meth:`transaction` around whatever belongs together."""

    def __init__(self, dsn: str, namespace: str, name: str, key: Sequence[str]) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=None, connect_timeout=10)
        self._connection.execute("SET TimeZone = 'UTC'")
        self._namespace, self._name, self._key = namespace or "public", name, tuple(key)
        self._table = sql.Identifier(self._namespace, name)
        mark = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._stage = sql.Identifier(self._namespace, f"_debezium_{mark}")
        self._columns: tuple[str, ...] = ()

    def transaction(self) -> Any:
        """Commits at the end of the block, or not at all."""
        return self._connection.transaction()

    def close(self) -> None:
        """Give the connection up; what is open is rolled back."""
        self._connection.close()

    def count(self) -> int:
        """Rows in the table now."""
        found = self._connection.execute(sql.SQL("SELECT count(*) FROM {}").format(self._table)).fetchone()
        return int(found[0]) if found else 0

    # --- a snapshot -----------------------------------------------------------------------------------

    def begin_snapshot(self) -> None:
        """Whatever an earlier snapshot left is of no use.

        Raises ``Failure`` (``conflict``) while another connection gathers one: the stage is the table's.
        """
        mine = self._connection.execute(
            "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [self._stage.as_string(None)]
        ).fetchone()
        if not (mine and mine[0]):
            message = f"another load gathers a snapshot of {self._namespace}.{self._name}"
            raise Failure("conflict", message, retryable=True)
        self._connection.execute(
            sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self._namespace))
        )
        self._connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self._stage))

    def stage(self, changes: Sequence[Change]) -> None:
        """Rows of the snapshot."""
        columns = changes[0].columns
        self._create(self._stage, columns)
        self._copy(self._stage, columns, (change.row or {} for change in changes))

    def publish(self, declared: Sequence[Column]) -> None:
        """The stage becomes the table. Of an empty table Debezium sends nothing: then ``declared`` it is."""
        self._create(self._stage, declared)
        self._connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self._table))
        rename = sql.SQL("ALTER TABLE {} RENAME TO {}").format(self._stage, sql.Identifier(self._name))
        self._connection.execute(rename)
        if self._key:
            add = sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(self._table, _names(self._key))
            self._connection.execute(add)

    def _create(self, table: sql.Identifier, columns: Iterable[Column]) -> None:
        parts = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type)) for column in columns
        )
        self._connection.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(table, parts))

    # --- changes --------------------------------------------------------------------------------------

    def apply(self, net: Net) -> int:
        """Inserts, updates and deletes; returns the rows written."""
        self._follow(net.columns.values())
        if net.truncated:
            self._connection.execute(sql.SQL("TRUNCATE {}").format(self._table))
        gone = [key for key, row in net.rows.items() if row is None]
        there: dict[tuple[str, ...], list[Row]] = {}
        for row in net.rows.values():
            if row is not None:
                # By shape: a batch may hold rows from before and after a column was added.
                there.setdefault(tuple(row), []).append(row)
        if gone:
            self._delete([net.columns[name] for name in self._key], gone)
        for names, rows in there.items():
            self._upsert([net.columns[name] for name in names], rows)
        for key, row in net.partial.items():
            self._update(key, row)
        return sum(len(rows) for rows in there.values()) + len(net.partial)

    def _follow(self, columns: Iterable[Column]) -> None:
        """New columns are added, wider types taken over; a column that went stays, NULL from then on."""
        query = """
            SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)
            FROM pg_catalog.pg_attribute AS a
            JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped"""
        known: dict[str, str] = dict(
            self._connection.execute(query, [self._namespace, self._name]).fetchall()
        )
        for column in columns:
            kind = sql.SQL(column.type)
            name = sql.Identifier(column.name)
            have = known.get(column.name)
            if have is None:
                action = sql.SQL("ADD COLUMN {} {}").format(name, kind)
            elif have == column.type or (column.type, have) in _WIDER:
                continue
            elif (have, column.type) in _WIDER:
                action = sql.SQL("ALTER COLUMN {} TYPE {}").format(name, kind)
            else:
                raise Failure("schema", f"column {column.name!r} is {have} here and {column.type} in the log")
            self._connection.execute(sql.SQL("ALTER TABLE {} ").format(self._table) + action)
            known[column.name] = column.type
        self._columns = tuple(known)

    def _delete(self, columns: Sequence[Column], keys: Sequence[Key]) -> None:
        self._fill(columns, (dict(zip(self._key, key, strict=True)) for key in keys))
        statement = "DELETE FROM {} AS old USING {} AS new WHERE {}"
        self._connection.execute(sql.SQL(statement).format(self._table, _STAGED, self._same_key()))

    def _upsert(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        self._fill(columns, rows)
        names = [column.name for column in columns]
        # What a row does not have any more is NULL: EXCLUDED says so for columns that were not inserted.
        others = [name for name in self._columns if name not in self._key]
        sets = sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in others
        )
        action = sql.SQL("UPDATE SET {}").format(sets) if others else sql.SQL("NOTHING")
        statement = "INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT ({}) DO {}"
        self._connection.execute(
            sql.SQL(statement).format(
                self._table, _names(names), _names(names), _STAGED, _names(self._key), action
            )
        )

    def _update(self, key: Key, row: Row) -> None:
        others = [name for name in row if name not in self._key]
        if not others:
            return  # nothing of the row changed
        sets = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in others)
        where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in self._key)
        statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(self._table, sets, where)
        done = self._connection.execute(statement, [*(row[name] for name in others), *key]).rowcount
        if done != 1:
            raise Failure("state", "the log leaves out values of a row that the table does not have")

    def _fill(self, columns: Sequence[Column], rows: Iterable[Row]) -> None:
        self._connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_STAGED))
        self._create(_STAGED, columns)
        self._copy(_STAGED, columns, rows)

    def _copy(self, table: sql.Identifier, columns: Sequence[Column], rows: Iterable[Row]) -> None:
        names = [column.name for column in columns]
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(table, _names(names))
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row([row.get(name) for name in names])

    def _same_key(self) -> sql.Composed:
        return sql.SQL(" AND ").join(
            sql.SQL("old.{0} = new.{0}").format(sql.Identifier(name)) for name in self._key
        )


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)
