"""Is the request one the engine can honour? Asked before anything is opened."""

from __future__ import annotations

from datetime import date

from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.harness.engines.protocol import Load
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.schema import Column
from certification_pipeline.reference.sources.capability import Capability
from certification_pipeline.reference.strategies.plan import Reads, StrategyPlan

NEEDS = {
    Reads.SNAPSHOT: Capability.SNAPSHOT,
    Reads.SLICE: Capability.SLICE,
    Reads.DAYS: Capability.SLICE,
    Reads.CURSOR: Capability.CURSOR,
    Reads.XMIN: Capability.XMIN,
    Reads.CHANGES: Capability.CDC,
}
"""Which capability of a source each way of reading rests on."""


def check_request(load: Load, plan: StrategyPlan) -> None:
    """Raise :class:`LoadError` ``configuration`` naming the field that is missing or wrong."""
    options = load.options
    _require(not plan.needs_key or bool(load.primary_key), load, "primary_key: at least one column")
    _require(not plan.needs_cursor or load.cursor is not None, load, "cursor: a column name")
    sliced = options.partition_from is not None or options.partition_to is not None
    _require(
        not (plan.needs_partition or sliced) or options.partition_column is not None,
        load,
        "options.partition_column: a column name",
    )
    for field, value in (("partition_from", options.partition_from), ("partition_to", options.partition_to)):
        if value is not None:
            try:
                date.fromisoformat(value)
            except ValueError:
                _require(False, load, f"options.{field}: an ISO date, not {value!r}")
    if load.strategy is Strategy.BACKFILL:
        both = options.partition_from is not None and options.partition_to is not None
        _require(both, load, "options.partition_from and options.partition_to: both ends of the range")
    _require(options.batch_rows > 0, load, "options.batch_rows: a positive number")
    _require(options.lookback_seconds >= 0, load, "options.lookback_seconds: zero or more")
    if sliced and plan.reads not in (Reads.SLICE, Reads.DAYS):
        raise LoadError(
            FailureCategory.UNSUPPORTED,
            f"strategy {load.strategy} loads no slice: leave out options.partition_from and partition_to",
        )


def check_capability(load: Load, plan: StrategyPlan, capabilities: frozenset[Capability]) -> None:
    """Raise ``unsupported`` when the source cannot read in the way the strategy needs."""
    if NEEDS[plan.reads] not in capabilities:
        raise LoadError(
            FailureCategory.UNSUPPORTED,
            f"a {load.source.system} source has no {NEEDS[plan.reads]}, which {load.strategy} needs",
        )


def check_columns(load: Load, plan: StrategyPlan, source: tuple[Column, ...]) -> None:
    """Raise ``schema`` when a column the strategy needs is not in the source."""
    there = {column.name for column in source}
    partition = load.options.partition_column if plan.reads in (Reads.SLICE, Reads.DAYS) else None
    needed = (
        *(load.primary_key if plan.needs_key else ()),
        load.cursor if plan.needs_cursor else None,
        partition,
    )
    for name in needed:
        if name is not None and name not in there:
            raise LoadError(
                FailureCategory.SCHEMA, f"the source has no column {name!r}, which {load.strategy} needs"
            )
    for added in plan.adds:
        if added.name.lower() in {name.lower() for name in there}:
            raise LoadError(
                FailureCategory.SCHEMA,
                f"the source's column {added.name!r} is one {load.strategy} adds itself",
            )


def _require(condition: bool, load: Load, what: str) -> None:
    if not condition:
        raise LoadError(FailureCategory.CONFIGURATION, f"strategy {load.strategy} needs {what}")
