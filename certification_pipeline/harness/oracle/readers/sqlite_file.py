"""Reads a SQLite database file, read-only.

The physical type of a SQLite value is its storage class, whatever the column was declared as
(https://www.sqlite.org/datatype3.html); a column reports every class it holds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from certification_pipeline.harness.oracle.readers.reading import BATCH_ROWS
from certification_pipeline.harness.oracle.sql import ident

_CLASSES = {int: "integer", float: "real", str: "text", bytes: "blob"}
_ARROW = {int: pa.int64(), float: pa.float64(), str: pa.string(), bytes: pa.binary()}


class SqliteReader:
    """An open table or view."""

    def __init__(self, connection: sqlite3.Connection, name: str, columns: tuple[str, ...]) -> None:
        self._connection = connection
        self._name = name
        self._columns = columns
        self._seen: dict[str, set[str]] = {column: set() for column in columns}

    def columns(self) -> tuple[str, ...]:
        """As declared."""
        return self._columns

    def physical(self) -> dict[str, frozenset[str]]:
        """Storage classes seen; none for a column that held nothing but NULL."""
        return {column: frozenset(classes) for column, classes in self._seen.items()}

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Rows as Arrow columns; a column of mixed classes as text."""
        for rows in self._rows(", ".join(map(ident, columns))):
            values = list(zip(*rows, strict=True))
            arrays = [self._array(c, v) for c, v in zip(columns, values, strict=True)]
            yield pa.table(arrays, names=list(columns))

    def _rows(self, chosen: str) -> Iterator[list[tuple[object, ...]]]:
        """SQLite stores any bytes as text; what is not UTF-8 must show, not stop the reading."""
        done = 0
        query = f"SELECT {chosen} FROM {ident(self._name)} LIMIT -1 OFFSET ?"
        while True:
            try:
                with closing(self._connection.execute(query, (done,))) as cursor:
                    while rows := cursor.fetchmany(BATCH_ROWS):
                        done += len(rows)
                        yield rows
                return
            except sqlite3.OperationalError as error:
                if "decode" not in str(error) or self._connection.text_factory is not str:
                    raise
                self._connection.text_factory = lambda data: data.decode(errors="backslashreplace")

    def _array(self, column: str, values: Sequence[object]) -> pa.Array:
        kinds = set(map(type, values)) - {type(None)}
        self._seen[column] |= {_CLASSES[kind] for kind in kinds}
        if len(kinds) == 1:
            return pa.array(values, _ARROW[kinds.pop()])
        return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: object) -> str:
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)


@contextmanager
def open_sqlite(dsn: str, namespace: str, name: str) -> Iterator[SqliteReader | None]:
    """``dsn`` is the database file; SQLite has no namespaces."""
    if not Path(dsn).exists():
        yield None
        return
    with closing(sqlite3.connect(f"file:{quote(dsn)}?mode=ro", uri=True, timeout=30)) as connection:
        connection.execute("BEGIN")
        query = "SELECT name FROM pragma_table_info(?)"
        columns = tuple(str(row[0]) for row in connection.execute(query, (name,)))
        yield SqliteReader(connection, name, columns) if columns else None
