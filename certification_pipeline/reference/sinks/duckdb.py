"""DuckDB as a sink: Arrow into a staging table, set-based finalization, one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import DataObject
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference.artifacts import ExtractResult
from certification_pipeline.reference.dialects.duckdb import DuckDBDialect, parse_type
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.pgtext import arrow_batches
from certification_pipeline.reference.schema import RESERVED_PREFIX, Column, ColumnType
from certification_pipeline.reference.sinks.base import STATE_COLUMNS, Sink

WIDEST_DECIMAL = 38


class DuckDBSink(Sink):
    """A table in a DuckDB file. DuckDB itself lets only one process write to a file."""

    def __init__(self, obj: DataObject) -> None:
        super().__init__(obj)
        self.namespace = obj.namespace or "main"
        self.dialect = DuckDBDialect()
        self._path = self._database(obj)
        self._open_transaction = False
        self._connection = duckdb.connect(self._path)
        # ICU's default would be the machine's zone; extensions must not be looked for on the network.
        self._connection.execute("SET TimeZone = 'UTC'; SET autoinstall_known_extensions = false")

    def _database(self, obj: DataObject) -> str:
        path = Path(obj.dsn)
        if not path.is_absolute():
            raise LoadError(
                FailureCategory.CONFIGURATION, f"sink dsn {obj.dsn!r}: an absolute path is needed"
            )
        return str(path)

    def identity(self) -> str:
        """The file."""
        return f"duckdb:{Path(self._path).resolve()}"

    def begin(self) -> None:
        """One transaction for all; leftovers of a crash were rolled back by DuckDB itself."""
        self.run("BEGIN")
        self._open_transaction = True
        self.run(f"CREATE SCHEMA IF NOT EXISTS {self.dialect.quote(self.namespace)}")
        self.run(f"CREATE TABLE IF NOT EXISTS {self.state_table} ({STATE_COLUMNS.format(text='VARCHAR')})")
        self.drop_stage()

    def commit(self) -> None:
        """COMMIT."""
        self.run("COMMIT")
        self._open_transaction = False

    def rollback(self) -> None:
        """ROLLBACK; DuckDB has none to roll back after some errors."""
        if self._open_transaction:
            with suppress(duckdb.Error):
                self.run("ROLLBACK")
        self._open_transaction = False

    def close(self) -> None:
        """Close the file and let others open it."""
        self._connection.close()

    def run(self, sql: str) -> int:
        """Run one statement; DuckDB answers a change with its row count."""
        found = self._connection.execute(sql).fetchall()
        return int(found[0][0]) if found and len(found[0]) == 1 and isinstance(found[0][0], int) else 0

    def query(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run one query."""
        return self._connection.execute(sql).fetchall()

    def columns(self) -> tuple[Column, ...] | None:
        """From DuckDB's catalogue. Names are compared as DuckDB compares them."""
        literal = self.dialect.literal
        found = self.query(
            f"SELECT column_name, data_type, is_nullable FROM duckdb_columns() "
            f"WHERE NOT internal AND database_name = current_database() "
            f"AND schema_name = {literal(self.namespace)} "
            f"AND lower(table_name) = lower({literal(self.name)}) ORDER BY column_index"
        )
        return tuple(Column(name, parse_type(native), bool(null)) for name, native, null in found) or None

    def fill_stage(self, extract: ExtractResult) -> int:
        """INSERT from Arrow, a block at a time, into staging."""
        staged = 0
        for batch in arrow_batches(extract.artifact, extract.schema):
            view = f"{RESERVED_PREFIX}batch"
            self._connection.register(view, batch)
            staged += self.run(f'INSERT INTO {self.stage_table} SELECT * FROM "{view}"')
            self._connection.unregister(view)
        return staged

    def storable(self, column_type: ColumnType) -> bool:
        """The type matrix, decimals up to 38 digits."""
        if column_type.kind is LogicalType.DECIMAL and column_type.params:
            return column_type.params[0] <= WIDEST_DECIMAL and min(column_type.params) >= 0
        return column_type.kind is not None
