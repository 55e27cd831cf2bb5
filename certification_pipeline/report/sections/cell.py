"""A cell that did not pass, unfolded: what was claimed of each load, what was judged, which rows."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import CheckJudgement, RowJudgement
from certification_pipeline.report.causes import Sample, fact, samples_of
from certification_pipeline.report.release import CellLine
from certification_pipeline.report.sections.samples import SampleView, sample_view
from certification_pipeline.report.tables import COUNTED_CLAIMS, judged_after
from certification_pipeline.report.visible import short

CELL_SAMPLES = 4
CELL_STEPS = 12
"""Loads, and judgements, shown of one cell."""


@dataclass(frozen=True, slots=True)
class LoadView:
    """What the engine claimed for one load, next to what the oracle counted after it."""

    step: str
    ended: str
    message: str
    claims: tuple[str, ...]
    """In the order of ``COUNTED_CLAIMS``; a dash for 'not reported'."""
    oracle_expected: str
    oracle_found: str
    agrees: bool | None
    seconds: float


@dataclass(frozen=True, slots=True)
class CellDetail:
    """A failed or undecided cell, unfolded."""

    line: CellLine
    loads: tuple[LoadView, ...]
    judgements: tuple[tuple[Outcome, str, str], ...]
    """Outcome, step, what was seen."""
    samples: tuple[SampleView, ...]
    hidden: int
    """Judgements beyond the cap."""


def cell_detail(line: CellLine) -> CellDetail:
    """Unfold it: what failed first, and no more than the caps."""
    evidence = line.evidence
    judgements = evidence.judgements if evidence else ()
    ordered = sorted(judgements, key=lambda judgement: judgement.outcome is not Outcome.FAILED)
    loads = evidence.loads if evidence else ()
    return CellDetail(
        line=line,
        loads=tuple(_load_view(line, number) for number in range(1, min(len(loads), CELL_STEPS) + 1)),
        judgements=tuple((j.outcome, short(j.step), _seen(j)) for j in ordered[:CELL_STEPS]),
        samples=tuple(sample_of(sample) for sample in list(samples_of(line))[:CELL_SAMPLES]),
        hidden=max(0, len(judgements) - CELL_STEPS),
    )


def _load_view(line: CellLine, number: int) -> LoadView:
    assert line.evidence is not None
    load = line.evidence.loads[number - 1]
    record = load.record or {}
    judged = judged_after(line, number)
    counted = judged if judged and not judged.remark else None
    claimed = record.get("final_rows")
    return LoadView(
        step=short(load.step),
        ended=load.ended,
        message=short(load.message or ""),
        claims=tuple("–" if record.get(name) is None else _claim(record[name]) for name in COUNTED_CLAIMS),
        oracle_expected=f"{counted.expected.rows:,}" if counted else "–",
        oracle_found=f"{counted.actual.rows:,}" if counted else "–",
        agrees=claimed == counted.actual.rows if counted and claimed is not None else None,
        seconds=load.seconds,
    )


def _claim(value: JsonValue) -> str:
    """What an engine claimed: a count as a count, anything else as the text it is."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else short(str(value))


def _seen(judgement: RowJudgement | CheckJudgement) -> str:
    if isinstance(judgement, CheckJudgement):
        return fact(judgement)
    if judgement.remark:
        return short(judgement.remark)
    rows = f"{judgement.expected.rows:,} rows expected, {judgement.actual.rows:,} found"
    counts = ", ".join(
        f"{count:,} {anomaly.value}" for anomaly, count in judgement.anomalies.items() if count
    )
    columns = ", ".join(f"{name} ({count:,})" for name, count in list(judgement.columns.items())[:8])
    losses = ", ".join(f"{name}: {loss}" for name, loss in list(judgement.declared_losses.items())[:8])
    parts = [rows, counts, columns and f"differing: {columns}", losses and f"declared losses: {losses}"]
    return short("; ".join(part for part in parts if part))


def sample_of(sample: Sample) -> SampleView:
    """A wrong row, and of which cell and load it is."""
    key = sample.line.key
    return sample_view(
        f"{key.route_id.replace('_to_', ' → ')}, {key.strategy.value}", sample.step, sample.row
    )
