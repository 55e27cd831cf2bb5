"""Finalization gone wrong: what becomes of the tables a strategy speaks about, and of its statements."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.dialects.base import Dialect
from certification_pipeline.reference.dialects.postgres import PostgresDialect
from certification_pipeline.reference.schema import Column
from certification_pipeline.reference.strategies.history import VALID_FROM, VALID_TO
from certification_pipeline.reference.strategies.plan import Counts, Reads, Statement, Tables

if TYPE_CHECKING:
    from certification_pipeline.reference.rounds import Attempt


def spoilt_tables(defect: Defect | None, tables: Tables) -> Tables:
    """What the strategy is told; as it is without such a defect."""
    match defect:
        case Defect.DROPPED_COLUMN_KEPT_AS_IT_WAS:
            return replace(tables, kept=())
        case Defect.DIFF_BLIND_TO_NULL:
            return replace(tables, dialect=_comparing(tables.dialect, _unequal))
        case Defect.HISTORY_ALWAYS_CLOSED if tables.now:
            return replace(tables, dialect=_comparing(tables.dialect, lambda *_: "1 = 1"))
    return tables


def _comparing(dialect: Dialect, differs: object) -> Dialect:
    other = copy.copy(dialect)
    object.__setattr__(other, "differs", lambda columns, *sides: differs(other, columns, *sides))  # type: ignore[operator]
    return other


def _unequal(dialect: Dialect, columns: Sequence[Column], left: str, right: str) -> str:
    """``<>`` is never true for NULL."""
    names = [dialect.quote(column.name) for column in columns]
    return f"({' OR '.join(f'{left}{name} <> {right}{name}' for name in names)})"


def spoilt_statements(  # noqa: PLR0911 - one a defect
    attempt: Attempt, tables: Tables, statements: list[Statement]
) -> list[Statement]:
    """The statements that are run instead of the strategy's own."""
    plan = attempt.plan
    merges = any(statement.counts is Counts.UPDATED for statement in statements)
    sliced = plan.reads in (Reads.SLICE, Reads.DAYS)
    match attempt.defect:
        case Defect.IGNORE_DELETES:
            return [statement for statement in statements if not statement.applies_deletes]
        case Defect.TIES_TWICE if plan.reads is Reads.CURSOR and not merges:
            return [Statement(Counts.INSERTED, tables.insert())]
        case Defect.INSERT_INSTEAD_OF_MERGE if plan.reads is Reads.CURSOR and merges:
            return [Statement(Counts.INSERTED, tables.insert())]
        case Defect.MERGE_NEVER_UPDATES if plan.reads is Reads.CURSOR:
            return [statement for statement in statements if statement.counts is not Counts.UPDATED]
        case Defect.REWRITE_WHEN_IDLE if plan.reads is Reads.CURSOR and merges:
            there = f"EXISTS (SELECT 1 FROM {tables.stage} AS s WHERE {tables.match()})"
            gone = f"DELETE FROM {tables.target} AS t WHERE {there}"
            return [Statement(Counts.DELETED, gone), Statement(Counts.INSERTED, tables.insert())]
        case Defect.SLICE_APPENDED if sliced:
            return [statement for statement in statements if statement.counts is not Counts.DELETED]
        case Defect.PARTITIONS_ALL_REPLACED if plan.needs_partition and plan.reads is Reads.SLICE:
            return [Statement(Counts.DELETED, f"DELETE FROM {tables.target} AS t"), *statements[1:]]
        case Defect.HISTORY_NEVER_CLOSED:
            return [statement for statement in statements if statement.counts is not Counts.VERSIONED]
        case Defect.HISTORY_OVERLAPS if plan.adds:
            return [*statements[:-1], _opened_early(tables, statements[-1])]
        case Defect.HISTORY_OPENS_ONCE if plan.adds:
            now = tables.dialect.of_type(tables.now, VALID_TO.type)
            once = tables.insert(tables.absent(), [(VALID_FROM.name, now), (VALID_TO.name, "NULL")])
            return [*statements[:-1], Statement(Counts.INSERTED, once)]
    return statements


def drop_alone(attempt: Attempt) -> None:
    """:attr:`Defect.SWAP_IN_STEPS`: the old table is gone, for everybody, before the new one has its name."""
    attempt.sink.run(f"DROP TABLE IF EXISTS {attempt.sink.target}")
    attempt.sink.run("COMMIT")
    attempt.sink.run("BEGIN")


def leave_unlogged(attempt: Attempt) -> None:
    """:attr:`Defect.TARGET_UNLOGGED`: PostgreSQL empties such a table when it comes back from a crash."""
    if isinstance(attempt.sink.dialect, PostgresDialect):
        attempt.sink.run(f"ALTER TABLE {attempt.sink.target} SET UNLOGGED")


def _opened_early(tables: Tables, opening: Statement) -> Statement:
    """Versions begin a day before the ones they follow were closed."""
    earlier = (datetime.fromisoformat(tables.now) - timedelta(days=1)).isoformat(
        sep=" ", timespec="microseconds"
    )
    now, then = (tables.dialect.of_type(text, VALID_FROM.type) for text in (tables.now, earlier))
    return replace(opening, sql=opening.sql.replace(now, then))
