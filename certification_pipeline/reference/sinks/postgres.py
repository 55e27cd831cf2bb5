"""PostgreSQL as a sink: COPY into a staging table beside the target, set-based finalization, one commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import DataObject
from certification_pipeline.reference.artifacts import Encoding, ExtractResult
from certification_pipeline.reference.dialects.postgres import PostgresDialect, parse_type
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.postgres import Connection, cluster_of, connect, rows
from certification_pipeline.reference.schema import Column, ColumnType
from certification_pipeline.reference.sinks.base import STATE_COLUMNS, Sink, short_hash


class PostgresSink(Sink):
    """A table in a PostgreSQL schema; reads the source's binary COPY as it is."""

    encoding = Encoding.BINARY

    def __init__(self, obj: DataObject) -> None:
        super().__init__(obj)
        self.namespace = obj.namespace or "public"
        self.dialect = PostgresDialect()
        self.dialect.quote(self.name)  # refuses a name PostgreSQL would cut
        self._connection: Connection = connect(obj.dsn)
        self._cluster = cluster_of(self._connection)

    def identity(self) -> str:
        """System identifier and database."""
        return f"postgres:{self._cluster}"

    def begin(self) -> None:
        """One transaction for all; the advisory lock ends with it, also when we die."""
        literal = self.dialect.literal
        [(there,)] = self.query(f"SELECT to_regclass({literal(self.state_table)}) IS NOT NULL")
        if not there:
            self._create_bookkeeping()
        self.run("BEGIN")
        [(locked,)] = self.query(f"SELECT pg_try_advisory_xact_lock({_lock(self.target)})")
        if self.locks and not locked:
            raise LoadError(
                FailureCategory.CONFLICT, f"another run is loading {self.target}; try again later"
            )
        self.drop_stage()

    def _create_bookkeeping(self) -> None:
        """Schema and state table, under a lock: CREATE IF NOT EXISTS is not safe against itself."""
        self.run("BEGIN")
        self.query(f"SELECT pg_advisory_xact_lock({_lock(self.namespace)})")
        [(there,)] = self.query(
            f"SELECT to_regnamespace({self.dialect.literal(self.dialect.quote(self.namespace))}) IS NOT NULL"
        )
        if not there:
            self.run(f"CREATE SCHEMA {self.dialect.quote(self.namespace)}")
        self.run(f"CREATE TABLE IF NOT EXISTS {self.state_table} ({STATE_COLUMNS.format(text='text')})")
        self.run("COMMIT")

    def commit(self) -> None:
        """COMMIT; an error here leaves open whether it happened, the next attempt reads the state."""
        self.run("COMMIT")

    def rollback(self) -> None:
        """ROLLBACK, unless the connection is gone and the server does it by itself."""
        if not self._connection.closed and not self._connection.broken:
            self.run("ROLLBACK")

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def run(self, sql: str) -> int:
        """Run one statement; its row count."""
        return max(0, self._connection.execute(sql.encode()).rowcount)

    def query(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run one query."""
        return rows(self._connection, sql)

    def columns(self) -> tuple[Column, ...] | None:
        """From ``pg_attribute``."""
        found = self.query(
            f"SELECT attname::text, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
            f"WHERE attrelid = to_regclass({self.dialect.literal(self.target)}) AND attnum > 0 "
            f"AND NOT attisdropped ORDER BY attnum"
        )
        return (
            tuple(Column(name, parse_type(native), not not_null) for name, native, not_null in found) or None
        )

    def create_stage(self, columns: Sequence[Column], becomes_target: bool) -> None:
        """Unlogged when it is thrown away after the load; logged when it becomes the target."""
        kind = "TABLE" if becomes_target else "UNLOGGED TABLE"
        definitions = ", ".join(map(self.dialect.definition, columns))
        self.run(f"CREATE {kind} {self.stage_table} ({definitions})")

    def fill_stage(self, extract: ExtractResult) -> int:
        """COPY, frozen.

        The table is of this very transaction, so FREEZE is legal, saves a later rewrite, and lets a reader
        with an older snapshot who opens the swapped table see its rows instead of none.
        """
        options = "FORMAT binary" if extract.artifact.encoding is Encoding.BINARY else "FORMAT csv"
        names = self.dialect.names([column.name for column in extract.schema])
        with self._connection.cursor() as cursor:
            with cursor.copy(
                f"COPY {self.stage_table} ({names}) FROM STDIN ({options}, FREEZE)".encode()
            ) as copy:
                for block in extract.artifact.blocks():
                    copy.write(block)
            return cursor.rowcount

    def prepare_finalize(self, keys: Sequence[str]) -> None:
        """Statistics, or the planner takes both tables for tiny and loops."""
        columns = f" ({self.dialect.names(keys)})" if keys else ""
        self.run(f"ANALYZE {self.stage_table}{columns}")

    def can_swap(self) -> bool:
        """Not when a view or a foreign key hangs on the target, or somebody was granted rights on it."""
        oid = f"to_regclass({self.dialect.literal(self.target)})"
        [(bound,)] = self.query(
            f"SELECT EXISTS (SELECT 1 FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass "
            f"AND d.refobjid = {oid} AND d.deptype = 'n') OR EXISTS (SELECT 1 FROM pg_class c "
            f"WHERE c.oid = {oid} AND (c.relacl IS NOT NULL OR c.relhastriggers OR c.relkind <> 'r'))"
        )
        return not bound

    def storable(self, column_type: ColumnType) -> bool:
        """Every type of the source: the server says when it lacks one."""
        return True


def _lock(name: str) -> int:
    """A key for advisory locks: 63 bits of the name's hash."""
    return int(short_hash("certification", name), 16) >> 1
