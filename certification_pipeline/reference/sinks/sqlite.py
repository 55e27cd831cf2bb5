"""SQLite as a sink: rows into a staging table, set-based finalization, one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import DataObject
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference.artifacts import ExtractResult
from certification_pipeline.reference.dialects.sqlite import SQLiteDialect, parse_type
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.pgtext import arrow_batches
from certification_pipeline.reference.schema import RESERVED_PREFIX, Column, ColumnType
from certification_pipeline.reference.sinks.base import STATE_COLUMNS, Sink, short_hash

Cell = int | float | str | bytes | None
BUSY_SECONDS = 5.0
WIDEST_DECIMAL = 38


class SQLiteSink(Sink):
    """A table in a SQLite file."""

    def __init__(self, obj: DataObject) -> None:
        super().__init__(obj)
        self.namespace = ""
        self.dialect = SQLiteDialect()
        self._path = Path(obj.dsn)
        if not self._path.is_absolute():
            raise LoadError(
                FailureCategory.CONFIGURATION, f"sink dsn {obj.dsn!r}: an absolute path is needed"
            )
        if self.name.lower().startswith("sqlite_"):
            raise LoadError(
                FailureCategory.SCHEMA, f"table {self.name!r}: SQLite reserves names with sqlite_"
            )
        # isolation_level None: transactions are ours alone, also around DDL.
        self._connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        # Write-ahead log: a reader sees the old table for as long as we write, and never waits.
        self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA trusted_schema = OFF")
        # Else a rename is refused while a view names the table that is being replaced.
        self._connection.execute("PRAGMA legacy_alter_table = ON")

    def identity(self) -> str:
        """The file."""
        return f"sqlite:{self._path.resolve()}"

    def begin(self) -> None:
        """Take the write lock at once; busy is ``conflict``."""
        self.run("BEGIN IMMEDIATE")
        self.run(f"CREATE TABLE IF NOT EXISTS {self.state_table} ({STATE_COLUMNS.format(text='TEXT')})")
        self.drop_stage()

    def commit(self) -> None:
        """COMMIT."""
        self.run("COMMIT")

    def rollback(self) -> None:
        """ROLLBACK, unless SQLite already did."""
        if self._connection.in_transaction:
            self.run("ROLLBACK")

    def close(self) -> None:
        """Close the file; the last one out folds the write-ahead log in."""
        self._connection.close()

    def run(self, sql: str) -> int:
        """Run one statement; its row count."""
        return max(0, self._connection.execute(sql).rowcount)

    def query(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run one query."""
        return self._connection.execute(sql).fetchall()

    def columns(self) -> tuple[Column, ...] | None:
        """From ``pragma_table_info``."""
        found = self.query(
            f'SELECT name, type, "notnull" FROM pragma_table_info({self.dialect.literal(self.name)})'
        )
        return (
            tuple(Column(name, parse_type(declared), not required) for name, declared, required in found)
            or None
        )

    def fill_stage(self, extract: ExtractResult) -> int:
        """Prepared INSERTs into staging, inside the load's transaction."""
        marks = ", ".join("?" * len(extract.schema))
        insert = f"INSERT INTO {self.stage_table} VALUES ({marks})"
        staged = 0
        for batch in arrow_batches(extract.artifact, extract.schema):
            staged += self._connection.executemany(insert, cells(batch, extract.schema)).rowcount
        return staged

    def prepare_finalize(self, keys: Sequence[str]) -> None:
        """Indexes on the key, on both sides: without them every lookup would read the whole table."""
        if not keys:
            return
        names = self.dialect.names(keys)
        for table, quoted in ((self.stage_name, self.stage_table), (self.name, self.target)):
            index = self.dialect.quote(f"{RESERVED_PREFIX}key_{short_hash(table)}")
            self.run(f"CREATE INDEX IF NOT EXISTS {index} ON {quoted} ({names})")

    def storable(self, column_type: ColumnType) -> bool:
        """The type matrix, decimals up to 38 digits."""
        if column_type.kind is LogicalType.DECIMAL and column_type.params:
            return column_type.params[0] <= WIDEST_DECIMAL and min(column_type.params) >= 0
        return column_type.kind is not None


def cells(batch: pa.Table, columns: Sequence[Column]) -> Iterator[tuple[Cell, ...]]:
    """Rows as SQLite stores them: decimals, times, uuid and json as text, booleans 0 and 1, lists as JSON."""
    converted = [_column(batch.column(i), column.type.kind) for i, column in enumerate(columns)]
    return zip(*converted, strict=True)


def _column(values: pa.ChunkedArray, kind: LogicalType | None) -> Iterable[Cell]:
    if kind in _RENDERED:
        return _each(values, _RENDERED[kind])
    match kind:
        case LogicalType.BOOL:
            values = values.cast(pa.int8())
        case LogicalType.TIMESTAMP:
            values = _clock(values)
        case LogicalType.TIMESTAMPTZ:
            values = pc.binary_join_element_wise(_clock(values.cast(pa.timestamp("us"))), "+00:00", "")
    return _list(values)


def _json(value: list[Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_RENDERED: dict[LogicalType | None, Callable[[Any], str]] = {
    LogicalType.DECIMAL: lambda value: format(value, "f"),
    LogicalType.DATE: lambda value: str(value.isoformat()),
    LogicalType.INT_ARRAY: _json,
    LogicalType.TEXT_ARRAY: _json,
}


def _clock(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """ISO text with six places, always: so that texts compare as instants do."""
    return pc.strftime(values, format="%Y-%m-%d %H:%M:%S")


def _list(values: pa.ChunkedArray) -> list[Cell]:
    result: list[Cell] = values.to_pylist()
    return result


def _each(values: pa.ChunkedArray, render: Callable[[Any], str]) -> list[Cell]:
    return [None if value is None else render(value) for value in values.to_pylist()]
