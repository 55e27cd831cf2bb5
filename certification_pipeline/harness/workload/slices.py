"""Which slice of a workload a sliced strategy loads."""

from __future__ import annotations

from datetime import date

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.workload.rounds import Workload


def slice_of(strategy: Strategy, workload: Workload) -> tuple[date | None, date | None]:
    """The slice ``[from, to)`` that is loaded; without bounds where the strategy loads all there is.

    It leaves rows outside on both sides, so that 'untouched' is put to the test.
    """
    partition = workload.spec.partition
    if strategy not in (Strategy.REPLACE, Strategy.BACKFILL) or partition is None:
        return None, None
    days = sorted(
        {day for batch in workload.initial() for day in batch.column(partition).unique().to_pylist() if day}
    )
    # Two inside, one outside on either side.
    return (days[1], days[-1]) if len(days) >= 4 else (None, None)  # noqa: PLR2004
