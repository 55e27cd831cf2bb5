"""Opens any table a :class:`SinkView` can name, and turns every failure into one plain sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import duckdb
import psycopg
import pyarrow as pa

from certification_pipeline.harness.oracle.readers.delta import open_delta
from certification_pipeline.harness.oracle.readers.duckdb_file import open_duckdb
from certification_pipeline.harness.oracle.readers.hudi import open_hudi
from certification_pipeline.harness.oracle.readers.iceberg import open_iceberg
from certification_pipeline.harness.oracle.readers.parquet_directory import open_parquet
from certification_pipeline.harness.oracle.readers.postgres import PostgresReader, open_postgres
from certification_pipeline.harness.oracle.readers.reading import NotATable, Reader
from certification_pipeline.harness.oracle.readers.sqlite_file import open_sqlite
from certification_pipeline.harness.oracle.terms import SinkView, Unreadable
from certification_pipeline.redaction import Redactor

_OPEN: dict[str, Callable[[str, str, str], AbstractContextManager[Reader | None]]] = {
    "postgres": open_postgres,
    "duckdb": open_duckdb,
    "sqlite": open_sqlite,
    "parquet": open_parquet,
    "delta": open_delta,
    "iceberg": open_iceberg,
    "hudi": open_hudi,
}
FOLDS_CASE = frozenset({"duckdb", "sqlite"})
"""Systems in which names that differ only in case are the same name, so an engine may respell them."""

_FAILURES = (psycopg.Error, duckdb.Error, sqlite3.Error, pa.ArrowException, OSError, UnicodeError)


class Missing(Unreadable):
    """The table is not there."""


class OpenTable:
    """A reader whose failures are the table's and say so; anything else that fails is not its fault."""

    def __init__(self, view: SinkView, reader: Reader) -> None:
        self._view = view
        self._reader = reader

    def columns(self) -> tuple[str, ...]:
        """Names of all columns."""
        return self._reader.columns()

    def physical(self) -> dict[str, frozenset[str]]:
        """Physical types by column; complete once ``batches`` is exhausted."""
        return self._reader.physical()

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All rows."""
        with _explained(self._view):
            yield from self._reader.batches(columns)

    @property
    def has_lines(self) -> bool:
        """Whether :meth:`lines` and :meth:`restricted` work: PostgreSQL only."""
        return isinstance(self._reader, PostgresReader)

    def lines(self, columns: Sequence[str], order_by: Sequence[str]) -> Generator[list[bytes], None, None]:
        """See :meth:`PostgresReader.lines`."""
        with _explained(self._view):
            yield from self._postgres().lines(columns, order_by)

    def restricted(self, keys: Sequence[str], values: Sequence[tuple[str, ...]]) -> OpenTable:
        """See :meth:`PostgresReader.restricted`."""
        return OpenTable(self._view, self._postgres().restricted(keys, values))

    def _postgres(self) -> PostgresReader:
        if not isinstance(self._reader, PostgresReader):
            raise TypeError(f"{self._view} has no COPY lines")
        return self._reader


@contextmanager
def open_table(view: SinkView) -> Iterator[OpenTable]:
    """The open table. Raises :class:`Missing` or :class:`Unreadable`, here and while rows are read."""
    if view.system not in _OPEN:
        raise Unreadable(f"{view}: the oracle has no reader for {view.system}")
    with ExitStack() as stack:
        with _explained(view):
            reader = stack.enter_context(_OPEN[view.system](view.dsn, view.namespace, view.name))
        if reader is None:
            raise Missing(f"{view}: the table does not exist")
        yield OpenTable(view, reader)


@contextmanager
def _explained(view: SinkView) -> Iterator[None]:
    try:
        yield
    except NotATable as error:
        raise Unreadable(f"{view}: {error}") from error
    except _FAILURES as error:
        raise Unreadable(f"{view}: cannot be read: {_without_dsn(error, view.dsn)}") from error


def _without_dsn(error: BaseException, dsn: str) -> str:
    """The first line of a driver's message; it may quote the connection string or a part of it."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    redactor = Redactor()
    redactor.register_dsn(dsn)
    return redactor.redact_text(text.replace(dsn, "<dsn>"))
