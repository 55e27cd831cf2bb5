"""Sixty kills: an engine that is right passes, one that repeats or loses is counted, too few are no proof."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import Guarantee, Outcome, Strategy
from certification_pipeline.evidence.delivery import ENOUGH
from certification_pipeline.evidence.trials import delivery_count
from certification_pipeline.harness.exploration import exactly_once
from certification_pipeline.harness.faults.process import Kill
from tests.exploration.conftest import Lab

pytestmark = pytest.mark.integration

APPEND = Strategy.INCREMENTAL_APPEND


@pytest.mark.nightly
def test_an_engine_that_commits_once_loses_and_repeats_nothing(lab: Lab) -> None:
    explored = lab.explore("deliv.exactly_once", APPEND)
    count = delivery_count(explored.cell)
    assert count is not None
    assert count.n >= ENOUGH
    assert (count.lost, count.duplicates, count.other) == (0, 0, 0)
    assert count.lost_at_most <= 0.05
    assert explored.outcome is Outcome.PASSED
    moments = [kill.moment for kill in explored.bench.delivery.kills] if explored.bench.delivery else []
    assert any("COMMIT" in moment for moment in moments)
    assert sum(moment.endswith(" s") for moment in moments) >= ENOUGH // 3


@pytest.mark.nightly
def test_what_is_allowed_is_observed_all_the_same(lab: Lab) -> None:
    explored = lab.explore("deliv.exactly_once", APPEND, "rows_first", guarantee=Guarantee.AT_LEAST_ONCE)
    count = delivery_count(explored.cell)
    assert count is not None
    assert count.duplicates
    assert count.lost == 0
    assert explored.outcome is Outcome.PASSED


@pytest.mark.nightly
def test_a_lossy_engine_is_red_with_its_count(lab: Lab) -> None:
    explored = lab.explore("deliv.exactly_once", APPEND, "mark_first")
    count = delivery_count(explored.cell)
    assert count is not None
    assert count.lost
    assert explored.outcome is Outcome.FAILED


def test_kills_that_do_not_fire_do_not_count(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exactly_once, "_MISSES", 2)
    monkeypatch.setattr(Kill, "witness", lambda self: None)
    explored = lab.explore("deliv.exactly_once", APPEND)
    count = delivery_count(explored.cell)
    assert count is not None
    assert 0 < count.n < ENOUGH, "those at the boundaries fired"
    assert all(fault.witness for fault in explored.bench.faults)
    assert explored.outcome is Outcome.CANT_TELL
