"""The benchmark: each metric against its baseline and raw COPY, and the pairs behind it as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_figures import pairs_of
from certification_pipeline.evidence.benchmark_samples import Comparison, Measurement, Metric, Sample
from certification_pipeline.gates.benchmark_history import HistoryRow, comparable, rows_of
from certification_pipeline.report.plot import Figure, Ratios, history_plot, ratio_plot
from certification_pipeline.report.tally import WORD

MOST_SAMPLES = 200
_MEBI = 1 << 20
_UNITS: Mapping[Metric, str] = {
    Metric.CPU: "s",
    Metric.CLIENT_CPU: "s",
    Metric.SERVER_CPU: "s",
    Metric.WALL: "s",
    Metric.RATE: "rows/s",
    Metric.MEMORY: "MiB",
}


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One metric, ready to show."""

    compared: Comparison
    name: str
    contender: str
    baseline: str
    raw: str
    to_raw: str
    ratio: str
    bounds: str


@dataclass(frozen=True, slots=True)
class PairPlot:
    """The paired ratios of one gated metric."""

    compared: Comparison
    name: str
    drawn: Markup
    releases: int
    """Releases in ``over_time``: those whose figures may be compared with this one's."""
    over_time: Markup
    """Empty for the first of its kind."""


@dataclass(frozen=True, slots=True)
class BenchmarkView:
    """``lines``, ``plots`` and ``samples`` are empty for figures that were given, not measured."""

    made: BenchmarkBaseline
    lines: tuple[MetricLine, ...]
    plots: tuple[PairPlot, ...]
    samples: tuple[Sample, ...]
    hidden: int


def benchmark_view(made: BenchmarkBaseline, history: Sequence[HistoryRow] = ()) -> BenchmarkView:
    """Gated metrics first. ``history``: all that was measured of this engine, oldest first."""
    measured = made.measurement
    ordered = sorted(made.comparisons, key=lambda each: not each.gated)
    samples = measured.samples if measured else ()
    return BenchmarkView(
        made=made,
        lines=tuple(_line(each) for each in ordered),
        plots=tuple(_plot(made, measured, each, history) for each in ordered if each.gated)
        if measured
        else (),
        samples=samples[:MOST_SAMPLES],
        hidden=max(0, len(samples) - MOST_SAMPLES),
    )


def metric_name(metric: Metric) -> str:
    """``CPU seconds``."""
    return metric.value.replace("_", " ").replace("cpu", "CPU")


def figure_text(value: float | None, metric: Metric) -> str:
    """With its unit; bytes as MiB, a dash for what was not to be had."""
    if value is None:
        return "–"
    if metric is Metric.MEMORY:
        return f"{value / _MEBI:,.1f} {_UNITS[metric]}"
    shown = f"{value:,.0f}" if metric is Metric.RATE else f"{value:,.4f}"
    return f"{shown} {_UNITS[metric]}"


def _line(compared: Comparison) -> MetricLine:
    metric = compared.metric
    bounds = (compared.lower, compared.upper)
    return MetricLine(
        compared=compared,
        name=metric_name(metric),
        contender=figure_text(compared.contender, metric),
        baseline=figure_text(compared.baseline, metric),
        raw=figure_text(compared.raw, metric),
        to_raw="–" if compared.to_raw is None else f"{compared.to_raw:,.2f} ×",
        ratio="–" if compared.ratio is None else f"{compared.ratio:.4f}",
        bounds="–" if None in bounds else f"{compared.lower:.4f} to {compared.upper:.4f}",
    )


def _plot(
    made: BenchmarkBaseline, measured: Measurement, compared: Comparison, history: Sequence[HistoryRow]
) -> PairPlot:
    pairs = tuple(
        (pair.number, pair.contender / pair.baseline) for pair in pairs_of(measured, compared.metric)
    )
    shown = Ratios(pairs, compared.ratio, compared.lower, compared.upper, compared.allowed)
    name = metric_name(compared.metric)
    label = f"{name}: contender over baseline for each of {len(pairs)} pairs"
    figures = _figures(made, compared, history)
    return PairPlot(
        compared=compared,
        name=name,
        drawn=ratio_plot(shown, label),
        releases=len(figures),
        over_time=history_plot(figures, f"{name} of {len(figures)} releases")
        if len(figures) > 1
        else Markup(""),
    )


def _figures(made: BenchmarkBaseline, compared: Comparison, history: Sequence[HistoryRow]) -> list[Figure]:
    """Seconds of another kind of machine, route or workload are left out: they would tell of that."""
    (series, *_) = {row.series for row in rows_of(made)}
    return [
        Figure(
            label=row.release_id,
            value=row.figure,
            series=row.series,
            css=row.outcome.value.lower(),
            tip=f"{row.release_id}: {figure_text(row.figure, row.metric)}, {WORD[row.outcome]}",
        )
        for row in comparable(history, series)
        if row.metric is compared.metric and row.engine == made.subject.engine and row.figure is not None
    ]
