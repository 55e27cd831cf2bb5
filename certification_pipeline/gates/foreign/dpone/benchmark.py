"""``benchmark_baseline.json``: thresholds and verdicts follow from figures that somebody typed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from certification_pipeline.evidence.foreign.claims import ForeignClaim
from certification_pipeline.evidence.foreign.dpone.models import Benchmark, BenchmarkLine
from certification_pipeline.gates.foreign.claiming import agrees, contradicts, examples, held, unproven
from certification_pipeline.gates.foreign.dpone.look import Look

_CLOSE = 1e-9
"""Relative: dpone multiplies doubles, and so do we."""


def benchmark(report: Benchmark, _path: str, _look: Look) -> Iterator[ForeignClaim]:
    """Every line again, then the whole."""
    lines = report.items
    twice = [metric for metric, count in Counter(line.metric for line in lines).items() if count > 1]
    if twice:
        yield contradicts("items", len(lines), len(lines) - len(twice), f"listed twice: {examples(twice)}")
    made = []
    for line in lines:
        found = tuple(_line(line, report.allowed_regression_ratio))
        yield from found
        made.append(_passes(line))
    if not lines and report.passed:
        yield contradicts("passed", True, None, "not one metric is listed: an empty baseline is no pass")
    else:
        whole = bool(made) and all(made)
        yield held("passed", report.passed, whole, "as its lines say", "its lines say otherwise")
    if lines:
        why = "both come from the command line; no sample, no hardware and no run is named"
        yield unproven("actual, baseline", len(lines), why)


def _line(line: BenchmarkLine, ratio: float) -> Iterator[ForeignClaim]:
    where = f"items[{line.metric}]"
    if not math.isfinite(line.actual):
        why = "no such metric was given: dpone writes -Infinity, which every threshold from above lets pass"
        yield contradicts(f"{where}.actual", line.actual, None, why)
    if line.direction not in {"higher", "lower"}:
        yield contradicts(f"{where}.direction", line.direction, None, "is neither higher nor lower")
    if line.allowed_regression_ratio != ratio:
        yield contradicts(
            f"{where}.allowed_regression_ratio", line.allowed_regression_ratio, ratio, "of the report"
        )
    threshold = _threshold(line)
    if not math.isclose(line.allowed_threshold, threshold, rel_tol=_CLOSE, abs_tol=_CLOSE):
        why = "does not follow from baseline, direction and ratio"
        yield contradicts(f"{where}.allowed_threshold", line.allowed_threshold, threshold, why)
    elif line.direction == "higher" and threshold <= 0 < line.baseline:
        why = "no figure can be below it: with that ratio the metric cannot fail"
        yield contradicts(f"{where}.allowed_threshold", line.allowed_threshold, None, why)
    else:
        yield agrees(f"{where}.allowed_threshold", line.allowed_threshold, "follows from baseline and ratio")
    passes = _passes(line)
    why = "as actual and threshold say"
    yield held(f"{where}.passed", line.passed, passes, why, "actual and threshold say otherwise")


def _threshold(line: BenchmarkLine) -> float:
    ratio = max(0.0, line.allowed_regression_ratio)
    return line.baseline * (1 + ratio if line.direction == "lower" else 1 - ratio)


def _passes(line: BenchmarkLine) -> bool:
    if not math.isfinite(line.actual):
        return False
    threshold = _threshold(line)
    return line.actual <= threshold if line.direction == "lower" else line.actual >= threshold
