"""Parquet as a sink: the strategies run on a working copy in DuckDB, the result becomes a new version.

Rows that a load only adds become one new file beside hard links to the old ones; anything else rewrites.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

import pyarrow as pa

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import DataObject
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference import evolution
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.pgtext import arrow_type
from certification_pipeline.reference.schema import RESERVED_PREFIX, Column, ColumnType
from certification_pipeline.reference.sinks.duckdb import DuckDBSink
from certification_pipeline.reference.sinks.parquet_files import VersionedTable, write_parquet
from certification_pipeline.reference.state import PipelineState

_META = b"certification.column"
_AS_STRING = (LogicalType.UUID, LogicalType.JSON)


class ParquetSink(DuckDBSink):
    """A table is a directory of Parquet files."""

    def __init__(self, obj: DataObject) -> None:
        super().__init__(obj)
        self.namespace = "main"
        root = Path(obj.dsn)
        if not root.is_absolute():
            raise LoadError(
                FailureCategory.CONFIGURATION, f"sink dsn {obj.dsn!r}: an absolute path is needed"
            )
        self._root = root / obj.namespace if obj.namespace else root
        self._root.mkdir(parents=True, exist_ok=True)
        self.files = VersionedTable(self._root, obj.name)
        self._version: Path | None = None
        self._base_rows = 0
        self._appends = self._rewrites = False
        self._state: dict[str, dict[str, str]] = {}
        self._published = False

    def _database(self, obj: DataObject) -> str:
        return ":memory:"

    def identity(self) -> str:
        """The directory."""
        return f"parquet:{self._root.resolve()}"

    def begin(self) -> None:
        """Read the current version into the working copy."""
        self._forget()
        self._published = False
        if self.files.prepared():
            # What waits may yet become current, and a version made beside it would be lost or undone then.
            raise LoadError(
                FailureCategory.CONFLICT,
                f"a transaction of another pipeline waits to be committed to {self.files.link}",
            )
        self._state = self.files.state()
        schema = self.files.schema()
        if schema is None:
            return
        columns = [_column(field) for field in schema]
        self.run(self.dialect.create(self.target, columns))
        if self.replaces_all:
            return
        # Through Arrow, not read_parquet(): that would take ``[`` and ``*`` in a table's name for a glob.
        files = f"{RESERVED_PREFIX}files"
        self._connection.register(files, self.files.dataset())
        names = self.dialect.names([column.name for column in columns])
        self._base_rows = self.run(
            f"INSERT INTO {self.target} SELECT {names} FROM {self.dialect.quote(files)}"
        )
        self._connection.unregister(files)
        self._appends = self._rewrites = False

    def _forget(self) -> None:
        self.run(f"DROP TABLE IF EXISTS {self.target}")
        self.drop_stage()
        self._base_rows = 0
        self._appends = self._rewrites = False

    def commit(self) -> None:
        """Write the new version and make it current."""
        self.files.publish(self.write_version())
        self.committed()

    def write_version(self) -> Path:
        """The new version: whole, durable, and not current."""
        version = self._version = self.files.new_version()
        existed = self.files.current() is not None
        if existed and not self._rewrites:
            self.files.adopt(version)
            if self._appends:
                self._export(version, f"WHERE rowid >= {self._base_rows}")
        else:
            self._export(version, "")
        self.files.seal(version, self._state)
        return version

    def committed(self) -> None:
        """The version that was written is current now."""
        self._version, self._published = None, True

    def let_go(self) -> None:
        """The version that was written is no longer this sink's to throw away."""
        self._version = None

    def _export(self, version: Path, where: str) -> None:
        columns = self.columns() or ()
        schema = pa.schema([_field(column) for column in columns])
        select = ", ".join(self._exported(column) for column in columns)
        reader = self._connection.sql(f"SELECT {select} FROM {self.target} {where}").to_arrow_reader(100_000)
        write_parquet(version / f"part-{int(version.name):08}.parquet", schema, reader)

    def _exported(self, column: Column) -> str:
        name = self.dialect.quote(column.name)
        return f"CAST({name} AS VARCHAR) AS {name}" if column.type.kind in _AS_STRING else name

    def rollback(self) -> None:
        """Throw the working copy and an unfinished version away."""
        if self._version is not None:
            rmtree(self._version, ignore_errors=True)
            self._version = None

    def close(self) -> None:
        """Drop the working copy, release the lock."""
        super().close()
        self.files.close()

    def run(self, sql: str) -> int:
        """Run one statement, and note what it does to the target's files."""
        touched = super().run(sql)
        if sql.startswith(f"INSERT INTO {self.target} "):
            self._appends |= touched > 0
        elif sql.startswith((f"UPDATE {self.target} ", f"DELETE FROM {self.target}")):
            self._rewrites |= touched > 0
        return touched

    def evolve(self, plan: evolution.Plan, before: Sequence[Column], keys: Sequence[str]) -> None:
        """A changed schema changes every file: readers do not merge schemas."""
        self._rewrites |= bool(plan.steps)
        super().evolve(plan, before, keys)

    def swap(self) -> None:
        """The staging table takes the target's name; all files are new."""
        super().swap()
        self._rewrites = True

    def count(self, table: str) -> int:
        """Of the target as published, the rows of the files themselves."""
        if table == self.target and (self._published or (self.replaces_all and not self._rewrites)):
            return self.files.rows()
        return super().count(table)

    def read_state(self) -> PipelineState:
        """From the current version."""
        return PipelineState.parse(self._state.get(self.pipeline, {}))

    def write_state(self, state: PipelineState) -> None:
        """Into the next version."""
        self._state = {**self._state, self.pipeline: state.dump()}


def _field(column: Column) -> pa.Field:
    meta = {"kind": str(column.type.kind), "params": column.type.params, "nullable": column.nullable}
    return pa.field(column.name, arrow_type(column.type), metadata={_META: json.dumps(meta).encode()})


def _column(field: pa.Field) -> Column:
    meta = json.loads((field.metadata or {}).get(_META, b"{}"))
    if not meta:
        raise LoadError(FailureCategory.STATE, f"column {field.name!r}: the files are not this engine's")
    kind = ColumnType(LogicalType(meta["kind"]), tuple(meta["params"]))
    return Column(field.name, kind, bool(meta["nullable"]))
