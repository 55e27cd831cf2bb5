"""What so many kills prove: the bounds against values of the text books, and counts that cannot be."""

from __future__ import annotations

import pytest

from certification_pipeline.evidence.delivery import DeliveryCount, at_most, clopper_pearson_upper

# Upper ends of the two-sided 90 % interval of Clopper and Pearson, as the usual tables have them.
TABLE = {
    (0, 10): 0.2589,
    (1, 10): 0.3942,
    (2, 20): 0.2826,
    (5, 100): 0.1023,
    (10, 20): 0.6980,
    (0, 60): 0.0487,
}


@pytest.mark.parametrize(("seen", "n"), list(TABLE))
def test_the_exact_bound_is_that_of_the_tables(seen: int, n: int) -> None:
    assert clopper_pearson_upper(seen, n) == pytest.approx(TABLE[seen, n], abs=5e-5)


def test_none_of_sixty_is_at_most_one_in_twenty() -> None:
    count = DeliveryCount(n=60, lost=0, duplicates=1, other=60)
    assert count.enough
    assert count.lost_at_most == 3 / 60
    assert 1 / 60 < count.duplicates_at_most < 0.1
    assert count.other_at_most == 1.0


def test_the_rule_of_three_never_promises_more_than_the_exact_bound() -> None:
    assert all(at_most(0, n) >= clopper_pearson_upper(0, n) for n in range(1, 400))


def test_nothing_tried_proves_nothing() -> None:
    assert at_most(0, 0) == 1.0
    assert at_most(0, 1) == 1.0
    assert not DeliveryCount(n=59, lost=0, duplicates=0, other=0).enough


@pytest.mark.parametrize(("seen", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_counts_that_cannot_be_are_refused(seen: int, n: int) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        at_most(seen, n)


def test_a_long_series_does_not_overflow() -> None:
    assert clopper_pearson_upper(3, 1_000_000) == pytest.approx(7.754e-6, rel=1e-3)
