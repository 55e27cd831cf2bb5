"""Replays on the page: each one with what was found, the red ones with rows."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, ReplayKind
from certification_pipeline.evidence.cell import RowJudgement, RowSample
from certification_pipeline.evidence.replay import Aspect, ReplayEvidence
from certification_pipeline.report.sections.replay import MOST_REPLAYS, replays_view
from certification_pipeline.report.tally import Tally
from tests.evidence.builders import ROWS
from tests.replay.builders import evidence, item, whole
from tests.report.shown import said, shown
from tests.report.test_html import HOSTILE

ROUTE = "postgres → duckdb"


def field(made: ReplayEvidence, kind: ReplayKind) -> Tally:
    return replays_view(made).grid.loc[ROUTE, kind.value.replace("_", " ")]


def test_routes_and_kinds_count_every_replay() -> None:
    made = whole()
    assert field(made, ReplayKind.WINDOW).words == "1 passed"
    assert field(made, ReplayKind.RESUME).words == "1 passed"
    assert field(made, ReplayKind.PARTITION).words == "not planned"
    assert "2 of 2 replays hold, on 1 route" in said(made)


def test_what_is_declared_and_was_not_done_is_untested() -> None:
    assert field(evidence(item()), ReplayKind.RESUME).words == "1 untested"


@pytest.mark.parametrize("red", [Aspect.INSIDE, Aspect.OUTSIDE, Aspect.IDEMPOTENT, Aspect.STATE])
def test_a_red_aspect_shows_its_rows_and_the_next_step(red: Aspect) -> None:
    made = evidence(item(red=red), item(ReplayKind.RESUME))
    assert made.outcome is Outcome.FAILED
    view = replays_view(made)
    assert view.open
    first = view.replays[0]
    assert first.item.outcome is Outcome.FAILED
    (aspect,) = (each for each in first.aspects if each.aspect is red)
    assert (aspect.outcome, aspect.rows) == (Outcome.FAILED, f"{ROWS - 3} of {ROWS}")
    text = said(made)
    for blocker in made.blockers:
        assert blocker.code in text
        assert blocker.next_step in text
    assert f"✗ {ROWS - 3} of {ROWS}" in text


def test_rows_inside_and_outside_are_those_of_the_judgements() -> None:
    (first, *_) = replays_view(whole()).replays
    for one in first.item.judgements:
        if isinstance(one.judgement, RowJudgement):
            (shown_,) = (each.rows for each in first.aspects if each.aspect is one.aspect)
            assert shown_ == f"{one.judgement.actual.rows:,} of {one.judgement.expected.rows:,}"


def test_outside_is_not_asked_of_what_is_resumed() -> None:
    (view,) = replays_view(evidence(item(ReplayKind.RESUME))).replays
    assert {each.aspect: each.outcome for each in view.aspects}[Aspect.OUTSIDE] is None
    assert "not asked" in said(evidence(item(ReplayKind.RESUME)))


def test_samples_of_a_red_replay_are_shown_and_stay_text() -> None:
    red = item(red=Aspect.INSIDE)
    sample = RowSample(
        anomaly=Anomaly.CORRUPT, key={"id": "17"}, column="note", expected=HOSTILE, actual=HOSTILE + "x"
    )
    judgements = tuple(
        one.model_copy(update={"judgement": one.judgement.model_copy(update={"samples": (sample,)})})
        if one.aspect is Aspect.INSIDE
        else one
        for one in red.judgements
    )
    text = shown(evidence(red.model_copy(update={"judgements": judgements})))
    assert "id=17" in text
    assert "3 rows lost" in text
    assert text.count("<script>") == 1


def test_a_plan_is_not_a_replay() -> None:
    text = said(evidence(item(mode="plan"), mode="plan"))
    assert "planned only" in text
    assert "0 of 1 replays hold" in text


def test_more_replays_than_are_listed_are_counted() -> None:
    made = whole()
    many = made.model_copy(update={"items": made.items * MOST_REPLAYS})
    view = replays_view(many)
    assert len(view.replays) == MOST_REPLAYS
    assert f"All {len(many.items)} replays" in said(many)
