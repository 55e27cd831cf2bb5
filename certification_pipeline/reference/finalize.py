"""From staging to target: evolve, then the plan's set-based statements, or a swap; rows counted by SQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from certification_pipeline.reference import evolution
from certification_pipeline.reference.artifacts import ExtractResult
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.planted.statements import (
    drop_alone,
    leave_unlogged,
    spoilt_statements,
    spoilt_tables,
)
from certification_pipeline.reference.schema import Column
from certification_pipeline.reference.strategies.history import VALID_FROM, VALID_TO
from certification_pipeline.reference.strategies.plan import Counts, Statement, Tables

if TYPE_CHECKING:
    from certification_pipeline.reference.rounds import Attempt


def finalize(
    attempt: Attempt,
    changes: evolution.Plan,
    extract: ExtractResult,
    write: Callable[[Tables], list[Statement]],
    unchanged: tuple[str, ...] = (),
) -> None:
    """Evolve the target and run the plan's statements, or swap."""
    attempt.phase("finalize")
    with attempt.ledger.timed("finalize"):
        there = attempt.sink.columns()
        if attempt.plan.swaps and (there is None or attempt.sink.can_swap()):
            _swap(attempt, there is not None)
            return
        keys = _target_keys(attempt, changes)
        if there is None:
            created = tuple(mapping.target for mapping in changes.mappings)
            attempt.sink.create_target((*created, *attempt.plan.adds))
            if attempt.defect is Defect.TARGET_UNLOGGED:
                leave_unlogged(attempt)
        else:
            attempt.sink.evolve(changes, there, keys)
        attempt.sink.prepare_finalize(keys)
        tables = spoilt_tables(attempt.defect, _tables(attempt, changes, extract.schema, keys, unchanged))
        for statement in spoilt_statements(attempt, tables, write(tables)):
            touched = attempt.sink.run(statement.sql)
            attempt.ledger.counts[statement.counts] += touched
            if statement.counts in (Counts.INSERTED, Counts.UPDATED):
                attempt.ledger.loaded += touched


def _swap(attempt: Attempt, existed: bool) -> None:
    """The stage becomes the target; what was written is counted in the new target."""
    if existed:
        attempt.ledger.counts[Counts.DELETED] += attempt.sink.count(attempt.sink.target)
    if attempt.defect is Defect.SWAP_IN_STEPS:
        drop_alone(attempt)
    attempt.sink.swap()
    written = attempt.sink.count(attempt.sink.target)
    attempt.ledger.counts[Counts.INSERTED] += written
    attempt.ledger.loaded += written


def _target_keys(attempt: Attempt, changes: evolution.Plan) -> tuple[str, ...]:
    if not attempt.plan.needs_key:
        return ()
    names = {mapping.source.name: mapping.target.name for mapping in changes.mappings}
    return tuple(names[key] for key in attempt.load.primary_key)


def _tables(
    attempt: Attempt,
    changes: evolution.Plan,
    staged: tuple[Column, ...],
    keys: tuple[str, ...],
    unchanged: tuple[str, ...],
) -> Tables:
    options = attempt.load.options
    names = {mapping.source.name: mapping.target.name for mapping in changes.mappings}
    data = {mapping.target.name for mapping in changes.mappings}
    return Tables(
        dialect=attempt.sink.dialect,
        target=attempt.sink.target,
        stage=attempt.sink.stage_table,
        columns=tuple(column for column in staged if column.name in data),
        keys=keys,
        kept=changes.kept,
        cursor=names.get(attempt.load.cursor or ""),
        partition=names.get(options.partition_column or ""),
        slice_from=options.partition_from,
        slice_to=options.partition_to,
        now=_now(attempt) if attempt.plan.adds else "",
        unchanged=unchanged,
    )


def _now(attempt: Attempt) -> str:
    """An instant after every interval there is, also when the clock was set back."""
    now = datetime.now(UTC)
    latest = attempt.sink.latest([VALID_FROM.name, VALID_TO.name])
    if latest is not None:
        now = max(now, datetime.fromisoformat(latest).astimezone(UTC) + timedelta(microseconds=1))
    return now.isoformat(sep=" ", timespec="microseconds")
