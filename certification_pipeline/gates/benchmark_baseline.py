"""The benchmark gate (seed 003): given figures against a given baseline, and the verifier of both forms.

Given figures are a claim; that every metric is compared, and how, is not. Judging is a pure function.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker, Subject
from certification_pipeline.evidence.benchmark import (
    BaselineFigure,
    BenchmarkAction,
    BenchmarkBaseline,
    BenchmarkItem,
    Direction,
)
from certification_pipeline.evidence.benchmark_samples import ARTEFACT, Measurement
from certification_pipeline.evidence.benchmark_verdict import contradictions, measured_benchmark
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.next_step import benchmark_again
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.benchmark_request import BenchmarkRequest
from certification_pipeline.gates.verification import (
    EvidenceFile,
    SealedPlan,
    Verification,
    before_the_plan,
    differences,
    provenance_of,
)


def benchmark_baseline(
    request: BenchmarkRequest, release_id: str, subject: Subject, profile: str, provenance: Provenance
) -> BenchmarkBaseline:
    """One item for every metric of either side, and red for each that is missing, extra or regressed."""
    items = tuple(
        _item(name, request.metrics.get(name), request.baseline.get(name), request.allowed_regression_ratio)
        for name in sorted({*request.metrics, *request.baseline})
    )
    again = benchmark_again(subject.engine, release_id, request.allowed_regression_ratio)
    blockers = [_blocker(item, again) for item in items if not item.passed]
    return BenchmarkBaseline(
        **provenance.header(BenchmarkBaseline, release_id, subject, profile),
        **verdict(Outcome.FAILED if blockers else Outcome.PASSED, blockers),
        source="given",
        allowed_regression_ratio=request.allowed_regression_ratio,
        metrics=request.metrics,
        baseline=request.baseline,
        items=items,
        output_dir=".",
    )


def allowed_threshold(baseline: BaselineFigure, ratio: float) -> float:
    """The worst value that still passes.

    Reckoned in the decimals people typed: 3 × 1.1 is 3.3 and not the next float above it, so that a value
    exactly at the threshold passes.
    """
    lost = Fraction(repr(ratio))
    factor = 1 - lost if baseline.direction is Direction.HIGHER else 1 + lost
    return float(Fraction(repr(baseline.value)) * factor)


def verify_benchmark(directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan) -> Verification:
    """Judge the file's own figures (given) or samples (measured) again: all must come out the same."""
    found = directory.load(file.data, file.path, BenchmarkBaseline)
    if found.measurement is not None:
        return _verify_measured(found, found.measurement, directory, sealed)
    request = BenchmarkRequest(
        metrics=found.metrics,
        baseline=found.baseline,
        allowed_regression_ratio=found.allowed_regression_ratio,
    )
    recomputed = benchmark_baseline(
        request, directory.release_id, sealed.plan.subject, sealed.plan.profile, provenance_of(found)
    )
    return Verification(
        outcome=recomputed.outcome,
        release_id=found.release_id,
        made_at=found.created_at,
        problems=(
            *before_the_plan(found, sealed.plan),
            *_meaningless(request),
            *differences(found, recomputed),
        ),
        because=recomputed.blockers,
        summary={
            "source": recomputed.source,
            "metrics": len(recomputed.items),
            "passed": sum(item.passed for item in recomputed.items),
            "allowed_regression_ratio": recomputed.allowed_regression_ratio,
        },
    )


def _verify_measured(
    found: BenchmarkBaseline,
    measurement: Measurement,
    directory: SubjectDir,
    sealed: SealedPlan,
) -> Verification:
    plan = sealed.plan
    recomputed = measured_benchmark(
        measurement,
        found.allowed_regression_ratio,
        release_id=directory.release_id,
        subject=plan.subject,
        profile=plan.profile,
        provenance=provenance_of(found),
    )
    return Verification(
        outcome=recomputed.outcome,
        release_id=found.release_id,
        made_at=found.created_at,
        problems=(
            *before_the_plan(found, plan),
            *contradictions(found, plan.subject),
            *_artefact_problems(measurement, directory),
            *differences(found, recomputed),
        ),
        because=recomputed.blockers,
        summary={
            "source": recomputed.source,
            "metrics": len(recomputed.items),
            "passed": sum(item.passed for item in recomputed.items),
            "allowed_regression_ratio": recomputed.allowed_regression_ratio,
            "pairs": max((each.pairs for each in recomputed.comparisons), default=0),
            "baseline": measurement.baseline.kind.value,
        },
    )


def _artefact_problems(measurement: Measurement, directory: SubjectDir) -> Iterator[str]:
    if measurement.artefact_sha256 is None:
        return
    try:
        found = sha256(directory.read_bytes(ARTEFACT))
    except EvidenceError as error:
        yield f"measurement.artefact_sha256: {error}"
        return
    if found != measurement.artefact_sha256:
        yield f"measurement.artefact_sha256: {ARTEFACT} is not the file that was measured"


def _item(name: str, actual: float | None, baseline: BaselineFigure | None, ratio: float) -> BenchmarkItem:
    threshold = None if baseline is None else allowed_threshold(baseline, ratio)
    action = _action(actual, baseline, threshold)
    return BenchmarkItem(
        metric=name,
        direction=baseline.direction if baseline else None,
        actual=actual,
        baseline=baseline.value if baseline else None,
        allowed_regression_ratio=ratio,
        allowed_threshold=threshold,
        passed=action is BenchmarkAction.NONE,
        action=action,
    )


def _action(
    actual: float | None, baseline: BaselineFigure | None, threshold: float | None
) -> BenchmarkAction:
    if baseline is None or threshold is None:
        return BenchmarkAction.ADD_BASELINE
    if actual is None:
        return BenchmarkAction.MEASURE
    within = actual >= threshold if baseline.direction is Direction.HIGHER else actual <= threshold
    return BenchmarkAction.NONE if within else BenchmarkAction.INVESTIGATE


def _blocker(item: BenchmarkItem, again: str) -> Blocker:
    if item.action is BenchmarkAction.MEASURE:
        word, message = "missing", f"{item.metric} has a baseline of {item.baseline:g} and no measured value"
        first = f"Measure {item.metric}, put it into metrics.json"
    elif item.action is BenchmarkAction.ADD_BASELINE:
        word, message = "extra", f"{item.metric} is {item.actual:g} and has no baseline to be held against"
        first = f"Give {item.metric} a baseline in baseline.json, or leave it out of metrics.json"
    else:
        side = "below" if item.direction is Direction.HIGHER else "above"
        word = "regressed"
        message = (
            f"{item.metric} is {item.actual!r}, {side} the allowed {item.allowed_threshold!r} "
            f"(baseline {item.baseline!r}, {item.direction} is better)"
        )
        # Seed 003, runbook: "re-run the same benchmark profile before changing baselines".
        first = "Run the same benchmark again before changing the baseline, put the figures into metrics.json"
    code = f"{BenchmarkBaseline.KIND}.{item.metric}.{word}"
    return Blocker(code=code, message=message, next_step=f"{first}; then: {again}")


def _meaningless(request: BenchmarkRequest) -> Iterator[str]:
    """A file can be typed: what no request may ask for, no file may hold."""
    for name in request.cannot_fail():
        yield f"baseline.{name}: 0 where higher is better is a check that cannot fail"
