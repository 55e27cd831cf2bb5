"""One protocol for all sinks: introspect, stage, finalize set-based, keep state, commit.

A sink holds one pipeline's target in one transaction: stage, schema change, finalization and state are
committed together or not at all, so a reader sees the old table or the new one, and state cannot run
ahead of rows. Nothing is ever written row by row into the target.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from certification_pipeline.harness.engines.protocol import DataObject
from certification_pipeline.reference import evolution
from certification_pipeline.reference.artifacts import Encoding, ExtractResult
from certification_pipeline.reference.dialects.base import Dialect
from certification_pipeline.reference.schema import RESERVED_PREFIX, Column, ColumnType
from certification_pipeline.reference.state import STATE_TABLE, PipelineState


def short_hash(*parts: str) -> str:
    """16 hex digits that stand for ``parts`` in names with a length limit."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


class Sink(ABC):
    """A target table. Order of calls: open, begin, …, commit or rollback, close."""

    dialect: Dialect
    encoding = Encoding.CSV
    """What the sink's native fast path reads from a stream."""

    def __init__(self, obj: DataObject) -> None:
        self.namespace, self.name = obj.namespace, obj.name
        self.stage_name = f"{RESERVED_PREFIX}stage_{short_hash(obj.name)}"
        self.pipeline = ""
        """Key of this pipeline's state records."""
        self.replaces_all = False
        """The strategy will not read the old rows: a sink that would have to fetch them need not."""
        self.locks = True
        """Two loads of one target exclude each other; only a planted defect says no."""

    @property
    def target(self) -> str:
        """The target's quoted, qualified name."""
        return self.dialect.table(self.namespace, self.name)

    @property
    def stage_table(self) -> str:
        """The staging table's quoted, qualified name: beside the target, with the reserved prefix."""
        return self.dialect.table(self.namespace, self.stage_name)

    @property
    def state_table(self) -> str:
        """The state table's quoted, qualified name."""
        return self.dialect.table(self.namespace, STATE_TABLE)

    # --- what a system must offer ---------------------------------------------------------------------

    @abstractmethod
    def identity(self) -> str:
        """Who this database is, whatever address leads to it."""

    @abstractmethod
    def begin(self) -> None:
        """Begin the load's transaction; take the target's lock or raise ``conflict``; clear leftovers."""

    @abstractmethod
    def commit(self) -> None:
        """Make everything since ``begin`` durable and visible at once."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo everything since ``begin``; idempotent, never raises for a dead connection."""

    @abstractmethod
    def close(self) -> None:
        """Release connection and lock."""

    @abstractmethod
    def run(self, sql: str) -> int:
        """Run one statement; the number of rows it touched."""

    @abstractmethod
    def query(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run one query."""

    @abstractmethod
    def columns(self) -> tuple[Column, ...] | None:
        """The target's columns, or ``None`` when it does not exist."""

    @abstractmethod
    def fill_stage(self, extract: ExtractResult) -> int:
        """Load the artifact into the (existing, empty) staging table; rows as the sink counted them."""

    # --- the same for all -----------------------------------------------------------------------------

    def stage(self, extract: ExtractResult, becomes_target: bool) -> int:
        """Create the staging table and load the artifact into it; returns the rows staged."""
        columns = extract.schema
        if not becomes_target:
            # Staging holds whatever comes; what may be NULL is for the target to say.
            columns = tuple(column.as_nullable() for column in columns)
        self.create_stage(columns, becomes_target)
        return self.fill_stage(extract)

    def create_stage(self, columns: Sequence[Column], becomes_target: bool) -> None:
        """An empty staging table."""
        self.run(f"DROP TABLE IF EXISTS {self.stage_table}")
        self.run(self.dialect.create(self.stage_table, columns))

    def prepare_finalize(self, keys: Sequence[str]) -> None:  # noqa: B027 - most systems need nothing
        """Give the system what it needs to join stage and target by ``keys`` quickly."""

    def create_target(self, columns: Sequence[Column]) -> None:
        """An empty target."""
        self.run(self.dialect.create(self.target, columns))

    def evolve(self, plan: evolution.Plan, before: Sequence[Column], keys: Sequence[str]) -> None:
        """Apply the planner's steps to the target."""
        for statement in self.dialect.schema_steps(self.target, plan.steps, before, keys):
            self.run(statement)

    def can_swap(self) -> bool:
        """Whether the target may be dropped for the staging table."""
        return True

    def swap(self) -> None:
        """The staging table takes the target's name."""
        self.run(f"DROP TABLE IF EXISTS {self.target}")
        self.run(f"ALTER TABLE {self.stage_table} RENAME TO {self.dialect.quote(self.name)}")

    def drop_stage(self) -> None:
        """Remove the staging table."""
        self.run(f"DROP TABLE IF EXISTS {self.stage_table}")

    def count(self, table: str) -> int:
        """Rows in ``table``."""
        return int(self.query(f"SELECT count(*) FROM {table}")[0][0])

    def greatest(self, column: Column, floor: str | None) -> str | None:
        """The greatest staged value of a cursor, at least ``floor``, as text; ``None`` when there is none."""
        name = self.dialect.quote(column.name)
        values = f"SELECT {name} FROM {self.stage_table}"
        if floor is not None:
            values += f" UNION ALL SELECT {self.dialect.of_type(floor, column.type)}"
        [(value,)] = self.query(f"SELECT {self.dialect.as_text(f'max(v.{name})')} FROM ({values}) AS v")
        return None if value is None else str(value)

    def latest(self, names: Sequence[str]) -> str | None:
        """The latest of several timestamp columns of the target, as text."""
        values = " UNION ALL ".join(f"SELECT {self.dialect.quote(n)} AS v FROM {self.target}" for n in names)
        [(value,)] = self.query(f"SELECT {self.dialect.as_text('max(x.v)')} FROM ({values}) AS x")
        return None if value is None else str(value)

    def read_state(self) -> PipelineState:
        """This pipeline's records."""
        ours = f"pipeline = {self.dialect.literal(self.pipeline)}"
        found = self.query(f"SELECT kind, record FROM {self.state_table} WHERE {ours}")
        return PipelineState.parse({str(kind): str(record) for kind, record in found})

    def write_state(self, state: PipelineState) -> None:
        """Replace this pipeline's records, inside the load's transaction."""
        literal = self.dialect.literal
        self.run(f"DELETE FROM {self.state_table} WHERE pipeline = {literal(self.pipeline)}")
        values = ", ".join(
            f"({literal(self.pipeline)}, {literal(kind)}, {literal(record)})"
            for kind, record in state.dump().items()
        )
        if values:
            self.run(f"INSERT INTO {self.state_table} (pipeline, kind, record) VALUES {values}")

    def storable(self, column_type: ColumnType) -> bool:
        """Whether the sink has a place for values of that type."""
        return column_type.kind is not None


STATE_COLUMNS = (
    "pipeline {text} NOT NULL, kind {text} NOT NULL, record {text} NOT NULL, PRIMARY KEY (pipeline, kind)"
)
