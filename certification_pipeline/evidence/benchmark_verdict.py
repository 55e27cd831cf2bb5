"""The verdict on a measured benchmark: a function of the samples in the file, and of nothing else.

Measuring again is the only way to doubt a sample; everything made of samples is made again here, by
whoever measures and by the gates alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker, Subject
from certification_pipeline.evidence.benchmark import (
    BaselineFigure,
    BenchmarkAction,
    BenchmarkBaseline,
    BenchmarkItem,
)
from certification_pipeline.evidence.benchmark_figures import (
    MIN_PAIRS,
    alarms,
    compare,
    direction,
    pairs_to_stop_at,
)
from certification_pipeline.evidence.benchmark_samples import Comparison, Measurement, Metric, Role, Sample
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.next_step import decide_again
from certification_pipeline.evidence.provenance import Provenance

KIND = BenchmarkBaseline.KIND
_RED = ("load_failed", "other_hardware", "regressed")
"""Words that prove something wrong; the others say that nothing is proven."""


def measured_benchmark(
    measurement: Measurement,
    ratio: float,
    *,
    release_id: str,
    subject: Subject,
    profile: str,
    provenance: Provenance,
) -> BenchmarkBaseline:
    """The artifact: comparisons of every metric, items of the gated ones, blockers, and the A/A rate."""
    comparisons = tuple(compare(measurement, metric, ratio) for metric in Metric)
    gated = [each for each in comparisons if each.gated]
    blockers = [
        *_wrong_loads(measurement, release_id),
        *_other_hardware(measurement, release_id),
        *(blocker for each in gated for blocker in _blockers(each, measurement, release_id)),
    ]
    outcome = Outcome.PASSED
    if blockers:
        red = any(blocker.code.endswith(_RED) for blocker in blockers)
        outcome = Outcome.FAILED if red else Outcome.CANT_TELL
    known = [each for each in comparisons if each.contender is not None and each.baseline is not None]
    return BenchmarkBaseline(
        **provenance.header(BenchmarkBaseline, release_id, subject, profile),
        **verdict(outcome, blockers),
        source="measured",
        allowed_regression_ratio=ratio,
        metrics={each.metric.value: each.contender for each in known if each.contender is not None},
        baseline={
            each.metric.value: BaselineFigure(value=each.baseline, direction=direction(each.metric))
            for each in known
            if each.baseline is not None
        },
        items=tuple(_item(each, ratio) for each in gated),
        measurement=measurement,
        comparisons=comparisons,
        aa=alarms(measurement, ratio),
        output_dir=".",
    )


def contradictions(found: BenchmarkBaseline, subject: Subject) -> Iterator[str]:
    """Where the facts of a measured file contradict each other or the plan's subject."""
    measurement = found.measurement
    if measurement is None:
        return
    contender = measurement.contender
    if (contender.engine, contender.artifact_digest) != (subject.engine, subject.artifact_digest):
        yield f"measurement.contender: {contender.engine} {contender.artifact_digest} is not the subject"
    if Metric.CPU not in measurement.setup.gated:
        yield f"measurement.setup.gated: {Metric.CPU} must be"
    digests = {
        Role.BASELINE: measurement.baseline.artifact_digest,
        Role.CONTENDER: contender.artifact_digest,
        Role.RAW: "",
    }
    seen: set[tuple[int, Role]] = set()
    for at, sample in enumerate(measurement.samples):
        where = f"measurement.samples[{at}]"
        if sample.artifact_digest != digests[sample.role]:
            yield f"{where}: ran {sample.artifact_digest or 'nothing'}, not the {sample.role}"
        if (sample.pair, sample.role) in seen:
            yield f"{where}: a second {sample.role} in pair {sample.pair}"
        seen.add((sample.pair, sample.role))
        if sample.problem is None and len(sample.loads) != measurement.setup.loads_per_process:
            yield f"{where}: {len(sample.loads)} loads, asked were {measurement.setup.loads_per_process}"
    there = len({pair for pair, _ in seen})
    stop = pairs_to_stop_at(measurement, found.allowed_regression_ratio)
    if there > stop:
        yield f"measurement.samples: {there} pairs, though the rule stops at {stop}"


