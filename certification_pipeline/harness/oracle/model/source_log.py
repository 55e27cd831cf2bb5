"""The source's history as one table: every image every key ever had, and from which to which round.

Values are canonical text; only key, cursor and partition also exist in typed form, for the logic of
strategies. A column has a number of its own that outlives renames, so that drift is arithmetic on
numbers (:class:`Layout`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from certification_pipeline.catalog.vocabulary import DriftKind
from certification_pipeline.harness.oracle.canonical import canonical
from certification_pipeline.harness.oracle.sql import key_text
from certification_pipeline.harness.workload.spec import Column, LogicalType, TableSpec

if TYPE_CHECKING:
    from certification_pipeline.harness.workload.recipe import Drift
    from certification_pipeline.harness.workload.rounds import Workload

_NUMBERS = itertools.count()
_SAME_TEXT = {
    LogicalType.INT16,
    LogicalType.INT32,
    LogicalType.INT64,
    LogicalType.DECIMAL,
    LogicalType.TEXT,
    LogicalType.FLOAT64,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which numbered column of the log holds each column of the table, as of one round."""

    spec: TableSpec
    slots: dict[str, int]

    def slot(self, name: str) -> str:
        """The log's column for a column of the table."""
        return f"v{self.slots[name]}"


class SourceLog:
    """One workload's rounds in a DuckDB table; rounds are added as they are asked for.

    Columns: ``eid`` (order of events), ``round``, ``until`` (the round that superseded it, or NULL),
    ``gone`` (a delete), ``k`` (key text), ``cur`` (cursor, microseconds), ``part`` (partition, days), and
    ``v0`` … the canonical values. Not safe for threads: the owner locks.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, workload: Workload) -> None:
        self.connection = connection
        self.workload = workload
        self.table = f"log_{next(_NUMBERS)}"
        first = Layout(workload.spec, {c.name: i for i, c in enumerate(workload.spec.columns)})
        self.layouts = [first]
        self.drifts: list[Drift | None] = [None]
        self._width = len(first.slots)
        self._events = 0
        self._create()

    def ensure(self, round_: int) -> None:
        """Make all rounds up to ``round_`` present."""
        while len(self.layouts) <= round_:
            self._add_round(len(self.layouts))

    def current(self, round_: int) -> str:
        """The source's rows after ``round_``: a query of ``eid, k, cur, part``."""
        return f"SELECT eid, k, cur, part FROM {self.table} WHERE {self.visible(round_)}"

    @staticmethod
    def visible(round_: int) -> str:
        """Condition on the log: the event is a row of the source after ``round_``."""
        return f"(NOT gone AND round <= {round_} AND (until IS NULL OR until > {round_}))"

    def deleted(self, round_: int) -> str:
        """Keys that the source had once and has not after ``round_``: a query of ``k``."""
        return (
            f"SELECT k FROM {self.table} "
            f"WHERE gone AND round <= {round_} AND (until IS NULL OR until > {round_})"
        )

    def drop(self) -> None:
        """Forget everything."""
        self.connection.execute(f"DROP TABLE IF EXISTS {self.table}")

    # --- filling ------------------------------------------------------------------------------------

    def _create(self) -> None:
        values = ", ".join(f"v{i} VARCHAR" for i in range(self._width))
        self.connection.execute(
            f"CREATE TABLE {self.table} (eid BIGINT, round SMALLINT, until SMALLINT, gone BOOLEAN, "
            f"k VARCHAR, cur BIGINT, part INTEGER, {values})"
        )
        for batch in self.workload.initial(100_000):
            self._append(pa.Table.from_batches([batch]), 0, gone=False)

    def _add_round(self, index: int) -> None:
        change = self.workload.change(index)
        layout = self.layouts[-1]
        if change.drift is not None:
            layout = self._drifted(layout, change.drift, change.spec)
        self.layouts.append(replace(layout, spec=change.spec))
        self.drifts.append(change.drift)
        for rows, gone in ((change.inserts, False), (change.updates, False), (change.deletes, True)):
            self._append(rows, index, gone=gone)
        self.connection.execute(
            f"UPDATE {self.table} SET until = {index} FROM "
            f"(SELECT k AS touched, max(eid) AS latest FROM {self.table} WHERE round = {index} GROUP BY k) "
            f"WHERE k = touched AND until IS NULL AND eid < latest"
        )

    def _append(self, rows: pa.Table, round_: int, *, gone: bool) -> None:
        if rows.num_rows == 0:
            return
        layout = self.layouts[-1]
        arrays: dict[str, pa.Array] = {}
        names = layout.spec.primary_key if gone else layout.spec.column_names
        for name in names:
            column = layout.spec.column(name)
            arrays[layout.slot(name)] = canonical(rows.column(name), column.type)
        typed = dict(self._typed(layout.spec, rows)) if not gone else {}
        first, self._events = self._events, self._events + rows.num_rows
        batch = pa.table({"eid": pa.array(range(first, self._events), pa.int64()), **arrays, **typed})
        key = key_text([layout.slot(name) for name in layout.spec.primary_key])
        columns = ", ".join(batch.column_names)
        self.connection.register("new_rows", batch)
        self.connection.execute(
            f"INSERT INTO {self.table} ({columns}, round, gone, k) "
            f"SELECT {columns}, {round_}, {gone}, {key} FROM new_rows"
        )
        self.connection.unregister("new_rows")

    @staticmethod
    def _typed(spec: TableSpec, rows: pa.Table) -> Iterator[tuple[str, pa.Array]]:
        if spec.cursor:
            cursor = rows.column(spec.cursor).combine_chunks()
            if pa.types.is_timestamp(cursor.type):
                cursor = pc.cast(cursor, pa.timestamp("us", cursor.type.tz))
            yield "cur", pc.cast(cursor, pa.int64())
        if spec.partition:
            yield "part", pc.cast(pc.cast(rows.column(spec.partition), pa.date32()), pa.int32())

    def _drifted(self, layout: Layout, drift: Drift, spec: TableSpec) -> Layout:
        slots = dict(layout.slots)
        match drift.kind:
            case DriftKind.DROP:
                del slots[drift.column]
            case DriftKind.RENAME:
                slots[str(drift.new_name)] = slots.pop(drift.column)
            case DriftKind.ADD:
                slots[drift.column] = self._new_slot("NULL")
            case DriftKind.WIDEN | DriftKind.NARROW:
                old = layout.slot(drift.column)
                recast = _recast(old, layout.spec.column(drift.column), spec.column(drift.column))
                slots[drift.column] = self._new_slot(recast)
            case DriftKind.NULL:
                pass
        return Layout(spec, slots)

    def _new_slot(self, expression: str) -> int:
        slot, self._width = self._width, self._width + 1
        self.connection.execute(f"ALTER TABLE {self.table} ADD COLUMN v{slot} VARCHAR")
        if expression != "NULL":
            self.connection.execute(f"UPDATE {self.table} SET v{slot} = {expression}")
        return slot


def _recast(value: str, old: Column, new: Column) -> str:
    """What ``ALTER COLUMN … TYPE`` makes of the canonical text of rows that were there before."""
    if old.type is new.type or {old.type, new.type} <= _SAME_TEXT:
        return value
    match old.type, new.type:
        case LogicalType.DATE, LogicalType.TIMESTAMP:
            return f"{value} || ' 00:00:00'"
        case LogicalType.DATE, LogicalType.TIMESTAMPTZ:
            return f"{value} || ' 00:00:00+00'"
        case LogicalType.TIMESTAMP, LogicalType.TIMESTAMPTZ:
            return f"{value} || '+00'"
        case (
            (LogicalType.UUID | LogicalType.DATE | LogicalType.TIMESTAMP | LogicalType.TIMESTAMPTZ),
            LogicalType.TEXT,
        ):
            return value
    raise ValueError(f"column {old.name}: no rule for turning stored {old.type} values into {new.type}")
