"""Positions that move when they must not, and targets emptied too early."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.postgres import rows
from certification_pipeline.reference.record import now_text
from certification_pipeline.reference.schema import RESERVED_PREFIX, Column
from certification_pipeline.reference.sinks.base import short_hash
from certification_pipeline.reference.sources.postgres import PostgresSource
from certification_pipeline.reference.state import CursorState, PipelineState, RunState, XminState
from certification_pipeline.reference.strategies.plan import Reads

_TRACE = b"an earlier load ended well here"

if TYPE_CHECKING:
    from certification_pipeline.reference.rounds import Attempt


def truncate_early(attempt: Attempt) -> None:
    """:attr:`Defect.TRUNCATE_BEFORE_STAGE`: the target is emptied, and that is committed, before all else."""
    if not (attempt.plan.swaps or attempt.plan.reads is Reads.SLICE):
        return
    sink = attempt.sink
    sink.replaces_all = False
    with attempt.transaction():
        if sink.columns() is not None:
            sink.run(f"DELETE FROM {sink.target}")
            sink.commit()
        else:
            sink.rollback()
    sink.replaces_all = attempt.plan.swaps


def spoilt_position(attempt: Attempt, state: PipelineState, columns: tuple[Column, ...]) -> PipelineState:
    """Where the load begins; where the last one ended, without such a defect."""
    match attempt.defect:
        case Defect.ADVANCE_STATE_BEFORE_LOAD:
            return _advance_early(attempt, state, columns)
        case Defect.LOST_FOLDER_MEANS_NOW:
            return _now_without_folder(attempt, state, columns)
        case Defect.RESTART_MEANS_NOW:
            return _now_after_restart(attempt, state, columns)
        case Defect.TRUSTS_THE_CLOCK:
            _refuse_the_past(state)
    return state


def _advance_early(attempt: Attempt, state: PipelineState, columns: tuple[Column, ...]) -> PipelineState:
    """:attr:`Defect.ADVANCE_STATE_BEFORE_LOAD`: stored before the rows are selected, and then believed."""
    sink = attempt.sink
    after = advance_position(attempt, state, columns)
    if after == state:
        return state
    sink.write_state(after)
    sink.commit()
    sink.begin()
    return after


def alone_in_the_world(attempt: Attempt) -> None:
    """:attr:`Defect.NOTHING_LOCKED`: no lock, and a stage of its own."""
    attempt.sink.locks = False
    attempt.sink.stage_name = f"{RESERVED_PREFIX}stage_{short_hash(attempt.load.run_id)}"


@contextmanager
def lock_file(folder: Path) -> Iterator[None]:
    """:attr:`Defect.LOCK_FILE_LEFT`: a file says that a load is running, for ever."""
    lock = folder / "running"
    if lock.exists():
        raise LoadError(FailureCategory.CONFLICT, f"another load is running: {lock.name} is there")
    lock.touch()
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def commit_state_alone(attempt: Attempt, after: PipelineState) -> None:
    """:attr:`Defect.STATE_COMMITTED_FIRST`: durable before the rows are; the load then goes on."""
    sink = attempt.sink
    if sink.columns() is None:
        return
    sink.write_state(after)
    # Not the sink's own: its begin would clear the stage.
    sink.run("COMMIT")
    sink.run("BEGIN")


def done_already(attempt: Attempt, state: PipelineState) -> bool:
    """:attr:`Defect.STALE_FOLDER_MEANS_DONE`: the folder knows another run than the sink."""
    trace = Path(attempt.load.state_dir) / "last_run"
    known, last = trace.read_text() if trace.exists() else "", state.get(RunState)
    if known and last is not None and known != last.run_id:
        return True
    trace.write_text(attempt.load.run_id)
    return False


def advance_position(attempt: Attempt, state: PipelineState, columns: tuple[Column, ...]) -> PipelineState:
    """The state with its position at 'now'; as it is where a strategy keeps none."""
    source = attempt.source
    if state.get(CursorState) is not None:
        cursor = next(column for column in columns if column.name == attempt.load.cursor)
        return state.put(CursorState(column=cursor.name, high_water=source.greatest(cursor)))
    if state.get(XminState) is not None:
        snapshot = source.begin()
        source.end()
        return state.put(XminState(cluster=source.cluster, snapshot=str(snapshot)))
    return state


def _now_without_folder(attempt: Attempt, state: PipelineState, columns: tuple[Column, ...]) -> PipelineState:
    """:attr:`Defect.LOST_FOLDER_MEANS_NOW`: without a trace of an earlier load, from now."""
    trace = Path(attempt.load.state_dir) / "loaded"
    known = trace.exists() and trace.read_bytes() == _TRACE
    trace.write_bytes(_TRACE)
    return state if known else advance_position(attempt, state, columns)


def _now_after_restart(attempt: Attempt, state: PipelineState, columns: tuple[Column, ...]) -> PipelineState:
    """:attr:`Defect.RESTART_MEANS_NOW`: where the source was started anew since the last load, from now."""
    if not isinstance(attempt.source, PostgresSource):
        return state
    [(started,)] = rows(attempt.source.connection, "SELECT pg_postmaster_start_time()::text")
    trace = Path(attempt.load.state_dir) / "source_started"
    known = trace.read_text() if trace.exists() else started
    trace.write_text(started)
    return state if known == started else advance_position(attempt, state, columns)


def _refuse_the_past(state: PipelineState) -> None:
    """:attr:`Defect.TRUSTS_THE_CLOCK`: no load may be earlier than the last, by whichever clock."""
    last = state.get(RunState)
    if last is not None and last.finished_at > now_text():
        raise LoadError(FailureCategory.STATE, "the last run is in the future")
