"""Reads a DuckDB database file, read-only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from certification_pipeline.harness.oracle.readers.reading import BATCH_ROWS, without_length
from certification_pipeline.harness.oracle.sql import ident

_ARROW_EXACT = frozenset(
    {
        *("boolean", "tinyint", "smallint", "integer", "bigint"),
        *("utinyint", "usmallint", "uinteger", "ubigint", "float", "double", "decimal"),
        *("varchar", "blob", "date", "timestamp with time zone"),
        *("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"),
    }
)
"""Types whose Arrow export keeps every value; all others are read as DuckDB prints them."""


class DuckDbReader:
    """An open table or view."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, namespace: str, name: str, types: dict[str, str]
    ) -> None:
        self._connection = connection
        self._table = f"{ident(namespace)}.{ident(name)}"
        self._types = types

    def columns(self) -> tuple[str, ...]:
        """As declared."""
        return tuple(self._types)

    def physical(self) -> dict[str, frozenset[str]]:
        """As ``duckdb_columns()`` names them."""
        return {name: frozenset({kind}) for name, kind in self._types.items()}

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Rows as typed Arrow columns."""
        chosen = ", ".join(self._expression(name) for name in columns)
        relation = self._connection.sql(f"SELECT {chosen} FROM {self._table}")
        for batch in relation.to_arrow_reader(BATCH_ROWS):
            yield pa.Table.from_batches([batch]).rename_columns(list(columns))

    def _expression(self, name: str) -> str:
        kind = self._types[name]
        exact = kind.removesuffix("[]") in _ARROW_EXACT
        return ident(name) if exact else f"{ident(name)}::VARCHAR"


@contextmanager
def open_duckdb(dsn: str, namespace: str, name: str) -> Iterator[DuckDbReader | None]:
    """``dsn`` is the database file; ``namespace`` the schema, ``main`` when empty."""
    if not Path(dsn).exists():
        yield None
        return
    connection = duckdb.connect(dsn, read_only=True)
    try:
        found = connection.execute(
            "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = current_database() AND lower(schema_name) = lower(?) "
            "AND lower(table_name) = lower(?) ORDER BY column_index",
            [namespace or "main", name],
        ).fetchall()
        if not found:
            yield None
            return
        types = {column: without_length(kind) for _, _, column, kind in found}
        yield DuckDbReader(connection, found[0][0], found[0][1], types)
    finally:
        connection.close()
