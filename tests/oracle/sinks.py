"""Puts Arrow rows into each kind of sink, plainly and row by row where it can: the opposite of clever."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql
from psycopg.types.json import set_json_dumps

from certification_pipeline.catalog.claims import TypeRule
from certification_pipeline.harness.oracle.canonical import canonical
from certification_pipeline.harness.oracle.oracle import SinkView
from certification_pipeline.harness.workload.spec import LogicalType as T
from certification_pipeline.harness.workload.spec import TableSpec

from . import lakes

SYSTEMS = ("postgres", "duckdb", "sqlite", "parquet")
LAKES = ("delta", "iceberg", "hudi")
_numbers = itertools.count()
_ = set_json_dumps

POSTGRES = {
    T.BOOL: "boolean",
    T.INT16: "smallint",
    T.INT32: "integer",
    T.INT64: "bigint",
    T.DECIMAL: "numeric(38,10)",
    T.FLOAT64: "double precision",
    T.TEXT: "text",
    T.DATE: "date",
    T.TIMESTAMP: "timestamp",
    T.TIMESTAMPTZ: "timestamptz",
    T.BYTES: "bytea",
    T.UUID: "uuid",
    T.JSON: "jsonb",
    T.INT_ARRAY: "bigint[]",
    T.TEXT_ARRAY: "text[]",
}
DUCKDB = {
    **POSTGRES,
    T.DECIMAL: "decimal(38,10)",
    T.FLOAT64: "double",
    T.TEXT: "varchar",
    T.BYTES: "blob",
    T.JSON: "json",
    T.TEXT_ARRAY: "varchar[]",
}
SQLITE = {
    **dict.fromkeys(T, "text"),
    **dict.fromkeys((T.BOOL, T.INT16, T.INT32, T.INT64), "integer"),
    T.FLOAT64: "real",
    T.BYTES: "blob",
}


class Sinks:
    """Makes tables in one place of each kind, under a fresh name each time."""

    def __init__(
        self, directory: Path, postgres_dsn: str | None, types: Mapping[str, Mapping[str, TypeRule]]
    ):
        self.directory = directory
        self.postgres_dsn = postgres_dsn
        self.types = types

    def view(self, system: str, name: str | None = None) -> SinkView:
        name = name or f"t_{next(_numbers)}"
        dsn = {
            "postgres": self.postgres_dsn or "",
            "duckdb": str(self.directory / f"{name}.duckdb"),
            "sqlite": str(self.directory / f"{name}.sqlite"),
        }.get(system, str(self.directory / system))
        namespace = {"postgres": "public", "duckdb": "main", "sqlite": ""}.get(system, "ns")
        return SinkView(system, dsn, namespace, name, self.types[system])

    def put(
        self,
        system: str,
        spec: TableSpec,
        rows: pa.Table,
        physical: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> SinkView:
        """``rows`` has the columns of ``spec`` in any order, and maybe more (kept as text)."""
        view = self.view(system, name)
        logical = {c.name: c.type for c in spec.columns}
        kinds = {n: logical.get(n, T.TEXT) for n in rows.column_names}
        getattr(self, f"_{system}")(view, rows, kinds, physical or {})
        return view

    def _postgres(
        self, view: SinkView, rows: pa.Table, kinds: Mapping[str, T], physical: Mapping[str, str]
    ) -> None:
        table = sql.Identifier(view.namespace, view.name)
        with psycopg.connect(view.dsn, autocommit=True) as connection:
            columns = [
                sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(physical.get(n, POSTGRES[k])))
                for n, k in kinds.items()
            ]
            connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(columns)))
            names = sql.SQL(", ").join(map(sql.Identifier, kinds))
            copy_sql = sql.SQL("COPY {} ({}) FROM STDIN").format(table, names)
            with connection.cursor() as cursor, cursor.copy(copy_sql) as copy:
                for row in zip(*(_postgres_text(rows[n], k) for n, k in kinds.items()), strict=True):
                    copy.write_row(row)

    def _duckdb(
        self, view: SinkView, rows: pa.Table, kinds: Mapping[str, T], physical: Mapping[str, str]
    ) -> None:
        def quoted(name: str) -> str:
            return '"' + name.replace('"', '""') + '"'

        with closing(duckdb.connect(view.dsn)) as connection:
            columns = ", ".join(f"{quoted(n)} {physical.get(n, DUCKDB[k])}" for n, k in kinds.items())
            connection.execute(f"CREATE TABLE {quoted(view.name)} ({columns})")
            connection.register("arriving", rows.rename_columns([f"c{i}" for i in range(rows.num_columns)]))
            connection.execute(f"INSERT INTO {quoted(view.name)} SELECT * FROM arriving")

    def _sqlite(
        self, view: SinkView, rows: pa.Table, kinds: Mapping[str, T], physical: Mapping[str, str]
    ) -> None:
        def quoted(name: str) -> str:
            return '"' + name.replace('"', '""') + '"'

        with closing(sqlite3.connect(view.dsn)) as connection:
            columns = ", ".join(f"{quoted(n)} {physical.get(n, SQLITE[k])}" for n, k in kinds.items())
            connection.execute(f"CREATE TABLE {quoted(view.name)} ({columns})")
            marks = ", ".join("?" * len(kinds))
            values = zip(*(_sqlite_values(rows[n], k) for n, k in kinds.items()), strict=True)
            connection.executemany(f"INSERT INTO {quoted(view.name)} VALUES ({marks})", values)
            connection.commit()

    def _parquet(
        self, view: SinkView, rows: pa.Table, kinds: Mapping[str, T], physical: Mapping[str, str]
    ) -> None:
        assert not physical
        directory = Path(view.dsn) / view.namespace / view.name
        directory.mkdir(parents=True)
        half = rows.num_rows // 2
        pq.write_table(rows.slice(half), directory / "part-1.parquet")
        if half:
            pq.write_table(rows.slice(0, half), directory / "part-0.parquet")

    def _delta(
        self, view: SinkView, rows: pa.Table, kinds: Mapping[str, T], physical: Mapping[str, str]
    ) -> None:
        lakes.write_delta(Path(view.dsn) / view.namespace / view.name, rows)

    def _iceberg(
        self, view: SinkView, rows: pa.Table, kinds: Mapping[str, T], physical: Mapping[str, str]
    ) -> None:
        lakes.iceberg_table(Path(view.dsn) / view.namespace / view.name, rows)

    def _hudi(
        self, view: SinkView, rows: pa.Table, kinds: Mapping[str, T], physical: Mapping[str, str]
    ) -> None:
        lakes.HudiTable(Path(view.dsn) / view.namespace / view.name).commit({"f1": rows})


def _postgres_text(column: pa.ChunkedArray, kind: T) -> Sequence[Any]:
    """What psycopg writes by itself for Python values; JSON and floats as text."""
    if kind in (T.DATE, T.TIMESTAMP, T.TIMESTAMPTZ):  # beyond what Python's datetime holds
        return canonical(column, kind).to_pylist()
    return column.to_pylist()


def _sqlite_values(column: pa.ChunkedArray, kind: T) -> Sequence[Any]:
    values = column.to_pylist()
    if kind in (T.INT16, T.INT32, T.INT64, T.FLOAT64, T.TEXT, T.BYTES, T.UUID, T.JSON):
        return values
    if kind is T.BOOL:
        return [None if v is None else int(v) for v in values]
    if kind in (T.INT_ARRAY, T.TEXT_ARRAY):
        return [None if v is None else json.dumps(v) for v in values]
    if kind is T.DECIMAL:
        return [None if v is None else format(v, "f") for v in values]
    return canonical(column, kind).to_pylist()
