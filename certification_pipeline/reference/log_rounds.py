"""cdc: an initial copy that is consistent with the slot, then the log, applied exactly once.

Order: peek, load and commit with the position, advance. A crash before the commit repeats the peek; a
crash after it finds the position in the sink, skips what is there, and advances late.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import structlog

from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference import evolution
from certification_pipeline.reference.artifacts import ExtractResult, InMemoryRows, Row
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.finalize import finalize
from certification_pipeline.reference.planted.log import snapshot_appended
from certification_pipeline.reference.request import check_columns
from certification_pipeline.reference.rounds import Attempt
from certification_pipeline.reference.schema import Column, ColumnType
from certification_pipeline.reference.sources.log import InitialCopy, LogReader
from certification_pipeline.reference.sources.netting import Net, NetRow
from certification_pipeline.reference.sources.pgoutput import Unchanged
from certification_pipeline.reference.sources.postgres import PostgresSource
from certification_pipeline.reference.sources.snapshot import Snapshot
from certification_pipeline.reference.state import CdcState, PipelineState
from certification_pipeline.reference.strategies.plan import DELETE, OP, ORIGIN, UNCHANGED, UPSERT
from certification_pipeline.reference.strategies.upsert import snapshot_diff

_TEXT = ColumnType(LogicalType.TEXT)
_BOOL = ColumnType(LogicalType.BOOL)


def load_changes(attempt: Attempt) -> None:
    """One cdc load."""
    source = attempt.source
    assert isinstance(source, PostgresSource), "no other source claims cdc"
    if attempt.defect is Defect.SNAPSHOT_BEFORE_SLOT:
        attempt.source = PostgresSource(attempt.load.source)  # beside the connection that makes the slot
    log = LogReader(source.connection, source.namespace, source.name, attempt.sink.pipeline, attempt.defect)
    columns = source.columns()
    check_columns(attempt.load, attempt.plan, columns)
    attempt.check_storable(columns)
    log.check(attempt.load.primary_key)
    with attempt.transaction() as state:
        attempt.ledger.before = state
        position = state.get(CdcState)
        if attempt.defect is Defect.SLOT_LOSS_UNNOTICED and position is not None and log.slot() is None:
            log.create()
        if position is None or (reason := _broken(log, position, source.cluster, attempt.defect)):
            if position is not None:
                structlog.get_logger().warning("cdc starts anew", reason=reason, slot=log.slot_name)
            end = _initial(attempt, log, columns, state)
        else:
            end = _continue(attempt, log, columns, state, position)
    # Only now, that the sink has committed, may the source forget.
    log.advance(end)


def _broken(log: LogReader, position: CdcState, cluster: str, defect: Defect | None) -> str:
    """Why the log cannot be continued at ``position``; empty when it can."""
    slot = log.slot()
    if position.cluster != cluster:
        return "the source is another database"
    if slot is None or position.slot != log.slot_name:
        return "the slot is gone"
    if not slot.usable:
        return "the slot lost its log"
    unseen = (Defect.SLOT_COMMITTED_ON_READ, Defect.SLOT_LOSS_UNNOTICED)
    if slot.confirmed > position.lsn and defect not in unseen:
        return "the slot was advanced beyond what the sink has"
    return ""


def _initial(attempt: Attempt, log: LogReader, columns: tuple[Column, ...], state: PipelineState) -> int:
    """Slot first, snapshot second: what commits between them is in both, and the log's copy is skipped."""
    attempt.phase("slot")
    early = attempt.source.begin() if attempt.defect is Defect.SNAPSHOT_BEFORE_SLOT else None
    start = log.create()
    try:
        snapshot = early or attempt.source.begin()
        boundary = log.boundary()
        changes = attempt.map_columns(columns)
        staged = attempt.stage(attempt.extract(changes, ""), becomes_target=False)
        attempt.source.end()
        appends = attempt.defect is Defect.RESNAPSHOT_APPENDED
        finalize(attempt, changes, staged, snapshot_appended if appends else snapshot_diff)
        position = CdcState(
            cluster=attempt.source.cluster,
            slot=log.slot_name,
            lsn=start,
            snapshot=str(snapshot),
            boundary=boundary,
        )
        attempt.finish(state.put(position))
    except BaseException:
        # A slot nobody reads would keep the source's log for ever.
        with suppress(Exception):
            attempt.source.end()
            log.forget()
        raise
    return start


