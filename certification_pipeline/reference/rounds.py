"""The rounds of an attempt: read, stage, evolve, finalize, keep state, commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import Load
from certification_pipeline.reference import evolution
from certification_pipeline.reference.artifacts import Encoding, ExtractResult
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.finalize import finalize
from certification_pipeline.reference.planted.columns import spoilt_plan
from certification_pipeline.reference.planted.positions import (
    alone_in_the_world,
    commit_state_alone,
    done_already,
    spoilt_position,
    truncate_early,
)
from certification_pipeline.reference.record import Ledger, now_text
from certification_pipeline.reference.request import check_columns
from certification_pipeline.reference.schema import Column
from certification_pipeline.reference.sinks.base import Sink, short_hash
from certification_pipeline.reference.sources.base import Source
from certification_pipeline.reference.sources.snapshot import Snapshot
from certification_pipeline.reference.state import (
    BackfillState,
    CursorState,
    PipelineState,
    RunState,
    XminState,
)
from certification_pipeline.reference.strategies.plan import (
    Reads,
    StrategyPlan,
)
from certification_pipeline.reference.strategies.slices import replace as replace_slice


@dataclass
class Attempt:
    """One try at a load, over an open sink and an open source."""

    load: Load
    plan: StrategyPlan
    sink: Sink
    source: Source
    ledger: Ledger
    phase: Callable[[str], None]
    folder: Path
    defect: Defect | None
    settle: Callable[[], None] | None = None
    """How a round is committed, where it is not by the sink's own commit: by a coordinator."""

    def run(self) -> None:
        """Dispatch on what the strategy reads."""
        self.sink.pipeline = self.identity()
        self.sink.replaces_all = self.plan.swaps
        if self.defect is Defect.NOTHING_LOCKED:
            alone_in_the_world(self)
        if self.defect is Defect.TRUNCATE_BEFORE_STAGE:
            truncate_early(self)
        replay = self.load.options.replay
        if replay is not None:
            from certification_pipeline.reference.resync import replayed  # noqa: PLC0415

            if replayed(self, replay):
                self.ledger.final = self.sink.count(self.sink.target)
                return
        match self.plan.reads:
            case Reads.DAYS:
                self._days()
            case Reads.CHANGES:
                from certification_pipeline.reference.log_rounds import load_changes  # noqa: PLC0415

                load_changes(self)
            case _:
                self._table()
        self.ledger.final = self.sink.count(self.sink.target)
        if self.defect is Defect.COUNT_EXTRACTED_AS_LOADED:
            self.ledger.loaded = self.ledger.extracted

    def identity(self) -> str:
        """The pipeline: this source object into this sink object, whatever addresses lead to them."""
        source, sink = self.source, self.sink
        return short_hash(
            source.cluster, source.namespace, source.name, sink.identity(), sink.namespace, sink.name
        )

    @contextmanager
    def transaction(self) -> Iterator[PipelineState]:
        """A sink transaction; yields the stored state. State without its table is void."""
        self.sink.begin()
        try:
            state = self.sink.read_state() if self.sink.columns() is not None else PipelineState()
            yield state
        except BaseException:
            self.sink.rollback()
            raise

    def finish(self, state: PipelineState) -> None:
        """Write the state and commit it with the rows."""
        self.phase("state")
        if self.defect is Defect.DEADLINE_OF_A_SECOND and self.ledger.elapsed > 1:
            raise LoadError(FailureCategory.RESOURCE, "the load took longer than a second")
        with self.ledger.timed("commit"):
            if self.load.options.staging_retention == "drop":
                self.sink.drop_stage()
            run = RunState(
                run_id=self.load.run_id,
                strategy=self.load.strategy,
                loaded_rows=self.ledger.loaded,
                finished_at=now_text(),
            )
            after = state.put(run)
            self.sink.write_state(after)
            self.commit()
            self.ledger.after = after

    def commit(self) -> None:
        """Commit what was done since the transaction began."""
        (self.settle or self.sink.commit)()

    # --- one table, one round -------------------------------------------------------------------------

    def _table(self) -> None:
        with self.transaction() as stored:
            self.ledger.before = state = stored
            if self.defect is Defect.STALE_FOLDER_MEANS_DONE and done_already(self, state):
                self.sink.rollback()
                return
            columns = self.source.columns()
            check_columns(self.load, self.plan, columns)
            self.check_storable(columns)
            state = spoilt_position(self, state, columns)
            snapshot = self.source.begin()
            changes = self.map_columns(columns)
            where = self._condition(columns, state, snapshot)
            extract = self.extract(changes, where)
            staged = self.stage(extract, becomes_target=self.plan.swaps)
            after = state
            if self.plan.reads is Reads.CURSOR:
                after = state.put(self._cursor_state(columns, changes, state))
            if self.plan.reads is Reads.XMIN:
                after = state.put(XminState(cluster=self.source.cluster, snapshot=str(snapshot)))
            self.source.end()
            if self.defect is Defect.STATE_COMMITTED_FIRST:
                commit_state_alone(self, after)
            finalize(self, changes, staged, self.plan.write)
            self.finish(after)

    def _condition(self, columns: tuple[Column, ...], state: PipelineState, snapshot: Snapshot) -> str:
        """Which rows to read, as a condition on the source."""
        options, source = self.load.options, self.source
        match self.plan.reads:
            case Reads.CURSOR:
                cursor = _named(columns, self.load.cursor)
                mark = state.get(CursorState)
                high_water = mark.high_water if mark and mark.column == cursor.name else None
                return source.since_cursor(cursor, high_water, options.lookback_seconds, options.cursor_nulls)
            case Reads.XMIN:
                last = state.get(XminState)
                if last is None or last.cluster != source.cluster:
                    return ""
                then = Snapshot.parse(last.snapshot)
                if then.xmax > snapshot.xmax:
                    raise LoadError(
                        FailureCategory.STATE,
                        "the stored snapshot is newer than the source's: the source went back in time "
                        "(restored from a backup?); drop the sink table to start afresh",
                    )
                return source.since_snapshot(then, snapshot)
            case Reads.SLICE if options.partition_column is not None:
                column = _named(columns, options.partition_column)
                return source.in_slice(column, options.partition_from, options.partition_to)
        return ""

    def _cursor_state(
        self, columns: tuple[Column, ...], changes: evolution.Plan, state: PipelineState
    ) -> CursorState:
        cursor = _named(columns, self.load.cursor)
        target = next(m.target for m in changes.mappings if m.source.name == cursor.name)
        last = state.get(CursorState)
        floor = last.high_water if last and last.column == cursor.name else None
        return CursorState(column=cursor.name, high_water=self.sink.greatest(target, floor))

    # --- backfill: one round a day ----------------------------------------------------------------------

    def _days(self) -> None:
        options = self.load.options
        assert options.partition_from is not None
        assert options.partition_to is not None
        assert options.partition_column is not None
        day, stop = date.fromisoformat(options.partition_from), date.fromisoformat(options.partition_to)
        if self.defect is Defect.BACKFILL_ENDS_EARLY:
            stop -= timedelta(days=1)
        first = True
        while day < stop:
            with self.transaction() as state:
                if first:
                    self.ledger.before = self.ledger.after = state
                    first = False
                done = state.get(BackfillState)
                if done is None or done.column != options.partition_column:
                    done = BackfillState(column=options.partition_column)
                if day in done.days:
                    self.sink.rollback()
                else:
                    self._day(day, state, done)
            day += timedelta(days=1)

    def _day(self, day: date, state: PipelineState, done: BackfillState) -> None:
        start, stop = day.isoformat(), (day + timedelta(days=1)).isoformat()
        columns = self.source.columns()
        check_columns(self.load, self.plan, columns)
        self.check_storable(columns)
        self.source.begin()
        changes = self.map_columns(columns)
        extract = self.extract(changes, self.source.in_slice(_named(columns, done.column), start, stop))
        staged = self.stage(extract, becomes_target=False)
        self.source.end()
        finalize(
            self,
            changes,
            staged,
            lambda tables: replace_slice(replace(tables, slice_from=start, slice_to=stop)),
        )
        known = () if self.defect is Defect.BACKFILL_FORGETS_CHUNKS else done.days
        self.finish(state.put(BackfillState(column=done.column, days=(*known, day))))

    # --- the steps every round is made of ----------------------------------------------------------------

    def check_storable(self, columns: tuple[Column, ...]) -> None:
        """Refuse what the sink cannot hold, by name, before anything is read."""
        for column in columns:
            if not self.sink.storable(column.type):
                raise LoadError(
                    FailureCategory.UNSUPPORTED,
                    f"column {column.name!r}: {self.load.sink.system} has no place for type {column.type}",
                )

    def map_columns(self, columns: tuple[Column, ...]) -> evolution.Plan:
        """How source columns map to the target, and what has to change there first."""
        fold = self.sink.dialect.fold
        there = None if self.plan.swaps and self.sink.can_swap() else self.sink.columns()
        if there is None:
            return spoilt_plan(self.defect, evolution.follow(columns, fold), None)
        own = {fold(column.name) for column in self.plan.adds}
        kept = tuple(column for column in there if fold(column.name) not in own)
        keys = frozenset(filter(None, (*self.load.primary_key, self.load.cursor)))
        plan = evolution.plan(columns, kept, self.load.options.on_type_change, fold, keys)
        return spoilt_plan(self.defect, plan, kept)

    def extract(self, changes: evolution.Plan, where: str) -> ExtractResult:
        """Ask the source for the artifact that was asked for; ``auto`` is the sink's native stream."""
        self.phase("extract")
        options = self.load.options
        with self.ledger.timed("extract"):
            kind = "stream" if options.artifact == "auto" else options.artifact
            encoding = self.sink.encoding if options.artifact in ("auto", "stream") else Encoding.CSV
            return self.source.extract(
                mappings=changes.mappings,
                where=where,
                kind=kind,
                encoding=encoding,
                batch_rows=options.batch_rows,
                folder=self.folder,
                run_id=self.load.run_id,
            )

    def stage(self, extract: ExtractResult, becomes_target: bool) -> ExtractResult:
        """Load the artifact into the staging table."""
        self.phase("stage")
        with self.ledger.timed("stage"):
            if becomes_target and not self.sink.can_swap():
                becomes_target = False
            self.ledger.staged += self.sink.stage(extract, becomes_target)
            self.ledger.extracted += extract.rows()
        if self.defect is Defect.FAIL_ON_EMPTY and not extract.rows():
            raise LoadError(FailureCategory.DATA, "there are no rows to load")
        return extract


def _named(columns: tuple[Column, ...], name: str | None) -> Column:
    return next(column for column in columns if column.name == name)
