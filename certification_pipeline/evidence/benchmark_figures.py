"""From a benchmark's samples to comparisons: every figure, bound and false-alarm rate, by pure functions.

A sample's figure is the best of its loads (noise only ever adds), but the mean of the server's CPU, which the
kernel tells in steps of 10 ms: the least of several readings would be the least rounding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.benchmark import Direction
from certification_pipeline.evidence.benchmark_samples import (
    BaselineKind,
    Comparison,
    FalseAlarms,
    Measurement,
    Metric,
    Role,
    Sample,
)
from certification_pipeline.evidence.paired import decide, false_alarms, median, shift, upper_bound

T = TypeVar("T")

MIN_PAIRS = 10
"""Of one machine's noise, fewer prove too little (research: 10 pairs caught 98 % of 1.2x on CPU time)."""
DIGITS = 6
"""Ratios are rounded, so that another machine's logarithm does not look like an edit."""


class Pair(NamedTuple):
    """One contender and the baseline beside it, and what raw COPY took then."""

    number: int
    baseline: float
    contender: float
    raw: float | None


def direction(metric: Metric) -> Direction:
    """Only a rate is better when higher."""
    return Direction.HIGHER if metric is Metric.RATE else Direction.LOWER


def figure(sample: Sample, metric: Metric) -> float | None:
    """One sample's figure; ``None`` when it was not to be had, or is none to take a logarithm of."""
    value = _figure(sample, metric)
    return value if value is not None and value > 0 else None


def _figure(sample: Sample, metric: Metric) -> float | None:  # noqa: PLR0911 - one return a metric
    loads = sample.loads
    if not loads:
        return None
    match metric:
        case Metric.WALL:
            return min(load.wall_seconds for load in loads)
        case Metric.RATE:
            wall = min(load.wall_seconds for load in loads)
            return sample.rows_expected / wall if wall else None
        case Metric.CLIENT_CPU:
            client = _known(load.client_cpu_seconds for load in loads)
            return min(client) if len(client) == len(loads) else None
        case Metric.SERVER_CPU:
            server = _known(load.server_cpu_seconds for load in loads)
            return sum(server) / len(loads) if len(server) == len(loads) else None
        case Metric.CPU:
            client_cpu = _figure(sample, Metric.CLIENT_CPU)
            return None if client_cpu is None else client_cpu + (_figure(sample, Metric.SERVER_CPU) or 0.0)
        case Metric.MEMORY:
            peaks = _known(load.peak_memory_bytes for load in loads)
            return float(max(peaks)) if peaks else None


def pairs_of(measurement: Measurement, metric: Metric, upto: int | None = None) -> tuple[Pair, ...]:
    """Every pair that has the figure on both sides, in order; only pairs below ``upto``."""
    by_pair: dict[int, dict[Role, Sample]] = {}
    for sample in measurement.samples:
        if upto is None or sample.pair < upto:
            by_pair.setdefault(sample.pair, {})[sample.role] = sample
    return tuple(_pairs(by_pair, metric))


def _pairs(by_pair: dict[int, dict[Role, Sample]], metric: Metric) -> Iterator[Pair]:
    for number, roles in sorted(by_pair.items()):
        if Role.BASELINE not in roles or Role.CONTENDER not in roles:
            continue
        baseline, contender = figure(roles[Role.BASELINE], metric), figure(roles[Role.CONTENDER], metric)
        if baseline is not None and contender is not None:
            raw = figure(roles[Role.RAW], metric) if Role.RAW in roles else None
            yield Pair(number, baseline, contender, raw)


def worsening(pairs: Iterable[Pair], metric: Metric) -> list[float]:
    """Logarithms of the paired ratios, above 0 where the contender is worse."""
    sign = -1 if direction(metric) is Direction.HIGHER else 1
    return [sign * math.log(pair.contender / pair.baseline) for pair in pairs]


def margin(metric: Metric, ratio: float) -> float:
    """The worsening that still passes, as a logarithm."""
    return -math.log1p(-ratio) if direction(metric) is Direction.HIGHER else math.log1p(ratio)