def _continue(
    attempt: Attempt, log: LogReader, columns: tuple[Column, ...], state: PipelineState, position: CdcState
) -> int:
    attempt.phase("extract")
    if attempt.defect is Defect.ADVANCE_STATE_BEFORE_LOAD:
        log.advance(log.end())
    initial = InitialCopy(Snapshot.parse(position.snapshot), position.boundary)
    with attempt.ledger.timed("extract"):
        net, end = log.peek(attempt.load.primary_key, position.lsn, initial)
    if attempt.defect is Defect.SLOT_COMMITTED_ON_READ:
        log.advance(end)
    changes = attempt.map_columns(columns)
    stage = _Stage(changes, net, attempt.defect)
    staged = attempt.stage(stage.extract(attempt.load.options.batch_rows), becomes_target=False)
    write = snapshot_diff if net.truncated else attempt.plan.write
    finalize(attempt, changes, staged, write, stage.unchanged)
    attempt.finish(state.put(position.model_copy(update={"lsn": end})))
    return end


@dataclass(frozen=True)
class _Stage:
    """Net changes as rows of a staging table: data columns, then control columns."""

    changes: evolution.Plan
    net: Net
    defect: Defect | None

    @property
    def unchanged(self) -> tuple[str, ...]:
        """Target columns for which some row has no value because the log left it out."""
        return tuple(
            mapping.target.name
            for mapping in self.changes.mappings
            if any(
                row.values is not None and row.values.get(mapping.source.name) is Unchanged.TOAST
                for row in self.net.rows.values()
            )
        )

    def extract(self, batch_rows: int) -> ExtractResult:
        """The artifact a log source emits: in-memory rows, one a key."""
        mappings, unchanged = self.changes.mappings, set(self.unchanged)
        flags = [i for i, mapping in enumerate(mappings) if mapping.target.name in unchanged]
        types = {mapping.source.name: mapping.target.type for mapping in mappings}
        schema = (
            *(mapping.target.as_nullable() for mapping in mappings),
            Column(OP, _TEXT),
            *(Column(f"{ORIGIN}{i}", types[key]) for i, key in enumerate(self.net.key_columns)),
            *(Column(f"{UNCHANGED}{i}", _BOOL) for i in flags),
        )
        rows = tuple(self._rows(flags))
        if self.defect is Defect.DROP_LAST_BATCH:
            rows = rows[: len(rows) - max(1, len(rows) // 10)]
        return ExtractResult(schema, InMemoryRows(rows, batch_rows), lambda: self.net.changes)

    def _rows(self, flags: list[int]) -> Iterator[Row]:
        names = [mapping.source.name for mapping in self.changes.mappings]
        for key, row in self.net.rows.items():
            if row.values is None and self.net.truncated:
                continue  # the stage is the whole table then
            values = row.values or dict(zip(self.net.key_columns, key, strict=True))
            data = [values.get(name) for name in names]
            yield (
                *(self._text(value, i) for i, value in enumerate(data)),
                DELETE if row.values is None else UPSERT,
                *_origin(row, key),
                *("t" if data[i] is Unchanged.TOAST else "f" for i in flags),
            )

    def _text(self, value: str | Unchanged | None, position: int) -> str | None:
        if value is None or isinstance(value, Unchanged):
            return None
        kind = self.changes.mappings[position].source.type.kind
        if self.defect is Defect.LOSE_DECIMAL_SCALE and kind is LogicalType.DECIMAL:
            whole, point, places = value.partition(".")
            return f"{whole}{point}{places[:2]}"
        return value


def _origin(row: NetRow, key: tuple[str, ...]) -> tuple[str, ...]:
    return row.origin if row.values is not None else key
