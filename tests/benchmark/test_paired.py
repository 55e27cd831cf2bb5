"""The paired statistics against published tables, brute force, and what must hold for any numbers."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.paired import (
    critical,
    decide,
    false_alarms,
    median,
    shift,
    upper_bound,
)

numbers = st.floats(-10, 10, allow_nan=False).map(lambda x: round(x, 6))
lists = st.lists(numbers, min_size=5, max_size=14)


def test_the_published_table_of_the_signed_rank_sum() -> None:
    """Wilcoxon's critical values, one-sided 5 %, as every textbook prints them."""
    table = {5: 0, 6: 2, 7: 3, 8: 5, 9: 8, 10: 10, 11: 13, 12: 17, 15: 30, 20: 60, 25: 100, 30: 151}
    assert {pairs: critical(pairs) for pairs in table} == table
    assert [critical(pairs) for pairs in range(5)] == [None] * 5


def test_a_worked_example() -> None:
    """Depression scores of Hollander & Wolfe, example 3.1: estimate 0.46; scipy's Walsh averages agree."""
    before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    found = shift([x - y for x, y in zip(before, after, strict=True)])
    assert found is not None
    assert found.estimate == pytest.approx(0.46, abs=0.001)
    # P(T <= 8) = 0.049 with nine pairs: the ninth smallest and the ninth largest Walsh average.
    walsh = sorted(
        (x + y) / 2
        for x, y in itertools.combinations_with_replacement(
            [x - y for x, y in zip(before, after, strict=True)], 2
        )
    )
    assert (found.lower, found.upper) == (walsh[8], walsh[-9])


@given(lists, numbers)
def test_a_shift_of_all_shifts_estimate_and_bounds(values: list[float], by: float) -> None:
    here, there = shift(values), shift([value + by for value in values])
    assert here is not None
    assert there is not None
    assert here.lower <= here.estimate <= here.upper
    assert there.estimate == pytest.approx(here.estimate + by, abs=1e-6)
    assert there.lower == pytest.approx(here.lower + by, abs=1e-6)
    assert there.upper == pytest.approx(here.upper + by, abs=1e-6)


@given(lists)
def test_it_is_the_same_in_any_order_and_mirrored(values: list[float]) -> None:
    found, turned = shift(values), shift([-value for value in reversed(values)])
    assert found is not None
    assert turned is not None
    assert (turned.lower, turned.upper) == (pytest.approx(-found.upper), pytest.approx(-found.lower))
    assert shift(values[::-1]) == found


def test_the_bounds_cover_as_often_as_they_say() -> None:
    chance = random.Random(7)
    missed = 0
    for _ in range(2000):
        found = shift([chance.gauss(0.3, 1) for _ in range(10)])
        assert found is not None
        missed += found.lower > 0.3
    assert missed / 2000 == pytest.approx(0.042, abs=0.015), "P(T <= 10) with ten pairs"


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ([0.0] * 10, Outcome.PASSED),
        ([0.5] * 10, Outcome.FAILED),
        ([0.1] * 10, Outcome.PASSED),  # exactly what is allowed
        ([0.3, -0.1] * 5, Outcome.CANT_TELL),
        ([0.5] * 4, Outcome.CANT_TELL),
        ([], Outcome.CANT_TELL),
    ],
)
def test_the_decision(values: list[float], outcome: Outcome) -> None:
    assert decide(shift(values), 0.1) is outcome


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-40, 40).map(lambda x: x / 64), min_size=5, max_size=8))
def test_false_alarms_are_those_of_the_decision_itself(values: list[float]) -> None:
    """Multiples of 1/64, so that no rounding makes ties."""
    outcomes = [
        decide(shift([s * v for s, v in zip(signs, values, strict=True)]), 0.125)
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    found = false_alarms(values, 0.125, seed=1)
    assert found is not None
    assert found.trials == len(outcomes)
    assert found.false_alarms == outcomes.count(Outcome.FAILED)
    assert found.inconclusive == outcomes.count(Outcome.CANT_TELL)


def test_many_pairs_are_sampled_by_the_seed() -> None:
    values = [random.Random(3).gauss(0, 0.3) for _ in range(20)]
    first = false_alarms(values, 0.05, seed=1)
    assert first == false_alarms(values, 0.05, seed=1)
    assert first is not None
    assert first.trials == 2000
    assert false_alarms([0.1] * 4, 0.05, seed=1) is None


def test_the_upper_bound_of_a_rate() -> None:
    assert upper_bound(0, 1000) == pytest.approx(1 - 0.05 ** (1 / 1000))
    assert upper_bound(3, 100) == pytest.approx(0.0757, abs=0.0001)  # Clopper & Pearson, one-sided
    assert upper_bound(5, 5) == 1
    assert upper_bound(0, 0) == 1


@given(st.lists(numbers, min_size=1))
def test_the_median(values: list[float]) -> None:
    found = median(values)
    assert found is not None
    assert sum(v <= found for v in values) * 2 >= len(values)
    assert sum(v >= found for v in values) * 2 >= len(values)
    assert median([]) is None
    assert not math.isnan(found)
