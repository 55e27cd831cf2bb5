"""Replays: re-read a scope of the source into the sink, or go on from the last committed checkpoint.

A resync is one sink transaction like any load: staged first, then set-based statements, then commit. It
leaves the state as it is: the position says which rows *loads* have seen, and a resync sees others.

Where a strategy works by key, every key with a row in the scope on either side becomes what the source has
now. A row that left the scope at the source is followed by its key, or it would be gone from the sink until
some later load happens to touch it. Where a strategy replaces slices, the scope is a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from certification_pipeline.catalog.vocabulary import FailureCategory, ReplayKind, Strategy
from certification_pipeline.harness.engines.protocol import Load, Replay
from certification_pipeline.reference import evolution
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.dialects.base import Dialect
from certification_pipeline.reference.dialects.postgres import PostgresDialect
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.finalize import finalize
from certification_pipeline.reference.planted.positions import advance_position
from certification_pipeline.reference.request import check_columns
from certification_pipeline.reference.schema import Column
from certification_pipeline.reference.strategies.plan import Counts, Reads, Statement, StrategyPlan, Tables
from certification_pipeline.reference.strategies.upsert import upsert

if TYPE_CHECKING:
    from certification_pipeline.reference.rounds import Attempt

BY_KEY = (
    Strategy.FULL_REFRESH,
    Strategy.INCREMENTAL_MERGE,
    Strategy.SNAPSHOT_DIFF,
    Strategy.XMIN,
    Strategy.CDC,
)
BY_SLICE = (Strategy.REPLACE, Strategy.PARTITION_REPLACE, Strategy.BACKFILL)
REFUSED = {
    Strategy.INCREMENTAL_APPEND: "its sink is a log of versions that the source no longer has",
    Strategy.SCD2: "its sink is history: versions cannot be read again from a source that has the last ones",
}
_KEYS_AT_A_TIME = 5000
_SOURCE = PostgresDialect()


def is_resync(load: Load) -> bool:
    """Whether a scope is to be read again, rather than the next load be done."""
    return load.options.replay is not None and load.options.replay.kind is not ReplayKind.RESUME


def resync_plan(load: Load) -> StrategyPlan:
    """The strategy as a resync. Raises :class:`LoadError` ``unsupported`` or ``configuration``."""
    replay = load.options.replay
    assert replay is not None
    if load.strategy in REFUSED:
        raise LoadError(
            FailureCategory.UNSUPPORTED, f"no resync of {load.strategy}: {REFUSED[load.strategy]}"
        )
    by_key = load.strategy in BY_KEY
    if replay.kind is ReplayKind.KEY_RANGE and not by_key:
        raise LoadError(
            FailureCategory.UNSUPPORTED,
            f"{load.strategy} replaces slices and knows no keys: resync a window or a partition",
        )
    _check_scope(load, replay)
    return StrategyPlan(Reads.SLICE, lambda tables: [], needs_key=by_key)


def _check_scope(load: Load, replay: Replay) -> None:
    options = load.options
    key = replay.kind is ReplayKind.KEY_RANGE
    if replay.column is None:
        raise _wrong("column: the column the scope is of")
    if key and load.primary_key != (replay.column,):
        raise _wrong(f"column: the one column of the primary key, not {replay.column!r}")
    if replay.start is None:
        raise _wrong("start: where the scope begins")
    if replay.kind is ReplayKind.PARTITION:
        if replay.stop is not None:
            raise _wrong("no stop: a partition is one value")
    elif replay.stop is None:
        raise _wrong("stop: where the scope ends")
    elif not _before(replay.start, replay.stop, integers=key):
        raise _wrong(f"start before stop: [{replay.start}, {replay.stop}) is empty")
    if options.partition_column is None or load.strategy in BY_KEY:
        return
    if replay.column != options.partition_column:
        raise _wrong(f"column {options.partition_column!r}, of which {load.strategy} replaces slices")
    low, high = options.partition_from, options.partition_to
    last_inside = replay.stop is None or high is None or replay.stop <= high
    if (low and replay.start < low) or (high and replay.start >= high) or not last_inside:
        raise _wrong(f"a scope inside the slice [{low}, {high}) that the run was about")


def _before(start: str, stop: str, *, integers: bool) -> bool:
    try:
        return int(start) < int(stop) if integers else start < stop
    except ValueError:
        raise _wrong(f"integers for start and stop, not {start!r} and {stop!r}") from None


def _wrong(what: str) -> LoadError:
    return LoadError(FailureCategory.CONFIGURATION, f"options.replay needs {what}")


def replayed(attempt: Attempt, replay: Replay) -> bool:
    """Do the replay; ``False`` when what is left to do is an ordinary load from the checkpoint."""
    if attempt.defect is Defect.REPLAY_DOES_NOTHING:
        return True
    if replay.kind is not ReplayKind.RESUME:
        _resync(attempt, replay)
        return True
    with attempt.transaction() as state:
        attempt.sink.rollback()
    if not state.records:
        raise LoadError(
            FailureCategory.STATE, "there is no committed checkpoint to resume from: run the load itself"
        )
    return False


def _resync(attempt: Attempt, replay: Replay) -> None:
    source, sink = attempt.source, attempt.sink
    by_key = attempt.plan.needs_key
    with attempt.transaction() as state:
        attempt.ledger.before = state
        if not state.records:
            raise LoadError(FailureCategory.STATE, "nothing was loaded here yet: run the load itself")
        columns = source.columns()
        check_columns(attempt.load, attempt.plan, columns)
        attempt.check_storable(columns)
        column = _scope_column(columns, replay)
        source.begin()
        changes = attempt.map_columns(columns)
        target = next(m.target for m in changes.mappings if m.source.name == column.name)
        staged = attempt.stage(attempt.extract(changes, _at_source(column, replay)), becomes_target=False)
        if by_key:
            for condition in _strays(attempt, changes, target, replay):
                _stage_more(attempt, changes, condition)
        source.end()
        write = _writer(attempt, target, replay, by_key=by_key)
        finalize(attempt, changes, staged, write)
        attempt.phase("state")
        if attempt.defect is Defect.REPLAY_MOVES_STATE:
            sink.write_state(advance_position(attempt, state, columns))
        with attempt.ledger.timed("commit"):
            sink.drop_stage()
            attempt.commit()


def _scope_column(columns: tuple[Column, ...], replay: Replay) -> Column:
    for column in columns:
        if column.name == replay.column:
            return column
    raise LoadError(FailureCategory.SCHEMA, f"the source has no column {replay.column!r}, the scope's")


def _at_source(column: Column, replay: Replay) -> str:
    name = _SOURCE.quote(column.name)

    def typed(value: str) -> str:
        return f"CAST({_SOURCE.literal(value)} AS {column.type.native})"

    return _condition(name, replay, typed)


def _condition(name: str, replay: Replay, typed: Callable[[str], str], *, no_start: bool = False) -> str:
    """The scope over one side. A NULL is in no scope."""
    assert replay.start is not None
    if replay.kind is ReplayKind.PARTITION:
        return f"{name} {'<=' if no_start else '='} {typed(replay.start)}"
    assert replay.stop is not None
    above = "" if no_start else f"{name} >= {typed(replay.start)} AND "
    return f"{above}{name} < {typed(replay.stop)}"


def _at_target(dialect: Dialect, column: Column, replay: Replay, *, no_start: bool = False) -> str:
    kind = column.type
    return _condition(
        f"t.{dialect.quote(column.name)}", replay, lambda v: dialect.of_type(v, kind), no_start=no_start
    )


def _strays(attempt: Attempt, changes: evolution.Plan, column: Column, replay: Replay) -> Iterator[str]:
    """Conditions on the source for the sink's keys in scope that the extract did not bring."""
    sink, keys = attempt.sink, attempt.load.primary_key
    if sink.columns() is None:
        return
    targets = {m.source.name: m.target for m in changes.mappings}
    sources = {m.source.name: m.source for m in changes.mappings}
    quote = sink.dialect.quote
    texts = ", ".join(sink.dialect.as_text(f"t.{quote(targets[key].name)}") for key in keys)
    match = " AND ".join(f"t.{quote(targets[key].name)} = s.{quote(targets[key].name)}" for key in keys)
    found = sink.query(
        f"SELECT {texts} FROM {sink.target} AS t WHERE {_at_target(sink.dialect, column, replay)} "
        f"AND NOT EXISTS (SELECT 1 FROM {sink.stage_table} AS s WHERE {match})"
    )
    for first in range(0, len(found), _KEYS_AT_A_TIME):
        some = found[first : first + _KEYS_AT_A_TIME]
        names = ", ".join(_SOURCE.quote(key) for key in keys)
        values = ", ".join(
            "("
            + ", ".join(
                f"CAST({_SOURCE.literal(str(value))} AS {sources[key].type.native})"
                for key, value in zip(keys, row, strict=True)
            )
            + ")"
            for row in some
        )
        yield f"({names}) IN ({values})"


def _stage_more(attempt: Attempt, changes: evolution.Plan, where: str) -> None:
    more = attempt.extract(changes, where)
    with attempt.ledger.timed("stage"):
        attempt.ledger.staged += attempt.sink.fill_stage(more)
        attempt.ledger.extracted += more.rows()


def _writer(
    attempt: Attempt, column: Column, replay: Replay, *, by_key: bool
) -> Callable[[Tables], list[Statement]]:
    def write(tables: Tables) -> list[Statement]:
        if attempt.defect is Defect.REPLAY_APPENDS:
            return [Statement(Counts.INSERTED, tables.insert())]
        widened = attempt.defect is Defect.REPLAY_WIDENS_SCOPE
        inside = _at_target(tables.dialect, column, replay, no_start=widened)
        gone = f"DELETE FROM {tables.target} AS t WHERE {inside}"
        if not by_key:
            return [Statement(Counts.DELETED, gone), Statement(Counts.INSERTED, tables.insert())]
        gone += f" AND NOT EXISTS (SELECT 1 FROM {tables.stage} AS s WHERE {tables.match()})"
        return [Statement(Counts.DELETED, gone), *upsert(tables)]

    return write