def _wrong_loads(measurement: Measurement, release_id: str) -> Iterator[Blocker]:
    """One blocker a side: a benchmark of loads that are wrong measures something else."""
    for role in Role:
        wrong = [
            sample for sample in measurement.samples if sample.role is role and wrong_load(sample) is not None
        ]
        if not wrong:
            continue
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        first = {
            Role.BASELINE: "Give another --baseline, or see in the engine's log why it fails",
            Role.CONTENDER: f"Make {measurement.setup.route_id} {measurement.setup.strategy} right first",
            Role.RAW: "See whether source and sink are up: `certify doctor`",
        }[role]
        yield Blocker(
            code=f"{KIND}.{role}.load_failed",
            message=f"pair {wrong[0].pair}, {role}: {wrong_load(wrong[0])}{more}",
            next_step=f"{first}; then: {_again(measurement, release_id)}",
        )


def wrong_load(sample: Sample) -> str | None:
    """Why a sample's loads were not right; ``None`` when they were."""
    if sample.problem:
        return sample.problem
    if not sample.loads:
        return "not one load was measured"
    if sample.rows_found != sample.rows_expected:
        return f"{sample.rows_found} rows in the sink, {sample.rows_expected} expected"
    return None


def _other_hardware(measurement: Measurement, release_id: str) -> Iterator[Blocker]:
    here = measurement.hardware.key
    strange = sorted({s.hardware_key for s in measurement.samples if s.hardware_key != here})
    if strange:
        yield Blocker(
            code=f"{KIND}.samples.other_hardware",
            message=f"measured on [{here}], yet samples are of [{strange[0]}]: not one machine",
            next_step=f"Measure both sides on one machine: {_again(measurement, release_id)}",
        )


def _blockers(each: Comparison, measurement: Measurement, release_id: str) -> Iterator[Blocker]:
    again = _again(measurement, release_id)
    if each.outcome is Outcome.PASSED:
        return
    if each.pairs == 0:
        word, message = "no_samples", f"no pair has {each.metric} on both sides"
        step = f"Measure where processes can be looked at (Linux): {again}"
    elif each.pairs < MIN_PAIRS:
        word = "too_few_pairs"
        message = f"{each.metric}: {each.pairs} pairs, {MIN_PAIRS} are needed to tell a change from noise"
        step = f"Measure again: {again}"
    elif each.outcome is Outcome.FAILED:
        word, message = "regressed", f"{_said(each)}: worse than the allowed {each.allowed:g} beyond doubt"
        # Seed 003, runbook: "re-run the same benchmark profile before changing baselines".
        step = f"Measure again before changing the baseline, on another day if you can: {again}"
    else:
        word, message = "inconclusive", f"{_said(each)}: the interval holds the allowed {each.allowed:g}"
        step = f"Leave the machine to the benchmark, or allow more pairs: {again} --max-pairs 60"
    yield Blocker(code=f"{KIND}.{each.metric}.{word}", message=message, next_step=step)


def _said(each: Comparison) -> str:
    return (
        f"{each.metric} is {each.ratio:.3f} of the baseline's (95 % bounds {each.bounds}, {each.pairs} pairs)"
    )


def _item(each: Comparison, ratio: float) -> BenchmarkItem:
    better = direction(each.metric)
    known = each.baseline is not None and each.contender is not None
    action = {Outcome.PASSED: BenchmarkAction.NONE, Outcome.FAILED: BenchmarkAction.INVESTIGATE}
    return BenchmarkItem(
        metric=each.metric.value,
        direction=better if known else None,
        actual=each.contender,
        baseline=each.baseline,
        allowed_regression_ratio=ratio,
        allowed_threshold=None if each.baseline is None else round(each.baseline * each.allowed, 9),
        passed=each.outcome is Outcome.PASSED,
        action=action.get(each.outcome, BenchmarkAction.MEASURE),
    )


def _again(measurement: Measurement, release_id: str) -> str:
    setup = measurement.setup
    what = ("--route", setup.route_id, "--strategy", setup.strategy.value, "--rows", str(setup.rows))
    return decide_again("benchmark", measurement.contender.engine, release_id, *what)
