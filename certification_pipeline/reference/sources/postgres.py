"""PostgreSQL as a source: snapshot, slice, cursor window and xmin reads in one REPEATABLE READ snapshot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import DataObject
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference.artifacts import (
    BLOCK_BYTES,
    Artifact,
    Encoding,
    ExtractResult,
    FileExport,
    InMemoryRows,
    LocalObjectStore,
    ObjectStorageStagingManifest,
    PartitionedFileExport,
    Row,
    StagedObject,
    StagedObjects,
    StreamingRows,
    write_file,
)
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.dialects.postgres import PostgresDialect, parse_type
from certification_pipeline.reference.evolution import Mapping
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.planted.effort import hoarded
from certification_pipeline.reference.planted.reading import until_broken
from certification_pipeline.reference.planted.values import spoilt
from certification_pipeline.reference.postgres import Connection, cluster_of, connect, rows
from certification_pipeline.reference.schema import Column, ColumnType
from certification_pipeline.reference.sources.base import ArtifactKind
from certification_pipeline.reference.sources.capability import Capability
from certification_pipeline.reference.sources.snapshot import Snapshot

PARTITIONS = 4
CSV_BLOCK_BYTES = 64 << 20
T = TypeVar("T")
_DIALECT = PostgresDialect()
_TEMPORAL = (LogicalType.DATE, LogicalType.TIMESTAMP, LogicalType.TIMESTAMPTZ)
_COPY = {
    Encoding.CSV: "FORMAT csv, ENCODING 'UTF8'",
    Encoding.BINARY: "FORMAT binary",
}


class PostgresSource:
    """One table of one PostgreSQL database, read in one snapshot. Close it, whatever happens."""

    capabilities = frozenset(Capability)

    def __init__(self, obj: DataObject, defect: Defect | None = None) -> None:
        self.table = _DIALECT.table(obj.namespace or "public", obj.name)
        self.namespace, self.name = obj.namespace or "public", obj.name
        self._dsn = obj.dsn
        self._defect = defect
        self.connection: Connection = connect(obj.dsn)
        self.cluster = cluster_of(self.connection)
        self._sent = 0

    def close(self) -> None:
        """End the session; an open snapshot ends with it."""
        self.connection.close()

    def columns(self) -> tuple[Column, ...]:
        """The table's columns now; :class:`LoadError` ``not_found`` when there is no such table."""
        regclass = f"to_regclass({_DIALECT.literal(self.table)})"
        [(oid,)] = rows(self.connection, f"SELECT {regclass}::oid")
        if oid is None:
            raise LoadError(
                FailureCategory.NOT_FOUND,
                f"source table {self.table} does not exist; check namespace and name (case matters)",
            )
        found = rows(
            self.connection,
            f"SELECT attname::text, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
            f"WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        )
        return tuple(Column(name, parse_type(native), not not_null) for name, native, not_null in found)

    def begin(self) -> Snapshot:
        """Fix the snapshot all later reads see, and return it."""
        self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        [(text,)] = rows(self.connection, "SELECT pg_current_snapshot()::text")
        return Snapshot.parse(text)

    def end(self) -> None:
        """Release the snapshot."""
        self.connection.execute("ROLLBACK")

    # --- which rows ---------------------------------------------------------------------------------

    def since_cursor(
        self,
        column: Column,
        high_water: str | None,
        lookback_seconds: int,
        nulls: Literal["include", "exclude"],
    ) -> str:
        """Condition for rows at or above the high-water mark: ties must not be lost."""
        name = _DIALECT.quote(column.name)
        conditions = []
        if self._defect is Defect.NULL_CURSORS_SWALLOWED:
            nulls = "exclude"
        if high_water is not None:
            mark = f"CAST({_DIALECT.literal(high_water)} AS {column.type.native})"
            if self._defect is Defect.LOOKBACK_IGNORED:
                lookback_seconds = 0
            if lookback_seconds and column.type.kind in _TEMPORAL:
                mark += f" - INTERVAL '{lookback_seconds} seconds'"
            above = ">" if self._defect is Defect.CURSOR_STRICTLY_ABOVE else ">="
            conditions.append(f"{name} {above} {mark}")
        elif nulls == "exclude":
            conditions.append(f"{name} IS NOT NULL")
        if nulls == "include" and conditions and self._defect is not Defect.NULL_CURSORS_ONCE:
            conditions.append(f"{name} IS NULL")
        return " OR ".join(conditions)

    def since_snapshot(self, last: Snapshot, now: Snapshot) -> str:
        """Condition for row versions whose transaction was not surely finished at ``last``.

        Rows at or above the old snapshot's xmin are taken, not only those outside it: the xid of a
        subtransaction is in no snapshot's list. Taking a row twice is harmless, the merge is idempotent.
        """
        return written_since(last.xmax if self._defect is Defect.XMIN_FORGETS_OPEN else last.xmin, now)

    def in_slice(self, column: Column, start: str | None, stop: str | None) -> str:
        """Condition for ``[start, stop)`` of the partition column."""
        name = _DIALECT.quote(column.name)
        above = ">" if self._defect is Defect.SLICE_START_EXCLUDED else ">="
        below = "<=" if self._defect is Defect.SLICE_END_INCLUDED else "<"
        bounds = [
            f"{name} {operator} CAST({_DIALECT.literal(value)} AS {column.type.native})"
            for operator, value in ((above, start), (below, stop))
            if value is not None
        ]
        return " AND ".join(bounds)

    def greatest(self, column: Column) -> str | None:
        """The greatest cursor value there is; only a planted defect asks for it."""
        [(value,)] = rows(
            self.connection, f"SELECT max({_DIALECT.quote(column.name)})::text FROM {self.table}"
        )
        return None if value is None else str(value)

    def reopen(self) -> None:
        """A new session in place of a broken one; only a planted defect asks for it."""
        self.connection = connect(self._dsn)

    # --- the rows -----------------------------------------------------------------------------------

    def extract(
        self,
        *,
        mappings: tuple[Mapping, ...],
        where: str,
        kind: ArtifactKind,
        encoding: Encoding,
        batch_rows: int,
        folder: Path,
        run_id: str,
    ) -> ExtractResult:
        """Read the rows for which ``where`` holds (all, when empty) into the artifact asked for."""
        self._sent = 0
        select = ", ".join(self._expression(mapping) for mapping in mappings)
        query = f"SELECT {select} FROM {self.table}" + (f" WHERE {where}" if where else "")
        if self._defect is Defect.DROP_FIRST_ROW:
            query += " OFFSET 1"
        schema = tuple(mapping.target for mapping in mappings)
        artifact: Artifact
        match kind:
            case "stream":
                artifact = StreamingRows(self._copy(query, encoding, batch_rows), encoding)
            case "memory":
                artifact = InMemoryRows(tuple(self._rows(query)), batch_rows)
            case "file":
                path = folder / "export.csv"
                artifact = FileExport(path, *write_file(path, self._copy(query, Encoding.CSV, batch_rows)))
            case "partitioned_files":
                artifact = self._partitioned(select, where, batch_rows, folder)
            case "object_storage":
                artifact = self._staged(query, batch_rows, folder, run_id, [m.target.name for m in mappings])
        return ExtractResult(schema, artifact, lambda: self._sent)

    def _expression(self, mapping: Mapping) -> str:
        name, source, target = _DIALECT.quote(mapping.source.name), mapping.source.type, mapping.target.type
        name = spoilt(self._defect, mapping.source, name)
        if needs_cast(source, target):
            return f"CAST({name} AS {_DIALECT.type_name(target)})"
        return name

    def _copy(
        self, query: str, encoding: Encoding, batch_rows: int, connection: Connection | None = None
    ) -> Iterator[bytes]:
        """COPY out in blocks. CSV blocks hold whole rows: the server sends one message a row."""
        by_size = encoding is Encoding.BINARY
        with (connection or self.connection).cursor() as cursor:
            buffer: list[bytes | bytearray | memoryview] = []
            size = 0
            hoard: list[bytes] = []
            with cursor.copy(f"COPY ({query}) TO STDOUT ({_COPY[encoding]})".encode()) as copy:
                messages = (
                    until_broken(copy, self.reopen) if self._defect is Defect.BROKEN_STREAM_ENDS else copy
                )
                for message in messages:
                    buffer.append(message)
                    size += len(message)
                    if self._defect is Defect.HOARD_ROWS:
                        hoard.append(hoarded())
                    if size >= (BLOCK_BYTES if by_size else CSV_BLOCK_BYTES) or len(buffer) >= batch_rows:
                        if self._defect is Defect.DROP_ROW_AT_SEAM:
                            buffer.pop()
                        yield b"".join(buffer)
                        buffer.clear()
                        size = 0
            if self._defect is Defect.DROP_LAST_BATCH:
                buffer = _without_tail(buffer, encoding)
            if buffer:
                yield b"".join(buffer)
            self._sent += cursor.rowcount

    def _rows(self, query: str) -> Iterator[Row]:
        with self.connection.cursor() as cursor:
            with cursor.copy(f"COPY ({query}) TO STDOUT".encode()) as copy:
                found = list(copy.rows())
            self._sent += cursor.rowcount
        yield from _without_tail(found, Encoding.CSV) if self._defect is Defect.DROP_LAST_BATCH else found

    def _partitioned(self, select: str, where: str, batch_rows: int, folder: Path) -> PartitionedFileExport:
        """Files of ranges of pages, in parallel, all in this session's snapshot."""
        [(pages, kind)] = rows(
            self.connection,
            f"SELECT pg_relation_size(oid) / current_setting('block_size')::int, relkind::text "
            f"FROM pg_class WHERE oid = {_DIALECT.literal(self.table)}::regclass",
        )
        count = min(PARTITIONS, max(1, int(pages))) if kind == "r" else 1
        edges = [int(pages) * i // count for i in range(count)]
        ranges = []
        for i, low in enumerate(edges):
            # The last range is open: the table may have grown since the size was taken.
            high = f" AND ctid < '({edges[i + 1]},0)'" if i + 1 < count else ""
            ranges.append(f"ctid >= '({low},0)'{high}" if kind == "r" else "true")
        [(snapshot,)] = rows(self.connection, "SELECT pg_export_snapshot()")

        def export(number: int) -> FileExport:
            condition = f"{ranges[number]} AND ({where})" if where else ranges[number]
            path = folder / f"part-{number:05}.csv"
            with connect(self._dsn) as connection:
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                connection.execute(f"SET TRANSACTION SNAPSHOT {_DIALECT.literal(snapshot)}".encode())
                query = f"SELECT {select} FROM {self.table} WHERE {condition}"
                return FileExport(
                    path, *write_file(path, self._copy(query, Encoding.CSV, batch_rows, connection))
                )

        with ThreadPoolExecutor(max_workers=2) as pool:
            return PartitionedFileExport(tuple(pool.map(export, range(count))))

    def _staged(
        self, query: str, batch_rows: int, folder: Path, run_id: str, names: list[str]
    ) -> StagedObjects:
        """One object a block, and a manifest written last: without it, nothing was staged."""
        store, objects = LocalObjectStore(folder), []
        for number, block in enumerate(self._copy(query, Encoding.CSV, batch_rows)):
            key = f"{re.sub('[^A-Za-z0-9_.-]', '_', run_id)}/part-{number:05}.csv"
            size, sha256 = store.put(key, [block])
            objects.append(StagedObject(key=key, size=size, sha256=sha256, rows=count_rows(block)))
        manifest = ObjectStorageStagingManifest(run_id=run_id, columns=tuple(names), objects=tuple(objects))
        if manifest.rows != self._sent and self._defect is not Defect.DROP_LAST_BATCH:
            raise LoadError(
                FailureCategory.INTERNAL, f"staged {manifest.rows} rows of the {self._sent} the source sent"
            )
        write_file(folder / "manifest.json", [manifest.model_dump_json(indent=2).encode()])
        return StagedObjects(manifest, store)


def _without_tail(buffer: list[T], encoding: Encoding) -> list[T]:
    """:attr:`Defect.DROP_LAST_BATCH`: the last tenth of the last buffer is lost, at least a row."""
    if encoding is Encoding.CSV:
        return buffer[: len(buffer) - max(1, len(buffer) // 10)]
    # Binary: the first message also carries the header, the last is the trailer; both stay.
    return [*buffer[: max(1, len(buffer) - 1 - max(1, len(buffer) // 10))], buffer[-1]] if buffer else buffer


def count_rows(block: bytes) -> int:
    """Rows in a block of whole CSV rows: line ends outside quotes."""
    if b'"' not in block:
        return block.count(b"\n")
    # Splitting at quotes leaves the unquoted parts at even places; a doubled quote adds an empty one.
    return sum(part.count(b"\n") for part in block.split(b'"')[::2])


def needs_cast(source: ColumnType, target: ColumnType) -> bool:
    """Whether the select list must convert, so that what is staged has the target's type."""
    if target.native:
        return target.native != source.native
    return source.kind is not target.kind


def written_since(horizon: int, now: Snapshot) -> str:
    """Condition for row versions written by the transaction ``horizon`` or a later one.

    A tuple's 32-bit xmin is widened by the epoch of the current snapshot.
    """
    low, epoch = now.xmax & 0xFFFFFFFF, now.xmax >> 32
    xid = "xmin::text::bigint"
    full = f"({xid} + CASE WHEN {xid} > {low} THEN {(epoch - 1) << 32} ELSE {epoch << 32} END)"
    return f"{full} >= {horizon}"
