"""What a person reads of a measured benchmark: facts, and tables of comparisons and samples.

Plain rows, so that other pages can show the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_figures import direction, figure, first_release
from certification_pipeline.evidence.benchmark_samples import BaselineKind, Measurement, Metric, Role

COMPARED = (
    "metric",
    "gate",
    "contender",
    "baseline",
    "better",
    "ratio",
    "95 % bounds",
    "allowed",
    "raw",
    "to raw",
)
SAMPLED = (
    "pair",
    "order",
    "side",
    "CPU s",
    "client CPU s",
    "server CPU s",
    "wall s",
    "rows/s",
    "peak MB",
    "rows",
)

_KINDS = {
    BaselineKind.GIVEN: "given with --baseline, rerun beside the contender",
    BaselineKind.PINNED: "the pinned artefact, rerun beside the contender",
    BaselineKind.SELF: "the subject's own clean artefact, rerun beside the contender",
}


def measured_facts(benchmark: BenchmarkBaseline, measurement: Measurement) -> list[tuple[str, object]]:
    """Name and value of what the figures rest on."""
    setup, aa, baseline = measurement.setup, benchmark.aa, measurement.baseline
    kind = _KINDS[baseline.kind]
    if first_release(measurement):
        kind = "itself (A/A): a first release has nothing to regress from yet"
    covered = any(each.metric is Metric.SERVER_CPU and each.pairs for each in benchmark.comparisons)
    moved = next((s.bytes_moved for s in measurement.samples if s.bytes_moved is not None), None)
    facts: list[tuple[str, object]] = [
        ("figures", "measured: real loads in fresh processes, baseline and contender in turns"),
        ("loads", f"{setup.route_id}, {setup.strategy}, workload {setup.workload}, {setup.rows} rows"),
        ("baseline", f"{kind}; {baseline.version} {baseline.artifact_digest[:19]}"),
        ("CPU of", "client and server" if covered else "the client only: the server is not ours to look at"),
        ("raw", f"{setup.raw_path}, {moved} bytes" if moved is not None else setup.raw_path),
        ("hardware", measurement.hardware.key),
    ]
    if aa is not None:
        said = f"{aa.false_alarms} of {aa.trials} sign flips ({aa.basis}), 95 % below {aa.upper_bound:.2%}"
        facts.append(("false alarms of this gate", said))
    return facts


def compared_rows(benchmark: BenchmarkBaseline) -> list[tuple[object, ...]]:
    """One row a metric, under :data:`COMPARED`."""
    return [
        (
            each.metric.value,
            each.verdict,
            each.contender,
            each.baseline,
            direction(each.metric).value,
            each.ratio,
            each.bounds,
            f"{each.allowed:g}",
            each.raw,
            each.to_raw,
        )
        for each in benchmark.comparisons
    ]


def sampled_rows(measurement: Measurement) -> list[tuple[object, ...]]:
    """One row a process, in the order they ran, under :data:`SAMPLED`."""
    rows: list[tuple[object, ...]] = []
    ran = sorted(measurement.samples, key=lambda sample: (sample.pair, sample.position))
    for sample in ran:
        figures = {metric: figure(sample, metric) for metric in Metric}
        memory = figures[Metric.MEMORY]
        rows.append(
            (
                sample.pair + 1,
                "" if sample.role is Role.RAW else "AB"[sample.position],
                sample.role.value,
                figures[Metric.CPU],
                figures[Metric.CLIENT_CPU],
                figures[Metric.SERVER_CPU],
                figures[Metric.WALL],
                None if (rate := figures[Metric.RATE]) is None else round(rate),
                None if memory is None else round(memory / 1e6, 1),
                sample.problem or f"{sample.rows_found} of {sample.rows_expected}",
            )
        )
    return rows


Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]


def measured_tables(benchmark: BenchmarkBaseline, table: Table) -> tuple[str, ...]:
    """Headings and tables, drawn by ``table``."""
    samples = sampled_rows(benchmark.measurement) if benchmark.measurement else []
    return (
        "## Contender against baseline, and both against raw COPY",
        table(COMPARED, compared_rows(benchmark)),
        "## Samples, as they ran",
        table(SAMPLED, samples),
    )