def compare(measurement: Measurement, metric: Metric, ratio: float, upto: int | None = None) -> Comparison:
    """One metric over all pairs. Without enough pairs the outcome is ``cantTell``."""
    pairs = pairs_of(measurement, metric, upto)
    higher = direction(metric) is Direction.HIGHER
    found = shift(worsening(pairs, metric))
    outcome = decide(found, margin(metric, ratio)) if len(pairs) >= MIN_PAIRS else Outcome.CANT_TELL
    sign = -1 if higher else 1
    ends = (None, None) if found is None else (found.lower, found.upper)
    lower, upper = ends[::sign]
    return Comparison(
        metric=metric,
        gated=metric in measurement.setup.gated,
        pairs=len(pairs),
        contender=_rounded(median(pair.contender for pair in pairs)),
        baseline=_rounded(median(pair.baseline for pair in pairs)),
        raw=_rounded(median(_known(pair.raw for pair in pairs))),
        to_raw=_rounded(median(pair.contender / pair.raw for pair in pairs if pair.raw)),
        ratio=_ratio(sign, found.estimate if found else None),
        lower=_ratio(sign, lower),
        upper=_ratio(sign, upper),
        allowed=1 - ratio if higher else 1 + ratio,
        outcome=outcome,
    )


def undecided(measurement: Measurement, ratio: float, upto: int | None = None) -> bool:
    """Whether more pairs could still tell: a gated metric's interval spans its margin."""
    outcomes = [compare(measurement, metric, ratio, upto).outcome for metric in measurement.setup.gated]
    return Outcome.FAILED not in outcomes and Outcome.CANT_TELL in outcomes


def pairs_to_stop_at(measurement: Measurement, ratio: float) -> int:
    """Where the rule stops: at a verdict, looked for after ``pairs`` and each ``step`` more, or at the cap.

    Stopping elsewhere, when the figures happen to please, is how a benchmark is made to say anything.
    """
    setup = measurement.setup
    there = len({sample.pair for sample in measurement.samples})
    stop = setup.pairs
    while stop < min(there, setup.max_pairs) and undecided(measurement, ratio, stop):
        stop = min(stop + setup.step, setup.max_pairs)
    return stop


def alarms(measurement: Measurement, ratio: float) -> FalseAlarms | None:
    """How often the first gated metric's decision fails an artefact that is held against itself.

    Where both sides are one artefact these are the run's own pairs; else each baseline process is held
    against the one before it. ``None`` with too few to say.
    """
    metric = measurement.setup.gated[0]
    same = measurement.baseline.artifact_digest == measurement.contender.artifact_digest
    pairs = pairs_of(measurement, metric)
    if same:
        differences: Sequence[float] = worsening(pairs, metric)
    else:
        figures = [pair.baseline for pair in pairs]
        differences = [math.log(after / before) for before, after in itertools.pairwise(figures)]
    found = false_alarms(differences, margin(metric, ratio), measurement.setup.seed)
    if found is None:
        return None
    return FalseAlarms(
        metric=metric,
        basis="pairs of this run" if same else "successive baseline processes",
        pairs=len(differences),
        trials=found.trials,
        false_alarms=found.false_alarms,
        inconclusive=found.inconclusive,
        rate=round(found.false_alarms / found.trials, DIGITS),
        upper_bound=round(upper_bound(found.false_alarms, found.trials), DIGITS),
    )


def first_release(measurement: Measurement) -> bool:
    """Both sides are the subject itself: nothing could have regressed yet."""
    same = measurement.baseline.artifact_digest == measurement.contender.artifact_digest
    return measurement.baseline.kind is BaselineKind.SELF and same


def _known(values: Iterable[T | None]) -> list[T]:
    return [value for value in values if value is not None]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _ratio(sign: int, worse: float | None) -> float | None:
    return None if worse is None else round(math.exp(sign * worse), DIGITS)
