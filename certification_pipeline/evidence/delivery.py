"""How often a killed load lost or repeated rows, and what so many kills can prove.

Statistics only: which of the kills lost or repeated is worked out from the judgements
(``evidence/trials.py``). Zero of n is not zero: the rule of three says that the true rate is at most 3/n at
95 % (Hanley and Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249, 1983).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import Field

from certification_pipeline.evidence.artifact import Model

ENOUGH = 60
"""Kills that a delivery guarantee is said from: none of them lost means at most 5 % of all would."""
CONFIDENCE = 0.95
_HALVINGS = 60


class DeliveryKill(Model):
    """One load that was killed, and what a rerun made of it; judged by the judgements of its steps."""

    step: str = Field(description="prefix of the steps of its faults and judgements")
    moment: str = Field(description="when: 'after 0.137 s', or the boundary's address")
    ended: str = Field(description="how the killed load ended")
    reruns: int = Field(ge=0, description="loads until one ended well; 0: the killed one did")


class DeliveryTrials(Model):
    """Every kill of the cell, in order."""

    kills: tuple[DeliveryKill, ...]
    seed: int = Field(description="of the random moments")


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """What came of the kills that fired."""

    n: int
    lost: int
    duplicates: int
    """Allowed ones, too: what is declared is not what is observed."""
    other: int
    """Stuck, torn, or rows of another kind of wrong."""

    @property
    def enough(self) -> bool:
        """Whether a guarantee may be said from it."""
        return self.n >= ENOUGH

    @property
    def lost_at_most(self) -> float:
        """The rate of kills that lose, at 95 % confidence."""
        return at_most(self.lost, self.n)

    @property
    def duplicates_at_most(self) -> float:
        """The rate of kills that repeat, at 95 % confidence."""
        return at_most(self.duplicates, self.n)

    @property
    def other_at_most(self) -> float:
        """The rate of kills that end otherwise wrong, at 95 % confidence."""
        return at_most(self.other, self.n)


def at_most(seen: int, n: int) -> float:
    """Upper 95 % bound of a rate of which ``seen`` of ``n`` were seen; 1 when nothing was tried.

    For none seen the rule of three, 3/n; else the exact (Clopper-Pearson, one-sided) bound. Raises
    ``ValueError`` for counts that cannot be.
    """
    if not 0 <= seen <= n:
        raise ValueError(f"{seen} of {n} cannot be")
    if seen == n:
        return 1.0
    if seen == 0:
        return min(1.0, 3 / n)
    return clopper_pearson_upper(seen, n)


def clopper_pearson_upper(seen: int, n: int, confidence: float = CONFIDENCE) -> float:
    """The rate at which so few as ``seen`` of ``n`` would come up in only 1 - ``confidence`` of all series.

    The beta quantile of the text books, found by bisection over the binomial tail: no numeric library needed.
    """
    low, high = seen / n, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _binomial_at_most(seen, n, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _binomial_at_most(seen: int, n: int, rate: float) -> float:
    """Probability of at most ``seen`` in ``n`` tries; by logarithms: no overflow for large ``n``."""
    if rate <= 0:
        return 1.0
    if rate >= 1:
        return 1.0 if seen >= n else 0.0
    logarithms = (
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(rate)
        + (n - k) * math.log1p(-rate)
        for k in range(seen + 1)
    )
    return math.fsum(math.exp(one) for one in logarithms)
