"""Which plan each strategy of the vocabulary has."""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.reference.strategies.append import append
from certification_pipeline.reference.strategies.history import VALID_FROM, VALID_TO, versions
from certification_pipeline.reference.strategies.plan import Reads, StrategyPlan
from certification_pipeline.reference.strategies.slices import partition_replace, refill, replace
from certification_pipeline.reference.strategies.upsert import changes, snapshot_diff, upsert

PLANS: dict[Strategy, StrategyPlan] = {
    Strategy.FULL_REFRESH: StrategyPlan(Reads.SNAPSHOT, refill, swaps=True, needs_key=False),
    Strategy.REPLACE: StrategyPlan(Reads.SLICE, replace, needs_key=False),
    Strategy.INCREMENTAL_APPEND: StrategyPlan(Reads.CURSOR, append, needs_cursor=True),
    Strategy.INCREMENTAL_MERGE: StrategyPlan(Reads.CURSOR, upsert, needs_cursor=True),
    Strategy.SNAPSHOT_DIFF: StrategyPlan(Reads.SNAPSHOT, snapshot_diff),
    Strategy.XMIN: StrategyPlan(Reads.XMIN, upsert),
    Strategy.CDC: StrategyPlan(Reads.CHANGES, changes),
    Strategy.PARTITION_REPLACE: StrategyPlan(
        Reads.SLICE, partition_replace, needs_key=False, needs_partition=True
    ),
    Strategy.SCD2: StrategyPlan(Reads.SNAPSHOT, versions, adds=(VALID_FROM, VALID_TO)),
    Strategy.BACKFILL: StrategyPlan(Reads.DAYS, replace, needs_key=False, needs_partition=True),
}
