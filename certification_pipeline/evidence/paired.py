"""The statistics of paired measurements: how much worse is one side, and may we say so?

Hodges-Lehmann shift of paired differences, with one-sided bounds from the Wilcoxon signed-rank distribution
(Hodges & Lehmann 1963; Hollander, Wolfe & Chicken, *Nonparametric Statistical Methods*, 3.2-3.4). It assumes
that differences are independent and symmetric about the shift, not that they are normal. Pure functions over
numbers; knows nothing of benchmarks.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from certification_pipeline.catalog.vocabulary import Outcome

ALPHA = Fraction(1, 20)
"""What each one-sided bound may miss: 95 % bounds."""
EXACT_UP_TO = 11
"""Pairs for which all sign flips are tried (2048 at most); beyond that a seeded sample."""
TRIALS = 2000


@dataclass(frozen=True)
class Shift:
    """By how much the differences are shifted; each bound holds at 95 % by itself."""

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Trials:
    """What the decision says about differences that are none."""

    trials: int
    false_alarms: int
    inconclusive: int


@cache
def critical(pairs: int) -> int | None:
    """The largest c with P(T <= c) <= 5 % under no shift; ``None`` when so few pairs can prove nothing.

    T is the signed-rank sum: each rank 1..n counts with probability one half (exact, by counting subsets).
    """
    counts = [1]
    for rank in range(1, pairs + 1):
        more = counts + [0] * rank
        for total, ways in enumerate(counts):
            more[total + rank] += ways
        counts = more
    allowed, below = ALPHA * 2**pairs, 0
    for total, ways in enumerate(counts):
        below += ways
        if below > allowed:
            return total - 1 if total else None
    return None  # no pairs at all: one empty sum, never beyond what is allowed


def shift(differences: Sequence[float]) -> Shift | None:
    """The median of all Walsh averages (each pair's mean, itself included), and its bounds."""
    rank = critical(len(differences))
    if rank is None:
        return None
    walsh = sorted(
        (left + right) / 2 for left, right in itertools.combinations_with_replacement(differences, 2)
    )
    middle = len(walsh) // 2
    estimate = walsh[middle] if len(walsh) % 2 else (walsh[middle - 1] + walsh[middle]) / 2
    return Shift(estimate, walsh[rank], walsh[-1 - rank])


def decide(found: Shift | None, margin: float) -> Outcome:
    """Failed when the shift is beyond the margin for sure, passed when it is within for sure."""
    if found is None:
        return Outcome.CANT_TELL
    if found.lower > margin:
        return Outcome.FAILED
    return Outcome.PASSED if found.upper <= margin else Outcome.CANT_TELL


def false_alarms(differences: Sequence[float], margin: float, seed: int) -> Trials | None:
    """Put random signs on differences of the same thing measured twice, and decide about each.

    Under "no difference" each sign is a coin. All sign flips where they are few, else a seeded sample.
    """
    rank = critical(len(differences))
    if rank is None:
        return None
    alarms = unsure = trials = 0
    for signs in _flips(len(differences), seed):
        trials += 1
        flipped = [sign * value for sign, value in zip(signs, differences, strict=True)]
        if _walsh_up_to(flipped, margin) <= rank:
            alarms += 1
        elif _walsh_up_to([-value for value in flipped], -margin, strictly=True) > rank:
            unsure += 1
    return Trials(trials, alarms, unsure)


def upper_bound(found: int, trials: int) -> float:
    """One-sided 95 % upper bound of a rate (Clopper & Pearson 1934); 1 without trials."""
    if found >= trials:
        return 1.0
    low, high = found / trials, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        if _at_most(found, trials, rate) > ALPHA:
            low = rate
        else:
            high = rate
    return high


def median(values: Iterable[float]) -> float | None:
    """``None`` of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _flips(count: int, seed: int) -> Iterable[Sequence[int]]:
    if count <= EXACT_UP_TO:
        return itertools.product((1, -1), repeat=count)
    coin = random.Random(seed)  # noqa: S311 - reproducible, not secret
    return (
        [1 if bit == "1" else -1 for bit in f"{coin.getrandbits(count):0{count}b}"] for _ in range(TRIALS)
    )


def _walsh_up_to(values: list[float], margin: float, *, strictly: bool = False) -> int:
    """How many Walsh averages are <= margin (< margin when ``strictly``), without making them all.

    The k-th smallest is beyond the margin exactly when at most k - 1 are not: what :func:`decide` asks.
    """
    ordered = sorted(values)
    count, right, limit = 0, len(ordered) - 1, margin
    for left, value in enumerate(ordered):
        while right >= left and (
            (value + ordered[right]) / 2 >= limit if strictly else (value + ordered[right]) / 2 > limit
        ):
            right -= 1
        if right < left:
            break
        count += right - left + 1
    return count


def _at_most(found: int, trials: int, rate: float) -> float:
    """P(X <= found) of a binomial, in logarithms: trials may be thousands."""
    if rate >= 1:
        return 0.0
    log, log_not = math.log(rate) if rate else -math.inf, math.log1p(-rate)
    return sum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + (k * log if k else 0.0)
            + (trials - k) * log_not
        )
        for k in range(found + 1)
    )
