"""The measured benchmarks of all releases as rows, for plots: one row a release and metric.

Rows of different hardware, route, strategy or rows are of different series: only ratios may be compared
across them, never seconds (a fast machine would poison the line).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_samples import BaselineKind, Metric
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.store import EvidenceStore


class HistoryRow(NamedTuple):
    """One metric of one release, as its artifact says (read strictly; whether it verifies is the suite's)."""

    engine: str
    release_id: str
    created_at: datetime
    series: str
    """Equal for rows whose figures may be compared: hardware, route, strategy, workload, rows."""
    hardware_key: str
    metric: Metric
    gated: bool
    outcome: Outcome
    figure: float | None
    """The contender's median, in the metric's unit."""
    to_raw: float | None
    """Contender over raw COPY in the same run: comparable even across hardware, with care."""
    ratio: float | None
    """Contender over baseline."""
    lower: float | None
    upper: float | None
    allowed: float
    baseline: BaselineKind
    false_alarm_rate: float | None


def benchmark_history(store: EvidenceStore, engines: Iterable[str] | None = None) -> tuple[HistoryRow, ...]:
    """All measured benchmarks in the store, oldest first; damaged and given ones are passed by."""
    wanted = None if engines is None else set(engines)
    rows: list[HistoryRow] = []
    for release in store.releases():
        for engine in store.engines(release):
            if wanted is None or engine in wanted:
                found = _measured(store, release, engine)
                rows += rows_of(found) if found is not None else ()
    return tuple(sorted(rows, key=lambda row: (row.engine, row.created_at, row.metric)))


def rows_of(found: BenchmarkBaseline) -> tuple[HistoryRow, ...]:
    """The rows of one artifact; none of given figures."""
    measurement = found.measurement
    if measurement is None:
        return ()
    setup, hardware = measurement.setup, measurement.hardware.key
    series = f"{setup.route_id} {setup.strategy} {setup.workload} x {setup.rows} on {hardware}"
    return tuple(
        HistoryRow(
            engine=found.subject.engine,
            release_id=found.release_id,
            created_at=found.created_at,
            series=series,
            hardware_key=hardware,
            metric=each.metric,
            gated=each.gated,
            outcome=each.outcome,
            figure=each.contender,
            to_raw=each.to_raw,
            ratio=each.ratio,
            lower=each.lower,
            upper=each.upper,
            allowed=each.allowed,
            baseline=measurement.baseline.kind,
            false_alarm_rate=found.aa.rate if found.aa else None,
        )
        for each in found.comparisons
    )


def comparable(rows: Iterable[HistoryRow], series: str) -> tuple[HistoryRow, ...]:
    """Rows of one series alone: stored seconds of another kind of machine are refused."""
    return tuple(row for row in rows if row.series == series)


def _measured(store: EvidenceStore, release: str, engine: str) -> BenchmarkBaseline | None:
    try:
        return store.release(release, engine).read(
            layout.FAMILY_ARTIFACTS[Family.BENCHMARK], BenchmarkBaseline
        )
    except EvidenceError:
        return None
